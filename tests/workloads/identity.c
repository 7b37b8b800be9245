/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests whose names say little of what they are, for another program to list and to cancel. Prints a line for each:
 *
 *   waits user_data=0x... fd=N|none was=N|none pid=N
 *
 * `fd` is the descriptor that the file of the request is now in its process, `was` the one that it was submitted with;
 * then "ready". From then on it prints "ended user_data=0x... res=N" for each completion. It ends when it is killed.
 *
 * The argument is the kind: "woken" requests that were woken once and wait again; "closed" a descriptor that was
 * closed, one that was given to another file since, and one that another process still has; "shared" a ring of parent
 * and child, who both wait with one user_data; "foreign" the same with a user_data for each; "flip" a descriptor that
 * changes between two rings all the time, both of which wait with one user_data, and which is told as "flips fd=N";
 * "registered" fixed files that were woken once, whose `fd` is their index; "aio" kernel AIO on a descriptor that was
 * closed, and on one that is open, whose iocb has been written over since.
 */
#include "uring.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/un.h>

static struct ring ring;

static void say(uint64_t user_data, int fd, int was) {
    printf("waits user_data=%#lx ", user_data);
    if (fd < 0) {
        printf("fd=none ");
    } else {
        printf("fd=%d ", fd);
    }
    printf("was=%d pid=%d\n", was, getpid());
    fflush(stdout);
}

static struct io_uring_sqe* poll_of(struct ring* on, int fd, uint64_t user_data) {
    struct io_uring_sqe* sqe = prep(on, IORING_OP_POLL_ADD, fd, NULL, 0, 0);
    sqe->poll32_events = POLLIN;
    sqe->user_data = user_data;
    return sqe;
}

static int read_end(void) {
    int ends[2];
    make_pipe(ends);
    return ends[0];
}

static void stream_pair(int ends[2]) {
    OS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
}

/* Each has had one event, which did not end it. */
static void wait_woken(bool fixed) {
    static char text[64];
    int stream[2];
    stream_pair(stream);
    const int event = OS(eventfd(0, EFD_CLOEXEC));
    const int files[] = {event, stream[0]};
    if (fixed) {
        OS(uring_register(ring.fd, IORING_REGISTER_FILES, files, 2));
    }
    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_RECV, fixed ? 1 : stream[0], text, sizeof text, 0);
    sqe->msg_flags = MSG_WAITALL;
    sqe->user_data = 0x1;
    sqe->flags = fixed ? IOSQE_FIXED_FILE : 0;
    sqe = poll_of(&ring, fixed ? 0 : event, 0x2);
    sqe->len = IORING_POLL_ADD_MULTI;
    sqe->flags = fixed ? IOSQE_FIXED_FILE : 0;
    ring_submit(&ring);
    OS(write(stream[1], "bytes", 5));
    const uint64_t one = 1;
    OS(write(event, &one, sizeof one));
    ring_reap(&ring);
    say(0x1, fixed ? 1 : stream[0], fixed ? 1 : stream[0]);
    say(0x2, fixed ? 0 : event, fixed ? 0 : event);
    if (fixed) {
        return;
    }
    const struct sockaddr_un nowhere = {.sun_family = AF_UNIX};
    const int listener = OS(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    OS(bind(listener, (const void*)&nowhere, sizeof nowhere.sun_family));
    OS(listen(listener, 4));
    OS(getsockname(listener, (void*)&address, &length));
    sqe = prep(&ring, IORING_OP_ACCEPT, listener, NULL, 0, 0);
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    sqe->user_data = 0x3;
    ring_submit(&ring);
    OS(connect(OS(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), (const void*)&address, length));
    ring_reap(&ring);
    say(0x3, listener, listener);
}

static void sleep_as_child(void) {
    OS(prctl(PR_SET_PDEATHSIG, SIGKILL));
    for (;;) {
        pause();
    }
}

