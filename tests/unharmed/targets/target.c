/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct board* shared;

struct board* board(void) {
    return shared;
}

static void on_signal(int signal) {
    (void)signal;
    int kept = errno;
    getppid();
    errno = kept;
}

static void handle(int signal, int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    action.sa_flags = flags;
    sigaction(signal, &action, NULL);
}

void begin_target(int argc, char** argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: %s BOARD\n", argv[0]);
        exit(2);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(argv[1], O_RDWR | O_CLOEXEC);
    shared = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) {
        perror(argv[1]);
        exit(2);
    }
    close(fd);
    handle(SIGUSR1, SA_RESTART);
    handle(SIGUSR2, 0);
    handle(SIGALRM, SA_RESTART | SA_ONSTACK);
}

bool is_finished(void) {
    return __atomic_load_n(&shared->finish, __ATOMIC_ACQUIRE) != 0;
}

_Noreturn void serve_until_finished(void (*last_look)(void)) {
    __atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
    while (!is_finished()) {
        sleep_ms(20);
    }
    if (last_look != NULL) {
        last_look();
    }
    _exit(0);
}

void deviation(const char* format, ...) {
    char line[300] = "DEVIATION ";
    const size_t prefix = strlen(line);
    va_list arguments;
    va_start(arguments, format);
    const int wanted = vsnprintf(line + prefix, sizeof(line) - prefix - 1, format, arguments);
    va_end(arguments);
    size_t length = prefix + (size_t)wanted;
    if (length > sizeof(line) - 2) {
        length = sizeof(line) - 2;
    }
    line[length++] = '\n';
    const uint64_t at = __atomic_fetch_add(&shared->log_end, length, __ATOMIC_ACQ_REL);
    if (at + length <= board_log_bytes) {
        memcpy(shared->log + at, line, length);
    }
    __atomic_fetch_add(&shared->deviations, 1, __ATOMIC_ACQ_REL);
}

void count_round(void) {
    __atomic_fetch_add(&shared->rounds, 1, __ATOMIC_RELAXED);
}

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void sleep_ms(unsigned ms) {
    struct timespec rest = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
    }
}

pid_t thread_id(void) {
    return (pid_t)syscall(SYS_gettid);
}

void start_thread(void* (*run)(void*), void* argument) {
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    const int error = pthread_create(&thread, &attributes, run, argument);
    if (error != 0) {
        fprintf(stderr, "pthread_create: %s\n", strerror(error));
        exit(2);
    }
}

uint64_t next_random(uint64_t* state) {
    *state += 0x9e3779b97f4a7c15;
    uint64_t mixed = *state;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
}

/* A thread in user mode learns of a signal a little after the sender's kill() has returned. */
static const uint64_t reaches_thread_within_ns = 100000000;

struct torments look_at_torments(void) {
    struct torments seen;
    seen.begun = __atomic_load_n(&shared->torments_begun, __ATOMIC_ACQUIRE);
    seen.under_way = __atomic_load_n(&shared->torments_over, __ATOMIC_ACQUIRE) != seen.begun ||
                     now_ns() - __atomic_load_n(&shared->torment_over_ns, __ATOMIC_ACQUIRE) < reaches_thread_within_ns;
    return seen;
}

bool eintr_is_its_own;

bool tormented_since(struct torments before) {
    return before.under_way || __atomic_load_n(&shared->torments_begun, __ATOMIC_ACQUIRE) != before.begun;
}
