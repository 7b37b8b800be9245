/* SPDX-License-Identifier: Apache-2.0 */
/* Polls that are there to be cancelled. */
#include "target.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { kept_count = 8 };

static void must(bool done, const char* what) {
    if (!done) {
        deviation("%s: %s", what, strerror(errno));
        exit(2);
    }
}

static int silent_pipe(void) {
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    return ends[0];
}

static void publish(struct board_order order) {
    const uint32_t place = __atomic_fetch_add(&board()->orders_count, 1, __ATOMIC_ACQ_REL);
    if (place < board_orders_max) {
        board()->orders[place] = order;
    }
}

static void put_poll(struct poller* poller, uint64_t user_data) {
    const unsigned tail = *poller->sq_tail;
    const unsigned at = tail & *poller->sq_mask;
    struct io_uring_sqe* sqe = &poller->sqes[at];
    memset(sqe, 0, sizeof(*sqe));
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = poller->pipe_fd;
    sqe->poll32_events = POLLIN;
    sqe->user_data = user_data;
    poller->sq_array[at] = at;
    __atomic_store_n(poller->sq_tail, tail + 1, __ATOMIC_RELEASE);
}

/* Nothing of what is submitted waits, so no call ends early. */
static void submit(struct poller* poller, unsigned count) {
    const long taken = syscall(SYS_io_uring_enter, poller->fd, count, 0, 0, NULL, 0);
    if (taken != (long)count) {
        deviation("io_uring_enter to submit: expected %u got %ld (%s)", count, taken, taken < 0 ? strerror(errno) : "");
    }
}

void begin_poller(struct poller* poller, unsigned setup_flags, unsigned count) {
    struct io_uring_params params;
    memset(&params, 0, sizeof(params));
    params.flags = setup_flags;
    poller->pipe_fd = silent_pipe();
    poller->fd = (int)syscall(SYS_io_uring_setup, 32, &params);
    must(poller->fd >= 0, "io_uring_setup");
    const size_t rings = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    const size_t array = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    char* memory = mmap(NULL, rings > array ? rings : array, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                        poller->fd, IORING_OFF_SQ_RING);
    must(memory != MAP_FAILED, "mmap");
    poller->sqes = mmap(NULL, params.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_POPULATE, poller->fd, IORING_OFF_SQES);
    must(poller->sqes != MAP_FAILED, "mmap");
    poller->sq_tail = (unsigned*)(memory + params.sq_off.tail);
    poller->sq_mask = (unsigned*)(memory + params.sq_off.ring_mask);
    poller->sq_array = (unsigned*)(memory + params.sq_off.array);
    poller->cq_head = (unsigned*)(memory + params.cq_off.head);
    poller->cq_tail = (unsigned*)(memory + params.cq_off.tail);
    poller->cq_mask = (unsigned*)(memory + params.cq_off.ring_mask);
    poller->cqes = (struct io_uring_cqe*)(memory + params.cq_off.cqes);
    for (unsigned i = 0; i < count; i++) {
        put_poll(poller, 1000 + i);
    }
    submit(poller, count);
    for (unsigned i = 0; i < count; i++) {
        const struct board_order order = {.user_data = 1000 + i,
                                          .ring_fd = poller->fd,
                                          .only_thread = setup_flags & IORING_SETUP_SINGLE_ISSUER ? thread_id() : 0};
        publish(order);
    }
}

void rearm_poller(struct poller* poller) {
    unsigned head = *poller->cq_head;
    const unsigned tail = __atomic_load_n(poller->cq_tail, __ATOMIC_ACQUIRE);
    unsigned ended = 0;
    for (; head != tail; head++) {
        const struct io_uring_cqe* cqe = &poller->cqes[head & *poller->cq_mask];
        if (cqe->res != -ECANCELED) {
            deviation("poll of io_uring: expected res %d got %d", -ECANCELED, cqe->res);
        }
        put_poll(poller, cqe->user_data);
        ended++;
    }
    __atomic_store_n(poller->cq_head, head, __ATOMIC_RELEASE);
    if (ended != 0) {
        submit(poller, ended);
        __atomic_fetch_add(&board()->completions, ended, __ATOMIC_RELAXED);
    }
}

static bool excused(struct torments before) {
    return tormented_since(before) || eintr_is_its_own;
}

static void* keep_ring(void* argument) {
    struct poller* poller = argument;
    while (true) {
        const struct torments before = look_at_torments();
        const long ret = syscall(SYS_io_uring_enter, poller->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
        if (ret < 0 && !(errno == EINTR && excused(before))) {
            deviation("io_uring_enter of the keeper: expected 0 got %s", strerror(errno));
        } else if (ret == 0 && *poller->cq_head == __atomic_load_n(poller->cq_tail, __ATOMIC_ACQUIRE)) {
            deviation("io_uring_enter of the keeper: expected a completion got none");
        }
        rearm_poller(poller);
    }
    return NULL;
}

struct aio_keeper {
    aio_context_t ctx_id;
    struct iocb iocbs[kept_count];
};

static void arm_iocb(struct aio_keeper* keeper, struct iocb* iocb) {
    const long taken = syscall(SYS_io_submit, keeper->ctx_id, 1, &iocb);
    if (taken != 1) {
        deviation("io_submit: expected 1 got %ld (%s)", taken, taken < 0 ? strerror(errno) : "");
    }
}

static void* keep_aio(void* argument) {
    struct aio_keeper* keeper = argument;
    while (true) {
        struct io_event events[kept_count];
        memset(events, 0x5a, sizeof(events));
        const struct torments before = look_at_torments();
        const long count = syscall(SYS_io_getevents, keeper->ctx_id, 1, kept_count, events, NULL);
        if (count < 1 || count > kept_count) {
            if (!(count < 0 && errno == EINTR && excused(before))) {
                deviation("io_getevents of the keeper: expected 1 to %d got %ld (%s)", kept_count, count,
                          count < 0 ? strerror(errno) : "");
            }
            continue;
        }
        for (long i = 0; i < count; i++) {
            const struct io_event* event = &events[i];
            if (event->data >= kept_count || event->obj != (uint64_t)&keeper->iocbs[event->data] || event->res != 0) {
                deviation("event of io_getevents: data %llx obj %llx res %lld", (unsigned long long)event->data,
                          (unsigned long long)event->obj, (long long)event->res);
                continue;
            }
            arm_iocb(keeper, &keeper->iocbs[event->data]);
        }
        __atomic_fetch_add(&board()->completions, (uint64_t)count, __ATOMIC_RELAXED);
    }
    return NULL;
}

void start_keepers(void) {
    static struct poller poller;
    begin_poller(&poller, 0, kept_count);
    start_thread(keep_ring, &poller);

    static struct aio_keeper keeper;
    must(syscall(SYS_io_setup, 64, &keeper.ctx_id) == 0, "io_setup");
    const int fd = silent_pipe();
    for (unsigned i = 0; i < kept_count; i++) {
        keeper.iocbs[i].aio_lio_opcode = IOCB_CMD_POLL;
        keeper.iocbs[i].aio_fildes = (uint32_t)fd;
        keeper.iocbs[i].aio_buf = POLLIN;
        keeper.iocbs[i].aio_data = i;
        arm_iocb(&keeper, &keeper.iocbs[i]);
        const struct board_order order = {.ctx_id = keeper.ctx_id, .iocb = (uint64_t)&keeper.iocbs[i], .ring_fd = -1};
        publish(order);
    }
    start_thread(keep_aio, &keeper);
}
