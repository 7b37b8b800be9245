/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     uring_random DIRECTORY [SEED [COUNT [LOG]]]
 *
 * About COUNT requests of many operations, by four threads with a ring each and one that all share, in an order given
 * by SEED: batches, chains, multishot, skipped CQEs, a CQ ring that overflows, bad SQEs, and every kind of cancel. Each
 * thread logs what it did; the sums of the logs are printed by operation and outcome. LOG gets a line for each request:
 *
 *     RING SEQUENCE OPERATION USER_DATA RESULT OUTCOME CQES
 *
 * RING is the number of the ring, SEQUENCE the request's in it, RESULT `-` where there was no CQE.
 */
#include "uring.h"

#include <sys/stat.h>

enum {
    THREADS = 4,
    SHARED = THREADS, /* the ring that all use */
    ENTRIES = 16,
    FILE_SIZE = 1 << 16,
    OPS = 64,
    BAD_OPCODE = 250,
};
enum outcome { COMPLETED, FAILED, CANCELLED, ABANDONED, OUTCOMES };
static const char* const outcome_names[] = {"completed", "failed", "cancelled", "abandoned"};
#define USER_DATA_BASE 0x7e00000000000000u

struct entry {
    uint32_t sequence;
    uint8_t ring, opcode, outcome;
    bool ended, silent;
    int32_t result;
    uint32_t cqes;
};

struct my_ring {
    struct ring ring;
    pthread_mutex_t lock;
    uint32_t sequence;
    unsigned number;
};

struct worker {
    unsigned number, seed;
    unsigned long limit, count; /* entries */
    struct entry* entries;
    unsigned long cancelled, completed_first;
    char* buffer;
    int pipe[2];
    struct my_ring own;
    struct my_ring* at; /* the ring in use */
};

static struct my_ring shared_ring = {.lock = PTHREAD_MUTEX_INITIALIZER, .number = SHARED};
static int data_fd;
static char no_path[] = "/proc/self/no-such-file";
static struct __kernel_timespec never = {.tv_sec = 1000};
static struct __kernel_timespec soon = {.tv_nsec = 100000};

static unsigned dice(struct worker* worker, unsigned sides) {
    return (unsigned)rand_r(&worker->seed) % sides;
}

static struct io_uring_sqe* put(struct worker* worker, int opcode, int fd, const void* addr, unsigned len,
                                uint64_t off) {
    CHECK(worker->count < worker->limit, "the log is full");
    struct io_uring_sqe* sqe = prep(&worker->at->ring, opcode, fd, addr, len, off);
    worker->entries[worker->count] = (struct entry){
        .sequence = worker->at->sequence++, .ring = (uint8_t)worker->at->number, .opcode = (uint8_t)opcode};
    sqe->user_data = USER_DATA_BASE | (uint64_t)worker->number << 40 | worker->count++;
    return sqe;
}

static struct entry* entry_of(struct worker* worker, uint64_t user_data) {
    unsigned long index = user_data & 0xffffffffff;
    CHECK((user_data ^ USER_DATA_BASE) >> 40 == worker->number && index < worker->count, "a CQE of %#lx", user_data);
    return &worker->entries[index];
}

static enum outcome outcome_of(uint8_t opcode, int result) {
    bool timeout = opcode == IORING_OP_TIMEOUT || opcode == IORING_OP_LINK_TIMEOUT;
    return result >= 0 || (timeout && result == -ETIME) ? COMPLETED : result == -ECANCELED ? CANCELLED : FAILED;
}

static struct cqe take(struct worker* worker) {
    struct cqe cqe = ring_reap(&worker->at->ring);
    struct entry* entry = entry_of(worker, cqe.user_data);
    CHECK(!entry->ended, "a CQE of %#lx, which had ended", cqe.user_data);
    entry->cqes++;
    if (!(cqe.flags & IORING_CQE_F_MORE)) {
        entry->ended = true;
        entry->result = cqe.res;
        entry->outcome = (uint8_t)outcome_of(entry->opcode, cqe.res);
    }
    return cqe;
}

/* Until all requests from the first on have ended that will have a CQE. */
static void take_from(struct worker* worker, unsigned long first) {
    for (unsigned long i = first; i < worker->count; i++) {
        while (!worker->entries[i].ended && !worker->entries[i].silent) {
            take(worker);
        }
    }
}

static void silence(struct worker* worker, unsigned long index, enum outcome outcome) {
    worker->entries[index].silent = true;
    worker->entries[index].outcome = (uint8_t)outcome;
}

