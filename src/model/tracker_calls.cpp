// SPDX-License-Identifier: Apache-2.0
// The tracker's part that deals with system calls: events, cancels, and the findings that calls give.
#include "base/units.hpp"
#include "model/files.hpp"
#include "model/tracker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace inflight::model {

namespace {

std::string comm_of(const ifl_task& task) {
    return {&task.comm[0], strnlen(&task.comm[0], IFL_COMM_BYTES)};
}

Finding finding_of(const ifl_call& call) {
    Finding finding;
    finding.time_ns = call.header.time_ns;
    finding.pid = call.task.pid;
    finding.tid = call.task.tid;
    finding.comm = comm_of(call.task);
    return finding;
}

// Of calls whose records have come in part: iocbs and events.
constexpr std::size_t partial_limit = 1U << 18U;
constexpr std::uint64_t partial_ns = 1'000'000'000;
constexpr std::size_t slow_submits_limit = 1U << 16U;
bool is_uring(const ifl_call& call) {
    return call.syscall >= IFL_IO_URING_SETUP && call.syscall <= IFL_IO_URING_REGISTER;
}

}  // namespace

void Tracker::on_iocbs(const ifl_iocbs& record) {
    const std::size_t count = std::min<std::size_t>(record.count, IFL_IOCBS_PER_RECORD);
    auto& partial = partial_of(record.call_id, record.header.time_ns);
    // Where a record was lost the others keep their places.
    for (std::uint32_t i = 0; i < count; i++) {
        partial.iocbs.emplace_back(record.first_index + i, record.iocbs[i]);
    }
    partial_parts_ += count;
    forget_old_partial();
}

Tracker::PartialEvent& Tracker::partial_of(std::uint64_t call_id, std::uint64_t time_ns) {
    const auto [place, made] = partial_.try_emplace(call_id);
    place->second.time_ns = time_ns;
    if (made) {
        partial_order_.push_back({time_ns, call_id});
    }
    return place->second;
}

void Tracker::forget_partial(std::map<std::uint64_t, PartialEvent>::iterator place) {
    partial_parts_ -= std::min(partial_parts_, place->second.iocbs.size() + place->second.returned.size());
    partial_.erase(place);
}

// Calls whose own record does not come.
void Tracker::forget_old_partial() {
    while (!partial_order_.empty() &&
           (partial_parts_ > partial_limit || later(partial_order_.front().first, partial_ns) < now_ns_)) {
        const auto place = partial_.find(partial_order_.take_front().second);
        if (place == partial_.end()) {
            continue;
        }
        if (partial_parts_ <= partial_limit && later(place->second.time_ns, partial_ns) >= now_ns_) {
            partial_order_.push_back({place->second.time_ns, place->first});
            continue;
        }
        forget_partial(place);
    }
}

void Tracker::on_call(const ifl_call& record) {
    // An io_uring_enter that also waits for completions is meant to take long.
    const bool only_submits = record.syscall == IFL_IO_URING_ENTER && record.args[1] != 0 && record.args[2] == 0;
    if (record.syscall == IFL_IO_SUBMIT || only_submits) {
        check_submit(record);
    }
    if (record.syscall == IFL_IO_SETUP) {
        check_setup(record);
    }
    if (record.syscall == IFL_IO_CANCEL && (record.flags & (IFL_CALL_IN_PROGRESS | IFL_CALL_EXIT_MISSED)) == 0) {
        PendingCancel pending{
            .call = record, .tier = static_cast<Tier>(record.header.tier), .taken = nullptr, .finished = {}};
        claim_taken(pending);
        if (pending.taken || decidable_at_once(record)) {
            resolve(pending);
        } else {
            add_pending(std::move(pending));
        }
    }
    if (is_uring(record)) {
        uring_.on_call(record);
    }
    if ((options_.events_wanted & event_bit(record.syscall)) != 0) {
        emit_event(record);
    } else if (is_uring(record)) {
        (void)uring_.take_details(record);
    }
}

