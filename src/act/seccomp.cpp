// SPDX-License-Identifier: Apache-2.0
#include "act/seccomp.hpp"

#include "base/result.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace inflight::act {
namespace {

using Word = std::uint32_t;

struct Machine {
    const seccomp_data& call;
    Word a = 0;
    Word x = 0;
    std::array<std::optional<Word>, BPF_MEMWORDS> memory{};
};

// ---- what gives a register its value, or a place in memory ----

std::optional<Word> constant(const Machine& /*machine*/, Word k) {
    return k;
}

std::optional<Word> size_of_call(const Machine& /*machine*/, Word /*k*/) {
    return sizeof(seccomp_data);
}

std::optional<Word> word_of_call(const Machine& machine, Word k) {
    if (k % sizeof(Word) != 0 || k > sizeof(seccomp_data) - sizeof(Word)) {
        return std::nullopt;
    }
    Word value = 0;
    std::memcpy(&value, reinterpret_cast<const std::byte*>(&machine.call) + k, sizeof(value));
    return value;
}

std::optional<Word> memory_word(const Machine& machine, Word k) {
    return k < machine.memory.size() ? machine.memory.at(k) : std::nullopt;
}

std::optional<Word> value_of_a(const Machine& machine, Word /*k*/) {
    return machine.a;
}

std::optional<Word> value_of_x(const Machine& machine, Word /*k*/) {
    return machine.x;
}

std::optional<Word> negative_a(const Machine& machine, Word /*k*/) {
    return Word{0} - machine.a;
}

struct Move {
    std::uint16_t code;
    Word Machine::* to;
    std::optional<Word> (*value)(const Machine&, Word k);
};

constexpr std::array moves{
    Move{BPF_LD | BPF_W | BPF_ABS, &Machine::a, word_of_call},
    Move{BPF_LD | BPF_W | BPF_LEN, &Machine::a, size_of_call},
    Move{BPF_LDX | BPF_W | BPF_LEN, &Machine::x, size_of_call},
    Move{BPF_LD | BPF_IMM, &Machine::a, constant},
    Move{BPF_LDX | BPF_IMM, &Machine::x, constant},
    Move{BPF_LD | BPF_MEM, &Machine::a, memory_word},
    Move{BPF_LDX | BPF_MEM, &Machine::x, memory_word},
    Move{BPF_MISC | BPF_TAX, &Machine::x, value_of_a},
    Move{BPF_MISC | BPF_TXA, &Machine::a, value_of_x},
    Move{BPF_ALU | BPF_NEG, &Machine::a, negative_a},
};

struct Store {
    std::uint16_t code;
    Word Machine::* from;
};

constexpr std::array stores{Store{BPF_ST, &Machine::a}, Store{BPF_STX, &Machine::x}};

// ---- what takes a second operand: k or X, as BPF_SRC says ----

struct Arithmetic {
    std::uint16_t code;
    Word (*result)(Word a, Word operand);
    Word constants_below;  // the kernel takes no greater k; 0: any
    bool divides;
};

constexpr Word word_bits = 32;

// A shift by X takes its lower five bits, as the processor does.
constexpr std::array arithmetics{
    Arithmetic{BPF_ALU | BPF_ADD, [](Word a, Word operand) { return a + operand; }, 0, false},
    Arithmetic{BPF_ALU | BPF_SUB, [](Word a, Word operand) { return a - operand; }, 0, false},
    Arithmetic{BPF_ALU | BPF_MUL, [](Word a, Word operand) { return a * operand; }, 0, false},
    Arithmetic{BPF_ALU | BPF_DIV, [](Word a, Word operand) { return a / operand; }, 0, true},
    Arithmetic{BPF_ALU | BPF_AND, [](Word a, Word operand) { return a & operand; }, 0, false},
    Arithmetic{BPF_ALU | BPF_OR, [](Word a, Word operand) { return a | operand; }, 0, false},
    Arithmetic{BPF_ALU | BPF_XOR, [](Word a, Word operand) { return a ^ operand; }, 0, false},
    Arithmetic{BPF_ALU | BPF_LSH, [](Word a, Word operand) { return a << (operand % word_bits); }, word_bits, false},
    Arithmetic{BPF_ALU | BPF_RSH, [](Word a, Word operand) { return a >> (operand % word_bits); }, word_bits, false},
};

struct Jump {
    std::uint16_t code;
    bool (*holds)(Word a, Word operand);
};

constexpr std::array jumps{
    Jump{BPF_JMP | BPF_JEQ, [](Word a, Word operand) { return a == operand; }},
    Jump{BPF_JMP | BPF_JGE, [](Word a, Word operand) { return a >= operand; }},
    Jump{BPF_JMP | BPF_JGT, [](Word a, Word operand) { return a > operand; }},
    Jump{BPF_JMP | BPF_JSET, [](Word a, Word operand) { return (a & operand) != 0; }},
};

struct Return {
    std::uint16_t code;
    std::optional<Word> (*value)(const Machine&, Word k);
};

constexpr std::array returns{Return{BPF_RET | BPF_K, constant}, Return{BPF_RET | BPF_A, value_of_a}};

template <typename Row, std::size_t count>
const Row* find(const std::array<Row, count>& rows, std::uint16_t code) {
    const auto found = std::ranges::find(rows, code, &Row::code);
    return found == rows.end() ? nullptr : &*found;
}

// ---- one instruction ----

struct Step {
    bool good = false;           // the kernel takes such a thing
    std::uint64_t skip = 0;      // instructions
    std::optional<Word> answer;  // the program has ended
};

Step calculate(Machine& machine, const Arithmetic& row, const sock_filter& instruction) {
    const bool by_x = BPF_SRC(instruction.code) == BPF_X;
    const Word operand = by_x ? machine.x : instruction.k;
    if (row.divides && operand == 0) {
        // By X: the kernel ends the program there, with 0.
        return {.good = by_x, .skip = 0, .answer = by_x ? std::optional<Word>(0) : std::nullopt};
    }
    if (!by_x && row.constants_below != 0 && operand >= row.constants_below) {
        return {};
    }
    machine.a = row.result(machine.a, operand);
    return {.good = true, .skip = 0, .answer = {}};
}

Step step(Machine& machine, const sock_filter& instruction) {
    const std::uint16_t code = instruction.code;
    const auto without_source = static_cast<std::uint16_t>(code & ~BPF_X);
    if (const Move* const row = find(moves, code)) {
        const auto value = row->value(machine, instruction.k);
        machine.*row->to = value.value_or(0);
        return {.good = value.has_value(), .skip = 0, .answer = {}};
    }
    if (const Store* const row = find(stores, code)) {
        if (instruction.k >= machine.memory.size()) {
            return {};
        }
        machine.memory.at(instruction.k) = machine.*row->from;
        return {.good = true, .skip = 0, .answer = {}};
    }
    if (const Return* const row = find(returns, code)) {
        return {.good = true, .skip = 0, .answer = row->value(machine, instruction.k)};
    }
    if (const Arithmetic* const row = find(arithmetics, without_source)) {
        return calculate(machine, *row, instruction);
    }
    if (const Jump* const row = find(jumps, without_source)) {
        const Word operand = BPF_SRC(code) == BPF_X ? machine.x : instruction.k;
        return {.good = true, .skip = row->holds(machine.a, operand) ? instruction.jt : instruction.jf, .answer = {}};
    }
    return {.good = code == (BPF_JMP | BPF_JA), .skip = instruction.k, .answer = {}};
}

// ---- answers ----

struct AnswerRow {
    Word action;
    std::string_view text;
};

// The most restrictive first: precedence is that of the action as a signed number.
constexpr std::array answer_rows{
    AnswerRow{SECCOMP_RET_KILL_PROCESS, "would kill the process for the call"},
    AnswerRow{SECCOMP_RET_KILL_THREAD, "would kill the thread for the call"},
    AnswerRow{SECCOMP_RET_TRAP, "would send it SIGSYS instead of the call (trap)"},
    AnswerRow{SECCOMP_RET_ERRNO, "would answer the call"},
    AnswerRow{SECCOMP_RET_USER_NOTIF, "would ask its supervisor about the call (user notification)"},
    AnswerRow{SECCOMP_RET_TRACE, "would ask a tracer about the call (trace)"},
    AnswerRow{SECCOMP_RET_LOG, "would log the call, and let it pass"},
    AnswerRow{SECCOMP_RET_ALLOW, "lets the call pass"},
};

std::int32_t precedence(Word answer) {
    return static_cast<std::int32_t>(answer & SECCOMP_RET_ACTION_FULL);
}

}  // namespace

