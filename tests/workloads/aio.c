/* SPDX-License-Identifier: Apache-2.0 */
#include "aio.h"

#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/syscall.h>

/* The head of the ring that ctx_id points at: struct aio_ring of fs/aio.c. */
struct aio_ring {
    unsigned id, nr, head, tail, magic;
};

enum { RETURN_SLOTS = 1024, SCRATCH_FILES = 16 };

/* In shared memory, so that children count too. */
struct shared {
    atomic_ulong user_data;
    atomic_ulong requests;
    atomic_ulong cancels;              /* beside those of io_cancel */
    atomic_ulong calls[2][CALL_COUNT]; /* [i386] */
    struct {
        atomic_ulong key; /* 0: free */
        atomic_ulong count;
    } returns[RETURN_SLOTS];
};

static const char* const call_names[CALL_COUNT] = {
    [IO_SETUP] = "io_setup",
    [IO_DESTROY] = "io_destroy",
    [IO_SUBMIT] = "io_submit",
    [IO_CANCEL] = "io_cancel",
    [IO_GETEVENTS] = "io_getevents",
    [IO_PGETEVENTS] = "io_pgetevents",
    [IO_URING_SETUP] = "io_uring_setup",
    [IO_URING_ENTER] = "io_uring_enter",
    [IO_URING_REGISTER] = "io_uring_register",
};

static struct shared* shared;
static char scratch_dir[PATH_MAX];
static char scratch_paths[SCRATCH_FILES][PATH_MAX + 64];
static int scratch_count;
static pid_t main_pid;
static char** arguments;

static void remove_scratch_files(void) {
    for (int i = 0; getpid() == main_pid && i < scratch_count; i++) {
        unlink(scratch_paths[i]);
    }
}

void start(int argc, char** argv) {
    arguments = argv;
    main_pid = getpid();
    if (argc < 2) {
        fail("usage: %s DIRECTORY [ARGUMENT]", argv[0]);
    }
    if (!realpath(argv[1], scratch_dir)) {
        fail("%s: %m", argv[1]);
    }
    if (strpbrk(scratch_dir, " \t\n")) {
        skip("%s: expectations cannot hold a name with blanks", scratch_dir);
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED, "mmap: %m");
    shared->user_data = 0x1f0000;
    atexit(remove_scratch_files);
    /* A workload that hangs ends anyway. Not before a tracer that it waits for: on an emulated machine one may take
     * more than a minute to begin. */
    alarm(300);
}

void finish(void) {
    unsigned long cancels = shared->cancels;
    for (int i386 = 0; i386 < 2; i386++) {
        for (int call = 0; call < CALL_COUNT; call++) {
            if (shared->calls[i386][call]) {
                /* The total of one ABI cannot be told from that of both where the ABI is not said. */
                expect("event event=%s%s count=%lu", call_names[call], i386 ? " abi=i386" : "",
                       i386 ? shared->calls[1][call] : shared->calls[0][call] + shared->calls[1][call]);
            }
        }
        cancels += shared->calls[i386][IO_CANCEL];
    }
    for (int i = 0; i < RETURN_SLOTS; i++) {
        unsigned long key = shared->returns[i].key;
        if (!key || !shared->returns[i].count) {
            continue;
        }
        int ret = (int)(key >> 32);
        bool i386 = key & 0x100;
        if (!i386 && shared->calls[1][key & 0xff]) {
            continue;
        }
        expect("event event=%s ret=%d%s%s%s count=%lu", call_names[key & 0xff], ret, ret < 0 ? " error=" : "",
               ret < 0 ? strerrorname_np(-ret) : "", i386 ? " abi=i386" : "", shared->returns[i].count);
    }
    expect("totals requests=%lu cancels=%lu", shared->requests, cancels);
    flush();
    exit(0);
}

void fail(const char* format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    flush();
    if (getpid() != main_pid) {
        _exit(1);
    }
    exit(1);
}

void skip(const char* format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s: skipped: ", program_invocation_short_name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    exit(77);
}

long argument(long otherwise) {
    return arguments[1] && arguments[2] ? strtol(arguments[2], NULL, 0) : otherwise;
}

void wait_child(pid_t child, int status) {
    int got = 0;
    OS(waitpid(child, &got, 0));
    CHECK(got == status, "child %d ended with wait status %#x, not %#x", child, got, status);
}

