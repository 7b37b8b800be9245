/* SPDX-License-Identifier: GPL-2.0-only */
/* All programs, one translation unit: libbpf 1.1 cannot link objects that call the same function of the kernel. */
#include "aio_fentry.bpf.c"
#include "aio_kprobe.bpf.c"
#include "aio_tracepoint.bpf.c"
#include "census.bpf.c"
#include "held.bpf.c"
#include "process.bpf.c"
#include "uring.bpf.c"
#include "uring_functions.bpf.c"
#include "uring_lists.bpf.c"
#include "uring_survey.bpf.c"

char LICENSE[] SEC("license") = "GPL";
