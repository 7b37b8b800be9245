/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that io_submit accepts and that fail: the errno is in the event. */
#include "aio.h"

#include <sys/resource.h>
#include <sys/time.h>

static aio_context_t ctx;
static struct iocb iocbs[16];
static int used;

static void run(struct iocb request, int error) {
    struct iocb* iocb = &iocbs[used++];
    *iocb = request;
    submit(ctx, iocb);
    struct io_event event = reap(ctx);
    CHECK(event.res == -error, "%s = %lld, not -%s", op_name(iocb->aio_lio_opcode), event.res, strerrorname_np(error));
    expect_reaped(iocb, &event);
}

static void on_alarm(int signal) {
    (void)signal;
}

int main(int argc, char** argv) {
    start(argc, argv);
    char* buffer = pages(4096);
    char* unreadable = pages(4096);
    OS(mprotect(unreadable, 4096, PROT_NONE));
    int fd = scratch_file("data", O_RDWR, 8192);
    int broken_pipe[2];
    int empty_pipe[2];
    OS(pipe(broken_pipe));
    OS(close(broken_pipe[0]));
    OS(pipe(empty_pipe));
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    ctx = setup(16);

    struct iovec bad = {unreadable, 512};
    run(prep_rw(IOCB_CMD_PREAD, fd, unreadable, 512, 0), EFAULT);
    run(prep_rw(IOCB_CMD_PWRITE, fd, unreadable, 512, 0), EFAULT);
    run(prep_rw(IOCB_CMD_PREADV, fd, &bad, 1, 0), EFAULT);
    run(prep_rw(IOCB_CMD_PWRITE, broken_pipe[1], buffer, 512, 0), EPIPE);
    run(prep_rw(IOCB_CMD_PREAD, (int)OS(eventfd(0, EFD_NONBLOCK)), buffer, 8, 0), EAGAIN);
    run(prep_rw(IOCB_CMD_PREAD, ready_eventfd(), buffer, 4, 0), EINVAL); /* takes 8 bytes */

    OS(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, RLIM_INFINITY}));
    run(prep_rw(IOCB_CMD_PWRITE, fd, buffer, 512, 1 << 20), EFBIG);
    OS(setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}));

    /* A signal in the middle of a read that blocks io_submit: the call succeeds, the request is interrupted. */
    alarm(0);
    OS(sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm, .sa_flags = SA_RESTART}, NULL));
    OS(setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 50000}, NULL));
    run(prep_rw(IOCB_CMD_PREAD, empty_pipe[0], buffer, 512, 0), EINTR);
    destroy(ctx);
    finish();
}
