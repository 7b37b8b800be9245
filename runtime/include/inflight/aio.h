/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libinflight_aio adds to libaio. The rest of its interface is <libaio.h>'s, unchanged.
 *
 * Every function returns a number that is not negative, or -errno, and leaves errno alone. Any thread may call any of
 * them, on any context, at any time. Pointers to the program's memory are not kept after the return. What can be
 * stopped is what waits for a pipe, a socket or another file to become ready, and what has not been begun; what a disk
 * or a file system is working at runs to its end.
 *
 * With the kernel's AIO behind it (inflight_aio_backend()) only the first three work; the others say -ENOSYS.
 */
#ifndef INFLIGHT_AIO_H
#define INFLIGHT_AIO_H

#include <libaio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { INFLIGHT_AIO_URING = 1, INFLIGHT_AIO_KERNEL = 2 };

/*
 * What serves this process: one of the above. Decided once, at the first call of any function. INFLIGHT_AIO_URING also
 * when INFLIGHT_AIO_BACKEND=uring asks for it and it is not available: io_setup then says why.
 */
int inflight_aio_backend(void);

/* Why, in words, for people. Lives as long as the process. */
const char* inflight_aio_backend_reason(void);

/*
 * Takes the completed events of `ctx` and then cancels `iocb`: so a request that has completed is not taken for one
 * that cannot be cancelled. `events` gets at most `room` events, `*drained` how many they are. 0        cancelled;
 * `*result`, unless it is NULL, is its event, which is nowhere else 1        it had completed: its event is among
 * `events` -errno   as io_cancel: -EINVAL it is not in flight (its event was taken before, or is still queued when
 * `events` is full), -EAGAIN it runs and cannot be stopped, -EFAULT
 * `*drained` is valid in each case but -EFAULT.
 */
int inflight_aio_drain_then_cancel(io_context_t ctx, struct iocb* iocb, struct io_event* result,
                                   struct io_event* events, int room, int* drained);

/*
 * Cancels the requests of `ctx` that were submitted with the descriptor `fd`, by its number, whatever the number means
 * now. Writes their events to `events`, at most `room`; then stops. With `events` NULL and `room` 0 all are cancelled
 * and no event is returned. Returns how many were cancelled: `room` of them means that there may be more.
 */
int inflight_aio_cancel_fd(io_context_t ctx, int fd, struct io_event* events, int room);

/* The same for all requests of `ctx`. */
int inflight_aio_cancel_all(io_context_t ctx, struct io_event* events, int room);

/*
 * Cancels `iocb`; if it runs and cannot be stopped, waits for its end, at most for `limit` (NULL: for ever).
 *   0          cancelled; `*result`, unless it is NULL, is its event
 *   1          it came to its end: its event is queued, or was reaped meanwhile
 *   -EAGAIN    it still runs, and will complete as if nothing had been
 *   -EINVAL    it is not in flight, or `ctx` is no context
 *   -EFAULT    a pointer is wild
 */
int inflight_aio_cancel_within(io_context_t ctx, struct iocb* iocb, struct io_event* result,
                               const struct timespec* limit);

#ifdef __cplusplus
}
#endif

#endif
