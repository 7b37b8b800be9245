// SPDX-License-Identifier: Apache-2.0
// The choice of a tier for each hook, on kernels that allow this and refuse that.
#include "probe/hooks.hpp"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "catalog/syscalls.hpp"
#include "probe/loader.hpp"

namespace inflight::probe {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::optional<std::string> everything_is_possible(Tier, std::string_view) {
    return std::nullopt;
}

// A kernel that has no such function, for a tier.
Possible lacks(std::string_view missing, std::initializer_list<Tier> tiers = {Tier::fentry, Tier::kprobe}) {
    return [missing, tiers = std::set(tiers)](Tier tier, std::string_view function) -> std::optional<std::string> {
        if (function == missing && tiers.contains(tier)) {
            return "no such function";
        }
        return std::nullopt;
    };
}

Refusal refuse(std::string_view hook, Tier tier) {
    return {.hook = std::string(hook), .tier = tier, .reason = "EPERM"};
}

Plan plan(const std::vector<Refusal>& refusals = {}, const Possible& possible = everything_is_possible,
          std::optional<Tier> forced = std::nullopt) {
    auto made = plan_hooks(forced, refusals, possible);
    EXPECT_TRUE(made) << made.error().message();
    return made ? std::move(*made) : Plan{};
}

const HookChoice& hook(const Plan& of, std::string_view name) {
    const auto found =
        std::ranges::find_if(of.hooks, [name](const HookChoice& each) { return each.spec->name == name; });
    EXPECT_NE(found, of.hooks.end()) << name;
    return *found;
}

void expect_tiers(const Plan& of, HookKind kind, Tier tier) {
    for (const HookChoice& each : of.hooks) {
        if (each.spec->kind == kind) {
            EXPECT_EQ(each.tier, tier) << each.spec->name;
        }
    }
}

constexpr std::uint32_t all_calls = (1U << IFL_SYSCALL_COUNT) - 1;

TEST(HookNames, OfTiers) {
    for (const Tier tier : {Tier::fentry, Tier::kprobe, Tier::tracepoint}) {
        EXPECT_EQ(tier_by_name(name(tier)), tier);
    }
    EXPECT_EQ(tier_by_name("none"), std::nullopt);
    EXPECT_EQ(tier_by_name("perf"), std::nullopt);
    EXPECT_EQ(tier_by_name(""), std::nullopt);
}

TEST(HookTable, HasEachCallOnceAndItsFunctions) {
    std::set<int> calls;
    for (const HookSpec& spec : hook_specs()) {
        EXPECT_EQ(spec.kind == HookKind::call, spec.syscall.has_value()) << spec.name;
        if (spec.syscall) {
            EXPECT_TRUE(calls.insert(*spec.syscall).second) << spec.name;
            const auto serves = [&spec](const catalog::SyscallEntry& function) {
                return function.function == spec.function && function.syscall == *spec.syscall &&
                       function.abi == IFL_ABI_X86_64;
            };
            EXPECT_TRUE(std::ranges::any_of(catalog::syscall_entries, serves)) << spec.name;
        }
    }
    EXPECT_EQ(calls.size(), std::size_t{IFL_SYSCALL_COUNT});
}

TEST(HookPlan, HasEveryHookOnceInTheOrderOfTheTable) {
    for (const auto& made : {plan(), plan({}, lacks("aio_complete")), plan({refuse("*", Tier::fentry)})}) {
        ASSERT_EQ(made.hooks.size(), hook_specs().size());
        for (std::size_t i = 0; i < made.hooks.size(); i++) {
            EXPECT_EQ(made.hooks[i].spec->name, hook_specs()[i].name);
        }
    }
}

TEST(HookPlan, TakesTheBest) {
    const Plan made = plan();
    expect_tiers(made, HookKind::call, Tier::fentry);
    expect_tiers(made, HookKind::request, Tier::fentry);
    expect_tiers(made, HookKind::process, Tier::tracepoint);
    EXPECT_EQ(made.calls_by_tracepoint, 0U);
    EXPECT_FALSE(made.requests_by_tracepoint);
    EXPECT_FALSE(made.degraded());
    EXPECT_EQ(made.tiers(), "fentry");
    for (const HookChoice& each : made.hooks) {
        EXPECT_THAT(each.refused, IsEmpty());
        EXPECT_THAT(each.lost, IsEmpty());
    }
}

TEST(HookPlan, WithoutFentryTakesKprobes) {
    const Plan made = plan({refuse("*", Tier::fentry)});
    expect_tiers(made, HookKind::call, Tier::kprobe);
    expect_tiers(made, HookKind::request, Tier::kprobe);
    EXPECT_TRUE(made.degraded()) << "returns may be missed";
    EXPECT_EQ(made.tiers(), "kprobe");
    EXPECT_THAT(hook(made, "do_io_cancel").refused, ElementsAre("fentry: EPERM"));
    EXPECT_THAT(hook(made, "do_io_cancel").lost, HasSubstr("return"));
    EXPECT_THAT(hook(made, "aio_complete").lost, IsEmpty()) << "a kprobe alone loses nothing";
}

TEST(HookPlan, WithTracepointsOnly) {
    const Plan made = plan({refuse("*", Tier::fentry), refuse("*", Tier::kprobe)});
    expect_tiers(made, HookKind::call, Tier::tracepoint);
    expect_tiers(made, HookKind::request, Tier::tracepoint);
    EXPECT_EQ(made.calls_by_tracepoint, all_calls);
    EXPECT_TRUE(made.requests_by_tracepoint);
    EXPECT_TRUE(made.degraded());
    EXPECT_EQ(made.tiers(), "tracepoint");
    EXPECT_THAT(hook(made, "io_submit").refused, ElementsAre("fentry: EPERM", "kprobe: EPERM"));
    EXPECT_THAT(hook(made, "aio_complete").refused, ElementsAre("fentry: EPERM", "kprobe: EPERM"));
    EXPECT_THAT(hook(made, "aio_complete").lost, HasSubstr("slab"));
}

TEST(HookPlan, DegradesOneCallAndNoOther) {
    const Plan by_kprobe = plan({refuse("do_io_cancel", Tier::fentry)});
    EXPECT_EQ(hook(by_kprobe, "do_io_cancel").tier, Tier::kprobe);
    EXPECT_EQ(hook(by_kprobe, "io_submit").tier, Tier::fentry);
    EXPECT_EQ(by_kprobe.calls_by_tracepoint, 0U);
    EXPECT_EQ(by_kprobe.tiers(), "fentry and kprobe");
    const Plan by_tracepoint = plan({refuse("do_io_cancel", Tier::fentry), refuse("do_io_cancel", Tier::kprobe)});
    EXPECT_EQ(hook(by_tracepoint, "do_io_cancel").tier, Tier::tracepoint);
    EXPECT_EQ(by_tracepoint.calls_by_tracepoint, 1U << IFL_IO_CANCEL);
    EXPECT_FALSE(by_tracepoint.requests_by_tracepoint);
    EXPECT_TRUE(by_tracepoint.degraded());
    EXPECT_EQ(by_tracepoint.tiers(), "fentry and tracepoint");
}

TEST(HookPlan, EachCallHasItsBit) {
    for (const HookSpec& spec : hook_specs()) {
        if (spec.kind == HookKind::call) {
            EXPECT_EQ(plan({}, lacks(spec.function)).calls_by_tracepoint, 1U << *spec.syscall) << spec.name;
        }
    }
}

TEST(HookPlan, AFunctionThatBtfLacksMayStillTakeAKprobe) {
    const Plan made = plan({}, lacks("aio_prep_rw", {Tier::fentry}));
    EXPECT_EQ(hook(made, "aio_prep_rw").tier, Tier::kprobe);
    EXPECT_EQ(hook(made, "aio_complete").tier, Tier::fentry);
    EXPECT_FALSE(made.requests_by_tracepoint);
    EXPECT_THAT(hook(made, "aio_prep_rw").refused, ElementsAre("fentry: no such function"));
}

// One kind of request without its address would be worse than all of them by another way.
TEST(HookPlan, OneRequestFunctionMissingSendsAllToTheTracepoints) {
    for (const HookSpec& spec : hook_specs()) {
        if (spec.kind != HookKind::request) {
            continue;
        }
        const Plan made = plan({}, lacks(spec.function));
        EXPECT_TRUE(made.requests_by_tracepoint) << spec.name;
        expect_tiers(made, HookKind::request, Tier::tracepoint);
        expect_tiers(made, HookKind::call, Tier::fentry);
        EXPECT_EQ(made.calls_by_tracepoint, 0U);
        EXPECT_EQ(made.tiers(), "fentry and tracepoint");
        EXPECT_THAT(hook(made, spec.name).refused, ElementsAre("fentry: no such function", "kprobe: no such function"));
        const std::string_view other = spec.name == "aio_complete" ? "io_submit_one" : "aio_complete";
        EXPECT_THAT(hook(made, other).refused, ElementsAre("fentry: not without the hook " + std::string(spec.name)));
    }
}

TEST(HookPlan, AProcessHookIsNotVital) {
    const Plan made = plan({refuse("iter/task", Tier::tracepoint)});
    EXPECT_EQ(hook(made, "iter/task").tier, Tier::none);
    EXPECT_THAT(hook(made, "iter/task").lost, HasSubstr("contexts and polls that were there before"));
    EXPECT_EQ(hook(made, "sched_process_exit").tier, Tier::tracepoint);
    EXPECT_TRUE(made.degraded());
    EXPECT_EQ(made.tiers(), "fentry");
}

// ---- io_uring: its own tracepoints in every tier, and what only functions show

TEST(UringHooks, AreTracepointsInEveryTier) {
    for (const Tier tier : {Tier::fentry, Tier::kprobe, Tier::tracepoint}) {
        const Plan made = plan({}, everything_is_possible, tier);
        expect_tiers(made, HookKind::uring, Tier::tracepoint);
        EXPECT_EQ(made.tiers(), name(tier)) << "they are no sign of a worse tier";
    }
}

TEST(UringHooks, AreNotVital) {
    const Plan made = plan({}, lacks("io_uring_complete", {Tier::tracepoint}));
    EXPECT_EQ(hook(made, "io_uring_complete").tier, Tier::none);
    EXPECT_THAT(hook(made, "io_uring_complete").lost, HasSubstr("io_uring requests that end"));
    EXPECT_TRUE(made.degraded());
}

TEST(UringHooks, ExtraFunctionsAreHadByFentryOrKprobeOrNotAtAll) {
    EXPECT_EQ(hook(plan(), "io_wq_submit_work").tier, Tier::fentry);
    const Plan by_kprobe = plan({refuse("*", Tier::fentry)});
    EXPECT_EQ(hook(by_kprobe, "io_wq_submit_work").tier, Tier::kprobe);
    EXPECT_THAT(hook(by_kprobe, "io_wq_submit_work").lost, IsEmpty());
    const Plan neither = plan({}, lacks("io_wq_submit_work"));
    EXPECT_EQ(hook(neither, "io_wq_submit_work").tier, Tier::none);
    EXPECT_THAT(hook(neither, "io_wq_submit_work").lost, HasSubstr("worker"));
    EXPECT_FALSE(neither.requests_by_tracepoint) << "the requests of kernel AIO do not depend on it";
    EXPECT_EQ(hook(neither, "aio_complete").tier, Tier::fentry);
}

// ---- a tier that the user wants

TEST(ForcedTier, IsTakenForAllCallsAndRequests) {
    for (const Tier tier : {Tier::fentry, Tier::kprobe, Tier::tracepoint}) {
        const Plan made = plan({}, everything_is_possible, tier);
        expect_tiers(made, HookKind::call, tier);
        expect_tiers(made, HookKind::request, tier);
        expect_tiers(made, HookKind::process, Tier::tracepoint);
        EXPECT_EQ(made.tiers(), name(tier));
        EXPECT_EQ(made.calls_by_tracepoint, tier == Tier::tracepoint ? all_calls : 0U);
        EXPECT_EQ(made.requests_by_tracepoint, tier == Tier::tracepoint);
    }
}

TEST(ForcedTier, ThatIsRefusedIsAnError) {
    const auto made = plan_hooks(Tier::fentry, {refuse("*", Tier::fentry)}, everything_is_possible);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().what, "attach the hook io_setup");
    EXPECT_EQ(made.error().why, "fentry: EPERM");
    EXPECT_THAT(made.error().hint, HasSubstr("leave out --hooks"));
}

