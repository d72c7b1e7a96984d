/* Pairs of images through a network of infinite width, for one type of number.
 *
 * pairs_f32.c and pairs_f64.c include this file with REAL, INTEGER (of the same size), SQRT and
 * OF(name) defined. A network is a list of windows and ReLUs; through it go the squared distances D
 * (NNGP) and T (NTK) of pairs, by the formulas of ganntk/kernels/layers.py and relu_pairs.py.
 *
 * LANES pairs go side by side: rows of the first set in the lanes of a vector, one row of the second
 * set in all of them. No lane sees another, and every sum runs over the second set in its order: a
 * result depends neither on the rows that share a vector nor on the number of threads.
 */

#include <math.h>
#include <stdlib.h>

#include "arcs.h"
#include "network.h"

#define LANES ((int)(VECTOR_BYTES / sizeof(REAL)))

typedef REAL vec __attribute__((vector_size(VECTOR_BYTES)));
typedef INTEGER mask __attribute__((vector_size(VECTOR_BYTES)));

/* One thread's memory. */
typedef struct {
  vec *pixels, *stats;         /* the lanes' rows */
  vec *left;                   /* their factor of a cotangent */
  vec *d[MOST_OPERATIONS];     /* distances after each operation; on the way back, cotangents */
  vec *t[MOST_OPERATIONS];
  vec *turn, *bend, *h, *gap;  /* at each ReLU position, what its way back needs */
  vec *first[GROUP];           /* d[0] for each row of a group of the second set */
  vec *line[GROUP], *sums;     /* lines of a map */
  vec *pixels_bar, *stats_bar; /* cotangents of the lanes' rows: sums over the second set */
} Scratch;

static inline vec splat(REAL x) { return x - (vec){0}; }

/* A comparison with NaN is false: `no` carries a NaN on. */
static inline vec choose(mask where, vec yes, vec no) {
  return (vec)((where & (mask)yes) | (~where & (mask)no));
}

static inline vec root(vec x) {
  vec y;
  for (int lane = 0; lane < LANES; ++lane) y[lane] = SQRT(x[lane]);
  return y;
}

static inline vec horner(const REAL *coefficients, int count, vec x) {
  vec y = splat(coefficients[count - 1]);
  for (int k = count - 2; k >= 0; --k) y = y * x + coefficients[k];
  return y;
}

#define HORNER(coefficients, x) horner(coefficients, COUNT(coefficients), x)

/* ---- windows: sums over the window of every output position, one axis after the other --------- */

/* Add a line of the input to the lines of the output whose windows contain it. */
static inline void gather(const Operation *op, int y, const vec *line, vec *sums, vec *out) {
  for (int ox = 0; ox < op->out_w; ++ox) {
    Span span = window_span(ox, op->stride_x, op->left, op->width, op->in_w);
    vec sum = line[span.from];
    for (int x = span.from + 1; x < span.to; ++x) sum += line[x];
    sums[ox] = sum;
  }
  Span lines = containing(y, op->stride_y, op->top, op->height, op->out_h);
  for (int oy = lines.from; oy < lines.to; ++oy)
    for (int ox = 0; ox < op->out_w; ++ox) out[oy * op->out_w + ox] += sums[ox];
}

/* The cotangent of a line of the input: the sum over the windows that contain each position. */
static inline void scatter(const Operation *op, int y, const vec *out_bar, vec *sums, vec *line) {
  for (int ox = 0; ox < op->out_w; ++ox) sums[ox] = splat(0);
  for (int x = 0; x < op->in_w; ++x) line[x] = splat(0);
  Span lines = containing(y, op->stride_y, op->top, op->height, op->out_h);
  for (int oy = lines.from; oy < lines.to; ++oy)
    for (int ox = 0; ox < op->out_w; ++ox) sums[ox] += out_bar[oy * op->out_w + ox];
  for (int ox = 0; ox < op->out_w; ++ox) {
    Span span = window_span(ox, op->stride_x, op->left, op->width, op->in_w);
    for (int x = span.from; x < span.to; ++x) line[x] += sums[ox];
  }
}

static inline void clear(vec *map, int count) {
  for (int k = 0; k < count; ++k) map[k] = splat(0);
}

/* D' = scale * sum D, T' = scale * sum T, plus D' where the window has weights. */
static inline void weigh(const Operation *op, vec *d, vec *t) {
  for (int p = 0; p < positions_of(op); ++p) {
    d[p] = d[p] * (REAL)op->scale;
    t[p] = t[p] * (REAL)op->scale + (op->has_weights ? d[p] : splat(0));
  }
}

