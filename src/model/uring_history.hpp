// SPDX-License-Identifier: Apache-2.0
// The finished requests of a ring that a cancel, or a request with the same user_data, may still be about.
#pragma once

#include "model/uring_tracked.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace inflight::model::uring {

// What a plain request that was handed out can be made from again: a third of what it takes up itself. Plain is one
// whose record is brief and names its process, that has no details, and that no cancel can have ended.
struct Brief {
    alignas(ifl_uring_request) std::array<std::byte, IFL_UREQ_BRIEF_BYTES> bytes;  // of its record
    FilePtr file;
    std::uint64_t ctx_id = 0;
    std::optional<std::uint64_t> reap_ns;

    // Only as much of it as a brief record has.
    [[nodiscard]] const ifl_uring_request& record() const {
        return *reinterpret_cast<const ifl_uring_request*>(bytes.data());
    }
    [[nodiscard]] TrackedPtr whole() const;
};

// One of them, whole until it is handed out; then in brief, until somebody asks for it.
class Finished {
public:
    [[nodiscard]] std::optional<std::uint64_t> submit_ns() const;
    [[nodiscard]] std::uint64_t complete_ns() const;
    [[nodiscard]] std::uint64_t kernel_address() const;
    [[nodiscard]] bool prep_failed() const;
    // From now on there is one object of it, which keeps what is written to it.
    [[nodiscard]] const TrackedPtr& whole();

private:
    friend class History;
    TrackedPtr tracked_;
    Brief brief_;
};

// The last finished requests of a ring, by user_data: four of each user_data, and as many in all as the limit says
// (or the next power of two). No allocation for each request: the oldest place is used again, chains link places by
// their number.
class History {
public:
    explicit History(std::size_t limit);

    // Of a plain one its record.
    void add(const TrackedPtr& tracked, const ifl_uring_request* record);
    // It was handed out and changes no more, but for a cancel that will ask for it.
    void shorten(Tracked& tracked);

    // The youngest places first.
    template <typename Visit>
    void each_of(std::uint64_t user_data, Visit visit) {
        if (links_.empty()) {
            return;
        }
        unsigned passed = 0;
        for (std::uint64_t number = heads_[bucket(user_data)]; alive(number) && passed < longest_chain;
             number = links_[at(number)].older, passed++) {
            if (links_[at(number)].user_data == user_data) {
                visit(places_[at(number)]);
            }
        }
    }
    template <typename Visit>
    void each_recent(std::size_t count, Visit visit) {
        for (std::uint64_t number = made_; alive(number) && count > 0; number--, count--) {
            visit(places_[at(number)]);
        }
    }
    // Something was forgotten.
    [[nodiscard]] bool dropped() const { return dropped_; }

private:
    // Apart from the places: most that a chain passes are another's, and far away in memory.
    struct Link {
        std::uint64_t user_data = 0;
        std::uint64_t older = 0;  // number of the next of its chain
    };
    static constexpr unsigned kept_of_each = 4;
    // A program may choose its user_data so that they all fall into one bucket: what is further back is forgotten.
    static constexpr unsigned longest_chain = 64;

    void rehash(std::size_t buckets);  // a power of two
    [[nodiscard]] std::uint64_t number_for(std::uint64_t user_data);
    // Eight numbers in a row share a line of the cache; those that are multiples of eight are scattered all the same.
    [[nodiscard]] std::size_t bucket(std::uint64_t user_data) const {
        return (((user_data >> 3U) * 0x9E3779B97F4A7C15U >> 32U) ^ (user_data & 7U)) & (heads_.size() - 1);
    }
    [[nodiscard]] bool alive(std::uint64_t number) const { return number != 0 && number + limit_ > made_; }
    [[nodiscard]] std::size_t at(std::uint64_t number) const { return number & (limit_ - 1); }

    std::size_t limit_;                 // a power of two
    std::vector<Link> links_;           // at(number)
    std::vector<Finished> places_;      // at(number)
    std::vector<std::uint64_t> heads_;  // youngest number of each bucket, 0: none
    std::uint64_t made_ = 0;            // the first number is 1
    bool dropped_ = false;
};

}  // namespace inflight::model::uring
