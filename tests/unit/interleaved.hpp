// SPDX-License-Identifier: Apache-2.0
// Runs several actors in every order of their steps. A step begins where an actor calls interleaved::step(), which the
// code under test does before each access to what they share.
#pragma once

#include <gtest/gtest.h>
#include <ucontext.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace inflight::interleaved {

using Actor = std::function<void()>;

class Run {
public:
    explicit Run(std::vector<Actor> actors) {
        for (Actor& actor : actors) {
            auto fiber = std::make_unique<Fiber>();
            fiber->actor = std::move(actor);
            ::getcontext(&fiber->context);
            fiber->context.uc_stack.ss_sp = fiber->stack.get();
            fiber->context.uc_stack.ss_size = stack_bytes;
            fiber->context.uc_link = &scheduler_;
            ::makecontext(&fiber->context, &Run::begin, 0);
            fibers_.push_back(std::move(fiber));
        }
    }

    // Those that are not done.
    [[nodiscard]] std::vector<std::size_t> ready() const {
        std::vector<std::size_t> found;
        for (std::size_t index = 0; index < fibers_.size(); index++) {
            if (!fibers_[index]->done) {
                found.push_back(index);
            }
        }
        return found;
    }
    void go_on(std::size_t index) {
        current_ = fibers_[index].get();
        running() = this;
        ::swapcontext(&scheduler_, &current_->context);
        running() = nullptr;
    }
    void pause() { ::swapcontext(&current_->context, &scheduler_); }
    static Run*& running() {
        thread_local Run* run = nullptr;
        return run;
    }

private:
    static constexpr std::size_t stack_bytes = 128 << 10;
    struct Fiber {
        Actor actor;
        ucontext_t context{};
        std::unique_ptr<char[]> stack = std::make_unique_for_overwrite<char[]>(stack_bytes);
        bool done = false;
    };
    static void begin() {
        Fiber& fiber = *running()->current_;
        fiber.actor();
        fiber.done = true;
    }

    std::vector<std::unique_ptr<Fiber>> fibers_;
    ucontext_t scheduler_{};
    Fiber* current_ = nullptr;
};

inline void step() {
    if (Run* const run = Run::running(); run != nullptr) {
        run->pause();
    }
}

constexpr std::size_t any_number = ~std::size_t{0};

// `make` gives the actors and a fresh state for each order, `check` looks at what has become of it. Only the orders in
// which at most `most` times an actor has to wait in the midst of its steps. Returns how many orders there were; ends
// with the first that fails.
inline std::size_t in_every_order(const std::function<std::vector<Actor>()>& make, const std::function<void()>& check,
                                  std::size_t most = any_number) {
    struct Choice {
        std::size_t taken = 0;
        std::size_t of = 0;
    };
    std::vector<Choice> choices;
    for (std::size_t orders = 1;; orders++) {
        Run run(make());
        std::size_t depth = 0;
        std::size_t waits = 0;
        std::size_t last = any_number;
        for (auto ready = run.ready(); !ready.empty(); ready = run.ready(), depth++) {
            const bool goes_on = std::ranges::find(ready, last) != ready.end();
            if (goes_on && waits == most) {
                ready = {last};
            }
            if (depth == choices.size()) {
                choices.push_back({.taken = 0, .of = ready.size()});
            }
            const std::size_t next = ready.at(choices[depth].taken);
            waits += goes_on && next != last ? 1 : 0;
            last = next;
            run.go_on(next);
        }
        check();
        if (testing::Test::HasFailure()) {
            return orders;
        }
        while (!choices.empty() && ++choices.back().taken == choices.back().of) {
            choices.pop_back();
        }
        if (choices.empty()) {
            return orders;
        }
    }
}

}  // namespace inflight::interleaved
