/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What newer kernels take from fields of an SQE that had no meaning: a time in place of its address, protection
 * information and a stream for a write, a user_data of its own for a notification. Kernels that do not know it refuse
 * the request or look elsewhere; what was asked for stands in the SQE all the same.
 */
#include "uring.h"

enum { TIMEOUT_IMMEDIATE_ARG = 1 << 7, ATTR_FLAG_PI = 1, CHK_GUARD = 1, NANOSECONDS = 3000000, LENGTH = 4096 };

static struct ring ring;

static void wait_immediately(void) {
    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_TIMEOUT, -1, (void*)NANOSECONDS, 1, 0);
    sqe->timeout_flags = TIMEOUT_IMMEDIATE_ARG;
    struct cqe cqe = ring_run(&ring);
    CHECK(cqe.res == -ETIME || cqe.res == -EINVAL, "a timeout without a timespec = %d", cqe.res);
    expect_cqe(&cqe, "timeout_ns=%d prep_failed=%s", NANOSECONDS, cqe.res == -ETIME ? "no" : "yes");
}

static void change_time(bool immediately) {
    struct __kernel_timespec hour = {.tv_sec = 3600}, soon = {.tv_nsec = NANOSECONDS};
    uint64_t waiting = prep(&ring, IORING_OP_TIMEOUT, -1, &hour, 1, 0)->user_data;
    ring_submit(&ring);
    struct io_uring_sqe* sqe =
        prep(&ring, IORING_OP_TIMEOUT_REMOVE, -1, (void*)waiting, 0, immediately ? NANOSECONDS : (uintptr_t)&soon);
    sqe->timeout_flags = IORING_TIMEOUT_UPDATE | (immediately ? TIMEOUT_IMMEDIATE_ARG : 0);
    uint64_t changing = sqe->user_data;
    ring_submit(&ring);
    struct cqe cqe = ring_reap(&ring);
    CHECK(cqe.user_data == changing && (cqe.res == 0 || (immediately && cqe.res == -EINVAL)), "an update = %d",
          cqe.res);
    expect_cqe(&cqe, "timeout_ns=%d", NANOSECONDS);
    if (cqe.res) {
        sqe = prep(&ring, IORING_OP_TIMEOUT_REMOVE, -1, (void*)waiting, 0, (uintptr_t)&soon);
        sqe->timeout_flags = IORING_TIMEOUT_UPDATE;
        changing = sqe->user_data;
        ring_submit(&ring);
        reap_expect(&ring, changing, 0, "cqes=1");
    }
    reap_expect(&ring, waiting, -ETIME, "cqes=1");
}

static void write_with_wishes(void) {
    struct {
        uint16_t flags, app_tag;
        uint32_t length;
        uint64_t address, seed, reserved;
    } protection = {CHK_GUARD, 7, 64, 0x1000, 9, 0}; /* struct io_uring_attr_pi */
    int fd = scratch_file("data", O_RDWR, LENGTH);
    char* buffer = pages(LENGTH);
    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_WRITE, fd, buffer, LENGTH, 0);
    sqe->splice_fd_in = 3; /* write_stream */
    struct cqe cqe = ring_run(&ring);
    expect_cqe(&cqe, "write_stream=3 integrity=");
    sqe = prep(&ring, IORING_OP_WRITE, fd, buffer, LENGTH, 0);
    sqe->addr3 = (uintptr_t)&protection; /* attr_ptr */
    sqe->__pad2[0] = ATTR_FLAG_PI;       /* attr_type_mask */
    cqe = ring_run(&ring);
    expect_cqe(&cqe, "write_stream= integrity=%s",
               ring.params.features & FEAT_RW_ATTR
                   ? "flags=IO_INTEGRITY_CHK_GUARD;app_tag=7;length=64;address=0x1000;seed=0x9"
                   : "");
}

static void be_told_apart(void) {
    if (!ring_has(&ring, IORING_OP_SEND_ZC)) {
        return;
    }
    int ends[2];
    char* buffer = pages(LENGTH);
    make_pair(AF_INET, ends);
    uint64_t own = unique_user_data();
    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_SEND_ZC, ends[0], buffer, LENGTH, 0);
    sqe->addr3 = own;
    struct cqe cqe = ring_run(&ring);
    if (cqe.res == -EINVAL || cqe.res == -EOPNOTSUPP) {
        expect_of(cqe.user_data, "notification=%#lx result=%d", own, cqe.res); /* refused before its file was found */
        return;
    }
    CHECK(cqe.res == LENGTH && cqe.flags & IORING_CQE_F_MORE, "send_zc = %d", cqe.res);
    CHECK(recv(ends[1], buffer, LENGTH, MSG_WAITALL) == LENGTH, "recv: %m");
    struct cqe notification = ring_reap(&ring);
    CHECK(notification.user_data == own, "a notification of %#lx", notification.user_data);
    expect_cqe(&cqe, "notification=%#lx notified=yes cqes=2", own);
    expect("completion op=send_zc user_data=%#lx", own);
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, 0);
    wait_immediately();
    change_time(false);
    change_time(true);
    write_with_wishes();
    be_told_apart();
    ring_close(&ring);
    finish();
}
