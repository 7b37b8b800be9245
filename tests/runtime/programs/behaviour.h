/* SPDX-License-Identifier: Apache-2.0 */
/* One behaviour of libaio each, printed in words that do not depend on addresses, times or the machine. */
#ifndef BEHAVIOUR_H
#define BEHAVIOUR_H

#include <libaio.h>
#include <stdbool.h>
#include <stddef.h>

struct behaviour {
    const char* name;
    void (*run)(void);
};

/* Tables of the files beside, each ended by a NULL name. */
extern const struct behaviour cancel_behaviours[];
extern const struct behaviour cancel_file_behaviours[];
extern const struct behaviour submit_behaviours[];
extern const struct behaviour memory_behaviours[];
extern const struct behaviour reap_behaviours[];
extern const struct behaviour ring_behaviours[];
extern const struct behaviour data_behaviours[];
extern const struct behaviour process_behaviours[];
extern const struct behaviour corner_behaviours[];
extern const struct behaviour direct_behaviours[];
extern const struct behaviour descriptor_behaviours[];
extern const struct behaviour leave_behaviours[];
extern const struct behaviour inside_behaviours[];

/* "EINVAL" for -EINVAL, the number otherwise. */
const char* word(long result);
/* Ends the program with a message when what it needs is not there. */
void must(bool condition, const char* what);
double seconds(void);
/* A context for `depth` requests. */
io_context_t context(int depth);
/* Submits one; prints nothing; returns what io_submit returned. */
int submit(io_context_t ctx, struct iocb* cb);
/* Prints `label` and what io_submit says, and whether it took longer than 400 ms. */
int say_submit(const char* label, io_context_t ctx, struct iocb* cb);
/* Waits at most for `ms` for `count` events and prints each: its data, its result. Returns how many came. */
int say_events(io_context_t ctx, int count, int ms);
/* io_cancel with a result that is filled with 0x77 before; prints what it says and what became of the result. */
int say_cancel(io_context_t ctx, struct iocb* cb);
/* After `ms` writes `bytes` bytes to fd, from a thread; wait_for_helper() joins it. */
void later_write(int fd, int ms, size_t bytes);
void later_read(int fd, int ms, size_t bytes);
void wait_for_helper(void);
/* A file of 1 MiB whose byte i is i / 512, removed when the program ends. "memory" or "disk". */
int data_file(const char* where, int flags);
extern char* buffer; /* 1 MiB, aligned to a page */
#define BUFFER_BYTES (1 << 20)

struct aio_ring_header {
    unsigned id, nr, head, tail, magic, compat_features, incompat_features, header_length;
    struct io_event events[];
};
struct aio_ring_header* ring_of(io_context_t ctx);

#endif
