/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that a restriction of the ring refuses, and (Linux 7.0) a BPF filter; what they let through is done. */
#include "uring.h"

#include <linux/filter.h>

enum { REGISTER_BPF_FILTER = 37 };

static void denied(struct ring* ring, int opcode, unsigned flags, const char* cause) {
    struct io_uring_sqe* sqe = prep(ring, opcode, 0, NULL, 0, 0);
    sqe->flags = (uint8_t)flags;
    uint64_t user_data = sqe->user_data;
    ring_submit(ring);
    reap_of(ring, user_data, -EACCES);
    expect(
        "request family=uring user_data=%#lx result=%d error=EACCES outcome=failed reaped=yes prep_failed=yes cause=%s",
        user_data, -EACCES, cause);
}

static void restricted(void) {
    struct io_uring_restriction rules[3] = {
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_IO_LINK},
        {.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_REGISTER_ENABLE_RINGS},
    };
    struct ring ring = ring_new(8, IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL);
    OS(uring_register(ring.fd, IORING_REGISTER_RESTRICTIONS, rules, 3));
    OS(uring_register(ring.fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0));
    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    run_expect(&ring, 0, "cause=none");
    denied(&ring, IORING_OP_FSYNC, 0, "denied-by-restriction");
    denied(&ring, IORING_OP_NOP, IOSQE_ASYNC, "denied-by-restriction");
    ring_close(&ring);
}

static void filtered(void) {
    struct sock_filter deny[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    struct {
        uint16_t command, flags;
        uint32_t reserved, opcode, filter_flags, length;
        uint8_t size, reserved2[3];
        uint64_t program, reserved3[5];
    } rule = {
        .command = 1, .opcode = IORING_OP_FSYNC, .length = 1, .program = (uintptr_t)deny}; /* struct io_uring_bpf */
    struct ring ring = ring_new(8, IORING_SETUP_SUBMIT_ALL);
    if (uring_register(ring.fd, REGISTER_BPF_FILTER, &rule, 1) == 0) {
        prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
        run_expect(&ring, 0, "cause=none");
        denied(&ring, IORING_OP_FSYNC, 0, "denied-by-filter");
    } else {
        CHECK(errno == EINVAL, "a filter: %s", strerrorname_np(errno));
    }
    ring_close(&ring);
}

int main(int argc, char** argv) {
    start(argc, argv);
    restricted();
    filtered();
    finish();
}
