/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Drives a ring (Linux 7.1): submits what stands in it, waits for all, takes the completions. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum { REGION_RINGS = 1, CONTINUE = 0, STOP = 1, REGION_BYTES = 4096 };

/* As the kernel's own types name them: they are matched by name. */
struct io_ring_ctx {};
struct iou_loop_params {
    __u32 cq_wait_idx;
};
struct io_uring_bpf_ops {
    int (*loop_step)(struct io_ring_ctx* ring, struct iou_loop_params* params);
    __u32 ring_fd;
};

extern __u8* bpf_io_uring_get_region(struct io_ring_ctx* ring, __u32 region, const __u64 bytes) __ksym;
extern int bpf_io_uring_submit_sqes(struct io_ring_ctx* ring, __u32 count) __ksym;

__u32 to_submit, cq_head_at, cq_tail_at; /* from the program: how many SQEs, and where both positions stand */
__u32 taken;                             /* completions that were taken here */
int submitted;

SEC("struct_ops/loop_step")
int BPF_PROG(loop_step, struct io_ring_ctx* ring, struct iou_loop_params* params) {
    __u8* rings = bpf_io_uring_get_region(ring, REGION_RINGS, REGION_BYTES);
    __u32 *head, *tail;

    if (!rings || cq_head_at > REGION_BYTES - sizeof(*head) || cq_tail_at > REGION_BYTES - sizeof(*tail)) {
        return STOP;
    }
    head = (void*)rings + cq_head_at;
    tail = (void*)rings + cq_tail_at;
    if (to_submit) {
        params->cq_wait_idx = *tail + to_submit;
        submitted = bpf_io_uring_submit_sqes(ring, to_submit);
        to_submit = 0;
        return CONTINUE;
    }
    /* Work came before all is done. */
    if ((int)(params->cq_wait_idx - *tail) > 0) {
        return CONTINUE;
    }
    taken += *tail - *head;
    *head = *tail;
    return STOP;
}

/* The number of the ring's descriptor is the one that the program gives it. */
SEC(".struct_ops")
struct io_uring_bpf_ops driver = {.loop_step = (void*)loop_step, .ring_fd = 100};

char LICENSE[] SEC("license") = "GPL";
