// SPDX-License-Identifier: Apache-2.0
// A BPF object as it was built: its programs, what they call, and what is to be relocated in them.
#pragma once

#include "base/result.hpp"

#include "types.hpp"

#include <linux/bpf.h>

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace inflight::kernels {

// An instruction's place, of 8 bytes each.
struct Position {
    std::size_t section = 0;
    std::size_t instruction = 0;
    auto operator<=>(const Position&) const = default;
};

struct Section {
    std::string name;  // "tp_btf/io_uring_complete"; empty if it has no code
    std::vector<bpf_insn> code;
};

struct Program {
    std::string name;
    std::string attached_to;  // the name of its section
    Position start;
};

class Object {
public:
    [[nodiscard]] static Result<Object> read(const std::string& path);

    [[nodiscard]] const Types& types() const { return types_; }
    [[nodiscard]] const std::vector<Section>& sections() const { return sections_; }
    [[nodiscard]] const std::vector<Program>& programs() const { return programs_; }
    [[nodiscard]] const std::map<Position, Asked>& asked() const { return asked_; }
    // Functions of the object that an instruction calls, or whose address it takes.
    [[nodiscard]] const std::map<Position, Position>& functions() const { return functions_; }
    // The relocations in a program and in all functions that it could call, whatever the kernel.
    [[nodiscard]] std::map<Position, const Asked*> asked_by(const Program& program) const;

private:
    Types types_;
    std::vector<Section> sections_;
    std::vector<Program> programs_;
    std::map<Position, Asked> asked_;
    std::map<Position, Position> functions_;
    std::map<Position, std::size_t> lengths_;  // of every function, in instructions
};

}  // namespace inflight::kernels
