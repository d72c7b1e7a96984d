/* Pairs of images through a network of infinite width, by a group of threads of a GPU.
 *
 * The same computation as pairs.h, spread the other way: there vectors hold pairs, here the threads of
 * a group share the positions of a pair, whose maps stay in shared memory from the pixels to the
 * kernel and back. Loops over positions are strided by the size of the group, and a position belongs
 * to the same thread in all of them, so that sums over the second set need no atomics: results depend
 * neither on the order in which groups run nor on their number. A group takes PAIRS pairs at a time,
 * of one row of the first set: where they are is computed once for all.
 *
 * Plain C++ but for HERE: a group of one on a CPU is what tests/kernels/test_cuda_source.py runs.
 */

#ifndef GANNTK_PAIRS_CUDA_H_
#define GANNTK_PAIRS_CUDA_H_

#include <cstdlib>

#ifdef __CUDACC__
#define HERE __device__ __forceinline__
#define CONSTANT static __constant__ const
#define UNROLL _Pragma("unroll")
#else
#include <cmath>
#define HERE inline
#define UNROLL
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

/* Of a row at a ReLU's position. */
template <typename REAL>
struct alignas(4 * sizeof(REAL)) Stat {
  REAL root, half, ntk, unused; /* r, 1/2r or 0, NTK variance */
};

/* Numbers of type REAL in a group's shared memory, and where each array begins. Maps of windows lie
 * in `even`, at 0, and `odd` in turn, a ReLU works in place; the map of pixels, at `odd` too, is done
 * with before there is a tape. */
struct Layout {
  int odd, tape, pair; /* of each pair, `pair` in all */
  int stats_bar, pixels_bar, total;
};

inline int most(int a, int b) { return a > b ? a : b; }

inline Layout layout_of(const Network &net, int pairs, bool is_pullback) {
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
  layout.tape = layout.odd + 2 * maps[1];
  layout.pair = most(layout.tape + (is_pullback ? 2 * net.positions : 0), layout.odd + pixels);
  layout.stats_bar = pairs * layout.pair;
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
    int *fields[] = {&op.kind,   &op.in_h,  &op.in_w,     &op.out_h,    &op.out_w,
                     &op.height, &op.width, &op.stride_y, &op.stride_x, &op.top,
                     &op.left,   &op.has_weights, &op.first_stat};
    for (int *field : fields) *field = (int)strtol(at, &at, 10);
    op.scale = strtod(at, &at);
  }
  return true;
}

/* D (NNGP) and T (NTK) at the positions of an operation, of the first pair; on the way back, their
 * cotangents. */
template <typename REAL>
struct Maps {
  REAL *d, *t;
};

/* A group, its shared memory, and the rows of its pairs. */
template <typename REAL, int SIZE, int PAIRS>
struct Group {
  const Network &net;
  const Layout &layout;
  int lane;
  REAL *room;
  const REAL *pixels1, *pixels2[PAIRS];
  const Stat<REAL> *stats1, *stats2[PAIRS];

  HERE void sync() const {
#ifdef __CUDACC__
    __syncthreads();
#endif
  }
  /* The maps of a window, by its number among windows. */
  HERE Maps<REAL> maps(int window, int positions) const {
    REAL *d = room + (window % 2 ? layout.odd : 0);
    return {d, d + positions};
  }
};

/* ---- places --------------------------------------------------------------------------------- */

struct Place {
  int y, x;
};

/* Exact for maps of fewer than a million positions: an integer division takes five times as long. */
HERE Place place_of(int p, int width, float per_width) {
  int y = (int)(((float)p + 0.5f) * per_width);
  return {y, p - y * width};
}

HERE bool is_inside(int at, int size) { return (unsigned)at < (unsigned)size; }

/* The last output position whose window contains an input position, perhaps beyond the end. */
HERE int last_containing(int in, int before, int stride) {
  return stride == 2 ? (in + before) >> 1 : stride == 1 ? in + before : (in + before) / stride;
}

/* ---- windows -------------------------------------------------------------------------------- */

