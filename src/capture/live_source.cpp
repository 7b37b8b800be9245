// SPDX-License-Identifier: Apache-2.0
#include "capture/live_source.hpp"

#include "capture/aio_rings.hpp"
#include "capture/map_entries.hpp"
#include "contract/tables.h"

#include "probe/processes.hpp"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <optional>

namespace inflight::capture {

namespace {

// How long a record may be late, and how often the tables are looked at.
constexpr std::uint64_t reorder_ns = 25'000'000;
constexpr std::uint64_t ending_ns = 1'000'000'000;
constexpr std::uint64_t snapshot_interval_ns = 100'000'000;
constexpr std::uint64_t blocked_interval_ns = 50'000'000;
constexpr std::uint64_t survey_interval_ns = 50'000'000;
// A survey takes at most a fiftieth of a CPU's time. Where there are very many rings, surveys come less often.
constexpr std::uint64_t survey_share = 50;
// How long one pump() hands records over before it returns, so that who calls it can look at signals.
constexpr std::uint64_t pump_ns = 20'000'000;
constexpr std::size_t clock_interval = 64;  // records between two looks at the clock
constexpr std::size_t most_waiting_bytes = std::size_t{64} << 20U;
constexpr std::uint64_t loss_look_interval_ns = 10'000'000;
// Entries of io_uring requests that nobody used for this long are given back, where there are many.
constexpr std::uint64_t idle_entry_ns = 10'000'000'000;
// Of what is in flight at the end, when a signal wants that to come soon: to print one takes some microseconds.
constexpr std::size_t most_told_in_a_hurry = 2'048;
// A ring that was closed may still have requests that end; then what is left of it is removed.
constexpr std::uint64_t bury_ring_after_ns = 500'000'000;
// Where very many are in flight the kernel takes longer; an end that comes after that would be told a second time.
constexpr std::uint64_t longest_dying_ns = 4'500'000'000;

template <typename Record>
void set_header(Record& record, std::uint16_t kind, std::uint64_t time_ns) {
    record.header.size_bytes = sizeof(Record);
    record.header.kind = kind;
    record.header.time_ns = time_ns;
}

// How long a thread that is in a call has slept there.
std::optional<std::uint64_t> slept_ns(const ifl_call_entry& entry, std::uint64_t now_ns) {
    const auto now = probe::read_running(entry.call.task.tid);
    if (!now || IFL_IS_ELSEWHERE(entry.call.task.tid) || entry.running_ns == 0) {
        return std::nullopt;
    }
    const std::uint64_t awake_ns = now->running_ns - entry.running_ns + now->runnable_ns - entry.runnable_ns;
    const std::uint64_t since_ns = now_ns - std::min(now_ns, entry.call.start_ns);
    return now->sleeps == entry.sleeps ? 0 : since_ns - std::min(since_ns, awake_ns);
}

ifl_context context_record(std::uint64_t kioctx, const ifl_context_entry& entry, ifl_context_state state,
                           std::uint64_t time_ns) {
    ifl_context record{};
    set_header(record, IFL_CONTEXT, time_ns);
    record.kioctx = kioctx;
    record.context_id = entry.context_id;
    record.ctx_id = entry.ctx_id;
    record.created_ns = entry.created_ns;
    record.submitted = entry.submitted;
    record.completed = entry.completed;
    record.in_flight = entry.in_flight;
    record.in_flight_max = entry.in_flight_max;
    record.capacity = entry.capacity;
    record.max_reqs = entry.max_reqs;
    record.pid = entry.pid;
    record.uid = entry.uid;
    record.state = static_cast<ifl_u8>(state);
    record.refused = entry.refused;
    record.refused_error = static_cast<ifl_u8>(entry.refused_error);
    std::copy(std::begin(entry.comm), std::end(entry.comm), std::begin(record.comm));
    return record;
}

}  // namespace

std::uint64_t monotonic_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

LiveSource::LiveSource(probe::Probes probes, LiveOptions options)
    : probes_(std::move(probes)), options_(options), delivered_(probes_.buffers().cpus) {}

LiveSource::~LiveSource() = default;

Result<std::unique_ptr<LiveSource>> LiveSource::open(probe::Probes probes, LiveOptions options) {
    std::unique_ptr<LiveSource> source(new LiveSource(std::move(probes), options));
    const auto& opened_probes = source->probes_;
    if (auto mapped = source->buffers_.map(opened_probes.buffers()); !mapped) {
        return std::unexpected(mapped.error());
    }
    if (auto mapped = source->request_slots_.map(opened_probes.request_slots_fd()); !mapped) {
        return std::unexpected(mapped.error());
    }
    if (auto mapped = source->call_slots_.map(opened_probes.call_slots_fd()); !mapped) {
        return std::unexpected(mapped.error());
    }
    if (auto mapped = source->uring_.map({.slots = opened_probes.uring_slots_fd(),
                                          .spilled = opened_probes.uring_requests_fd(),
                                          .rings = opened_probes.rings_of_uring_fd()});
        !mapped) {
        return std::unexpected(mapped.error());
    }
    // Twice: the second makes sure of what the first found.
    for (int walk = 0; walk < 2; walk++) {
        if (auto walked = source->probes_.walk_lists(); !walked) {
            return std::unexpected(walked.error());
        }
    }
    source->uring_.drop_unconfirmed();
    source->find_descriptors();
    return source;
}

bool LiveSource::is_in_flight(const model::Request& request) const {
    const std::uint64_t address = request.kernel_address;
    const std::uint64_t submit_ns = request.submit_ns.value_or(0);
    if (request.family == model::Family::uring) {
        return uring_.is_open(address, submit_ns);
    }
    const auto is_it = [&](const ifl_request_entry& entry) {
        return __atomic_load_n(&entry.taken, __ATOMIC_ACQUIRE) == IFL_ENTRY_IN_FLIGHT &&
               entry.request.kiocb == address && entry.request.submit_ns == submit_ns;
    };
    if (is_it(request_slots_.place_of(address))) {
        return true;
    }
    ifl_request_entry entry{};
    return bpf_map_lookup_elem(probes_.requests_fd(), &address, &entry) == 0 && is_it(entry);
}

void LiveSource::on_buffered(const ifl_header& record) {
    if (record.kind >= IFL_KIND_COUNT || record.cpu >= delivered_.size()) {
        records_malformed_++;
        return;
    }
    delivered_[record.cpu].at(record.kind)++;
    const bool names = record.kind == IFL_FILE || record.kind == IFL_CGROUP || record.kind == IFL_PROCESS;
    if (detaching_ && record.time_ns > end_ns_ && !names) {
        late_.note(record, end_ns_);
        return;
    }
    if (record.kind == IFL_CONTEXT) {
        context_owners_.insert(reinterpret_cast<const ifl_context&>(record).pid);
    } else if (record.kind == IFL_PROCESS_EXIT) {
        const auto pid = reinterpret_cast<const ifl_process_exit&>(record).pid;
        if (context_owners_.erase(pid) != 0) {
            deaths_[pid] = record.time_ns;
        }
    } else if (record.kind == IFL_TALLY) {
        const auto& tally = reinterpret_cast<const ifl_tally&>(record);
        // Each thread tells of them where the main thread has ended.
        if (tally.family == IFL_FAMILY_AIO) {
            tallies_.try_emplace(tally.object, tally);
        }
    } else if (record.kind == IFL_RING) {
        const auto& ring = reinterpret_cast<const ifl_ring&>(record);
        rings_seen_ = true;
        if (ring.state == IFL_CONTEXT_DESTROYED) {
            rings_to_bury_.push_back(
                {.ring = ring.ring, .context_id = ring.context_id, .time_ns = record.time_ns, .buried_ns = 0});
        }
    }
    add(record, Sorter::Maker::kernel_side);
}

void LiveSource::drain() {
    constexpr int most_readings = 64;
    for (int reading = 0; reading < most_readings; reading++) {
        if (drain_some() == 0 || hurry_.is_over()) {
            return;
        }
    }
}

std::size_t LiveSource::drain_some() {
    const std::size_t records =
        buffers_.read([this](const ifl_header& record) { on_buffered(record); }, records_malformed_);
    if (!deaths_.empty() || !deaths_to_bury_.empty()) {
        read_contexts_of_dead();
    }
    return records;
}

Result<std::size_t> LiveSource::pump(Consumer& consumer) {
    const std::uint64_t start_ns = monotonic_ns();
    // What was read and not handed over yet is in our memory: beyond that the kernel side's buffers wait, and count
    // what they lose.
    const std::size_t records = behind_ && sorter_.waiting_bytes() > most_waiting_bytes ? 1 : drain_some();
    if (start_ns - last_blocked_ns_ >= blocked_interval_ns) {
        last_blocked_ns_ = start_ns;
        report_blocked_calls();
    }
    if (start_ns >= next_survey_ns_ && rings_seen_) {
        if (auto surveyed = probes_.survey(); !surveyed) {
            return std::unexpected(surveyed.error());
        }
        const std::uint64_t took_ns = monotonic_ns() - start_ns;
        next_survey_ns_ = start_ns + std::max(survey_interval_ns, survey_share * took_ns);
        bury_rings(start_ns - std::min(start_ns, bury_ring_after_ns));
    }
    const bool takes_snapshot = consumer.wants_snapshot() && start_ns - last_snapshot_ns_ >= snapshot_interval_ns;
    // More often than records wait in the sorter, so that it is known before what it may concern is handed over.
    if (takes_snapshot || start_ns - last_loss_look_ns_ >= loss_look_interval_ns) {
        last_loss_look_ns_ = start_ns;
        tell_of_losses(consumer, takes_snapshot);
    }
    if (takes_snapshot) {
        last_snapshot_ns_ = start_ns;
        if (auto taken = take_snapshot(false); !taken) {
            return std::unexpected(taken.error());
        }
    }
    const std::uint64_t until_ns = start_ns - std::min(start_ns, reorder_ns);
    const std::uint64_t stop_ns = start_ns + pump_ns;
    std::size_t handed_over = 0;
    const auto go_on = [&] { return ++handed_over % clock_interval != 0 || monotonic_ns() < stop_ns; };
    behind_ = !sorter_.release(until_ns, [&consumer](const ifl_header& record) { consumer.on_record(record); }, go_on);
    if (behind_) {
        return records;
    }
    // The model gives a ring up some time after its end: not before it has got what was left of it.
    std::uint64_t advance_ns = until_ns;
    for (const ClosedRing& closed : rings_to_bury_) {
        advance_ns = std::min(advance_ns, closed.time_ns + bury_ring_after_ns);
    }
    std::erase_if(rings_to_bury_, [until_ns](const ClosedRing& closed) {
        return closed.buried_ns != 0 && closed.buried_ns < until_ns;
    });
    consumer.advance(advance_ns);
    return records;
}

Result<void> LiveSource::take_snapshot(bool final) {
    const auto pass = probes_.iterate();
    if (!pass) {
        return std::unexpected(pass.error());
    }
    const bool counting = options_.places_wanted && !final;
    if (counting) {
        if (auto counted = probes_.count_tasks(); !counted) {
            return counted;
        }
    }
    // The iterator may have written records of contexts and files that these requests refer to.
    drain();
    // A request that ends while the table is copied is known to have ended by its own record, which stands between the
    // copies and the end of the snapshot.
    const std::uint64_t begin_ns = monotonic_ns();
    const std::uint64_t latest_ns = final && end_ns_ != 0 ? end_ns_ : ~std::uint64_t{0};
    std::vector<ifl_request> requests;
    const auto keep = [&](const ifl_request_entry& entry) {
        const bool found_by_iterator = (entry.request.flags & IFL_REQ_EXISTED) != 0;
        // One that is just ending was in flight a moment ago; its record may not be here yet.
        const auto ended_ns = entry.request.complete_ns;
        const bool ending =
            !final && entry.taken == IFL_ENTRY_BUSY && (ended_ns == 0 || ended_ns + ending_ns > begin_ns);
        if (entry.request.submit_ns > latest_ns) {
            return;
        }
        if ((entry.taken == IFL_ENTRY_IN_FLIGHT || ending) && !(found_by_iterator && entry.iterated != *pass)) {
            requests.push_back(entry.request);
            requests.back().complete_ns = 0;
        }
    };
    for (const ifl_request_entry& slot : request_slots_.entries()) {
        const auto taken = __atomic_load_n(&slot.taken, __ATOMIC_ACQUIRE);
        if (taken == IFL_ENTRY_IN_FLIGHT || taken == IFL_ENTRY_BUSY) {
            keep(ifl_request_entry(slot));
        }
    }
    for_each_entry<std::uint64_t, ifl_request_entry>(
        probes_.requests_fd(), [&](std::uint64_t, const ifl_request_entry& entry) { keep(entry); });
    for_each_entry<ifl_unbound_key, ifl_request_entry>(
        probes_.unbound_fd(), [&](const ifl_unbound_key&, const ifl_request_entry& entry) { keep(entry); });
    std::vector<ifl_uring_request> uring_requests;
    std::uint32_t walk = 0;
    if (options_.places_wanted && rings_seen_) {
        const auto walked = probes_.walk_lists();
        if (!walked) {
            return std::unexpected(walked.error());
        }
        walk = *walked;
    }
    if (rings_seen_) {
        uring_.for_each_open(walk, [&](const ifl_uring_request& request) {
            if (request.submit_ns <= latest_ns) {
                uring_requests.push_back(request);
            }
        });
    }
    if (counting) {
        if (auto counted = take_census(); !counted) {
            return counted;
        }
    }
    if (final && end_is_pending()) {
        const auto shorten = [this](auto& all) {
            requests_not_told_ += all.size() - std::min(all.size(), most_told_in_a_hurry);
            all.resize(std::min(all.size(), most_told_in_a_hurry));
        };
        shorten(uring_requests);
        shorten(requests);
    }
    const std::uint64_t now_ns = monotonic_ns();
    for (ifl_uring_request& request : uring_requests) {
        set_header(request, IFL_URING_REQUEST, begin_ns);
        request.header.tier = IFL_TIER_TRACEPOINT;
        request.state = IFL_UREQ_IN_FLIGHT;
        add(request.header);
    }
    for (ifl_request& request : requests) {
        const auto tier = request.header.tier;
        set_header(request, IFL_REQUEST, begin_ns);
        request.header.tier = tier;
        request.state = IFL_REQUEST_IN_FLIGHT;
        add(request.header);
    }
    late_.for_each([this](const ifl_header& request) { add(request); });
    ifl_snapshot snapshot{};
    set_header(snapshot, IFL_SNAPSHOT, now_ns);
    snapshot.begin_ns = begin_ns;
    snapshot.requests = static_cast<ifl_u32>(requests.size() + uring_requests.size() + late_.count());
    snapshot.final = final ? 1 : 0;
    sorter_.add(snapshot.header);
    return {};
}

// The second count, after the tables were copied: what both counts have and the tables have not is missing there.
Result<void> LiveSource::take_census() {
    tallies_.clear();
    if (auto counted = probes_.count_tasks(); !counted) {
        return counted;
    }
    if (auto read = probes_.read_completions(); !read) {
        return read;
    }
    drain();
    for (const auto& [object, tally] : tallies_) {
        for_each_unreaped(tally, [this](const ifl_unreaped& event) {
            ifl_unreaped record = event;
            set_header(record, IFL_UNREAPED, monotonic_ns());
            sorter_.add(record.header);
        });
    }
    tallies_.clear();
    return {};
}

void LiveSource::report_blocked_calls() {
    const std::uint64_t now_ns = monotonic_ns();
    std::unordered_map<std::uint32_t, std::uint64_t> still;
    const auto look = [&](std::uint32_t tid, const ifl_call_entry& entry) {
        if (entry.open == 0 || entry.call.start_ns + options_.blocked_ns > now_ns) {
            return;
        }
        const auto slept = slept_ns(entry, now_ns);
        if (slept && *slept < options_.blocked_ns) {
            return;
        }
        still.emplace(tid, entry.call.call_id);
        const auto reported = reported_blocked_.find(tid);
        if (reported != reported_blocked_.end() && reported->second == entry.call.call_id) {
            return;
        }
        ifl_call call = entry.call;
        const auto tier = call.header.tier;
        set_header(call, IFL_CALL, now_ns);
        call.header.tier = tier;
        call.flags |= IFL_CALL_IN_PROGRESS;
        if (slept) {
            call.flags |= IFL_CALL_SLEPT_KNOWN;
            call.header.span_us = static_cast<std::uint32_t>(std::min<std::uint64_t>(*slept / 1000, UINT32_MAX));
        }
        sorter_.add(call.header);
    };
    for (const ifl_call_entry& slot : call_slots_.entries()) {
        // A copy, for the thread goes on. A call that began long ago has all its fields.
        if (const auto tid = __atomic_load_n(&slot.thread, __ATOMIC_ACQUIRE); tid != 0 && slot.open != 0) {
            const ifl_call_entry entry = slot;
            if (__atomic_load_n(&slot.call.call_id, __ATOMIC_ACQUIRE) == entry.call.call_id) {
                look(tid, entry);
            }
        }
    }
    for_each_entry<std::uint32_t, ifl_call_entry>(probes_.calls_fd(), look);
    reported_blocked_ = std::move(still);
}

void LiveSource::read_contexts() {
    const std::uint64_t now_ns = monotonic_ns();
    for_each_entry<std::uint64_t, ifl_context_entry>(
        probes_.contexts_fd(), [&](std::uint64_t kioctx, const ifl_context_entry& entry) {
            sorter_.add(context_record(kioctx, entry, IFL_CONTEXT_SNAPSHOT, now_ns).header);
        });
}

// Reports the rings that still exist, with the counters that they had when the trace ended.
void LiveSource::read_rings(const std::unordered_map<std::uint64_t, ifl_ring>& at_end) {
    const std::uint64_t now_ns = monotonic_ns();
    uring_.for_each_ring([&](const ifl_ring& ring) {
        const auto before = at_end.find(ring.context_id);
        ifl_ring record = before != at_end.end() ? before->second : ring;
        set_header(record, IFL_RING, now_ns);
        record.state = IFL_CONTEXT_SNAPSHOT;
        sorter_.add(record.header);
    });
}

// Requests that are still open when their ring is gone ended without an event, or their ring took them along.
void LiveSource::bury_rings(std::uint64_t closed_before_ns) {
    std::unordered_set<std::uint64_t> gone;
    const std::uint64_t now_ns = monotonic_ns();
    for (ClosedRing& closed : rings_to_bury_) {
        const bool final = closed_before_ns == ~std::uint64_t{0};
        if (closed.buried_ns != 0 || closed.time_ns >= closed_before_ns ||
            (!final && closed.time_ns + longest_dying_ns > now_ns && uring_.awaits_ends(closed.ring))) {
            continue;
        }
        closed.buried_ns = now_ns;
        gone.insert(closed.context_id);
    }
    if (gone.empty()) {
        return;
    }
    uring_.bury(gone, now_ns - std::min(now_ns, idle_entry_ns), [&](const ifl_uring_request& request) {
        ifl_uring_request record = request;
        set_header(record, IFL_URING_REQUEST, now_ns);
        record.header.tier = IFL_TIER_TRACEPOINT;
        record.complete_ns = now_ns;
        record.flags |= IFL_UREQ_END_UNSEEN | IFL_UREQ_RING_DYING;
        record.state = IFL_UREQ_ENDED;
        sorter_.add(record.header);
    });
}

// Nothing in the kernel tells the end of a context whose process just ends: its counters are read when the process is
// seen to end, and its entry removed when nothing can refer to it any more.
void LiveSource::read_contexts_of_dead() {
    constexpr std::uint64_t bury_after_ns = 1'000'000'000;
    const std::uint64_t now_ns = monotonic_ns();
    std::unordered_set<std::uint32_t> buried;
    while (!deaths_to_bury_.empty() && deaths_to_bury_.front().time_ns + bury_after_ns < now_ns) {
        buried.insert(deaths_to_bury_.front().pid);
        deaths_to_bury_.pop_front();
    }
    if (deaths_.empty() && buried.empty()) {
        return;
    }
    std::vector<std::uint64_t> removed;
    for_each_entry<std::uint64_t, ifl_context_entry>(
        probes_.contexts_fd(), [&](std::uint64_t kioctx, const ifl_context_entry& entry) {
            if (const auto death = deaths_.find(entry.pid); death != deaths_.end()) {
                // Just before the record of the end, which is in the sorter already.
                sorter_.add(context_record(kioctx, entry, IFL_CONTEXT_COUNTERS, death->second - 1).header);
            } else if (buried.contains(entry.pid) && !context_owners_.contains(entry.pid)) {
                removed.push_back(kioctx);
            }
        });
    for (const std::uint64_t kioctx : removed) {
        bpf_map_delete_elem(probes_.contexts_fd(), &kioctx);
    }
    for (const auto& [pid, time_ns] : deaths_) {
        deaths_to_bury_.push_back({.pid = pid, .time_ns = time_ns});
    }
    deaths_.clear();
}

}  // namespace inflight::capture
