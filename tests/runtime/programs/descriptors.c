/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon closes all descriptors that it does not know, a shell puts files at low numbers: what AIO has in flight goes
   on, and nothing is written to the program's own files. The descriptors of the tests stand from 200 on. */
#define _GNU_SOURCE
#include "behaviour.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { first_kept = 200, own_files = 24 };

static int moved(int fd, int to) {
    must(fd >= 0 && dup2(fd, to) == to, "a descriptor");
    close(fd);
    return to;
}

static void pipe_at(int to) {
    int ends[2];

    must(pipe(ends) == 0, "a pipe");
    moved(ends[0], to);
    moved(ends[1], to + 1);
}

/* Puts a file of the program's own, or its own ring, at each low number. */
static void open_own_files(void) {
    int fd = -1;

    /* Beside a thread that makes contexts it may be closed between fstat and close; docs/runtime.md says so. */
    for (int attempt = 0; fd < 0 && attempt < 3; attempt++) {
        int low = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);

        fd = dup2(low, first_kept - 1);
        close(low);
    }
    must(fd >= 0 && fcntl(fd, F_SETFL, O_APPEND) == 0, "a file of its own");
    for (int i = 3; i < 3 + own_files; i++) {
        /* EBUSY: another thread is just being given that number. */
        while (dup2(fd, i) != i) {
            must(errno == EBUSY, "a low number");
        }
    }
}

static void say_own_files(void) {
    struct stat about;
    struct stat first;
    int open_still = 0;

    must(fstat(first_kept - 1, &first) == 0, "the own file");
    for (int i = 3; i < 3 + own_files; i++) {
        open_still += fstat(i, &about) == 0 && about.st_ino == first.st_ino && about.st_dev == first.st_dev;
    }
    printf("own files: %s, %ld bytes\n", open_still == own_files ? "all" : "not all", (long)first.st_size);
}

static void close_all_low(void) {
    must(syscall(SYS_close_range, 3, first_kept - 1, 0) == 0, "close_range");
}

static void close_and_open(void) {
    close_all_low();
    open_own_files();
}

/* All that a context can have made by then: a poll that waits, reads of a disk by a thread that waits itself, writes.
 */
static io_context_t busy_context(struct iocb* poll_pipe) {
    io_context_t ctx = context(16);
    struct iocb cb;

    pipe_at(first_kept);
    moved(data_file("disk", O_RDWR | O_DIRECT), first_kept + 2);
    moved(data_file("disk", O_RDWR), first_kept + 3);
    io_prep_poll(poll_pipe, first_kept, POLLIN);
    poll_pipe->data = (void*)1;
    submit(ctx, poll_pipe);
    for (int i = 0; i < 3; i++) {
        io_prep_pread(&cb, first_kept + 2, buffer, 4096, 0);
        submit(ctx, &cb);
        say_events(ctx, 1, 2000);
    }
    io_prep_fsync(&cb, first_kept + 3);
    submit(ctx, &cb);
    say_events(ctx, 1, 5000);
    usleep(20000);
    return ctx;
}

static void use(io_context_t ctx) {
    struct iocb cb[3];

    must(write(first_kept + 1, "x", 1) == 1, "writing");
    say_events(ctx, 1, 2000);
    must(read(first_kept, buffer, 1) == 1, "reading");
    io_prep_poll(&cb[0], first_kept, POLLIN);
    cb[0].data = (void*)2;
    say_submit("poll", ctx, &cb[0]);
    for (int i = 0; i < 3; i++) {
        io_prep_pread(&cb[1], first_kept + 2, buffer, 4096, 0);
        say_submit("direct read", ctx, &cb[1]);
        say_events(ctx, 1, 2000);
        io_prep_pwrite(&cb[1], first_kept + 2, buffer, 4096, 0);
        say_submit("direct write", ctx, &cb[1]);
        say_events(ctx, 1, 2000);
    }
    io_prep_fdsync(&cb[2], first_kept + 3);
    say_submit("fdsync", ctx, &cb[2]);
    say_events(ctx, 1, 5000);
    must(write(first_kept + 1, "x", 1) == 1, "writing");
    say_events(ctx, 1, 2000);
    must(read(first_kept, buffer, 1) == 1, "reading");
}

