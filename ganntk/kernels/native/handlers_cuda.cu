/* Distances of pairs of images under the NTK of a network, and their pull-back: XLA custom calls for
 * NVIDIA GPUs. calls.py registers the two handlers at the end of this file.
 */

#include <cstdint>
#include <string>

#include "pairs_cuda.h"
#include "xla/ffi/api/c_api.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

/* Of the second set, for a group that sums nothing. */
constexpr int64_t kRowsOfAGroup = 32;

/* ---- kernels: groups that go through rows of the second set, for one row of the first ---------- */

struct Sizes {
  int64_t rows1, rows2, chunks, rank;
  bool is_symmetric, is_dense;
};

/* A group's row of the first set and its rows of the second. */
struct Work {
  int64_t row, from, to, chunk;
};

static __device__ Work work_of(const Sizes &sizes) {
  Work work = {blockIdx.x / sizes.chunks, 0, 0, blockIdx.x % sizes.chunks};
  work.from = work.chunk * sizes.rows2 / sizes.chunks;
  work.to = (work.chunk + 1) * sizes.rows2 / sizes.chunks;
  if (sizes.is_symmetric && work.from < work.row) work.from = work.row;
  return work;
}

/* Everything that kernels read, but for a pull-back's cotangents. */
template <typename REAL>
struct Rows {
  const REAL *pixels1;
  const Stat<REAL> *stats1;
  const REAL *pixels2;
  const Stat<REAL> *stats2;
};

template <typename REAL, int SIZE, int PAIRS>
static __device__ __forceinline__ Group<REAL, SIZE, PAIRS> group_of(
    const Network &net, const Layout &layout, const Rows<REAL> &rows, int64_t row) {
  extern __shared__ __align__(16) unsigned char memory[];
  int64_t pixels = (int64_t)net.operations[0].in_h * net.operations[0].in_w * net.channels;
  Group<REAL, SIZE, PAIRS> group = {net, layout, (int)threadIdx.x,
                                    (REAL *)memory};
  group.pixels1 = rows.pixels1 + row * pixels;
  group.stats1 = rows.stats1 + row * net.positions;
  return group;
}

/* Rows from j on; where there are no more, the last one again. */
template <typename REAL, int SIZE, int PAIRS>
static __device__ __forceinline__ void choose(Group<REAL, SIZE, PAIRS> &group,
                                              const Rows<REAL> &rows, int64_t j, int64_t to) {
  const Network &net = group.net;
  int64_t pixels = (int64_t)net.operations[0].in_h * net.operations[0].in_w * net.channels;
  UNROLL for (int q = 0; q < PAIRS; ++q) {
    int64_t row = j + q < to ? j + q : to - 1;
    group.pixels2[q] = rows.pixels2 + row * pixels;
    group.stats2[q] = rows.stats2 + row * net.positions;
  }
}

template <typename REAL, int SIZE, int PAIRS>
static __global__ void distances(__grid_constant__ const Network net,
                                 __grid_constant__ const Layout layout, const Sizes sizes,
                                 const Rows<REAL> rows, REAL *out) {
  Work work = work_of(sizes);
  Group<REAL, SIZE, PAIRS> group = group_of<REAL, SIZE, PAIRS>(net, layout, rows, work.row);
  for (int64_t j = work.from; j < work.to; j += PAIRS) {
    REAL found[PAIRS];
    choose(group, rows, j, work.to);
    forward<false>(group, found);
    UNROLL for (int q = 0; q < PAIRS; ++q)
      if (group.lane == q && j + q < work.to) out[work.row * sizes.rows2 + j + q] = found[q];
  }
}

/* The cotangent of the distance between a row and row j of the second set, summed over the factors'
 * columns by the threads of each warp. */
template <typename REAL>
static __device__ __forceinline__ REAL cotangent(const Sizes &sizes, const REAL *left,
                                                 const REAL *right, int64_t row, int64_t j) {
  if (sizes.is_dense) return left[row * sizes.rows2 + j];
  REAL bar = 0;
  for (int64_t k = threadIdx.x % 32; k < sizes.rank; k += 32)
    bar += left[row * sizes.rank + k] * right[j * sizes.rank + k];
  UNROLL for (int apart = 16; apart > 0; apart /= 2)
    bar += __shfl_xor_sync(0xffffffff, bar, apart);
  return bar;
}

