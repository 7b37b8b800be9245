// SPDX-License-Identifier: Apache-2.0
// What a cancel of io_uring did. Its return value is a hint (a timeout may be reported for a request that was
// cancelled, ENOENT means three different things); the CQE of the target is the truth.
#pragma once

#include "model/uring_state.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace inflight::model {

struct UringCancelFacts {
    const uring::Attempt* attempt = nullptr;
    // What its key names and was submitted before it was over, in order of submission; ended or not.
    std::vector<const uring::Tracked*> candidates;
    bool ring_existed = false;        // the ring is older than the trace
    bool records_lost = false;        // a request that its key names may have been among them
    bool history_incomplete = false;  // records were lost, or too many requests to remember
    bool sqpoll = false;
};

struct UringJudgement {
    Verdict verdict = Verdict::unknown_request;
    std::string reason;
    bool certain = true;
    std::vector<const uring::Tracked*> targets;
    std::optional<std::uint64_t> completed_before_ns;
    std::uint64_t matches = 0;  // in flight when it was made
};

// Pure; the same facts give the same judgement.
[[nodiscard]] UringJudgement judge_uring(const UringCancelFacts& facts);

// What the return value says, before anything is known of the target.
enum class CancelAnswer : std::uint8_t { taken, not_found, running, gave_up, refused, unknown };
[[nodiscard]] CancelAnswer answer_of(const uring::Attempt& attempt);

// "read on a regular file (/data/t.ibd)"
[[nodiscard]] std::string describe_uring(const Request& request);

}  // namespace inflight::model
