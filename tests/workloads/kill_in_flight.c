/* SPDX-License-Identifier: Apache-2.0 */
/* A child killed by SIGKILL with two polls pending, while one of its threads waits in io_getevents. */
#include "aio.h"

static aio_context_t ctx;

static void* wait_for_ever(void* unused) {
    struct io_event event;
    io_getevents(ctx, 1, 1, &event, NULL);
    return unused;
}

int main(int argc, char** argv) {
    start(argc, argv);
    int to_parent[2];
    OS(pipe(to_parent));
    flush();
    pid_t child = (pid_t)OS(fork());
    if (!child) {
        struct iocb iocbs[2] = {prep_poll((int)OS(eventfd(0, 0)), POLLIN), prep_poll(to_parent[0], POLLHUP)};
        ctx = setup(8);
        for (int i = 0; i < 2; i++) {
            submit(ctx, &iocbs[i]);
            expect_outcome(&iocbs[i], "abandoned");
        }
        flush();
        pthread_t thread;
        CHECK(!pthread_create(&thread, NULL, wait_for_ever, NULL), "no thread");
        sleep_ms(50);
        OS(write(to_parent[1], "x", 1));
        for (;;) {
            pause();
        }
    }
    char byte;
    OS(read(to_parent[0], &byte, 1));
    OS(kill(child, SIGKILL));
    wait_child(child, SIGKILL);
    /* The call of the thread ended in the kernel, though it never came back to the program. */
    expect("event event=io_getevents ret=%d error=EINTR count=1", -EINTR);
    finish();
}
