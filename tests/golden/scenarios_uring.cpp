// SPDX-License-Identifier: Apache-2.0
#include "parts_uring.hpp"

#include <fcntl.h>
#include <linux/openat2.h>

namespace inflight::golden {

using namespace parts;

namespace {

void show_transfers(view::View& view) {
    view.on_request(uring_read(100 * ms, 87'100, 4096, [](UringPart& part) { part.kernel_rw = true; }));
    view.on_request(uring_read(101 * ms, 12'300, 512));
    Request fixed = uring_request(IORING_OP_WRITE_FIXED, 102 * ms, 9 * us, 8192, [](struct io_uring_sqe& sqe) {
        sqe.fd = 3;
        sqe.flags = IOSQE_FIXED_FILE;
        sqe.len = 8192;
        sqe.off = ~0ULL;
        sqe.addr = 0x7f5a'2000'0000;
        sqe.buf_index = 2;
        sqe.ioprio = 0x4004;
        sqe.rw_flags = 2;
        sqe.personality = 9;
    });
    fixed.file = table_file();
    view.on_request(fixed);
    struct Vectors {
        std::uint64_t values[6];
    };
    Request vector = uring_request(
        IORING_OP_READV, 103 * ms, 9 * us, 4096,
        [](struct io_uring_sqe& sqe) {
            sqe.len = 3;
            sqe.addr = 0x7f5a'2000'0000;
            sqe.off = 1234;
        },
        [](UringPart& part) {
            part.details.push_back(
                detail(IFL_DETAIL_IOVECS, bytes_of(Vectors{{0x1000, 4096, 0x3000, 4096, 0x5000, 4096}})));
            part.details.back().total = 3;
        });
    vector.file = table_file();
    view.on_request(vector);
    Request whole = uring_request(IORING_OP_FSYNC, 104 * ms, 3 * ms, 0,
                                  [](struct io_uring_sqe& sqe) { sqe.fsync_flags = IORING_FSYNC_DATASYNC; });
    whole.file = table_file();
    view.on_request(whole);
    // A socket gives what it has: nothing is short about it.
    view.on_request(uring_recv(105 * ms, 40 * us, 120));
    Request splice = uring_request(IORING_OP_SPLICE, 106 * ms, 5 * ms, 4096, [](struct io_uring_sqe& sqe) {
        sqe.fd = 9;
        sqe.off = ~0ULL;
        sqe.splice_off_in = 4096;
        sqe.len = 4096;
        sqe.splice_fd_in = 7;
        sqe.splice_flags = 1;
    });
    splice.file = pipe_file();
    view.on_request(splice);
}

// Operations that the header of Linux 6.1 does not know.
void show_newer_waits(view::View& view) {
    constexpr std::uint8_t waitid = 50;
    constexpr std::uint8_t futex_wait = 51;
    constexpr std::uint8_t futex_waitv = 53;
    view.on_request(uring_request(
        waitid, 104 * ms, 3 * ms, 0,
        [](struct io_uring_sqe& sqe) {
            sqe.fd = 4242;
            sqe.len = 1;         // P_PID
            sqe.file_index = 5;  // WEXITED|WNOHANG
        },
        [](UringPart&) {}));
    view.on_request(uring_request(
        futex_wait, 105 * ms, 2 * ms, -EAGAIN,
        [](struct io_uring_sqe& sqe) {
            sqe.fd = 2;  // FUTEX2_SIZE_U32
            sqe.addr = 0x7ffd'0000'6000;
            sqe.addr2 = 7;
            sqe.addr3 = 0xffff'ffff;
        },
        [](UringPart&) {}));
    view.on_request(uring_request(
        futex_waitv, 106 * ms, 2 * ms, 1,
        [](struct io_uring_sqe& sqe) {
            sqe.addr = 0x7ffd'0000'7000;
            sqe.len = 3;
        },
        [](UringPart&) {}));
}

void show_paths(view::View& view) {
    view.on_request(uring_request(
        IORING_OP_OPENAT, 110 * ms, 12'300, 9,
        [](struct io_uring_sqe& sqe) {
            sqe.fd = AT_FDCWD;
            sqe.addr = 0x7ffd'0000'4000;
            sqe.len = 0644;
            sqe.open_flags = O_WRONLY | O_CREAT;
        },
        [](UringPart& part) { part.details.push_back(detail(IFL_DETAIL_PATH, "/etc/passwd", true)); }));
    view.on_request(uring_request(
        IORING_OP_OPENAT2, 111 * ms, 12'300, -ENOENT,
        [](struct io_uring_sqe& sqe) {
            sqe.fd = AT_FDCWD;
            sqe.addr = 0x7ffd'0000'4000;
            sqe.addr2 = 0x7ffd'0000'5000;
            sqe.len = sizeof(struct open_how);
        },
        [](UringPart& part) {
            part.details.push_back(detail(IFL_DETAIL_PATH, "a\x1b[31m\"\xff" + std::string(20, 'x')));
            part.details.back().truncated = true;
            struct open_how how{};
            how.flags = O_CREAT | O_RDWR;
            how.mode = 0600;
            how.resolve = RESOLVE_NO_SYMLINKS;
            part.details.push_back(detail(IFL_DETAIL_OPEN_HOW, bytes_of(how), true));
        }));
    view.on_request(uring_request(
        IORING_OP_RENAMEAT, 112 * ms, 50 * us, 0,
        [](struct io_uring_sqe& sqe) {
            sqe.fd = AT_FDCWD;
            sqe.addr = 0x7ffd'0000'4000;
            sqe.addr2 = 0x7ffd'0000'5000;
        },
        [](UringPart& part) {
            part.details.push_back(detail(IFL_DETAIL_PATH, "a", true));
            part.details.push_back(detail(IFL_DETAIL_NEW_PATH, "b", true));
            part.punts = 1;
            part.punt_ns = at(112 * ms + us);
            part.worker_tid = 4300;
            part.by_worker = true;
        }));
    view.on_request(uring_request(
        IORING_OP_UNLINKAT, 113 * ms, 5 * us, -EFAULT, [](struct io_uring_sqe& sqe) { sqe.fd = AT_FDCWD; },
        [](UringPart& part) {
            part.details.push_back(detail(IFL_DETAIL_PATH, ""));
            part.details.back().readable = false;
            part.details.back().address = 0x10;
            part.details_lost = true;
        }));
    Request xattr = uring_request(
        IORING_OP_FGETXATTR, 114 * ms, 5 * us, 17, [](struct io_uring_sqe& sqe) { sqe.len = 64; },
        [](UringPart& part) { part.details.push_back(detail(IFL_DETAIL_XATTR_NAME, "user.origin", true)); });
    xattr.file = file("/srv/a");
    view.on_request(xattr);
}

void show_sockets(view::View& view) {
    Request connect = uring_request(
        IORING_OP_CONNECT, 120 * ms, 1'234 * us, -ECONNREFUSED,
        [](struct io_uring_sqe& sqe) {
            sqe.fd = 12;
            sqe.addr = 0x7ffd'0000'4000;
            sqe.off = sizeof(sockaddr_in);
        },
        [](UringPart& part) {
            part.details.push_back(inet_detail(IFL_DETAIL_ADDRESS, "127.0.0.1", 80, true));
            part.arms = 1;
            part.arm_ns = at(120 * ms + 20 * us);
        });
    connect.file = socket_file();
    view.on_request(connect);
    Request accept = uring_request(IORING_OP_ACCEPT, 121 * ms, 40 * ms, 13, {}, [](UringPart& part) {
        part.details.push_back(inet_detail(IFL_DETAIL_PEER, "10.0.0.7", 52344, true));
        part.arms = 3;
        part.arm_ns = at(121 * ms + us);
    });
    accept.file = socket_file();
    view.on_request(accept);
    Request direct = uring_request(IORING_OP_ACCEPT, 122 * ms, 40 * ms, 2,
                                   [](struct io_uring_sqe& sqe) { sqe.file_index = IORING_FILE_INDEX_ALLOC; });
    direct.file = socket_file();
    view.on_request(direct);
    Request zero_copy = uring_request(
        IORING_OP_SEND_ZC, 123 * ms, 30 * us, 65'536,
        [](struct io_uring_sqe& sqe) {
            sqe.fd = 12;
            sqe.len = 65'536;
            sqe.addr = 0x7f5a'2000'0000;
            sqe.ioprio = IORING_RECVSEND_FIXED_BUF;
            sqe.buf_index = 1;
            sqe.msg_flags = 0x4000;
        },
        [](UringPart& part) {
            part.cqe_count = 2;
            part.cqe_flags = IORING_CQE_F_NOTIF;
            part.notified_ns = at(123 * ms + 900 * us);
        });
    zero_copy.file = socket_file();
    view.on_request(zero_copy);
}

void show_waits(view::View& view) {
    view.on_request(ended(uring_request(
                              IORING_OP_TIMEOUT, 130 * ms, 1'000 * ms, -ETIME,
                              [](struct io_uring_sqe& sqe) {
                                  sqe.fd = -1;
                                  sqe.addr = 0x7ffd'0000'4000;
                                  sqe.len = 1;
                                  sqe.off = 3;
                              },
                              [](UringPart& part) { part.details.push_back(timespec_detail(1, 0)); }),
                          Outcome::completed, -ETIME));
    Request poll = uring_request(IORING_OP_POLL_ADD, 131 * ms, 20 * ms, POLLIN | POLLRDNORM,
                                 [](struct io_uring_sqe& sqe) { sqe.poll32_events = POLLIN; });
    poll.file = pipe_file();
    view.on_request(poll);
    view.on_request(uring_request(IORING_OP_ASYNC_CANCEL, 132 * ms, 2 * us, -ENOENT,
                                  [](struct io_uring_sqe& sqe) { sqe.addr = 0xbeef; }));
    view.on_request(uring_request(IORING_OP_ASYNC_CANCEL, 133 * ms, 2 * us, 2, [](struct io_uring_sqe& sqe) {
        sqe.cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
    }));
    view.on_request(uring_request(IORING_OP_TIMEOUT_REMOVE, 134 * ms, 2 * us, 0,
                                  [](struct io_uring_sqe& sqe) { sqe.addr = 0xbee0; }));
    Request command = uring_request(IORING_OP_URING_CMD, 135 * ms, 80 * us, 0,
                                    [](struct io_uring_sqe& sqe) { sqe.cmd_op = 0xc048'4e80; });
    command.file = file("/dev/ng0n1", "character device");
    view.on_request(command);
    Request message = uring_request(IORING_OP_MSG_RING, 136 * ms, 3 * us, 0, {});
    message.file = file("anon_inode:[io_uring]", "io_uring");
    view.on_request(message);
    view.on_request(uring_request(
        IORING_OP_NOP, 137 * ms, 300, 0,
        [](struct io_uring_sqe& sqe) {
            sqe.fd = -1;
            sqe.flags = IOSQE_IO_DRAIN;
        },
        [](UringPart& part) { part.defer_ns = at(137 * ms + 100); }));
    view.on_request(uring_request(200, 138 * ms, us, -EINVAL, {}, [](UringPart& part) {
        part.prep_failed = true;
        part.prep_error = EINVAL;
    }));
}

void show_ways(view::View& view) {
    view.on_request(uring_read(140 * ms, 1'500 * us, 4096, [](UringPart& part) {
        part.punts = 1;
        part.punt_ns = at(140 * ms + 12'100);
        part.worker_ns = at(140 * ms + 15'000);
        part.worker_tid = 4243;
        part.by_worker = true;
        part.completer_comm = "iou-wrk-777";
        part.link_head = 0;
    }));
    // A chain whose head failed.
    const auto linked = [](struct io_uring_sqe& sqe) { sqe.flags = IOSQE_IO_LINK; };
    Request head = uring_request(IORING_OP_CLOSE, 141 * ms, 5 * us, -EBADF, linked);
    view.on_request(head);
    view.on_request(ended(uring_request(IORING_OP_CLOSE, 142 * ms, 6 * us, -ECANCELED, linked,
                                        [](UringPart& part) {
                                            part.link_head = 0x18d;
                                            part.failed_by = 0x18d;
                                            part.cause = EndCause::link_failed;
                                        }),
                          Outcome::cancelled, -ECANCELED));
    view.on_request(ended(uring_recv(143 * ms, 500 * ms, -ECANCELED,
                                     [](UringPart& part) {
                                         part.cause = EndCause::cancel;
                                         part.cancelled_by = 0x190;
                                     }),
                          Outcome::cancelled, -ECANCELED));
    view.on_request(
        ended(uring_recv(144 * ms, 500 * ms, -ECANCELED, [](UringPart& part) { part.cause = EndCause::ring_closed; }),
              Outcome::abandoned, -ECANCELED));
    Request skipped = uring_read(145 * ms, 20 * us, 0, [](UringPart& part) {
        part.sqe_flags = IOSQE_CQE_SKIP_SUCCESS;
        part.cqe_skipped = true;
        part.cqe_count = 0;
    });
    skipped.result_known = false;
    skipped.completion_exact = false;
    skipped.completion_seen = false;
    view.on_request(skipped);
    view.on_request(uring_read(146 * ms, 20 * us, 4096, [](UringPart& part) {
        part.overflowed = true;
        part.big = {{0x1, 0xffff'ffff'ffff'ffff}};
        part.sq_thread_tid = 4250;
    }));
}

void show_multishot(view::View& view) {
    const Request going_on = [] {
        Request request = still(uring_request(
            IORING_OP_RECV, 150 * ms, 0, 0,
            [](struct io_uring_sqe& sqe) {
                sqe.fd = 12;
                sqe.flags = IOSQE_BUFFER_SELECT;
                sqe.buf_group = 4;
                sqe.ioprio = 2;
            },
            [](UringPart& part) {
                part.multishot = true;
                part.arms = 1;
                part.arm_ns = at(150 * ms + us);
                part.cqe_count = 2;
                part.cqe_bytes = 5120;
            }));
        request.file = socket_file();
        return request;
    }();
    Completion completion;
    completion.tier = Tier::fentry;
    completion.context_id = ring_context;
    completion.user_data = 0xabc0;
    completion.cqe.time_ns = at(151 * ms);
    completion.cqe.result = 4096;
    completion.cqe.flags = 0x30000 | IORING_CQE_F_BUFFER | IORING_CQE_F_MORE;
    completion.pid = 777;
    completion.comm = "nginx";
    completion.request = std::make_shared<const Request>(going_on);
    view.on_completion(completion);
    completion.cqe.time_ns = at(152 * ms);
    completion.cqe.result = 1024;
    completion.cqe.overflowed = true;
    view.on_completion(completion);
    // A message from another ring: nothing is known but what stands in it.
    Completion message;
    message.context_id = ring_context;
    message.user_data = 0x77;
    message.cqe.time_ns = at(153 * ms);
    message.cqe.result = -EIO;
    message.cqe.big = {0x1, 0x2};
    message.cqe.dropped = true;
    view.on_completion(message);

    Request over = going_on;
    over.outcome = Outcome::failed;
    over.complete_ns = at(250 * ms);
    over.result = -ENOBUFS;
    UringPart part = *going_on.uring;
    part.cqe_count = 12;
    part.cqe_bytes = 49'152;
    over.uring = std::make_shared<const UringPart>(part);
    view.on_request(over);
    view.on_request(going_on);
}

void show_unknown(view::View& view) {
    // From before the trace: no SQE.
    Request existed = still(uring_recv(0, 0, 0, [](UringPart& part) {
        part.sqe_known = false;
        part.batch = 0;
    }));
    existed.existed = true;
    existed.submit_ns.reset();
    existed.origin = Origin::unknown;
    view.on_request(existed);
    Request waiting = still(uring_read(160 * ms, 0, 0, [](UringPart& part) {
        part.punts = 2;
        part.punt_ns = at(160 * ms + 8 * us);
        part.worker_tid = 4243;
    }));
    view.on_request(waiting);
    Request nothing;
    nothing.family = Family::uring;
    nothing.ctx_id = ~0ULL;
    nothing.outcome = Outcome::completed;
    nothing.unpaired = true;
    nothing.complete_ns = at(170 * ms);
    nothing.result = 17;
    nothing.uring = std::make_shared<const UringPart>();
    view.on_request(nothing);
}

}  // namespace

void feed_uring_requests(view::View& view) {
    view.begin(trace_info());
    show_transfers(view);
    show_newer_waits(view);
    show_paths(view);
    show_sockets(view);
    show_waits(view);
    show_ways(view);
    show_multishot(view);
    show_unknown(view);

    Summary result = summary();
    result.requests = 36;
    result.outcomes = {3, 22, 8, 2, 1};
    result.completions = 3;
    OperationStats stats;
    stats.pid = 777;
    stats.comm = "nginx";
    stats.family = Family::uring;
    stats.opcode = IORING_OP_WRITE_FIXED;  // 5, which kernel AIO calls a poll
    stats.requests = 1;
    stats.bytes = 8192;
    stats.outcomes = {0, 1, 0, 0, 0};
    stats.latency.add(9 * us);
    result.operations.push_back(stats);
    stats.family = Family::aio;
    stats.opcode = IOCB_CMD_POLL;
    stats.bytes = 0;
    result.operations.push_back(stats);
    view.end(result);
}

void feed_uring_rings(view::View& view) {
    view.begin(trace_info());
    view.on_context(ring(1, ContextChange::created));
    Context found = ring(2, ContextChange::found);
    found.created_ns.reset();
    found.ring->fd = -1;
    found.ring->owner_guessed = true;
    found.ring->overflowed = 3;
    view.on_context(found);
    Context gone = counted_ring(3, ContextChange::destroyed);
    gone.destroyed_ns = at(700 * ms);
    gone.by_exit = true;
    gone.ring->setup_flags = IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF | IORING_SETUP_CQSIZE | IORING_SETUP_ATTACH_WQ;
    gone.ring->sq_thread_tid = 4250;
    gone.ring->sq_flags = IORING_SQ_NEED_WAKEUP | IORING_SQ_CQ_OVERFLOW;
    gone.ring->cq_overflow = 3;
    view.on_context(gone);
    Context bare = ring(4, ContextChange::found);
    bare.ring.reset();
    view.on_context(bare);

    Summary result = summary();
    result.contexts = {counted_ring(1, ContextChange::at_end), kioctx(1, ContextChange::at_end), found, gone, bare};
    view.end(result);
}

}  // namespace inflight::golden
