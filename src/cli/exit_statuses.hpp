// SPDX-License-Identifier: Apache-2.0
// What a script may take from the exit status of a command. The manual page and docs/exit-status.md have this table.
#pragma once

#include <array>
#include <string_view>

namespace inflight::cli {

// Exit statuses of inflight itself; a command that runs another ends with that one's.
enum ExitStatus : int {
    exit_ok = 0,
    exit_failed = 1,
    exit_usage = 2,
    exit_cannot_trace = 3,  // this kernel, machine or user does not let us see anything
    exit_not_executable = 126,
    exit_not_found = 127,
};

struct ExitMeaning {
    std::string_view status;
    std::string_view meaning;
};

inline constexpr std::array exit_meanings{
    ExitMeaning{"0", "All went well. A signal that ends a trace (^C) is a good end too."},
    ExitMeaning{"1",
                "Something failed: a file could not be read or written, the output is a closed pipe or a full disk, "
                "the process is gone. doctor: something cannot be seen here. cancel: at least one chosen request "
                "did not end cancelled. check: there is a finding, or records were lost."},
    ExitMeaning{"2", "The command line is wrong. Nothing was done."},
    ExitMeaning{"3", "Nothing can be seen: the kernel, the machine or the user's rights do not allow it."},
    ExitMeaning{"126", "The command that was to be run is not executable."},
    ExitMeaning{"127", "The command that was to be run was not found."},
    ExitMeaning{"128+N", "Signal N ended the command that was run."},
    ExitMeaning{"other", "The command that was run ended with this status."},
};

}  // namespace inflight::cli
