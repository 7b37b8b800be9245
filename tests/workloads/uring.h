/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the workloads of io_uring share beside aio.h: rings made by bare system calls, and the printing of what a tracer
 * must say about their requests. No liburing: it lacks what is newer than itself, and what a workload does is to be
 * exactly what its source says.
 */
#ifndef INFLIGHT_WORKLOADS_URING_H
#define INFLIGHT_WORKLOADS_URING_H

#include "aio.h"

#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <sys/socket.h>

/* Newer than the header of Linux 6.1. */
enum {
    OP_READ_MULTISHOT = 49,
    OP_WAITID,
    OP_FUTEX_WAIT,
    OP_FUTEX_WAKE,
    OP_FUTEX_WAITV,
    OP_FIXED_FD_INSTALL,
    OP_FTRUNCATE,
    OP_BIND,
    OP_LISTEN,
    OP_NOP128 = 63,
    OP_URING_CMD128,
    SETUP_NO_SQARRAY = 1 << 16,
    SETUP_CQE_MIXED = 1 << 18,
    SETUP_SQE_MIXED = 1 << 19,
    FEAT_RW_ATTR = 1 << 16,
    CQE_F_SKIP = 1 << 5,
    CQE_F_32 = 1 << 15,
    CANCEL_USERDATA = 1 << 4,
    CANCEL_OP = 1 << 5,
};

/* The half that every CQE has; the kernel's structure ends in an array. */
struct cqe {
    uint64_t user_data;
    int res;
    unsigned flags;
};

struct ring {
    int fd;
    struct io_uring_params params;
    unsigned *sq_head, *sq_tail, *sq_flags, *sq_array; /* sq_array is NULL with SETUP_NO_SQARRAY */
    unsigned *cq_head, *cq_tail, *cq_overflow;
    char *sqes, *cqes;
    unsigned sqe_size, cqe_size;
    unsigned tail;      /* of what was prepared */
    unsigned submitted; /* ... and of what was submitted */
    bool wide;          /* what was prepared last takes two places */
    bool driven;        /* by a BPF program, which submits when io_uring_enter runs it */
    bool unlogged;      /* nothing will be expected of its requests by their SQE */
    const int* files;   /* that were registered, for their names */
};

/* Skips the program where there is no io_uring, or not with these flags. */
struct ring ring_new(unsigned entries, unsigned setup_flags);
struct ring ring_with(unsigned entries, struct io_uring_params params); /* its fd is negative with unknown flags */
/*
 * One more NOP. What was reaped in user space shows to a tracer when something happens to the ring next; of this last
 * one it cannot know whether it was reaped, and nothing is said.
 */
void ring_look(struct ring* ring);
void ring_close(struct ring* ring); /* looks before; nothing may be in flight but what the close is to end */
/* Whether the kernel knows the operation; the calls that find out are part of the account. */
bool ring_has(struct ring* ring, unsigned opcode);
void ring_needs(struct ring* ring, unsigned opcode); /* skips the program if not */

/*
 * The next SQE, with a user_data that nothing else has. It is taken at the next submission, and can be changed until
 * then.
 */
struct io_uring_sqe* prep(struct ring* ring, int opcode, int fd, const void* addr, unsigned len, uint64_t off);
/* One of 128 bytes, in a ring of SETUP_SQE_MIXED: it takes two places, and is the only one of its submission. */
struct io_uring_sqe* prep_wide(struct ring* ring, int opcode, int fd, const void* addr, unsigned len, uint64_t off);
/* The SQEs that were prepared; the kernel must take them all. */
void ring_submit(struct ring* ring);
/* The same with what the kernel returns, -errno or the number of SQEs that it took; and waits for CQEs. */
long ring_submit_some(struct ring* ring, unsigned wait);
struct cqe ring_reap(struct ring* ring); /* waits up to 10 s */
bool ring_peek(struct ring* ring, struct cqe* cqe);
struct cqe ring_reap_big(struct ring* ring, uint64_t big[2]);
/* Submits, reaps one CQE, which must be of the last SQE. Returns its result. */
struct cqe ring_run(struct ring* ring);
unsigned cqes_waiting(const struct ring* ring); /* CQEs to be reaped */

/* The bare system calls, accounted, -errno on failure. */
long uring_setup(unsigned entries, struct io_uring_params* params);
long uring_enter(int fd, unsigned to_submit, unsigned min_complete, unsigned flags, const void* arg, size_t size);
long uring_register(int fd, unsigned opcode, const void* arg, unsigned count);
/* A registration that must succeed. */
void ring_register(struct ring* ring, unsigned opcode, const void* arg, unsigned count);

/* IORING_REGISTER_SYNC_CANCEL; returns what the kernel does. */
long sync_cancel(struct ring* ring, uint64_t user_data, int fd, unsigned flags);

/* ---- expectations ---- */

/*
 * Of a request: what its SQE asked for, what its CQE says, that it was reaped, and more. The outcome is that of the
 * result: -ECANCELED is cancelled, -ETIME of a timeout completed.
 */
void expect_cqe(const struct cqe* cqe, const char* more, ...) __attribute__((format(printf, 2, 3)));
/* Of one that has no CQE, or several: only what was asked, and what is given. */
void expect_sqe(uint64_t user_data, const char* more, ...) __attribute__((format(printf, 2, 3)));
/* Of one of which another person may only know the least: op and user_data, and what is given. */
void expect_of(uint64_t user_data, const char* more, ...) __attribute__((format(printf, 2, 3)));
/* One CQE of a request that goes on. */
void expect_completion(const struct cqe* cqe, unsigned count);
/* Runs the one SQE that was prepared last: it must end with `result`. */
void run_expect(struct ring* ring, int result, const char* more, ...) __attribute__((format(printf, 3, 4)));
/* Reaps one CQE, which must be of that user_data and have that result; expects it. */
void reap_expect(struct ring* ring, uint64_t user_data, int result, const char* more, ...)
    __attribute__((format(printf, 4, 5)));
/* ... without an expectation. */
struct cqe reap_of(struct ring* ring, uint64_t user_data, int result);
/* Reaps `count` CQEs, in whatever order they come, and finds that of a user_data among them. */
void reap_all(struct ring* ring, struct cqe* cqes, unsigned count);
const struct cqe* cqe_of(const struct cqe* cqes, unsigned count, uint64_t user_data);

/*
 * A cancel attempt: way is "async-cancel", "poll-remove", ...; `key` the user_data that it was to find. verdict and
 * target_op may be NULL: not said.
 */
void expect_attempt(const char* way, uint64_t key, long ret, const char* verdict, const char* target_op);
/* A ring, once it is closed or the program ends. */
void expect_ring(const struct ring* ring, const char* more, ...) __attribute__((format(printf, 2, 3)));

const char* uring_op_name(unsigned opcode);
uint64_t last_user_data(const struct ring* ring); /* of the SQE that was prepared last */

/* Things to do I/O on. */
void make_pipe(int ends[2]);
/* Two connected sockets of that domain. */
void make_pair(int domain, int ends[2]);
struct __kernel_timespec milliseconds(long ms);

#endif
