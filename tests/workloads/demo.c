/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `make demo` traces: requests that complete, fail, are cancelled, abandoned and lost, and an io_cancel for each
 * of the eight verdicts. Says on stdout what it does; prints no expectations. argv[1]: directory for its file.
 */
#include "aio.h"

static aio_context_t ctx;

static void say(const char* what) {
    printf("%s\n", what);
    flush();
}

static void try_cancel(aio_context_t in, struct iocb* iocb, const char* what) {
    long ret = io_cancel(in, iocb, NULL);
    printf("io_cancel of %s: %s\n", what, strerrorname_np((int)-ret));
    flush();
}

static void* feed(void* fd) {
    sleep_ms(100);
    make_ready(*(int*)fd);
    return NULL;
}

int main(int argc, char** argv) {
    start(argc, argv);
    int fd = scratch_file("data", O_RDWR, 1 << 20);
    int later = (int)OS(eventfd(0, 0));
    char* buffer = pages(65536);
    int fds[2];
    OS(pipe(fds));
    ctx = setup(64);
    aio_context_t second = setup(8);

    say("writes 16 blocks of 64 KiB, then fdatasync");
    struct iocb writes[17];
    struct iocb* list[17];
    struct io_event events[17];
    for (int i = 0; i < 17; i++) {
        writes[i] = i < 16 ? prep_rw(IOCB_CMD_PWRITE, fd, buffer, 65536, 65536LL * i) : prep_fsync(IOCB_CMD_FDSYNC, fd);
        list[i] = &writes[i];
    }
    CHECK(io_submit(ctx, 17, list) == 17, "io_submit");
    reap_many(ctx, 17, events);

    say("reads across the end of the file: a short read");
    struct iocb read_short = prep_rw(IOCB_CMD_PREAD, fd, buffer, 65536, (1 << 20) - 4096);
    submit(ctx, &read_short);
    reap(ctx);

    say("reads into memory that is not there: accepted, and fails in its event");
    struct iocb read_bad = prep_rw(IOCB_CMD_PREAD, fd, (void*)8, 4096, 0);
    submit(ctx, &read_bad);
    reap(ctx);

    say("reads an empty pipe, which is fed 100 ms later: io_submit blocks");
    struct iocb read_pipe = prep_rw(IOCB_CMD_PREAD, fds[0], buffer, 4096, 0);
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, feed, &fds[1]), "no thread");
    submit(ctx, &read_pipe);
    reap(ctx);
    pthread_join(thread, NULL);

    say("polls an eventfd, which is written 20 ms later");
    struct iocb poll_later = prep_poll(later, POLLIN);
    submit(ctx, &poll_later);
    sleep_ms(20);
    make_ready(later);
    reap(ctx);

    struct iocb polls[4];
    for (int i = 0; i < 4; i++) {
        polls[i] = prep_poll(fds[0], POLLIN);
        submit(ctx, &polls[i]);
    }
    try_cancel(ctx, &polls[0], "a pending poll");
    try_cancel(ctx, &polls[0], "the same poll once more");
    try_cancel(ctx, &poll_later, "a poll that has completed");
    struct iocb sync = prep_fsync(IOCB_CMD_FSYNC, fd);
    hold_cpu(); /* else the fsync may be over before the io_cancel */
    submit(ctx, &sync);
    long ret = io_cancel(ctx, &sync, NULL);
    yield_cpu();
    printf("io_cancel of an fsync in flight: %s\n", strerrorname_np((int)-ret));
    struct iocb never = prep_poll(fds[0], POLLIN);
    try_cancel(ctx, &never, "an iocb that was never submitted");
    try_cancel(0x1000, &polls[1], "a poll through what is no context");
    polls[1].aio_key = 1;
    try_cancel(ctx, &polls[1], "a poll whose aio_key was overwritten");
    try_cancel(ctx, NULL, "no iocb at all");

    say("destroys a context with a poll pending: that one is abandoned");
    struct iocb poll_abandoned = prep_poll(fds[0], POLLIN);
    submit(second, &poll_abandoned);
    destroy(second);

    say("exits with three polls in flight: they are lost");
    return 0;
}
