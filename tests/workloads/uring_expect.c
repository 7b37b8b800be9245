/* SPDX-License-Identifier: Apache-2.0 */
/* What a tracer must say about the requests, cancels and rings of io_uring. */
#include "uring.h"
#include "uring_log.h"

#include <limits.h>
#include <stdarg.h>

enum { LOGGED = 4096, FILE_NAME = 256, LINE = 1024 };

/* By what the operation does with sqe.fd, sqe.off and sqe.len. */
enum { HAS_FD = 1, HAS_RANGE = 2 };

static const struct {
    const char* name;
    unsigned has;
} ops[] = {
    [IORING_OP_NOP] = {"nop", 0},
    [IORING_OP_READV] = {"readv", HAS_FD | HAS_RANGE},
    [IORING_OP_WRITEV] = {"writev", HAS_FD | HAS_RANGE},
    [IORING_OP_FSYNC] = {"fsync", HAS_FD},
    [IORING_OP_READ_FIXED] = {"read_fixed", HAS_FD | HAS_RANGE},
    [IORING_OP_WRITE_FIXED] = {"write_fixed", HAS_FD | HAS_RANGE},
    [IORING_OP_POLL_ADD] = {"poll_add", HAS_FD},
    [IORING_OP_POLL_REMOVE] = {"poll_remove", 0},
    [IORING_OP_SYNC_FILE_RANGE] = {"sync_file_range", HAS_FD},
    [IORING_OP_SENDMSG] = {"sendmsg", HAS_FD},
    [IORING_OP_RECVMSG] = {"recvmsg", HAS_FD},
    [IORING_OP_TIMEOUT] = {"timeout", 0},
    [IORING_OP_TIMEOUT_REMOVE] = {"timeout_remove", 0},
    [IORING_OP_ACCEPT] = {"accept", HAS_FD},
    [IORING_OP_ASYNC_CANCEL] = {"async_cancel", 0},
    [IORING_OP_LINK_TIMEOUT] = {"link_timeout", 0},
    [IORING_OP_CONNECT] = {"connect", HAS_FD},
    [IORING_OP_FALLOCATE] = {"fallocate", HAS_FD},
    [IORING_OP_OPENAT] = {"openat", 0},
    [IORING_OP_CLOSE] = {"close", 0},
    [IORING_OP_FILES_UPDATE] = {"files_update", 0},
    [IORING_OP_STATX] = {"statx", 0},
    [IORING_OP_READ] = {"read", HAS_FD | HAS_RANGE},
    [IORING_OP_WRITE] = {"write", HAS_FD | HAS_RANGE},
    [IORING_OP_FADVISE] = {"fadvise", HAS_FD},
    [IORING_OP_MADVISE] = {"madvise", 0},
    [IORING_OP_SEND] = {"send", HAS_FD},
    [IORING_OP_RECV] = {"recv", HAS_FD},
    [IORING_OP_OPENAT2] = {"openat2", 0},
    [IORING_OP_EPOLL_CTL] = {"epoll_ctl", 0},
    [IORING_OP_SPLICE] = {"splice", HAS_FD},
    [IORING_OP_PROVIDE_BUFFERS] = {"provide_buffers", 0},
    [IORING_OP_REMOVE_BUFFERS] = {"remove_buffers", 0},
    [IORING_OP_TEE] = {"tee", HAS_FD},
    [IORING_OP_SHUTDOWN] = {"shutdown", HAS_FD},
    [IORING_OP_RENAMEAT] = {"renameat", 0},
    [IORING_OP_UNLINKAT] = {"unlinkat", 0},
    [IORING_OP_MKDIRAT] = {"mkdirat", 0},
    [IORING_OP_SYMLINKAT] = {"symlinkat", 0},
    [IORING_OP_LINKAT] = {"linkat", 0},
    [IORING_OP_MSG_RING] = {"msg_ring", HAS_FD},
    [IORING_OP_FSETXATTR] = {"fsetxattr", HAS_FD},
    [IORING_OP_SETXATTR] = {"setxattr", 0},
    [IORING_OP_FGETXATTR] = {"fgetxattr", HAS_FD},
    [IORING_OP_GETXATTR] = {"getxattr", 0},
    [IORING_OP_SOCKET] = {"socket", 0},
    [IORING_OP_URING_CMD] = {"uring_cmd", HAS_FD},
    [IORING_OP_SEND_ZC] = {"send_zc", HAS_FD},
    [IORING_OP_SENDMSG_ZC] = {"sendmsg_zc", HAS_FD},
    [OP_READ_MULTISHOT] = {"read_multishot", HAS_FD},
    [OP_WAITID] = {"waitid", 0},
    [OP_FUTEX_WAIT] = {"futex_wait", 0},
    [OP_FUTEX_WAKE] = {"futex_wake", 0},
    [OP_FUTEX_WAITV] = {"futex_waitv", 0},
    [OP_FIXED_FD_INSTALL] = {"fixed_fd_install", 0},
    [OP_FTRUNCATE] = {"ftruncate", HAS_FD},
    [OP_BIND] = {"bind", HAS_FD},
    [OP_LISTEN] = {"listen", HAS_FD},
    [OP_NOP128] = {"nop128", 0},
    [OP_URING_CMD128] = {"uring_cmd128", HAS_FD},
};