void Tracker::emit_event(const ifl_call& record) {
    Event event;
    event.call = record;
    if (is_uring(record)) {
        event.family = Family::uring;
        event.details = uring_.take_details(record);
    }
    event.tier = static_cast<Tier>(record.header.tier);
    if (const auto path = names_.cgroups.find(record.task.cgroup_id); path != names_.cgroups.end()) {
        event.cgroup_path = path->second;
        event.container_id = container_id_in(path->second);
    }
    event.in_progress = (record.flags & IFL_CALL_IN_PROGRESS) != 0;
    event.exit_missed = (record.flags & IFL_CALL_EXIT_MISSED) != 0;
    event.decoded = (record.flags & IFL_CALL_NOT_DECODED) == 0;
    if (const auto found = partial_.find(record.call_id); found != partial_.end()) {
        for (const auto& [index, iocb] : found->second.iocbs) {
            if (iocb.state == IFL_READ_NOT_TRIED) {
                continue;
            }
            IocbArgument argument{.index = index,
                                  .address = iocb.address,
                                  .readable = iocb.state == IFL_READ_OK,
                                  .bytes = {},
                                  .file = {}};
            std::copy(std::begin(iocb.bytes), std::end(iocb.bytes), argument.bytes.begin());
            argument.file = names_.file(iocb.file_id);
            event.iocbs.push_back(std::move(argument));
        }
        event.returned = found->second.returned;
        if (!event.in_progress) {
            forget_partial(found);
        }
    }
    sink_.on_event(event);
}

void Tracker::check_submit(const ifl_call& record) {
    const bool in_progress = (record.flags & IFL_CALL_IN_PROGRESS) != 0;
    // Only sleep counts as blocking: a thread may also work, or wait for a processor.
    constexpr std::uint64_t ns_per_us = 1000;
    const std::uint64_t lasted_ns = record.header.time_ns - std::min(record.header.time_ns, record.start_ns);
    const std::uint64_t took_ns =
        (record.flags & IFL_CALL_SLEPT_KNOWN) != 0 ? std::min(lasted_ns, record.header.span_us * ns_per_us) : lasted_ns;
    if (took_ns < options_.slow_submit_ns || (record.flags & IFL_CALL_EXIT_MISSED) != 0) {
        return;
    }
    // One finding a call: while it blocks, if it blocks that long, else when it has returned.
    if (!in_progress && slow_submits_.erase(record.call_id) != 0) {
        return;
    }
    if (slow_submits_.size() >= slow_submits_limit) {
        slow_submits_.erase(slow_submits_.begin());
    }
    if (in_progress && !slow_submits_.emplace(record.call_id, record.start_ns).second) {
        return;
    }
    Finding finding = finding_of(record);
    finding.code = "slow-submit";
    finding.once_for = record.context_id != 0 ? record.context_id : record.task.pid;
    finding.operation = record.syscall;
    if (is_uring(record)) {
        finding.message = fmt::format("io_uring_enter {} for {} while it submitted {} and waited for none",
                                      in_progress ? "has been blocking" : "blocked", format_duration(took_ns),
                                      counted(record.args[1], "request"));
        finding.advice =
            "submission is meant not to wait: look for buffered I/O that no page cache has, operations that cannot be "
            "tried without blocking, a full request queue of the device; IOSQE_ASYNC hands such requests to a worker";
        sink_.on_finding(finding);
        return;
    }
    finding.message = in_progress
                          ? fmt::format("io_submit of {} has been blocking for {} ({} accepted so far)",
                                        counted(record.args[1], "request"), format_duration(took_ns), record.accepted)
                          : fmt::format("io_submit of {} blocked for {}", counted(record.args[1], "request"),
                                        format_duration(took_ns));
    finding.advice =
        "io_submit is meant not to wait: look for buffered I/O, a file opened without O_DIRECT, a write that extends "
        "the "
        "file, a full request queue of the device";
    sink_.on_finding(finding);
}

void Tracker::check_setup(const ifl_call& record) {
    if (record.ret != -EAGAIN || (record.flags & (IFL_CALL_IN_PROGRESS | IFL_CALL_EXIT_MISSED)) != 0) {
        return;
    }
    Finding finding = finding_of(record);
    finding.severity = Severity::critical;
    // The kernel says EAGAIN for both (fs/aio.c, ioctx_alloc): io_setup takes an unsigned int.
    const auto wanted = static_cast<std::uint32_t>(record.args[0]);
    const std::string limit = options_.aio_max_nr == 0 ? "" : fmt::format(" ({})", options_.aio_max_nr);
    if (options_.aio_max_nr != 0 && wanted > options_.aio_max_nr) {
        finding.code = "aio-max-nr-too-small";
        finding.message =
            fmt::format("io_setup({}) failed with EAGAIN: it asks for more than aio-max-nr{} allows the whole machine",
                        wanted, limit);
        finding.advice = "ask for as many requests as are in flight at once, or raise fs.aio-max-nr";
    } else {
        finding.code = "aio-max-nr-exhausted";
        finding.message = fmt::format(
            "io_setup({}) failed with EAGAIN: other contexts hold so much of aio-max-nr{} that less than that is left",
            wanted, limit);
        finding.advice = "`inflight contexts` shows who holds it; close contexts, or raise fs.aio-max-nr";
    }
    finding.once_for = record.task.pid;
    sink_.on_finding(finding);
}

}  // namespace inflight::model
