// SPDX-License-Identifier: Apache-2.0
// Code for a thread of another process: one system call, and then the way back to where the thread was. x86-64 only.
//
// Whoever makes a thread run something by changing its registers must put them back; and whoever may be killed at any
// moment cannot promise to. So the way back is part of the code itself:
//
//     syscall                      the kernel changes rax, rcx and r11, and nothing else
//     movabs rax, ...              rax, rcx, rdx, rsi, rdi, r8 to r11 as they were
//     jmp    [address]             to where the thread was
//
// It needs no stack, no flags and no memory to write to, and it leaves the signal mask and the processor's other state
// alone. The code stands where the process has executable memory that it never uses: in the zeros between the end of a
// file's code and the end of its last page, first of all in the vDSO.
#pragma once

#include "base/result.hpp"

#include <sys/types.h>
#include <sys/user.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace inflight::act {

// What the call may read: the largest argument of a call that inflight makes.
inline constexpr std::size_t lent_memory_bytes = 64;

// The code as bytes. `after` are the registers with which the thread goes on: of them rax, rcx, rdx, rsi, rdi, r8 to
// r11 and rip are put into the code; all others must be the thread's own while it runs the code. The memory that the
// call may read comes behind it, at `lent_memory_offset`. The last eight bytes are the word "inflight": the zeros of
// the page that are still free begin behind them.
inline constexpr std::size_t lent_memory_offset = 112;
inline constexpr std::size_t lent_mark_offset = lent_memory_offset + lent_memory_bytes;
inline constexpr std::size_t lent_code_bytes = lent_mark_offset + 8;
[[nodiscard]] std::array<std::byte, lent_code_bytes> compose_lent_code(const user_regs_struct& after);

// A place for it in the memory of a thread that stands still, traced by the calling thread. Not thread-safe, and only
// one inflight may use a process at a time (see OneAtATime).
class LentCode {
public:
    // Finds room. An error where the process has none.
    [[nodiscard]] static Result<LentCode> find(pid_t tid);

    // Puts the code there (PTRACE_POKEDATA).
    [[nodiscard]] Result<void> write(pid_t tid, const user_regs_struct& after) const;
    // Puts the argument of the next call there; at most lent_memory_bytes.
    [[nodiscard]] Result<void> write_argument(pid_t tid, std::span<const std::byte> bytes) const;
    // Makes it zeros again. Only when no thread can be in it.
    void erase(pid_t tid) const;

    [[nodiscard]] std::uint64_t address() const { return address_; }
    [[nodiscard]] std::uint64_t argument_address() const { return address_ + lent_memory_offset; }
    // The instruction pointer that a seccomp filter sees: behind the system call instruction.
    [[nodiscard]] std::uint64_t after_call() const { return address_ + 2; }
    // Whether a thread with this instruction pointer is in the code.
    [[nodiscard]] bool contains(std::uint64_t rip) const {
        return rip >= address_ && rip < address_ + lent_memory_offset;
    }

private:
    explicit LentCode(std::uint64_t address) : address_(address) {}
    std::uint64_t address_ = 0;
};

}  // namespace inflight::act
