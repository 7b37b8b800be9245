// SPDX-License-Identifier: Apache-2.0
// What a look at the machine tells beyond the requests that hooks and lists show: how many there are by the kernel's
// own count, and what has completed and nobody has taken. No I/O.
#pragma once

#include "contract/census.h"
#include "model/in_flight.hpp"
#include "model/types.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace inflight::model {

// Requests in flight that nothing but the kernel's count tells of: submitted before the look began, and with a file
// system or device. Of io_uring they are counted by task, so their ring is not known.
struct Unlisted {
    Family family = Family::aio;
    std::uint32_t pid = 0;
    std::string comm;
    std::uint64_t ctx_id = 0;  // AIO
    std::uint64_t requests = 0;
};

class Census {
public:
    // IFL_TALLY and IFL_UNREAPED, which belong to the next IFL_SNAPSHOT; others are passed over.
    void on_record(const ifl_header& record);

    // The following are of the last snapshot.

    // Each process or context whose count exceeds what `listed` has of it. Of a program that submits meanwhile the
    // number is about right.
    [[nodiscard]] std::vector<Unlisted> unlisted(const std::vector<InFlight>& listed) const;
    // Completions that stand in their rings, as requests whose result is known and whose operation is not. `contexts`
    // gives their rings.
    [[nodiscard]] std::vector<InFlight> unreaped(const std::vector<Context>& contexts) const;
    // How many of them a context has; nothing: its ring could not be read.
    [[nodiscard]] std::optional<std::uint64_t> unreaped_of(std::uint64_t context_id) const;
    // Rings that could not be read, and completions that were left out because their ring has too many.
    [[nodiscard]] std::uint64_t rings_unread() const;
    [[nodiscard]] std::uint64_t completions_left_out() const;
    // Whether there was any count: where there is a context or ring and no count, nothing is known of what is missing.
    [[nodiscard]] bool counted() const { return !last_.tallies.empty(); }

private:
    struct Tallied {
        ifl_tally tally{};  // the lower of the two looks
        std::uint32_t looks = 0;
    };
    struct Look {
        std::unordered_map<std::uint64_t, Tallied> tallies;  // by object
        std::vector<ifl_unreaped> unreaped;
    };
    Look next_;
    Look last_;
};

}  // namespace inflight::model
