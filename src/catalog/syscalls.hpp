// SPDX-License-Identifier: Apache-2.0
// The system calls by name, number and kernel function, from the table that the BPF programs are made of.
#pragma once

#include "contract/syscalls.h"

#include <array>
#include <string_view>

namespace inflight::catalog {

// By enum ifl_syscall: "io_setup", ...
#define INFLIGHT_SYSCALL_NAME(id, name, number) std::string_view(#name),
inline constexpr std::array syscall_names{IFL_FOR_EACH_SYSCALL(INFLIGHT_SYSCALL_NAME)};
#undef INFLIGHT_SYSCALL_NAME
static_assert(syscall_names.size() == IFL_SYSCALL_COUNT);

// A kernel function behind a call.
struct SyscallEntry {
    std::string_view function;  // "__x64_sys_io_cancel"
    ifl_syscall syscall;
    ifl_abi abi;
};

#define INFLIGHT_SYSCALL_ENTRY(function, syscall, abi) SyscallEntry{#function, syscall, abi},
inline constexpr std::array syscall_entries{IFL_FOR_EACH_ENTRY(INFLIGHT_SYSCALL_ENTRY)};
#undef INFLIGHT_SYSCALL_ENTRY

// A number by which programs call.
struct SyscallNumber {
    unsigned number;
    ifl_syscall syscall;
    ifl_abi abi;
};

#define INFLIGHT_SYSCALL_NUMBER(number, syscall, abi) SyscallNumber{number, syscall, abi},
inline constexpr std::array syscall_numbers{IFL_FOR_EACH_NATIVE_NUMBER(INFLIGHT_SYSCALL_NUMBER)
                                                IFL_FOR_EACH_I386_NUMBER(INFLIGHT_SYSCALL_NUMBER)
                                                    IFL_FOR_EACH_X32_NUMBER(INFLIGHT_SYSCALL_NUMBER)};
#undef INFLIGHT_SYSCALL_NUMBER

// Of a call that has none: empty, 0.
consteval std::string_view syscall_function(ifl_syscall syscall, ifl_abi abi) {
    for (const auto& each : syscall_entries) {
        if (each.syscall == syscall && each.abi == abi) {
            return each.function;
        }
    }
    return {};
}
consteval unsigned syscall_number(ifl_syscall syscall, ifl_abi abi) {
    for (const auto& each : syscall_numbers) {
        if (each.syscall == syscall && each.abi == abi) {
            return each.number;
        }
    }
    return 0;
}

// Where a call passes a time, older 32-bit programs have a number of their own, with a time of 32 bits.
consteval unsigned number_of_32_bit(ifl_syscall syscall) {
    const unsigned time32 = syscall_number(syscall, IFL_ABI_I386_TIME32);
    return time32 != 0 ? time32 : syscall_number(syscall, IFL_ABI_I386);
}
// 0: the call has no second number, for a time of 64 bits.
consteval unsigned number_of_64_bit_time(ifl_syscall syscall) {
    return syscall_number(syscall, IFL_ABI_I386_TIME32) != 0 ? syscall_number(syscall, IFL_ABI_I386) : 0;
}

}  // namespace inflight::catalog
