/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight threads, half of them with a ring and half with an AIO context, that use the same user_data, and the same iocb,
 * for one request after the other, each as soon as the last has ended: 16 at a time, some of which end within 2 ms and
 * some within 400. For another program to cancel some of them: each that ends cancelled is printed with when it was
 * submitted and reaped (CLOCK_MONOTONIC):
 *
 *   cancelled family=uring at=FD user_data=0x... before=NS after=NS reaped=NS
 *
 * Each read brings the number that was written for it, or the program fails. Ends on SIGTERM, with "ended N requests".
 */
#include "uring.h"

#include <inttypes.h>
#include <poll.h>

enum { THREADS = 8, SLOTS = 16 };

struct slot {
    uint64_t number, before, after, deadline;
    uint64_t text;
    int ends[2]; /* a pipe, or an eventfd */
    bool written;
};

struct worker {
    bool aio;
    unsigned seed;
    struct ring ring;
    aio_context_t context;
    struct iocb iocbs[SLOTS];
    struct slot slots[SLOTS];
    uint64_t ended;
};

static atomic_bool stopping;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void begin(struct worker* worker, unsigned at) {
    struct slot* slot = &worker->slots[at];
    const uint64_t longest = at % 2 ? 2000000 : 400000000;
    slot->number++;
    slot->written = false;
    slot->before = now();
    slot->deadline = slot->before + (uint64_t)rand_r(&worker->seed) % longest;
    if (worker->aio) {
        CHECK(io_submit(worker->context, 1, &(struct iocb*){&worker->iocbs[at]}) == 1, "io_submit failed");
    } else {
        prep(&worker->ring, IORING_OP_READ, slot->ends[0], &slot->text, 8, UINT64_MAX)->user_data = at;
        ring_submit(&worker->ring);
    }
    slot->after = now();
}

static void take_back(struct worker* worker, struct slot* slot) {
    uint64_t text = 0;
    if (slot->written) {
        CHECK(read(slot->ends[0], &text, 8) == 8, "what was written is gone");
        CHECK(worker->aio || text == slot->number, "another's number");
    }
}

static void end(struct worker* worker, unsigned at, bool cancelled, int64_t res) {
    struct slot* slot = &worker->slots[at];
    if (cancelled) {
        take_back(worker, slot);
        printf("cancelled family=%s at=%#lx user_data=%#x before=%" PRIu64 " after=%" PRIu64 " reaped=%" PRIu64 "\n",
               worker->aio ? "aio" : "uring", worker->aio ? worker->context : (unsigned long)worker->ring.fd, at,
               slot->before, slot->after, now());
    } else if (worker->aio) {
        CHECK(res & POLLIN && slot->written, "a poll ended with %ld", (long)res);
        take_back(worker, slot);
    } else {
        CHECK(res == 8 && slot->text == slot->number, "a read ended with %ld, text %" PRIu64 " for %" PRIu64, (long)res,
              slot->text, slot->number);
    }
    worker->ended++;
    if (!stopping) {
        begin(worker, at);
    }
}

static void reap_ready(struct worker* worker) {
    if (worker->aio) {
        struct io_event events[SLOTS];
        long count = io_getevents(worker->context, 0, SLOTS, events, &(struct timespec){0});
        CHECK(count >= 0, "io_getevents returned %ld", count);
        for (long i = 0; i < count; i++) {
            end(worker, (unsigned)events[i].data, events[i].res == 0, events[i].res);
        }
        return;
    }
    struct cqe cqe;
    CHECK(uring_enter(worker->ring.fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0) >= 0, "io_uring_enter failed");
    while (ring_peek(&worker->ring, &cqe)) {
        end(worker, (unsigned)cqe.user_data, cqe.res == -ECANCELED, cqe.res);
    }
}

static void* work(void* argument) {
    struct worker* worker = argument;
    for (unsigned i = 0; i < SLOTS; i++) {
        begin(worker, i);
    }
    while (!stopping) {
        const uint64_t time = now();
        for (unsigned i = 0; i < SLOTS; i++) {
            struct slot* slot = &worker->slots[i];
            if (!slot->written && slot->deadline <= time) {
                slot->written = true;
                CHECK(write(slot->ends[1], &slot->number, 8) == 8, "write failed");
            }
        }
        reap_ready(worker);
        usleep(100);
    }
    return NULL;
}

int main(int argc, char** argv) {
    start(argc, argv);
    alarm(600); /* others look at it, which takes its time on an emulated machine */
    sigset_t terminate;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    sigprocmask(SIG_BLOCK, &terminate, NULL);
    static struct worker workers[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        struct worker* worker = &workers[i];
        worker->aio = i % 2;
        worker->seed = i;
        if (worker->aio) {
            CHECK(io_setup(SLOTS, &worker->context) == 0, "io_setup failed");
        } else {
            worker->ring = ring_new(SLOTS, 0);
            worker->ring.unlogged = true;
        }
        for (unsigned at = 0; at < SLOTS; at++) {
            struct slot* slot = &worker->slots[at];
            if (worker->aio) {
                slot->ends[0] = slot->ends[1] = (int)OS(eventfd(0, 0));
                worker->iocbs[at] = (struct iocb){.aio_data = at,
                                                  .aio_fildes = (unsigned)slot->ends[0],
                                                  .aio_lio_opcode = IOCB_CMD_POLL,
                                                  .aio_buf = POLLIN};
            } else {
                make_pipe(slot->ends);
            }
        }
        CHECK(pthread_create(&threads[i], NULL, work, worker) == 0, "no thread");
    }
    puts("ready");
    flush();
    int number = 0;
    sigwait(&terminate, &number);
    stopping = true;
    uint64_t ended = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ended += workers[i].ended;
    }
    printf("ended %" PRIu64 " requests\n", ended);
    flush();
    _exit(0);
}
