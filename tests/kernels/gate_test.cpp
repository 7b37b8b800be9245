// SPDX-License-Identifier: Apache-2.0
// Every program of ours against the types of every kernel in tests/kernels/btf. docs/kernels.md is the page to open
// when one of these fails.
#include "gate.hpp"
#include "repository.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "catalog/syscalls.hpp"
#include "probe/hooks.hpp"

namespace inflight::kernels {
namespace {

constexpr const char* what_to_do = "docs/kernels.md says what to do";

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
    const auto unused = unused_rows(knowledge().lost, kernel, used);
    EXPECT_TRUE(unused.empty()) << joined(unused);
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

TEST(GateTables, AtLeastEightKernels) {
    EXPECT_GE(all_series().size(), 8U);
}

// What the programs read of a kprobe's registers is decided by the function's arguments too.
TEST(GateTables, EveryFunctionOfTheLoaderHasAPrototype) {
    std::vector<std::string> functions;
    for (const auto& hook : probe::hook_specs()) {
        if (!hook.function.empty() && hook.kind != probe::HookKind::uring) {
            functions.emplace_back(hook.function);
        }
    }
    for (const auto& call : catalog::syscall_entries) {
        functions.emplace_back(call.function);
    }
    for (const auto& function : functions) {
        EXPECT_TRUE(std::ranges::any_of(knowledge().prototypes, [&](const Row& row) {
            return row.subject == "function " + function;
        })) << function;
    }
}

}  // namespace
}  // namespace inflight::kernels
