// SPDX-License-Identifier: Apache-2.0
#include "parts_uring.hpp"

namespace inflight::golden {

using namespace parts;

namespace {

Cancel uring_cancel(CancelWay way, Verdict verdict, std::int64_t ret, std::uint64_t time, std::string reason) {
    Cancel result = cancel(verdict, ret, time, std::move(reason));
    result.family = Family::uring;
    result.way = way;
    result.pid = 777;
    result.tid = 778;
    result.uid = 33;
    result.comm = "nginx";
    result.ctx_id = ring_descriptor;
    result.context_id = ring_context;
    result.address = 0;
    result.result_address = 0;
    result.key.user_data = 0xabc0;
    result.key.count = verdict == Verdict::cancelled ? 1 : 0;
    result.key.matches = 1;
    return result;
}

}  // namespace

void feed_uring_cancels(view::View& view) {
    view.begin(trace_info());
    Cancel attempt = uring_cancel(CancelWay::async_cancel, Verdict::cancelled, 0, 300 * ms,
                                  "the recv was waiting for its socket and was taken off it");
    attempt.target = ended(uring_recv(100 * ms, 200 * ms, 0), Outcome::cancelled, -ECANCELED);
    view.on_cancel(attempt);

    attempt = uring_cancel(CancelWay::async_cancel, Verdict::completed_first, -ENOENT, 301 * ms,
                           "its CQE had been written before the cancel");
    attempt.key.flags = IORING_ASYNC_CANCEL_USERDATA;
    attempt.key.matches = 0;
    attempt.target = uring_read(100 * ms, 200'987'700, 4096);
    attempt.completed_before_ns = 12'300;
    view.on_cancel(attempt);

    attempt = uring_cancel(CancelWay::sync_cancel, Verdict::cancelled, 3, 302 * ms, "three requests used the file");
    attempt.key.user_data.reset();
    attempt.key.fd = 12;
    attempt.key.flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
    attempt.key.count = 3;
    attempt.key.matches = 4;
    attempt.target = ended(uring_recv(100 * ms, 202 * ms, 0), Outcome::cancelled, -ECANCELED);
    attempt.more_targets = {*attempt.target, *attempt.target};
    view.on_cancel(attempt);

    attempt = uring_cancel(CancelWay::async_cancel, Verdict::running, -EALREADY, 303 * ms,
                           "worker 4243 was executing it; it ended with EINTR 20.0 µs later");
    attempt.key.opcode = IORING_OP_SPLICE;
    attempt.key.flags = IORING_ASYNC_CANCEL_OP;
    attempt.certain = false;
    view.on_cancel(attempt);
    attempt = uring_cancel(CancelWay::async_cancel, Verdict::not_cancellable, -ENOENT, 304 * ms,
                           "in flight, but the disk has it: it will run to its end");
    attempt.target = still(uring_read(303 * ms, 0, 0));
    view.on_cancel(attempt);
    view.on_cancel(uring_cancel(CancelWay::poll_remove, Verdict::unknown_request, -ENOENT, 305 * ms,
                                "no request with this user_data was seen on this ring"));
    view.on_cancel(uring_cancel(CancelWay::timeout_remove, Verdict::already_cancelled, -ENOENT, 306 * ms,
                                "an earlier cancel had taken it"));
    attempt =
        uring_cancel(CancelWay::sync_cancel, Verdict::bad_argument, -EINVAL, 307 * ms, "flags 0x40 are not known");
    attempt.key.flags = 0x40;
    view.on_cancel(attempt);
    attempt = uring_cancel(CancelWay::link_timeout, Verdict::cancelled, 0, 308 * ms, "the linked timeout fired");
    attempt.target =
        ended(uring_request(IORING_OP_TIMEOUT, 130 * ms, 178 * ms, -ECANCELED, {},
                            [](UringPart& part) { part.details.push_back(timespec_detail(0, 178'000'000)); }),
              Outcome::cancelled, -ECANCELED);
    attempt.key.flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;
    attempt.key.user_data.reset();
    attempt.key.count = 20;
    attempt.key.matches = 20;
    attempt.more_targets.assign(19, *attempt.target);
    view.on_cancel(attempt);

    Summary result = summary();
    result.cancels = 9;
    result.verdicts = {3, 1, 1, 1, 1, 0, 0, 0, 1, 1};
    view.end(result);
}

namespace {

Event uring_event(ifl_syscall syscall, std::uint64_t time, std::int64_t ret, std::vector<std::uint64_t> arguments) {
    Event result = event(syscall, time, 12'300, ret, std::move(arguments));
    result.family = Family::uring;
    result.call.ctx_id = ring_descriptor;
    result.call.context_id = ring_context;
    return result;
}

}  // namespace

void feed_uring_events(view::View& view) {
    view.begin(trace_info());
    Event setup = uring_event(IFL_IO_URING_SETUP, 490 * ms, 5, {100, 0x7ffd'0000'1000});
    struct io_uring_params params{};
    params.sq_entries = 128;
    params.cq_entries = 256;
    params.flags = IORING_SETUP_SQPOLL | IORING_SETUP_SINGLE_ISSUER;
    params.sq_thread_idle = 2000;
    params.features = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
    params.sq_off.tail = 64;
    setup.details.push_back(detail(IFL_DETAIL_PARAMS, bytes_of(params)));
    view.on_event(setup);

    Event enter = uring_event(IFL_IO_URING_ENTER, 491 * ms, 3,
                              {5, 3, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, 0x7ffd'0000'2000, 24});
    struct io_uring_getevents_arg argument{};
    argument.sigmask_sz = 8;
    argument.ts = 0x7ffd'0000'3000;
    enter.details.push_back(detail(IFL_DETAIL_GETEVENTS, bytes_of(argument)));
    view.on_event(enter);
    view.on_event(uring_event(IFL_IO_URING_ENTER, 492 * ms, -EBADF, {~0ULL, 1, 0, 0x8000, 0, 0}));
    Event blocked = uring_event(IFL_IO_URING_ENTER, 2'500 * ms, 0, {5, 0, 1, IORING_ENTER_GETEVENTS, 0, 8});
    blocked.in_progress = true;
    view.on_event(blocked);

    Event cancelling =
        uring_event(IFL_IO_URING_REGISTER, 493 * ms, -EALREADY, {5, IORING_REGISTER_SYNC_CANCEL, 0x7ffd'0000'4000, 1});
    struct io_uring_sync_cancel_reg key{};
    key.addr = 0xabc0;
    key.fd = -1;
    key.flags = IORING_ASYNC_CANCEL_ALL;
    key.timeout.tv_sec = 1;
    cancelling.details.push_back(detail(IFL_DETAIL_SYNC_CANCEL, bytes_of(key)));
    view.on_event(cancelling);
    Event files = uring_event(IFL_IO_URING_REGISTER, 494 * ms, 0, {5, IORING_REGISTER_FILES, 0x7ffd'0000'4000, 4});
    struct Descriptors {
        std::int32_t values[3];
    };
    files.details.push_back(detail(IFL_DETAIL_REGISTER, bytes_of(Descriptors{{7, -1, 9}})));
    files.details.back().truncated = true;
    view.on_event(files);
    Event unreadable = uring_event(IFL_IO_URING_REGISTER, 495 * ms, -EFAULT, {5, 2, 0x10, 1});
    unreadable.details.push_back(detail(IFL_DETAIL_REGISTER, ""));
    unreadable.details.back().readable = false;
    view.on_event(unreadable);
    view.on_event(uring_event(IFL_IO_URING_REGISTER, 496 * ms, -EINVAL, {5, 77, 0, 0}));

    Summary result = summary();
    result.events = 7;
    view.end(result);
}

}  // namespace inflight::golden
