/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two reads in flight that fill the same bytes. Kernel AIO waits for a pipe's data within io_submit, so each read has a
 * thread; data comes when both are asleep there.
 */
#include "aio.h"

#include <sys/syscall.h>

static aio_context_t ctx;
static char text[16];

struct reader {
    pthread_t thread;
    int ends[2];
    struct iocb iocb;
    atomic_int tid;
};

static void* read_pipe(void* argument) {
    struct reader* reader = argument;
    struct iocb* list = &reader->iocb;
    reader->tid = (int)syscall(SYS_gettid);
    long taken = io_submit(ctx, 1, &list);
    CHECK(taken == 1, "io_submit = %ld", taken);
    return NULL;
}

/* After it has told its tid, io_submit is all that it can sleep in. */
static bool sleeps(pid_t tid) {
    char path[64];
    char state = '?';
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    FILE* file = fopen(path, "r");
    CHECK(file != NULL && fscanf(file, "%*d (%*[^)]) %c", &state) == 1, "cannot read %s", path);
    fclose(file);
    return state == 'S';
}

static void begin(struct reader* reader, char* buffer) {
    OS(pipe(reader->ends));
    reader->iocb = prep_rw(IOCB_CMD_PREAD, reader->ends[0], buffer, 8, 0);
    CHECK(!pthread_create(&reader->thread, NULL, read_pipe, reader), "no thread");
    while (reader->tid == 0 || !sleeps(reader->tid)) {
        sleep_ms(1);
    }
}

static void end(struct reader* reader) {
    make_ready(reader->ends[1]);
    struct io_event event = reap(ctx);
    CHECK(event.data == reader->iocb.aio_data, "the event of another");
    pthread_join(reader->thread, NULL);
    expect_reaped(&reader->iocb, &event);
}

int main(int argc, char** argv) {
    start(argc, argv);
    struct reader one = {.ends = {-1, -1}};
    struct reader other = {.ends = {-1, -1}};
    ctx = setup(8);
    begin(&one, text);
    begin(&other, text + 4);
    end(&one);
    end(&other);
    destroy(ctx);
    finish();
}