/* Bits of io_uring_params.flags, in order. */
static const char* const setup_names[] = {
    "IOPOLL",        "SQPOLL",        "SQ_AFF",     "CQSIZE",
    "CLAMP",         "ATTACH_WQ",     "R_DISABLED", "SUBMIT_ALL",
    "COOP_TASKRUN",  "TASKRUN_FLAG",  "SQE128",     "CQE32",
    "SINGLE_ISSUER", "DEFER_TASKRUN", "NO_MMAP",    "REGISTERED_FD_ONLY",
    "NO_SQARRAY",    "HYBRID_IOPOLL", "CQE_MIXED",  "SQE_MIXED",
    "SQ_REWIND",
};

static struct logged {
    uint64_t user_data;
    uint8_t opcode;
    bool fixed_file;
    int fd;
    uint64_t off;
    uint32_t len;
    char file[FILE_NAME];
} logged[LOGGED];

const char* uring_op_name(unsigned opcode) {
    return opcode < sizeof ops / sizeof *ops ? ops[opcode].name : "unknown";
}

static unsigned has(unsigned opcode) {
    return opcode < sizeof ops / sizeof *ops ? ops[opcode].has : 0;
}

void log_sqe(const struct ring* ring, const struct io_uring_sqe* sqe) {
    struct logged* log = &logged[sqe->user_data % LOGGED];
    *log = (struct logged){
        .user_data = sqe->user_data,
        .opcode = sqe->opcode,
        .fixed_file = sqe->flags & IOSQE_FIXED_FILE,
        .fd = sqe->fd,
        .off = sqe->off,
        .len = sqe->len,
    };
    int fd = !log->fixed_file ? sqe->fd : ring->files ? ring->files[sqe->fd] : -1;
    if (has(sqe->opcode) & HAS_FD && fcntl(fd, F_GETFD) >= 0) {
        fd_name(fd, log->file, sizeof log->file);
    }
}

static const struct logged* log_of(uint64_t user_data) {
    const struct logged* log = &logged[user_data % LOGGED];
    CHECK(log->user_data == user_data, "no request with user_data %#lx", user_data);
    return log;
}

__attribute__((format(printf, 4, 0))) static void expect_line(const struct logged* log, bool asked, const char* end,
                                                              const char* more, va_list list) {
    char line[LINE];
    char range[96] = "";
    char file[FILE_NAME + 48] = "";
    unsigned fields = asked ? has(log->opcode) : 0;
    if (fields & HAS_FD) {
        snprintf(file, sizeof file, " fd=%d%s%s", log->fd, *log->file ? " file=" : "", log->file);
    }
    if (fields & HAS_RANGE) {
        /* All ones: the file's own position, which the kernel puts in its place. */
        int used = log->off == UINT64_MAX ? 0 : snprintf(range, sizeof range, " offset=%lld", (long long)log->off);
        snprintf(range + used, sizeof range - (size_t)used, " length=%u", log->len);
    }
    vsnprintf(line, sizeof line, more, list);
    expect("request family=uring op=%s%s user_data=%#lx%s%s%s%s%s", uring_op_name(log->opcode), file, log->user_data,
           range, *end ? " " : "", end, *line ? " " : "", line);
}

