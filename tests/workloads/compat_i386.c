/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 32-bit system calls of kernel AIO, all six, made by this 64-bit program with int $0x80. Everything they point to
 * lies below 4 GiB. iocbs and io_events are the same in both ABIs; arrays of pointers, struct iovec and the old struct
 * timespec are not.
 */
#include "aio.h"

enum { I386_SETUP = 245, I386_DESTROY, I386_GETEVENTS, I386_SUBMIT, I386_CANCEL, I386_PGETEVENTS_TIME64 = 416 };

/* int int80(nr, six arguments); the sixth comes on the stack */
int int80(uint32_t nr, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f);
__asm__(
    ".pushsection .text\n"
    "int80:\n"
    "  push %rbx\n"
    "  push %rbp\n"
    "  mov %edi, %eax\n"
    "  mov %esi, %ebx\n"
    "  mov %ecx, %r10d\n"
    "  mov %edx, %ecx\n"
    "  mov %r10d, %edx\n"
    "  mov %r8d, %esi\n"
    "  mov %r9d, %edi\n"
    "  mov 24(%rsp), %ebp\n"
    "  int $0x80\n"
    "  pop %rbp\n"
    "  pop %rbx\n"
    "  ret\n"
    ".popsection\n");

/* Everything that the calls point to. */
struct low {
    uint32_t ctx;
    uint32_t list[8];
    struct iocb iocbs[8];
    struct io_event events[8];
    int32_t timespec32[2];
    int64_t timespec64[2];
    uint32_t iovec[2][2];
    uint64_t sigmask;
    uint32_t sigset[2];
    char buffer[4096];
};

static uint32_t low_address(const volatile void* pointer) {
    return (uint32_t)(uintptr_t)pointer;
}

static long call(enum call kind, uint32_t nr, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f) {
    long ret = int80(nr, a, b, c, d, e, f);
    account(kind, ret, true);
    return ret;
}

int main(int argc, char** argv) {
    start(argc, argv);
    struct low* low =
        mmap(NULL, sizeof *low, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_32BIT, -1, 0);
    CHECK(low != MAP_FAILED, "mmap below 4 GiB: %m");
    pid_t child = (pid_t)OS(fork()); /* without IA32 emulation int $0x80 is a fault */
    if (!child) {
        int80(20, 0, 0, 0, 0, 0, 0); /* getpid */
        _exit(0);
    }
    int status;
    OS(waitpid(child, &status, 0));
    if (status) {
        skip("this kernel has no IA32 emulation");
    }
    long ret = call(IO_SETUP, I386_SETUP, 8, low_address(&low->ctx), 0, 0, 0, 0);
    if (ret == -ENOSYS) {
        skip("this kernel has no IA32 emulation of AIO");
    }
    CHECK(ret == 0, "io_setup = %ld", ret);
    CHECK(((unsigned*)(uintptr_t)low->ctx)[4] == 0xa10a10a1, "the ring is not where ctx_id says");

    int fd = scratch_file("data", O_RDWR, 4096);
    int never = (int)OS(eventfd(0, 0));
    for (int i = 0; i < 2; i++) {
        low->iovec[i][0] = low_address(low->buffer + 512 * i);
        low->iovec[i][1] = 100;
    }
    struct iocb* iocbs = low->iocbs;
    iocbs[0] = prep_rw(IOCB_CMD_PREAD, fd, low->buffer, 512, 64);
    iocbs[1] = prep_rw(IOCB_CMD_PREADV, fd, low->iovec, 2, 128);
    iocbs[2] = prep_rw(IOCB_CMD_PWRITE, fd, low->buffer, 100, 256);
    iocbs[3] = prep_poll(ready_eventfd(), POLLIN);
    iocbs[4] = prep_poll(never, POLLIN);
    iocbs[5] = prep_poll(never, POLLIN);
    iocbs[6] = prep_rw(99, fd, low->buffer, 512, 0);
    for (int i = 0; i < 7; i++) {
        low->list[i] = low_address(&iocbs[i]);
    }
    ret = call(IO_SUBMIT, I386_SUBMIT, low->ctx, 7, low_address(low->list), 0, 0, 0);
    CHECK(ret == 6, "io_submit = %ld, not 6", ret);
    expect("request user_data=%#llx count=0", iocbs[6].aio_data);

    low->timespec32[1] = 10000000;
    ret = call(IO_GETEVENTS, I386_GETEVENTS, low->ctx, 1, 2, low_address(low->events), low_address(low->timespec32), 0);
    CHECK(ret == 2, "io_getevents = %ld, not 2", ret);
    low->sigset[0] = low_address(&low->sigmask);
    low->sigset[1] = sizeof low->sigmask;
    low->timespec64[1] = 10000000;
    ret = call(IO_PGETEVENTS, I386_PGETEVENTS_TIME64, low->ctx, 2, 4, low_address(low->events + 2),
               low_address(low->timespec64), low_address(low->sigset));
    CHECK(ret == 2, "io_pgetevents_time64 = %ld, not 2", ret);
    for (int i = 0; i < 4; i++) {
        expect_reaped(&iocbs[i], &low->events[i]);
    }
    ret = call(IO_CANCEL, I386_CANCEL, low->ctx, low_address(&iocbs[4]), low_address(low->events), 0, 0, 0);
    CHECK(ret == -EINPROGRESS, "io_cancel = %ld", ret);
    expect_cancel(&iocbs[4], ret, "cancelled", "poll");
    ret = call(IO_GETEVENTS, I386_GETEVENTS, low->ctx, 1, 1, low_address(low->events), 0, 0);
    CHECK(ret == 1, "io_getevents = %ld, not 1", ret);
    expect_cancelled(&iocbs[4], &low->events[0]);
    expect_outcome(&iocbs[5], "abandoned");
    ret = call(IO_DESTROY, I386_DESTROY, low->ctx, 0, 0, 0, 0, 0);
    CHECK(ret == 0, "io_destroy = %ld", ret);
    finish();
}
