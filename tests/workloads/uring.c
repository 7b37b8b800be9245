/* SPDX-License-Identifier: Apache-2.0 */
/* Rings: system calls, memory, submission, reaping. What is expected of them is in uring_expect.c. */
#include "uring.h"
#include "uring_log.h"

#include <netinet/in.h>
#include <sys/syscall.h>

/* ---- system calls ---- */

static long accounted(enum call call, long ret) {
    ret = ret == -1 ? -errno : ret;
    account(call, ret, false);
    return ret;
}

long uring_setup(unsigned entries, struct io_uring_params* params) {
    return accounted(IO_URING_SETUP, syscall(SYS_io_uring_setup, entries, params));
}

long uring_enter(int fd, unsigned to_submit, unsigned min_complete, unsigned flags, const void* arg, size_t size) {
    return accounted(IO_URING_ENTER, syscall(SYS_io_uring_enter, fd, to_submit, min_complete, flags, arg, size));
}

long uring_register(int fd, unsigned opcode, const void* arg, unsigned count) {
    if (opcode == IORING_REGISTER_SYNC_CANCEL) {
        account_cancels(1);
    }
    return accounted(IO_URING_REGISTER, syscall(SYS_io_uring_register, fd, opcode, arg, count));
}

void ring_register(struct ring* ring, unsigned opcode, const void* arg, unsigned count) {
    long ret = uring_register(ring->fd, opcode, arg, count);
    CHECK(ret == 0, "io_uring_register(%u) = %ld", opcode, ret);
    if (opcode == IORING_REGISTER_FILES) {
        ring->files = arg;
    }
}

long sync_cancel(struct ring* ring, uint64_t user_data, int fd, unsigned flags) {
    struct io_uring_sync_cancel_reg reg = {.addr = user_data, .fd = fd, .flags = flags, .timeout = {.tv_sec = 10}};
    return uring_register(ring->fd, IORING_REGISTER_SYNC_CANCEL, &reg, 1);
}

/* ---- rings ---- */

static void* map(int fd, size_t size, unsigned long long offset) {
    void* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);
    CHECK(memory != MAP_FAILED, "mmap of a ring: %m");
    return memory;
}

struct ring ring_with(unsigned entries, struct io_uring_params params) {
    struct ring ring = {.params = params};
    struct io_uring_params* p = &ring.params;
    ring.fd = (int)uring_setup(entries, p);
    if (ring.fd == -ENOSYS || ring.fd == -EPERM) {
        skip("no io_uring here: %s", strerrorname_np(-ring.fd));
    }
    if (ring.fd == -EINVAL) {
        return ring;
    }
    CHECK(ring.fd >= 0, "io_uring_setup = %d", ring.fd);
    ring.sqe_size = p->flags & IORING_SETUP_SQE128 ? 128 : 64;
    ring.cqe_size = p->flags & IORING_SETUP_CQE32 ? 32 : 16;
    size_t sq_size = p->sq_off.array + p->sq_entries * sizeof(unsigned);
    size_t cq_size = p->cq_off.cqes + p->cq_entries * ring.cqe_size;
    char* memory = map(ring.fd, sq_size > cq_size ? sq_size : cq_size, IORING_OFF_SQ_RING);
    CHECK(p->features & IORING_FEAT_SINGLE_MMAP, "a ring in two pieces");
    ring.sqes = map(ring.fd, p->sq_entries * ring.sqe_size, IORING_OFF_SQES);
    ring.sq_head = (unsigned*)(memory + p->sq_off.head);
    ring.sq_tail = (unsigned*)(memory + p->sq_off.tail);
    ring.sq_flags = (unsigned*)(memory + p->sq_off.flags);
    ring.sq_array = p->flags & SETUP_NO_SQARRAY ? NULL : (unsigned*)(memory + p->sq_off.array);
    ring.cq_head = (unsigned*)(memory + p->cq_off.head);
    ring.cq_tail = (unsigned*)(memory + p->cq_off.tail);
    ring.cq_overflow = (unsigned*)(memory + p->cq_off.overflow);
    ring.cqes = memory + p->cq_off.cqes;
    return ring;
}

struct ring ring_new(unsigned entries, unsigned setup_flags) {
    struct ring ring = ring_with(entries, (struct io_uring_params){.flags = setup_flags});
    if (ring.fd < 0) {
        skip("this kernel makes no ring with flags %#x", setup_flags);
    }
    return ring;
}

void ring_close(struct ring* ring) {
    ring_look(ring);
    const struct io_uring_params* p = &ring->params;
    char* memory = ring->cqes - p->cq_off.cqes;
    size_t sq_size = p->sq_off.array + p->sq_entries * sizeof(unsigned);
    size_t cq_size = p->cq_off.cqes + p->cq_entries * ring->cqe_size;
    OS(munmap(memory, sq_size > cq_size ? sq_size : cq_size));
    OS(munmap(ring->sqes, p->sq_entries * ring->sqe_size));
    OS(close(ring->fd));
    ring->fd = -1;
}

