// The code of GPUs as a group of one thread: test_cuda_source.py compiles and calls it.

#include <cstdint>
#include <vector>

#include "pairs_cuda.h"

template <typename REAL>
static void through(const Network &net, const Layout &layout, std::vector<REAL> &room,
                    const REAL *pixels1, const REAL *stats1, const REAL *pixels2,
                    const REAL *stats2, int64_t rows2, const REAL *bars, REAL *distances,
                    REAL *pixels_bar, REAL *stats_bar) {
  int64_t pixels = (int64_t)net.operations[0].in_h * net.operations[0].in_w * net.channels;
  Group group = {0, 1, false};
  Pair<REAL> pair = {net, layout, group, room.data(), pixels1, nullptr, stats1, nullptr};
  if (bars) clear_sums(group, layout, room.data());
  for (int64_t j = 0; j < rows2; ++j) {
    pair.pixels2 = pixels2 + j * pixels;
    pair.stats2 = stats2 + j * 3 * net.positions;
    distances[j] = bars ? forward<REAL, true>(pair) : forward<REAL, false>(pair);
    if (bars) backward(pair, bars[j]);
  }
  if (!bars) return;
  for (int k = 0; k < 2 * net.positions; ++k) stats_bar[k] = room[layout.stats_bar + k];
  for (int64_t k = 0; k < pixels; ++k) pixels_bar[k] = room[layout.pixels_bar + k];
}

template <typename REAL>
static int all(const char *program, const REAL *pixels1, const REAL *stats1, int64_t rows1,
               const REAL *pixels2, const REAL *stats2, int64_t rows2, const REAL *bars,
               REAL *distances, REAL *pixels_bar, REAL *stats_bar) {
  Network net;
  if (!parse(program, &net)) return 1;
  Layout layout = layout_of(net, bars != nullptr);
  std::vector<REAL> room(layout.total);
  int64_t pixels = (int64_t)net.operations[0].in_h * net.operations[0].in_w * net.channels;
  for (int64_t i = 0; i < rows1; ++i)
    through(net, layout, room, pixels1 + i * pixels, stats1 + i * 3 * net.positions, pixels2,
            stats2, rows2, bars ? bars + i * rows2 : nullptr, distances + i * rows2,
            bars ? pixels_bar + i * pixels : nullptr,
            bars ? stats_bar + i * 2 * net.positions : nullptr);
  return 0;
}

#define EXPORTED(REAL, NAME)                                                                      \
  extern "C" int NAME(const char *program, const REAL *pixels1, const REAL *stats1, int64_t rows1, \
                      const REAL *pixels2, const REAL *stats2, int64_t rows2, const REAL *bars,   \
                      REAL *distances, REAL *pixels_bar, REAL *stats_bar) {                       \
    return all<REAL>(program, pixels1, stats1, rows1, pixels2, stats2, rows2, bars, distances,    \
                     pixels_bar, stats_bar);                                                      \
  }

EXPORTED(float, all_f32)
EXPORTED(double, all_f64)
