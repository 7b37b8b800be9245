/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_uring requests that do nothing, for two seconds, DEPTH to a submission: the cheapest request there is, and so the
 * worst case for whoever watches. Prints the rate per second.
 */
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void* map(int fd, size_t bytes, off_t what) {
    void* at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);
    if (at == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return at;
}

int main(int argc, char** argv) {
    const unsigned depth = argc > 1 ? (unsigned)atoi(argv[1]) : 32;
    struct io_uring_params params = {0};
    const int fd = (int)syscall(SYS_io_uring_setup, depth, &params);
    if (fd < 0) {
        perror("io_uring_setup");
        return 1;
    }
    char* sq = map(fd, params.sq_off.array + params.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    char* cq = map(fd, params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
    struct io_uring_sqe* sqes = map(fd, params.sq_entries * sizeof(*sqes), IORING_OFF_SQES);
    unsigned* tail = (unsigned*)(sq + params.sq_off.tail);
    unsigned* cq_head = (unsigned*)(cq + params.cq_off.head);
    unsigned* array = (unsigned*)(sq + params.sq_off.array);
    const unsigned mask = params.sq_entries - 1;
    const double begin = now_s();
    double end = begin;
    unsigned long done = 0;
    while (end - begin < 2.0) {
        for (unsigned round = 0; round < 1 + 4096 / depth; round++) {
            for (unsigned i = 0; i < depth; i++) {
                const unsigned slot = (*tail + i) & mask;
                sqes[slot] = (struct io_uring_sqe){.opcode = IORING_OP_NOP, .fd = -1, .user_data = done + i};
                array[slot] = slot;
            }
            __atomic_store_n(tail, *tail + depth, __ATOMIC_RELEASE);
            if (syscall(SYS_io_uring_enter, fd, depth, depth, IORING_ENTER_GETEVENTS, NULL, 0) != (long)depth) {
                perror("io_uring_enter");
                return 1;
            }
            __atomic_store_n(cq_head, *cq_head + depth, __ATOMIC_RELEASE);
            done += depth;
        }
        end = now_s();
    }
    fprintf(stderr, "%.0f\n", (double)done / (end - begin));
    return 0;
}
