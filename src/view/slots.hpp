// SPDX-License-Identifier: Apache-2.0
// Requests as spans on slots, for viewers that draw time from left to right. Shared by the formats of Perfetto and
// Chrome: they differ in how they write, not in what stands where.
//
// A context (a kioctx or a ring) is a lane, and so are the cancels of a process. In a lane each span has the lowest
// slot that is free when it starts, so that spans of one slot never overlap; the number of slots of a lane is the
// largest number that was in flight at once. Requests come when they end, cancels when they are judged, so all of them
// are kept until arrange(): 56 bytes for a span, what the format makes of it (`payload`), and 24 to 48 bytes while it
// is walked.
#pragma once

#include "model/summary.hpp"
#include "model/types.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace inflight::view {

struct Lane {
    enum class Kind : std::uint8_t { requests, cancels };

    Kind kind = Kind::requests;
    std::uint32_t pid = 0;                  // its owner's; 0: not known
    std::string name;                       // "kioctx 0x7f5a1e600000", unique in its process
    std::optional<std::uint32_t> capacity;  // requests that the context takes; of a ring the entries of its CQ
    std::uint32_t slots = 0;
};

struct Span {
    std::uint64_t start_ns = 0;
    std::uint64_t end_ns = 0;  // of an open one the end of the trace
    std::uint64_t key = 0;     // what a cancel knows its target by
    std::uint64_t payload = 0;
    std::uint32_t payload_bytes = 0;
    std::uint32_t lane = 0;
    std::uint32_t slot = 0;
    bool open = false;  // in flight at the end of the trace
    bool is_cancel = false;

    [[nodiscard]] bool empty() const { return !open && end_ns == start_ns; }
};

// From a cancel to its target. A target that had ended by then lies before it, and arrows only go forward in time:
// then it leads from the target to the cancel.
struct Arrow {
    std::uint32_t cancel = 0;  // of spans()
    std::uint32_t target = 0;
    bool to_target = true;
};

struct Moment {
    std::uint64_t time_ns = 0;
    std::uint32_t pid = 0;
    std::uint64_t payload = 0;
    std::uint32_t payload_bytes = 0;
};

// Receives everything in order of time. At one time first what ends, then what begins, then counts, then findings.
class SlotsWalker {
public:
    virtual ~SlotsWalker() = default;
    virtual void on_begin(std::uint32_t span) = 0;
    // Not called for an open one.
    virtual void on_end(std::uint32_t span) = 0;
    // Requests in flight of a lane, and of a process with several of them.
    virtual void on_lane_count(std::uint32_t lane, std::uint64_t time_ns, std::uint64_t in_flight) = 0;
    virtual void on_process_count(std::uint32_t pid, std::uint64_t time_ns, std::uint64_t in_flight) = 0;
    virtual void on_moment(const Moment& moment) = 0;
};

// Not thread-safe.
class Slots {
public:
    void begin(std::uint64_t start_ns) { start_ns_ = start_ns; }
    void note(const model::Context& context);
    void add(const model::Request& request, std::string_view payload);
    void add(const model::Cancel& cancel, std::string_view payload);
    void add(const model::Finding& finding, std::string_view payload);

    // Everything has come: gives each span its slot and finds the targets of the cancels. The rest is for afterwards.
    void arrange(std::uint64_t end_ns);

    // The start of the trace, or of what happened first if that was before.
    [[nodiscard]] std::uint64_t start_ns() const { return start_ns_; }
    // Its end, or what happened last.
    [[nodiscard]] std::uint64_t end_ns() const { return end_ns_; }
    [[nodiscard]] const std::vector<Lane>& lanes() const { return lanes_; }
    [[nodiscard]] const std::vector<Span>& spans() const { return spans_; }
    [[nodiscard]] const std::vector<Arrow>& arrows() const { return arrows_; }
    // pid and comm; pid 0 for what has no process.
    [[nodiscard]] const std::map<std::uint32_t, std::string>& processes() const { return processes_; }
    [[nodiscard]] std::string_view payload(const Span& span) const {
        return bytes_at(span.payload, span.payload_bytes);
    }
    [[nodiscard]] std::string_view payload(const Moment& moment) const {
        return bytes_at(moment.payload, moment.payload_bytes);
    }
    // Whether it has several lanes of requests, so that their sum says something.
    [[nodiscard]] bool has_process_count(std::uint32_t pid) const { return counted_.contains(pid); }
    void walk(SlotsWalker& walker) const;

private:
    struct PendingArrow {
        std::uint64_t cancel_key = 0;
        std::uint64_t target_key = 0;
    };
    struct Step;

    std::uint32_t lane_of(Lane::Kind kind, model::Family family, std::uint64_t context_id, std::uint32_t pid);
    void name_process(std::uint32_t pid, std::string_view comm);
    std::uint64_t store(std::string_view payload);
    [[nodiscard]] std::string_view bytes_at(std::uint64_t place, std::uint32_t bytes) const;
    void give_slots();
    void find_targets();
    [[nodiscard]] std::vector<Step> steps() const;

    std::uint64_t start_ns_ = 0;
    std::uint64_t end_ns_ = 0;
    std::vector<Lane> lanes_;
    std::unordered_map<std::uint64_t, std::uint32_t> lane_by_context_;
    std::map<std::pair<std::uint32_t, Lane::Kind>, std::uint32_t> lane_without_context_;
    std::map<std::uint32_t, std::string> processes_;
    std::vector<Span> spans_;
    std::vector<PendingArrow> pending_;
    std::vector<Arrow> arrows_;
    std::vector<Moment> moments_;
    std::vector<std::string> chunks_;  // of payloads, none of which is in two
    std::set<std::uint32_t> counted_;  // processes
    std::uint64_t cancels_ = 0;
};

}  // namespace inflight::view