/* Each chunk of the second set leaves sums of its own: (chunks, rows1, ...). */
template <typename REAL, int SIZE, int PAIRS>
static __global__ void pullback(__grid_constant__ const Network net,
                                __grid_constant__ const Layout layout, const Sizes sizes,
                                const Rows<REAL> rows, const REAL *left, const REAL *right,
                                REAL *pixels_out, REAL *stats_out) {
  Work work = work_of(sizes);
  Group<REAL, SIZE, PAIRS> group = group_of<REAL, SIZE, PAIRS>(net, layout, rows, work.row);
  clear_sums(group);
  for (int64_t j = work.from; j < work.to; j += PAIRS) {
    REAL found[PAIRS], bars[PAIRS];
    choose(group, rows, j, work.to);
    UNROLL for (int q = 0; q < PAIRS; ++q) {
      int64_t row = j + q < work.to ? j + q : work.to - 1;
      bars[q] = cotangent(sizes, left, right, work.row, row);
      if (j + q >= work.to) bars[q] = 0;
    }
    forward<true>(group, found);
    backward(group, bars);
  }
  int64_t place = work.chunk * sizes.rows1 + work.row;
  int stats = layout.pixels_bar - layout.stats_bar, pixels = layout.total - layout.pixels_bar;
  for (int k = group.lane; k < stats; k += SIZE)
    stats_out[place * stats + k] = group.room[layout.stats_bar + k];
  for (int k = group.lane; k < pixels; k += SIZE)
    pixels_out[place * pixels + k] = group.room[layout.pixels_bar + k];
}

/* ---- what fits --------------------------------------------------------------------------------- */

static size_t shared_limit() {
  int device = 0, bytes = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return 0;
  if (cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) != cudaSuccess)
    return 0;
  return (size_t)bytes;
}

/* How a network's pairs are shared out. */
struct Plan {
  int size, pairs; /* threads of a group, and its pairs */
  bool fits;
};

/* Threads and pairs by the positions of the first map, as they were fastest on an H100; one pair where
 * more do not fit, and for doubles, which nobody is in a hurry for. */
static Plan plan_of(const Network &net, bool is_pullback, size_t itemsize) {
  int positions = net.operations[0].out_h * net.operations[0].out_w;
  Plan plan = {positions <= 224 ? 64 : positions <= 512 ? 128 : 256, positions <= 512 ? 4 : 2};
  if (itemsize == sizeof(double)) plan.pairs = 1;
  if (layout_of(net, plan.pairs, is_pullback).total * itemsize > shared_limit()) plan.pairs = 1;
  plan.fits = layout_of(net, plan.pairs, is_pullback).total * itemsize <= shared_limit();
  return plan;
}

/* Whether this device can do a network's pull-back, the larger of the two. */
EXPORTED int ganntk_cuda_fits(const char *program, int itemsize) {
  Network net;
  return parse(program, &net) && plan_of(net, true, itemsize).fits;
}

/* ---- the custom calls ------------------------------------------------------------------------- */

#define API_MINOR 3 /* as in handlers.c */

static bool is_query(XLA_FFI_CallFrame *frame) {
  auto *extension = (XLA_FFI_Metadata_Extension *)frame->extension_start;
  if (!extension || extension->extension_base.type != XLA_FFI_Extension_Metadata) return false;
  extension->metadata->api_version.major_version = XLA_FFI_API_MAJOR;
  extension->metadata->api_version.minor_version = API_MINOR;
  return true;
}

static XLA_FFI_Error *error(const XLA_FFI_CallFrame *frame, const char *message) {
  XLA_FFI_Error_Create_Args args = {XLA_FFI_Error_Create_Args_STRUCT_SIZE, nullptr, message,
                                    XLA_FFI_Error_Code_INTERNAL};
  return frame->api->XLA_FFI_Error_Create(&args);
}

static const XLA_FFI_Buffer *argument(const XLA_FFI_CallFrame *frame, int k) {
  return (const XLA_FFI_Buffer *)frame->args.args[k];
}

template <typename REAL>
static const REAL *data(const XLA_FFI_CallFrame *frame, int k) {
  return (const REAL *)argument(frame, k)->data;
}

template <typename REAL>
static REAL *result(const XLA_FFI_CallFrame *frame, int k) {
  return (REAL *)((XLA_FFI_Buffer *)frame->rets.rets[k])->data;
}

/* What both calls have: the network, the device's queue, and sizes. */
struct Launch {
  Network net;
  Plan plan;
  Layout layout;
  Sizes sizes;
  cudaStream_t stream;
  size_t shared;
};

static const char *prepare(const XLA_FFI_CallFrame *frame, bool is_pullback, size_t itemsize,
                           Launch *launch) {
  std::string program;
  for (int64_t k = 0; k < frame->attrs.size; ++k)
    if (std::string(frame->attrs.names[k]->ptr, frame->attrs.names[k]->len) == "program") {
      auto *text = (const XLA_FFI_ByteSpan *)frame->attrs.attrs[k];
      program.assign(text->ptr, text->len);
    }
  if (!parse(program.c_str(), &launch->net)) return "a network that this device's code does not know";
  XLA_FFI_Stream_Get_Args args = {XLA_FFI_Stream_Get_Args_STRUCT_SIZE, nullptr, frame->ctx, nullptr};
  if (frame->api->XLA_FFI_Stream_Get(&args)) return "XLA gave no stream";
  launch->stream = (cudaStream_t)args.stream;
  launch->plan = plan_of(launch->net, is_pullback, itemsize);
  if (!launch->plan.fits) return "a network whose maps are larger than a processor's memory";
  launch->layout = layout_of(launch->net, launch->plan.pairs, is_pullback);
  launch->shared = launch->layout.total * itemsize;
  launch->sizes.rows1 = argument(frame, 0)->dims[0];
  launch->sizes.rows2 = argument(frame, 2)->dims[0];
  return nullptr;
}

