// SPDX-License-Identifier: Apache-2.0
// What can fail returns Result<T>. An Error says what failed, why, and what the user can do about it.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace inflight {

struct Error {
    std::string what;  // what was tried: "open /proc/kallsyms"
    std::string why;   // the cause: "EACCES (Permission denied)"
    std::string hint;  // what to do; may be empty

    [[nodiscard]] std::string message() const {
        std::string text = what;
        if (!why.empty()) {
            text += ": " + why;
        }
        if (!hint.empty()) {
            text += "\n  " + hint;
        }
        return text;
    }
};

template <typename T>
using Result = std::expected<T, Error>;

using Failure = std::unexpected<Error>;

[[nodiscard]] inline Failure failure(std::string what, std::string why, std::string hint = {}) {
    return Failure(Error{.what = std::move(what), .why = std::move(why), .hint = std::move(hint)});
}

// "EACCES (Permission denied)" of a positive errno value.
[[nodiscard]] std::string describe_errno(int error);

}  // namespace inflight
