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
  int64_t item = (int64_t)blockIdx.x * blockDim.y + threadIdx.y;
  Work work = {item / sizes.chunks, 0, 0, item % sizes.chunks};
  work.from = work.chunk * sizes.rows2 / sizes.chunks;
  work.to = (work.chunk + 1) * sizes.rows2 / sizes.chunks;
  if (sizes.is_symmetric && work.from < work.row) work.from = work.row;
  return work;
}

template <typename REAL>
static __device__ Pair<REAL> pair_of(const Network &net, const Layout &layout, const REAL *pixels1,
                                     const REAL *stats1, const Work &work) {
  extern __shared__ __align__(16) unsigned char memory[];
  Group group = {(int)threadIdx.x, (int)blockDim.x, blockDim.x == 32};
  REAL *room = (REAL *)memory + threadIdx.y * layout.total;
  int64_t pixels = (int64_t)net.operations[0].in_h * net.operations[0].in_w * net.channels;
  return {net,     layout,  group, room, pixels1 + work.row * pixels,
          nullptr, stats1 + work.row * 3 * net.positions, nullptr};
}

template <typename REAL>
static __device__ void choose(Pair<REAL> &pair, const REAL *pixels2, const REAL *stats2, int64_t row) {
  const Network &net = pair.net;
  pair.pixels2 =
      pixels2 + row * net.operations[0].in_h * net.operations[0].in_w * (int64_t)net.channels;
  pair.stats2 = stats2 + row * 3 * net.positions;
}

template <typename REAL>
static __global__ void distances(__grid_constant__ const Network net,
                                 __grid_constant__ const Layout layout, const Sizes sizes,
                                 const REAL *pixels1, const REAL *stats1, const REAL *pixels2,
                                 const REAL *stats2, REAL *out) {
  Work work = work_of(sizes);
  if (work.row >= sizes.rows1) return; /* a whole group, and so a whole block where it has but one */
  Pair<REAL> pair = pair_of(net, layout, pixels1, stats1, work);
  for (int64_t j = work.from; j < work.to; ++j) {
    choose(pair, pixels2, stats2, j);
    REAL t = forward<REAL, false>(pair);
    if (pair.group.lane == 0) out[work.row * sizes.rows2 + j] = t;
  }
}

/* The cotangent of the distance between a row and row j of the second set. */
template <typename REAL>
static __device__ REAL cotangent(const Sizes &sizes, const REAL *left, const REAL *right, int64_t row,
                                 int64_t j) {
  if (sizes.is_dense) return left[row * sizes.rows2 + j];
  REAL bar = 0;
  for (int64_t k = 0; k < sizes.rank; ++k)
    bar += left[row * sizes.rank + k] * right[j * sizes.rank + k];
  return bar;
}

/* Each chunk of the second set leaves sums of its own: (chunks, rows1, ...). */
template <typename REAL>
static __global__ void pullback(__grid_constant__ const Network net,
                                __grid_constant__ const Layout layout, const Sizes sizes,
                                const REAL *pixels1, const REAL *stats1, const REAL *pixels2,
                                const REAL *stats2, const REAL *left, const REAL *right,
                                REAL *pixels_out, REAL *stats_out) {
  Work work = work_of(sizes);
  if (work.row >= sizes.rows1) return;
  Pair<REAL> pair = pair_of(net, layout, pixels1, stats1, work);
  clear_sums(pair.group, layout, pair.room);
  for (int64_t j = work.from; j < work.to; ++j) {
    choose(pair, pixels2, stats2, j);
    forward<REAL, true>(pair);
    backward(pair, cotangent(sizes, left, right, work.row, j));
  }
  int64_t place = work.chunk * sizes.rows1 + work.row;
  int stats = layout.pixels_bar - layout.stats_bar, pixels = layout.total - layout.pixels_bar;
  for (int k = pair.group.lane; k < stats; k += pair.group.size)
    stats_out[place * stats + k] = pair.room[layout.stats_bar + k];
  for (int k = pair.group.lane; k < pixels; k += pair.group.size)
    pixels_out[place * pixels + k] = pair.room[layout.pixels_bar + k];
}

