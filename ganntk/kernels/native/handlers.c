/* Distances of pairs of images under the NTK of a network, and their pull-back: XLA custom calls.
 *
 * calls.py registers the two handlers at the end of this file and says what their operands are. The
 * work is cut into blocks of rows of the first set; each block's results are its own, so blocks go to
 * the threads of XLA's pool in any order.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"
#include "xla/ffi/api/c_api.h"

#define EXPORTED __attribute__((visibility("default")))

/* ---- blocks on threads ------------------------------------------------------------------------ */

typedef void Work(const Call *call, int64_t block, void *scratch);
typedef void *ScratchNew(const Call *call);

/* Shared by the calling thread and the tasks it asked for; the last one that leaves frees it. A task
 * that the pool starts after all blocks are taken finds nothing to do. */
typedef struct {
  const Call *call;
  Work *work;
  ScratchNew *scratch_new;
  int64_t blocks;
  atomic_int_fast64_t next, undone;
  atomic_int holders, failed;
  pthread_mutex_t lock;
  pthread_cond_t all_done;
} Job;

static void leave(Job *job) {
  if (atomic_fetch_sub(&job->holders, 1) > 1) return;
  pthread_cond_destroy(&job->all_done);
  pthread_mutex_destroy(&job->lock);
  free(job);
}

static void take_blocks(Job *job) {
  void *scratch = NULL;
  for (int64_t block; (block = atomic_fetch_add(&job->next, 1)) < job->blocks;) {
    if (scratch == NULL) scratch = job->scratch_new(job->call);
    if (scratch == NULL)
      atomic_store(&job->failed, 1);
    else
      job->work(job->call, block, scratch);
    if (atomic_fetch_sub(&job->undone, 1) == 1) {
      pthread_mutex_lock(&job->lock);
      pthread_cond_signal(&job->all_done);
      pthread_mutex_unlock(&job->lock);
    }
  }
  free(scratch);
}

static void task(void *data) {
  take_blocks(data);
  leave(data);
}

static XLA_FFI_Error *error(const XLA_FFI_Api *api, XLA_FFI_Error_Code code, const char *message) {
  XLA_FFI_Error_Create_Args args = {XLA_FFI_Error_Create_Args_STRUCT_SIZE, NULL, message, code};
  return api->XLA_FFI_Error_Create(&args);
}

static void destroy(const XLA_FFI_Api *api, XLA_FFI_Error *found) {
  XLA_FFI_Error_Destroy_Args args = {XLA_FFI_Error_Destroy_Args_STRUCT_SIZE, NULL, found};
  api->XLA_FFI_Error_Destroy(&args);
}

static int64_t threads(const XLA_FFI_CallFrame *frame) {
  int64_t count = 1;
  XLA_FFI_ThreadPool_NumThreads_Args args = {XLA_FFI_ThreadPool_NumThreads_Args_STRUCT_SIZE, NULL,
                                             frame->ctx, &count};
  XLA_FFI_Error *failure = frame->api->XLA_FFI_ThreadPool_NumThreads(&args);
  if (failure != NULL) destroy(frame->api, failure);
  return failure != NULL ? 1 : count;
}

/* Run all blocks, here and on the pool's threads, and wait. */
static XLA_FFI_Error *run(const XLA_FFI_CallFrame *frame, const Call *call, Work *work,
                          ScratchNew *scratch_new, int lanes) {
  Job *job = malloc(sizeof(Job));
  if (job == NULL) return error(frame->api, XLA_FFI_Error_Code_RESOURCE_EXHAUSTED, "no memory");
  job->call = call, job->work = work, job->scratch_new = scratch_new;
  job->blocks = (call->rows1 + lanes - 1) / lanes;
  atomic_init(&job->next, 0), atomic_init(&job->undone, job->blocks);
  atomic_init(&job->holders, 1), atomic_init(&job->failed, 0);
  pthread_mutex_init(&job->lock, NULL);
  pthread_cond_init(&job->all_done, NULL);
  int64_t helpers = MAX(0, (job->blocks < threads(frame) ? job->blocks : threads(frame)) - 1);
  for (int64_t k = 0; k < helpers; ++k) {
    XLA_FFI_ThreadPool_Schedule_Args args = {XLA_FFI_ThreadPool_Schedule_Args_STRUCT_SIZE, NULL,
                                             frame->ctx, task, job};
    atomic_fetch_add(&job->holders, 1);
    XLA_FFI_Error *refused = frame->api->XLA_FFI_ThreadPool_Schedule(&args);
    if (refused == NULL) continue;
    destroy(frame->api, refused); /* one thread less */
    atomic_fetch_sub(&job->holders, 1);
  }
  take_blocks(job);
  pthread_mutex_lock(&job->lock);
  while (atomic_load(&job->undone) > 0) pthread_cond_wait(&job->all_done, &job->lock);
  pthread_mutex_unlock(&job->lock);
  int failed = atomic_load(&job->failed);
  leave(job);
  return failed ? error(frame->api, XLA_FFI_Error_Code_RESOURCE_EXHAUSTED,
                        "no memory for the feature maps of one block of images")
                : NULL;
}

