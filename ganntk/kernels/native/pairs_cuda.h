/* Pairs of images through a network of infinite width, by a group of threads of a GPU.
 *
 * The same computation as pairs.h, spread the other way: there vectors hold pairs, here the threads of
 * a group share the positions of one pair, whose maps stay in shared memory from the pixels to the
 * kernel and back. Loops over positions are strided by the size of the group, and a position belongs
 * to the same thread in all of them, so that sums over the second set need no atomics: results depend
 * neither on the order in which groups run nor on their number.
 *
 * Plain C++ but for HERE: a group of one on a CPU is what tests/kernels/test_cuda_source.py runs.
 */

#ifndef GANNTK_PAIRS_CUDA_H_
#define GANNTK_PAIRS_CUDA_H_

#include <cstdlib>

#ifdef __CUDACC__
#define HERE __device__ __forceinline__
#define CONSTANT static __constant__ const
#else
#include <cmath>
#define HERE inline
using std::sqrt;
#endif

#include "arcs.h"

constexpr int kMostOperations = 32;
enum Kind { kWindow = 0, kRelu = 1 };

/* In the order of the columns of ganntk.kernels.native.program.Program.operations. */
struct Operation {
  int kind, in_h, in_w, out_h, out_w, height, width, stride_y, stride_x, top, left, has_weights;
  int first_stat;
  double scale;
};

struct Network {
  int count, channels, positions; /* positions: of all ReLUs */
  Operation operations[kMostOperations];
};

/* Numbers of type REAL in a group's shared memory, and where each array begins. Maps of windows lie
 * in `even` and `odd` in turn, a ReLU works in place; the map of pixels is there before `odd` is. */
struct Layout {
  int even, odd, tape, stats_bar, pixels_bar, total;
};

inline int most(int a, int b) { return a > b ? a : b; }

inline Layout layout_of(const Network &net, bool is_pullback) {
  int maps[2] = {0, 0}, windows = 0;
  for (int k = 0; k < net.count; ++k) {
    const Operation &op = net.operations[k];
    if (op.kind != kWindow) continue;
    maps[windows % 2] = most(maps[windows % 2], op.out_h * op.out_w);
    ++windows;
  }
  int pixels = net.operations[0].in_h * net.operations[0].in_w;
  Layout layout = {};
  layout.odd = 2 * maps[0];
  layout.tape = layout.odd + most(2 * maps[1], pixels);
  layout.stats_bar = layout.tape + (is_pullback ? 4 * net.positions : 0);
  layout.pixels_bar = layout.stats_bar + (is_pullback ? 2 * net.positions : 0);
  layout.total = layout.pixels_bar + (is_pullback ? pixels * net.channels : 0);
  return layout;
}

/* "operations channels positions" and, for each operation, its columns and its scale: see calls.py. */
inline bool parse(const char *text, Network *net) {
  char *at = const_cast<char *>(text);
  *net = {};
  net->count = (int)strtol(at, &at, 10);
  net->channels = (int)strtol(at, &at, 10);
  net->positions = (int)strtol(at, &at, 10);
  if (net->count < 1 || net->count > kMostOperations) return false;
  for (int k = 0; k < net->count; ++k) {
    Operation &op = net->operations[k];
    int *fields[] = {&op.kind,  &op.in_h,   &op.in_w,     &op.out_h,    &op.out_w,
                     &op.height, &op.width, &op.stride_y, &op.stride_x, &op.top,
                     &op.left,  &op.has_weights, &op.first_stat};
    for (int *field : fields) *field = (int)strtol(at, &at, 10);
    op.scale = strtod(at, &at);
  }
  return true;
}

/* Threads for a pair: a warp, or a block where maps are large. */
inline int group_size(const Network &net) {
  int positions = net.operations[0].out_h * net.operations[0].out_w;
  return positions <= 256 ? 32 : positions <= 512 ? 128 : 256;
}

/* The threads that share a pair. */
struct Group {
  int lane, size;
  bool is_warp;

  HERE void sync() const {
#ifdef __CUDACC__
    if (is_warp)
      __syncwarp();
    else
      __syncthreads();
#endif
  }
};

/* D (NNGP) and T (NTK) at the positions of an operation; on the way back, their cotangents. */
template <typename REAL>
struct Maps {
  REAL *d, *t;
};

/* A group's shared memory and the rows of its pair: pixels, and stats (3, positions): root r, 1/2r or
 * 0, NTK variance. */
