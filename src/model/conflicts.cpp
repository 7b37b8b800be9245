// SPDX-License-Identifier: Apache-2.0
#include "model/conflicts.hpp"

#include "base/units.hpp"
#include "model/story.hpp"
#include "model/uring_abi.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace inflight::model {

namespace {

constexpr std::uint64_t never_ns = ~std::uint64_t{0};
// Others that a request is compared with, of those that share bytes with it.
constexpr std::size_t compared_with = 64;

// 0: not known, or not of io_uring
std::uint64_t chain_of(const Request& request) {
    if (!request.uring) {
        return 0;
    }
    return request.uring->link_head != 0 ? request.uring->link_head : request.uring->request_id;
}

bool drains(const Request& request) {
    return request.uring && (request.uring->sqe_flags & uring::sqe_io_drain) != 0;
}

// The kernel runs one after the other, though both are in flight: a chain of links, and what stands before and behind a
// drain.
bool ordered(const Request& one, const Request& other) {
    const std::uint64_t chain = chain_of(one);
    if (chain != 0 && chain == chain_of(other)) {
        return true;
    }
    return one.context_id == other.context_id && (drains(one) || drains(other));
}

// When the request may have touched what it works on; nullopt: not known well enough to accuse it.
std::optional<std::pair<std::uint64_t, std::uint64_t>> time_in_flight(const Request& request) {
    if (!request.submit_ns && !request.existed) {
        return std::nullopt;
    }
    const std::uint64_t from_ns = request.submit_ns.value_or(0);
    if (!request.complete_ns) {
        return std::pair(from_ns, never_ns);
    }
    // An end that is an upper bound may be later than the moment when the program was told and used the memory again.
    if (!request.completion_exact && !request.reap_ns) {
        return std::nullopt;
    }
    std::uint64_t until_ns = *request.complete_ns;
    if (request.uring && request.uring->notified_ns) {
        until_ns = std::max(until_ns, *request.uring->notified_ns);
    }
    return std::pair(from_ns, until_ns);
}

std::string bytes_of(const ByteRange& range) {
    const std::uint64_t bytes = range.end - range.start;
    return fmt::format("{} {}", bytes, noun(bytes, "byte"));
}

std::string bytes_at(const ByteRange& range) {
    return fmt::format("{} at {:#x}", bytes_of(range), range.start);
}

std::string together_for(const Use& one, const Use& other) {
    const std::uint64_t from_ns = std::max(one.from_ns, other.from_ns);
    const std::uint64_t until_ns = std::min(one.until_ns, other.until_ns);
    if (until_ns == never_ns) {
        return "in flight at the same time, neither has ended";
    }
    return from_ns == 0 ? "in flight at the same time when the trace began"
                        : "in flight at the same time for " + format_duration(until_ns - from_ns);
}

// How much of what it was given a request has touched, as far as its result tells.
std::uint64_t bytes_used(const Request& request) {
    if (!request.complete_ns || !request.result_known || request.error() == EFAULT || request.error() == EIO) {
        return ~std::uint64_t{0};
    }
    return static_cast<std::uint64_t>(std::max<std::int64_t>(request.result, 0));
}

bool both_used_it(const Use& one, const Use& other) {
    return std::max(one.range.start, other.range.start) < std::min(one.used_end, other.used_end);
}

ByteRange shared_bytes(const Use& one, const Use& other) {
    return {.start = std::max(one.range.start, other.range.start), .end = std::min(one.range.end, other.range.end)};
}

std::uint64_t operations_key(const Request& one, const Request& other) {
    constexpr std::uint64_t unknown = 0xffff;
    const auto number = [](const Request& each) {
        return (each.opcode ? *each.opcode : unknown) | static_cast<std::uint64_t>(each.family) << 16U;
    };
    const auto [low, high] = std::minmax({number(one), number(other)});
    return high << 32U | low;
}

Severity severity_of_memory(const Use& one, const Use& other) {
    return both_used_it(one, other) ? Severity::critical : Severity::info;
}

void describe_memory(Finding& finding, const Use& one, const Use& other) {
    const bool harmed = both_used_it(one, other);
    const std::string where = bytes_at(shared_bytes(one, other));
    const auto role = [](const Use& use) { return use.writes ? "writes" : "reads"; };
    finding.message =
        fmt::format("{} ({} {}) and {} ({} {}) were {}: they share {}{}", words_for(*one.request), role(one),
                    bytes_at(one.range), words_for(*other.request), role(other), bytes_at(other.range),
                    together_for(one, other), where, harmed ? "" : ", of which not both have moved a byte this time");
    finding.advice = one.writes && other.writes
                         ? "what the memory holds afterwards depends on which ends last: give each request a buffer of "
                           "its own until its completion has been reaped"
                         : "what is written out may be half of the old data and half of the new: give each request a "
                           "buffer of its own until its completion has been reaped";
}

// A file opened with O_APPEND is written at its end, whatever the offset; programs then leave it 0.
bool may_append(const Use& one, const Use& other) {
    return one.range.start == 0 && other.range.start == 0;
}

Severity severity_of_file(const Use& one, const Use& other) {
    return may_append(one, other) || !both_used_it(one, other) ? Severity::info : Severity::warn;
}

void describe_file(Finding& finding, const Use& one, const Use& other) {
    const auto place = [](const Use& use) { return fmt::format("{} at {}", bytes_of(use.range), use.range.start); };
    const ByteRange shared = shared_bytes(one, other);
    finding.message =
        fmt::format("{} ({}) and {} ({}) were {}: both write {} at {} of the file{}", words_for(*one.request),
                    place(one), words_for(*other.request), place(other), together_for(one, other), bytes_of(shared),
                    shared.start, may_append(one, other) ? ", unless it was opened with O_APPEND" : "");
    finding.advice =
        "which of the two stays in the file is not defined: submit the second when the first has completed, or link "
        "them (IOSQE_IO_LINK)";
}

Severity severity_of_iocb(const Use& /*one*/, const Use& /*other*/) {
    return Severity::warn;
}

void describe_iocb(Finding& finding, const Use& one, const Use& other) {
    finding.message =
        fmt::format("the iocb {:#x} was submitted again while in flight: {}, then {}; {}", one.range.start,
                    words_for(*one.request), words_for(*other.request), together_for(one, other));
    finding.advice =
        "their events cannot be told apart by the iocb, and io_cancel takes either: use an iocb again only when its "
        "event has been reaped";
}

}  // namespace

