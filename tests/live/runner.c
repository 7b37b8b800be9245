/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs workloads one after the other, so that one trace can be of them all:
 *
 *     live_runner STATUS OUTDIR SCRATCHDIR WORKLOAD[=ARGUMENT[,ARGUMENT]...]...
 *
 * Each gets SCRATCHDIR and its arguments; what it prints goes to OUTDIR/NAME.expect and OUTDIR/NAME.err. OUTDIR/index
 * gets a line for each: its name, exit status (128 + N: killed by signal N), pid, and the CLOCK_MONOTONIC nanoseconds
 * between which it ran. Those times do not touch, so the time of a record tells whose it is. Exits with STATUS.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_MS = 5, BROKEN = 126, MOST_ARGUMENTS = 4 };

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void redirect(int fd, const char* path, int flags) {
    int opened = open(path, flags, 0600);
    if (opened < 0 || dup2(opened, fd) < 0) {
        perror(path);
        _exit(BROKEN);
    }
    close(opened);
}

static void run(char* program, char* list, const char* out, char* scratch) {
    char* arguments[MOST_ARGUMENTS + 3] = {program, scratch};
    char stdout_path[PATH_MAX];
    char stderr_path[PATH_MAX];
    const char* name = basename(program);
    snprintf(stdout_path, sizeof stdout_path, "%s/%s.expect", out, name);
    snprintf(stderr_path, sizeof stderr_path, "%s/%s.err", out, name);
    redirect(STDIN_FILENO, "/dev/null", O_RDONLY);
    redirect(STDOUT_FILENO, stdout_path, O_WRONLY | O_CREAT | O_TRUNC);
    redirect(STDERR_FILENO, stderr_path, O_WRONLY | O_CREAT | O_TRUNC);
    for (int i = 0; list && i < MOST_ARGUMENTS; i++) {
        arguments[i + 2] = strsep(&list, ",");
    }
    execv(program, arguments);
    perror(program);
    _exit(BROKEN);
}

int main(int argc, char** argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: %s STATUS OUTDIR SCRATCHDIR WORKLOAD[=ARGUMENT,...]...\n", argv[0]);
        return BROKEN;
    }
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/index", argv[2]);
    FILE* index = fopen(path, "we");
    if (!index) {
        perror(path);
        return BROKEN;
    }
    for (int i = 4; i < argc; i++) {
        char* argument = strchr(argv[i], '=');
        if (argument) {
            *argument++ = 0;
        }
        usleep(PAUSE_MS * 1000);
        uint64_t start = now_ns();
        pid_t child = fork();
        if (child == 0) {
            run(argv[i], argument, argv[2], argv[3]);
        }
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child) {
            perror(argv[i]);
            return BROKEN;
        }
        /* What the kernel still does for it, as ending the contexts of its last thread, is done by now or soon. */
        usleep(PAUSE_MS * 1000);
        fprintf(index, "%s %d %d %llu %llu\n", basename(argv[i]),
                WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), child, (unsigned long long)start,
                (unsigned long long)now_ns());
        fflush(index);
    }
    return atoi(argv[1]);
}
