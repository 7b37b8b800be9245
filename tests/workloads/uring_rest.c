/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that no other workload makes: advice, epoll_ctl, files_update, and of newer kernels those that they have.
 */
#include "uring.h"

#include <sys/epoll.h>

enum { GROUP = 9, SIZE = 64, FUTEX_FLAGS = 2 | 128 /* FUTEX2_SIZE_U32, FUTEX2_PRIVATE */ };

static struct ring ring;

static void read_several(void) {
    int ends[2];
    make_pipe(ends);
    char* memory = pages(4096);
    prep(&ring, IORING_OP_PROVIDE_BUFFERS, 4, memory, SIZE, 0)->buf_group = GROUP;
    run_expect(&ring, 0, "cqes=1");
    struct io_uring_sqe* sqe = prep(&ring, OP_READ_MULTISHOT, ends[0], NULL, 0, UINT64_MAX);
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    uint64_t reading = sqe->user_data;
    ring_submit(&ring);
    for (int i = 0; i < 2; i++) {
        make_ready(ends[1]);
        struct cqe cqe = reap_of(&ring, reading, 8);
        CHECK(cqe.flags & IORING_CQE_F_MORE, "a multishot read ended");
        if (i == 0) {
            expect_completion(&cqe, 2);
        }
    }
    OS(close(ends[1]));
    reap_expect(&ring, reading, 0, "multishot=yes cqes=3");
}

static void wait_for_several(void) {
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } waits[2]; /* struct futex_waitv */
    static uint32_t words[2] = {1, 2};
    for (int i = 0; i < 2; i++) {
        waits[i].value = words[i];
        waits[i].address = (uintptr_t)&words[i];
        waits[i].flags = FUTEX_FLAGS;
        waits[i].reserved = 0;
    }
    uint64_t waiting = prep(&ring, OP_FUTEX_WAITV, 0, waits, 2, 0)->user_data;
    ring_submit(&ring);
    struct io_uring_sqe* sqe = prep(&ring, OP_FUTEX_WAKE, FUTEX_FLAGS, &words[1], 0, 1);
    sqe->addr3 = 0xffffffff;
    uint64_t waking = sqe->user_data;
    ring_submit(&ring);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, waiting)->res == 1, "futex_waitv = %d", cqe_of(cqes, 2, waiting)->res);
    expect_cqe(cqe_of(cqes, 2, waiting), "cqes=1");
    expect_cqe(cqe_of(cqes, 2, waking), "cqes=1");
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, 0);
    int fd = scratch_file("data", O_RDWR, 10000);
    static const int no_files[2] = {-1, -1};

    prep(&ring, IORING_OP_FADVISE, fd, NULL, 4096, 0)->fadvise_advice = POSIX_FADV_RANDOM;
    run_expect(&ring, 0, "cqes=1");
    prep(&ring, IORING_OP_MADVISE, -1, pages(4096), 4096, 0)->fadvise_advice = MADV_DONTNEED;
    run_expect(&ring, 0, "punted=yes");
    struct epoll_event event = {.events = EPOLLIN};
    prep(&ring, IORING_OP_EPOLL_CTL, (int)OS(epoll_create1(0)), &event, EPOLL_CTL_ADD, (unsigned)ready_eventfd());
    run_expect(&ring, 0, "cqes=1");
    ring_register(&ring, IORING_REGISTER_FILES, no_files, 2);
    prep(&ring, IORING_OP_FILES_UPDATE, -1, &fd, 1, 1);
    run_expect(&ring, 1, "cqes=1");
    if (ring_has(&ring, OP_FTRUNCATE)) {
        prep(&ring, OP_FTRUNCATE, fd, NULL, 0, 5000);
        run_expect(&ring, 0, "punted=yes");
    }
    if (ring_has(&ring, OP_FIXED_FD_INSTALL)) {
        prep(&ring, OP_FIXED_FD_INSTALL, 1, NULL, 0, 0)->flags = IOSQE_FIXED_FILE;
        struct cqe cqe = ring_run(&ring);
        CHECK(cqe.res > 0, "fixed_fd_install = %d", cqe.res);
        expect_cqe(&cqe, "fixed=yes");
    }
    if (ring_has(&ring, OP_READ_MULTISHOT)) {
        read_several();
    }
    if (ring_has(&ring, OP_FUTEX_WAITV)) {
        wait_for_several();
    }
    ring_close(&ring);
    finish();
}
