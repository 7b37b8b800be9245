// SPDX-License-Identifier: Apache-2.0
#include "probe/stat_hooks.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace inflight::probe {

namespace {

using Place = StatPlace;

constexpr std::array fentry_requests{
    // Ends before beginnings: what begins is then sure to be seen ending.
    Place{"stat_fentry_aio_complete_1", "", false}, Place{"stat_fentry_aio_complete_2", "", false},
    Place{"stat_fentry_aio_complete_3", "", false}, Place{"stat_fexit_io_submit_one", "", false},
    Place{"stat_fentry_io_submit_one", "", false},
};
constexpr std::array kprobe_requests{
    Place{"stat_kprobe_aio_complete", "aio_complete", false},
    Place{"stat_kretprobe_io_submit_one", "io_submit_one", true},
    Place{"stat_kprobe_io_submit_one", "io_submit_one", false},
};
constexpr std::array slab_requests{
    Place{"stat_free_1", "", false},
    Place{"stat_free_2", "", false},
    Place{"stat_free_3", "", false},
    Place{"stat_alloc", "", false},
};
constexpr std::array fentry_cancel{Place{"stat_fexit_io_cancel", "", false}};
constexpr std::array kprobe_cancel{Place{"stat_kretprobe_io_cancel", "__x64_sys_io_cancel", true}};
constexpr std::array tracepoint_cancel{Place{"stat_sys_exit_io_cancel", "", false}};
constexpr std::array sys_exit_cancel{Place{"stat_sys_exit", "", false}};

// The call's own tracepoint is found through tracefs; without it the one of all calls is left.
bool has_call_tracepoint() {
    constexpr std::array folders{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
    return std::ranges::any_of(folders, [](const char* folder) {
        return ::access(fmt::format("{}/events/syscalls/sys_exit_io_cancel/id", folder).c_str(), R_OK) == 0;
    });
}

struct Pair {
    unsigned one;
    unsigned other;
    unsigned both;
    std::string_view names;
};
constexpr std::array pairs{Pair{0, 7, IFL_STAT_AIO_READ, "pread,preadv"},
                           Pair{1, 8, IFL_STAT_AIO_WRITE, "pwrite,pwritev"},
                           Pair{2, 3, IFL_STAT_AIO_FSYNC, "fsync,fdsync"}};

}  // namespace

std::span<const Place> stat_request_places(Tier tier) {
    return tier == Tier::fentry   ? std::span<const Place>(fentry_requests)
           : tier == Tier::kprobe ? std::span<const Place>(kprobe_requests)
                                  : std::span<const Place>(slab_requests);
}

std::span<const Place> stat_cancel_places(Tier tier) {
    return tier == Tier::fentry    ? std::span<const Place>(fentry_cancel)
           : tier == Tier::kprobe  ? std::span<const Place>(kprobe_cancel)
           : has_call_tracepoint() ? std::span<const Place>(tracepoint_cancel)
                                   : std::span<const Place>(sys_exit_cancel);
}

bool stat_has_twins(std::string_view program) {
    return program.starts_with("stat_free_") || program.starts_with("stat_fentry_aio_complete");
}

Result<RefusedTiers> tiers_without(const std::vector<std::string>& without) {
    RefusedTiers refused;
    for (const auto& text : without) {
        const auto colon = text.rfind(':');
        const auto tier = colon == std::string::npos ? std::nullopt : tier_by_name(text.substr(colon + 1));
        const std::string named = tier ? text.substr(0, colon) : text;
        std::vector<Tier>* const hook = named == "io_submit_one" || named == "aio_complete" ? &refused.requests
                                        : named == "do_io_cancel"                           ? &refused.cancels
                                                                                            : nullptr;
        if (hook == nullptr) {
            return failure("--without-hook " + named, "stat has no such hook",
                           "it can do without io_submit_one, aio_complete and do_io_cancel, also in one tier only");
        }
        for (const Tier each : {Tier::fentry, Tier::kprobe, Tier::tracepoint}) {
            if (!tier || *tier == each) {
                hook->push_back(each);
            }
        }
    }
    return refused;
}

std::optional<std::string_view> divided_pair(std::uint64_t ops) {
    const auto* const found = std::ranges::find_if(
        pairs, [ops](const Pair& pair) { return (ops >> pair.one & 1U) != (ops >> pair.other & 1U); });
    return found == pairs.end() ? std::nullopt : std::optional(found->names);
}

std::uint64_t with_pairs(std::uint64_t ops) {
    for (const auto& pair : pairs) {
        const bool both = (ops >> pair.one & 1U) != 0 && (ops >> pair.other & 1U) != 0;
        ops = both ? ops | std::uint64_t{1} << pair.both : ops & ~(std::uint64_t{1} << pair.both);
    }
    return ops;
}

}  // namespace inflight::probe