TEST(ForcedTier, OfWhichOneFunctionIsMissingIsAnError) {
    const auto made = plan_hooks(Tier::kprobe, {}, lacks("aio_complete"));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().what, "attach the hook aio_complete");
    EXPECT_EQ(made.error().why, "kprobe: no such function");
}

TEST(ForcedTier, SaysNothingOfProcessHooks) {
    const Plan made = plan({refuse("sched_process_fork", Tier::tracepoint)}, everything_is_possible, Tier::fentry);
    EXPECT_EQ(hook(made, "sched_process_fork").tier, Tier::none);
}

// ---- no way at all

TEST(NoWay, ForACallNamesEveryReason) {
    const auto made = plan_hooks(
        std::nullopt,
        {refuse("io_submit", Tier::fentry), refuse("io_submit", Tier::kprobe), refuse("*", Tier::tracepoint)},
        everything_is_possible);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().what, "attach the hook io_submit");
    EXPECT_EQ(made.error().why, "fentry: EPERM; kprobe: EPERM; tracepoint: EPERM");
    EXPECT_THAT(made.error().hint, HasSubstr("inflight doctor"));
}

TEST(NoWay, ForARequestNamesTheFunctionThatIsMissing) {
    const auto made = plan_hooks(std::nullopt, {refuse("*", Tier::tracepoint)}, lacks("aio_complete"));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().what, "attach the hook aio_complete");
    EXPECT_EQ(made.error().why, "fentry: no such function; kprobe: no such function; tracepoint: EPERM");
}

