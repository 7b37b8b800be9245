/* SPDX-License-Identifier: GPL-2.0-only */
/* The programs of `inflight stat`, an object of its own: nothing of the other is loaded for it. */
#include "stat_aio.bpf.c"
#include "stat_uring.bpf.c"

char LICENSE[] SEC("license") = "GPL";
