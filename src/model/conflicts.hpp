// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/conflicts_buffers.hpp"
#include "model/conflicts_unmaps.hpp"
#include "model/once.hpp"
#include "model/range_index.hpp"
#include "model/sink.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>

namespace inflight::model {

// Events that it needs: bit per ifl_syscall.
inline constexpr std::uint32_t calls_for_conflicts = 1U << IFL_IO_URING_REGISTER;

struct ConflictOptions {
    std::size_t remembered = 65'536;   // uses of memory, and of files, that are remembered for each process
    std::size_t processes = 256;       // that are remembered
    std::uint32_t events_shown = ~0U;  // bit per ifl_syscall: those of other calls end here
};

// What was not checked, in requests.
struct ConflictLimits {
    std::uint64_t memory_unknown = 0;  // their vectors could not be read
    std::uint64_t time_unknown = 0;    // when they began or ended is not known well enough
    std::uint64_t forgotten = 0;       // they may have met one that was forgotten
    std::uint64_t buffer_calls = 0;    // calls, that take away buffers which are not known
    std::uint64_t crowded = 0;         // they met more others than are compared with one
    std::uint64_t repeats = 0;         // findings like one that was told
};

// Finds what corrupts data silently: two requests of a process in flight at once that work on the same memory or file,
// an iocb submitted again, a registered buffer taken away. All goes on to `next`, then what was found. Not thread-safe.
class Conflicts final : public Sink {
public:
    Conflicts(ConflictOptions options, Sink& next) : options_(options), next_(next) {}

    void on_request(const Request& request) override;
    void on_cancel(const Cancel& cancel) override { next_.on_cancel(cancel); }
    void on_event(const Event& event) override;
    void on_context(const Context& context) override { next_.on_context(context); }
    void on_finding(const Finding& finding) override { next_.on_finding(finding); }
    void on_completion(const Completion& completion) override { next_.on_completion(completion); }

    void on_unmap(const Unmap& unmap) override { unmaps_.on_unmap(unmap); }

    [[nodiscard]] ConflictLimits limits() const;

private:
    struct Process {
        explicit Process(std::size_t limit) : memory(limit), files(limit), iocbs(limit) {}
        RangeIndex memory;
        RangeIndex files;
        RangeIndex iocbs;
        std::uint64_t last_ns = 0;
    };
    enum class Kind : std::uint8_t { memory, file, iocb };

    Process& process(std::uint32_t pid, std::uint64_t now_ns);
    using Met = std::set<const Request*>;
    void check(RangeIndex& index, const Use& use, Kind kind, Met& met);
    void tell(const Use& earlier, const Use& later, Kind kind);
    void check_unmaps(const Accesses& accesses, const Use& use);
    void tell_removal(const RegisteredBuffers::Removal& removal, const Request& request);

    ConflictOptions options_;
    Sink& next_;
    std::map<std::uint32_t, std::unique_ptr<Process>> processes_;
    RegisteredBuffers buffers_;
    UnmappedMemory unmaps_;
    Once once_;
    ConflictLimits limits_;
    std::uint64_t forgotten_until_ns_ = 0;  // of processes
};

}  // namespace inflight::model
