// SPDX-License-Identifier: Apache-2.0
#include "act/seccomp.hpp"

#include <gtest/gtest.h>
#include <linux/audit.h>

#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace inflight::act::test {
namespace {

using Answer = std::optional<std::uint32_t>;

seccomp_data io_cancel() {
    return {.nr = 210,
            .arch = AUDIT_ARCH_X86_64,
            .instruction_pointer = 0x7fff'1111'2222,
            .args = {0x7f00'0000'1000, 0xabcd, 3, 4, 5, 0xffff'ffff'0000'0006}};
}

sock_filter statement(int code, std::uint32_t k = 0) {
    return {.code = static_cast<std::uint16_t>(code), .jt = 0, .jf = 0, .k = k};
}

sock_filter jump(int code, std::uint32_t k, unsigned char jt, unsigned char jf) {
    return {.code = static_cast<std::uint16_t>(code), .jt = jt, .jf = jf, .k = k};
}

Answer answer(const SeccompFilter& filter) {
    return seccomp_answer(filter, io_cancel());
}

const sock_filter return_a = statement(BPF_RET | BPF_A);
const sock_filter return_1 = statement(BPF_RET | BPF_K, 1);
const sock_filter return_2 = statement(BPF_RET | BPF_K, 2);

sock_filter load(std::uint32_t k) {
    return statement(BPF_LD | BPF_IMM, k);
}

sock_filter load_x(std::uint32_t k) {
    return statement(BPF_LDX | BPF_IMM, k);
}

TEST(Seccomp, WordsOfTheCall) {
    const auto word = [](std::size_t at) {
        return answer({statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(at)), return_a});
    };
    EXPECT_EQ(word(offsetof(seccomp_data, nr)), 210U);
    EXPECT_EQ(word(offsetof(seccomp_data, arch)), AUDIT_ARCH_X86_64);
    EXPECT_EQ(word(offsetof(seccomp_data, instruction_pointer)), 0x1111'2222U);
    EXPECT_EQ(word(offsetof(seccomp_data, instruction_pointer) + 4), 0x7fffU);
    EXPECT_EQ(word(offsetof(seccomp_data, args)), 0x1000U);
    EXPECT_EQ(word(offsetof(seccomp_data, args) + 4), 0x7f00U);
    EXPECT_EQ(word(60), 0xffff'ffffU) << "the last";
    EXPECT_EQ(word(64), std::nullopt) << "behind it";
    EXPECT_EQ(word(61), std::nullopt);
    EXPECT_EQ(word(2), std::nullopt) << "not of a word";
    EXPECT_EQ(word(0xffff'fffc), std::nullopt);
}

TEST(Seccomp, Constants) {
    EXPECT_EQ(answer({load(7), return_a}), 7U);
    EXPECT_EQ(answer({load_x(8), statement(BPF_MISC | BPF_TXA), return_a}), 8U);
    EXPECT_EQ(answer({statement(BPF_LD | BPF_W | BPF_LEN), return_a}), 64U);
    EXPECT_EQ(answer({statement(BPF_LDX | BPF_W | BPF_LEN), statement(BPF_MISC | BPF_TXA), return_a}), 64U);
    EXPECT_EQ(answer({return_a}), 0U) << "registers begin with 0";
}

TEST(Seccomp, Arithmetic) {
    struct Row {
        int operation;
        std::uint32_t a;
        std::uint32_t operand;
        std::uint32_t result;
    };
    const std::vector<Row> rows{
        {BPF_ADD, 0xffff'ffff, 2, 1},
        {BPF_SUB, 1, 2, 0xffff'ffff},
        {BPF_MUL, 0x1'0001, 0x1'0000, 0x1'0000},
        {BPF_DIV, 0xffff'fffe, 2, 0x7fff'ffff},
        {BPF_AND, 0xf0f0, 0xff00, 0xf000},
        {BPF_OR, 0xf0f0, 0x0f00, 0xfff0},
        {BPF_XOR, 0xff00, 0x0ff0, 0xf0f0},
        {BPF_LSH, 0x8000'0001, 4, 0x10},
        {BPF_RSH, 0x8000'0001, 4, 0x0800'0000},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(answer({load(row.a), statement(BPF_ALU | BPF_K | row.operation, row.operand), return_a}), row.result)
            << row.operation;
        EXPECT_EQ(answer({load(row.a), load_x(row.operand), statement(BPF_ALU | BPF_X | row.operation), return_a}),
                  row.result)
            << row.operation;
    }
    EXPECT_EQ(answer({load(5), statement(BPF_ALU | BPF_NEG), return_a}), 0xffff'fffbU);
}

TEST(Seccomp, DivisionByZero) {
    const SeccompFilter by_x{load(5), load_x(0), statement(BPF_ALU | BPF_DIV | BPF_X), return_1};
    EXPECT_EQ(answer(by_x), std::uint32_t{SECCOMP_RET_KILL_THREAD}) << "the kernel ends the program there, with 0";
    EXPECT_EQ(answer({load(5), statement(BPF_ALU | BPF_DIV | BPF_K, 0), return_1}), std::nullopt)
        << "the kernel takes no such filter";
}

TEST(Seccomp, Shifts) {
    EXPECT_EQ(answer({load(3), load_x(33), statement(BPF_ALU | BPF_LSH | BPF_X), return_a}), 6U);
    EXPECT_EQ(answer({load(3), load_x(33), statement(BPF_ALU | BPF_RSH | BPF_X), return_a}), 1U);
    EXPECT_EQ(answer({load(3), statement(BPF_ALU | BPF_LSH | BPF_K, 32), return_a}), std::nullopt);
}

TEST(Seccomp, ScratchMemory) {
    EXPECT_EQ(answer({load(9), statement(BPF_ST, 15), load(0), statement(BPF_LD | BPF_MEM, 15), return_a}), 9U);
    EXPECT_EQ(answer({load_x(9), statement(BPF_STX, 0), load_x(0), statement(BPF_LDX | BPF_MEM, 0),
                      statement(BPF_MISC | BPF_TXA), return_a}),
              9U);
    EXPECT_EQ(answer({statement(BPF_ST, 16), return_1}), std::nullopt);
    EXPECT_EQ(answer({statement(BPF_LD | BPF_MEM, 16), return_1}), std::nullopt);
    EXPECT_EQ(answer({statement(BPF_LD | BPF_MEM, 3), return_1}), std::nullopt) << "nothing was put there";
}

TEST(Seccomp, Jumps) {
    struct Row {
        int operation;
        std::uint32_t a;
        std::uint32_t operand;
        bool holds;
    };
    const std::vector<Row> rows{
        {BPF_JEQ, 5, 5, true},  {BPF_JEQ, 5, 6, false},  {BPF_JGE, 5, 5, true},
        {BPF_JGE, 4, 5, false}, {BPF_JGT, 6, 5, true},   {BPF_JGT, 5, 5, false},
        {BPF_JSET, 6, 3, true}, {BPF_JSET, 4, 3, false}, {BPF_JGT, 0xffff'ffff, 0, true},
    };
    for (const Row& row : rows) {
        const std::uint32_t expected = row.holds ? 1 : 2;
        EXPECT_EQ(answer({load(row.a), jump(BPF_JMP | BPF_K | row.operation, row.operand, 0, 1), return_1, return_2}),
                  expected)
            << row.operation;
        EXPECT_EQ(answer({load(row.a), load_x(row.operand), jump(BPF_JMP | BPF_X | row.operation, 0, 0, 1), return_1,
                          return_2}),
                  expected)
            << row.operation;
    }
    EXPECT_EQ(answer({statement(BPF_JMP | BPF_JA, 1), return_1, return_2}), 2U);
}

TEST(Seccomp, WhatNoKernelTakes) {
    EXPECT_EQ(answer({}), std::nullopt);
    EXPECT_EQ(answer({load(1)}), std::nullopt) << "it does not end";
    EXPECT_EQ(answer({statement(BPF_JMP | BPF_JA, 1), return_1}), std::nullopt);
    EXPECT_EQ(answer({statement(BPF_JMP | BPF_JA, 0xffff'ffff), return_1}), std::nullopt) << "no way back";
    EXPECT_EQ(answer({jump(BPF_JMP | BPF_JEQ | BPF_K, 0, 255, 0), return_1}), std::nullopt);
    for (const int code :
         {BPF_LD | BPF_W | BPF_IND, BPF_LD | BPF_H | BPF_ABS, BPF_LD | BPF_B | BPF_ABS, BPF_LDX | BPF_B | BPF_MSH,
          BPF_ALU | BPF_MOD | BPF_X, BPF_RET | BPF_X, BPF_JMP | BPF_JA | BPF_X, BPF_ST | BPF_X, 0xffff}) {
        EXPECT_EQ(answer({statement(code), return_1}), std::nullopt) << code;
    }
}

// As libseccomp writes them: another architecture, x32, one call with one argument.
TEST(Seccomp, AFilterAsTheyAreWritten) {
    const auto filter = [](std::uint32_t forbidden) {
        return SeccompFilter{
            statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
            jump(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 5),
            statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            jump(BPF_JMP | BPF_JGE | BPF_K, 0x4000'0000, 3, 0),
            jump(BPF_JMP | BPF_JEQ | BPF_K, forbidden, 1, 0),
            statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
            statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
            statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        };
    };
    EXPECT_EQ(answer(filter(427)), SECCOMP_RET_ALLOW);
    EXPECT_EQ(answer(filter(210)), std::uint32_t{SECCOMP_RET_ERRNO | EPERM});
    seccomp_data other = io_cancel();
    other.arch = AUDIT_ARCH_I386;
    EXPECT_EQ(seccomp_answer(filter(427), other), SECCOMP_RET_KILL_PROCESS);
    other = io_cancel();
    other.nr |= 0x4000'0000;
    EXPECT_EQ(seccomp_answer(filter(427), other), SECCOMP_RET_KILL_PROCESS);
}

SeccompFilter always(std::uint32_t what) {
    return {statement(BPF_RET | BPF_K, what)};
}

TEST(Seccomp, TheStrictestOfSeveral) {
    const std::vector<std::uint32_t> strictest_first{
        SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO,
        SECCOMP_RET_USER_NOTIF,   SECCOMP_RET_TRACE,       SECCOMP_RET_LOG,  SECCOMP_RET_ALLOW};
    for (std::size_t strict = 0; strict < strictest_first.size(); strict++) {
        for (std::size_t other = strict; other < strictest_first.size(); other++) {
            const auto a = always(strictest_first[strict]);
            const auto b = always(strictest_first[other] | 1);
            const auto expected = strict == other ? strictest_first[strict] : seccomp_answer(a, io_cancel());
            EXPECT_EQ(seccomp_answer_of_all(std::vector{b, a}, io_cancel()), expected);
            if (strict != other) {
                EXPECT_EQ(seccomp_answer_of_all(std::vector{a, b}, io_cancel()), expected);
            }
        }
    }
    EXPECT_EQ(seccomp_answer_of_all({}, io_cancel()), SECCOMP_RET_ALLOW);
    EXPECT_EQ(
        seccomp_answer_of_all(std::vector{always(SECCOMP_RET_ERRNO | 1), always(SECCOMP_RET_ERRNO | 2)}, io_cancel()),
        std::uint32_t{SECCOMP_RET_ERRNO | 2})
        << "of equals the last";
    EXPECT_EQ(seccomp_answer_of_all(std::vector{always(SECCOMP_RET_ALLOW), SeccompFilter{}}, io_cancel()),
              std::nullopt);
}

TEST(Seccomp, WhatPasses) {
    EXPECT_TRUE(passes_seccomp(SECCOMP_RET_ALLOW));
    EXPECT_TRUE(passes_seccomp(SECCOMP_RET_LOG | 7));
    for (const std::uint32_t action : {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
                                       SECCOMP_RET_ERRNO, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_TRACE, 0x1234'0000U}) {
        EXPECT_FALSE(passes_seccomp(action)) << action;
    }
}

TEST(Seccomp, InWords) {
    EXPECT_EQ(describe_seccomp(SECCOMP_RET_KILL_PROCESS), "would kill the process for the call");
    EXPECT_EQ(describe_seccomp(SECCOMP_RET_KILL_THREAD), "would kill the thread for the call");
    EXPECT_EQ(describe_seccomp(SECCOMP_RET_ERRNO | EPERM),
              "would answer the call with EPERM (Operation not permitted)");
    EXPECT_EQ(describe_seccomp(SECCOMP_RET_ERRNO), "would answer the call with 0 (success), and not make it");
    EXPECT_EQ(describe_seccomp(SECCOMP_RET_ERRNO | 0xffff), "would answer the call with errno 4095");
    EXPECT_EQ(describe_seccomp(SECCOMP_RET_TRAP | 3), "would send it SIGSYS instead of the call (trap)");
    EXPECT_EQ(describe_seccomp(0x1234'0000), "would kill the process for the call");
}

}  // namespace
}  // namespace inflight::act::test
