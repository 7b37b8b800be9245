// SPDX-License-Identifier: Apache-2.0
#include "view/captures.hpp"

#include "base/units.hpp"
#include "view/escape.hpp"
#include "view/json_line.hpp"
#include "view/text_parts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace inflight::view {

std::string missing_names_text(std::uint64_t names) {
    return names == 0 ? ""
                      : fmt::format(
                            "up to {} of files and cgroups {} missing: there were too many to carry over "
                            "from earlier parts of the recording",
                            counted(names, "name"), names == 1 ? "is" : "are");
}

std::string recordings_text(const std::vector<CaptureFile>& files) {
    struct Recording {
        std::string name;
        std::string first;
        std::string last;
    };
    std::vector<Recording> recordings;
    for (const auto& file : files) {
        if (file.recording.empty()) {
            continue;
        }
        const auto known = std::ranges::find(recordings, file.recording, &Recording::name);
        if (known == recordings.end()) {
            recordings.push_back({.name = file.recording, .first = file.path, .last = file.path});
        } else {
            known->last = file.path;
        }
    }
    if (recordings.size() < 2) {
        return "";
    }
    constexpr std::size_t most_named = 8;
    std::string text = fmt::format("these files are of {} recordings, merged by time: ", recordings.size());
    for (std::size_t index = 0; index < std::min(recordings.size(), most_named); ++index) {
        const Recording& each = recordings[index];
        text += index == 0 ? "" : "; ";
        text += each.first == each.last ? each.first : fmt::format("{} to {}", each.first, each.last);
    }
    return text + (recordings.size() > most_named ? "; and more" : "");
}

std::string captures_text(const std::vector<CaptureFile>& files, const TextOptions& options) {
    const TextFrame frame{.options = options};
    std::string text;
    for (const auto& file : files) {
        const std::string name =
            fmt::format("capture {}{}{}", printable(file.path), file.host.empty() ? "" : " of ", printable(file.host));
        if (files.size() > 1 && file.ended && file.damage.empty() && file.names_missing == 0) {
            text += name + ": whole\n";
        }
        if (!file.ended) {
            text +=
                paint(name + ": the recording did not end properly; what came last may be missing", Tone::red, frame) +
                "\n";
        }
        if (file.names_missing != 0) {
            text += paint(fmt::format("{}: {}", name, missing_names_text(file.names_missing)), Tone::red, frame) + "\n";
        }
        for (const auto& damage : file.damage) {
            text += paint(fmt::format("{}: damaged: {}", name, printable(damage)), Tone::red, frame) + "\n";
        }
    }
    if (const std::string recordings = recordings_text(files); !recordings.empty()) {
        text += paint(printable(recordings), Tone::yellow, frame) + "\n";
    }
    return text;
}

void write_captures(Output& output, const std::vector<CaptureFile>& files) {
    JsonLine line(output);
    for (const auto& file : files) {
        line.begin();
        line.string("type", "capture");
        line.string("file", file.path);
        line.string_if("host", file.host);
        line.string_if("recording", file.recording);
        line.boolean("ended", file.ended);
        line.string_if("ended_by", file.ended_by);
        line.number("names_missing", file.names_missing);
        line.key("damage");
        line.begin_array();
        for (const auto& damage : file.damage) {
            line.string(damage);
        }
        line.end_array();
        line.end();
    }
}

}  // namespace inflight::view
