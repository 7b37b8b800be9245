// SPDX-License-Identifier: Apache-2.0
// Loads the programs that count in the kernel, and shows their tables as they stand in memory. Everything is detached
// when the object goes, and by the kernel when the process dies.
#pragma once

#include "base/result.hpp"
#include "contract/stat.h"
#include "probe/hooks.hpp"
#include "probe/kernel.hpp"
#include "probe/loader.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace inflight::probe {

struct StatOptions {
    Options common;          // filters, tier, hooks to do without; buffers are not used
    ifl_stat_config stat{};  // what is wanted and by which key; filters, CPUs and addresses are filled in here
    bool aio = true;
    bool uring = true;
};

struct StatReport {
    std::string kernel_release;
    std::string hooks;                       // "tp_btf and fentry", ...
    std::vector<std::string> limits;         // what these hooks cannot know or cost, one sentence each
    std::vector<model::LostFeature> lost;    // what this kernel refuses; each is also one of `limits`
    std::vector<std::string> verifier_logs;  // files, one for each refused program
    bool ops_known_late = false;             // AIO by tracepoints: the operation shows at the end of the request
    ifl_stat_config config{};
};

// Not thread-safe.
class StatProbes {
public:
    // A hook that the kernel refuses is tried in the next tier. Fails, with nothing attached, when one is not available
    // in any tier.
    [[nodiscard]] static Result<StatProbes> attach(const StatOptions& options);

    StatProbes(StatProbes&&) noexcept;
    StatProbes& operator=(StatProbes&&) noexcept;
    StatProbes(const StatProbes&) = delete;
    StatProbes& operator=(const StatProbes&) = delete;
    ~StatProbes();

    [[nodiscard]] const StatReport& report() const;

    // Shared with the programs, which go on writing. Valid as long as this object.
    [[nodiscard]] std::span<const ifl_stat_row> rows() const;
    [[nodiscard]] std::span<const ifl_stat_slot> slots() const;
    [[nodiscard]] std::span<const ifl_stat_label> labels() const;
    // Copies.
    [[nodiscard]] ifl_stat_shared shared() const;
    [[nodiscard]] std::vector<ifl_stat_slot> collided() const;
    [[nodiscard]] std::optional<ifl_file> file(std::uint32_t row) const;

    // From now on the largest latency of each row is kept in the other of its two places; the parity of the one that
    // can be read in peace now. clear_maxima() empties it for its next turn.
    [[nodiscard]] unsigned turn_maxima();
    void clear_maxima(unsigned parity);

    // Requests that were submitted before `begun_before_ns` by processes that have ended since have ended
    // too, though no event said how: from now on they count so.
    void end_those_of_dead(std::uint64_t begun_before_ns);

    // Times that the kernel skipped a program because it would have interrupted itself, and no other saw it.
    [[nodiscard]] std::uint64_t programs_skipped() const;

    // Stops the hooks; the tables stay readable.
    void detach();

private:
    struct State;
    [[nodiscard]] std::span<ifl_stat_slot> writable_slots();
    void count_unseen(const ifl_stat_slot& slot);
    // False: the kernel side was faster.
    bool remove_collided(std::uint64_t id);
    explicit StatProbes(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace inflight::probe
