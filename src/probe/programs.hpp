// SPDX-License-Identifier: Apache-2.0
// Which BPF programs a hook consists of, and what each is attached to. No I/O.
#pragma once

#include "contract/config.h"
#include "probe/hooks.hpp"
#include "probe/kernel.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::probe {

// What to attach to a function: program, function, and for kprobes the cookie.
struct Attachment {
    std::string program;
    std::string function;
    bool returns = false;
    std::uint64_t cookie = 0;
};

// Of a hook that stands at kernel functions; empty in the tracepoint tier.
[[nodiscard]] std::vector<Attachment> attachments(const HookChoice& choice, const KernelTypes& types,
                                                  const Symbols& symbols);

// Programs that need no function of their own, those first that see an end.
[[nodiscard]] std::vector<std::string> tracepoint_programs(const Plan& plan, const KernelTypes& types,
                                                           const ifl_config& config);

// Whether the kernel has it, under the name of today or an older one.
[[nodiscard]] bool has_tracepoint(const KernelTypes& types, std::string_view name);

// The hook that a tracepoint program belongs to; "*" for those that serve all calls.
[[nodiscard]] std::string_view hook_of_program(std::string_view program);

// One of several programs at the same place: what one of them skips another one sees.
[[nodiscard]] bool has_twins(std::string_view program);

}  // namespace inflight::probe