std::optional<std::uint32_t> seccomp_answer(std::span<const sock_filter> filter, const seccomp_data& call) {
    Machine machine{.call = call};
    for (std::uint64_t next = 0; next < filter.size();) {
        const Step done = step(machine, filter[next]);
        if (!done.good || done.answer) {
            return done.good ? done.answer : std::nullopt;
        }
        next += 1 + done.skip;
    }
    return std::nullopt;
}

std::optional<std::uint32_t> seccomp_answer_of_all(std::span<const SeccompFilter> filters, const seccomp_data& call) {
    std::uint32_t heeded = SECCOMP_RET_ALLOW;
    for (const SeccompFilter& filter : filters) {
        const auto answer = seccomp_answer(filter, call);
        if (!answer) {
            return std::nullopt;
        }
        if (precedence(*answer) <= precedence(heeded)) {
            heeded = *answer;
        }
    }
    return heeded;
}

bool passes_seccomp(std::uint32_t answer) {
    const std::uint32_t action = answer & SECCOMP_RET_ACTION_FULL;
    return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

std::string describe_seccomp(std::uint32_t answer) {
    // An action that a kernel does not know kills.
    const auto* row = std::ranges::find(answer_rows, answer & SECCOMP_RET_ACTION_FULL, &AnswerRow::action);
    const std::string_view text = row == answer_rows.end() ? answer_rows.front().text : row->text;
    if (row == answer_rows.end() || row->action != SECCOMP_RET_ERRNO) {
        return std::string(text);
    }
    constexpr std::uint32_t greatest_errno = 4095;
    const std::uint32_t error = std::min(answer & SECCOMP_RET_DATA, greatest_errno);
    return fmt::format(
        "{} with {}", text,
        error == 0 ? std::string("0 (success), and not make it") : describe_errno(static_cast<int>(error)));
}

}  // namespace inflight::act
