/* SPDX-License-Identifier: GPL-2.0-only */
/* The operations of io_uring, and what must be known of each before its request is read. */
#ifndef INFLIGHT_BPF_URING_OPS_H
#define INFLIGHT_BPF_URING_OPS_H

#include "../contract/ops.h"
#include "kernel.h"

#define OP_NUMBER(ID, id, number, traits) OP_##ID = (number),
enum { IFL_FOR_EACH_OP(OP_NUMBER) };
#undef OP_NUMBER

/* One byte for each number there is, so that none needs a check. A new opcode that is not listed shows its fd's file.
 */
#define OP_TRAITS(ID, id, number, traits) [number] = (traits),
static const __u8 op_traits[256] = {IFL_FOR_EACH_OP(OP_TRAITS)};
#undef OP_TRAITS

static __always_inline bool op_is(__u8 opcode, __u8 traits)
{
	return op_traits[opcode] & traits;
}

#endif