template <typename REAL>
static Rows<REAL> rows_of(const XLA_FFI_CallFrame *frame) {
  return {data<REAL>(frame, 0), data<Stat<REAL>>(frame, 1), data<REAL>(frame, 2),
          data<Stat<REAL>>(frame, 3)};
}

/* Start a kernel: each group is a block. */
template <typename... Parameters, typename... Arguments>
static XLA_FFI_Error *start(const XLA_FFI_CallFrame *frame, const Launch &launch,
                            void (*kernel)(Parameters...), Arguments... arguments) {
  unsigned blocks = (unsigned)(launch.sizes.rows1 * launch.sizes.chunks), threads = launch.plan.size;
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)launch.shared);
  kernel<<<blocks, threads, launch.shared, launch.stream>>>(launch.net, launch.layout, launch.sizes,
                                                            arguments...);
  cudaError_t found = cudaGetLastError();
  return found == cudaSuccess ? nullptr : error(frame, cudaGetErrorString(found));
}

template <typename REAL>
static XLA_FFI_Error *run_distances(XLA_FFI_CallFrame *frame) {
  Launch launch = {};
  if (const char *problem = prepare(frame, false, sizeof(REAL), &launch)) return error(frame, problem);
  launch.sizes.is_symmetric = argument(frame, 4)->dims[0] > 0;
  launch.sizes.chunks = (launch.sizes.rows2 + kRowsOfAGroup - 1) / kRowsOfAGroup;
  constexpr int kFew = sizeof(REAL) == 4 ? 2 : 1, kMany = sizeof(REAL) == 4 ? 4 : 1;
  const bool is_one = launch.plan.pairs == 1;
  auto kernel = launch.plan.size == 64    ? is_one ? distances<REAL, 64, 1> : distances<REAL, 64, kMany>
                : launch.plan.size == 128 ? is_one ? distances<REAL, 128, 1> : distances<REAL, 128, kMany>
                : is_one                  ? distances<REAL, 256, 1>
                                          : distances<REAL, 256, kFew>;
  return start(frame, launch, kernel, rows_of<REAL>(frame), result<REAL>(frame, 0));
}

template <typename REAL>
static XLA_FFI_Error *run_pullback(XLA_FFI_CallFrame *frame) {
  Launch launch = {};
  if (const char *problem = prepare(frame, true, sizeof(REAL), &launch)) return error(frame, problem);
  launch.sizes.rank = argument(frame, 4)->dims[1];
  launch.sizes.is_dense = argument(frame, 5)->dims[0] == 0;
  launch.sizes.chunks = ((XLA_FFI_Buffer *)frame->rets.rets[0])->dims[0];
  constexpr int kFew = sizeof(REAL) == 4 ? 2 : 1, kMany = sizeof(REAL) == 4 ? 4 : 1;
  const bool is_one = launch.plan.pairs == 1;
  auto kernel = launch.plan.size == 64    ? is_one ? pullback<REAL, 64, 1> : pullback<REAL, 64, kMany>
                : launch.plan.size == 128 ? is_one ? pullback<REAL, 128, 1> : pullback<REAL, 128, kMany>
                : is_one                  ? pullback<REAL, 256, 1>
                                          : pullback<REAL, 256, kFew>;
  return start(frame, launch, kernel, rows_of<REAL>(frame), data<REAL>(frame, 4),
               data<REAL>(frame, 5), result<REAL>(frame, 0), result<REAL>(frame, 1));
}

static bool is_float(const XLA_FFI_CallFrame *frame) {
  return argument(frame, 0)->dtype == XLA_FFI_DataType_F32;
}

/* pixels1, stats1, pixels2, stats2, mark -> distances (rows1, rows2); where mark has an entry, those on
 * and above the diagonal only. */
EXPORTED XLA_FFI_Error *ganntk_cuda_distances(XLA_FFI_CallFrame *frame) {
  if (is_query(frame)) return nullptr;
  return is_float(frame) ? run_distances<float>(frame) : run_distances<double>(frame);
}

/* pixels1, stats1, pixels2, stats2, left (rows1, rank), right (rows2, rank) -> for each chunk of the
 * second set, cotangents of pixels1 and of stats1's r and NTK variance. Where right has no rows, left
 * is the cotangent (rows1, rows2). */
EXPORTED XLA_FFI_Error *ganntk_cuda_pullback(XLA_FFI_CallFrame *frame) {
  if (is_query(frame)) return nullptr;
  return is_float(frame) ? run_pullback<float>(frame) : run_pullback<double>(frame);
}