/* Squared distances of pixels, summed over channels. */
template <typename REAL, int SIZE, int PAIRS>
HERE void square_pixels(const Group<REAL, SIZE, PAIRS> &group) {
  const Operation &op = group.net.operations[0];
  const int channels = group.net.channels;
  REAL *map = group.room + group.layout.odd;
  for (int p = group.lane; p < op.in_h * op.in_w; p += SIZE) {
    REAL sums[PAIRS] = {};
    for (int at = p * channels; at < (p + 1) * channels; ++at) {
      REAL own = group.pixels1[at];
      UNROLL for (int q = 0; q < PAIRS; ++q) {
        REAL apart = own - group.pixels2[q][at];
        sums[q] += apart * apart;
      }
    }
    UNROLL for (int q = 0; q < PAIRS; ++q) map[q * group.layout.pair + p] = sums[q];
  }
  group.sync();
}

/* Sums over a window whose first entry is at (y, x), perhaps outside. HEIGHT and WIDTH 0 stand for any:
 * known ones become loads that do not wait for each other. */
template <typename REAL, int PAIRS, int HEIGHT, int WIDTH>
HERE void sum_window(const Operation &op, Maps<const REAL> in, int pair, Place first, REAL *d,
                     REAL *t) {
  const int height = HEIGHT ? HEIGHT : op.height, width = WIDTH ? WIDTH : op.width;
  UNROLL for (int j = 0; j < height; ++j) {
    if (!is_inside(first.y + j, op.in_h)) continue;
    const int line = (first.y + j) * op.in_w + first.x;
    UNROLL for (int k = 0; k < width; ++k) {
      if (!is_inside(first.x + k, op.in_w)) continue;
      UNROLL for (int q = 0; q < PAIRS; ++q) {
        d[q] += in.d[q * pair + line + k];
        if (in.t) t[q] += in.t[q * pair + line + k];
      }
    }
  }
}

/* Sums over the one window that is the whole map, shared by the first 32 threads of a group. */
template <typename REAL, int SIZE, int PAIRS>
HERE void sum_map(int lane, const Operation &op, Maps<const REAL> in, int pair, REAL *d, REAL *t) {
  for (int p = lane; p < op.in_h * op.in_w; p += SIZE < 32 ? SIZE : 32)
    UNROLL for (int q = 0; q < PAIRS; ++q) {
      d[q] += in.d[q * pair + p];
      if (in.t) t[q] += in.t[q * pair + p];
    }
#ifdef __CUDACC__
  UNROLL for (int q = 0; q < PAIRS; ++q)
    UNROLL for (int apart = 16; apart > 0; apart /= 2) {
      d[q] += __shfl_xor_sync(0xffffffff, d[q], apart);
      t[q] += __shfl_xor_sync(0xffffffff, t[q], apart);
    }
#endif
}

/* D' = scale * sum D, T' = scale * sum T, plus D' where the window has weights. */
template <typename REAL, int PAIRS>
HERE void weigh(const Operation &op, REAL scale, const REAL *d, const REAL *t, Maps<REAL> out,
                int pair, int p) {
  UNROLL for (int q = 0; q < PAIRS; ++q) {
    REAL scaled = d[q] * scale;
    out.d[q * pair + p] = scaled;
    out.t[q * pair + p] = t[q] * scale + (op.has_weights ? scaled : (REAL)0);
  }
}

