// SPDX-License-Identifier: Apache-2.0
// Which instructions of a program the verifier can come to on a kernel, once the relocations have told what the kernel
// has. What `if (bpf_core_field_exists(...))` shuts off is not looked at, so it does no harm there.
#pragma once

#include "object.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace inflight::kernels {

struct Reached {
    std::map<std::size_t, std::vector<bool>> instructions;  // by section
    [[nodiscard]] bool has(const Position& at) const {
        const auto section = instructions.find(at.section);
        return section != instructions.end() && section->second.at(at.instruction);
    }
    std::set<unsigned> context_words;  // read from the program's context: its arguments, of 8 bytes each
};

// `values`: of relocated instructions; one that is not in it has a value that is not known here.
[[nodiscard]] Reached reach(const Object& object, const Program& program,
                            const std::map<Position, std::uint64_t>& values);

}  // namespace inflight::kernels