/* ---- what fits --------------------------------------------------------------------------------- */

static size_t shared_limit() {
  int device = 0, bytes = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return 0;
  if (cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) != cudaSuccess)
    return 0;
  return (size_t)bytes;
}

/* Groups in a block, or 0 where one needs more shared memory than the device has. */
static int groups_per_block(const Network &net, const Layout &layout, size_t itemsize) {
  size_t need = layout.total * itemsize, limit = shared_limit();
  if (need > limit) return 0;
  if (group_size(net) > 32) return 1;
  size_t fit = limit / need;
  return fit < 4 ? (int)fit : 4;
}

/* Whether this device can do a network's pull-back, the larger of the two. */
EXPORTED int ganntk_cuda_fits(const char *program, int itemsize) {
  Network net;
  return parse(program, &net) && groups_per_block(net, layout_of(net, true), itemsize) > 0;
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
  Layout layout;
  Sizes sizes;
  cudaStream_t stream;
  dim3 blocks, threads;
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
  launch->layout = layout_of(launch->net, is_pullback);
  launch->sizes.rows1 = argument(frame, 0)->dims[0];
  launch->sizes.rows2 = argument(frame, 2)->dims[0];
  int groups = groups_per_block(launch->net, launch->layout, itemsize);
  if (!groups) return "a network whose maps are larger than this device's shared memory";
  launch->threads = dim3(group_size(launch->net), groups);
  launch->shared = groups * launch->layout.total * itemsize;
  return nullptr;
}

/* As many blocks as there are groups to be had. */
static void count_blocks(int64_t chunks, Launch *launch) {
  launch->sizes.chunks = chunks;
  int64_t items = launch->sizes.rows1 * chunks;
  launch->blocks = dim3((unsigned)((items + launch->threads.y - 1) / launch->threads.y));
}

static XLA_FFI_Error *launched(const XLA_FFI_CallFrame *frame) {
  cudaError_t found = cudaGetLastError();
  return found == cudaSuccess ? nullptr : error(frame, cudaGetErrorString(found));
}

template <typename REAL>
static XLA_FFI_Error *run_distances(XLA_FFI_CallFrame *frame) {
  Launch launch = {};
  if (const char *problem = prepare(frame, false, sizeof(REAL), &launch)) return error(frame, problem);
  launch.sizes.is_symmetric = argument(frame, 4)->dims[0] > 0;
  count_blocks((launch.sizes.rows2 + kRowsOfAGroup - 1) / kRowsOfAGroup, &launch);
  cudaFuncSetAttribute(distances<REAL>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                       (int)launch.shared);
  distances<REAL><<<launch.blocks, launch.threads, launch.shared, launch.stream>>>(
      launch.net, launch.layout, launch.sizes, data<REAL>(frame, 0), data<REAL>(frame, 1),
      data<REAL>(frame, 2), data<REAL>(frame, 3), result<REAL>(frame, 0));
  return launched(frame);
}

template <typename REAL>
static XLA_FFI_Error *run_pullback(XLA_FFI_CallFrame *frame) {
  Launch launch = {};
  if (const char *problem = prepare(frame, true, sizeof(REAL), &launch)) return error(frame, problem);
  launch.sizes.rank = argument(frame, 4)->dims[1];
  launch.sizes.is_dense = argument(frame, 5)->dims[0] == 0;
  count_blocks(((XLA_FFI_Buffer *)frame->rets.rets[0])->dims[0], &launch);
  cudaFuncSetAttribute(pullback<REAL>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                       (int)launch.shared);
  pullback<REAL><<<launch.blocks, launch.threads, launch.shared, launch.stream>>>(
      launch.net, launch.layout, launch.sizes, data<REAL>(frame, 0), data<REAL>(frame, 1),
      data<REAL>(frame, 2), data<REAL>(frame, 3), data<REAL>(frame, 4), data<REAL>(frame, 5),
      result<REAL>(frame, 0), result<REAL>(frame, 1));
  return launched(frame);
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
