/* SPDX-License-Identifier: Apache-2.0 */
/* Forks, vforks, execs, exits and threads that come and go. With "execs" as argv[2] the process itself also becomes
 * a new program all the time, from one of its threads. */
#include "target.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char* own_path;
static char** own_arguments;
/* The process becomes a new one: its other threads are ended, and may see each other's ends. */
static bool leaving;

#define report(...)                                         \
    do {                                                    \
        if (!__atomic_load_n(&leaving, __ATOMIC_ACQUIRE)) { \
            deviation(__VA_ARGS__);                         \
        }                                                   \
    } while (false)

static void expect_exit(pid_t child, int wanted, const char* how) {
    int status = 0;
    pid_t got = 0;
    if (child < 0) {
        report("%s: %s", how, strerror(errno));
        return;
    }
    do {
        const struct torments before = look_at_torments();
        got = waitpid(child, &status, 0);
        if (got < 0 && errno == EINTR && !tormented_since(before)) {
            report("waitpid: EINTR");
        }
    } while (got < 0 && errno == EINTR);
    if (got != child || !WIFEXITED(status) || WEXITSTATUS(status) != wanted) {
        report("%s: expected exit status %d got %x (%d)", how, wanted, (unsigned)status, (int)got);
    }
    count_round();
}

/* In the child: its memory is what it was at the fork. */
static int check_copy(const unsigned char* block, size_t bytes, unsigned char value) {
    for (size_t i = 0; i < bytes; i++) {
        if (block[i] != value) {
            return 1;
        }
    }
    return value % 100 + 2;
}

static void* fork_often(void* argument) {
    unsigned char block[4096];
    (void)argument;
    for (unsigned char value = 0; !is_finished(); value++) {
        memset(block, value, sizeof(block));
        const pid_t child = fork();
        if (child == 0) {
            _exit(check_copy(block, sizeof(block), value));
        }
        expect_exit(child, value % 100 + 2, "fork");
        sleep_ms(3);
    }
    return NULL;
}

static void* vfork_often(void* argument) {
    (void)argument;
    while (!is_finished()) {
        volatile int seen = 0;
        const pid_t child = vfork();
        if (child == 0) {
            seen = 41;
            _exit(seen + 1);
        }
        if (child > 0 && seen != 41) {
            report("vfork: expected the child's value 41 got %d", seen);
        }
        expect_exit(child, 42, "vfork");
        sleep_ms(11);
    }
    return NULL;
}

static void* exec_often(void* argument) {
    (void)argument;
    while (!is_finished()) {
        char* arguments[] = {own_path, "child", NULL};
        /* Not posix_spawn, which blocks all signals for a moment: a SIGCHLD that comes then is not thrown away, but
         * wakes a thread that does not block it, without any cancel. */
        const pid_t child = vfork();
        if (child == 0) {
            execv("/proc/self/exe", arguments);
            _exit(127);
        }
        expect_exit(child, 7, "vfork and exec");
        sleep_ms(17);
    }
    return NULL;
}

static void* return_it(void* argument) {
    return (void*)((uint64_t)argument * 3);
}

static void* thread_often(void* argument) {
    (void)argument;
    for (uint64_t number = 1; !is_finished(); number++) {
        pthread_t thread;
        void* result = NULL;
        if (pthread_create(&thread, NULL, return_it, (void*)number) != 0 || pthread_join(thread, &result) != 0 ||
            (uint64_t)result != number * 3) {
            report("a thread: expected %llu got %llu", (unsigned long long)number * 3, (unsigned long long)result);
        }
        count_round();
        sleep_ms(2);
    }
    return NULL;
}

/* The requests of the old program are gone; the new one says its own. */
static void* become_new(void* argument) {
    uint64_t random = now_ns();
    (void)argument;
    sleep_ms(40 + (unsigned)(next_random(&random) % 160));
    if (!is_finished()) {
        __atomic_store_n(&board()->orders_count, 0, __ATOMIC_RELEASE);
        __atomic_store_n(&leaving, true, __ATOMIC_RELEASE);
        /* What is ignored stays so until the new program has its handlers. */
        const int sent[] = {SIGUSR1, SIGUSR2, SIGALRM};
        for (unsigned i = 0; i < sizeof(sent) / sizeof(*sent); i++) {
            signal(sent[i], SIG_IGN);
        }
        execv("/proc/self/exe", own_arguments);
        deviation("exec: %s", strerror(errno));
    }
    return NULL;
}

int main(int argc, char** argv) {
    if (argc == 2 && strcmp(argv[1], "child") == 0) {
        return 7;
    }
    begin_target(argc, argv);
    own_path = argv[0];
    own_arguments = argv;
    eintr_is_its_own = argc > 2 && strcmp(argv[2], "execs") == 0;
    start_keepers();
    if (eintr_is_its_own) {
        start_thread(become_new, NULL);
    } else {
        start_thread(vfork_often, NULL);
        start_thread(fork_often, NULL);
    }
    start_thread(exec_often, NULL);
    start_thread(thread_often, NULL);
    serve_until_finished(NULL);
}
