/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs that do nothing, on the hooks that inflight needs: what any tracer costs that hooks there. And some that
 * read the clock and do nothing with it: what any costs that measures a latency.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h> /* needs the types of the other */

char LICENSE[] SEC("license") = "GPL";

#define NOTHING(section, name) \
    SEC(section)               \
    int name(void* ctx) {      \
        return 0;              \
    }

#define CLOCK(section, name)            \
    SEC(section)                        \
    int name(void* ctx) {               \
        __u64 now = bpf_ktime_get_ns(); \
                                        \
        asm volatile("" : : "r"(now));  \
        return 0;                       \
    }

NOTHING("raw_tp/io_uring_submit_req", uring_submit_req)
NOTHING("raw_tp/io_uring_submit_sqe", uring_submit_sqe) /* its name in 6.1 */
NOTHING("raw_tp/io_uring_complete", uring_complete)
NOTHING("raw_tp/sys_enter", tracepoint_sys_enter)
NOTHING("raw_tp/sys_exit", tracepoint_sys_exit)
NOTHING("raw_tp/kmem_cache_alloc", tracepoint_alloc)
NOTHING("raw_tp/kmem_cache_free", tracepoint_free)
NOTHING("fentry/io_submit_one", fentry_submit)
NOTHING("fexit/io_submit_one", fentry_submitted)
NOTHING("fentry/aio_complete", fentry_complete)

CLOCK("raw_tp/io_uring_submit_req", clock_submit_req)
CLOCK("raw_tp/io_uring_submit_sqe", clock_submit_sqe)
CLOCK("raw_tp/io_uring_complete", clock_complete)
