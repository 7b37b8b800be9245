/* SPDX-License-Identifier: Apache-2.0 */
/* Between uring.c and uring_expect.c: what the SQEs were, for the expectations of their requests. */
#ifndef INFLIGHT_WORKLOADS_URING_LOG_H
#define INFLIGHT_WORKLOADS_URING_LOG_H

#include "uring.h"

/* Keeps what it asks for, and the name of its file as it is now. */
void log_sqe(const struct ring* ring, const struct io_uring_sqe* sqe);

#endif