void flush(void) {
    fflush(stdout);
}

long os_result(long ret, const char* call) {
    if (ret == -1) {
        fail("%s: %m", call);
    }
    return ret;
}

/* ---- system calls ---- */

void account(enum call call, long ret, bool i386) {
    shared->calls[i386][call]++;
    if (call == IO_SUBMIT && ret > 0) {
        shared->requests += (unsigned long)ret;
    }
    if (call == IO_PGETEVENTS && ret == -EINTR) {
        return; /* the kernel's own value is -ERESTARTNOHAND: what a tracer says is not for us to know */
    }
    unsigned long key = (unsigned long)(uint32_t)ret << 32 | 0x200 | (i386 ? 0x100 : 0) | call;
    for (int i = 0; i < RETURN_SLOTS; i++) {
        unsigned long seen = 0;
        if (atomic_compare_exchange_strong(&shared->returns[i].key, &seen, key) || seen == key) {
            shared->returns[i].count++;
            return;
        }
    }
}

void account_requests(unsigned long requests) {
    shared->requests += requests;
}

void account_cancels(unsigned long cancels) {
    shared->cancels += cancels;
}

uint64_t unique_user_data(void) {
    return shared->user_data++;
}

void account_from_here(unsigned long requests) {
    shared->cancels = 0;
    memset(shared->calls, 0, sizeof shared->calls);
    memset(shared->returns, 0, sizeof shared->returns);
    shared->requests = requests;
}

static long accounted(enum call call, long ret) {
    ret = ret == -1 ? -errno : ret;
    account(call, ret, false);
    return ret;
}

long io_setup(unsigned nr, aio_context_t* ctx) {
    return accounted(IO_SETUP, syscall(SYS_io_setup, nr, ctx));
}

long io_destroy(aio_context_t ctx) {
    return accounted(IO_DESTROY, syscall(SYS_io_destroy, ctx));
}

long io_submit(aio_context_t ctx, long nr, struct iocb** iocbpp) {
    return accounted(IO_SUBMIT, syscall(SYS_io_submit, ctx, nr, iocbpp));
}

long io_cancel(aio_context_t ctx, struct iocb* iocb, struct io_event* result) {
    return accounted(IO_CANCEL, syscall(SYS_io_cancel, ctx, iocb, result));
}

long io_getevents(aio_context_t ctx, long min_nr, long nr, struct io_event* events, struct timespec* timeout) {
    return accounted(IO_GETEVENTS, syscall(SYS_io_getevents, ctx, min_nr, nr, events, timeout));
}

long io_pgetevents(aio_context_t ctx, long min_nr, long nr, struct io_event* events, struct timespec* timeout,
                   const sigset_t* sigmask) {
    struct {
        const sigset_t* sigmask;
        size_t size; /* of the kernel's sigset_t */
    } sig = {sigmask, 8};
    return accounted(IO_PGETEVENTS, syscall(SYS_io_pgetevents, ctx, min_nr, nr, events, timeout, &sig));
}

/* ---- iocbs and steps ---- */

struct iocb prep_rw(int opcode, int fd, const void* buffer, size_t length, long long offset) {
    return (struct iocb){
        .aio_data = shared->user_data++,
        .aio_lio_opcode = (uint16_t)opcode,
        .aio_fildes = (uint32_t)fd,
        .aio_buf = (uintptr_t)buffer,
        .aio_nbytes = length,
        .aio_offset = offset,
    };
}

struct iocb prep_fsync(int opcode, int fd) {
    return prep_rw(opcode, fd, NULL, 0, 0);
}

struct iocb prep_poll(int fd, unsigned mask) {
    struct iocb iocb = prep_rw(IOCB_CMD_POLL, fd, NULL, 0, 0);
    iocb.aio_buf = mask;
    return iocb;
}

aio_context_t setup(unsigned nr) {
    aio_context_t ctx = 0;
    long ret = io_setup(nr, &ctx);
    if (ret == -ENOSYS) {
        skip("this kernel has no AIO");
    }
    if (ret == -EAGAIN) {
        skip("io_setup(%u): EAGAIN: /proc/sys/fs/aio-max-nr is used up", nr);
    }
    CHECK(ret == 0, "io_setup(%u) = %ld", nr, ret);
    return ctx;
}

