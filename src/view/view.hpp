// SPDX-License-Identifier: Apache-2.0
// A view turns model values into bytes. It fetches nothing: no /proc, no clock, no terminal query.
#pragma once

#include "base/output.hpp"
#include "model/sink.hpp"
#include "model/summary.hpp"
#include "model/trace_info.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::view {

using model::TraceInfo;

struct TextOptions {
    bool color = false;
    std::size_t columns = 120;
    // Somebody looks at it there: tables are cut to fit. A file or a pipe gets every name whole.
    bool terminal = false;
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
