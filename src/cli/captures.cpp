// SPDX-License-Identifier: Apache-2.0
#include "cli/captures.hpp"

#include "base/arithmetic.hpp"
#include "base/units.hpp"
#include "cli/captures_merge.hpp"
#include "cli/command.hpp"
#include "model/conflicts.hpp"
#include "model/losses.hpp"
#include "model/tracker.hpp"
#include "model/where_time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace inflight::cli {

namespace {

// Hands on all but the end: another part of the recording follows.
class Unended final : public capture::Consumer {
public:
    explicit Unended(capture::Consumer& next) : next_(next) {}
    void on_record(const ifl_header& record) override { next_.on_record(record); }
    void note_losses() override { next_.note_losses(); }
    void advance(std::uint64_t now_ns) override { next_.advance(now_ns); }
    void finish(std::uint64_t /*end_ns*/) override {}
    [[nodiscard]] bool wants_snapshot() const override { return false; }

private:
    capture::Consumer& next_;
};

void add(model::Losses& to, const model::Losses& from) {
    to.cpus.insert(to.cpus.end(), from.cpus.begin(), from.cpus.end());
    to.requests_untracked += from.requests_untracked;
    to.calls_untracked += from.calls_untracked;
    to.contexts_untracked += from.contexts_untracked;
    to.exits_missed += from.exits_missed;
    to.programs_skipped += from.programs_skipped;
    to.completions_unseen += from.completions_unseen;
    to.submissions_unseen += from.submissions_unseen;
    to.out_of_order += from.out_of_order;
}

view::CaptureFile state_of(const capture::FileSource& source) {
    view::CaptureFile file{.path = source.path(),
                           .host = source.info().trace.host_name,
                           .ended = source.ended(),
                           .ended_by = source.account().ended_by,
                           .names_missing = source.names_missing(),
                           .damage = {},
                           .recording = source.info().recording};
    for (const auto& damage : source.damage()) {
        file.damage.push_back(fmt::format("{} {} at {}: {}", damage.length_bytes, noun(damage.length_bytes, "byte"),
                                          damage.offset_bytes, damage.why));
    }
    return file;
}

}  // namespace

Result<Captures> Captures::open(const std::vector<std::string>& paths, std::uint64_t max_memory_bytes) {
    Captures captures;
    const auto budget = std::make_shared<capture::MemoryBudget>(max_memory_bytes);
    std::vector<Error> errors;
    for (const auto& path : paths) {
        auto source = capture::FileSource::open(path, budget);
        if (source) {
            captures.sources_.push_back(std::move(*source));
            continue;
        }
        errors.push_back(source.error());
        captures.unreadable_.push_back({.path = path,
                                        .host = {},
                                        .ended = false,
                                        .ended_by = {},
                                        .names_missing = 0,
                                        .damage = {"nothing of it can be read: " + source.error().why},
                                        .recording = {}});
    }
    if (captures.sources_.empty()) {
        return std::unexpected(errors.front());
    }
    for (const auto& error : errors) {
        print_error(error);
    }
    // The earliest is the clock of all.
    std::ranges::stable_sort(captures.sources_, {}, [](const auto& source) {
        const auto& trace = source->info().trace;
        return wall_time_ns(trace.start_ns, trace.wall_offset_ns);
    });
    captures.find_chains();
    return captures;
}

void Captures::find_chains() {
    std::map<std::string, std::size_t> chain_of;
    for (std::size_t index = 0; index < sources_.size(); ++index) {
        const auto& info = sources_[index]->info();
        Chain chain{.parts = {index}, .gap = {}};
        if (info.part != 0) {
            const auto known = chain_of.find(info.recording);
            if (known != chain_of.end()) {
                Chain& before = chains_[known->second];
                const auto last = sources_[before.parts.back()]->info().part;
                if (info.part == last + 1) {
                    before.parts.push_back(index);
                    continue;
                }
                chain.gap =
                    fmt::format("between part {} and part {} of this recording, parts are missing", last, info.part);
            }
            chain_of[info.recording] = chains_.size();
        }
        chains_.push_back(std::move(chain));
    }
}

std::uint32_t Captures::events_recorded() const {
    std::uint32_t events = 0;
    for (const auto& source : sources_) {
        events |= source->info().tracker.events_wanted;
    }
    return events;
}

std::int64_t Captures::shift_ns(std::size_t source) const {
    // Two readings of both clocks of one host differ a little, and by what the wall clock was set in between.
    constexpr std::int64_t same_clock_ns = 1'000'000'000;
    const auto& trace = sources_.at(source)->info().trace;
    const std::int64_t shift = subtract_clamped(trace.wall_offset_ns, info().wall_offset_ns);
    const bool same = trace.host_name == info().host_name && std::abs(shift) < same_clock_ns;
    return same ? 0 : shift;
}