template <typename REAL>
struct Pair {
  const Network &net;
  const Layout &layout;
  Group group;
  REAL *room;
  const REAL *pixels1, *pixels2, *stats1, *stats2;

  HERE Maps<REAL> maps(int window, const Operation &op) const {
    REAL *d = room + (window % 2 ? layout.odd : 0);
    return {d, d + op.out_h * op.out_w};
  }
  HERE REAL *pixel_map() const { return room + layout.odd; }
};

/* A position of a map, by its number. */
struct Place {
  int y, x;
};

/* Exact for maps of fewer than a million positions: an integer division takes five times as long. */
HERE Place place_of(int p, int width) {
  int y = (int)(((float)p + 0.5f) / (float)width);
  return {y, p - y * width};
}

struct Span {
  int from, to;
};

HERE int quotient(int number, int stride) {
  return stride == 2 ? number >> 1 : stride == 1 ? number : number / stride;
}

/* The output positions whose windows contain an input position. */
HERE Span containing(int in, int stride, int before, int size, int limit) {
  int last = quotient(in + before, stride) + 1, first = in + before - size;
  return {first < 0 ? 0 : quotient(first, stride) + 1, last < limit ? last : limit};
}

HERE bool is_inside(int at, int size) { return (unsigned)at < (unsigned)size; }

template <typename REAL, int COUNT>
HERE REAL horner(const REAL (&coefficients)[COUNT], REAL x) {
  REAL y = coefficients[COUNT - 1];
#ifdef __CUDACC__
#pragma unroll
#endif
  for (int k = COUNT - 2; k >= 0; --k) y = y * x + coefficients[k];
  return y;
}

HERE float arcsine(float x) { return horner(ARCSINE_f32, x); }
HERE double arcsine(double x) { return horner(ARCSINE_f64, x); }
HERE float sine_gap(float x) { return horner(SINE_GAP_f32, x); }
HERE double sine_gap(double x) { return horner(SINE_GAP_f64, x); }

/* ---- windows -------------------------------------------------------------------------------- */

/* Squared distances of pixels, summed over channels. */
template <typename REAL>
HERE void square_pixels(const Pair<REAL> &pair) {
  const Operation &op = pair.net.operations[0];
  int channels = pair.net.channels;
  REAL *map = pair.pixel_map();
  for (int p = pair.group.lane; p < op.in_h * op.in_w; p += pair.group.size) {
    REAL sum = 0;
    for (int at = p * channels; at < (p + 1) * channels; ++at) {
      REAL apart = pair.pixels1[at] - pair.pixels2[at];
      sum += apart * apart;
    }
    map[p] = sum;
  }
  pair.group.sync();
}

/* Sums over a window whose first entry is at (y, x), perhaps outside. WIDTH 0 stands for any width:
 * a known one becomes loads that do not wait for each other. */
template <typename REAL, int WIDTH>
HERE void sum_window(const Operation &op, Maps<const REAL> in, Place first, REAL *d, REAL *t) {
  const int width = WIDTH ? WIDTH : op.width;
  for (int y = first.y; y < first.y + op.height; ++y) {
    if (!is_inside(y, op.in_h)) continue;
    const int line = y * op.in_w;
#ifdef __CUDACC__
#pragma unroll
#endif
    for (int k = 0; k < width; ++k) {
      if (!is_inside(first.x + k, op.in_w)) continue;
      *d += in.d[line + first.x + k];
      if (in.t) *t += in.t[line + first.x + k];
    }
  }
}

/* Sums over the one window that is the whole map, shared by the first 32 threads of a group. */
template <typename REAL>
HERE void sum_map(const Group &group, const Operation &op, Maps<const REAL> in, REAL *d, REAL *t) {
  const int sharing = group.size < 32 ? group.size : 32;
  for (int p = group.lane; p < op.in_h * op.in_w; p += sharing) {
    *d += in.d[p];
    if (in.t) *t += in.t[p];
  }
#ifdef __CUDACC__
  for (int apart = 16; apart > 0; apart /= 2) {
    *d += __shfl_xor_sync(0xffffffff, *d, apart);
    *t += __shfl_xor_sync(0xffffffff, *t, apart);
  }
#endif
}

/* D' = scale * sum D, T' = scale * sum T, plus D' where the window has weights. No T enters the first. */
template <typename REAL>
HERE void weigh(const Operation &op, REAL scale, REAL d, REAL t, Maps<REAL> out, int p) {
  REAL scaled = d * scale;
  out.d[p] = scaled;
  out.t[p] = t * scale + (op.has_weights ? scaled : (REAL)0);
}