/* The first operation: windows over squared distances of pixels, summed over channels, for a group of
 * rows of the second set: the lanes' pixels, many times as large as a cache, are read once for all. */
static void pixels_forward(const Network *net, const REAL *const *rows, Scratch *s) {
  const Operation *op = net->operations;
  for (int r = 0; r < GROUP; ++r) clear(s->first[r], positions_of(op));
  for (int64_t y = 0, at = 0; y < op->in_h; ++y) {
    for (int x = 0; x < op->in_w; ++x) {
      vec sums[GROUP] = {{0}};
      for (int c = 0; c < net->channels; ++c, ++at)
        for (int r = 0; r < GROUP; ++r) {
          vec apart = s->pixels[at] - rows[r][at];
          sums[r] += apart * apart;
        }
      for (int r = 0; r < GROUP; ++r) s->line[r][x] = sums[r];
    }
    for (int r = 0; r < GROUP; ++r) gather(op, (int)y, s->line[r], s->sums, s->first[r]);
  }
}

/* Its way back: s->first holds the cotangents of the windows' sums. */
static void pixels_backward(const Network *net, const REAL *const *rows, Scratch *s) {
  const Operation *op = net->operations;
  for (int64_t y = 0, at = 0; y < op->in_h; ++y) {
    for (int r = 0; r < GROUP; ++r) scatter(op, (int)y, s->first[r], s->sums, s->line[r]);
    for (int x = 0; x < op->in_w; ++x)
      for (int c = 0; c < net->channels; ++c, ++at) {
        vec bar = s->pixels_bar[at];
        for (int r = 0; r < GROUP; ++r) bar += s->line[r][x] * (s->pixels[at] - rows[r][at]);
        s->pixels_bar[at] = bar;
      }
  }
}

static void window_forward(const Operation *op, int k, Scratch *s) {
  clear(s->d[k], positions_of(op));
  clear(s->t[k], positions_of(op));
  for (int y = 0; y < op->in_h; ++y) {
    gather(op, y, s->d[k - 1] + y * op->in_w, s->sums, s->d[k]);
    gather(op, y, s->t[k - 1] + y * op->in_w, s->sums, s->t[k]);
  }
  weigh(op, s->d[k], s->t[k]);
}

static void window_backward(const Operation *op, int k, Scratch *s) {
  for (int p = 0; p < positions_of(op); ++p) {
    s->d[k][p] = (s->d[k][p] + (op->has_weights ? s->t[k][p] : splat(0))) * (REAL)op->scale;
    s->t[k][p] = s->t[k][p] * (REAL)op->scale;
  }
  for (int y = 0; y < op->in_h; ++y) {
    scatter(op, y, s->d[k], s->sums, s->d[k - 1] + y * op->in_w);
    scatter(op, y, s->t[k], s->sums, s->t[k - 1] + y * op->in_w);
  }
}

/* ---- ReLU ----------------------------------------------------------------------------------- */

/* With g = r1 r2, h = sin^2(theta/2) = (D - (r1 - r2)^2) / 4g:
 *   D' = D/2 - (g/pi)(sin theta - theta cos theta),  T' = T/2 + ntk12 theta/pi.
 * The tape keeps turn = theta/2pi, bend = dT'/dD, h and gap/pi. */
static void relu_forward(const Network *net, const Operation *op, int k, const REAL *stats,
                             int keep, Scratch *s) {
  const REAL *roots = stats + op->first_stat, *halves = roots + net->positions,
             *ntks = halves + net->positions;
  const vec *lane_roots = s->stats + op->first_stat, *lane_halves = lane_roots + net->positions,
            *lane_ntks = lane_halves + net->positions;
  const REAL pi = (REAL)3.14159265358979323846;
  for (int p = 0; p < positions_of(op); ++p) {
    vec d = s->d[k - 1][p], t = s->t[k - 1][p];
    vec apart = lane_roots[p] - roots[p], per_4g = lane_halves[p] * halves[p];
    vec h = (d - apart * apart) * per_4g;
    h = choose(h < 0, splat(0), h);
    h = choose(h > 1, splat(1), h);
    mask is_acute = h <= (REAL)0.5;
    vec near = choose(is_acute, h, 1 - h);
    vec sine = root(near), cosine = root(1 - near); /* of theta/2, or of its complement */
    vec half = sine * HORNER(OF(ARCSINE), near);
    vec theta = choose(is_acute, 2 * half, pi - 2 * half);
    vec small = near * sine * HORNER(OF(SINE_GAP), near);
    vec gap = choose(is_acute, small, 2 * sine * cosine + theta * (1 - 2 * near)) * (1 / pi);
    vec ntk12 = (lane_ntks[p] + ntks[p] - t) * (REAL)0.5, turn = theta * (1 / (2 * pi));
    s->d[k][p] = d * (REAL)0.5 - lane_roots[p] * roots[p] * gap;
    s->t[k][p] = t * (REAL)0.5 + ntk12 * turn * 2;
    if (!keep) continue;
    vec spread = sine * cosine; /* dtheta/dh = 1 / sqrt(h (1 - h)), 0 at both ends */
    vec slope = choose(spread > 0, 1 / choose(spread > 0, spread, splat(1)), spread);
    int at = op->first_stat + p;
    s->turn[at] = turn, s->h[at] = h, s->gap[at] = gap;
    s->bend[at] = ntk12 * slope * per_4g * (1 / pi);
  }
}

