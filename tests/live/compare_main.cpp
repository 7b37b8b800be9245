// SPDX-License-Identifier: Apache-2.0
// Whether a trace has every request of a log of uring_random, as it was:
//
//     inflight trace -o json --output TRACE -- uring_random DIRECTORY SEED COUNT LOG
//     uring_compare LOG TRACE
//
// Exit status: 0 they agree, 1 they do not, 2 usage.
#include "compare.hpp"

#include <fmt/format.h>

int main(int argc, char** argv) {
    if (argc != 3) {
        fmt::print(stderr, "usage: uring_compare LOG TRACE\n");
        return 2;
    }
    const auto comparison = inflight::live::compare(argv[1], argv[2]);
    for (const std::string& disagreement : comparison.disagreements) {
        fmt::print("{}\n", disagreement);
    }
    fmt::print("{} requests logged, {} traced, {} disagreements\n", comparison.logged, comparison.traced,
               comparison.disagreeing);
    return comparison.agree() ? 0 : 1;
}
