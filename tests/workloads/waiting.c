/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait for good, for another program to list and to cancel. Prints a line for each:
 *
 *   waits user_data=0x... op=NAME stage=STAGE cancel=ring|inject|none ends=RESULT
 *
 * with what it ends with when it is cancelled (0: kernel AIO; "int": an interrupted worker), then "ready". From then on
 * its only thread is blocked in the call that waits for events, without a timeout, and prints what that returns: "ended
 * user_data=... res=...", or "returned -4" for an interrupted call. It ends when it is killed.
 *
 * The argument is the kind: 0 a ring, 1 of a single issuer, 2 with deferred task work too, 3 with a SQ thread, 4 kernel
 * AIO. These are kernel AIO too: 5 counts SIGRTMIN, whose values must come one after the other, and ends with "signals
 * N" at a negative one; 6 calculates instead of waiting, and ends with "undisturbed" at SIGTERM if neither its numbers
 * nor its errno ever changed; 7 sleeps uninterruptibly; 8 waits with a timeout of an hour; 9 sleeps for an hour
 * instead; 10's main thread has ended, and another waits; 11 has a second thread that runs, with a seccomp filter that
 * kills it for io_cancel; 12 is in seccomp's strict mode, and waits for a pipe; 14 may have its system calls sent back
 * to itself (syscall user dispatch). 13 is a ring again, of a process whose main thread has ended. 15 is kernel AIO
 * with a second thread that sleeps uninterruptibly. Rings again: 16 has a recv that wants 64 bytes and has 5 of them,
 * 17 the same on a ring of a single issuer, and 18 ends at its first completion.
 */
#include "uring.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>

enum { SINGLE_ISSUER = 1 << 12, DEFER_TASKRUN = 1 << 13, FUTEX_WORD = 2 | 128 };

static struct ring ring;
static const char* way = "ring";

static void say(uint64_t user_data, const char* op, const char* stage, const char* cancel, const char* ends) {
    printf("waits user_data=%#lx op=%s stage=%s cancel=%s ends=%s\n", user_data, op, stage, cancel, ends);
}

static void waits(const struct io_uring_sqe* sqe, const char* op, const char* stage) {
    say(sqe->user_data, op, stage, way, "-125");
}

static int read_end(void) {
    int ends[2];
    make_pipe(ends);
    return ends[0];
}

static int write_end(void) {
    int ends[2];
    make_pipe(ends);
    return ends[1];
}

/* An end to read from, with something in it. */
static int filled_pipe(void) {
    int ends[2];
    make_pipe(ends);
    OS(write(ends[1], "bytes", 5));
    return ends[0];
}

/* An end to write to, where nothing more fits. */
static int full_pipe(void) {
    int fd = write_end();
    OS(fcntl(fd, F_SETFL, O_NONBLOCK));
    while (write(fd, "12345678", 8) > 0) {
    }
    OS(fcntl(fd, F_SETFL, 0));
    return fd;
}

static struct io_uring_sqe* read_of(int fd) {
    static char text[8];
    return prep(&ring, IORING_OP_READ, fd, text, sizeof text, UINT64_MAX);
}

/* splice or tee, for which a worker sleeps. */
static void move_bytes(int opcode, int from, int to, bool with_sq_thread) {
    struct io_uring_sqe* sqe = prep(&ring, opcode, to, NULL, 8, opcode == IORING_OP_TEE ? 0 : UINT64_MAX);
    sqe->splice_fd_in = from;
    sqe->splice_off_in = opcode == IORING_OP_TEE ? 0 : UINT64_MAX;
    say(sqe->user_data, opcode == IORING_OP_TEE ? "tee" : "splice", "io-wq-running", with_sq_thread ? "none" : way,
        "int");
    ring_submit(&ring);
}

static int listener(void) {
    int fd = (int)OS(socket(AF_UNIX, SOCK_STREAM, 0));
    OS(bind(fd, (struct sockaddr*)&(struct sockaddr_un){.sun_family = AF_UNIX}, sizeof(sa_family_t)));
    OS(listen(fd, 1));
    return fd;
}

