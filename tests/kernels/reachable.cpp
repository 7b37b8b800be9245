// SPDX-License-Identifier: Apache-2.0
#include "reachable.hpp"

#include <array>
#include <optional>
#include <vector>

namespace inflight::kernels {

namespace {

constexpr std::uint32_t get_func_arg = 183;  // BPF_FUNC_get_func_arg, later than some linux/bpf.h
constexpr std::size_t registers = 11;
constexpr unsigned frame = 10;

// What a register holds. Memory is not followed, but for the context where it is kept on the stack: less is then known
// than the verifier knows, and so more is reached.
struct Value {
    enum class Kind : std::uint8_t { unknown, number, context };
    Kind kind = Kind::unknown;
    std::uint64_t bits = 0;  // the number, or the offset into the context
    bool operator==(const Value&) const = default;
};
Value number(std::uint64_t bits) {
    return {.kind = Value::Kind::number, .bits = bits};
}

struct State {
    std::array<Value, registers> values;
    std::map<std::int16_t, Value> kept;  // contexts, by their offset from the frame

    // Takes over what `other` leaves open. False: it is as it was.
    bool meet(const State& other) {
        const State before = *this;
        for (std::size_t i = 0; i < registers; i++) {
            values.at(i) = values.at(i) == other.values.at(i) ? values.at(i) : Value{};
        }
        std::erase_if(kept, [&](const auto& each) {
            const auto there = other.kept.find(each.first);
            return there == other.kept.end() || there->second != each.second;
        });
        return values != before.values || kept != before.kept;
    }
};

std::optional<std::uint64_t> calculate(std::uint8_t operation, std::uint64_t left, std::uint64_t right, unsigned bits) {
    const std::uint64_t shift = right & (bits - 1);
    switch (operation) {
        case BPF_MOV:
            return right;
        case BPF_ADD:
            return left + right;
        case BPF_SUB:
            return left - right;
        case BPF_MUL:
            return left * right;
        case BPF_OR:
            return left | right;
        case BPF_AND:
            return left & right;
        case BPF_XOR:
            return left ^ right;
        case BPF_LSH:
            return left << shift;
        case BPF_RSH:
            return left >> shift;
        default:
            return std::nullopt;
    }
}

// Whether a jump is taken, of two numbers.
std::optional<bool> compare(std::uint8_t operation, std::uint64_t left, std::uint64_t right, bool narrow) {
    if (narrow) {
        left = static_cast<std::uint32_t>(left);
        right = static_cast<std::uint32_t>(right);
    }
    const auto is_less = [&] {
        return narrow ? static_cast<std::int32_t>(left) < static_cast<std::int32_t>(right)
                      : static_cast<std::int64_t>(left) < static_cast<std::int64_t>(right);
    };
    switch (operation) {
        case BPF_JEQ:
            return left == right;
        case BPF_JNE:
            return left != right;
        case BPF_JGT:
            return left > right;
        case BPF_JGE:
            return left >= right;
        case BPF_JLT:
            return left < right;
        case BPF_JLE:
            return left <= right;
        case BPF_JSET:
            return (left & right) != 0;
        case BPF_JSLT:
            return is_less();
        case BPF_JSGE:
            return !is_less();
        case BPF_JSGT:
            return left != right && !is_less();
        case BPF_JSLE:
            return left == right || is_less();
        default:
            return std::nullopt;
    }
}

class Walk {
public:
    Walk(const Object& object, const std::map<Position, std::uint64_t>& values) : object_(object), values_(values) {}

    Reached run(const Program& program) {
        State start;
        start.values[1] = {.kind = Value::Kind::context, .bits = 0};
        come_to(program.start, start);
        while (!due_.empty()) {
            const Position at = *due_.begin();
            due_.erase(due_.begin());
            step(at, *states_.at(at.section).at(at.instruction));
        }
        for (const auto& [section, states] : states_) {
            auto& instructions = reached_.instructions[section];
            for (const auto& state : states) {
                instructions.push_back(state.has_value());
            }
        }
        return std::move(reached_);
    }

private:
    void come_to(const Position& at, const State& state) {
        if (at.instruction >= object_.sections().at(at.section).code.size()) {
            return;
        }
        auto& states = states_[at.section];
        if (states.empty()) {
            states.resize(object_.sections()[at.section].code.size());
        }
        auto& there = states[at.instruction];
        if (!there) {
            there = state;
            due_.insert(at);
        } else if (there->meet(state)) {
            due_.insert(at);
        }
    }

    [[nodiscard]] std::uint64_t immediate(const Position& at, const bpf_insn& instruction) const {
        const auto relocated = values_.find(at);
        return relocated != values_.end() ? relocated->second
                                          : static_cast<std::uint64_t>(std::int64_t{instruction.imm});
    }
    [[nodiscard]] bool is_known(const Position& at) const {
        return !object_.asked().contains(at) || values_.contains(at);
    }

    void step(const Position& at, State state) {
        const bpf_insn& instruction = object_.sections()[at.section].code[at.instruction];
        switch (BPF_CLASS(instruction.code)) {
            case BPF_ALU:
            case BPF_ALU64:
                arithmetic(at, instruction, state);
                break;
            case BPF_LD:
                load_wide(at, instruction, state);
                return;
            case BPF_LDX:
                load(instruction, state);
                break;
            case BPF_ST:
                state.kept.erase(instruction.off);
                break;
            case BPF_STX:
                store(instruction, state);
                break;
            default:
                jump(at, instruction, state);
                return;
        }
        come_to({at.section, at.instruction + 1}, state);
    }

