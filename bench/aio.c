/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel AIO without a device: DEPTH polls to an io_submit, of an eventfd that is ready, reaped by one io_getevents; as
 * `aio_cancel`, polls of a pipe that never gets ready, each cancelled by io_cancel. Every event is checked.
 */
#include "load.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char** argv) {
    const bool cancels = strstr(argv[0], "cancel") != NULL;
    const struct load load = parse(argc, argv);
    const long depth = (long)load.depth;
    struct iocb* iocbs = calloc(load.depth, sizeof(*iocbs));
    struct iocb** list = calloc(load.depth, sizeof(*list));
    struct io_event* events = calloc(load.depth, sizeof(*events));
    aio_context_t ctx = 0;
    int fds[2];
    if (!iocbs || !list || !events || pipe(fds) || syscall(SYS_io_setup, load.depth, &ctx)) {
        fail("io_setup");
    }
    const int fd = cancels ? fds[0] : eventfd(1, 0);
    for (long i = 0; i < depth; i++) {
        iocbs[i] = (struct iocb){.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = (unsigned)fd, .aio_buf = POLLIN};
        list[i] = &iocbs[i];
    }
    const double begin = now_s();
    double end = begin;
    unsigned long done = 0;
    while (end - begin < load.seconds) {
        for (long round = 0; round < 1 + 256 / depth; round++) {
            if (syscall(SYS_io_submit, ctx, depth, list) != depth) {
                fail("io_submit");
            }
            for (long i = 0; cancels && i < depth; i++) {
                if (syscall(SYS_io_cancel, ctx, &iocbs[i], events) && errno != EINPROGRESS) {
                    fail("io_cancel");
                }
            }
            if (syscall(SYS_io_getevents, ctx, depth, depth, events, NULL) != depth) {
                fail("io_getevents");
            }
            for (long i = 0; i < depth; i++) {
                if (events[i].res != (cancels ? 0 : POLLIN)) {
                    fprintf(stderr, "an event has the result %lld\n", (long long)events[i].res);
                    return 1;
                }
            }
            done += load.depth;
        }
        end = now_s();
    }
    report(&load, done, end - begin);
    return 0;
}
