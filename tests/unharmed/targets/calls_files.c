/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes, special descriptors, locks, queues of System V and POSIX, children. */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char some[4096];

static long by_read(struct call* call) {
    return or_error(read(call->fd, some, sizeof(some)));
}

static long by_write(struct call* call) {
    return or_error(write(call->other_fd, some, sizeof(some)));
}

static void prepare_pipe(struct call* call) {
    int ends[2];
    must_open(pipe2(ends, O_CLOEXEC), "pipe2");
    call->fd = ends[0];
    call->other_fd = ends[1];
}

static void prepare_full_pipe(struct call* call) {
    prepare_pipe(call);
    fcntl(call->other_fd, F_SETFL, O_NONBLOCK);
    while (write(call->other_fd, some, sizeof(some)) > 0) {
    }
    fcntl(call->other_fd, F_SETFL, 0);
}

/* The reading end is of one pipe, the writing of another. */
static void prepare_two_pipes(struct call* call) {
    struct call other;
    prepare_pipe(call);
    prepare_pipe(&other);
    call->other_fd = other.other_fd;
}

static long by_splice(struct call* call) {
    return or_error(splice(call->fd, NULL, call->other_fd, NULL, 100, 0));
}

static long by_tee(struct call* call) {
    return or_error(tee(call->fd, call->other_fd, 100, 0));
}

static long by_vmsplice(struct call* call) {
    const struct iovec vector = {some, sizeof(some)};
    return or_error(vmsplice(call->other_fd, &vector, 1, 0));
}

static void prepare_terminal(struct call* call) {
    call->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    must_open(call->fd, "posix_openpt");
    grantpt(call->fd);
    unlockpt(call->fd);
    char name[64];
    must_open(ptsname_r(call->fd, name, sizeof(name)), "ptsname_r");
    call->other_fd = call->fd;
    call->fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    must_open(call->fd, name);
}

static void prepare_eventfd(struct call* call) {
    call->fd = eventfd(0, EFD_CLOEXEC);
    must_open(call->fd, "eventfd");
}

static void prepare_inotify(struct call* call) {
    call->fd = inotify_init1(IN_CLOEXEC);
    must_open(call->fd, "inotify_init1");
}

static void prepare_signalfd(struct call* call) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    call->fd = signalfd(-1, &set, SFD_CLOEXEC);
    must_open(call->fd, "signalfd");
}

static void prepare_timerfd(struct call* call) {
    const struct itimerspec late = {{0, 0}, {99999, 0}};
    call->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    must_open(call->fd, "timerfd_create");
    timerfd_settime(call->fd, 0, &late, NULL);
}

static void prepare_userfaultfd(struct call* call) {
    struct uffdio_api api = {.api = UFFD_API};
    call->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    if (call->fd < 0 || ioctl(call->fd, UFFDIO_API, &api) != 0) {
        prepare_pipe(call); /* a kernel without it */
    }
}

static void prepare_lock_file(struct call* call) {
    char name[64];
    call->other_fd = memfd_create("lock", MFD_CLOEXEC);
    must_open(call->other_fd, "memfd_create");
    snprintf(name, sizeof(name), "/proc/self/fd/%d", call->other_fd);
    call->fd = open(name, O_RDWR | O_CLOEXEC);
    must_open(call->fd, name);
}

static void prepare_flock(struct call* call) {
    prepare_lock_file(call);
    must_open(flock(call->other_fd, LOCK_EX), "flock");
}

static long by_flock(struct call* call) {
    return or_error(flock(call->fd, LOCK_EX));
}

static void prepare_description_lock(struct call* call) {
    struct flock lock = {.l_type = F_WRLCK};
    prepare_lock_file(call);
    must_open(fcntl(call->other_fd, F_OFD_SETLK, &lock), "F_OFD_SETLK");
}

static long by_description_lock(struct call* call) {
    struct flock lock = {.l_type = F_WRLCK};
    return or_error(fcntl(call->fd, F_OFD_SETLKW, &lock));
}

static long by_lock(struct call* call) {
    struct flock lock = {.l_type = F_WRLCK};
    return or_error(fcntl(call->fd, F_SETLKW, &lock));
}

/* Sleeps until its parent's end. */
static void prepare_child(struct call* call) {
    const pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (true) {
            sleep(1000);
        }
    }
    must_open(child, "fork");
    call->fd = child;
}

static long by_wait4(struct call* call) {
    return or_error(waitpid(call->fd, NULL, 0));
}

static long by_waitid(struct call* call) {
    siginfo_t info;
    return or_error(waitid(P_PID, (id_t)call->fd, &info, WEXITED));
}

/* What System V keeps would outlive this process: the driver removes it. */
static void keep(int32_t* of, int32_t id) {
    if (!__sync_bool_compare_and_swap(&of[0], 0, id)) {
        of[1] = id;
    }
}

static void prepare_semaphore(struct call* call) {
    call->fd = semget(IPC_PRIVATE, 1, 0600);
    must_open(call->fd, "semget");
    keep(board()->semaphores, call->fd);
}

static long by_semtimedop(struct call* call) {
    struct sembuf down = {0, -1, 0};
    const struct timespec time = wait_time();
    return or_error(semtimedop(call->fd, &down, 1, &time));
}

static long by_semop(struct call* call) {
    struct sembuf down = {0, -1, 0};
    return or_error(semop(call->fd, &down, 1));
}

static void prepare_messages(struct call* call) {
    call->fd = msgget(IPC_PRIVATE, 0600);
    must_open(call->fd, "msgget");
    keep(board()->message_queues, call->fd);
}

struct message {
    long type;
    char text[1024];
};

