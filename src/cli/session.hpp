// SPDX-License-Identifier: Apache-2.0
// One run of a trace: from the first record to the reason of its end.
#pragma once

#include "base/output.hpp"
#include "capture/source.hpp"
#include "cli/child.hpp"
#include "probe/loader.hpp"
#include "view/view.hpp"

#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace inflight::cli {

// SIGINT, SIGTERM and SIGHUP as something to wait for instead of something that interrupts; SIGPIPE ignored, so that a
// closed pipe is an error of write.
class Signals {
public:
    // `more`: another signal that is to be waited for, 0: none.
    [[nodiscard]] static Signals block(int more = 0);
    [[nodiscard]] int fd() const { return fd_.get(); }

    struct Received {
        int number = 0;
        bool from_terminal = false;  // the whole foreground process group got it
    };
    [[nodiscard]] std::optional<Received> take() const;
    // A signal that ends the run is sent to ourselves once more and stays pending, blocked as it is: what waits for a
    // reader then sees it (write_all) and does not wait for ever.
    void let_stand(int number) const;
    // While it lives, they end inflight as they end any program: where nothing was begun that must be finished.
    class LetThrough {
    public:
        LetThrough();
        ~LetThrough();
        LetThrough(const LetThrough&) = delete;
        LetThrough& operator=(const LetThrough&) = delete;

    private:
        sigset_t before_{};
    };
    // Lets them end inflight again as they end any program, where it waits for an answer and there is nothing to tidy.
    static void let_through();

private:
    UniqueFd fd_;
};

struct SessionParts {
    capture::RecordSource& source;
    capture::Consumer& consumer;
    FdOutput& output;
    const Signals& signals;
    Child* child;                               // null: none
    std::uint64_t duration_ns;                  // 0: no limit
    std::function<void()> on_user_signal = {};  // SIGUSR1, where it is waited for
    std::function<bool()> done = {};            // nothing more is wanted; empty: never
};

struct SessionEnd {
    std::string reason;
    std::optional<int> child_status;  // wait status
};

class Session {
public:
    explicit Session(SessionParts parts) : parts_(std::move(parts)) {}

    // Runs until the child ends, a signal comes, the time is over or nobody reads the output any more. A first signal
    // is passed on to the child; a second ends the trace. The hooks are detached when it returns.
    [[nodiscard]] Result<SessionEnd> run();

private:
    [[nodiscard]] std::optional<SessionEnd> look_around(std::uint64_t start_ns);
    void wait(std::uint64_t start_ns, bool busy) const;

    SessionParts parts_;
    int signals_seen_ = 0;
};

[[nodiscard]] view::TraceInfo trace_info(const probe::Report& report, const std::vector<std::string>& command);

}  // namespace inflight::cli
