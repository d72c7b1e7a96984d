// The code of GPUs as a group of one thread: test_cuda_source.py compiles and calls it.

#include <cstdint>
#include <vector>

#include "pairs_cuda.h"

constexpr int kPairs = 4;

template <typename REAL>
struct Images {
  const REAL *pixels;
  const Stat<REAL> *stats;
  int64_t rows;
};

// One row with all of the second set, two at a time; past the end the last one again.
template <typename REAL>
static void through(Group<REAL, 1, kPairs> &group, Images<REAL> second, int64_t pixels,
                    const REAL *bars, REAL *distances) {
  for (int64_t j = 0; j < second.rows; j += kPairs) {
    REAL found[kPairs], given[kPairs];
    for (int q = 0; q < kPairs; ++q) {
      int64_t row = j + q < second.rows ? j + q : second.rows - 1;
      group.pixels2[q] = second.pixels + row * pixels;
      group.stats2[q] = second.stats + row * group.net.positions;
      given[q] = bars && j + q < second.rows ? bars[j + q] : 0;
    }
    if (bars) {
      forward<true>(group, found);
      backward(group, given);
    } else {
      forward<false>(group, found);
    }
    for (int q = 0; q < kPairs && j + q < second.rows; ++q) distances[j + q] = found[q];
  }
}

template <typename REAL>
static int all(const char *program, Images<REAL> first, Images<REAL> second, const REAL *bars,
               REAL *distances, REAL *pixels_bar, REAL *stats_bar) {
  Network net;
  if (!parse(program, &net)) return 1;
  Layout layout = layout_of(net, kPairs, bars != nullptr);
  std::vector<REAL> room(layout.total);
  int64_t pixels = (int64_t)net.operations[0].in_h * net.operations[0].in_w * net.channels;
  for (int64_t i = 0; i < first.rows; ++i) {
    Group<REAL, 1, kPairs> group = {net, layout, 0, room.data(), nullptr, {}, nullptr, {}};
    group.pixels1 = first.pixels + i * pixels;
    group.stats1 = first.stats + i * net.positions;
    if (bars) clear_sums(group);
    through(group, second, pixels, bars ? bars + i * second.rows : nullptr,
            distances + i * second.rows);
    if (!bars) continue;
    for (int k = 0; k < 2 * net.positions; ++k)
      stats_bar[i * 2 * net.positions + k] = room[layout.stats_bar + k];
    for (int64_t k = 0; k < pixels; ++k) pixels_bar[i * pixels + k] = room[layout.pixels_bar + k];
  }
  return 0;
}

#define EXPORTED(REAL, NAME)                                                                     \
  extern "C" int NAME(const char *program, const REAL *pixels1, const void *stats1,              \
                      int64_t rows1, const REAL *pixels2, const void *stats2, int64_t rows2,     \
                      const REAL *bars, REAL *distances, REAL *pixels_bar, REAL *stats_bar) {    \
    return all<REAL>(program, {pixels1, (const Stat<REAL> *)stats1, rows1},                      \
                     {pixels2, (const Stat<REAL> *)stats2, rows2}, bars, distances, pixels_bar,  \
                     stats_bar);                                                                 \
  }

EXPORTED(float, all_f32)
EXPORTED(double, all_f64)
