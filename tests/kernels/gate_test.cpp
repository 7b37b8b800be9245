// SPDX-License-Identifier: Apache-2.0
// Every program of ours against the types of every kernel in tests/kernels/btf. docs/kernels.md is the page to open
// when one of these fails.
#include "gate.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "probe/hooks.hpp"

namespace inflight::kernels {
namespace {

const std::string folder = INFLIGHT_SOURCE_DIR "/tests/kernels/";
constexpr const char* what_to_do = "docs/kernels.md says what to do";

template <typename T>
T must(Result<T> result) {
    EXPECT_TRUE(result) << result.error().message();
    return result ? std::move(*result) : T{};
}

std::vector<std::string> all_series() {
    std::vector<std::string> all;
    for (const auto& file : std::filesystem::directory_iterator(folder + "btf")) {
        if (file.path().extension() == ".btf") {
            all.push_back(file.path().stem());
        }
    }
    std::ranges::sort(all);
    return all;
}

Kernel kernel_of(const std::string& name) {
    return {.series = must(series(name)), .name = name, .types = must(Types::read(folder + "btf/" + name + ".btf"))};
}

const Knowledge& knowledge() {
    static const Knowledge all{.lost = must(read_table(folder + "lost.tsv", 3)),
                               .prototypes = must(read_table(folder + "prototypes.tsv", 4)),
                               .names = must(Names::read(folder + "btf/names"))};
    return all;
}

const std::vector<Object>& objects() {
    static const std::vector<Object> both = [] {
        std::vector<Object> read;
        for (const auto* name : {"inflight.bpf.o", "inflight_stat.bpf.o"}) {
            read.push_back(must(Object::read(std::string(INFLIGHT_BPF_DIR "/") + name)));
        }
        return read;
    }();
    return both;
}

std::string joined(const std::vector<std::string>& lines) {
    return fmt::format("{}\n{}", fmt::join(lines, "\n"), what_to_do);
}

class Gate : public testing::TestWithParam<std::string> {};

TEST_P(Gate, EveryProgramFits) {
    const auto kernel = kernel_of(GetParam());
    std::set<const Row*> used;
    for (const auto& object : objects()) {
        const auto verdict = judge(object, kernel, knowledge());
        EXPECT_TRUE(verdict.complaints.empty()) << joined(verdict.complaints);
        used.insert(verdict.used.begin(), verdict.used.end());
    }
    // A row that excuses nothing would excuse something else one day.
    for (const auto& row : knowledge().lost) {
        EXPECT_TRUE(!row.kernels.has(kernel.series) || used.contains(&row)) << fmt::format(
            "lost.tsv, line {}: Linux {} lacks no {}, or no program asks for it", row.line, kernel.name, row.subject);
    }
}

TEST_P(Gate, PrototypesAreAsExpected) {
    const auto complaints = compare_prototypes(kernel_of(GetParam()), knowledge());
    EXPECT_TRUE(complaints.empty()) << joined(complaints);
}

INSTANTIATE_TEST_SUITE_P(Linux, Gate, testing::ValuesIn(all_series()), [](const auto& instance) {
    std::string name = instance.param;
    std::ranges::replace(name, '.', '_');
    return name;
});

TEST(GateItself, KnowsAtLeastEightKernels) {
    EXPECT_GE(all_series().size(), 8U);
}

}  // namespace
}  // namespace inflight::kernels