Conflicts::Process& Conflicts::process(std::uint32_t pid, std::uint64_t now_ns) {
    auto& found = processes_[pid];
    if (!found) {
        if (processes_.size() > options_.processes) {
            auto oldest = processes_.end();
            for (auto each = processes_.begin(); each != processes_.end(); ++each) {
                if (each->second && (oldest == processes_.end() || each->second->last_ns < oldest->second->last_ns)) {
                    oldest = each;
                }
            }
            forgotten_until_ns_ = std::max(forgotten_until_ns_, oldest->second->last_ns);
            processes_.erase(oldest);
        }
        found = std::make_unique<Process>(options_.remembered);
    }
    found->last_ns = std::max(found->last_ns, now_ns);
    return *found;
}

void Conflicts::on_request(const Request& request) {
    next_.on_request(request);
    // One that was refused has touched nothing.
    if (request.uring && request.uring->prep_failed) {
        return;
    }
    const Accesses accesses = accesses_of(request);
    const bool has_iocb = request.family == Family::aio && request.address != 0;
    const bool has_buffer = registered_buffer(request).has_value();
    if (!accesses.memory_complete) {
        limits_.memory_unknown++;
    }
    if (accesses.memory.empty() && !accesses.file_write && !has_iocb && !has_buffer) {
        return;
    }
    const auto time = time_in_flight(request);
    if (!time) {
        limits_.time_unknown++;
        return;
    }
    const auto shared = std::make_shared<const Request>(request);
    if (has_buffer) {
        buffers_.on_request(shared, [this](const auto& removal, const Request& user) { tell_removal(removal, user); });
    }
    const bool ended = time->second != never_ns;
    Process& known = process(request.pid, ended ? time->second : time->first);
    const std::uint64_t forgotten_ns =
        std::max({known.memory.forgotten_until_ns(), known.files.forgotten_until_ns(), known.iocbs.forgotten_until_ns(),
                  unmaps_.forgotten_until_ns(), forgotten_until_ns_});
    // One that was in flight before the trace began could be said of forever.
    if (request.submit_ns && time->first < forgotten_ns) {
        limits_.forgotten++;
    }
    Use use{.space = {},
            .range = {},
            .used_end = 0,
            .from_ns = time->first,
            .until_ns = time->second,
            .writes = accesses.writes_memory,
            .request = shared};
    // Of several vectors it does not say which were reached, only that none was.
    const std::uint64_t used = bytes_used(request);
    const bool partly = accesses.memory.size() == 1 || used == 0;
    const auto set_range = [&](const ByteRange& range, bool whole) {
        use.range = range;
        use.used_end = (whole || partly) && used < range.end - range.start ? range.start + used : range.end;
    };
    Met met;
    if (has_iocb) {
        use.range = {.start = request.address, .end = request.address + 1};
        check(known.iocbs, use, Kind::iocb, met);
        known.iocbs.add(use);
    }
    if (accesses.file_write) {
        use.space = {std::uint64_t{request.file->device_major} << 32U | request.file->device_minor,
                     request.file->inode};
        set_range(*accesses.file_write, true);
        met.clear();
        check(known.files, use, Kind::file, met);
        known.files.add(use);
        use.space = {};
    }
    // Two vectors may meet in several places: that is one finding.
    met.clear();
    for (const ByteRange& range : accesses.memory) {
        set_range(range, false);
        check(known.memory, use, Kind::memory, met);
    }
    for (const ByteRange& range : accesses.memory) {
        set_range(range, false);
        known.memory.add(use);
    }
    check_unmaps(accesses, use);
}

