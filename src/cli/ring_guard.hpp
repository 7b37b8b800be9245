// SPDX-License-Identifier: Apache-2.0
// Makes sure that a cancel meets the chosen request and no other: who else can submit to its ring, which ring a
// descriptor is, and who has the same user_data, by the kernel's own tables.
#pragma once

#include "base/result.hpp"
#include "cli/looking.hpp"
#include "model/in_flight.hpp"
#include "model/open_files.hpp"
#include "probe/held.hpp"

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace inflight::cli {

// What a cancel is narrowed by beside the user_data, so that it cannot meet another request that has the same.
struct Narrowing {
    std::optional<std::uint8_t> opcode;  // IORING_ASYNC_CANCEL_OP
    std::optional<int> fd;  // IORING_ASYNC_CANCEL_FD: a descriptor of the process that is the request's file
};

// For one round of cancels in the middle of a look. Not thread-safe.
class RingGuard {
public:
    // `chosen`: all that are to be cancelled in this round. `narrows`: whether the cancel can be narrowed
    // (probe::can_narrow_cancel(), and the caller does it).
    RingGuard(const Looking& looking, probe::Held held, const std::vector<model::InFlight>& chosen, bool narrows);

    // Every other process that can submit to the ring of this request, or, of kernel AIO, to its context. This process
    // is left out. To be held together with the request's own.
    [[nodiscard]] std::vector<pid_t> holders(const model::InFlight& each);

    // The descriptor of the request's process that is its ring, and stays that: programs may change their descriptors
    // all the time. -1: there is none.
    [[nodiscard]] int steady_descriptor(const model::InFlight& each);

    // Whether descriptor `fd` of process `pid` is the ring of this request at this moment. Under a millisecond for a
    // process with some hundred descriptors, so that it can be asked while threads stand still.
    [[nodiscard]] Result<void> check_ring(const model::InFlight& each, pid_t pid, int fd) const;

    // Whether a cancel by user_data, narrowed as it says, can meet this request alone, by what stands on the lists of
    // its ring. An error says why not.
    [[nodiscard]] Result<Narrowing> alone(const model::InFlight& each);

    // The same for the moment at which threads stand still: a cancel that is narrowed so can meet it alone. One walk
    // over the lists serves all requests of a ring for 20 milliseconds, in which nothing is added to them as long as
    // all who hold the ring stand still.
    [[nodiscard]] bool still_alone(const model::InFlight& each, const Narrowing& narrowing);
    // Threads have run since those walks.
    void forget_walks() { held_still_.clear(); }

private:
    const Looking& looking_;
    probe::Held held_;
    std::map<std::uint64_t, std::vector<std::uint64_t>> chosen_;  // addresses by ring
    bool narrows_;
    struct Walked {
        probe::RingList list;
        std::uint64_t time_ns = 0;
    };
    using Lists = std::map<std::uint64_t, Walked>;  // by ring
    // Walked again where the last walk is older than that.
    [[nodiscard]] Result<const probe::RingList*> list_of(std::uint64_t ring, Lists& lists, std::uint64_t serves_ns);
    [[nodiscard]] int look_for_steady(std::uint64_t ring, pid_t pid) const;

    Lists before_;  // anything is touched
    Lists held_still_;
    std::map<std::pair<std::uint64_t, std::uint32_t>, int> descriptors_;  // by ring and pid
};

}  // namespace inflight::cli