template <typename REAL, int SIZE, int PAIRS>
HERE void window_forward(const Group<REAL, SIZE, PAIRS> &group, const Operation &op,
                         Maps<const REAL> in, Maps<REAL> out) {
  const REAL scale = (REAL)op.scale;
  const int pair = group.layout.pair, outputs = op.out_h * op.out_w;
  if (outputs == 1 && op.height == op.in_h && op.width == op.in_w) {
    if (group.lane < 32) {
      REAL d[PAIRS] = {}, t[PAIRS] = {};
      sum_map<REAL, SIZE, PAIRS>(group.lane, op, in, pair, d, t);
      if (group.lane == 0) weigh<REAL, PAIRS>(op, scale, d, t, out, pair, 0);
    }
  } else {
    const float per_width = 1.0f / (float)op.out_w;
    for (int p = group.lane; p < outputs; p += SIZE) {
      Place place = place_of(p, op.out_w, per_width);
      Place first = {place.y * op.stride_y - op.top, place.x * op.stride_x - op.left};
      REAL d[PAIRS] = {}, t[PAIRS] = {};
      if (op.height == 4 && op.width == 4)
        sum_window<REAL, PAIRS, 4, 4>(op, in, pair, first, d, t);
      else
        sum_window<REAL, PAIRS, 0, 0>(op, in, pair, first, d, t);
      weigh<REAL, PAIRS>(op, scale, d, t, out, pair, p);
    }
  }
  group.sync();
}

/* The sums of cotangents over the COUNT x COUNT windows that may contain an input position (0: any). */
template <typename REAL, int PAIRS, int COUNT>
HERE void sum_containing(const Operation &op, Maps<REAL> bars, int pair, Place last, Place place,
                         REAL *d, REAL *t) {
  for (int j = 0; COUNT ? j < COUNT : last.y - j >= 0; ++j) {
    int y = last.y - j;
    if (!COUNT && y * op.stride_y - op.top + op.height <= place.y) break;
    if (!is_inside(y, op.out_h)) continue;
    for (int k = 0; COUNT ? k < COUNT : last.x - k >= 0; ++k) {
      int x = last.x - k;
      if (!COUNT && x * op.stride_x - op.left + op.width <= place.x) break;
      if (!is_inside(x, op.out_w)) continue;
      UNROLL for (int q = 0; q < PAIRS; ++q) {
        d[q] += bars.d[q * pair + y * op.out_w + x];
        t[q] += bars.t[q * pair + y * op.out_w + x];
      }
    }
  }
}

/* The cotangents of D and T at input position p. */
template <typename REAL, int PAIRS>
HERE void spread(const Operation &op, REAL scale, float per_width, Maps<REAL> bars, int pair, int p,
                 REAL *d, REAL *t) {
  Place place = place_of(p, op.in_w, per_width);
  Place last = {last_containing(place.y, op.top, op.stride_y),
                last_containing(place.x, op.left, op.stride_x)};
  if (op.height == 2 * op.stride_y && op.width == 2 * op.stride_x)
    sum_containing<REAL, PAIRS, 2>(op, bars, pair, last, place, d, t);
  else
    sum_containing<REAL, PAIRS, 0>(op, bars, pair, last, place, d, t);
  UNROLL for (int q = 0; q < PAIRS; ++q) {
    d[q] = (d[q] + (op.has_weights ? t[q] : (REAL)0)) * scale;
    t[q] = t[q] * scale;
  }
}

template <typename REAL, int SIZE, int PAIRS>
HERE void window_backward(const Group<REAL, SIZE, PAIRS> &group, const Operation &op,
                          Maps<REAL> bars, Maps<REAL> in) {
  const REAL scale = (REAL)op.scale;
  const float per_width = 1.0f / (float)op.in_w;
  const int pair = group.layout.pair;
  for (int p = group.lane; p < op.in_h * op.in_w; p += SIZE) {
    REAL d[PAIRS] = {}, t[PAIRS] = {};
    spread<REAL, PAIRS>(op, scale, per_width, bars, pair, p, d, t);
    UNROLL for (int q = 0; q < PAIRS; ++q) {
      in.d[q * pair + p] = d[q];
      in.t[q * pair + p] = t[q];
    }
  }
  group.sync();
}