/* ---- the custom calls ------------------------------------------------------------------------- */

/* The oldest minor version of the interface with all that is used here, that of jaxlib 0.10: a library
 * that was compiled with a later one's headers works with both. */
#define API_MINOR 3

/* XLA asks each handler once which version it was written for. */
static int is_query(XLA_FFI_CallFrame *frame) {
  XLA_FFI_Metadata_Extension *extension = (void *)frame->extension_start;
  if (extension == NULL || extension->extension_base.type != XLA_FFI_Extension_Metadata) return 0;
  extension->metadata->api_version.major_version = XLA_FFI_API_MAJOR;
  extension->metadata->api_version.minor_version = API_MINOR;
  return 1;
}

static const XLA_FFI_Buffer *argument(const XLA_FFI_CallFrame *frame, int k) {
  return frame->args.args[k];
}

static void *result(const XLA_FFI_CallFrame *frame, int k) {
  return ((XLA_FFI_Buffer *)frame->rets.rets[k])->data;
}

static int is_float(const XLA_FFI_CallFrame *frame) {
  return argument(frame, 2)->dtype == XLA_FFI_DataType_F32;
}

/* Operands: operations int32 (count, 13), and, all float or all double, scales (count), pixels1, stats1, pixels2, stats2;
 * pixels are (rows, height, width, channels). */
static Call *read_call(const XLA_FFI_CallFrame *frame) {
  const XLA_FFI_Buffer *operations = argument(frame, 0), *pixels1 = argument(frame, 2);
  int columns = (int)operations->dims[1];
  if (operations->dims[0] > MOST_OPERATIONS) return NULL;
  Call *call = calloc(1, sizeof(Call));
  if (call == NULL) return NULL;
  Network *net = &call->network;
  net->count = (int)operations->dims[0];
  net->channels = (int)pixels1->dims[3];
  net->positions = (int)argument(frame, 3)->dims[2];
  for (int k = 0; k < net->count; ++k) {
    memcpy(net->operations + k, (const int32_t *)operations->data + k * columns,
           columns * sizeof(int32_t));
    net->operations[k].scale = is_float(frame) ? ((const float *)argument(frame, 1)->data)[k]
                                               : ((const double *)argument(frame, 1)->data)[k];
  }
  call->rows1 = pixels1->dims[0];
  call->rows2 = argument(frame, 4)->dims[0];
  call->pixels1 = pixels1->data, call->stats1 = argument(frame, 3)->data;
  call->pixels2 = argument(frame, 4)->data, call->stats2 = argument(frame, 5)->data;
  return call;
}

static XLA_FFI_Error *run_and_free(const XLA_FFI_CallFrame *frame, Call *call, Work *f32, Work *f64) {
  XLA_FFI_Error *failure =
      is_float(frame) ? run(frame, call, f32, scratch_new_f32, VECTOR_BYTES / sizeof(float))
                      : run(frame, call, f64, scratch_new_f64, VECTOR_BYTES / sizeof(double));
  free(call);
  return failure;
}

/* ... -> distances (rows1, rows2); with a seventh operand of length 1, above the diagonal only. */
EXPORTED XLA_FFI_Error *ganntk_distances(XLA_FFI_CallFrame *frame) {
  if (is_query(frame)) return NULL;
  Call *call = read_call(frame);
  if (call == NULL) return error(frame->api, XLA_FFI_Error_Code_INVALID_ARGUMENT, "too many layers");
  call->is_symmetric = argument(frame, 6)->dims[0] > 0;
  call->out1 = result(frame, 0);
  return run_and_free(frame, call, gram_block_f32, gram_block_f64);
}

/* ..., left (rows1, rank), right (rows2, rank) -> cotangents of pixels1, and of stats1's r and NTK
 * variance, (rows1, 2, positions). Where right has no rows, left is the cotangent (rows1, rows2). */
EXPORTED XLA_FFI_Error *ganntk_pullback(XLA_FFI_CallFrame *frame) {
  if (is_query(frame)) return NULL;
  Call *call = read_call(frame);
  if (call == NULL) return error(frame->api, XLA_FFI_Error_Code_INVALID_ARGUMENT, "too many layers");
  call->rank = argument(frame, 6)->dims[1];
  call->is_dense = argument(frame, 7)->dims[0] == 0;
  call->left = argument(frame, 6)->data, call->right = argument(frame, 7)->data;
  call->out1 = result(frame, 0), call->out2 = result(frame, 1);
  return run_and_free(frame, call, pullback_block_f32, pullback_block_f64);
}