static void* use_in_thread(void* argument) {
    use(*(io_context_t*)argument);
    return NULL;
}

/* By the thread that has used the context before, and by one that has not. */
static void use_and_destroy(io_context_t ctx) {
    struct iocb cb;
    pthread_t thread;
    io_context_t other;

    use(ctx);
    must(pthread_create(&thread, NULL, use_in_thread, &ctx) == 0, "a thread");
    pthread_join(thread, NULL);
    io_prep_poll(&cb, first_kept, POLLIN);
    submit(ctx, &cb);
    printf("io_destroy %s\n", word(io_destroy(ctx)));
    other = context(8);
    io_prep_poll(&cb, first_kept, POLLIN);
    say_submit("another context", other, &cb);
    must(write(first_kept + 1, "x", 1) == 1, "writing");
    say_events(other, 1, 2000);
    printf("io_destroy %s\n", word(io_destroy(other)));
}

static void closed(void) {
    struct iocb waiting;
    io_context_t ctx = busy_context(&waiting);

    close_all_low();
    use_and_destroy(ctx);
}

static void closed_and_opened(void) {
    struct iocb waiting;
    io_context_t ctx = busy_context(&waiting);

    close_and_open();
    use_and_destroy(ctx);
    say_own_files();
}

static void replaced(void) {
    struct iocb waiting;
    io_context_t ctx = busy_context(&waiting);

    open_own_files();
    use_and_destroy(ctx);
    say_own_files();
}

/* A ring of the program's own, with a file in its table, completions in its queue, and an entry that it has prepared
   and not submitted. */
struct own_ring {
    int fd;
    unsigned *sq_head, *sq_tail, *cq_tail;
    struct stat about;
};

static struct own_ring make_own_ring(void) {
    struct io_uring_params params = {0};
    struct own_ring ring;
    char* rings;
    struct io_uring_sqe* entries;
    int files[8] = {first_kept + 3, -1, -1, -1, -1, -1, -1, -1};

    ring.fd = (int)syscall(SYS_io_uring_setup, 8, &params);
    if (ring.fd < 0) {
        puts("no ring of its own");
        exit(77);
    }
    ring.fd = moved(ring.fd, first_kept - 1);
    rings = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
    entries = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQES);
    must(rings != MAP_FAILED && entries != MAP_FAILED, "a ring's memory");
    must(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, files, 8) == 0, "a ring's files");
    ring.sq_head = (unsigned*)(rings + params.sq_off.head);
    ring.sq_tail = (unsigned*)(rings + params.sq_off.tail);
    ring.cq_tail = (unsigned*)(rings + params.cq_off.tail);
    memset(entries, 0, sizeof(*entries));
    entries[0].opcode = IORING_OP_READ;
    entries[0].flags = IOSQE_FIXED_FILE;
    entries[0].fd = 0;
    entries[0].addr = (unsigned long)buffer;
    entries[0].len = 16;
    *(unsigned*)(rings + params.sq_off.array) = 0;
    __atomic_store_n(ring.sq_tail, 1, __ATOMIC_RELEASE);
    must(fstat(ring.fd, &ring.about) == 0, "looking at a ring");
    for (int i = 3; i < 3 + own_files; i++) {
        must(dup2(ring.fd, i) == i, "a low number");
    }
    return ring;
}

static void say_own_ring(const struct own_ring* ring) {
    struct stat about;
    int there = 0;

    for (int i = 3; i < 3 + own_files; i++) {
        there += fstat(i, &about) == 0 && about.st_ino == ring->about.st_ino;
    }
    printf("own ring: %s, %u taken, %u completed\n", there == own_files ? "everywhere" : "not everywhere",
           __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE), __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE));
    printf("own submit %ld", syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0));
    printf(", %u completed\n", __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE));
}

static void ring_instead(void) {
    struct iocb waiting;
    io_context_t ctx = busy_context(&waiting);
    struct own_ring ring = make_own_ring();

    use_and_destroy(ctx);
    say_own_ring(&ring);
}

struct waiting {
    io_context_t ctx;
    bool masked;
};

static void* wait_for_one(void* argument) {
    struct waiting* waiting = argument;
    struct timespec limit = {5, 0};
    struct io_event event;
    sigset_t none;
    int result;

    sigemptyset(&none);
    result = waiting->masked ? io_pgetevents(waiting->ctx, 1, 1, &event, &limit, &none)
                             : io_getevents(waiting->ctx, 1, 1, &event, &limit);
    printf("the waiting thread: %s\n", word(result));
    return NULL;
}

