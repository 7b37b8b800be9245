// SPDX-License-Identifier: Apache-2.0
// What every user of libbpf here needs.
#pragma once

#include "base/result.hpp"
#include "probe/features.hpp"
#include "probe/kernel.hpp"

#include <bpf/libbpf.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace inflight::probe {

struct LinkDeleter {
    void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
// Detached with its owner.
using Link = std::unique_ptr<bpf_link, LinkDeleter>;

// From now on libbpf's warnings are kept and not printed, the whole of them or the end. Per thread.
void keep_libbpf_messages(bool whole);

// What was said in this thread since the last call.
std::string take_libbpf_messages();

// The program that the kernel refused since then, and why.
[[nodiscard]] std::optional<RefusedProgram> refused_program();

// Writes what was said since then to a new file in TMPDIR or /tmp that only this user can read. Returns its path.
[[nodiscard]] Result<std::string> write_verifier_log();

// Whether BPF programs may be loaded here at all. Locked memory, which kernels before 5.11 count BPF maps as, is made
// unlimited.
[[nodiscard]] Result<void> prepare_to_load(const KernelInfo& kernel);

// How often the kernel skipped a program because it, or another on the same CPU, was running; 0 where it does not say.
[[nodiscard]] std::uint64_t recursion_misses(const bpf_program* program);

}  // namespace inflight::probe