void destroy(aio_context_t ctx) {
    long ret = io_destroy(ctx);
    CHECK(ret == 0, "io_destroy = %ld", ret);
}

void submit(aio_context_t ctx, struct iocb* iocb) {
    long ret = io_submit(ctx, 1, &iocb);
    CHECK(ret == 1, "io_submit(%s) = %ld, not 1", op_name(iocb->aio_lio_opcode), ret);
}

void submit_refused(aio_context_t ctx, struct iocb* iocb, int error) {
    uint64_t user_data = iocb->aio_data;
    long ret = io_submit(ctx, 1, &iocb);
    CHECK(ret == -error, "io_submit of a bad %s = %ld, not -%s", op_name(iocb->aio_lio_opcode), ret,
          strerrorname_np(error));
    expect("request user_data=%#lx count=0", user_data);
}

void reap_many(aio_context_t ctx, long nr, struct io_event* events) {
    struct timespec timeout = {.tv_sec = 10};
    long ret = io_getevents(ctx, nr, nr, events, &timeout);
    CHECK(ret == nr, "io_getevents = %ld, not %ld", ret, nr);
}

struct io_event reap(aio_context_t ctx) {
    struct io_event event;
    reap_many(ctx, 1, &event);
    return event;
}

unsigned ring_waiting(aio_context_t ctx) {
    volatile const struct aio_ring* ring = (const struct aio_ring*)ctx;
    unsigned head = ring->head;
    unsigned tail = ring->tail;
    return tail >= head ? tail - head : tail + ring->nr - head;
}

void cancel(aio_context_t ctx, struct iocb* iocb, int error, const char* verdict, const char* target_op) {
    struct io_event result;
    memset(&result, 0x5a, sizeof result);
    long ret = io_cancel(ctx, iocb, &result);
    CHECK(ret == -error, "io_cancel = %ld, not -%s", ret, strerrorname_np(error));
    CHECK(result.data == 0x5a5a5a5a5a5a5a5a, "io_cancel has written its result");
    expect_cancel(iocb, ret, verdict, target_op);
}

/* ---- expectations ---- */

const char* op_name(unsigned opcode) {
    static const char* const names[] = {
        [IOCB_CMD_PREAD] = "pread",     [IOCB_CMD_PWRITE] = "pwrite", [IOCB_CMD_FSYNC] = "fsync",
        [IOCB_CMD_FDSYNC] = "fdsync",   [IOCB_CMD_POLL] = "poll",     [IOCB_CMD_PREADV] = "preadv",
        [IOCB_CMD_PWRITEV] = "pwritev",
    };
    return opcode < sizeof names / sizeof *names && names[opcode] ? names[opcode] : "unknown";
}

void expect(const char* format, ...) {
    va_list list;
    va_start(list, format);
    flockfile(stdout);
    fputs("expect ", stdout);
    vprintf(format, list);
    fputc('\n', stdout);
    funlockfile(stdout);
    va_end(list);
}

void fd_name(int fd, char* name, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = OS(readlink(link, name, size - 1));
    name[length] = 0;
}

static void expect_end(const struct iocb* iocb, const char* end) {
    char file[PATH_MAX];
    char range[96] = "";
    fd_name((int)iocb->aio_fildes, file, sizeof file);
    unsigned opcode = iocb->aio_lio_opcode;
    if (opcode != IOCB_CMD_POLL && opcode != IOCB_CMD_FSYNC && opcode != IOCB_CMD_FDSYNC) {
        snprintf(range, sizeof range, " offset=%lld length=%llu", (long long)iocb->aio_offset,
                 (unsigned long long)iocb->aio_nbytes);
    }
    expect("request op=%s fd=%d file=%s address=%p user_data=%#lx%s %s", op_name(opcode), (int)iocb->aio_fildes, file,
           (const void*)iocb, (unsigned long)iocb->aio_data, range, end);
}

static void expect_result(const struct iocb* iocb, long result, const char* outcome, const char* reaped) {
    char end[128];
    snprintf(end, sizeof end, "result=%ld%s%s outcome=%s reaped=%s", result, result < 0 ? " error=" : "",
             result < 0 ? strerrorname_np((int)-result) : "", outcome, reaped);
    expect_end(iocb, end);
}