/* A thread that waits for events meanwhile, with a signal mask of its own or without. */
static void under_waiters(void) {
    for (int masked = 0; masked < 2; masked++) {
        struct iocb cb;
        io_context_t ctx = masked ? context(8) : busy_context(&cb);
        struct waiting waiting = {ctx, masked};
        pthread_t thread;

        if (masked) {
            io_prep_poll(&cb, first_kept, POLLIN);
            submit(ctx, &cb);
        }
        must(pthread_create(&thread, NULL, wait_for_one, &waiting) == 0, "a thread");
        usleep(50000);
        close_and_open();
        must(write(first_kept + 1, "x", 1) == 1, "writing");
        pthread_join(thread, NULL);
        must(read(first_kept, buffer, 1) == 1, "reading");
        printf("io_destroy %s\n", word(io_destroy(ctx)));
        say_own_files();
    }
}

/* A signal ends a wait with a mask that lets it through, and events come all the same. */
static void on_alarm(int number) {
    (void)number;
}

static void masked_wait_ends(void) {
    io_context_t ctx = context(8);
    struct timespec limit = {5, 0};
    struct io_event event;
    struct iocb cb;
    sigset_t blocked;
    sigset_t none;

    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGALRM, on_alarm);
    pipe_at(first_kept);
    for (int i = 0; i < 3; i++) {
        double before = seconds();

        io_prep_poll(&cb, first_kept, POLLIN);
        submit(ctx, &cb);
        ualarm(50000, 0);
        printf("io_pgetevents %s", word(io_pgetevents(ctx, 1, 1, &event, &limit, &none)));
        printf(", %s\n", seconds() - before < 2 ? "soon" : "late");
        later_write(first_kept + 1, 50, 1);
        printf("io_pgetevents %s", word(io_pgetevents(ctx, 1, 1, &event, &limit, &none)));
        printf(", %s\n", seconds() - before < 2 ? "soon" : "late");
        wait_for_helper();
        must(read(first_kept, buffer, 1) == 1, "reading");
    }
    limit.tv_sec = 0;
    limit.tv_nsec = 50000000;
    printf("io_pgetevents %s\n", word(io_pgetevents(ctx, 1, 1, &event, &limit, &none)));
}

/* The child of a process that has its own files where AIO's descriptors were. */
static void child_of_closed(void) {
    struct iocb waiting;
    io_context_t ctx = busy_context(&waiting);
    pid_t child;

    close_and_open();
    fflush(stdout);
    child = fork();
    if (child == 0) {
        io_context_t own = context(8);
        struct iocb cb;

        say_own_files();
        printf("child: io_destroy of its parent's %s\n", word(io_destroy(ctx)));
        io_prep_pread(&cb, first_kept + 2, buffer, 4096, 0);
        say_submit("child", own, &cb);
        say_events(own, 1, 2000);
        printf("child: io_destroy %s\n", word(io_destroy(own)));
        say_own_files();
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    use_and_destroy(ctx);
    say_own_files();
}

/* What must be on the disk is there, though nobody has a descriptor for it. */
static void exit_of_closed(void) {
    int fd = moved(data_file("disk", O_RDWR | O_DSYNC), first_kept + 4);
    int written = 0;
    pid_t child;
    int status = -1;

    must(ftruncate(fd, 0) == 0 && ftruncate(fd, 16 * 4096) == 0, "a file of zeros");
    memset(buffer, 'x', BUFFER_BYTES);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        io_context_t ctx = context(16);
        static struct iocb cb[16];
        struct iocb* list[16];

        for (int i = 0; i < 16; i++) {
            io_prep_pwrite(&cb[i], fd, buffer, 4096, i * 4096);
            list[i] = &cb[i];
        }
        io_submit(ctx, 16, list);
        close_and_open();
        exit(0);
    }
    waitpid(child, &status, 0);
    for (int i = 0; i < 16; i++) {
        written += pread(fd, buffer, 4096, i * 4096) == 4096 && buffer[0] == 'x';
    }
    printf("status %d, %d of 16 written\n", status, written);
}

