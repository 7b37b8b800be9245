// SPDX-License-Identifier: Apache-2.0
#include "view/slots.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <queue>
#include <set>
#include <tuple>

namespace inflight::view {
namespace {

using model::Cancel;
using model::Family;
using model::Request;

constexpr std::size_t chunk_bytes = 1U << 20U;
constexpr unsigned chunk_shift = 32;
// Viewers keep times as signed numbers.
constexpr std::uint64_t latest_ns = INT64_MAX;

// Spreads the bits of a number over all of it, each number to another one.
std::uint64_t mixed(std::uint64_t value) {
    value ^= value >> 30U;
    value *= 0xbf58'476d'1ce4'e5b9;
    value ^= value >> 27U;
    value *= 0x94d0'49bb'1331'11eb;
    return value ^ (value >> 31U);
}

// The same for a request and for what a cancel knows of it.
std::uint64_t key_of(const Request& request) {
    const bool numbered = request.uring && request.uring->request_id != 0;
    std::uint64_t key = mixed(request.context_id + 1);
    key = mixed(key ^ (numbered ? request.uring->request_id : request.submit_ns.value_or(0)));
    return numbered ? key : mixed(key ^ (request.family == Family::aio ? request.address : request.kernel_address));
}

std::string context_name(const model::Context& context) {
    if (context.family == Family::aio) {
        return fmt::format("kioctx {:#x} (context {:#x})", context.ctx_id, context.context_id);
    }
    if (context.ring && context.ring->fd >= 0) {
        return fmt::format("ring fd {} (context {:#x})", context.ring->fd, context.context_id);
    }
    return fmt::format("ring (context {:#x})", context.context_id);
}

std::optional<std::uint32_t> capacity_of(const model::Context& context) {
    const std::uint32_t capacity =
        context.family == Family::uring && context.ring ? context.ring->cq_entries : context.capacity;
    return capacity == 0 ? std::nullopt : std::optional(capacity);
}

std::uint64_t start_of(const Request& request, std::uint64_t trace_start_ns) {
    if (request.submit_ns) {
        return *request.submit_ns;
    }
    if (request.existed || request.outcome == model::Outcome::in_flight) {
        return trace_start_ns;
    }
    // Its submission was not seen though it should have been: a bar up to its end would claim too much.
    return request.complete_ns.value_or(request.reap_ns.value_or(trace_start_ns));
}

}  // namespace

struct Slots::Step {
    enum class Kind : std::uint8_t { end, begin, begin_cancel };
    std::uint64_t time_ns = 0;
    std::uint32_t span = 0;
    Kind kind = Kind::begin;

