// SPDX-License-Identifier: Apache-2.0
#include "scenarios.hpp"

#include "parts.hpp"

#include <limits>

namespace inflight::golden {
namespace {

using namespace parts;

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
        {"requests", feed_requests},
        {"hostile", feed_hostile},
        {"cancels", feed_cancels},
        {"events", feed_events},
        {"contexts", feed_contexts},
        {"losses", feed_losses},
        {"empty", feed_empty},
        {"uring_requests", feed_uring_requests},
        {"uring_rings", feed_uring_rings},
        {"uring_newer", feed_uring_newer},
        {"uring_newer_events", feed_uring_newer_events},
        {"uring_cancels", feed_uring_cancels},
        {"uring_events", feed_uring_events},
    };
    return all;
}

}  // namespace inflight::golden