/* One that ends by itself. `certain`: it must not fail, nor be short. */
static struct io_uring_sqe* put_quick(struct worker* worker, bool certain) {
    static struct statx status[THREADS];
    static struct iovec vectors[THREADS][2];
    struct iovec* vector = vectors[worker->number];
    vector[0] = (struct iovec){worker->buffer, 1000};
    vector[1] = (struct iovec){worker->buffer + 2048, 500};
    unsigned length = 1 + dice(worker, 4095);
    unsigned offset =
        dice(worker, certain ? FILE_SIZE - 4096 : FILE_SIZE * 5 / 4); /* some are short, some get nothing */
    struct io_uring_sqe* sqe;
    switch (dice(worker, certain ? 8 : 15)) {
        case 0:
        case 1:
            return put(worker, IORING_OP_NOP, -1, NULL, 0, 0);
        case 2:
            return put(worker, IORING_OP_READ, data_fd, worker->buffer, length, offset);
        case 3:
            return put(worker, IORING_OP_WRITE, data_fd, worker->buffer, length, offset % (FILE_SIZE - 4096));
        case 4:
            return put(worker, IORING_OP_READV, data_fd, vector, 2, offset);
        case 5:
            return put(worker, IORING_OP_WRITEV, data_fd, vector, 2, offset % (FILE_SIZE - 4096));
        case 6:
            return put(worker, IORING_OP_STATX, AT_FDCWD, "/", STATX_SIZE, (uintptr_t)&status[worker->number]);
        case 7:
            sqe = put(worker, IORING_OP_POLL_ADD, worker->pipe[1], NULL, 0, 0);
            sqe->poll32_events = POLLOUT;
            return sqe;
        case 8:
            return put(worker, IORING_OP_READ, data_fd, (void*)8, length, 0);
        case 9:
            return put(worker, IORING_OP_WRITE, 9999, worker->buffer, length, 0);
        case 10:
            return put(worker, IORING_OP_OPENAT, AT_FDCWD, no_path, 0, 0);
        case 11:
            return put(worker, IORING_OP_TIMEOUT, -1, &soon, 1, 0);
        case 12:
            return put(worker, IORING_OP_TIMEOUT, -1, NULL, 2, 0); /* refused: len must be 1 */
        case 13:
            return dice(worker, 4) ? put(worker, BAD_OPCODE, -1, NULL, 0, 0)
                                   : put(worker, IORING_OP_FSYNC, data_fd, NULL, 0, 0);
        default:
            return put(worker, IORING_OP_UNLINKAT, AT_FDCWD, no_path, 0, 0);
    }
}

static void batch(struct worker* worker) {
    unsigned long first = worker->count;
    /* Three rounds are more than the CQ ring holds. No drains: a kernel may wait for ever for what is in the backlog.
     */
    for (unsigned round = dice(worker, 8) ? 1 : 3; round > 0; round--) {
        for (unsigned left = 1 + dice(worker, ENTRIES); left > 0; left--) {
            struct io_uring_sqe* sqe = put_quick(worker, false);
            if (sqe->opcode < OPS && dice(worker, 40) == 0) {
                sqe->flags = IOSQE_ASYNC;
            }
        }
        ring_submit(&worker->at->ring);
    }
    take_from(worker, first);
}

static void chain(struct worker* worker) {
    unsigned long first = worker->count;
    unsigned flag = dice(worker, 3) ? IOSQE_IO_LINK : IOSQE_IO_HARDLINK;
    unsigned left = 2 + dice(worker, 6);
    bool bad = dice(worker, 2);
    while (left-- > 0) {
        bool fails = bad && dice(worker, 4) == 0;
        struct io_uring_sqe* sqe =
            fails ? put(worker, IORING_OP_READ, 9999, worker->buffer, 1, 0) : put_quick(worker, true);
        sqe->flags |= left ? (uint8_t)flag : 0;
    }
    ring_submit(&worker->at->ring);
    take_from(worker, first);
}

/* Successes without a CQE, then one with. */
static void skipping(struct worker* worker) {
    unsigned long first = worker->count;
    bool linked = dice(worker, 2);
    for (unsigned left = 1 + dice(worker, 3); left > 0; left--) {
        put_quick(worker, true)->flags = (uint8_t)(IOSQE_CQE_SKIP_SUCCESS | (linked ? IOSQE_IO_LINK : 0));
        silence(worker, worker->count - 1, COMPLETED);
    }
    put(worker, IORING_OP_NOP, -1, NULL, 0, 0);
    ring_submit(&worker->at->ring);
    take_from(worker, first);
}

