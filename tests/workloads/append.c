/* SPDX-License-Identifier: Apache-2.0 */
/* Writes to a file that is open with O_APPEND, whose offset does not count, and to one that is not. */
#include "uring.h"

static void by_aio(int fd, const char* appended) {
    struct iocb iocb = prep_rw(IOCB_CMD_PWRITE, fd, "abcd", 4, 1);
    aio_context_t ctx = setup(1);
    submit(ctx, &iocb);
    struct io_event event = reap(ctx);
    CHECK(event.res == 4, "pwrite = %lld", event.res);
    expect("request user_data=%#llx op=pwrite offset=1 appended=%s", (unsigned long long)iocb.aio_data, appended);
    destroy(ctx);
}

static void by_ring(int fd, int rw_flags, const char* appended) {
    struct ring ring = ring_new(1, 0);
    prep(&ring, IORING_OP_WRITE, fd, "abcd", 4, 1)->rw_flags = rw_flags;
    run_expect(&ring, 4, "appended=%s", appended);
    ring_close(&ring);
}

int main(int argc, char** argv) {
    start(argc, argv);
    int plain = scratch_file("plain", O_RDWR, 4096);
    int append = scratch_file("append", O_RDWR | O_APPEND, 4096);
    by_aio(plain, "no");
    by_aio(append, "yes");
    by_ring(plain, 0, "no");
    by_ring(append, 0, "yes");
    by_ring(plain, RWF_APPEND, "yes");
    finish();
}