template <typename REAL>
HERE void window_forward(const Group &group, const Operation &op, Maps<const REAL> in,
                         Maps<REAL> out) {
  const REAL scale = (REAL)op.scale;
  if (op.height == op.in_h && op.width == op.in_w && op.out_h * op.out_w == 1) {
    if (group.lane < 32) {
      REAL d = 0, t = 0;
      sum_map(group, op, in, &d, &t);
      if (group.lane == 0) weigh(op, scale, d, t, out, 0);
    }
  } else {
    for (int p = group.lane; p < op.out_h * op.out_w; p += group.size) {
      Place place = place_of(p, op.out_w);
      Place first = {place.y * op.stride_y - op.top, place.x * op.stride_x - op.left};
      REAL d = 0, t = 0;
      if (op.width == 4)
        sum_window<REAL, 4>(op, in, first, &d, &t);
      else
        sum_window<REAL, 0>(op, in, first, &d, &t);
      weigh(op, scale, d, t, out, p);
    }
  }
  group.sync();
}

/* The sums of D' and T' cotangents over the windows that contain input position p, scaled. */
template <typename REAL>
HERE void spread(const Operation &op, REAL scale, Maps<REAL> bars, int p, REAL *d_bar, REAL *t_bar) {
  Place place = place_of(p, op.in_w);
  Span ys = containing(place.y, op.stride_y, op.top, op.height, op.out_h);
  Span xs = containing(place.x, op.stride_x, op.left, op.width, op.out_w);
  REAL sum_d = 0, sum_t = 0;
  for (int oy = ys.from; oy < ys.to; ++oy)
    for (int at = oy * op.out_w + xs.from; at < oy * op.out_w + xs.to; ++at) {
      sum_d += bars.d[at];
      sum_t += bars.t[at];
    }
  *d_bar = (sum_d + (op.has_weights ? sum_t : (REAL)0)) * scale;
  *t_bar = sum_t * scale;
}

template <typename REAL>
HERE void window_backward(const Group &group, const Operation &op, Maps<REAL> bars, Maps<REAL> in) {
  const REAL scale = (REAL)op.scale;
  for (int p = group.lane; p < op.in_h * op.in_w; p += group.size)
    spread(op, scale, bars, p, &in.d[p], &in.t[p]);
  group.sync();
}

/* Of a square, twice the difference: no T comes in. */
template <typename REAL>
HERE void pixels_backward(const Pair<REAL> &pair, Maps<REAL> bars) {
  const Operation &op = pair.net.operations[0];
  const REAL scale = 2 * (REAL)op.scale;
  int channels = pair.net.channels;
  REAL *sums = pair.room + pair.layout.pixels_bar;
  for (int p = pair.group.lane; p < op.in_h * op.in_w; p += pair.group.size) {
    REAL bar, unused;
    spread(op, scale, bars, p, &bar, &unused);
    for (int at = p * channels; at < (p + 1) * channels; ++at)
      sums[at] += bar * (pair.pixels1[at] - pair.pixels2[at]);
  }
  pair.group.sync();
}

/* ---- ReLU ----------------------------------------------------------------------------------- */

/* As in pairs.h, whose comments say what is computed. */
template <typename REAL, bool KEEP>
HERE void relu_forward(const Pair<REAL> &pair, const Operation &op, Maps<REAL> maps) {
  const int positions = pair.net.positions;
  const REAL pi = (REAL)3.14159265358979323846;
  const REAL *own = pair.stats1 + op.first_stat, *other = pair.stats2 + op.first_stat;
  for (int p = pair.group.lane; p < op.out_h * op.out_w; p += pair.group.size) {
    REAL d = maps.d[p], t = maps.t[p], root1 = own[p], root2 = other[p];
    REAL apart = root1 - root2, per_4g = own[p + positions] * other[p + positions];
    REAL h = (d - apart * apart) * per_4g;
    /* Comparisons with NaN are false, so that a NaN goes on. */
    h = h < 0 ? 0 : h > 1 ? 1 : h;
    bool is_acute = h <= (REAL)0.5;
    REAL near = is_acute ? h : 1 - h;
    REAL sine = sqrt(near), cosine = sqrt(1 - near);
    REAL half = sine * arcsine(near);
    REAL theta = is_acute ? 2 * half : pi - 2 * half;
    REAL small = near * sine * sine_gap(near);
    REAL gap = (is_acute ? small : 2 * sine * cosine + theta * (1 - 2 * near)) * (1 / pi);
    REAL ntk12 = (own[p + 2 * positions] + other[p + 2 * positions] - t) * (REAL)0.5;
    REAL turn = theta * (1 / (2 * pi));
    maps.d[p] = d * (REAL)0.5 - root1 * root2 * gap;
    maps.t[p] = t * (REAL)0.5 + ntk12 * turn * 2;
    if (!KEEP) continue;
    REAL span = sine * cosine, slope = span > 0 ? 1 / span : span;
    REAL *tape = pair.room + pair.layout.tape + op.first_stat + p;
    tape[0] = turn;
    tape[positions] = ntk12 * slope * per_4g * (1 / pi);
    tape[2 * positions] = h;
    tape[3 * positions] = gap;
  }
  pair.group.sync();
}