static uint64_t put_pending(struct worker* worker, unsigned kind) {
    struct io_uring_sqe* sqe;
    if (kind == 0) {
        sqe = put(worker, IORING_OP_READ, worker->pipe[0], worker->buffer, 8, UINT64_MAX);
    } else if (kind == 1) {
        sqe = put(worker, IORING_OP_POLL_ADD, worker->pipe[0], NULL, 0, 0);
        sqe->poll32_events = POLLIN;
    } else {
        sqe = put(worker, IORING_OP_TIMEOUT, -1, &never, 1, 0);
    }
    return sqe->user_data;
}

static void drain_pipe(struct worker* worker) {
    uint64_t value;
    CHECK(read(worker->pipe[0], &value, sizeof value) == sizeof value, "read: %m");
}

/* One that waits, and what ends it. */
static void pending(struct worker* worker) {
    static const int removers[] = {IORING_OP_ASYNC_CANCEL, IORING_OP_POLL_REMOVE, IORING_OP_TIMEOUT_REMOVE};
    struct ring* ring = &worker->at->ring;
    unsigned long first = worker->count;
    unsigned kind = dice(worker, 3);
    uint64_t target = put_pending(worker, kind);
    struct entry* entry = &worker->entries[first];
    unsigned how = dice(worker, 4);
    if (how == 0 && kind == 0) { /* a linked timeout takes it */
        ((struct io_uring_sqe*)(ring->sqes + (ring->tail - 1) % ENTRIES * ring->sqe_size))->flags = IOSQE_IO_LINK;
        put(worker, IORING_OP_LINK_TIMEOUT, -1, &soon, 1, 0);
        ring_submit(ring);
        take_from(worker, first);
        CHECK(entry->result == -ECANCELED, "a read with a linked timeout = %d", entry->result);
        account_cancels(1);
        worker->cancelled++;
        return;
    }
    ring_submit(ring);
    if (how == 1 && kind < 2) { /* it gets what it waits for, and a cancel comes too late */
        make_ready(worker->pipe[1]);
        take_from(worker, first);
        if (kind == 1) {
            drain_pipe(worker);
        }
        CHECK(entry->result == (kind ? POLLIN : 8), "pending = %d", entry->result);
        put(worker, IORING_OP_ASYNC_CANCEL, -1, (void*)target, 0, 0);
        ring_submit(ring);
        take_from(worker, first);
        int late = worker->entries[worker->count - 1].result;
        /* A worker may have run the read, and not yet let go of it. */
        CHECK(late == -ENOENT || late == -EALREADY, "the cancel of what had completed = %d", late);
        worker->completed_first += late == -ENOENT;
        return;
    }
    if (how == 2 && !(ring->params.flags & IORING_SETUP_SQPOLL)) {
        long ret = sync_cancel(ring, target, -1, 0);
        CHECK(ret == 0, "sync_cancel = %ld", ret);
    } else {
        put(worker, how == 3 ? IORING_OP_ASYNC_CANCEL : removers[kind], -1, (void*)target, 0, 0);
        ring_submit(ring);
    }
    take_from(worker, first);
    CHECK(entry->result == -ECANCELED, "a cancelled request = %d", entry->result);
    worker->cancelled++;
}

static void multishot(struct worker* worker) {
    unsigned long first = worker->count;
    int event = (int)OS(eventfd(0, 0));
    struct io_uring_sqe* sqe = put(worker, IORING_OP_POLL_ADD, event, NULL, IORING_POLL_ADD_MULTI, 0);
    sqe->poll32_events = POLLIN;
    uint64_t target = sqe->user_data;
    ring_submit(&worker->at->ring);
    for (unsigned left = dice(worker, 4); left > 0; left--) {
        uint64_t value;
        make_ready(event);
        take(worker);
        CHECK(read(event, &value, sizeof value) == sizeof value, "read: %m");
    }
    put(worker, IORING_OP_POLL_REMOVE, -1, (void*)target, 0, 0);
    ring_submit(&worker->at->ring);
    take_from(worker, first);
    worker->cancelled++;
    OS(close(event));
}

static void step(struct worker* worker) {
    static void (*const steps[])(struct worker*) = {batch, batch, batch, chain, skipping, pending, multishot};
    worker->at = dice(worker, 5) ? &worker->own : &shared_ring;
    pthread_mutex_lock(&worker->at->lock);
    steps[dice(worker, sizeof steps / sizeof *steps)](worker);
    pthread_mutex_unlock(&worker->at->lock);
}