void Conflicts::check_unmaps(const Accesses& accesses, const Use& use) {
    const Request& request = *use.request;
    // The pages of a registered buffer are the ring's, whatever becomes of their addresses.
    if (registered_buffer(request)) {
        return;
    }
    unmaps_.check(request.pid, accesses.memory, use.from_ns, use.until_ns,
                  [&](const Unmap& unmap, const ByteRange& range) {
                      if (!once_.first_of_many("memory-unmapped", request.pid, request.opcode.value_or(0))) {
                          return;
                      }
                      Finding finding = memory_unmapped(unmap, range, request);
                      finding.stories = {request};
                      next_.on_finding(finding);
                  });
}

void Conflicts::check(RangeIndex& index, const Use& use, Kind kind, Met& met) {
    const bool whole = index.overlapping(use, [&](const Use& other) {
        if (kind == Kind::memory && !use.writes && !other.writes) {
            return true;
        }
        if (kind != Kind::iocb && ordered(*use.request, *other.request)) {
            return true;
        }
        if (met.size() >= compared_with) {
            return met.contains(other.request.get());
        }
        if (met.insert(other.request.get()).second) {
            const bool before = other.from_ns <= use.from_ns;
            tell(before ? other : use, before ? use : other, kind);
        }
        return true;
    });
    limits_.crowded += whole ? 0 : 1;
}

void Conflicts::tell(const Use& earlier, const Use& later, Kind kind) {
    struct About {
        const char* code;
        Severity (*severity)(const Use&, const Use&);
        void (*describe)(Finding&, const Use&, const Use&);
    };
    constexpr About by_kind[] = {{"buffer-overlap", severity_of_memory, describe_memory},
                                 {"file-overlap", severity_of_file, describe_file},
                                 {"iocb-reused", severity_of_iocb, describe_iocb}};
    const About& about = by_kind[static_cast<std::size_t>(kind)];
    const Request& request = *later.request;
    Finding finding;
    finding.code = about.code;
    finding.severity = about.severity(earlier, later);
    // By severity too: what may be harmless must not hide what is not. Only findings that are reported get a message.
    if (!once_.first_of_many(finding.code + std::string(name(finding.severity)), request.pid,
                             operations_key(*earlier.request, request))) {
        return;
    }
    about.describe(finding, earlier, later);
    finding.time_ns = later.from_ns;
    finding.pid = request.pid;
    finding.tid = request.tid;
    finding.comm = request.comm;
    finding.stories = {*earlier.request, request};
    next_.on_finding(finding);
}

void Conflicts::on_event(const Event& event) {
    buffers_.on_event(event, [this](const auto& removal, const Request& user) { tell_removal(removal, user); });
    if ((options_.events_shown & event_bit(event.call.syscall)) != 0) {
        next_.on_event(event);
    }
}

void Conflicts::tell_removal(const RegisteredBuffers::Removal& removal, const Request& request) {
    if (!once_.first_of_many("buffer-unregistered", request.context_id, request.opcode.value_or(0))) {
        return;
    }
    Finding finding;
    finding.code = "buffer-unregistered";
    finding.severity = Severity::warn;
    finding.time_ns = removal.time_ns;
    finding.pid = removal.pid;
    finding.tid = removal.tid;
    finding.comm = request.comm;
    finding.message = fmt::format(
        "{} uses registered buffer {}; it was {} by io_uring_register on fd {}, {} after the request was submitted{}",
        words_for(request), registered_buffer(request).value_or(0), removal.replaced ? "replaced" : "unregistered",
        removal.fd, format_duration(removal.time_ns - request.submit_ns.value_or(removal.time_ns)),
        request.complete_ns
            ? fmt::format(" and {} before it completed", format_duration(*request.complete_ns - removal.time_ns))
            : ", which has not completed");
    finding.advice =
        "the request goes on with the old memory, and the call may wait for it: take a buffer away only when all that "
        "use it have completed, and do not free its memory before";
    finding.stories = {request};
    next_.on_finding(finding);
}

ConflictLimits Conflicts::limits() const {
    ConflictLimits limits = limits_;
    limits.buffer_calls = buffers_.unreadable();
    limits.repeats = once_.repeats();
    return limits;
}

}  // namespace inflight::model
