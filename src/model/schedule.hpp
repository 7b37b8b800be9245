// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace inflight::model {

// Times may be anything in a damaged file: the sum stays the last moment there is.
[[nodiscard]] inline std::uint64_t later(std::uint64_t time_ns, std::uint64_t by_ns) {
    return by_ns > ~std::uint64_t{0} - time_ns ? ~std::uint64_t{0} : time_ns + by_ns;
}

// When each of many things, known by their numbers, has work to do. Whoever asks pays for what is due, not for what is
// there. Not thread-safe.
class Schedule {
public:
    static constexpr std::uint64_t never_ns = ~std::uint64_t{0};

    // There is something to do at `due_ns` at the latest. `known_ns` belongs to the thing and is only written to here;
    // it begins as never_ns.
    void at(std::uint64_t id, std::uint64_t& known_ns, std::uint64_t due_ns) {
        if (due_ns >= known_ns) {
            return;
        }
        if (known_ns != never_ns) {
            order_.erase({known_ns, id});
        }
        known_ns = due_ns;
        order_.emplace(due_ns, id);
    }
    void forget(std::uint64_t id, std::uint64_t& known_ns) {
        if (known_ns != never_ns) {
            order_.erase({known_ns, id});
            known_ns = never_ns;
        }
    }
    // Numbers of those that are due, which then are due no more; of each `known_ns` must be set to never_ns.
    [[nodiscard]] std::vector<std::uint64_t> take(std::uint64_t now_ns) {
        std::vector<std::uint64_t> due;
        while (!order_.empty() && order_.begin()->first <= now_ns) {
            due.push_back(order_.begin()->second);
            order_.erase(order_.begin());
        }
        return due;
    }

private:
    std::set<std::pair<std::uint64_t, std::uint64_t>> order_;
};

}  // namespace inflight::model
