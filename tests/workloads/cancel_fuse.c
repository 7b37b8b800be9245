/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads, writes and fsyncs that stay in flight for as long as the test wants: their file is served, through FUSE, by a
 * child of this program, which answers when it is told to. Each is cancelled meanwhile, in vain: EINVAL.
 */
#include "fuse.h"

#include <sys/mount.h>
#include <sys/stat.h>

int main(int argc, char** argv) {
    start(argc, argv);
    static struct fuse_file file;
    if (!fuse_serve(&file, 10)) {
        skip("a FUSE file: %m");
    }
    struct fuse_control* control = file.control;
    int fd = (int)OS(open(file.path, O_RDWR | O_DIRECT));
    struct stat status;
    OS(fstat(fd, &status)); /* the kernel learns its size: a read beyond it would not reach the server */
    char* buffer = pages(4096);
    aio_context_t ctx = setup(8);
    struct iocb iocbs[] = {
        prep_rw(IOCB_CMD_PREAD, fd, buffer, 4096, 0),
        prep_rw(IOCB_CMD_PWRITE, fd, buffer, 4096, 4096),
        prep_fsync(IOCB_CMD_FSYNC, fd),
        prep_fsync(IOCB_CMD_FDSYNC, fd),
    };
    for (int i = 0; i < 4; i++) {
        submit(ctx, &iocbs[i]);
        for (int ms = 0; control->held != i + 1; ms++) { /* until the server has it: in flight for certain */
            CHECK(ms < 5000, "FUSE: no request came");
            sleep_ms(1);
        }
        cancel(ctx, &iocbs[i], EINVAL, "not-cancellable", op_name(iocbs[i].aio_lio_opcode));
        sleep_ms(20);
        CHECK(ring_waiting(ctx) == 0, "it completed although it was held");
        control->release = true;
        struct io_event event = reap(ctx);
        expect_reaped(&iocbs[i], &event);
        cancel(ctx, &iocbs[i], EINVAL, "completed-first", op_name(iocbs[i].aio_lio_opcode));
    }
    destroy(ctx);
    OS(close(fd));
    OS(umount(file.path));
    wait_child(file.server, 0);
    finish();
}
