/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While io_submit is blocked in the read of an empty pipe, another thread writes over the iocb: the kernel works on its
 * copy. Expected is what the kernel knows. Opcode, fd, offset and length are not: hooks that see user memory only may
 * show what stands there now, and must say so.
 */
#include "aio.h"

static int fds[2];
static struct iocb iocb;

static void* change(void* unused) {
    sleep_ms(50);
    iocb = prep_rw(IOCB_CMD_PWRITE, STDERR_FILENO, &iocb, 1, 1);
    make_ready(fds[1]);
    return unused;
}

int main(int argc, char** argv) {
    start(argc, argv);
    char file[64];
    OS(pipe(fds));
    fd_name(fds[0], file, sizeof file);
    iocb = prep_rw(IOCB_CMD_PREAD, fds[0], pages(4096), 4096, 0);
    struct iocb original = iocb;
    aio_context_t ctx = setup(8);
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, change, NULL), "no thread");
    submit(ctx, &iocb);
    struct io_event event = reap(ctx);
    CHECK(event.data == original.aio_data && event.res == 8, "event of %#llx, %lld", event.data, event.res);
    expect("request address=%p user_data=%#llx file=%s result=8 outcome=completed reaped=yes", (void*)&iocb,
           original.aio_data, file);
    pthread_join(thread, NULL);
    destroy(ctx);
    finish();
}
