// SPDX-License-Identifier: Apache-2.0
// What the text views of stat and hist have in common.
#include "base/arithmetic.hpp"
#include "base/units.hpp"
#include "view/escape.hpp"
#include "view/layout.hpp"
#include "view/stat_view.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace inflight::view {

namespace {

// In words that are true of what a cancel said; what it did only its target tells.
constexpr std::array answer_words = std::to_array<std::string_view>(
    {"said cancelled", "said not found (ENOENT)", "said already running (EALREADY)",
     "refused (EINVAL: completed first, not cancellable, ...: `inflight trace` tells which)", "failed otherwise"});
static_assert(answer_words.size() == IFL_STAT_ANSWERS);

// A line that is too long goes on in the next, indented.
void add_wrapped(std::vector<std::string>& lines, const std::string& text, std::size_t columns) {
    const std::string wrapped = wrap(text, columns, 0, 2);
    for (std::size_t at = 0; at < wrapped.size();) {
        const auto end = std::min(wrapped.find('\n', at), wrapped.size());
        lines.push_back(wrapped.substr(at, end - at));
        at = end + 1;
    }
}

void add_note(std::vector<std::string>& notes, std::uint64_t count, std::string_view one, std::string_view many) {
    if (count != 0) {
        notes.push_back(counted(count, one, many));
    }
}

void add_note(std::vector<std::string>& notes, std::uint64_t count, std::string_view what) {
    add_note(notes, count, what, what);
}

}  // namespace

std::string stat_heading(std::string_view command, const StatInfo& info, std::size_t columns) {
    std::string text =
        fmt::format("inflight {} on {}, Linux {}, hooks: {}; by {}\n", command, printable(info.host_name),
                    printable(info.kernel_release), info.hooks, name(info.by));
    for (const auto& limit : info.limits) {
        text += "note: " + wrap(printable(limit), columns, 6, 6) + "\n";
    }
    return text;
}

std::vector<std::string> stat_notes(const model::StatFrame& frame, std::size_t columns) {
    const auto& notes = frame.notes;
    std::vector<std::string> lines;
    for (std::size_t way = 0; way < notes.cancels.size(); way++) {
        std::vector<std::string> answers;
        for (std::size_t answer = 0; answer < answer_words.size(); answer++) {
            add_note(answers, notes.cancels.at(way).at(answer), answer_words.at(answer));
        }
        if (!answers.empty()) {
            add_wrapped(lines, fmt::format("cancels, {}: {}", model::stat_way_names.at(way), fmt::join(answers, ", ")),
                        columns);
        }
    }
    std::vector<std::string> others;
    add_note(others, notes.more_unknown, "CQE of a multishot request that names no request (in no row)",
             "CQEs of multishot requests that name no request (in no row)");
    add_note(others, notes.notifications, "zero-copy notification (not counted as a request)",
             "zero-copy notifications (not counted as requests)");
    add_note(others, notes.refused, "iocb that io_submit refused (not counted as a request)",
             "iocbs that io_submit refused (not counted as requests)");
    if (!others.empty()) {
        add_wrapped(lines, fmt::format("beside: {}", fmt::join(others, ", ")), columns);
    }
    std::vector<std::string> losses;
    add_note(losses, notes.untracked, "request not counted: the table was full",
             "requests not counted: the table was full");
    add_note(losses, frame.all.counters.untimed,
             "without latency: begun before inflight or unseen, or of an iocb that was in flight twice");
    add_note(losses, notes.unseen, "ended unseen: result and latency not known");
    add_note(losses, notes.overflowed,
             "ended by a CQE that overflowed: counted as ended unseen when its memory is used again",
             "ended by a CQE that overflowed: counted as ended unseen when their memory is used again");
    add_note(losses, notes.keys_full, "under \"(not known)\": more keys than rows (--keys)");
    add_note(losses, notes.programs_skipped, "time that the kernel skipped a hook",
             "times that the kernel skipped a hook");
    add_note(losses, frame.may_have_ended, "in flight that may have ended: its success leaves no event",
             "in flight that may have ended: their success leaves no event");
    std::string text =
        losses.empty() ? "lost or unknown: nothing" : fmt::format("lost or unknown: {}", fmt::join(losses, "; "));
    if (!notes.unmatched_known) {
        text += "; with a filter, requests from before are not seen";
    }
    add_wrapped(lines, text, columns);
    return lines;
}

std::string stat_time(const StatInfo& info, std::uint64_t time_ns) {
    constexpr std::int64_t second_ns = 1'000'000'000;
    constexpr std::int64_t day_s = 86'400;
    const std::int64_t second = wall_time_ns(time_ns, info.wall_offset_ns) / second_ns % day_s;
    return fmt::format("{:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60);
}

std::string stat_screen(const std::vector<std::string>& lines, const std::vector<std::string>& tail, std::size_t rows) {
    // Home; each line clears what was to its right; then all below.
    std::string text = "\x1b[H";
    const auto add = [&text](const std::string& line) { text += line + "\x1b[K\n"; };
    const std::size_t room = rows == 0 ? lines.size() : rows - std::min(rows, tail.size() + 1);
    for (std::size_t i = 0; i < std::min(lines.size(), room); i++) {
        add(lines[i]);
    }
    for (const auto& line : tail) {
        add(line);
    }
    return text + "\x1b[J";
}

}  // namespace inflight::view