    void arithmetic(const Position& at, const bpf_insn& instruction, State& state) {
        const bool narrow = BPF_CLASS(instruction.code) == BPF_ALU;
        Value& to = state.values.at(instruction.dst_reg);
        const Value right = BPF_SRC(instruction.code) == BPF_X ? state.values.at(instruction.src_reg)
                            : is_known(at)                     ? number(immediate(at, instruction))
                                                               : Value{};
        const std::uint8_t operation = BPF_OP(instruction.code);
        if (operation == BPF_MOV && !narrow) {
            to = right;
            return;
        }
        const bool moves = to.kind == Value::Kind::context && (operation == BPF_ADD || operation == BPF_SUB) && !narrow;
        const bool counts = to.kind == Value::Kind::number || operation == BPF_MOV;
        const auto result = right.kind == Value::Kind::number && (moves || counts)
                                ? calculate(operation, to.bits, right.bits, narrow ? 32 : 64)
                                : std::nullopt;
        if (!result) {
            to = {};
        } else if (moves) {
            to.bits = *result;
        } else {
            to = number(narrow ? static_cast<std::uint32_t>(*result) : *result);
        }
    }

    // Two instructions long. It may be the address of a function, which is called later.
    void load_wide(const Position& at, const bpf_insn& instruction, State& state) {
        Value& to = state.values.at(instruction.dst_reg);
        to = {};
        if (const auto function = object_.functions().find(at); function != object_.functions().end()) {
            come_to(function->second, State{});
        } else if (const auto relocated = values_.find(at); relocated != values_.end()) {
            to = number(relocated->second);
        }
        come_to({at.section, at.instruction + 2}, state);
    }

    void load(const bpf_insn& instruction, State& state) {
        const Value from = state.values.at(instruction.src_reg);
        Value& to = state.values.at(instruction.dst_reg);
        const auto kept = state.kept.find(instruction.off);
        if (from.kind == Value::Kind::context) {
            read_context(from.bits + static_cast<std::uint64_t>(std::int64_t{instruction.off}));
        }
        to = instruction.src_reg == frame && kept != state.kept.end() ? kept->second : Value{};
    }

    static void store(const bpf_insn& instruction, State& state) {
        const Value value = state.values.at(instruction.src_reg);
        // Some give back what stood there: in r0, or in the register that had the operand.
        if (BPF_MODE(instruction.code) == BPF_ATOMIC) {
            state.values[0] = state.values.at(instruction.src_reg) = {};
        }
        if (instruction.dst_reg != frame) {
            return;
        }
        if (value.kind == Value::Kind::context && BPF_SIZE(instruction.code) == BPF_DW) {
            state.kept[instruction.off] = value;
        } else {
            state.kept.erase(instruction.off);
        }
    }

    void read_context(std::uint64_t offset) { reached_.context_words.insert(static_cast<unsigned>(offset / 8)); }

    void call(const Position& at, const bpf_insn& instruction, State& state) {
        if (const auto function = object_.functions().find(at); function != object_.functions().end()) {
            State inside;
            for (std::size_t i = 1; i <= 5; i++) {
                inside.values.at(i) = state.values.at(i);
            }
            come_to(function->second, inside);
        } else if (instruction.src_reg == 0 && instruction.imm == get_func_arg &&
                   state.values[1].kind == Value::Kind::context && state.values[2].kind == Value::Kind::number) {
            read_context(state.values[2].bits * 8);
        }
        for (std::size_t i = 0; i <= 5; i++) {
            state.values.at(i) = {};
        }
    }

    void jump(const Position& at, const bpf_insn& instruction, State& state) {
        const bool narrow = BPF_CLASS(instruction.code) == BPF_JMP32;
        const std::uint8_t operation = BPF_OP(instruction.code);
        const Position next{at.section, at.instruction + 1};
        const Position target{at.section,
                              static_cast<std::size_t>(static_cast<std::int64_t>(next.instruction) + instruction.off)};
        if (operation == BPF_EXIT) {
            return;
        }
        if (operation == BPF_CALL) {
            call(at, instruction, state);
            come_to(next, state);
            return;
        }
        if (operation == BPF_JA) {
            come_to(target, state);
            return;
        }
        const Value left = state.values.at(instruction.dst_reg);
        const Value right = BPF_SRC(instruction.code) == BPF_X ? state.values.at(instruction.src_reg)
                                                               : number(immediate(at, instruction));
        const bool numbers = left.kind == Value::Kind::number && right.kind == Value::Kind::number;
        const auto taken = numbers ? compare(operation, left.bits, right.bits, narrow) : std::nullopt;
        if (taken.value_or(true)) {
            come_to(target, state);
        }
        if (!taken.value_or(false)) {
            come_to(next, state);
        }
    }

    const Object& object_;
    const std::map<Position, std::uint64_t>& values_;
    std::map<std::size_t, std::vector<std::optional<State>>> states_;  // by section
    std::set<Position> due_;
    Reached reached_;
};

}  // namespace

Reached reach(const Object& object, const Program& program, const std::map<Position, std::uint64_t>& values) {
    return Walk(object, values).run(program);
}

}  // namespace inflight::kernels