template <typename REAL>
HERE void relu_backward(const Pair<REAL> &pair, const Operation &op, Maps<REAL> bars) {
  const int positions = pair.net.positions;
  const REAL *own = pair.stats1 + op.first_stat, *other = pair.stats2 + op.first_stat;
  for (int p = pair.group.lane; p < op.out_h * op.out_w; p += pair.group.size) {
    const REAL *tape = pair.room + pair.layout.tape + op.first_stat + p;
    REAL *sums = pair.room + pair.layout.stats_bar + op.first_stat + p;
    REAL turn = tape[0], bend = tape[positions], h = tape[2 * positions], gap = tape[3 * positions];
    REAL d_bar = bars.d[p], t_bar = bars.t[p], turned = turn * t_bar;
    REAL through_h = bend * t_bar - turn * d_bar;
    REAL g_bar = -gap * d_bar - 4 * h * through_h;
    sums[0] += g_bar * other[p] - 2 * (own[p] - other[p]) * through_h;
    sums[positions] += turned;
    bars.d[p] = d_bar * (REAL)0.5 + through_h;
    bars.t[p] = t_bar * (REAL)0.5 - turned;
  }
  pair.group.sync();
}

/* ---- a network ------------------------------------------------------------------------------ */

/* The NTK distance of the pair, in every thread of the group. */
template <typename REAL, bool KEEP>
HERE REAL forward(const Pair<REAL> &pair) {
  const Network &net = pair.net;
  square_pixels(pair);
  Maps<REAL> maps = pair.maps(0, net.operations[0]);
  window_forward(pair.group, net.operations[0], Maps<const REAL>{pair.pixel_map(), nullptr}, maps);
  for (int k = 1, window = 0; k < net.count; ++k) {
    const Operation &op = net.operations[k];
    if (op.kind == kRelu) {
      relu_forward<REAL, KEEP>(pair, op, maps);
      continue;
    }
    Maps<REAL> in = maps;
    maps = pair.maps(++window, op);
    window_forward(pair.group, op, Maps<const REAL>{in.d, in.t}, maps);
  }
  REAL t = maps.t[0];
  /* The next pair's pixels may be written there. */
  pair.group.sync();
  return t;
}

/* Pull a cotangent of that distance back, and add to the group's sums. */
template <typename REAL>
HERE void backward(const Pair<REAL> &pair, REAL bar) {
  const Network &net = pair.net;
  int window = -1;
  for (int k = 0; k < net.count; ++k) window += net.operations[k].kind == kWindow;
  Maps<REAL> bars = pair.maps(window, net.operations[net.count - 1]);
  if (pair.group.lane == 0) {
    bars.d[0] = 0;
    bars.t[0] = bar;
  }
  pair.group.sync();
  for (int k = net.count - 1; k > 0; --k) {
    const Operation &op = net.operations[k];
    if (op.kind == kRelu) {
      relu_backward(pair, op, bars);
      continue;
    }
    /* What stands before has this operation's input for its output. */
    Maps<REAL> out = bars;
    REAL *d = pair.room + (--window % 2 ? pair.layout.odd : 0);
    bars = {d, d + op.in_h * op.in_w};
    window_backward(pair.group, op, out, bars);
  }
  pixels_backward(pair, bars);
}

template <typename REAL>
HERE void clear_sums(const Group &group, const Layout &layout, REAL *room) {
  for (int k = layout.stats_bar + group.lane; k < layout.total; k += group.size) room[k] = 0;
  group.sync();
}

#endif