/* For good, or up to the first of them. */
static void take_completions(bool only_one) {
    puts("ready");
    for (;;) {
        flush();
        struct cqe cqe;
        while (ring_peek(&ring, &cqe)) {
            printf("ended user_data=%#lx res=%d\n", cqe.user_data, cqe.res);
            if (only_one) {
                flush();
                _exit(0);
            }
        }
        flush();
        long ret = uring_enter(ring.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
        if (ret < 0) {
            printf("returned %ld\n", ret);
        }
    }
}

static void wait_on_ring(bool with_sq_thread) {
    static struct __kernel_timespec never = {.tv_sec = 100000};
    static uint32_t word = 5;
    static siginfo_t info;
    int pair[2];
    make_pair(AF_UNIX, pair);
    static char text[8];

    waits(read_of(read_end()), "read", "poll");
    struct io_uring_sqe* sqe = read_of(read_end());
    sqe->flags = IOSQE_ASYNC;
    waits(sqe, "read", "poll");
    waits(prep(&ring, IORING_OP_RECV, pair[0], text, sizeof text, 0), "recv", "poll");
    sqe = prep(&ring, IORING_OP_POLL_ADD, read_end(), NULL, 0, 0);
    sqe->poll32_events = POLLIN;
    waits(sqe, "poll_add", "poll");
    waits(prep(&ring, IORING_OP_TIMEOUT, -1, &never, 1, 0), "timeout", "timer");
    sqe = prep(&ring, IORING_OP_ACCEPT, listener(), NULL, 0, 0);
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    waits(sqe, "accept", "poll");
    sqe = read_of(read_end());
    sqe->flags = IOSQE_IO_LINK;
    waits(sqe, "read", "poll");
    sqe = prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    say(sqe->user_data, "nop", "link", "none", "-125");
    sqe = read_of(read_end());
    sqe->flags = IOSQE_IO_LINK;
    waits(sqe, "read", "poll");
    sqe = prep(&ring, IORING_OP_LINK_TIMEOUT, -1, &never, 1, 0);
    say(sqe->user_data, "link_timeout", "timer", "none", "-125");
    ring_submit(&ring);
    if (ring_has(&ring, OP_FUTEX_WAIT)) {
        sqe = prep(&ring, OP_FUTEX_WAIT, FUTEX_WORD, &word, 0, 5);
        sqe->addr3 = 0xffffffff;
        waits(sqe, "futex_wait", "futex");
        pid_t child = (pid_t)OS(fork());
        if (child == 0) {
            OS(prctl(PR_SET_PDEATHSIG, SIGKILL));
            for (;;) {
                pause();
            }
        }
        sqe = prep(&ring, OP_WAITID, child, NULL, P_PID, (uintptr_t)&info);
        sqe->file_index = WEXITED;
        waits(sqe, "waitid", "child");
    }
    move_bytes(IORING_OP_SPLICE, filled_pipe(), full_pipe(), with_sq_thread);
    move_bytes(IORING_OP_SPLICE, read_end(), write_end(), with_sq_thread);
    move_bytes(IORING_OP_TEE, filled_pipe(), full_pipe(), with_sq_thread);
    move_bytes(IORING_OP_TEE, read_end(), write_end(), with_sq_thread);
    sqe = prep(&ring, IORING_OP_NOP, -1, NULL, 0, 0);
    sqe->flags = IOSQE_IO_DRAIN;
    say(sqe->user_data, "nop", "drain", "none", "0");
    ring_submit(&ring);
    take_completions(false);
}

static void wait_with_a_part(void) {
    enum { PART = 5 };
    static char text[64];
    int pair[2];
    make_pair(AF_UNIX, pair);
    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_RECV, pair[0], text, sizeof text, 0);
    sqe->msg_flags = MSG_WAITALL;
    say(sqe->user_data, "recv", "poll", way, "5");
    ring_submit(&ring);
    OS(write(pair[1], "bytes", PART));
    /* It is taken when this thread next enters the kernel. */
    sleep_ms(1);
    uring_enter(ring.fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
    take_completions(false);
}

static void wait_for_one(void) {
    waits(read_of(read_end()), "read", "poll");
    waits(read_of(read_end()), "read", "poll");
    waits(read_of(read_end()), "read", "poll");
    ring_submit(&ring);
    take_completions(true);
}

static void on_value(int number, siginfo_t* info, void* unused) {
    static int last;
    (void)number;
    (void)unused;
    const int value = info->si_value.sival_int;
    if (value < 0) {
        printf("signals %d\n", last);
        flush();
        _exit(0);
    }
    CHECK(value == last + 1, "after signal %d came %d", last, value);
    last = value;
}

static atomic_bool enough;
static void on_terminate(int number) {
    (void)number;
    enough = true;
}

static void calculate(void) {
    enum { NUMBERS = 16, STEPS = 2000, STRANGE = 4321 };
    static double first[NUMBERS];
    double numbers[NUMBERS];
    OS(sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_terminate}, NULL));
    errno = STRANGE;
    for (unsigned long round = 0; !enough; round++) {
        for (unsigned i = 0; i < NUMBERS; i++) {
            numbers[i] = 1.0 + i;
        }
        for (unsigned step = 0; step < STEPS; step++) {
            for (unsigned i = 0; i < NUMBERS; i++) {
                numbers[i] = numbers[i] * 0.75 + (double)i / 3;
            }
        }
        if (round == 0) {
            memcpy(first, numbers, sizeof first);
        }
        if (memcmp(first, numbers, sizeof first) != 0 || errno != STRANGE) {
            fail("round %lu: other numbers, or errno %d", round, errno);
        }
    }
    puts("undisturbed");
    flush();
    _exit(0);
}

static void sleep_uninterruptibly(void) {
    if (vfork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            pause();
        }
    }
}

static void* sleep_beside(void* unused) {
    sleep_uninterruptibly();
    return unused;
}

