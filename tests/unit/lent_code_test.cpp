// SPDX-License-Identifier: Apache-2.0
// The code that a foreign thread runs for us, run here.
#include "act/lent_code.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <vector>

#include <array>
#include <cstring>

// Where the code leads to: keeps the registers, and returns to the test.
extern "C" {
extern const char lent_code_landing[];
std::uint64_t lent_code_seen[10];
}
asm(R"(
    .text
    .globl lent_code_landing
lent_code_landing:
    mov %rax, lent_code_seen(%rip)
    mov %rcx, 8+lent_code_seen(%rip)
    mov %rdx, 16+lent_code_seen(%rip)
    mov %rsi, 24+lent_code_seen(%rip)
    mov %rdi, 32+lent_code_seen(%rip)
    mov %r8, 40+lent_code_seen(%rip)
    mov %r9, 48+lent_code_seen(%rip)
    mov %r10, 56+lent_code_seen(%rip)
    mov %r11, 64+lent_code_seen(%rip)
    pushfq
    popq 72+lent_code_seen(%rip)
    ret
)");

namespace inflight::act::test {
namespace {

TEST(LentCode, MakesTheCallAndLeadsBackWithEveryRegisterAsItWas) {
    constexpr std::size_t page_bytes = 4096;
    void* const page =
        ::mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(page, MAP_FAILED);
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    user_regs_struct after{};
    after.rax = 0x1111222233334444;
    after.rcx = 0x2222000000000001;
    after.rdx = 0x3333000000000002;
    after.rsi = 0x4444000000000003;
    after.rdi = 0x5555000000000004;
    after.r8 = 0x6666000000000005;
    after.r9 = 0x7777000000000006;
    after.r10 = 0x8888000000000007;
    after.r11 = 0x9999000000000008;
    after.rip = reinterpret_cast<std::uint64_t>(lent_code_landing);
    const auto code = compose_lent_code(after);
    std::memcpy(page, code.data(), code.size());
    std::memcpy(static_cast<char*>(page) + lent_memory_offset, "argument", 8);

    // write(end, its argument, 8), with the carry and the direction flag set. The red zone is not ours.
    long number = SYS_write;
    asm volatile(R"(
        sub $256, %%rsp
        std
        stc
        call *%[code]
        cld
        add $256, %%rsp
    )"
                 : "+a"(number)
                 : [code] "b"(page), "D"(static_cast<long>(ends[1])),
                   "S"(static_cast<char*>(page) + lent_memory_offset), "d"(8L)
                 : "rcx", "r8", "r9", "r10", "r11", "memory", "cc");

    const std::array<std::uint64_t, 9> wanted{after.rax, after.rcx, after.rdx, after.rsi, after.rdi,
                                              after.r8,  after.r9,  after.r10, after.r11};
    for (std::size_t each = 0; each < wanted.size(); each++) {
        EXPECT_EQ(lent_code_seen[each], wanted.at(each)) << each;
    }
    constexpr std::uint64_t carry_and_direction = 0x401;
    EXPECT_EQ(lent_code_seen[9] & carry_and_direction, carry_and_direction);
    std::array<char, 8> got{};
    ASSERT_EQ(::read(ends[0], got.data(), got.size()), 8);
    EXPECT_EQ(std::string_view(got.data(), got.size()), "argument");
    ::close(ends[0]);
    ::close(ends[1]);
    ::munmap(page, page_bytes);
}

TEST(LentCode, IsRecognisedByItsAddress) {
    const auto place = LentCode::find(::getpid());
    ASSERT_TRUE(place) << place.error().message();
    EXPECT_TRUE(place->contains(place->address()));
    EXPECT_TRUE(place->contains(place->after_call()));
    EXPECT_FALSE(place->contains(place->address() - 1));
    EXPECT_FALSE(place->contains(place->argument_address()));
    std::array<char, lent_code_bytes> there{};
    std::memcpy(there.data(), reinterpret_cast<const void*>(place->address()), there.size());
    EXPECT_EQ(there, (std::array<char, lent_code_bytes>{})) << "nothing but zeros is taken";
}

// Several threads may stand in code of their own, whose arguments are written anew for each call.
TEST(LentCode, ThatIsInUseIsTakenByNobodyElse) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        for (;;) {
            ::pause();
        }
    }
    ASSERT_EQ(::ptrace(PTRACE_SEIZE, child, nullptr, nullptr), 0);
    ASSERT_EQ(::ptrace(PTRACE_INTERRUPT, child, nullptr, nullptr), 0);
    ASSERT_EQ(::waitpid(child, nullptr, __WALL), child);
    std::vector<LentCode> all;
    for (int each = 0; each < 5; each++) {
        auto place = LentCode::find(child);
        ASSERT_TRUE(place) << place.error().message();
        ASSERT_TRUE(place->write(child, user_regs_struct{}));
        for (const LentCode& other : all) {
            const std::uint64_t apart =
                std::max(place->address(), other.address()) - std::min(place->address(), other.address());
            EXPECT_GE(apart, lent_code_bytes);
        }
        all.push_back(*place);
    }
    const std::uint64_t first = all.front().address();
    for (LentCode& each : all) {
        each.erase(child);
    }
    EXPECT_EQ(LentCode::find(child)->address(), first) << "and given back";
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, __WALL);
}

}  // namespace
}  // namespace inflight::act::test
