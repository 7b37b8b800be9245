/* SPDX-License-Identifier: Apache-2.0 */
/* Three children with ten requests each, and a grandchild with five: a tracer that follows sees 35 requests. */
#include "aio.h"

static void work(int requests) {
    char pid[32] = "";
    if (in_initial_pid_namespace()) {
        snprintf(pid, sizeof pid, " pid=%d", getpid());
    }
    int fds[2] = {ready_eventfd(), (int)OS(eventfd(0, 0))};
    struct iocb iocbs[10];
    aio_context_t ctx = setup(16);
    for (int i = 0; i < requests; i++) {
        iocbs[i] = prep_poll(fds[i % 2], POLLIN);
        submit(ctx, &iocbs[i]);
        if (i % 2 == 0) {
            struct io_event event = reap(ctx);
            CHECK(event.data == iocbs[i].aio_data, "the event of another");
        }
        expect("request user_data=%#llx address=%p fd=%d outcome=%s%s", iocbs[i].aio_data, (void*)&iocbs[i], fds[i % 2],
               i % 2 ? "abandoned" : "completed", pid);
    }
    flush();
}

int main(int argc, char** argv) {
    start(argc, argv);
    pid_t children[3];
    for (int i = 0; i < 3; i++) {
        flush();
        children[i] = (pid_t)OS(fork());
        if (!children[i]) {
            work(10);
            if (i == 2) {
                pid_t grandchild = (pid_t)OS(fork());
                if (!grandchild) {
                    work(5);
                    _exit(0);
                }
                wait_child(grandchild, 0);
            }
            _exit(0);
        }
    }
    for (int i = 0; i < 3; i++) {
        wait_child(children[i], 0);
    }
    finish();
}
