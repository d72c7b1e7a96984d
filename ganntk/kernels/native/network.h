/* A network of infinite width as the custom calls receive it, and the work between two sets of rows. */

#ifndef GANNTK_NETWORK_H_
#define GANNTK_NETWORK_H_

#include <stdint.h>

#define VECTOR_BYTES 32
#define MOST_OPERATIONS 256
#define GROUP 4 /* rows of the second set that go through the pixels together */
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* Compiled for several processors, chosen when the library is loaded. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(ONE_TARGET)
#define TARGETS __attribute__((flatten, target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TARGETS __attribute__((flatten))
#endif

enum { WINDOW = 0, RELU = 1 };

/* In the order of the columns of the custom calls' first argument. */
typedef struct {
  int kind, in_h, in_w, out_h, out_w, height, width, stride_y, stride_x, top, left, has_weights;
  int first_stat; /* of a ReLU: where its positions begin among those of all ReLUs */
  double scale;
} Operation;

typedef struct {
  int count, channels, positions; /* positions: of all ReLUs */
  Operation operations[MOST_OPERATIONS];
} Network;

typedef struct {
  Network network;
  int64_t rows1, rows2, rank;
  int is_symmetric, is_dense;
  const void *pixels1, *pixels2; /* (rows, height, width, channels) */
  const void *stats1, *stats2;   /* (rows, 3, positions): root r, 1 / 2r or 0, NTK variance */
  const void *left, *right;      /* a cotangent's factors, (rows, rank); or itself, and nothing */
  void *out1, *out2;
} Call;

/* A half-open range of indices. */
typedef struct {
  int from, to;
} Span;

/* The input positions in the window of an output position. */
static inline Span window_span(int out, int stride, int before, int size, int limit) {
  int start = out * stride - before;
  return (Span){MAX(start, 0), start + size < limit ? start + size : limit};
}

/* The output positions whose windows contain an input position. */
static inline Span containing(int in, int stride, int before, int size, int limit) {
  int last = (in + before) / stride + 1, first = in + before - size;
  return (Span){first < 0 ? 0 : first / stride + 1, last < limit ? last : limit};
}

static inline int positions_of(const Operation *op) { return op->out_h * op->out_w; }

static inline int64_t pixels_of(const Network *net) {
  return (int64_t)net->operations[0].in_h * net->operations[0].in_w * net->channels;
}

/* One block of rows of the first set: pairs.h says what each does. */
void *scratch_new_f32(const Call *call);
void *scratch_new_f64(const Call *call);
void gram_block_f32(const Call *call, int64_t block, void *scratch);
void gram_block_f64(const Call *call, int64_t block, void *scratch);
void pullback_block_f32(const Call *call, int64_t block, void *scratch);
void pullback_block_f64(const Call *call, int64_t block, void *scratch);

#endif
