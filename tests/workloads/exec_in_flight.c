/* SPDX-License-Identifier: Apache-2.0 */
/* A child that calls execve with two polls pending: the new program has no contexts, they are abandoned. */
#include "aio.h"

int main(int argc, char** argv) {
    if (argc == 3 && !strcmp(argv[2], "after-exec")) {
        return 0;
    }
    start(argc, argv);
    flush();
    pid_t child = (pid_t)OS(fork());
    if (!child) {
        struct iocb iocbs[2] = {
            prep_poll((int)OS(eventfd(0, 0)), POLLIN),
            prep_poll((int)OS(eventfd(0, EFD_CLOEXEC)), POLLIN),
        };
        aio_context_t ctx = setup(8);
        for (int i = 0; i < 2; i++) {
            submit(ctx, &iocbs[i]);
            expect_outcome(&iocbs[i], "abandoned");
        }
        flush();
        execl("/proc/self/exe", argv[0], argv[1], "after-exec", NULL);
        _exit(1);
    }
    wait_child(child, 0);
    finish();
}
