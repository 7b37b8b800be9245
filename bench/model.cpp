// SPDX-License-Identifier: Apache-2.0
// What one record costs the model in loads that programs can make on purpose, with 1,000 to 1,000,000 of what looks
// alike. A cost that grows with the number shows a search through all of them. Usage: bench/model [MOST [LOAD...]]
#include "../tests/unit/hostile.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <string_view>

namespace {

using namespace inflight::model::test;

constexpr std::uint64_t fewest = 1000;
constexpr std::uint64_t default_most = 1'000'000;
// With more of them a load that grows too fast would never end.
constexpr double longest_seconds = 20;

double nanoseconds_a_record(const HostileLoad& load, std::uint64_t n, double& seconds) {
    const auto begin = std::chrono::steady_clock::now();
    (void)load.run(n);
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return seconds * 1e9 / static_cast<double>(n * load.steps);
}

}  // namespace

int main(int count, char** arguments) {
    const std::uint64_t most = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : default_most;
    fmt::print("{:<56}", "ns a record");
    for (std::uint64_t n = fewest; n <= most; n *= 10) {
        fmt::print("{:>12}", n);
    }
    fmt::print("\n");
    for (const HostileLoad& load : hostile_loads()) {
        const bool wanted = count <= 2 || std::any_of(arguments + 2, arguments + count, [&](const char* each) {
                                return std::string_view(load.name).find(each) != std::string_view::npos;
                            });
        if (!wanted) {
            continue;
        }
        fmt::print("{:<56}", load.name);
        double seconds = 0;
        for (std::uint64_t n = fewest; n <= most; n *= 10) {
            if (seconds > longest_seconds) {
                fmt::print("{:>12}", "-");
                continue;
            }
            fmt::print("{:>12.0f}", nanoseconds_a_record(load, n, seconds));
            std::fflush(stdout);
        }
        fmt::print("\n");
    }
    return 0;
}
