// SPDX-License-Identifier: Apache-2.0
// What is written beside a request, a cancel and a finding where a format has room for names and values: the debug
// annotations of Perfetto, the "args" of Chrome. One list for both, so that they say the same. Pure functions.
#pragma once

#include "model/summary.hpp"
#include "model/types.hpp"
#include "view/view.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace inflight::view {

// Receives them one after the other. Names are constants; a text is whatever a program chose, not always UTF-8.
class FactSink {
public:
    virtual ~FactSink() = default;
    virtual void text(std::string_view name, std::string_view value) = 0;
    virtual void number(std::string_view name, std::uint64_t value) = 0;
    virtual void signed_number(std::string_view name, std::int64_t value) = 0;
    virtual void hex(std::string_view name, std::uint64_t value) = 0;
    virtual void flag(std::string_view name, bool value) = 0;
};

// "pread", "write EIO", "poll cancelled": short, and few different ones.
[[nodiscard]] std::string span_name(const model::Request& request);
// "io_cancel completed-first"
[[nodiscard]] std::string span_name(const model::Cancel& cancel);
// "lost 0"
[[nodiscard]] std::string summary_name(const model::Summary& summary);

// What is not known is left out.
void tell_facts(const model::Request& request, FactSink& sink);
void tell_facts(const model::Cancel& cancel, FactSink& sink);
void tell_facts(const model::Finding& finding, FactSink& sink);
// Of the whole trace: where and when it was made, what it holds, what was lost.
void tell_facts(const TraceInfo& info, FactSink& sink);
void tell_facts(const model::Summary& summary, FactSink& sink);

}  // namespace inflight::view