static void end_of(const struct logged* log, int result, char* end, size_t size) {
    bool timeout = log->opcode == IORING_OP_TIMEOUT || log->opcode == IORING_OP_LINK_TIMEOUT;
    const char* outcome = result >= 0 || (timeout && result == -ETIME) ? "completed"
                          : result == -ECANCELED                       ? "cancelled"
                                                                       : "failed";
    snprintf(end, size, "result=%d%s%s outcome=%s reaped=yes", result, result < 0 ? " error=" : "",
             result < 0 ? strerrorname_np(-result) : "", outcome);
}

static void expect_end(uint64_t user_data, int result, const char* more, va_list list) {
    const struct logged* log = log_of(user_data);
    char end[128];
    end_of(log, result, end, sizeof end);
    expect_line(log, true, end, more, list);
}

void expect_cqe(const struct cqe* cqe, const char* more, ...) {
    va_list list;
    va_start(list, more);
    expect_end(cqe->user_data, cqe->res, more, list);
    va_end(list);
}

void expect_sqe(uint64_t user_data, const char* more, ...) {
    va_list list;
    va_start(list, more);
    expect_line(log_of(user_data), true, "", more, list);
    va_end(list);
}

void expect_of(uint64_t user_data, const char* more, ...) {
    va_list list;
    va_start(list, more);
    expect_line(log_of(user_data), false, "", more, list);
    va_end(list);
}

void expect_completion(const struct cqe* cqe, unsigned count) {
    expect("completion op=%s user_data=%#lx result=%d count=%u", uring_op_name(log_of(cqe->user_data)->opcode),
           cqe->user_data, cqe->res, count);
}

void run_expect(struct ring* ring, int result, const char* more, ...) {
    struct cqe cqe = ring_run(ring);
    CHECK(cqe.res == result, "%s = %d, not %d", uring_op_name(log_of(cqe.user_data)->opcode), cqe.res, result);
    va_list list;
    va_start(list, more);
    expect_end(cqe.user_data, cqe.res, more, list);
    va_end(list);
}

void reap_expect(struct ring* ring, uint64_t user_data, int result, const char* more, ...) {
    struct cqe cqe = reap_of(ring, user_data, result);
    va_list list;
    va_start(list, more);
    expect_end(cqe.user_data, cqe.res, more, list);
    va_end(list);
}

void expect_attempt(const char* way, uint64_t key, long ret, const char* verdict, const char* target_op) {
    expect("cancel way=%s key=%#lx ret=%ld%s%s%s%s%s%s", way, key, ret, ret < 0 ? " error=" : "",
           ret < 0 ? strerrorname_np((int)-ret) : "", verdict ? " verdict=" : "", verdict ? verdict : "",
           target_op ? " target_op=" : "", target_op ? target_op : "");
}

void expect_ring(const struct ring* ring, const char* more, ...) {
    char setup[LINE] = "";
    char line[LINE];
    for (size_t bit = 0; bit < sizeof setup_names / sizeof *setup_names; bit++) {
        if (ring->params.flags & 1u << bit) {
            size_t used = strlen(setup);
            snprintf(setup + used, sizeof setup - used, "%sIORING_SETUP_%s", used ? "|" : "", setup_names[bit]);
        }
    }
    va_list list;
    va_start(list, more);
    vsnprintf(line, sizeof line, more, list);
    va_end(list);
    expect("context family=uring sq_entries=%u cq_entries=%u setup=%s%s%s", ring->params.sq_entries,
           ring->params.cq_entries, *setup ? setup : "0", *line ? " " : "", line);
}
