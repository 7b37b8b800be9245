// SPDX-License-Identifier: Apache-2.0
// Loads the kernel side and attaches it; everything is detached when the object goes, and by the kernel when the
// process dies, however it dies: nothing is pinned.
#pragma once

#include "base/fd.hpp"
#include "base/result.hpp"
#include "contract/config.h"
#include "model/trace_info.hpp"
#include "probe/held.hpp"
#include "probe/hooks.hpp"
#include "probe/kernel.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace inflight::probe {

struct Options {
    std::optional<Tier> forced;            // --hooks
    std::vector<std::string> without;      // --without-hook: NAME or NAME:TIER, treated as if the kernel refused it
    ifl_config config{};                   // filters; addresses and tiers are filled in here
    std::vector<std::uint32_t> pids;       // when config.by_pid
    std::size_t buffer_bytes_per_cpu = 0;  // rounded up to a power of two; 0: choose_buffer_bytes()
    std::string types_path;                // a BTF file to be taken for this kernel's, for tests; empty: its own
    bool verbose = false;                  // what the verifier says of a refused program goes to a file
};

// The size of a CPU's buffer, in bytes: what was asked, rounded up to a power of two, or (0) what the machine can
// spare: 128 to 256 MiB for all of its CPUs, at most 64 MiB for each and 1/32 of its memory in all, at least 1 MiB.
[[nodiscard]] std::size_t choose_buffer_bytes(std::size_t asked, std::size_t cpus, std::size_t memory);

// How many the kernel side's tables hold at a time.
struct TableSizes {
    std::size_t aio_requests = 0;
    std::size_t uring_requests = 0;
    std::size_t contexts = 0;
    std::size_t rings = 0;
};

struct Report {
    KernelInfo kernel;
    Plan plan;
    std::size_t buffer_bytes_per_cpu = 0;
    std::size_t cpus = 0;
    TableSizes tables;
    std::vector<model::LostFeature> lost;    // what this kernel refuses, beside what its hooks cannot show
    std::vector<std::string> verifier_logs;  // files, one for each refused program

    // Whether all is seen that could be seen anywhere.
    [[nodiscard]] bool degraded() const { return plan.degraded() || !lost.empty(); }
};

// Where the records come from: see contract/buffer.h. Descriptors are owned by Probes.
struct Buffers {
    int data = -1;
    int positions = -1;
    std::uint32_t bytes_per_cpu = 0;
    std::size_t cpus = 0;
    std::uint64_t key = 0;
};

// Not thread-safe.
class Probes {
public:
    // Chooses a tier for each hook, loads, attaches and looks up what is there already. A hook that the kernel
    // refuses is tried in the next tier. Fails, with nothing attached, when a needed hook is available in no tier.
    [[nodiscard]] static Result<Probes> attach(const Options& options);

    Probes(Probes&&) noexcept;
    Probes& operator=(Probes&&) noexcept;
    Probes(const Probes&) = delete;
    Probes& operator=(const Probes&) = delete;
    ~Probes();

    [[nodiscard]] const Report& report() const;

    // Descriptors of the maps, owned by this object.
    [[nodiscard]] Buffers buffers() const;
    [[nodiscard]] int counters_fd() const;
    [[nodiscard]] int request_slots_fd() const;
    [[nodiscard]] int requests_fd() const;
    [[nodiscard]] int unbound_fd() const;
    [[nodiscard]] int contexts_fd() const;
    [[nodiscard]] int call_slots_fd() const;
    [[nodiscard]] int calls_fd() const;
    [[nodiscard]] int pids_fd() const;
    [[nodiscard]] int uring_slots_fd() const;
    [[nodiscard]] int uring_requests_fd() const;
    [[nodiscard]] int rings_of_uring_fd() const;
    // What a Held is made of; valid as long as this object.
    [[nodiscard]] HeldPrograms held_programs() const;

    // Stops the hooks; the tables and buffers stay readable.
    void detach();

    // Walks the processes' contexts once more and returns the number of the pass: of the requests that an iterator
    // found, those with an older number have ended unseen.
    [[nodiscard]] Result<std::uint32_t> iterate();

    // Looks at every ring: writes a record of how it stands, finds those that were closed and requests that ended
    // without an event. Works after detach() too.
    [[nodiscard]] Result<void> survey();
    // A look at each ring, in pieces that take a few milliseconds each. Returns how many rings are left.
    void begin_last_survey();
    [[nodiscard]] Result<std::size_t> go_on_with_last_survey();

    // Walks the lists on which io_uring keeps requests that wait, and returns the number of the walk: entries that it
    // met carry it, and the place. The first makes entries of what was in flight before the hooks; those that the
    // second does not meet are void.
    [[nodiscard]] Result<std::uint32_t> walk_lists();

    // Where a census was asked for (ifl_config.census_cpus): writes what the kernel counts of each task and AIO context
    // (IFL_TALLY), and what stands in the completion queues of rings (IFL_UNREAPED). Else nothing.
    [[nodiscard]] Result<void> count_tasks();
    [[nodiscard]] Result<void> read_completions();

    // Times that the kernel skipped one of the programs because it would have interrupted itself. Programs that stand
    // three times at one tracepoint, so that another sees what one skips, are not counted.
    [[nodiscard]] std::uint64_t programs_skipped() const;

private:
    struct State;
    explicit Probes(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace inflight::probe