static void wait_closed(const char* folder) {
    const int closed = read_end(), given = read_end(), kept = read_end(), open_still = read_end();
    poll_of(&ring, closed, 0x1);
    poll_of(&ring, given, 0x2);
    poll_of(&ring, kept, 0x3);
    poll_of(&ring, open_still, 0x4);
    ring_submit(&ring);
    const int again = OS(fcntl(open_still, F_DUPFD_CLOEXEC, 100));
    OS(close(given));
    char path[512];
    snprintf(path, sizeof path, "%s/innocent", folder);
    if (OS(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600)) != given) {
        exit(1);
    }
    OS(close(closed));
    OS(close(open_still));
    if (OS(fork()) == 0) {
        sleep_as_child();
    }
    OS(close(kept));
    say(0x1, -1, closed);
    say(0x2, -1, given);
    say(0x3, -1, kept);
    say(0x4, again, open_still);
}

static void wait_shared(bool one_name) {
    const int own = read_end(), childs = read_end();
    poll_of(&ring, own, 0x1);
    ring_submit(&ring);
    say(0x1, own, own);
    const pid_t child = OS(fork());
    if (child == 0) {
        poll_of(&ring, childs, one_name ? 0x1 : 0x2);
        ring_submit(&ring);
        say(one_name ? 0x1 : 0x2, childs, childs);
        sleep_as_child();
    }
    usleep(100000); /* until the child has submitted */
}

static int flipping, first, second;
static void* flip(void* unused) {
    (void)unused;
    for (;;) {
        dup2(first, flipping);
        dup2(second, flipping);
    }
    return NULL;
}

static struct ring other;
static void wait_flipping(void) {
    other = ring_new(4, 0);
    const int own = read_end(), others = read_end();
    poll_of(&ring, own, 0x7);
    ring_submit(&ring);
    poll_of(&other, others, 0x7);
    ring_submit(&other);
    /* Only numbers above it remain, so that it is the lowest that names each ring. */
    flipping = ring.fd;
    first = OS(fcntl(ring.fd, F_DUPFD_CLOEXEC, 100));
    second = OS(fcntl(other.fd, F_DUPFD_CLOEXEC, 200));
    OS(close(other.fd));
    other.fd = second;
    pthread_t thread;
    if (pthread_create(&thread, NULL, flip, NULL) != 0) {
        exit(1);
    }
    printf("flips fd=%d\n", own);
    say(0x7, own, own);
    say(0x7, others, others);
}

static void wait_by_aio(void) {
    static struct iocb iocbs[2];
    aio_context_t context = 0;
    const int closed = read_end(), written_over = read_end();
    struct iocb* list[] = {&iocbs[0], &iocbs[1]};
    OS(io_setup(4, &context));
    for (int i = 0; i < 2; i++) {
        iocbs[i] = (struct iocb){.aio_data = i + 1,
                                 .aio_lio_opcode = IOCB_CMD_POLL,
                                 .aio_fildes = i == 0 ? closed : written_over,
                                 .aio_buf = POLLIN};
    }
    OS(io_submit(context, 2, list));
    iocbs[1].aio_fildes = 0;
    OS(close(closed));
    say(0x1, -1, closed);
    say(0x2, written_over, written_over);
    printf("ready\n");
    fflush(stdout);
    struct io_event event;
    while (io_getevents(context, 1, 1, &event, NULL) == 1) {
        printf("ended user_data=%#llx res=%lld\n", event.data, event.res);
        fflush(stdout);
    }
}

static void say_ends(struct ring* of) {
    struct cqe cqe;
    while (ring_peek(of, &cqe)) {
        printf("ended user_data=%#lx res=%d%s\n", cqe.user_data, cqe.res, of == &other ? " other" : "");
        fflush(stdout);
    }
}

int main(int argc, char** argv) {
    start(argc, argv);
    alarm(600); /* others look at it, which takes its time on an emulated machine */
    const char* kind = argc > 2 ? argv[2] : "woken";
    if (strcmp(kind, "aio") == 0) {
        wait_by_aio();
        return 1;
    }
    ring = ring_new(16, 0);
    if (strcmp(kind, "woken") == 0 || strcmp(kind, "registered") == 0) {
        wait_woken(strcmp(kind, "registered") == 0);
    } else if (strcmp(kind, "closed") == 0) {
        wait_closed(argv[1]);
    } else if (strcmp(kind, "flip") == 0) {
        wait_flipping();
    } else {
        wait_shared(strcmp(kind, "shared") == 0);
    }
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        usleep(1000);
        say_ends(&ring);
        if (other.fd > 0) {
            say_ends(&other);
        }
    }
}
