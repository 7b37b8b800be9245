// SPDX-License-Identifier: Apache-2.0
#include "model/context_state.hpp"

#include <algorithm>
#include <limits>

namespace inflight::model::aio {

namespace {

// At most this many of those that look alike are looked at one by one.
constexpr unsigned looked_at = 64;

}  // namespace

bool may_be_event_of(const Request& request, const ifl_io_event& event, std::uint64_t reaped_ns) {
    return (!request.user_data_known || request.user_data == event.data) &&
           (!request.result_known || request.result == event.res) && request.submit_ns.value_or(0) <= reaped_ns;
}

void InFlightTable::add(TrackedPtr tracked) {
    const Request& request = *tracked->request;
    const RequestKey key{
        .iocb = request.address, .submit_ns = request.submit_ns.value_or(0), .kernel_address = request.kernel_address};
    entries_.insert_or_assign(key, std::move(tracked));
}

void InFlightTable::remove(const Request& request) {
    if (entries_.empty()) {
        return;
    }
    RequestKey key{.iocb = request.address, .submit_ns = request.submit_ns.value_or(0), .kernel_address = 0};
    entries_.erase(key);
    if (request.kernel_address != 0) {
        key.kernel_address = request.kernel_address;
        entries_.erase(key);
        return;
    }
    const auto first = entries_.lower_bound(key);
    key.kernel_address = ~std::uint64_t{0};
    entries_.erase(first, entries_.upper_bound(key));
}

TrackedPtr InFlightTable::take(const ifl_io_event& event, std::uint64_t reaped_ns) {
    unsigned looked = 0;
    for (auto each = entries_.lower_bound({event.obj, 0, 0}); each != entries_.end() && each->first.iocb == event.obj &&
                                                              each->first.submit_ns <= reaped_ns && looked < looked_at;
         ++each, ++looked) {
        const Request& request = *each->second->request;
        if (!request.user_data_known || request.user_data == event.data) {
            TrackedPtr tracked = std::move(each->second);
            entries_.erase(each);
            return tracked;
        }
    }
    return nullptr;
}

// What is not known is 0 there, so that all of which it is not known stand together.
Unreaped::Key Unreaped::key_of(const Tracked& tracked) {
    const Request& request = *tracked.request;
    return {.iocb = request.address,
            .user_data_known = request.user_data_known,
            .result_known = request.result_known,
            .user_data = request.user_data_known ? request.user_data : 0,
            .result = request.result_known ? request.result : 0,
            .complete_ns = request.complete_ns.value_or(0),
            .number = tracked.number};
}

TrackedPtr Unreaped::take(const ifl_io_event& event, std::uint64_t reaped_ns) {
    auto best = entries_.end();
    for (const bool user_data_known : {false, true}) {
        for (const bool result_known : {false, true}) {
            const Key from{.iocb = event.obj,
                           .user_data_known = user_data_known,
                           .result_known = result_known,
                           .user_data = user_data_known ? event.data : 0,
                           .result = result_known ? event.res : 0,
                           .complete_ns = 0,
                           .number = 0};
            unsigned looked = 0;
            for (auto each = entries_.lower_bound(from); each != entries_.end() && looked < looked_at;
                 ++each, ++looked) {
                const Key& key = each->first;
                if (key.iocb != from.iocb || key.user_data_known != user_data_known ||
                    key.result_known != result_known || key.user_data != from.user_data || key.result != from.result) {
                    break;
                }
                if (each->second->request->submit_ns.value_or(0) <= reaped_ns) {
                    best = best == entries_.end() || key.complete_ns < best->first.complete_ns ? each : best;
                    break;
                }
            }
        }
    }
    if (best == entries_.end()) {
        return nullptr;
    }
    TrackedPtr tracked = std::move(best->second);
    entries_.erase(best);
    return tracked;
}

void EarlyReaps::add(const EarlyReap& early) {
    by_event_.emplace(Key{.iocb = early.event.obj,
                          .user_data = early.event.data,
                          .result = early.event.res,
                          .time_ns = early.time_ns,
                          .number = ++added_},
                      early);
}

std::optional<EarlyReap> EarlyReaps::take(const Request& request) {
    if (by_event_.empty()) {
        return std::nullopt;
    }
    const bool exact = request.user_data_known && request.result_known;
    const Key from{.iocb = request.address,
                   .user_data = request.user_data_known ? request.user_data : 0,
                   .result = exact ? request.result : std::numeric_limits<std::int64_t>::min(),
                   .time_ns = exact ? request.submit_ns.value_or(0) : 0,
                   .number = 0};
    auto best = by_event_.end();
    unsigned looked = 0;
    for (auto each = by_event_.lower_bound(from);
         each != by_event_.end() && each->first.iocb == request.address && looked < looked_at; ++each, ++looked) {
        const bool possible = may_be_event_of(request, each->second.event, each->second.time_ns);
        if (possible && (best == by_event_.end() || each->second.time_ns < best->second.time_ns)) {
            best = each;
        }
        if (exact) {
            break;
        }
    }
    if (best == by_event_.end()) {
        return std::nullopt;
    }
    const EarlyReap early = best->second;
    by_event_.erase(best);
    return early;
}

std::vector<EarlyReap> EarlyReaps::take_until(std::uint64_t time_ns) {
    std::vector<EarlyReap> taken;
    std::erase_if(by_event_, [&](const auto& entry) {
        if (entry.second.time_ns > time_ns) {
            return false;
        }
        taken.push_back(entry.second);
        return true;
    });
    std::ranges::stable_sort(taken, {}, &EarlyReap::time_ns);
    return taken;
}

}  // namespace inflight::model::aio
