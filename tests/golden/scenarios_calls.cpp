// SPDX-License-Identifier: Apache-2.0
#include "parts.hpp"

namespace inflight::golden {

using namespace parts;

// --- cancels and findings -------------------------------------------------------------------------------------------

void feed_cancels(view::View& view) {
    view.begin(trace_info());
    Cancel attempt = cancel(Verdict::cancelled, -EINPROGRESS, 300 * ms,
                            "the poll was pending and has been told to stop; its event follows on the ring with res 0");
    attempt.target = still(poll_request(100 * ms, 0));
    view.on_cancel(attempt);

    attempt = cancel(Verdict::completed_first, -EINVAL, 301 * ms, "its event had been queued before the call");
    attempt.target = poll_request(100 * ms, 200'987'700);
    attempt.completed_before_ns = 12'300;
    view.on_cancel(attempt);

    attempt = cancel(Verdict::already_cancelled, -EINVAL, 302 * ms,
                     "an earlier io_cancel had taken it; a request can be found only once");
    attempt.target = poll_request(100 * ms, 200 * ms);
    attempt.target->outcome = Outcome::cancelled;
    attempt.target->result = 0;
    view.on_cancel(attempt);

    attempt = cancel(Verdict::not_cancellable, -EINVAL, 303 * ms,
                     "in flight, but the kernel has no way to stop a pread; it will run to its end");
    attempt.address = 0x55d0'c0ff'ee00;
    attempt.target = still(request(IOCB_CMD_PREAD, 303 * ms - 40 * us, 0));
    view.on_cancel(attempt);

    attempt =
        cancel(Verdict::unknown_request, -EINVAL, 304 * ms,
               "no request with this iocb was seen in this context; one from before the trace may have ended unseen");
    attempt.certain = false;
    view.on_cancel(attempt);

    attempt = cancel(Verdict::bad_context, -EINVAL, 305 * ms, "ctx_id 0 is no context of this process");
    attempt.ctx_id = 0;
    attempt.context_id = 0;
    view.on_cancel(attempt);
    view.on_cancel(cancel(Verdict::bad_key, -EINVAL, 306 * ms, "aio_key is 7 and not 0: the iocb was overwritten"));
    attempt = cancel(Verdict::bad_pointer, -EFAULT, 307 * ms, "iocb is NULL");
    attempt.address = 0;
    attempt.result_address = 0;
    view.on_cancel(attempt);

    // A target of which only the file is known, from before the trace.
    attempt = cancel(Verdict::cancelled, -EINPROGRESS, 308 * ms, "it has been told to stop");
    Request vague = still(poll_request(0, 0));
    vague.origin = Origin::unknown;
    vague.opcode.reset();
    vague.submit_ns.reset();
    vague.existed = true;
    attempt.target = vague;
    attempt.tid = 0;
    view.on_cancel(attempt);

    Finding finding;
    finding.code = "slow-submit";
    finding.severity = Severity::warn;
    finding.time_ns = at(400 * ms);
    finding.pid = 4242;
    finding.tid = 4243;
    finding.comm = "postgres";
    finding.message =
        "io_submit took 45.0 ms for 1 request: the write to /var/lib/postgresql/15/main/base/16384/16397 "
        "was done before the call returned";
    finding.advice = "open the file with O_DIRECT and write blocks that are allocated already";
    view.on_finding(finding);
    finding.code = "aio-max-nr";
    finding.severity = Severity::critical;
    finding.message = "io_setup failed with EAGAIN: 65,000 of 65,536 are taken";
    finding.advice = "";
    view.on_finding(finding);
    finding.code = "leak";
    finding.severity = Severity::info;
    finding.pid = 0;
    finding.tid = 0;
    finding.comm = "";
    finding.message = "machine-wide";
    view.on_finding(finding);

    Summary result = summary();
    result.cancels = 9;
    result.findings = 3;
    result.verdicts = {2, 1, 1, 1, 1, 1, 1, 1};
    view.end(result);
}

// --- events ---------------------------------------------------------------------------------------------------------

namespace {

Event submit_event() {
    Event result = event(IFL_IO_SUBMIT, 500 * ms, 12'300, 2, {context, 4, 0x7ffd'0000'2000});
    struct iocb read{};
    read.aio_data = 0x1;
    read.aio_lio_opcode = IOCB_CMD_PREAD;
    read.aio_fildes = 7;
    read.aio_buf = 0x7f5a'2000'0000;
    read.aio_nbytes = 4096;
    read.aio_offset = 8192;
    read.aio_rw_flags = 0x8;
    read.aio_reqprio = 0x2004;
    read.aio_flags = IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO;
    read.aio_resfd = 11;
    result.iocbs.push_back(iocb_argument(0, read, table_file()));
    struct iocb poll{};
    poll.aio_lio_opcode = IOCB_CMD_POLL;
    poll.aio_fildes = 9;
    poll.aio_buf = POLLIN;
    result.iocbs.push_back(iocb_argument(1, poll, pipe_file()));
    struct iocb vector{};
    vector.aio_lio_opcode = IOCB_CMD_PWRITEV;
    vector.aio_fildes = 99;
    vector.aio_nbytes = 3;
    vector.aio_offset = -1;
    vector.aio_buf = 0x7f5a'2000'1000;
    result.iocbs.push_back(iocb_argument(2, vector, nullptr));
    IocbArgument unreadable;
    unreadable.index = 3;
    unreadable.address = 0x10;
    result.iocbs.push_back(unreadable);
    result.call.accepted = 2;
    result.call.attempted = 3;
    result.call.submit_error = -EBADF;
    result.call.entries_skipped = 1;
    return result;
}

}  // namespace

void feed_events(view::View& view) {
    view::TraceInfo info = trace_info();
    info.hooks = "tracepoint";
    info.limits = {
        "A completion is seen when the kernel frees the request, a little after it happened: latencies are "
        "upper bounds, printed with ≤.",
        "Reads and writes are known from user memory only."};
    info.command = {"postgres", "-D", "/var/lib/postgresql"};
    view.begin(info);

    Event setup = event(IFL_IO_SETUP, 490 * ms, 20 * us, 0, {128, 0x7ffd'0000'0ff8});
    setup.call.ctx_idp_state = IFL_READ_OK;
    setup.call.task.tid = 4242;
    view.on_event(setup);
    view.on_event(submit_event());

    Event attempt = event(IFL_IO_CANCEL, 510 * ms, 900, -EINVAL, {context, 0x55d0'c0ff'ee40, 0});
    attempt.call.key_state = IFL_READ_OK;
    attempt.call.aio_key = 7;
    view.on_event(attempt);

    Event getevents =
        event(IFL_IO_GETEVENTS, 520 * ms, 8 * ms, 2, {context, 1, 16, 0x7ffd'0000'3000, 0x7ffd'0000'3400});
    getevents.call.timeout_state = IFL_READ_OK;
    getevents.call.timeout_s = 1;
    getevents.call.timeout_ns = 500'000'000;
    getevents.returned = {{.data = 0x1, .obj = 0x55d0'c0ff'ee00, .res = 4096, .res2 = 0},
                          {.data = 0xfeed'beef'0000'0001, .obj = 0x55d0'c0ff'ee40, .res = -EIO, .res2 = -1}};
    getevents.call.records_lost = 1;
    view.on_event(getevents);

    Event interrupted =
        event(IFL_IO_PGETEVENTS, 530 * ms, 9 * ms, -514, {context, 1, 16, 0x7ffd'0000'3000, 0, 0x7ffd'0000'3500});
    interrupted.call.timeout_state = IFL_READ_NULL;
    interrupted.call.sigmask_state = IFL_READ_OK;
    interrupted.call.sigmask = 0x4002;
    interrupted.call.sigset_bytes = 8;
    view.on_event(interrupted);

    // 0xffffffff is -1 to a 32-bit program.
    Event compat = event(IFL_IO_GETEVENTS, 540 * ms, 3 * us, -EINVAL, {0xf7f0'0000, 0xffff'ffff, 4, 0xffd0'0000, 1});
    compat.call.abi = IFL_ABI_I386_TIME32;
    compat.call.timeout_state = IFL_READ_FAULT;
    compat.container_id.clear();
    compat.cgroup_path.clear();
    view.on_event(compat);

    Event foreign = event(IFL_IO_SUBMIT, 550 * ms, 3 * us, 1, {context, 1, 0xffd0'0000});
    foreign.call.abi = IFL_ABI_X32;
    foreign.call.accepted = 1;
    foreign.decoded = false;
    view.on_event(foreign);
    Event missed = event(IFL_IO_DESTROY, 560 * ms, 0, 0, {context});
    missed.exit_missed = true;
    view.on_event(missed);
    Event blocked = event(IFL_IO_GETEVENTS, 2'500 * ms, 1'200 * ms, 0, {context, 1, 16, 0x7ffd'0000'3000, 0});
    blocked.in_progress = true;
    view.on_event(blocked);
    Event later = event(IFL_SYSCALL_COUNT, 2'500 * ms, us, 0, {});
    view.on_event(later);

    Summary result = summary();
    result.events = 10;
    result.ended_by = "command exited with status 0";
    view.end(result);
}

}  // namespace inflight::golden
