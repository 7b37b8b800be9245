/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring that a BPF program drives (Linux 7.1): io_uring_enter runs it, and it submits, waits and takes the
 * completions. Whoever called enter has done nothing of it. Then the program is taken away, and the same thread does
 * all itself.
 */
#include "uring.h"

#include <bpf/libbpf.h>

#include "loop.skel.h"

enum { RING_FD = 100, SINGLE_ISSUER = 1 << 12, DEFER_TASKRUN = 1 << 13 };

static int quiet(enum libbpf_print_level level, const char* format, va_list list) {
    (void)level, (void)format, (void)list;
    return 0;
}

static void expect_driven(uint64_t user_data, int result) {
    expect_of(user_data, "result=%d reaped=yes driven_by_bpf=yes completer=none", result);
}

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, SINGLE_ISSUER | DEFER_TASKRUN);
    OS(dup2(ring.fd, RING_FD));
    libbpf_set_print(quiet);
    struct loop_bpf* loop = loop_bpf__open();
    CHECK(loop != NULL, "the BPF program does not open");
    bpf_program__set_flags(loop->progs.loop_step, BPF_F_SLEEPABLE);
    if (loop_bpf__load(loop) != 0) {
        skip("this kernel does not let a BPF program drive a ring");
    }
    struct bpf_link* link = bpf_map__attach_struct_ops(loop->maps.driver);
    CHECK(link != NULL, "the BPF program is not let drive the ring");

    struct __kernel_timespec soon = milliseconds(20);
    uint64_t nop = prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0)->user_data;
    uint64_t refused = prep(&ring, IORING_OP_FSYNC, -1, NULL, 0, 0)->user_data;
    uint64_t timeout = prep(&ring, IORING_OP_TIMEOUT, -1, &soon, 1, 0)->user_data;
    loop->bss->to_submit = 3;
    loop->bss->cq_head_at = ring.params.cq_off.head;
    loop->bss->cq_tail_at = ring.params.cq_off.tail;
    ring.driven = true;
    ring_submit(&ring);
    ring.driven = false;
    CHECK(loop->bss->submitted == 3, "the BPF program submitted %d", loop->bss->submitted);
    CHECK(loop->bss->taken == 3, "the BPF program took %u completions", loop->bss->taken);
    expect_driven(nop, 0);
    expect_driven(refused, -EBADF);
    expect_driven(timeout, -ETIME);

    bpf_link__destroy(link);
    loop_bpf__destroy(loop);
    prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    run_expect(&ring, 0, "driven_by_bpf=no completer=%d", getpid());
    close(RING_FD);
    expect_ring(&ring, "driven_by_bpf=yes");
    ring_close(&ring);
    finish();
}