    [[nodiscard]] auto order() const { return std::tuple(time_ns, kind, span); }
};

std::uint64_t Slots::store(std::string_view payload) {
    if (chunks_.empty() || chunks_.back().size() + payload.size() > chunks_.back().capacity()) {
        chunks_.emplace_back().reserve(std::max(chunk_bytes, payload.size()));
    }
    const std::uint64_t place = (static_cast<std::uint64_t>(chunks_.size() - 1) << chunk_shift) | chunks_.back().size();
    chunks_.back() += payload;
    return place;
}

std::string_view Slots::bytes_at(std::uint64_t place, std::uint32_t bytes) const {
    constexpr std::uint64_t offset_mask = (1ULL << chunk_shift) - 1;
    return bytes == 0 ? std::string_view()
                      : std::string_view(chunks_.at(place >> chunk_shift)).substr(place & offset_mask, bytes);
}

void Slots::name_process(std::uint32_t pid, std::string_view comm) {
    auto& name = processes_[pid];
    if (name.empty() && pid != 0) {
        name = comm;
    }
}

std::uint32_t Slots::lane_of(Lane::Kind kind, Family family, std::uint64_t context_id, std::uint32_t pid) {
    const auto made = [&](std::string name) {
        lanes_.push_back({.kind = kind, .pid = pid, .name = std::move(name), .capacity = {}, .slots = 0});
        return static_cast<std::uint32_t>(lanes_.size() - 1);
    };
    if (kind == Lane::Kind::requests && context_id != 0) {
        const auto [place, is_new] = lane_by_context_.try_emplace(context_id, 0);
        if (is_new) {
            place->second =
                made(fmt::format("{} (context {:#x})", family == Family::aio ? "kioctx" : "ring", context_id));
        }
        return place->second;
    }
    const auto [place, is_new] = lane_without_context_.try_emplace({pid, kind}, 0);
    if (is_new) {
        place->second = made(kind == Lane::Kind::cancels ? "cancels" : "context not known");
    }
    return place->second;
}

void Slots::note(const model::Context& context) {
    if (context.context_id == 0) {
        return;
    }
    name_process(context.pid, context.comm);
    Lane& lane = lanes_[lane_of(Lane::Kind::requests, context.family, context.context_id, context.pid)];
    lane.name = context_name(context);
    if (context.pid != 0) {
        lane.pid = context.pid;
    }
    if (const auto capacity = capacity_of(context)) {
        lane.capacity = capacity;
    }
}

void Slots::add(const Request& request, std::string_view payload) {
    name_process(request.pid, request.comm);
    Span span;
    span.start_ns = std::min(start_of(request, start_ns_), latest_ns);
    span.open = request.outcome == model::Outcome::in_flight;
    span.end_ns = request.complete_ns.value_or(request.reap_ns.value_or(span.start_ns));
    span.end_ns = std::clamp(span.end_ns, span.start_ns, latest_ns);
    span.key = key_of(request);
    span.lane = lane_of(Lane::Kind::requests, request.family, request.context_id, request.pid);
    span.payload = store(payload);
    span.payload_bytes = static_cast<std::uint32_t>(payload.size());
    spans_.push_back(span);
}

void Slots::add(const Cancel& cancel, std::string_view payload) {
    name_process(cancel.pid, cancel.comm);
    Span span;
    span.is_cancel = true;
    span.start_ns = std::min(cancel.start_ns != 0 ? cancel.start_ns : cancel.end_ns, latest_ns);
    span.end_ns = std::clamp(cancel.end_ns, span.start_ns, latest_ns);
    span.key = ++cancels_;
    span.lane = lane_of(Lane::Kind::cancels, cancel.family, 0, cancel.pid);
    span.payload = store(payload);
    span.payload_bytes = static_cast<std::uint32_t>(payload.size());
    spans_.push_back(span);
    if (cancel.target) {
        pending_.push_back({.cancel_key = span.key, .target_key = key_of(*cancel.target)});
    }
    for (const Request& target : cancel.more_targets) {
        pending_.push_back({.cancel_key = span.key, .target_key = key_of(target)});
    }
}

void Slots::add(const model::Finding& finding, std::string_view payload) {
    name_process(finding.pid, finding.comm);
    moments_.push_back({.time_ns = std::min(finding.time_ns, latest_ns),
                        .pid = finding.pid,
                        .payload = store(payload),
                        .payload_bytes = static_cast<std::uint32_t>(payload.size())});
}

// `spans_` is in order of lane and start here.
void Slots::give_slots() {
    using Busy = std::pair<std::uint64_t, std::uint32_t>;  // until when, slot
    std::priority_queue<Busy, std::vector<Busy>, std::greater<>> busy;
    std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> free;
    std::uint32_t lane = UINT32_MAX;
    for (Span& span : spans_) {
        if (span.lane != lane) {
            lane = span.lane;
            busy = {};
            free = {};
        }
        while (!busy.empty() && busy.top().first <= span.start_ns) {
            free.push(busy.top().second);
            busy.pop();
        }
        std::uint32_t& slots = lanes_[lane].slots;
        if (free.empty()) {
            free.push(slots++);
        }
        span.slot = free.top();
        free.pop();
        // What is in flight at the end keeps its slot, whatever starts at that very time.
        busy.emplace(span.open ? UINT64_MAX : span.end_ns, span.slot);
    }
}

void Slots::find_targets() {
    std::unordered_map<std::uint64_t, std::uint32_t> targets;
    std::vector<std::uint32_t> cancels(cancels_ + 1);
    for (const PendingArrow& arrow : pending_) {
        targets.emplace(arrow.target_key, UINT32_MAX);
    }
    for (std::uint32_t index = 0; index < spans_.size(); ++index) {
        const Span& span = spans_[index];
        if (span.is_cancel) {
            cancels[span.key] = index;
        } else if (const auto target = targets.find(span.key); target != targets.end()) {
            target->second = index;
        }
    }
    for (const PendingArrow& pending : pending_) {
        const std::uint32_t target = targets.at(pending.target_key);
        const std::uint32_t cancel = cancels.at(pending.cancel_key);
        if (target != UINT32_MAX && spans_[target].start_ns <= spans_[cancel].end_ns) {
            const bool to_target = spans_[target].open || spans_[target].end_ns > spans_[cancel].start_ns;
            arrows_.push_back({.cancel = cancel, .target = target, .to_target = to_target});
        }
    }
}

void Slots::arrange(std::uint64_t end_ns) {
    end_ns_ = std::min(end_ns, latest_ns);
    for (Span& span : spans_) {
        start_ns_ = std::min(start_ns_, span.start_ns);
        end_ns_ = std::max(end_ns_, span.end_ns);
    }
    for (const Moment& moment : moments_) {
        start_ns_ = std::min(start_ns_, moment.time_ns);
        end_ns_ = std::max(end_ns_, moment.time_ns);
    }
    for (Span& span : spans_) {
        span.end_ns = span.open ? end_ns_ : span.end_ns;
    }
    std::ranges::sort(spans_, {},
                      [](const Span& span) { return std::tuple(span.lane, span.start_ns, span.end_ns, span.key); });
    std::ranges::sort(moments_, {}, [](const Moment& moment) { return std::pair(moment.time_ns, moment.payload); });
    give_slots();
    find_targets();
    std::map<std::uint32_t, std::uint32_t> lanes_of;
    for (const Lane& lane : lanes_) {
        if (lane.kind == Lane::Kind::requests && lane.slots != 0 && ++lanes_of[lane.pid] == 2 && lane.pid != 0) {
            counted_.insert(lane.pid);
        }
    }
}

std::vector<Slots::Step> Slots::steps() const {
    std::vector<Step> steps;
    steps.reserve(spans_.size() * 2);
    for (std::uint32_t index = 0; index < spans_.size(); ++index) {
        const Span& span = spans_[index];
        const auto kind = span.is_cancel ? Step::Kind::begin_cancel : Step::Kind::begin;
        steps.push_back({.time_ns = span.start_ns, .span = index, .kind = kind});
        if (!span.open && !span.empty()) {  // an empty one ends as it begins, before what follows it in its slot
            steps.push_back({.time_ns = span.end_ns, .span = index, .kind = Step::Kind::end});
        }
    }
    std::ranges::sort(steps, {}, &Step::order);
    return steps;
}

void Slots::walk(SlotsWalker& walker) const {
    std::vector<std::uint64_t> by_lane(lanes_.size());
    std::map<std::uint32_t, std::uint64_t> by_process;
    std::set<std::uint32_t> changed;
    std::set<std::uint32_t> changed_processes;
    const auto all = steps();
    auto moment = moments_.begin();
    for (std::size_t index = 0; index < all.size(); ++index) {
        const Step& step = all[index];
        for (; moment != moments_.end() && moment->time_ns < step.time_ns; ++moment) {
            walker.on_moment(*moment);
        }
        const Span& span = spans_[step.span];
        const bool begins = step.kind != Step::Kind::end;
        begins ? walker.on_begin(step.span) : walker.on_end(step.span);
        if (begins && span.empty()) {
            walker.on_end(step.span);
        } else if (!span.is_cancel) {
            std::uint64_t& of_process = by_process[lanes_[span.lane].pid];
            begins ? ++by_lane[span.lane] : --by_lane[span.lane];
            begins ? ++of_process : --of_process;
            changed.insert(span.lane);
        }
        if (index + 1 < all.size() && all[index + 1].time_ns == step.time_ns) {
            continue;
        }
        for (const std::uint32_t lane : changed) {
            walker.on_lane_count(lane, step.time_ns, by_lane[lane]);
            if (has_process_count(lanes_[lane].pid)) {
                changed_processes.insert(lanes_[lane].pid);
            }
        }
        for (const std::uint32_t pid : changed_processes) {
            walker.on_process_count(pid, step.time_ns, by_process[pid]);
        }
        changed_processes.clear();
        changed.clear();
    }
    for (; moment != moments_.end(); ++moment) {
        walker.on_moment(*moment);
    }
}

}  // namespace inflight::view