static void* work(void* argument) {
    static const unsigned setup[THREADS] = {0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                                            IORING_SETUP_CQSIZE | IORING_SETUP_COOP_TASKRUN, IORING_SETUP_SQPOLL};
    struct worker* worker = argument;
    worker->own.ring =
        ring_with(ENTRIES, (struct io_uring_params){.flags = setup[worker->number] | IORING_SETUP_SUBMIT_ALL,
                                                    .cq_entries = ENTRIES,
                                                    .sq_thread_idle = 5});
    worker->own.ring.unlogged = true;
    pthread_mutex_init(&worker->own.lock, NULL);
    worker->own.number = worker->number;
    while (worker->count < worker->limit - 4 * ENTRIES) {
        step(worker);
    }
    worker->at = &worker->own;
    sleep_ms(50); /* those without a CQE may still be with a worker */
    for (unsigned kind = 0; kind < 3; kind++) {
        put_pending(worker, kind);
        silence(worker, worker->count - 1, ABANDONED);
    }
    ring_submit(&worker->own.ring);
    return NULL;
}

/* A request's line, and its part of the sums. */
static void tell(const struct worker* workers, FILE* log) {
    static unsigned long count[OPS][OUTCOMES];
    static uint64_t user_data_sum[OPS][OUTCOMES];
    static long bytes[OPS][OUTCOMES];
    for (unsigned w = 0; w < THREADS; w++) {
        for (unsigned long i = 0; i < workers[w].count; i++) {
            const struct entry* entry = &workers[w].entries[i];
            const char* name = uring_op_name(entry->opcode);
            uint64_t user_data = USER_DATA_BASE | (uint64_t)w << 40 | i;
            char result[16] = "-";
            if (!entry->silent) {
                snprintf(result, sizeof result, "%d", entry->result);
            }
            if (log) {
                fprintf(log, "%u %u %s %#lx %s %s %u\n", entry->ring, entry->sequence, name, user_data, result,
                        outcome_names[entry->outcome], entry->cqes);
            }
            if (entry->opcode < OPS) {
                bool transfer = entry->opcode == IORING_OP_READ || entry->opcode == IORING_OP_WRITE ||
                                entry->opcode == IORING_OP_READV || entry->opcode == IORING_OP_WRITEV;
                count[entry->opcode][entry->outcome]++;
                user_data_sum[entry->opcode][entry->outcome] += user_data;
                bytes[entry->opcode][entry->outcome] += transfer && entry->result > 0 ? entry->result : 0;
            }
        }
    }
    for (unsigned i = 0; i < OPS * OUTCOMES; i++) {
        unsigned op = i / OUTCOMES;
        unsigned outcome = i % OUTCOMES;
        if (count[op][outcome]) {
            char transfers[32];
            snprintf(transfers, sizeof transfers, " bytes=%ld", bytes[op][outcome]);
            expect("sum op=%s outcome=%s count=%lu%s user_data_sum=%lu", uring_op_name(op), outcome_names[outcome],
                   count[op][outcome], transfers, user_data_sum[op][outcome]);
        }
    }
}

int main(int argc, char** argv) {
    start(argc, argv);
    static struct worker workers[THREADS];
    pthread_t threads[THREADS];
    unsigned seed = (unsigned)argument(1);
    unsigned long total = argc > 3 ? strtoul(argv[3], NULL, 0) : 20000;
    alarm(60 + (unsigned)(total / 1000));
    FILE* log = argc > 4 ? fopen(argv[4], "we") : NULL;
    CHECK(argc <= 4 || log, "%s: %m", argv[4]);
    data_fd = scratch_file("data", O_RDWR, FILE_SIZE);
    shared_ring.ring = ring_new(ENTRIES, IORING_SETUP_SUBMIT_ALL);
    shared_ring.ring.unlogged = true;
    for (unsigned i = 0; i < THREADS; i++) {
        struct worker* worker = &workers[i];
        *worker = (struct worker){.number = i, .seed = seed * THREADS + i, .limit = total / THREADS + 8 * ENTRIES};
        worker->entries = pages(worker->limit * sizeof *worker->entries);
        worker->buffer = pages(8192);
        make_pipe(worker->pipe);
        CHECK(!pthread_create(&threads[i], NULL, work, worker), "no thread");
    }
    unsigned long cancels[2] = {0};
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        cancels[0] += workers[i].cancelled;
        cancels[1] += workers[i].completed_first;
    }
    tell(workers, log);
    CHECK(!log || !fclose(log), "the log: %m");
    expect("cancel family=uring verdict=cancelled count=%lu", cancels[0]);
    expect("cancel family=uring ret=%d verdict=completed-first count=%lu", -ENOENT, cancels[1]);
    finish();
}
