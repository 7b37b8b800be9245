// SPDX-License-Identifier: Apache-2.0
// The requests of a ring that may have several CQEs, and that were announced when they were submitted.
#pragma once

#include "model/queue.hpp"
#include "model/uring_tracked.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>

namespace inflight::model::uring {

// Finds the request of a CQE that names a user_data only. Keeps a request until no CQE of it can come any more. Each
// step takes logarithmic time. Not thread-safe.
class Announced {
public:
    struct Key {
        std::uint64_t user_data = 0;
        std::uint64_t time_ns = 0;  // of the submission, or of the end
        std::uint64_t request_id = 0;
        auto operator<=>(const Key&) const = default;
    };
    using Table = std::map<Key, TrackedPtr>;

    void add(const TrackedPtr& tracked);
    // A poll that was given another user_data.
    void rename(const TrackedPtr& tracked, std::uint64_t user_data);
    // It has ended, and `complete_ns` says when.
    void end(const TrackedPtr& tracked);
    void note_notified(const TrackedPtr& tracked);

    // Of a notification: the first zero-copy send that still waits for one. Of another CQE: the youngest that was
    // there.
    [[nodiscard]] TrackedPtr find(std::uint64_t user_data, std::uint64_t time_ns, bool notification) const;

    // Those that have not ended, by user_data.
    [[nodiscard]] const Table& open() const { return open_; }

    // Forgets those that ended before, unless they wait for their notification.
    void forget_ended(std::uint64_t before_ns);
    // When the next one ended that is to be forgotten; ~0: none.
    [[nodiscard]] std::uint64_t next_ended_ns() const;

private:
    struct Ended {
        Key began;
        Key ended;
        TrackedPtr tracked;
    };
    void forget(const Ended& each);

    Table open_;
    Table ended_;
    Table unnotified_;  // zero-copy sends, ended or not, by the user_data that their notification has
    Queue<Ended> order_;
    Queue<Ended> waiting_;  // ended, and their notification has not come
};

}  // namespace inflight::model::uring
