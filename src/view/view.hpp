// SPDX-License-Identifier: Apache-2.0
// A view turns model values into bytes. It fetches nothing: no /proc, no clock, no terminal query.
#pragma once

#include "base/output.hpp"
#include "model/sink.hpp"
#include "model/summary.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::view {

// Known before the first record.
struct TraceInfo {
    std::string version;  // of inflight
    std::string host_name;
    std::string kernel_release;        // "6.1.0-32-cloud-amd64"
    std::uint64_t start_ns = 0;        // CLOCK_MONOTONIC
    std::int64_t wall_offset_ns = 0;   // add to a time to get nanoseconds since 1970
    std::string hooks;                 // "fentry", "kprobe", "tracepoint", or "fentry and kprobe"
    std::vector<std::string> limits;   // what these hooks cannot know, one sentence each
    std::vector<std::string> command;  // that is traced, may be empty
};

struct TextOptions {
    bool color = false;
    std::size_t columns = 120;
};

class View : public model::Sink {
public:
    virtual void begin(const TraceInfo& info) = 0;
    virtual void end(const model::Summary& summary) = 0;
};

// `output` must outlive the view.
[[nodiscard]] std::unique_ptr<View> make_text_view(Output& output, TextOptions options);
[[nodiscard]] std::unique_ptr<View> make_json_view(Output& output);
[[nodiscard]] std::unique_ptr<View> make_tracee_view(Output& output);

}  // namespace inflight::view
