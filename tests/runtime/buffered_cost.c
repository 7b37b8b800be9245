/* SPDX-License-Identifier: Apache-2.0 */
/* Buffered writes at depth 1. Prints how many nanoseconds io_submit and io_getevents take for one: the least of many
   rounds. Arguments: a file, the bytes of each write. */
#include <fcntl.h>
#include <libaio.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { rounds = 200, writes = 100, file_bytes = 1 << 20 };

static double now_ns(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(int argc, char** argv) {
    static char data[65536];
    io_context_t ctx = NULL;
    struct io_event event;
    struct iocb cb;
    struct iocb* list = &cb;
    double least = 1e18;
    long long at = 0;
    int bytes = argc == 3 ? atoi(argv[2]) : 0;
    int fd = bytes > 0 && bytes <= (int)sizeof(data) ? open(argv[1], O_RDWR | O_CREAT, 0600) : -1;

    if (fd < 0 || io_setup(8, &ctx) != 0) {
        fprintf(stderr, "usage: %s FILE BYTES\n", argv[0]);
        return 2;
    }
    for (int round = 0; round < rounds; round++) {
        double begin = now_ns();
        double each;

        for (int i = 0; i < writes; i++) {
            io_prep_pwrite(&cb, fd, data, (size_t)bytes, at);
            if (io_submit(ctx, 1, &list) != 1 || io_getevents(ctx, 1, 1, &event, NULL) != 1 ||
                event.res != (unsigned long)bytes) {
                fprintf(stderr, "a write failed\n");
                return 1;
            }
            at = (at + bytes) % file_bytes;
        }
        each = (now_ns() - begin) / writes;
        least = each < least ? each : least;
    }
    printf("%.0f\n", least);
    return 0;
}
