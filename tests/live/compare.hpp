// SPDX-License-Identifier: Apache-2.0
// The log of uring_random (tests/workloads/uring_random.c) held against a trace, request by request.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace inflight::live {

struct Comparison {
    std::size_t logged = 0;                  // requests in the log
    std::size_t traced = 0;                  // io_uring requests in the trace
    std::size_t disagreeing = 0;             // of either side
    std::vector<std::string> disagreements;  // the first few

    [[nodiscard]] bool agree() const { return disagreeing == 0 && logged == traced && logged != 0; }
};

// Of each request: that it is there once, its ring, operation, result, outcome and number of CQEs.
Comparison compare(const std::filesystem::path& log, const std::filesystem::path& trace);

}  // namespace inflight::live