static void relu_backward(const Network *net, const Operation *op, int k, const REAL *stats,
                              Scratch *s) {
  const REAL *roots = stats + op->first_stat;
  const vec *lane_roots = s->stats + op->first_stat;
  vec *roots_bar = s->stats_bar + op->first_stat, *ntks_bar = roots_bar + net->positions;
  for (int p = 0; p < positions_of(op); ++p) {
    int at = op->first_stat + p;
    vec d_bar = s->d[k][p], t_bar = s->t[k][p], turned = s->turn[at] * t_bar;
    vec through_h = s->bend[at] * t_bar - s->turn[at] * d_bar;
    vec g_bar = -s->gap[at] * d_bar - 4 * s->h[at] * through_h;
    roots_bar[p] += g_bar * roots[p] - 2 * (lane_roots[p] - roots[p]) * through_h;
    ntks_bar[p] += turned;
    s->d[k - 1][p] = d_bar * (REAL)0.5 + through_h;
    s->t[k - 1][p] = t_bar * (REAL)0.5 - turned;
  }
}

/* ---- a network ------------------------------------------------------------------------------ */

/* The NTK distances between the lanes' rows and row r of the group. */
static vec forward(const Network *net, int r, const REAL *stats, int keep, Scratch *s) {
  s->d[0] = s->first[r];
  clear(s->t[0], positions_of(net->operations));
  weigh(net->operations, s->d[0], s->t[0]);
  for (int k = 1; k < net->count; ++k) {
    const Operation *op = net->operations + k;
    if (op->kind == WINDOW) window_forward(op, k, s);
    if (op->kind == RELU) relu_forward(net, op, k, stats, keep, s);
  }
  return s->t[net->count - 1][0];
}

/* Pull a cotangent of those distances back: to the lanes' statistics, and to the sums over windows of
 * pixels, in s->first[r]. */
static void backward(const Network *net, int r, const REAL *stats, vec bar, Scratch *s) {
  s->d[net->count - 1][0] = splat(0);
  s->t[net->count - 1][0] = bar;
  for (int k = net->count - 1; k > 0; --k) {
    const Operation *op = net->operations + k;
    if (op->kind == WINDOW) window_backward(op, k, s);
    if (op->kind == RELU) relu_backward(net, op, k, stats, s);
  }
  const Operation *op = net->operations;
  /* Of a square, twice the difference; no T comes in, but T' may take D'. */
  for (int p = 0; p < positions_of(op); ++p)
    s->first[r][p] =
        (s->d[0][p] + (op->has_weights ? s->t[0][p] : splat(0))) * (REAL)(2 * op->scale);
}

/* ---- blocks of rows ------------------------------------------------------------------------- */

/* Rows from `first` on, transposed into lanes; lanes without a row repeat the last one. */
static void load(const REAL *rows, int64_t first, int64_t count, int64_t size, vec *lanes) {
  for (int lane = 0; lane < LANES; ++lane) {
    int64_t row = first + lane < count ? first + lane : count - 1;
    for (int64_t k = 0; k < size; ++k) lanes[k][lane] = rows[row * size + k];
  }
}

static void store(const vec *lanes, int64_t first, int64_t count, int64_t size, REAL *rows) {
  for (int lane = 0; lane < LANES && first + lane < count; ++lane)
    for (int64_t k = 0; k < size; ++k) rows[(first + lane) * size + k] = lanes[k][lane];
}