bool ring_has(struct ring* ring, unsigned opcode) {
    enum { OPS = 256 };
    static struct {
        struct io_uring_probe probe;
        struct io_uring_probe_op ops[OPS];
    } answer;
    memset(&answer, 0, sizeof answer);
    ring_register(ring, IORING_REGISTER_PROBE, &answer, OPS);
    return opcode < answer.probe.ops_len && answer.ops[opcode].flags & IO_URING_OP_SUPPORTED;
}

void ring_needs(struct ring* ring, unsigned opcode) {
    if (!ring_has(ring, opcode)) {
        skip("this kernel has no %s", uring_op_name(opcode));
    }
}

/* ---- submission ---- */

static struct io_uring_sqe* sqe_at(const struct ring* ring, unsigned position) {
    return (struct io_uring_sqe*)(ring->sqes + (size_t)(position & (ring->params.sq_entries - 1)) * ring->sqe_size);
}

struct io_uring_sqe* prep(struct ring* ring, int opcode, int fd, const void* addr, unsigned len, uint64_t off) {
    CHECK(ring->tail - atomic_load((_Atomic unsigned*)ring->sq_head) < ring->params.sq_entries, "the SQ ring is full");
    struct io_uring_sqe* sqe = sqe_at(ring, ring->tail);
    memset(sqe, 0, ring->sqe_size);
    sqe->opcode = (uint8_t)opcode;
    sqe->fd = fd;
    sqe->addr = (uintptr_t)addr;
    sqe->len = len;
    sqe->off = off;
    sqe->user_data = unique_user_data();
    if (ring->sq_array) {
        unsigned slot = ring->tail & (ring->params.sq_entries - 1);
        ring->sq_array[slot] = slot;
    }
    ring->tail++;
    return sqe;
}

struct io_uring_sqe* prep_wide(struct ring* ring, int opcode, int fd, const void* addr, unsigned len, uint64_t off) {
    CHECK(ring->tail == ring->submitted, "a wide SQE is not alone");
    /* The two places must lie side by side. */
    if ((ring->tail & (ring->params.sq_entries - 1)) == ring->params.sq_entries - 1) {
        ring_look(ring);
    }
    struct io_uring_sqe* second = prep(ring, IORING_OP_NOP, 0, NULL, 0, 0);
    memset(second, 0, ring->sqe_size);
    ring->tail--;
    struct io_uring_sqe* sqe = prep(ring, opcode, fd, addr, len, off);
    memset(sqe + 1, 0, sizeof *sqe);
    if (ring->sq_array) {
        unsigned slot = ring->tail & (ring->params.sq_entries - 1);
        ring->sq_array[slot] = slot;
    }
    ring->tail++;
    ring->wide = true;
    return sqe;
}

uint64_t last_user_data(const struct ring* ring) {
    return sqe_at(ring, ring->tail - (ring->wide ? 2 : 1))->user_data;
}

static bool is_cancel(const struct io_uring_sqe* sqe) {
    switch (sqe->opcode) {
        case IORING_OP_ASYNC_CANCEL:
            return true;
        case IORING_OP_POLL_REMOVE:
            return !(sqe->len & (IORING_POLL_UPDATE_EVENTS | IORING_POLL_UPDATE_USER_DATA));
        case IORING_OP_TIMEOUT_REMOVE:
            return !(sqe->timeout_flags & (IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE));
        default:
            return false;
    }
}

/* An SQ thread takes what is there when it comes by; nothing goes on before it has. */
static long submit_to_thread(struct ring* ring, unsigned count) {
    if (atomic_load((_Atomic unsigned*)ring->sq_flags) & IORING_SQ_NEED_WAKEUP) {
        uring_enter(ring->fd, count, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);
    }
    for (uint64_t end = now_ns() + 10000000000u; atomic_load((_Atomic unsigned*)ring->sq_head) != ring->tail;) {
        CHECK(now_ns() < end, "the SQ thread takes nothing");
        sleep_ms(1);
    }
    return count;
}