/* Of a square, twice the difference: no T comes in. */
template <typename REAL, int SIZE, int PAIRS>
HERE void pixels_backward(const Group<REAL, SIZE, PAIRS> &group, Maps<REAL> bars) {
  const Operation &op = group.net.operations[0];
  const REAL scale = 2 * (REAL)op.scale;
  const float per_width = 1.0f / (float)op.in_w;
  const int channels = group.net.channels, pair = group.layout.pair;
  REAL *sums = group.room + group.layout.pixels_bar;
  for (int p = group.lane; p < op.in_h * op.in_w; p += SIZE) {
    REAL d[PAIRS] = {}, t[PAIRS] = {};
    spread<REAL, PAIRS>(op, scale, per_width, bars, pair, p, d, t);
    for (int at = p * channels; at < (p + 1) * channels; ++at) {
      REAL own = group.pixels1[at], sum = sums[at];
      UNROLL for (int q = 0; q < PAIRS; ++q) sum += d[q] * (own - group.pixels2[q][at]);
      sums[at] = sum;
    }
  }
  group.sync();
}

/* ---- ReLU ----------------------------------------------------------------------------------- */

template <typename REAL, int COUNT>
HERE REAL horner(const REAL (&coefficients)[COUNT], REAL x) {
  REAL y = coefficients[COUNT - 1];
  UNROLL for (int k = COUNT - 2; k >= 0; --k) y = y * x + coefficients[k];
  return y;
}

HERE float arcsine(float x) { return horner(ARCSINE_f32, x); }
HERE double arcsine(double x) { return horner(ARCSINE_f64, x); }
HERE float sine_gap(float x) { return horner(SINE_GAP_f32, x); }
HERE double sine_gap(double x) { return horner(SINE_GAP_f64, x); }

/* At h = sin^2(theta/2), up to an ulp inside [0, 1]; pairs.h says what they are for. */
template <typename REAL>
struct Arc {
  REAL turn, gap, slope; /* theta/2pi, (sin theta - theta cos theta)/pi, dtheta/dh or 0 */

  HERE explicit Arc(REAL h) {
    const REAL pi = (REAL)3.14159265358979323846;
    bool is_acute = h <= (REAL)0.5;
    REAL near = is_acute ? h : 1 - h;
    REAL sine = sqrt(near), cosine = sqrt(1 - near), half = sine * arcsine(near);
    REAL theta = is_acute ? 2 * half : pi - 2 * half;
    REAL small = near * sine * sine_gap(near), span = sine * cosine;
    turn = theta * (1 / (2 * pi));
    gap = (is_acute ? small : 2 * span + theta * (1 - 2 * near)) * (1 / pi);
    slope = span > 0 ? 1 / span : span;
  }
};

/* The tape, null where nothing is kept, takes h and dT'/dD: what the way back does not compute again. */
template <typename REAL>
HERE void bend(Stat<REAL> own, Stat<REAL> other, REAL *d_at, REAL *t_at, REAL *tape,
               int positions) {
  REAL d = *d_at, t = *t_at, apart = own.root - other.root, per_4g = own.half * other.half;
  REAL h = (d - apart * apart) * per_4g;
  /* Comparisons with NaN are false, so that a NaN goes on. */
  h = h < 0 ? 0 : h > 1 ? 1 : h;
  Arc<REAL> arc(h);
  REAL ntk12 = (own.ntk + other.ntk - t) * (REAL)0.5;
  *d_at = d * (REAL)0.5 - own.root * other.root * arc.gap;
  *t_at = t * (REAL)0.5 + ntk12 * arc.turn * 2;
  if (!tape) return;
  tape[0] = h;
  tape[positions] = ntk12 * arc.slope * per_4g * (REAL)0.31830988618379067;
}

template <typename REAL, int SIZE, int PAIRS, bool KEEP>
HERE void relu_forward(const Group<REAL, SIZE, PAIRS> &group, const Operation &op, Maps<REAL> maps) {
  const int positions = group.net.positions, pair = group.layout.pair;
  for (int p = group.lane; p < op.out_h * op.out_w; p += SIZE) {
    const int at = op.first_stat + p;
    Stat<REAL> own = group.stats1[at];
    UNROLL for (int q = 0; q < PAIRS; ++q) {
      REAL *tape = KEEP ? group.room + q * pair + group.layout.tape + at : nullptr;
      bend(own, group.stats2[q][at], maps.d + q * pair + p, maps.t + q * pair + p, tape, positions);
    }
  }
  group.sync();
}