static void start_sleeping_thread(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, sleep_beside, NULL) == 0, "no thread");
}

/* Of this thread alone. */
static void forbid_io_cancel(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_cancel, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    OS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    OS(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &(struct sock_fprog){sizeof filter / sizeof *filter, filter}));
}

static atomic_bool confined;
static void* run_confined(void* unused) {
    forbid_io_cancel();
    confined = true;
    for (;;) {
    }
    return unused;
}

static void start_confined_thread(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run_confined, NULL) == 0, "no thread");
    while (!confined) {
        sched_yield();
    }
}

static void dispatch_calls(void) {
    static char selector; /* none of them for now */
    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector)) {
        skip("this kernel has no syscall user dispatch");
    }
}

static void live_strictly(void) {
    int from = read_end();
    char nothing;
    OS(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    for (;;) {
        if (read(from, &nothing, 1) < 0) {
            write(STDOUT_FILENO, "returned -4\n", 12);
        }
    }
}

static aio_context_t context;

static void* reap_for_good(void* timeout) {
    for (;;) {
        flush();
        struct io_event events[8];
        long ret = io_getevents(context, 1, 8, events, timeout);
        for (long i = 0; i < ret; i++) {
            printf("ended user_data=%#llx res=%lld\n", events[i].data, events[i].res);
        }
        if (ret < 0) {
            printf("returned %ld\n", ret);
        }
    }
    return NULL;
}

static pthread_t main_thread;

static void* reap_without_main(void* unused) {
    (void)unused;
    pthread_join(main_thread, NULL);
    puts("ready");
    return reap_for_good(NULL);
}

static void* wait_on_ring_without_main(void* unused) {
    pthread_join(main_thread, NULL);
    ring = ring_new(32, 0);
    ring.unlogged = true; /* names of files come from /proc/self, which is the main thread's */
    wait_on_ring(false);
    return unused;
}

static void end_main_thread(void* (*rest)(void*)) {
    main_thread = pthread_self();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, rest, NULL) == 0, "no thread");
    pthread_exit(NULL);
}

static void wait_in_aio(long kind) {
    CHECK(io_setup(64, &context) == 0, "io_setup failed");
    int pair[2];
    make_pair(AF_UNIX, pair);
    int timer = (int)OS(timerfd_create(CLOCK_MONOTONIC, 0));
    sigset_t none;
    sigemptyset(&none);
    int files[] = {read_end(),
                   (int)OS(eventfd(0, 0)),
                   timer,
                   pair[0],
                   (int)OS(epoll_create1(0)),
                   (int)OS(signalfd(-1, &none, 0)),
                   (int)OS(inotify_init1(0))};
    enum { COUNT = sizeof files / sizeof files[0] };
    static struct iocb iocbs[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        iocbs[i] = (struct iocb){.aio_data = 0xa10 + i,
                                 .aio_fildes = (unsigned)files[i],
                                 .aio_lio_opcode = IOCB_CMD_POLL,
                                 .aio_buf = POLLIN};
        CHECK(io_submit(context, 1, &(struct iocb*){&iocbs[i]}) == 1, "io_submit failed");
        say(iocbs[i].aio_data, "poll", "poll", "inject", "0");
    }
    static struct timespec hour = {.tv_sec = 3600};
    switch (kind) {
        case 5:
            OS(sigaction(SIGRTMIN, &(struct sigaction){.sa_sigaction = on_value, .sa_flags = SA_SIGINFO}, NULL));
            break;
        case 10:
            end_main_thread(reap_without_main);
            break;
        case 11:
            start_confined_thread();
            break;
        case 14:
            dispatch_calls();
            break;
        case 15:
            start_sleeping_thread();
            break;
    }
    puts("ready");
    flush();
    switch (kind) {
        case 6:
            calculate();
            break;
        case 7:
            sleep_uninterruptibly();
            break;
        case 9:
            printf("returned %d\n", nanosleep(&hour, NULL));
            break;
        case 12:
            live_strictly();
            break;
    }
    reap_for_good(kind == 8 ? &hour : NULL);
}

int main(int argc, char** argv) {
    start(argc, argv);
    alarm(600); /* others look at it, which takes its time on an emulated machine */
    long kind = argument(0);
    if (kind == 13) {
        end_main_thread(wait_on_ring_without_main);
    }
    if (kind >= 16) {
        way = kind == 17 ? "inject" : "ring";
        ring = ring_new(32, kind == 17 ? SINGLE_ISSUER : 0);
        kind == 18 ? wait_for_one() : wait_with_a_part();
    }
    if (kind >= 4) {
        wait_in_aio(kind);
    }
    static const unsigned setups[] = {0, SINGLE_ISSUER, SINGLE_ISSUER | DEFER_TASKRUN, IORING_SETUP_SQPOLL};
    way = kind == 1 || kind == 2 ? "inject" : "ring";
    ring = ring_new(32, setups[kind]);
    wait_on_ring(kind == 3);
}
