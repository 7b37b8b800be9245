// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/once.hpp"
#include "model/sink.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>

namespace inflight::model {

// docs/findings.md says why each is what it is.
struct FindingOptions {
    std::uint64_t unreaped_ns = 1'000'000'000;
    std::uint64_t stuck_ns = 10'000'000'000;
    std::uint64_t asleep_ns = 100'000'000;
    std::uint32_t workers = 64;
    std::uint32_t punt_percent = 50;
    std::uint64_t punt_requests = 100;  // with fewer, a share says nothing
    std::uint32_t single_percent = 90;
    std::uint64_t single_requests = 1000;
};

// Finds what is worth a person's attention in what passes on its way to `next`. A finding comes once for each ring (or
// context) and operation, when it is first certain: those that are shares of the whole when their ring ends or the
// trace does. What is found follows its evidence. Not thread-safe.
class Findings final : public Sink {
public:
    Findings(FindingOptions options, Sink& next) : options_(options), next_(next) {}

    void on_request(const Request& request) override;
    void on_cancel(const Cancel& cancel) override { next_.on_cancel(cancel); }
    void on_event(const Event& event) override { next_.on_event(event); }
    void on_context(const Context& context) override;
    void on_finding(const Finding& finding) override;
    void on_completion(const Completion& completion) override;

    // The end of the trace, after the last value.
    void finish(std::uint64_t end_ns);

    // Findings like one that was told.
    [[nodiscard]] std::uint64_t repeats() const { return once_.repeats(); }

private:
    struct OperationCount {
        std::uint64_t requests = 0;
        std::uint64_t punted = 0;
    };
    // Something that was so at each look since `since_ns`, `value` being the same.
    struct Streak {
        std::optional<std::uint64_t> since_ns;
        std::uint32_t value = 0;
        // How long it has been so; nullopt where this is the first look that sees it.
        std::optional<std::uint64_t> look(bool is_so, std::uint32_t value_now, std::uint64_t time_ns);
    };
    // A ring or an AIO context.
    struct State {
        Context last;
        bool seen = false;  // `last` is filled
        bool gone = false;
        // io_uring
        std::map<std::uint16_t, OperationCount> operations;
        std::uint64_t batch_known = 0;
        std::uint64_t single = 0;
        Streak unreaped;
        Streak asleep;
        std::optional<std::uint64_t> at_limit_since_ns;
        std::uint64_t at_limit_until_ns = 0;
        // AIO
        std::uint64_t reaped_by_call = 0;
        std::uint64_t never_reaped = 0;
        std::optional<Request> first_never_reaped;
    };

    State& state(std::uint64_t context_id);
    void keep_oldest(const Request& request);
    void check_stuck(const Request& request, std::uint64_t taken_ns, bool ended);
    void check_abandoned(const Request& request);
    void check_reaping(State& known, const Request& request);
    void check_worker_wait(const State& known, const Request& request);
    void count(State& known, const Request& request) const;
    void look_at_ring(State& known, const Context& context);
    void look_at_workers(State& known, const Context& context);
    // `seen`: how many completions have gone to the backlog at least. `dropped`: how many the kernel has lost.
    void check_overflow(const Context& context, std::uint64_t seen, std::uint64_t dropped);
    void conclude(State& known, std::uint64_t end_ns);
    void conclude_refusals(const Context& context, std::uint64_t end_ns);
    void conclude_shares(const State& known, std::uint64_t end_ns);

    FindingOptions options_;
    Sink& next_;
    std::map<std::uint64_t, State> states_;  // by context_id
    State* last_state_ = nullptr;            // of last_context_id_: most requests are of the same as the last
    std::uint64_t last_context_id_ = 0;
    std::deque<std::uint64_t> gone_;
    // The oldest that is in flight at the end of the trace, by context and operation.
    std::map<std::pair<std::uint64_t, std::uint64_t>, Request> in_flight_;
    Once once_;
};

}  // namespace inflight::model