/* Its program submits what there is; io_uring_enter does not say how many. */
static long submit_to_driver(struct ring* ring, unsigned count) {
    long ret = uring_enter(ring->fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
    return ret == 0 ? count : ret;
}

long ring_submit_some(struct ring* ring, unsigned wait) {
    unsigned count = ring->tail - ring->submitted;
    unsigned cancels[2] = {0};
    for (unsigned i = 0; i < count; i += ring->wide ? 2 : 1) {
        const struct io_uring_sqe* sqe = sqe_at(ring, ring->submitted + i);
        if (!ring->unlogged) {
            log_sqe(ring, sqe);
        }
        cancels[0] += is_cancel(sqe);
    }
    atomic_store((_Atomic unsigned*)ring->sq_tail, ring->tail);
    long ret = ring->params.flags & IORING_SETUP_SQPOLL ? submit_to_thread(ring, count)
               : ring->driven                           ? submit_to_driver(ring, count)
                              : uring_enter(ring->fd, count, wait, wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
    if (ret > 0) {
        CHECK(ret == count || cancels[0] == 0, "the kernel took %ld of %u SQEs, and there are cancels", ret, count);
        account_requests(ring->wide ? 1 : (unsigned long)ret);
        ring->wide = false;
        account_cancels(cancels[0]);
        ring->submitted += (unsigned)ret;
    }
    return ret;
}

void ring_submit(struct ring* ring) {
    long count = (long)ring->tail - ring->submitted;
    long ret = ring_submit_some(ring, 0);
    CHECK(ret == count, "io_uring_enter = %ld, not %ld", ret, count);
}

/* ---- reaping ---- */

unsigned cqes_waiting(const struct ring* ring) {
    return atomic_load((_Atomic unsigned*)ring->cq_tail) - *ring->cq_head;
}

static bool peek_big(struct ring* ring, struct cqe* cqe, uint64_t big[2]) {
    if (!cqes_waiting(ring)) {
        return false;
    }
    unsigned head = *ring->cq_head;
    const char* place = ring->cqes + (size_t)(head & (ring->params.cq_entries - 1)) * ring->cqe_size;
    memcpy(cqe, place, 16);
    if (ring->params.flags & SETUP_CQE_MIXED && cqe->flags & CQE_F_SKIP) {
        atomic_store((_Atomic unsigned*)ring->cq_head, head + 1);
        return peek_big(ring, cqe, big);
    }
    bool two_places = ring->params.flags & SETUP_CQE_MIXED && cqe->flags & CQE_F_32;
    if (big) {
        memset(big, 0, 16);
        if (two_places || ring->cqe_size == 32) {
            memcpy(big, place + 16, 16);
        }
    }
    atomic_store((_Atomic unsigned*)ring->cq_head, head + (two_places ? 2 : 1));
    return true;
}

bool ring_peek(struct ring* ring, struct cqe* cqe) {
    return peek_big(ring, cqe, NULL);
}

struct cqe ring_reap_big(struct ring* ring, uint64_t big[2]) {
    struct cqe cqe;
    struct __kernel_timespec time = {.tv_sec = 10};
    struct io_uring_getevents_arg arg = {.ts = (uintptr_t)&time};
    while (!peek_big(ring, &cqe, big)) {
        long ret = uring_enter(ring->fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof arg);
        CHECK(ret == 0 || ret == -EINTR, "io_uring_enter to wait for a CQE = %ld", ret);
    }
    return cqe;
}

struct cqe ring_reap(struct ring* ring) {
    return ring_reap_big(ring, NULL);
}

struct cqe ring_run(struct ring* ring) {
    const uint64_t user_data = last_user_data(ring);
    ring_submit(ring);
    struct cqe cqe = ring_reap(ring);
    CHECK(cqe.user_data == user_data, "a CQE of %#lx, not %#lx", cqe.user_data, user_data);
    return cqe;
}

struct cqe reap_of(struct ring* ring, uint64_t user_data, int result) {
    struct cqe cqe = ring_reap(ring);
    CHECK(cqe.user_data == user_data && cqe.res == result, "a CQE of %#lx with %d, not of %#lx with %d", cqe.user_data,
          cqe.res, user_data, result);
    return cqe;
}

void reap_all(struct ring* ring, struct cqe* cqes, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        cqes[i] = ring_reap(ring);
    }
}

const struct cqe* cqe_of(const struct cqe* cqes, unsigned count, uint64_t user_data) {
    for (unsigned i = 0; i < count; i++) {
        if (cqes[i].user_data == user_data) {
            return &cqes[i];
        }
    }
    fail("no CQE of %#lx", user_data);
}

void ring_look(struct ring* ring) {
    uint64_t user_data = prep(ring, IORING_OP_NOP, -1, NULL, 0, 0)->user_data;
    bool unlogged = ring->unlogged;
    ring->unlogged = false;
    ring_submit(ring);
    ring->unlogged = unlogged;
    struct cqe cqe = ring_reap(ring);
    CHECK(cqe.user_data == user_data && cqe.res == 0, "the last nop = %d", cqe.res);
    expect_of(user_data, "result=0 outcome=completed");
}

/* ---- things to do I/O on ---- */

void make_pipe(int ends[2]) {
    OS(pipe2(ends, O_CLOEXEC));
}

void make_pair(int domain, int ends[2]) {
    if (domain == AF_UNIX) {
        OS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
        return;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = (int)OS(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    OS(bind(listener, (struct sockaddr*)&address, size));
    OS(listen(listener, 1));
    OS(getsockname(listener, (struct sockaddr*)&address, &size));
    ends[0] = (int)OS(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    OS(connect(ends[0], (struct sockaddr*)&address, size));
    ends[1] = (int)OS(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    OS(close(listener));
}

struct __kernel_timespec milliseconds(long ms) {
    return (struct __kernel_timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}
