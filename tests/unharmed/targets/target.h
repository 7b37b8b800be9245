/* SPDX-License-Identifier: Apache-2.0 */
/* What all targets have in common. A target checks itself without end; what is not as it must be is a deviation. */
#pragma once

#include "../board.h"

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Maps the board that argv[1] names and installs the common handlers: SIGUSR1 (SA_RESTART), SIGUSR2 (interrupts calls)
 * and SIGALRM (SA_RESTART, on the alternate stack where a thread has one). */
void begin_target(int argc, char** argv);
/* Tells the driver that the requests are in flight, waits until it has had enough, takes a last look and exits. */
_Noreturn void serve_until_finished(void (*last_look)(void));
struct board* board(void);
bool is_finished(void);
/* One line, at most some hundred bytes; counts. */
__attribute__((format(printf, 1, 2))) void deviation(const char* format, ...);
void count_round(void);

uint64_t now_ns(void);
void sleep_ms(unsigned ms);
pid_t thread_id(void);
void start_thread(void* (*run)(void*), void* argument);
uint64_t next_random(uint64_t* state);

/* A call may end with EINTR when the driver sent a signal, or a debugger came, between `before` and now. */
struct torments {
    uint64_t begun;
    bool under_way;
};
struct torments look_at_torments(void);
/* A program that becomes a new one all the time sees EINTR in calls that wait for events without any cancel
 * (--control shows it): there it is no deviation. */
extern bool eintr_is_its_own;

bool tormented_since(struct torments before);

/* --- requests to be cancelled --- */

/* A ring whose polls wait on a pipe that nobody writes to. */
struct poller {
    int fd;
    int pipe_fd;
    unsigned armed_count;
    unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
    struct io_uring_sqe* sqes;
    struct io_uring_cqe* cqes;
};
/* With IORING_SETUP_SINGLE_ISSUER it must be called by the thread that is to be the issuer, and so must the next. */
void begin_poller(struct poller* poller, unsigned setup_flags, unsigned count);
/* Takes what has ended, which must be cancelled, and submits it again. Never waits. */
void rearm_poller(struct poller* poller);

/* Threads that keep eight polls of kernel AIO and eight of a plain ring in flight. */
void start_keepers(void);
