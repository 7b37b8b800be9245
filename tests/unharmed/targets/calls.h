/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that wait: for ever, or for `wait_ms`. */
#pragma once

#include "target.h"

#include <time.h>

enum { wait_ms = 60 };

struct call {
    const char* name;
    /* Opens what the call works on. */
    void (*prepare)(struct call*);
    /* Makes it; a negative errno for an error. */
    long (*make)(struct call*);
    bool has_end; /* after `wait_ms`, with `result`; else it never returns */
    long result;
    int fd;
    int other_fd;
};

extern struct call calls_of_time[];
extern const unsigned calls_of_time_count;
extern struct call calls_of_sockets[];
extern const unsigned calls_of_sockets_count;
extern struct call calls_of_files[];
extern const unsigned calls_of_files_count;
extern struct call calls_that_submit[];
extern const unsigned calls_that_submit_count;

/* -1 as a negative errno. */
long or_error(long ret);
struct timespec wait_time(void);
/* On a clock, `wait_ms` from now. */
struct timespec wait_until(clockid_t clock);
void must_open(int fd, const char* what);