static void prepare_full_messages(struct call* call) {
    const struct message message = {.type = 1};
    prepare_messages(call);
    while (msgsnd(call->fd, &message, sizeof(message.text), IPC_NOWAIT) == 0) {
    }
}

static long by_msgrcv(struct call* call) {
    struct message message;
    return or_error(msgrcv(call->fd, &message, sizeof(message.text), 0, 0));
}

static long by_msgsnd(struct call* call) {
    const struct message message = {.type = 1};
    return or_error(msgsnd(call->fd, &message, sizeof(message.text), 0));
}

static void prepare_queue(struct call* call) {
    char name[64];
    const struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    snprintf(name, sizeof(name), "/unharmed-%d-%d", (int)getpid(), (int)thread_id());
    call->fd = mq_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600, &attributes);
    must_open(call->fd, "mq_open");
    mq_unlink(name);
}

static long by_mq_receive(struct call* call) {
    char text[8];
    const struct timespec time = wait_until(CLOCK_REALTIME);
    return or_error(mq_timedreceive(call->fd, text, sizeof(text), NULL, &time));
}

static long by_mq_send(struct call* call) {
    const struct timespec time = wait_until(CLOCK_REALTIME);
    return or_error(mq_timedsend(call->fd, some, 8, 0, &time));
}

static void prepare_full_queue(struct call* call) {
    prepare_queue(call);
    mq_send(call->fd, some, 8, 0);
}

static void prepare_fifo(struct call* call) {
    char name[64];
    snprintf(name, sizeof(name), "/tmp/unharmed-%d.fifo", (int)getpid());
    must_open(mkfifo(name, 0600), name);
    /* Its name goes when the file is open at neither end: the waiting open holds it. */
    call->other_fd = open(name, O_PATH | O_CLOEXEC);
    unlink(name);
}

static long by_open_fifo(struct call* call) {
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", call->other_fd);
    return or_error(open(name, O_RDONLY | O_CLOEXEC));
}

static void prepare_foreign_lock(struct call* call) {
    prepare_lock_file(call);
    const pid_t child = fork();
    if (child == 0) {
        struct flock lock = {.l_type = F_WRLCK};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        fcntl(call->other_fd, F_SETLK, &lock);
        while (true) {
            sleep(1000);
        }
    }
    must_open(child, "fork");
    sleep_ms(50);
}

struct call calls_of_files[] = {
    {"read of a pipe", prepare_pipe, by_read, false, 0, -1, -1},
    {"write to a pipe", prepare_full_pipe, by_write, false, 0, -1, -1},
    {"splice", prepare_two_pipes, by_splice, false, 0, -1, -1},
    {"tee", prepare_two_pipes, by_tee, false, 0, -1, -1},
    {"vmsplice", prepare_full_pipe, by_vmsplice, false, 0, -1, -1},
    {"read of a terminal", prepare_terminal, by_read, false, 0, -1, -1},
    {"read of an eventfd", prepare_eventfd, by_read, false, 0, -1, -1},
    {"read of inotify", prepare_inotify, by_read, false, 0, -1, -1},
    {"read of a signalfd", prepare_signalfd, by_read, false, 0, -1, -1},
    {"read of a timerfd", prepare_timerfd, by_read, false, 0, -1, -1},
    {"read of userfaultfd", prepare_userfaultfd, by_read, false, 0, -1, -1},
    {"open of a fifo", prepare_fifo, by_open_fifo, false, 0, -1, -1},
    {"flock", prepare_flock, by_flock, false, 0, -1, -1},
    {"F_OFD_SETLKW", prepare_description_lock, by_description_lock, false, 0, -1, -1},
    {"F_SETLKW", prepare_foreign_lock, by_lock, false, 0, -1, -1},
    {"wait4", prepare_child, by_wait4, false, 0, -1, -1},
    {"waitid", prepare_child, by_waitid, false, 0, -1, -1},
    {"semtimedop", prepare_semaphore, by_semtimedop, true, -EAGAIN, -1, -1},
    {"semop", prepare_semaphore, by_semop, false, 0, -1, -1},
    {"msgrcv", prepare_messages, by_msgrcv, false, 0, -1, -1},
    {"msgsnd", prepare_full_messages, by_msgsnd, false, 0, -1, -1},
    {"mq_timedreceive", prepare_queue, by_mq_receive, true, -ETIMEDOUT, -1, -1},
    {"mq_timedsend", prepare_full_queue, by_mq_send, true, -ETIMEDOUT, -1, -1},
};
const unsigned calls_of_files_count = sizeof(calls_of_files) / sizeof(*calls_of_files);

/* A read of an empty pipe by kernel AIO waits in io_submit. The kernel ends the request, not the call, with EINTR. */
static long by_io_submit(struct call* call) {
    static aio_context_t context;
    if (context == 0) {
        must_open((int)syscall(SYS_io_setup, 4, &context), "io_setup");
    }
    struct iocb iocb;
    memset(&iocb, 0, sizeof(iocb));
    iocb.aio_lio_opcode = IOCB_CMD_PREAD;
    iocb.aio_fildes = (uint32_t)call->fd;
    iocb.aio_buf = (uint64_t)some;
    iocb.aio_nbytes = 1;
    struct iocb* list = &iocb;
    const long taken = or_error(syscall(SYS_io_submit, context, 1, &list));
    struct io_event event = {.res = 0};
    const struct timespec none = {0, 0};
    if (taken == 1 && syscall(SYS_io_getevents, context, 1, 1, &event, &none) == 1) {
        return (long)event.res;
    }
    return taken;
}

struct call calls_that_submit[] = {
    {"io_submit of a read of a pipe", prepare_pipe, by_io_submit, false, 0, -1, -1},
};
const unsigned calls_that_submit_count = sizeof(calls_that_submit) / sizeof(*calls_that_submit);