TEST(NoWay, ForATracepointOfAnotherRequestNamesThat) {
    const auto made = plan_hooks(std::nullopt, {refuse("aio_prep_rw", Tier::tracepoint)}, lacks("aio_complete"));
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().message(), HasSubstr("aio_prep_rw"));
    EXPECT_THAT(made.error().message(), HasSubstr("aio_complete"));
}

TEST(NoWay, ARefusalOfATracepointThatIsNotNeededDoesNotMatter) {
    const Plan made = plan({refuse("aio_prep_rw", Tier::tracepoint), refuse("io_submit", Tier::tracepoint)});
    EXPECT_FALSE(made.degraded());
    EXPECT_THAT(hook(made, "io_submit").refused, Not(Contains(HasSubstr("tracepoint"))));
}

TEST(BufferSize, IsWhatTheMachineCanSpare) {
    constexpr std::size_t mib = 1U << 20U;
    constexpr std::size_t plenty = 65536 * mib;
    EXPECT_EQ(choose_buffer_bytes(0, 1, plenty), 64 * mib);
    EXPECT_EQ(choose_buffer_bytes(0, 2, plenty), 64 * mib);
    EXPECT_EQ(choose_buffer_bytes(0, 4, plenty), 32 * mib);
    EXPECT_EQ(choose_buffer_bytes(0, 16, plenty), 16 * mib);
    EXPECT_EQ(choose_buffer_bytes(0, 96, plenty), 2 * mib);
    EXPECT_EQ(choose_buffer_bytes(0, 1024, plenty), mib);
    EXPECT_EQ(choose_buffer_bytes(0, 2, 2048 * mib), 32 * mib);
    EXPECT_EQ(choose_buffer_bytes(0, 2, 16 * mib), mib);
    EXPECT_EQ(choose_buffer_bytes(3 * mib, 2, 16 * mib), 4 * mib) << "what is asked for is taken";
    EXPECT_EQ(choose_buffer_bytes(1, 2, plenty), std::size_t(::sysconf(_SC_PAGESIZE)));
}

}  // namespace
}  // namespace inflight::probe
