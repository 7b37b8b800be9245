/* SPDX-License-Identifier: Apache-2.0 */
/* A file served through FUSE by a child of the program, whose reads, writes and fsyncs wait until they are told. */
#ifndef INFLIGHT_WORKLOADS_FUSE_H
#define INFLIGHT_WORKLOADS_FUSE_H

#include "aio.h"

struct fuse_control {
    atomic_bool release; /* lets the one that is held go */
    atomic_int held;     /* how many have come, asynchronous ones one at a time */
};

struct fuse_file {
    struct fuse_control* control; /* shared with the server */
    pid_t server;                 /* ends when the file is unmounted, with its parent, or after `seconds` */
    char path[4096];
};

/*
 * In a mount namespace of its own. The server must be another process: one that dies while it waits for its own answers
 * can never be killed. False, and errno, where there is no right to mount it or no FUSE.
 */
bool fuse_serve(struct fuse_file* file, unsigned seconds);

#endif