/* All of a thread's arrays in one allocation; NULL where there is no memory. */
void *OF(scratch_new)(const Call *call) {
  const Network *net = &call->network;
  int64_t pixels = pixels_of(net), stats = net->positions, line = 0, maps = 0;
  for (int k = 0; k < net->count; ++k) {
    const Operation *op = net->operations + k;
    line = MAX(line, MAX(op->in_w, op->out_w));
    maps += positions_of(op);
  }
  int64_t first = positions_of(net->operations);
  int64_t header = (sizeof(Scratch) + VECTOR_BYTES - 1) / VECTOR_BYTES;
  int64_t total = header + 2 * pixels + 9 * stats + 2 * maps + (GROUP + 1) * line + GROUP * first +
                  call->rank;
  Scratch *s = aligned_alloc(VECTOR_BYTES, total * VECTOR_BYTES);
  if (s == NULL) return NULL;
  vec *next = (vec *)s + header;
#define TAKE(pointer, count) (pointer) = next, next += (count)
  TAKE(s->pixels, pixels);
  TAKE(s->pixels_bar, pixels);
  TAKE(s->stats, 3 * stats);
  TAKE(s->stats_bar, 2 * stats);
  TAKE(s->turn, stats);
  TAKE(s->bend, stats);
  TAKE(s->h, stats);
  TAKE(s->gap, stats);
  for (int r = 0; r < GROUP; ++r) {
    TAKE(s->line[r], line);
    TAKE(s->first[r], first);
  }
  TAKE(s->sums, line);
  TAKE(s->left, call->rank);
  for (int k = 0; k < net->count; ++k) {
    TAKE(s->d[k], positions_of(net->operations + k));
    TAKE(s->t[k], positions_of(net->operations + k));
  }
#undef TAKE
  return s;
}

/* The rows of the second set from j on; past its end its last row again. */
static void group(const Call *call, int64_t j, const REAL **rows, const REAL **stats) {
  for (int r = 0; r < GROUP; ++r) {
    int64_t row = j + r < call->rows2 ? j + r : call->rows2 - 1;
    rows[r] = (const REAL *)call->pixels2 + row * pixels_of(&call->network);
    stats[r] = (const REAL *)call->stats2 + row * 3 * call->network.positions;
  }
}

static void load_rows(const Call *call, int64_t first, Scratch *s) {
  load(call->pixels1, first, call->rows1, pixels_of(&call->network), s->pixels);
  load(call->stats1, first, call->rows1, 3 * (int64_t)call->network.positions, s->stats);
}

/* Distances of the rows from LANES * block on to all rows of the second set; where that begins with
 * the first set, only to those from this block on. */
TARGETS void OF(gram_block)(const Call *call, int64_t block, void *memory) {
  Scratch *s = memory;
  const REAL *rows[GROUP], *stats[GROUP];
  int64_t first = block * LANES;
  REAL *out = call->out1;
  load_rows(call, first, s);
  for (int64_t j = call->is_symmetric ? first : 0; j < call->rows2; j += GROUP) {
    group(call, j, rows, stats);
    pixels_forward(&call->network, rows, s);
    for (int r = 0; r < GROUP && j + r < call->rows2; ++r) {
      vec t = forward(&call->network, r, stats[r], 0, s);
      for (int lane = 0; lane < LANES && first + lane < call->rows1; ++lane)
        out[(first + lane) * call->rows2 + j + r] = t[lane];
    }
  }
}

/* The cotangents of the distances between the lanes' rows and row j of the second set. */
static vec cotangent(const Call *call, int64_t j, const Scratch *s) {
  if (call->is_dense) return s->left[j];
  const REAL *right = (const REAL *)call->right + j * call->rank;
  vec bar = splat(0);
  for (int64_t k = 0; k < call->rank; ++k) bar += s->left[k] * right[k];
  return bar;
}

/* Pull a cotangent of the distances back to the rows from LANES * block on. */
TARGETS void OF(pullback_block)(const Call *call, int64_t block, void *memory) {
  const Network *net = &call->network;
  Scratch *s = memory;
  const REAL *rows[GROUP], *stats[GROUP];
  int64_t first = block * LANES;
  load_rows(call, first, s);
  load(call->left, first, call->rows1, call->rank, s->left);
  clear(s->pixels_bar, (int)pixels_of(net));
  clear(s->stats_bar, 2 * net->positions);
  for (int64_t j = 0; j < call->rows2; j += GROUP) {
    group(call, j, rows, stats);
    pixels_forward(net, rows, s);
    for (int r = 0; r < GROUP; ++r) {
      if (j + r >= call->rows2) { /* no row: nothing to pull back */
        clear(s->first[r], positions_of(net->operations));
        continue;
      }
      forward(net, r, stats[r], 1, s);
      backward(net, r, stats[r], cotangent(call, j + r, s), s);
    }
    pixels_backward(net, rows, s);
  }
  store(s->pixels_bar, first, call->rows1, pixels_of(net), call->out1);
  store(s->stats_bar, first, call->rows1, 2 * (int64_t)net->positions, call->out2);
}
