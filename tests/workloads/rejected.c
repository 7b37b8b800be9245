/* SPDX-License-Identifier: Apache-2.0 */
/* What io_submit refuses: no request comes of any of these, only of the first two of a batch whose third is bad. */
#include "aio.h"

static aio_context_t ctx;
static struct iocb iocbs[64];
static int used;

static struct iocb* refuse(struct iocb bad, int error) {
    struct iocb* iocb = &iocbs[used++];
    *iocb = bad;
    submit_refused(ctx, iocb, error);
    return iocb;
}

static void refuse_call(aio_context_t in, long nr, struct iocb** list, long expected) {
    long ret = io_submit(in, nr, list);
    CHECK(ret == expected, "io_submit = %ld, not %ld", ret, expected);
}

int main(int argc, char** argv) {
    start(argc, argv);
    char* buffer = pages(4096);
    int fd = scratch_file("data", O_RDWR, 4096);
    int write_only = scratch_file("write-only", O_WRONLY, 4096);
    int read_only = scratch_file("read-only", O_RDONLY, 4096);
    int directory = (int)OS(open(argv[1], O_RDONLY | O_DIRECTORY));
    int ready = ready_eventfd();
    int pipe_fds[2];
    OS(pipe(pipe_fds));
    int closed = (int)OS(dup(fd));
    OS(close(closed));
    ctx = setup(32);
    struct iocb good = prep_rw(IOCB_CMD_PREAD, fd, buffer, 512, 0);
    struct iocb bad;

    /* the file */
    refuse(prep_rw(IOCB_CMD_PREAD, closed, buffer, 512, 0), EBADF);
    refuse(prep_poll(-1, POLLIN), EBADF);
    refuse(prep_rw(IOCB_CMD_PREAD, write_only, buffer, 512, 0), EBADF);
    refuse(prep_rw(IOCB_CMD_PWRITE, read_only, buffer, 512, 0), EBADF);
    refuse(prep_rw(IOCB_CMD_PREAD, directory, buffer, 512, 0), EINVAL);
    refuse(prep_fsync(IOCB_CMD_FSYNC, pipe_fds[0]), EINVAL);

    /* the fields */
    refuse(prep_rw(99, fd, buffer, 512, 0), EINVAL);
    refuse(prep_rw(IOCB_CMD_NOOP, fd, buffer, 512, 0), EINVAL);
    refuse(prep_rw(IOCB_CMD_PREAD, fd, buffer, 512, -1), EINVAL);
    refuse(prep_rw(IOCB_CMD_PREAD, fd, buffer, 1UL << 63, 0), EINVAL);
    refuse(prep_rw(IOCB_CMD_PREADV, fd, (void*)8, 2, 0), EFAULT);
    refuse(prep_rw(IOCB_CMD_FSYNC, fd, buffer, 0, 0), EINVAL);
    refuse(prep_rw(IOCB_CMD_FDSYNC, fd, NULL, 512, 0), EINVAL);
    refuse(prep_poll(ready, POLLIN | 1 << 16), EINVAL);
    refuse(prep_rw(IOCB_CMD_POLL, ready, (void*)POLLIN, 8, 0), EINVAL);
    bad = prep_rw(IOCB_CMD_PREAD, fd, buffer, 512, 0);
    bad.aio_reserved2 = 1;
    refuse(bad, EINVAL);
    bad = prep_rw(IOCB_CMD_PREAD, fd, buffer, 512, 0);
    bad.aio_rw_flags = 0x40000000;
    refuse(bad, EOPNOTSUPP);

    /* the eventfd that is to be signalled */
    bad = prep_poll(ready, POLLIN);
    bad.aio_flags = IOCB_FLAG_RESFD;
    bad.aio_resfd = (uint32_t)closed;
    refuse(bad, EBADF);
    bad.aio_resfd = (uint32_t)pipe_fds[0];
    bad.aio_data = prep_poll(0, 0).aio_data;
    refuse(bad, EINVAL);

    /* the memory */
    struct iocb* page = pages(4096);
    *page = prep_poll(ready, POLLIN);
    OS(mprotect(page, 4096, PROT_READ)); /* the kernel writes aio_key */
    submit_refused(ctx, page, EFAULT);
    OS(mprotect(page, 4096, PROT_NONE));
    refuse_call(ctx, 1, (struct iocb*[]){page}, -EFAULT);
    refuse_call(ctx, 1, (struct iocb*[]){NULL}, -EFAULT);
    refuse_call(ctx, 1, (struct iocb**)page, -EFAULT);

    /* the call */
    struct iocb* list[] = {&good, &good, refuse(prep_rw(IOCB_CMD_PREAD, closed, buffer, 512, 0), EBADF), &good};
    refuse_call(0, 1, list, -EINVAL);
    refuse_call(ctx + 8, 1, list, -EINVAL);
    refuse_call(ctx, -1, list, -EINVAL);
    refuse_call(ctx, 0, list, 0);

    /* the third of four: two are accepted, and the reason why not more is told to nobody */
    struct iocb two[2] = {prep_rw(IOCB_CMD_PREAD, fd, buffer, 512, 0), prep_poll(ready, POLLIN)};
    list[0] = &two[0];
    list[1] = &two[1];
    struct io_event events[2];
    refuse_call(ctx, 4, list, 2);
    reap_many(ctx, 2, events);
    expect_reaped(&two[0], &events[0]);
    expect_reaped(&two[1], &events[1]);
    destroy(ctx);
    finish();
}
