// SPDX-License-Identifier: Apache-2.0
// Why an io_cancel ended as it did. The kernel says EINVAL for six different reasons (fs/aio.c, io_cancel); what was
// known of the key, the context and the requests when the call was made tells them apart.
#pragma once

#include "model/types.hpp"

#include <optional>
#include <string>
#include <vector>

namespace inflight::model {

// A request that carries the iocb address of a cancel, in its context.
struct Candidate {
    const Request* request = nullptr;
    // The start of the io_cancel that took it off the kernel's list, when one did.
    std::optional<std::uint64_t> taken_ns;
};

// What is known of a ctx_id that names no context of the caller.
struct KnownContext {
    enum class Why : std::uint8_t { unknown, destroyed, other_process };
    Why why = Why::unknown;
    std::uint64_t destroyed_ns = 0;
    std::uint32_t owner_pid = 0;
    std::string owner_comm;
};

struct CancelFacts {
    const ifl_call* call = nullptr;
    KnownContext context;               // where the call found none
    bool context_existed = false;       // the context is older than the trace
    bool records_lost = false;          // a request with the same iocb may have been among them
    bool history_incomplete = false;    // records were lost, or too many iocbs to remember
    std::vector<Candidate> candidates;  // submitted before the call ended, in order of submission
    std::optional<Candidate> taken;     // the one that this call took off the list
};

struct Judgement {
    Verdict verdict = Verdict::unknown_request;
    std::string reason;
    bool certain = true;
    const Request* target = nullptr;
    std::optional<std::uint64_t> completed_before_ns;
};

// Pure; the same facts give the same judgement.
[[nodiscard]] Judgement judge(const CancelFacts& facts);

}  // namespace inflight::model