static void check_event(const struct iocb* iocb, const struct io_event* event) {
    CHECK(event->obj == (uintptr_t)iocb && event->data == iocb->aio_data && event->res2 == 0,
          "event of iocb %p, data %#llx, res2 %lld; not of iocb %p, data %#llx", (void*)(uintptr_t)event->obj,
          event->data, event->res2, (const void*)iocb, iocb->aio_data);
}

void expect_reaped(const struct iocb* iocb, const struct io_event* event) {
    check_event(iocb, event);
    expect_result(iocb, event->res, event->res < 0 ? "failed" : "completed", "yes");
}

void expect_unreaped(const struct iocb* iocb, long result) {
    expect_result(iocb, result, result < 0 ? "failed" : "completed", "no");
}

void expect_cancelled(const struct iocb* iocb, const struct io_event* event) {
    check_event(iocb, event);
    CHECK(event->res == 0, "cancelled, yet its result is %lld", event->res);
    expect_result(iocb, 0, "cancelled", "yes");
}

void expect_outcome(const struct iocb* iocb, const char* outcome) {
    char end[64];
    snprintf(end, sizeof end, "outcome=%s", outcome);
    expect_end(iocb, end);
}

void expect_cancel(const struct iocb* iocb, long ret, const char* verdict, const char* target_op) {
    expect("cancel address=0x%lx ret=%ld%s%s%s%s%s%s", (unsigned long)iocb, ret, ret < 0 ? " error=" : "",
           ret < 0 ? strerrorname_np((int)-ret) : "", verdict ? " verdict=" : "", verdict ? verdict : "",
           target_op ? " target_op=" : "", target_op ? target_op : "");
}

void expect_context(aio_context_t ctx, unsigned capacity_at_least, unsigned in_flight_max) {
    expect("context context=%#lx capacity_at_least=%u in_flight_max=%u", ctx, capacity_at_least, in_flight_max);
}

/* ---- files and time ---- */

const char* scratch_name(const char* name) {
    CHECK(scratch_count < SCRATCH_FILES, "too many scratch files");
    char* path = scratch_paths[scratch_count++];
    snprintf(path, sizeof scratch_paths[0], "%s/%s-%d-%s", scratch_dir, program_invocation_short_name, getpid(), name);
    return path;
}

int scratch_file(const char* name, int flags, size_t size) {
    const char* path = scratch_name(name);
    int fd = (int)OS(open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
    static char block[1 << 16];
    memset(block, 'x', sizeof block);
    for (size_t done = 0; done < size;) {
        size_t piece = size - done < sizeof block ? size - done : sizeof block;
        done += (size_t)OS(write(fd, block, piece));
    }
    OS(close(fd));
    fd = open(path, flags, 0600);
    if (fd < 0 && errno == EINVAL && (flags & O_DIRECT)) {
        skip("no O_DIRECT in %s", scratch_dir);
    }
    return (int)OS(fd);
}

void* pages(size_t size) {
    void* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    CHECK(memory != MAP_FAILED, "mmap of %zu bytes: %m", size);
    return memory;
}

int ready_eventfd(void) {
    return (int)OS(eventfd(1, EFD_CLOEXEC));
}

void make_ready(int fd) {
    uint64_t one = 1;
    CHECK(write(fd, &one, sizeof one) == sizeof one, "write: %m");
}

bool in_initial_pid_namespace(void) {
    char name[64] = "";
    return readlink("/proc/self/ns/pid", name, sizeof name - 1) > 0 && !strcmp(name, "pid:[4026531836]");
}

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void sleep_ms(long ms) {
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left)) {
    }
}

void spin_us(long us) {
    uint64_t end = now_ns() + (uint64_t)us * 1000;
    while (now_ns() < end) {
    }
}

static cpu_set_t allowed_cpus;

bool hold_cpu(void) {
    cpu_set_t here;
    CPU_ZERO(&here);
    OS(sched_getaffinity(0, sizeof allowed_cpus, &allowed_cpus));
    CPU_SET(sched_getcpu(), &here);
    OS(sched_setaffinity(0, sizeof here, &here));
    return !sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
}

void yield_cpu(void) {
    sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
    OS(sched_setaffinity(0, sizeof allowed_cpus, &allowed_cpus));
}