template <typename REAL, int SIZE, int PAIRS>
HERE void relu_backward(const Group<REAL, SIZE, PAIRS> &group, const Operation &op,
                        Maps<REAL> bars) {
  const int positions = group.net.positions, pair = group.layout.pair;
  REAL *sums = group.room + group.layout.stats_bar;
  for (int p = group.lane; p < op.out_h * op.out_w; p += SIZE) {
    const int at = op.first_stat + p;
    REAL own = group.stats1[at].root, root_sum = sums[at], ntk_sum = sums[positions + at];
    UNROLL for (int q = 0; q < PAIRS; ++q) {
      const REAL *tape = group.room + q * pair + group.layout.tape + at;
      REAL h = tape[0], slope = tape[positions], other = group.stats2[q][at].root;
      Arc<REAL> arc(h);
      REAL d_bar = bars.d[q * pair + p], t_bar = bars.t[q * pair + p], turned = arc.turn * t_bar;
      REAL through_h = slope * t_bar - arc.turn * d_bar;
      REAL g_bar = -arc.gap * d_bar - 4 * h * through_h;
      root_sum += g_bar * other - 2 * (own - other) * through_h;
      ntk_sum += turned;
      bars.d[q * pair + p] = d_bar * (REAL)0.5 + through_h;
      bars.t[q * pair + p] = t_bar * (REAL)0.5 - turned;
    }
    sums[at] = root_sum;
    sums[positions + at] = ntk_sum;
  }
  group.sync();
}

/* ---- a network ------------------------------------------------------------------------------ */

/* The NTK distances of the pairs, in every thread of the group. */
template <bool KEEP, typename REAL, int SIZE, int PAIRS>
HERE void forward(const Group<REAL, SIZE, PAIRS> &group, REAL *distances) {
  const Network &net = group.net;
  square_pixels(group);
  const Operation &first = net.operations[0];
  Maps<REAL> maps = group.maps(0, first.out_h * first.out_w);
  /* No T enters the first window. */
  window_forward(group, first, Maps<const REAL>{group.room + group.layout.odd, nullptr}, maps);
  for (int k = 1, window = 0; k < net.count; ++k) {
    const Operation &op = net.operations[k];
    if (op.kind == kRelu) {
      relu_forward<REAL, SIZE, PAIRS, KEEP>(group, op, maps);
      continue;
    }
    Maps<REAL> in = maps;
    maps = group.maps(++window, op.out_h * op.out_w);
    window_forward(group, op, Maps<const REAL>{in.d, in.t}, maps);
  }
  UNROLL for (int q = 0; q < PAIRS; ++q) distances[q] = maps.t[q * group.layout.pair];
  /* The next pairs' pixels may be written there. */
  group.sync();
}

/* Pull cotangents of those distances back, and add to the group's sums. */
template <typename REAL, int SIZE, int PAIRS>
HERE void backward(const Group<REAL, SIZE, PAIRS> &group, const REAL *cotangents) {
  const Network &net = group.net;
  int window = -1;
  for (int k = 0; k < net.count; ++k) window += net.operations[k].kind == kWindow;
  Maps<REAL> bars = group.maps(window, 1);
  if (group.lane == 0)
    UNROLL for (int q = 0; q < PAIRS; ++q) {
      bars.d[q * group.layout.pair] = 0;
      bars.t[q * group.layout.pair] = cotangents[q];
    }
  group.sync();
  for (int k = net.count - 1; k > 0; --k) {
    const Operation &op = net.operations[k];
    if (op.kind == kRelu) {
      relu_backward(group, op, bars);
      continue;
    }
    Maps<REAL> out = bars;
    bars = group.maps(--window, op.in_h * op.in_w);
    window_backward(group, op, out, bars);
  }
  pixels_backward(group, bars);
}

template <typename REAL, int SIZE, int PAIRS>
HERE void clear_sums(const Group<REAL, SIZE, PAIRS> &group) {
  for (int k = group.layout.stats_bar + group.lane; k < group.layout.total; k += SIZE)
    group.room[k] = 0;
  group.sync();
}

#endif