/* Descriptors that are closed when a program is executed: it begins with none of ours. */
static void executed(void) {
    struct iocb waiting;
    io_context_t ctx = busy_context(&waiting);

    printf("a context %s\n", ctx == NULL ? "is not there" : "is there");
    fflush(stdout);
    must(syscall(SYS_close_range, 3, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */) == 0, "close_range");
    execlp("ls", "ls", "/proc/self/fd", NULL);
}

/* More contexts, and so rings, than the kernel lets a thread register, used in turns. */
enum { many_contexts = 20 };

static void use_many(io_context_t* contexts, struct iocb* polls) {
    struct io_event event;
    struct timespec limit = {5, 0};
    int events = 0;

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < many_contexts; i++) {
            struct iocb cb;

            io_prep_pread(&cb, first_kept + 2, buffer, 4096, i * 4096);
            submit(contexts[i], &cb);
            events += io_getevents(contexts[i], 1, 1, &event, &limit) == 1 && event.res == 4096;
            io_prep_pwrite(&cb, first_kept + 2, buffer, 4096, i * 4096);
            submit(contexts[i], &cb);
            events += io_getevents(contexts[i], 1, 1, &event, &limit) == 1 && event.res == 4096;
            io_prep_poll(&polls[i], first_kept, POLLIN);
            submit(contexts[i], &polls[i]);
        }
        must(write(first_kept + 1, "x", 1) == 1, "writing");
        for (int i = 0; i < many_contexts; i++) {
            events += io_getevents(contexts[i], 1, 1, &event, &limit) == 1 && (event.res & POLLIN) != 0;
        }
        must(read(first_kept, buffer, 1) == 1, "reading");
    }
    printf("%d of %d\n", events, 3 * 3 * many_contexts);
}

static void many_in_a_thread(void) {
    io_context_t contexts[many_contexts];
    struct iocb polls[many_contexts];

    pipe_at(first_kept);
    moved(data_file("disk", O_RDWR | O_DIRECT), first_kept + 2);
    for (int i = 0; i < many_contexts; i++) {
        contexts[i] = context(8);
    }
    use_many(contexts, polls);
    close_and_open();
    use_many(contexts, polls);
    for (int i = 0; i < many_contexts; i++) {
        io_destroy(contexts[i]);
    }
    say_own_files();
}

/* A thread that closes and opens all the time, beside one that makes contexts. */
static volatile bool over;

static void* close_and_open_on(void* argument) {
    (void)argument;
    while (!over) {
        close_and_open();
    }
    return NULL;
}

static void while_contexts_are_made(void) {
    io_context_t contexts[30];
    pthread_t thread;
    int events = 0;

    pipe_at(first_kept);
    open_own_files();
    must(pthread_create(&thread, NULL, close_and_open_on, NULL) == 0, "a thread");
    for (int i = 0; i < 30; i++) {
        io_context_t ctx = contexts[i] = context(8);
        struct timespec limit = {20, 0};
        struct io_event event;
        struct iocb cb;
        int attempts = 0;

        io_prep_poll(&cb, first_kept, POLLIN);
        for (; submit(ctx, &cb) != 1 && attempts < 100; attempts++) {
        }
        if (attempts < 100) {
            must(write(first_kept + 1, "x", 1) == 1, "writing");
            events += io_getevents(ctx, 1, 1, &event, &limit) == 1;
            must(read(first_kept, buffer, 1) == 1, "reading");
        }
    }
    over = true;
    pthread_join(thread, NULL);
    close_and_open();
    printf("%d of 30\n", events);
    for (int i = 0; i < 30; i++) {
        io_destroy(contexts[i]);
    }
    say_own_files();
}

const struct behaviour descriptor_behaviours[] = {
    {"descriptors_closed", closed},
    {"descriptors_closed_and_opened", closed_and_opened},
    {"descriptors_replaced", replaced},
    {"descriptors_ring_instead", ring_instead},
    {"descriptors_under_waiters", under_waiters},
    {"descriptors_masked_wait", masked_wait_ends},
    {"descriptors_child", child_of_closed},
    {"descriptors_exit", exit_of_closed},
    {"descriptors_exec", executed},
    {"descriptors_many_contexts", many_in_a_thread},
    {"descriptors_while_made", while_contexts_are_made},
    {NULL, NULL},
};
