// SPDX-License-Identifier: Apache-2.0
#include "scenarios.hpp"

#include <linux/aio_abi.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string>

namespace inflight::golden {
namespace {

using namespace model;

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t us = 1'000;
constexpr std::uint64_t start_ns = 5'000'000'000'000;
constexpr std::uint64_t end_ns = start_ns + 2'500 * ms;
constexpr std::uint64_t context = 0x7f5a1e6000;

constexpr std::uint64_t at(std::uint64_t after_start_ns) {
    return start_ns + after_start_ns;
}

view::TraceInfo trace_info() {
    return {.version = "0.1.0",
            .host_name = "db1",
            .kernel_release = "6.1.0-32-cloud-amd64",
            .start_ns = start_ns,
            .wall_offset_ns = 1'700'000'000'000'000'000,
            .hooks = "fentry",
            .limits = {},
            .command = {}};
}

FilePtr file(std::string name, std::string kind = "regular file") {
    File result;
    result.name = std::move(name);
    result.kind = std::move(kind);
    result.inode = 4711;
    result.device_major = 259;
    result.device_minor = 2;
    return std::make_shared<const File>(std::move(result));
}

const FilePtr& table_file() {
    static const FilePtr result = file("/var/lib/postgresql/15/main/base/16384/16397");
    return result;
}

const FilePtr& pipe_file() {
    static const FilePtr result = file("pipe:[48213]", "pipe");
    return result;
}

// A finished read of 4 KiB at 8 KiB, of which each case changes what it is about.
Request request(std::uint16_t opcode, std::uint64_t submit, std::uint64_t latency) {
    Request result;
    result.tier = Tier::fentry;
    result.outcome = Outcome::completed;
    result.kernel_address = 0xffff'8881'0420'0000 + submit / us;
    result.context_id = 0x10001;
    result.ctx_id = context;
    result.address = 0x55d0'c0ff'ee00;
    result.call_id = 7;
    result.opcode = opcode;
    result.origin = Origin::kernel;
    result.fd = 7;
    result.buffer = 0x7f5a'2000'0000;
    result.length = 4096;
    result.offset = 8192;
    result.user_data = 0x1;
    result.file = table_file();
    result.pid = 4242;
    result.tid = 4243;
    result.uid = 1000;
    result.cgroup_id = 5650;
    result.comm = "postgres";
    result.completer_pid = 17;
    result.completer_tid = 17;
    result.submit_ns = at(submit);
    result.complete_ns = at(submit + latency);
    result.reap_ns = at(submit + latency + 5 * us);
    result.result = 4096;
    return result;
}

Request poll_request(std::uint64_t submit, std::uint64_t latency, std::uint64_t mask = POLLIN) {
    Request result = request(IOCB_CMD_POLL, submit, latency);
    result.fd = 9;
    result.buffer = mask;
    result.length = 0;
    result.offset = 0;
    result.address = 0x55d0'c0ff'ee40;
    result.user_data = 0xfeed'beef'0000'0001;
    result.file = pipe_file();
    result.result = POLLIN | POLLRDNORM;
    return result;
}

Request still(Request result) {
    result.outcome = Outcome::in_flight;
    result.complete_ns.reset();
    result.reap_ns.reset();
    result.completer_pid = 0;
    result.completer_tid = 0;
    result.result = 0;
    return result;
}

Request failed(Request result, int error) {
    result.outcome = Outcome::failed;
    result.result = -error;
    return result;
}

Cancel cancel(Verdict verdict, std::int64_t ret, std::uint64_t time, std::string reason) {
    Cancel result;
    result.tier = Tier::fentry;
    result.call_id = 9;
    result.start_ns = at(time) - 2 * us;
    result.end_ns = at(time);
    result.pid = 4242;
    result.tid = 4243;
    result.uid = 1000;
    result.comm = "postgres";
    result.cgroup_id = 5650;
    result.ctx_id = context;
    result.context_id = 0x10001;
    result.address = 0x55d0'c0ff'ee40;
    result.result_address = 0x7ffd'0000'1000;
    result.ret = ret;
    result.verdict = verdict;
    result.reason = std::move(reason);
    return result;
}

Event event(ifl_syscall syscall, std::uint64_t time, std::uint64_t duration, std::int64_t ret,
            std::vector<std::uint64_t> arguments) {
    Event result;
    result.tier = Tier::fentry;
    ifl_call& call = result.call;
    call.header.cpu = 1;
    call.header.time_ns = at(time);
    call.start_ns = at(time) - duration;
    call.ret = ret;
    std::ranges::copy(arguments, call.args);
    call.task = {.pid = 4242,
                 .tid = 4243,
                 .ppid = 4100,
                 .uid = 1000,
                 .ns_pid = 12,
                 .ns_tid = 13,
                 .ns_ppid = 1,
                 .pid_ns = 4'026'532'201,
                 .mnt_ns = 4'026'532'198,
                 .reserved = 0,
                 .cgroup_id = 5650,
                 .comm = "postgres"};
    call.ctx_id = context;
    call.context_id = 0x10001;
    call.syscall = static_cast<ifl_u8>(syscall);
    call.abi = IFL_ABI_X86_64;
    result.container_id = "3f4a9c2b7d10";
    result.cgroup_path = "/system.slice/docker-3f4a9c2b7d10.scope";
    return result;
}

IocbArgument iocb_argument(std::uint32_t index, const struct iocb& block, FilePtr open_file) {
    IocbArgument result;
    result.index = index;
    result.address = 0x55d0'c0ff'ee00 + index * 0x40;
    result.readable = true;
    std::memcpy(result.bytes.data(), &block, sizeof block);
    result.file = std::move(open_file);
    return result;
}

Context kioctx(std::uint64_t id, ContextChange change) {
    Context result;
    result.change = change;
    result.time_ns = at(10 * us);
    result.context_id = 0x10000 + id;
    result.ctx_id = context + (id - 1) * 0x3000;
    result.pid = 4242;
    result.uid = 1000;
    result.comm = "postgres";
    result.in_flight = 2;
    result.in_flight_max = 64;
    result.submitted = 1234;
    result.completed = 1232;
    result.capacity = 253;
    result.max_requests = 128;
    return result;
}

Summary summary() {
    Summary result;
    result.start_ns = start_ns;
    result.end_ns = end_ns;
    result.aio_nr = 137;
    result.aio_max_nr = 65536;
    result.ended_by = "SIGINT";
    return result;
}

// --- requests -------------------------------------------------------------------------------------------------------

void feed_requests(view::View& view) {
    view.begin(trace_info());
    view.on_request(request(IOCB_CMD_PREAD, 104 * ms, 87'100));
    Request write = request(IOCB_CMD_PWRITE, 105 * ms, 1'234'567);
    write.offset = 107'374'178'304;
    write.length = 131'072;
    write.result = 131'072;
    write.rw_flags = 0x2;
    write.ioprio = 0x4004;
    write.aio_flags = IOCB_FLAG_IOPRIO | IOCB_FLAG_RESFD;
    write.resfd = 11;
    view.on_request(write);

    Request short_read = request(IOCB_CMD_PREAD, 110 * ms, 870);
    short_read.result = 512;
    short_read.synchronous = true;
    view.on_request(short_read);
    short_read.result = 4095;
    view.on_request(short_read);
    short_read.result = 0;
    view.on_request(short_read);

    Request vector = request(IOCB_CMD_PREADV, 112 * ms, 12'300);
    vector.length = 3;
    vector.offset = 1234;
    vector.result = 12'288;
    view.on_request(vector);
    Request sync = request(IOCB_CMD_FDSYNC, 113 * ms, 45 * ms);
    sync.length = 0;
    sync.offset = 0;
    sync.buffer = 0;
    sync.result = 0;
    view.on_request(sync);
    view.on_request(poll_request(114 * ms, 1'200 * ms));
    Request many_events = poll_request(114 * ms, 1'200 * ms, POLLIN | POLLOUT | POLLERR | POLLHUP);
    many_events.result = POLLIN | POLLOUT | POLLERR | POLLHUP | 0x2000;
    view.on_request(many_events);

    view.on_request(failed(request(IOCB_CMD_PWRITE, 120 * ms, 3 * ms), EIO));
    Request cancelled = poll_request(121 * ms, 10 * ms);
    cancelled.outcome = Outcome::cancelled;
    cancelled.result = 0;
    cancelled.poll_cancelled = true;
    view.on_request(cancelled);
    Request abandoned = poll_request(130 * ms, 20 * ms);
    abandoned.outcome = Outcome::abandoned;
    abandoned.result = 0;
    abandoned.context_dead = true;
    view.on_request(abandoned);

    // Its completion was not seen: the free of the request bounds it.
    Request bounded = request(IOCB_CMD_PREAD, 150 * ms, 12'300);
    bounded.tier = Tier::tracepoint;
    bounded.completion_exact = false;
    view.on_request(bounded);
    Request existed = request(IOCB_CMD_PREAD, 160 * ms, 0);
    existed.existed = true;
    existed.submit_ns.reset();
    existed.origin = Origin::user;
    view.on_request(existed);

    // Nothing is known but that it ended.
    Request unknown;
    unknown.outcome = Outcome::completed;
    unknown.unpaired = true;
    unknown.completion_seen = false;
    unknown.reap_ns = at(170 * ms);
    unknown.result = 17;
    view.on_request(unknown);

    view.on_request(still(poll_request(1'300 * ms, 0)));
    Request old = still(request(IOCB_CMD_PREAD, 0, 0));
    old.existed = true;
    old.submit_ns.reset();
    view.on_request(old);

    Summary result = summary();
    result.requests = 17;
    result.outcomes = {2, 12, 1, 1, 1};
    OperationStats stats;
    stats.pid = 4242;
    stats.comm = "postgres";
    stats.opcode = IOCB_CMD_PREAD;
    stats.requests = 1234;
    stats.bytes = 5'054'464;
    stats.outcomes = {1, 1232, 1, 0, 0};
    for (std::uint64_t index = 1; index <= 1233; ++index) {
        stats.latency.add(index * us);
    }
    result.operations.push_back(stats);
    OperationStats polls;
    polls.pid = 4242;
    polls.comm = "postgres";
    polls.opcode = IOCB_CMD_POLL;
    polls.requests = 4;
    polls.outcomes = {1, 1, 0, 1, 1};
    polls.latency.add(1'200 * ms);
    result.operations.push_back(polls);
    OperationStats nameless;
    nameless.requests = 1;
    nameless.outcomes = {0, 1, 0, 0, 0};
    result.operations.push_back(nameless);
    view.end(result);
}

// --- hostile names --------------------------------------------------------------------------------------------------

void feed_hostile(view::View& view) {
    view::TraceInfo info = trace_info();
    info.host_name = "db1\x1b[2J";
    info.command = {"cat", "\xff\xfe"};
    view.begin(info);
    Request evil = request(IOCB_CMD_PREAD, 1 * ms, 87'100);
    evil.comm = "a\nlost 0\x1b[31m";
    evil.file = file("/tmp/\x1b]0;title\x07\nlost 0\r\t\xff\xc3(\\x");
    view.on_request(evil);
    evil.comm = "käse-größe-µ";
    evil.file = file("/データ/ベース/表-0001.dat");
    view.on_request(evil);
    evil.comm = "日本語のコマンド名です";
    evil.file = file("/tmp/exe\xe2\x80\xaegnp.elif\xe2\x80\x8b");
    view.on_request(evil);
    File cut;
    cut.name = std::string(300, 'd') + "/end";
    cut.kind = "regular file";
    cut.truncated = true;
    cut.unlinked = true;
    evil.file = std::make_shared<const File>(cut);
    evil.pid = std::numeric_limits<std::uint32_t>::max();
    evil.fd = std::numeric_limits<std::int32_t>::max();
    evil.opcode = 65535;
    evil.length = std::numeric_limits<std::uint64_t>::max();
    evil.offset = std::numeric_limits<std::int64_t>::max();
    evil.result = std::numeric_limits<std::int64_t>::min();
    evil.complete_ns = std::numeric_limits<std::uint64_t>::max();
    view.on_request(evil);
    evil.opcode = IOCB_CMD_PWRITE;
    view.on_request(evil);

    Cancel attempt = cancel(Verdict::unknown_request, -EINVAL, 2 * ms, "nothing in \x1b[1m\xff was submitted");
    attempt.comm = "\x1b[31m\xff";
    view.on_cancel(attempt);
    Finding finding;
    finding.code = "code\n";
    finding.message = "message\nof two lines";
    finding.advice = "advice \xff";
    finding.time_ns = at(3 * ms);
    finding.comm = "\xff";
    view.on_finding(finding);

    Summary result = summary();
    result.requests = 5;
    result.outcomes = {0, 5, 0, 0, 0};
    result.ended_by = "\x1b[0m";
    OperationStats stats;
    stats.pid = 1;
    stats.comm = "a\nlost 0\x1b[31m";
    stats.opcode = 65535;
    result.operations.push_back(stats);
    stats.comm = "日本語";
    result.operations.push_back(stats);
    stats.comm = "käse-größe";
    result.operations.push_back(stats);
    view.end(result);
}

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

Event submit_event() {
    Event result = event(IFL_IO_SUBMIT, 500 * ms, 12'300, 2, {context, 4, 0x7ffd'0000'2000});
    struct iocb read {};
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
    struct iocb poll {};
    poll.aio_lio_opcode = IOCB_CMD_POLL;
    poll.aio_fildes = 9;
    poll.aio_buf = POLLIN;
    result.iocbs.push_back(iocb_argument(1, poll, pipe_file()));
    struct iocb vector {};
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

// --- contexts and losses --------------------------------------------------------------------------------------------

void feed_contexts(view::View& view) {
    view.begin(trace_info());
    Context created = kioctx(1, ContextChange::created);
    created.created_ns = at(10 * us);
    created.in_flight = 0;
    created.submitted = 0;
    created.completed = 0;
    view.on_context(created);
    view.on_context(kioctx(2, ContextChange::found));
    Context gone = kioctx(3, ContextChange::destroyed);
    gone.created_ns = at(10 * us);
    gone.destroyed_ns = at(700 * ms);
    gone.by_exit = true;
    gone.pid = 5151;
    gone.comm = "qemu-system-x86";
    gone.in_flight = 0;
    gone.max_requests = 65'000;
    gone.capacity = 130'047;
    gone.submitted = 12'345'678;
    view.on_context(gone);

    Summary result = summary();
    created = kioctx(1, ContextChange::at_end);
    created.created_ns = at(10 * us);
    result.contexts = {gone, created, kioctx(2, ContextChange::at_end)};
    for (std::uint64_t id = 4; id < 40; ++id) {
        result.contexts.push_back(kioctx(id, ContextChange::at_end));
    }
    view.end(result);
}

void feed_losses(view::View& view) {
    view.begin(trace_info());
    Summary result = summary();
    result.losses.cpus = {
        {.cpu = 0,
         .kinds = {{.kind = "request", .generated = 1000, .delivered = 1000, .lost = 0},
                   {.kind = "call", .generated = 2000, .delivered = 2000, .lost = 0}}},
        {.cpu = 11,
         .kinds = {{.kind = "request", .generated = 123'456, .delivered = 121'222, .lost = 2'234},
                   {.kind = "call", .generated = 2000, .delivered = 1999, .lost = 1}}},
    };
    result.losses.requests_untracked = 3;
    result.losses.calls_untracked = 1;
    result.losses.contexts_untracked = 2;
    result.losses.exits_missed = 4;
    result.losses.programs_skipped = 160;
    result.losses.completions_unseen = 5;
    result.losses.submissions_unseen = 6;
    result.losses.out_of_order = 7;
    result.aio_max_nr = 0;
    view.end(result);
}

void feed_empty(view::View& view) {
    view.begin(trace_info());
    view.end(summary());
}

}  // namespace

const std::vector<Scenario>& scenarios() {
    static const std::vector<Scenario> all = {
        {"requests", feed_requests}, {"hostile", feed_hostile}, {"cancels", feed_cancels}, {"events", feed_events},
        {"contexts", feed_contexts}, {"losses", feed_losses},   {"empty", feed_empty},
    };
    return all;
}

}  // namespace inflight::golden
