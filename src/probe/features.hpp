// SPDX-License-Identifier: Apache-2.0
// What inflight can do without: when a kernel refuses one program, or lacks a field, this and nothing else is lost. The
// tables here say what that means; the BPF programs read such fields only where they exist. No I/O.
#pragma once

#include "model/trace_info.hpp"
#include "probe/kernel.hpp"

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::probe {

// A program that the kernel did not load or attach, and why, in one line.
struct RefusedProgram {
    std::string program;
    std::string reason;
};

// Programs that some hook of a kernel has refused, and what is lost with them. Not thread-safe.
class GivenUp {
public:
    // Goes on without what the program is for. False: nothing else is left to give up for it, or it is needed.
    [[nodiscard]] bool give_up(const RefusedProgram& refused);
    // Whether the program is to be left out.
    [[nodiscard]] bool is_without(std::string_view program) const;
    // Whether paths, addresses and times of io_uring requests are to be left out.
    [[nodiscard]] bool is_without_details() const { return without_.contains("details"); }
    [[nodiscard]] bool is_without_feature(std::string_view name) const { return without_.contains(name); }
    [[nodiscard]] const std::vector<model::LostFeature>& lost() const { return lost_; }

private:
    std::set<std::string_view> without_;  // names of features
    std::vector<model::LostFeature> lost_;
};

// What is lost because fields of this kernel are not known: the programs load, and do not read them.
[[nodiscard]] std::vector<model::LostFeature> lost_with_fields(const KernelTypes& types);

// "io_open.filename" of "struct io_open___delayed.filename (0:0 @ offset 0)": the kernel's own name of a field that
// libbpf could not find.
[[nodiscard]] std::string field_in_relocation(std::string_view relocation);

}  // namespace inflight::probe