Result<model::TimeSpan> Captures::span(const CaptureQuestion& question) const {
    const model::CaptureClock clock{.start_ns = info().start_ns, .wall_offset_ns = info().wall_offset_ns};
    model::TimeSpan span;
    if (!question.since.empty()) {
        const auto since = model::time_point("--since", question.since, clock);
        if (!since) {
            return std::unexpected(since.error());
        }
        span.since_ns = *since;
    }
    if (!question.until.empty()) {
        const auto until = model::time_point("--until", question.until, clock);
        if (!until) {
            return std::unexpected(until.error());
        }
        span.until_ns = *until;
    }
    if (span.since_ns && span.until_ns && *span.since_ns >= *span.until_ns) {
        return failure("--since " + question.since + " --until " + question.until, "nothing lies between them",
                       "give an --until that is later");
    }
    return span;
}

Result<void> Captures::read_chain(std::size_t index, const CaptureQuestion& question, const model::TimeSpan& span,
                                  model::Sink& sink) {
    const auto& parts = chains_.at(index).parts;
    const auto shift = shift_ns(parts.front());
    model::WhereFilter where(question.where, span, sink);
    model::Selection select(question.selection, where);
    Shifted shifted(shift, index, select);
    model::Sink& own_clock = chains_.size() > 1 ? static_cast<model::Sink&>(shifted) : select;
    model::Findings findings(question.findings, own_clock);
    model::ConflictOptions conflict_options;
    conflict_options.events_shown = question.events_shown;
    model::Conflicts conflicts(conflict_options, findings);
    model::TrackerOptions options = sources_.at(parts.front())->info().tracker;
    options.events_wanted = question.events_shown | (question.check ? model::calls_for_conflicts : 0);
    options.slow_submit_ns = question.slow_submit_ns != 0 ? question.slow_submit_ns : options.slow_submit_ns;
    model::Tracker tracker(options, question.check ? static_cast<model::Sink&>(conflicts) : findings);
    capture::TrackerConsumer consumer(tracker);
    Unended unended(consumer);
    model::Losses losses;
    std::uint64_t end_ns = 0;
    for (const std::size_t part : parts) {
        auto& source = *sources_.at(part);
        capture::Consumer& next = part == parts.back() ? static_cast<capture::Consumer&>(consumer) : unended;
        if (auto replayed = source.replay(next, part != parts.front()); !replayed) {
            return replayed;
        }
        end_ns = std::max({end_ns, source.account().end_ns, source.last_ns()});
        model::add_part(losses, source.account().losses);
    }
    findings.finish(end_ns);
    end_ns_ = std::max(end_ns_, end_ns + static_cast<std::uint64_t>(shift));
    losses.completions_unseen = tracker.completions_unseen();
    losses.submissions_unseen = tracker.submissions_unseen();
    losses.contexts_untracked += tracker.records_left_out();
    add(losses_, losses);
    return {};
}

Result<CaptureEnd> Captures::read(const CaptureQuestion& question, model::Sink& sink, bool in_order) {
    const auto wanted = span(question);
    if (!wanted) {
        return std::unexpected(wanted.error());
    }
    model::Statistics statistics(sink);
    Merge merge;
    const bool merged = in_order && chains_.size() > 1;
    for (std::size_t index = 0; index < chains_.size(); ++index) {
        merge.next_file();
        if (auto read = read_chain(index, question, *wanted, merged ? static_cast<model::Sink&>(merge) : statistics);
            !read) {
            return std::unexpected(read.error());
        }
    }
    merge.hand_out(statistics);
    const std::uint64_t start_ns = info().start_ns;
    const std::uint64_t end_ns = std::max(end_ns_, start_ns);
    const std::uint64_t from_ns = std::clamp(wanted->since_ns.value_or(start_ns), start_ns, end_ns);
    CaptureEnd end;
    end.summary = statistics.summary(from_ns, std::clamp(wanted->until_ns.value_or(end_ns), from_ns, end_ns));
    end.summary.losses = losses_;
    if (chains_.size() == 1) {
        const auto& account = sources_.back()->account();
        end.summary.aio_nr = account.aio_nr;
        end.summary.aio_max_nr = account.aio_max_nr;
        end.summary.ended_by = account.ended_by;
    }
    for (const auto& source : sources_) {
        end.files.push_back(state_of(*source));
    }
    for (const Chain& chain : chains_) {
        if (!chain.gap.empty()) {
            end.files.at(chain.parts.front()).damage.push_back(chain.gap);
        }
    }
    end.files.insert(end.files.end(), unreadable_.begin(), unreadable_.end());
    return end;
}

}  // namespace inflight::cli
