/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the workloads share: the system calls of kernel AIO, and the printing of what a tracer must say about them.
 *
 * Include it first. No libaio: what a workload does is exactly what its source says. Values in expectations come from
 * the workload itself (its iocbs, the events it got, errno, /proc/self/fd), never from a tracer. See README.md for
 * the grammar.
 */
#ifndef INFLIGHT_WORKLOADS_AIO_H
#define INFLIGHT_WORKLOADS_AIO_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Each program begins with start() and ends with finish(). argv[1]: directory for files; argv[2]: up to the program. */
void start(int argc, char** argv);
/* Prints `expect event` and `expect totals` lines from the account of all calls made, and exits with 0. */
_Noreturn void finish(void);
_Noreturn void fail(const char* format, ...) __attribute__((format(printf, 1, 2))); /* exit 1 */
_Noreturn void skip(const char* format, ...) __attribute__((format(printf, 1, 2))); /* exit 77 */
/* argv[2] as a number. */
long argument(long otherwise);
/* Waits for a child that must exit with `status`. Children must leave with _exit() after flush(). */
void wait_child(pid_t child, int status);
void flush(void);

#define CHECK(condition, ...)  \
    do {                       \
        if (!(condition)) {    \
            fail(__VA_ARGS__); \
        }                      \
    } while (0)
/* The value of a libc call that must not return -1. */
#define OS(call) os_result((long)(call), #call)
long os_result(long ret, const char* call);

/*
 * The system calls. They return what the kernel returns: -errno where libc would set errno. Thread-safe, and they go on
 * counting in children after fork().
 */
enum call {
    IO_SETUP,
    IO_DESTROY,
    IO_SUBMIT,
    IO_CANCEL,
    IO_GETEVENTS,
    IO_PGETEVENTS,
    IO_URING_SETUP,
    IO_URING_ENTER,
    IO_URING_REGISTER,
    CALL_COUNT
};
long io_setup(unsigned nr, aio_context_t* ctx);
long io_destroy(aio_context_t ctx);
long io_submit(aio_context_t ctx, long nr, struct iocb** iocbpp);
long io_cancel(aio_context_t ctx, struct iocb* iocb, struct io_event* result);
long io_getevents(aio_context_t ctx, long min_nr, long nr, struct io_event* events, struct timespec* timeout);
long io_pgetevents(aio_context_t ctx, long min_nr, long nr, struct io_event* events, struct timespec* timeout,
                   const sigset_t* sigmask);
/* For system calls made by other means. */
void account(enum call call, long ret, bool i386);
/* What the return value of a call does not tell: SQEs that the kernel took, and cancels that are no io_cancel. */
void account_requests(unsigned long requests);
void account_cancels(unsigned long cancels);
/* A user_data that nothing else of the program has, also in children. */
uint64_t unique_user_data(void);
/* Forgets the calls made so far; `requests` of them are still in flight and stay in the totals. */
void account_from_here(unsigned long requests);

/* Iocbs. Each gets a user_data that no other iocb of the program has. */
struct iocb prep_rw(int opcode, int fd, const void* buffer, size_t length, long long offset);
struct iocb prep_fsync(int opcode, int fd);
struct iocb prep_poll(int fd, unsigned mask);

/* The usual steps; each fails the program if the kernel does something else. */
aio_context_t setup(unsigned nr);
void destroy(aio_context_t ctx);
void submit(aio_context_t ctx, struct iocb* iocb);
void submit_refused(aio_context_t ctx, struct iocb* iocb, int error); /* and expects no request of it */
struct io_event reap(aio_context_t ctx);                              /* waits up to 10 s */
void reap_many(aio_context_t ctx, long nr, struct io_event* events);
/* Events that completed and were not reaped, as the ring in user memory says. */
unsigned ring_waiting(aio_context_t ctx);

/* Expectations, each one line. */
void expect_reaped(const struct iocb* iocb, const struct io_event* event); /* completed or failed, as the event says */
void expect_unreaped(const struct iocb* iocb, long result);
void expect_cancelled(const struct iocb* iocb, const struct io_event* event); /* checks that its result is 0 */
void expect_outcome(const struct iocb* iocb, const char* outcome);            /* abandoned, in-flight */
/* `verdict` and `target_op` may be NULL: not said. */
void expect_cancel(const struct iocb* iocb, long ret, const char* verdict, const char* target_op);
void expect_context(aio_context_t ctx, unsigned capacity_at_least, unsigned in_flight_max);
void expect(const char* format, ...) __attribute__((format(printf, 1, 2)));
const char* op_name(unsigned opcode);

/* io_cancel() that must return `-error`, and its expectation. */
void cancel(aio_context_t ctx, struct iocb* iocb, int error, const char* verdict, const char* target_op);

/* Files. */
int scratch_file(const char* name, int flags, size_t size); /* filled with bytes; removed at the end */
/* A name in the scratch folder, of which nothing is there yet; removed at the end if it is a file. */
const char* scratch_name(const char* name);
void* pages(size_t size); /* zeroed, page-aligned */
int ready_eventfd(void);
void make_ready(int fd);                       /* writes 8 bytes: an eventfd, a pipe */
void fd_name(int fd, char* name, size_t size); /* as /proc/self/fd has it */
bool in_initial_pid_namespace(void);           /* where getpid() is what a tracer sees */

/* Time. */
uint64_t now_ns(void);
void sleep_ms(long ms);
void spin_us(long us);
/*
 * Keeps the kernel's workers off this CPU: SCHED_FIFO, and pinned. Kernel AIO queues fsyncs, and the completions of
 * cancelled polls, on the per-CPU workqueue of the submitter (schedule_work in fs/aio.c), so they cannot go on before
 * yield_cpu() or until this thread sleeps. False where it is not permitted.
 */
bool hold_cpu(void);
void yield_cpu(void);

#endif
