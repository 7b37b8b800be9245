// SPDX-License-Identifier: Apache-2.0
// What seccomp filters answer to a call: classic BPF, in the part that seccomp takes. Pure functions.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace inflight::act {

using SeccompFilter = std::vector<sock_filter>;

// What one filter answers, SECCOMP_RET_* with its data. Nothing: it does what the kernel takes from no filter (an
// instruction that seccomp does not have, a jump out of the program, scratch memory that nothing was put in), so what
// the kernel would do is not known. Ends: jumps go forward only. Sources: kernel/seccomp.c (seccomp_check_filter),
// net/core/filter.c (bpf_check_classic, bpf_convert_filter).
[[nodiscard]] std::optional<std::uint32_t> seccomp_answer(std::span<const sock_filter> filter,
                                                          const seccomp_data& call);

// The answer that the kernel heeds where several filters were asked, `filters` in the order of their installation: the
// most restrictive, and of equals the last. Without filters the call passes. Source: kernel/seccomp.c
// (seccomp_run_filters).
[[nodiscard]] std::optional<std::uint32_t> seccomp_answer_of_all(std::span<const SeccompFilter> filters,
                                                                 const seccomp_data& call);

// The call is made as if there were no filter.
[[nodiscard]] bool passes_seccomp(std::uint32_t answer);

// What would happen instead: "would kill the process for the call".
[[nodiscard]] std::string describe_seccomp(std::uint32_t answer);

}  // namespace inflight::act
