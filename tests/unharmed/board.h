/* SPDX-License-Identifier: Apache-2.0 */
/* What a target, the driver and the canceller share: a file that all three map. It outlives a target that crashes. All
 * numbers that change are read and written with the __atomic built-ins. */
#pragma once

#include <stdint.h>

enum {
    board_orders_max = 512,
    board_log_bytes = 1 << 16,
    board_queued_kinds = 4,
};

/* One request that may be cancelled at any time; the target submits it again when it has ended. */
struct board_order {
    uint64_t ctx_id; /* kernel AIO, else 0 */
    uint64_t iocb;
    uint64_t user_data;
    int32_t ring_fd;
    int32_t only_thread; /* the ring's single issuer, or 0 */
};

struct board {
    /* By the target. */
    uint32_t ready;
    uint32_t orders_count;
    struct board_order orders[board_orders_max];
    uint64_t deviations;
    uint64_t log_end; /* may lie beyond the end of `log`: then lines are missing */
    char log[board_log_bytes];
    uint64_t rounds;                      /* checks that the target has made */
    uint64_t completions;                 /* requests that ended, and were submitted again */
    uint64_t handled[board_queued_kinds]; /* queued signals whose handlers ran */
    int32_t semaphores[2];                /* of System V, for the driver to remove; 0: none */
    int32_t message_queues[2];

    /* By the driver. */
    uint32_t finish;
    uint64_t torments_begun;                  /* signals that the driver is about to send */
    uint64_t torments_over;                   /* ... and has sent */
    uint64_t torment_over_ns;                 /* when, CLOCK_MONOTONIC */
    uint64_t queued_sent[board_queued_kinds]; /* by sigqueue: each makes the handler run once */

    /* By the canceller. */
    uint64_t cancels_begun;
    uint64_t cancels_made;    /* the call was made */
    uint64_t cancels_ended;   /* ... and ended the request */
    uint64_t cancels_refused; /* act::cancel() refused, or failed */
    char last_refusal[256];
};

/* The real-time signals that the driver queues: SIGRTMIN + this + kind. */
enum { board_first_queued_signal = 4 };
