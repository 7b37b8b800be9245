// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/queue.hpp"
#include "model/types.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

namespace inflight::model {

// Pairs requests that use a registered buffer with the calls that take it away. Not thread-safe.
class RegisteredBuffers {
public:
    // One call that takes buffers away, or puts others in their place.
    struct Removal {
        std::uint32_t pid = 0;
        std::uint32_t tid = 0;
        std::int32_t fd = -1;
        std::uint64_t time_ns = 0;
        std::uint64_t first = 0;
        std::uint64_t count = 0;
        bool replaced = false;
    };
    using Found = std::function<void(const Removal&, const Request&)>;

    // Both call `found` for each pair that it completes: they come in either order.
    void on_request(const std::shared_ptr<const Request>& request, const Found& found);
    void on_event(const Event& event, const Found& found);

    // Calls whose argument could not be read.
    [[nodiscard]] std::uint64_t unreadable() const { return unreadable_; }

private:
    struct User {
        std::uint16_t index = 0;
        std::shared_ptr<const Request> request;
    };
    struct Ring {
        std::multimap<std::uint64_t, User> users;  // by the times of their ends
        Queue<Removal> removals;
    };

    [[nodiscard]] Ring& ring_of(std::uint32_t pid, std::uint64_t fd);
    [[nodiscard]] std::optional<Removal> removal_of(const Event& event);

    std::map<std::uint64_t, Ring> rings_;  // by descriptor and process
    std::uint64_t unreadable_ = 0;
};

}  // namespace inflight::model
