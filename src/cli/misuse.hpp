// SPDX-License-Identifier: Apache-2.0
// What is wrong with a command line that was refused, in words that name the wrong one.
#pragma once

#include <CLI/CLI.hpp>

#include <span>
#include <string>

namespace inflight::cli {

// `words`: the command line without the program's name. Empty where `error` says it as well.
[[nodiscard]] std::string describe_misuse(const CLI::App& root, std::span<const std::string> words,
                                          const CLI::ParseError& error);

}  // namespace inflight::cli
