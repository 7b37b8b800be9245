/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the load generators share: their options, the clock, and one line of JSON about what they did, written to a file
 * so that nothing a tracer prints can be taken for it.
 */
#ifndef INFLIGHT_BENCH_LOAD_H
#define INFLIGHT_BENCH_LOAD_H

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct load {
    unsigned depth;   /* requests to a submission */
    unsigned threads; /* each with a ring of its own */
    double seconds;   /* how long */
    double rate;      /* requests per second and thread; 0: as many as it can */
    const char* result;
};

static inline double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

_Noreturn static inline void fail(const char* what) {
    perror(what);
    exit(1);
}

static inline struct load parse(int argc, char** argv) {
    static const struct option options[] = {{"depth", 1, NULL, 'd'},   {"threads", 1, NULL, 't'},
                                            {"seconds", 1, NULL, 's'}, {"rate", 1, NULL, 'r'},
                                            {"result", 1, NULL, 'o'},  {NULL, 0, NULL, 0}};
    struct load load = {.depth = 32, .threads = 1, .seconds = 2};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
            case 'd':
                load.depth = (unsigned)atoi(optarg);
                break;
            case 't':
                load.threads = (unsigned)atoi(optarg);
                break;
            case 's':
                load.seconds = atof(optarg);
                break;
            case 'r':
                load.rate = atof(optarg);
                break;
            case 'o':
                load.result = optarg;
                break;
            default:
                exit(2);
        }
    }
    if (load.depth < 1 || load.depth > 4096 || load.threads < 1 || load.threads > 64 || load.seconds <= 0 ||
        optind < argc) {
        fprintf(stderr, "usage: %s [--depth 1..4096] [--threads 1..64] [--seconds S] [--rate PER_S] [--result FILE]\n",
                argv[0]);
        exit(2);
    }
    return load;
}

static inline void report(const struct load* load, unsigned long requests, double seconds) {
    FILE* file = load->result ? fopen(load->result, "w") : stdout;
    if (!file || fprintf(file, "{\"requests\": %lu, \"seconds\": %.6f}\n", requests, seconds) < 0 || fflush(file)) {
        fail("result");
    }
}

#endif
