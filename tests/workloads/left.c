/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stays behind in the kernel when its process is gone, or wants to go: a read that a FUSE server does not answer.
 * The argument is the kind: 0 a ring of a child that is killed and gone, 1 a child that sleeps in io_destroy, 2 a child
 * with a context of kernel AIO that is killed. Prints "left PID", the child's, and ends at SIGTERM.
 */
#include "fuse.h"
#include "uring.h"

#include <sys/mount.h>
#include <sys/stat.h>

enum kind { RING, DESTROY, EXIT };

static void read_by_ring(int fd, void* buffer) {
    struct ring ring = ring_new(4, 0);
    prep(&ring, IORING_OP_READ, fd, buffer, 4096, 0)->user_data = 0x1ef7;
    ring_submit(&ring);
}

static void leave_behind(enum kind kind, const char* path) {
    int fd = (int)OS(open(path, O_RDWR | O_DIRECT));
    struct stat status;
    OS(fstat(fd, &status));
    void* buffer = pages(4096);
    if (kind == RING) {
        read_by_ring(fd, buffer);
    } else {
        aio_context_t ctx = setup(8);
        struct iocb iocb = prep_rw(IOCB_CMD_PREAD, fd, buffer, 4096, 0);
        submit(ctx, &iocb);
        if (kind == DESTROY) {
            destroy(ctx);
        }
    }
    pause();
}

int main(int argc, char** argv) {
    start(argc, argv);
    const enum kind kind = (enum kind)argument(RING);
    sigset_t end;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    OS(sigprocmask(SIG_BLOCK, &end, NULL));
    static struct fuse_file file;
    const unsigned longest_s = 100;
    if (!fuse_serve(&file, longest_s)) {
        skip("a FUSE file: %m");
    }
    flush();
    pid_t child = (pid_t)OS(fork());
    if (child == 0) {
        leave_behind(kind, file.path);
    }
    for (int ms = 0; file.control->held == 0; ms++) {
        CHECK(ms < 5000, "FUSE: no request came");
        sleep_ms(1);
    }
    sleep_ms(50); /* until it sleeps */
    if (kind != DESTROY) {
        OS(kill(child, SIGKILL));
    }
    if (kind == RING) {
        wait_child(child, SIGKILL);
    }
    printf("left %d\n", child);
    flush();
    int got;
    OS(sigwait(&end, &got));
    file.control->release = true;
    if (kind == DESTROY) {
        OS(kill(child, SIGKILL));
    }
    OS(umount2(file.path, MNT_DETACH));
    if (kind != RING) {
        wait_child(child, SIGKILL);
    }
    wait_child(file.server, 0);
    return 0;
}
