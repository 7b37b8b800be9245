/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_uring requests that do nothing, DEPTH to a submission: the cheapest request there is, and so the worst case for
 * whoever watches. The count that it gives is checked against the ring's own.
 */
#include "load.h"

#include <linux/io_uring.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring {
    pthread_t thread;
    const struct load* load;
    unsigned long done;
    double seconds;
};

static void* map(int fd, size_t bytes, off_t what) {
    void* at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);
    if (at == MAP_FAILED) {
        fail("mmap");
    }
    return at;
}

/* Until as many requests are due as were made: sleeps are too coarse to pace one submission. */
static void keep_pace(double due) {
    const double wait = due - now_s();
    if (wait > 0) {
        const struct timespec time = {.tv_nsec = (long)(wait * 1e9)};
        nanosleep(&time, NULL);
    }
}

static void* run(void* argument) {
    struct ring* ring = argument;
    const unsigned depth = ring->load->depth;
    struct io_uring_params params = {0};
    const int fd = (int)syscall(SYS_io_uring_setup, depth, &params);
    if (fd < 0) {
        fail("io_uring_setup");
    }
    char* sq = map(fd, params.sq_off.array + params.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    char* cq = map(fd, params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
    struct io_uring_sqe* sqes = map(fd, params.sq_entries * sizeof(*sqes), IORING_OFF_SQES);
    unsigned* tail = (unsigned*)(sq + params.sq_off.tail);
    unsigned* cq_head = (unsigned*)(cq + params.cq_off.head);
    unsigned* cq_tail = (unsigned*)(cq + params.cq_off.tail);
    unsigned* array = (unsigned*)(sq + params.sq_off.array);
    const unsigned mask = params.sq_entries - 1;
    const double begin = now_s();
    double end = begin;
    while (end - begin < ring->load->seconds) {
        for (unsigned round = 0; round < 1 + 4096 / depth; round++) {
            for (unsigned i = 0; i < depth; i++) {
                const unsigned slot = (*tail + i) & mask;
                sqes[slot] = (struct io_uring_sqe){.opcode = IORING_OP_NOP, .fd = -1, .user_data = ring->done + i};
                array[slot] = slot;
            }
            __atomic_store_n(tail, *tail + depth, __ATOMIC_RELEASE);
            if (syscall(SYS_io_uring_enter, fd, depth, depth, IORING_ENTER_GETEVENTS, NULL, 0) != (long)depth) {
                fail("io_uring_enter");
            }
            ring->done += depth;
            if (__atomic_load_n(cq_tail, __ATOMIC_ACQUIRE) != (unsigned)ring->done) {
                fprintf(stderr, "the ring counts otherwise\n");
                exit(1);
            }
            __atomic_store_n(cq_head, *cq_head + depth, __ATOMIC_RELEASE);
        }
        if (ring->load->rate > 0) {
            keep_pace(begin + (double)ring->done / ring->load->rate);
        }
        end = now_s();
    }
    ring->seconds = end - begin;
    return NULL;
}

int main(int argc, char** argv) {
    const struct load load = parse(argc, argv);
    struct ring rings[64] = {0};
    for (unsigned i = 0; i < load.threads; i++) {
        rings[i].load = &load;
        if (pthread_create(&rings[i].thread, NULL, run, &rings[i])) {
            fail("pthread_create");
        }
    }
    unsigned long done = 0;
    double seconds = 0;
    for (unsigned i = 0; i < load.threads; i++) {
        pthread_join(rings[i].thread, NULL);
        done += rings[i].done;
        seconds = rings[i].seconds > seconds ? rings[i].seconds : seconds;
    }
    report(&load, done, seconds);
    return 0;
}
