/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 20,000 (or argv[3]) requests of every operation, by four threads with a context each, in an order given by argv[2],
 * the seed. Each thread logs what it did; the sums of the logs are printed by operation and outcome.
 */
#include "aio.h"

enum { THREADS = 4, OPS = IOCB_CMD_PWRITEV + 1, FILE_SIZE = 1 << 16 };
enum outcome { COMPLETED, FAILED, CANCELLED, ABANDONED, OUTCOMES };
static const char* const outcome_names[] = {"completed", "failed", "cancelled", "abandoned"};

struct log {
    unsigned seed;
    unsigned long count[OPS][OUTCOMES];
    unsigned long user_data_sum[OPS][OUTCOMES];
    long bytes[OPS][OUTCOMES];
    unsigned long cancels[2]; /* cancelled, completed first */
};

static int data_fd;
static int requests = 5000; /* of each thread */

static void record(struct log* log, const struct iocb* iocb, enum outcome outcome, long result) {
    unsigned op = iocb->aio_lio_opcode;
    log->count[op][outcome]++;
    log->user_data_sum[op][outcome] += iocb->aio_data;
    if (op != IOCB_CMD_POLL && result > 0) {
        log->bytes[op][outcome] += result;
    }
}

static void run_one(struct log* log, aio_context_t ctx, struct iocb* iocb, char* buffer) {
    static const int opcodes[] = {IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_PREADV, IOCB_CMD_PWRITEV, IOCB_CMD_POLL};
    struct iovec vector[2] = {{buffer, (size_t)rand_r(&log->seed) % 2048}, {buffer + 2048, 100}};
    int opcode = opcodes[rand_r(&log->seed) % 5];
    int length = rand_r(&log->seed) % 4096;
    int offset = rand_r(&log->seed) % (FILE_SIZE * 5 / 4); /* some reads are short, some get nothing */
    int dice = rand_r(&log->seed) % 100;
    if (dice == 0) {
        *iocb = prep_fsync(rand_r(&log->seed) % 2 ? IOCB_CMD_FSYNC : IOCB_CMD_FDSYNC, data_fd);
    } else if (opcode == IOCB_CMD_PREAD || opcode == IOCB_CMD_PWRITE) {
        *iocb = prep_rw(opcode, data_fd, dice < 10 ? (char*)8 : buffer, (size_t)length + 1, offset % FILE_SIZE);
    } else if (opcode != IOCB_CMD_POLL) {
        *iocb = prep_rw(opcode, data_fd, vector, 2, offset);
    } else {
        int fd = (int)OS(eventfd(dice < 30, 0));
        *iocb = prep_poll(fd, POLLIN);
        submit(ctx, iocb);
        if (dice >= 30 && dice < 60) {
            make_ready(fd);
        } else if (dice >= 60) {
            CHECK(io_cancel(ctx, iocb, NULL) == -EINPROGRESS, "a pending poll was not cancelled");
            log->cancels[0]++;
        }
        struct io_event event = reap(ctx);
        CHECK(event.res == (dice >= 60 ? 0 : POLLIN), "poll = %lld", event.res);
        record(log, iocb, dice >= 60 ? CANCELLED : COMPLETED, event.res);
        OS(close(fd));
        return;
    }
    submit(ctx, iocb);
    struct io_event event = reap(ctx);
    CHECK(event.data == iocb->aio_data, "the event of another");
    record(log, iocb, event.res < 0 ? FAILED : COMPLETED, event.res);
    if (dice > 95) {
        CHECK(io_cancel(ctx, iocb, NULL) == -EINVAL, "a completed request was cancelled");
        log->cancels[1]++;
    }
}

static void* work(void* argument) {
    struct log* log = argument;
    char* buffer = pages(8192);
    struct iocb iocbs[8];
    int never = (int)OS(eventfd(0, 0));
    aio_context_t ctx = setup(16);
    for (int i = 0; i < requests - 8; i++) {
        run_one(log, ctx, &iocbs[i % 8], buffer);
    }
    for (int i = 0; i < 8; i++) {
        iocbs[i] = prep_poll(never, POLLIN);
        submit(ctx, &iocbs[i]);
        record(log, &iocbs[i], ABANDONED, 0);
    }
    destroy(ctx);
    return NULL;
}

int main(int argc, char** argv) {
    start(argc, argv);
    static struct log logs[THREADS];
    struct log all = {0};
    pthread_t threads[THREADS];
    requests = argc > 3 ? (int)strtoul(argv[3], NULL, 0) / THREADS : requests;
    data_fd = scratch_file("data", O_RDWR, FILE_SIZE);
    for (int i = 0; i < THREADS; i++) {
        logs[i].seed = (unsigned)argument(1) * THREADS + (unsigned)i;
        CHECK(!pthread_create(&threads[i], NULL, work, &logs[i]), "no thread");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        for (int op = 0; op < OPS; op++) {
            for (int outcome = 0; outcome < OUTCOMES; outcome++) {
                all.count[op][outcome] += logs[i].count[op][outcome];
                all.bytes[op][outcome] += logs[i].bytes[op][outcome];
                all.user_data_sum[op][outcome] += logs[i].user_data_sum[op][outcome];
            }
        }
        all.cancels[0] += logs[i].cancels[0];
        all.cancels[1] += logs[i].cancels[1];
    }
    for (int i = 0; i < OPS * OUTCOMES; i++) {
        int op = i / OUTCOMES;
        int outcome = i % OUTCOMES;
        if (all.count[op][outcome]) {
            expect("sum op=%s outcome=%s count=%lu bytes=%ld user_data_sum=%lu", op_name((unsigned)op),
                   outcome_names[outcome], all.count[op][outcome], all.bytes[op][outcome],
                   all.user_data_sum[op][outcome]);
        }
    }
    expect("cancel verdict=cancelled ret=%d count=%lu", -EINPROGRESS, all.cancels[0]);
    expect("cancel verdict=completed-first ret=%d count=%lu", -EINVAL, all.cancels[1]);
    finish();
}
