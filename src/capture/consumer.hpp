// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/tracker.hpp"

#include <cstdint>

namespace inflight::capture {

// What a source of records feeds: the model, a file, or both. Called on one thread.
class Consumer {
public:
    virtual ~Consumer() = default;
    // In order of time; valid during the call.
    virtual void on_record(const ifl_header& record) = 0;
    // Records of requests, calls or rings were lost that belong before what comes next.
    virtual void note_losses() = 0;
    // All records older than `now_ns` have been handed over.
    virtual void advance(std::uint64_t now_ns) = 0;
    // Nothing comes after it.
    virtual void finish(std::uint64_t end_ns) = 0;
    // A look at what is in flight would help now.
    [[nodiscard]] virtual bool wants_snapshot() const = 0;
    // There is no sense in going on.
    [[nodiscard]] virtual bool failed() const { return false; }
};

class TrackerConsumer final : public Consumer {
public:
    // `tracker` must outlive it.
    explicit TrackerConsumer(model::Tracker& tracker) : tracker_(tracker) {}

    void on_record(const ifl_header& record) override { tracker_.on_record(record); }
    void note_losses() override { tracker_.note_losses(); }
    void advance(std::uint64_t now_ns) override { tracker_.advance(now_ns); }
    void finish(std::uint64_t end_ns) override { tracker_.finish(end_ns); }
    [[nodiscard]] bool wants_snapshot() const override { return tracker_.wants_snapshot(); }

private:
    model::Tracker& tracker_;
};

// Feeds two alike.
class Tee final : public Consumer {
public:
    // Both must outlive it.
    Tee(Consumer& first, Consumer& second) : first_(first), second_(second) {}

    void on_record(const ifl_header& record) override {
        first_.on_record(record);
        second_.on_record(record);
    }
    void note_losses() override {
        first_.note_losses();
        second_.note_losses();
    }
    void advance(std::uint64_t now_ns) override {
        first_.advance(now_ns);
        second_.advance(now_ns);
    }
    void finish(std::uint64_t end_ns) override {
        first_.finish(end_ns);
        second_.finish(end_ns);
    }
    [[nodiscard]] bool wants_snapshot() const override { return first_.wants_snapshot() || second_.wants_snapshot(); }
    [[nodiscard]] bool failed() const override { return first_.failed() || second_.failed(); }

private:
    Consumer& first_;
    Consumer& second_;
};

}  // namespace inflight::capture
