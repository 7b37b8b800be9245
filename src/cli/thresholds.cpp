// SPDX-License-Identifier: Apache-2.0
#include "cli/thresholds.hpp"

#include "cli/filters.hpp"

#include <fmt/format.h>

#include <charconv>

namespace inflight::cli {

namespace {

// "50%" or "50", as the number.
CLI::Validator as_percent() {
    const auto convert = [](std::string& text) -> std::string {
        unsigned percent = 0;
        const char* const last = text.data() + text.size();
        const auto [end, bad] = std::from_chars(text.data(), last, percent);
        const bool whole = end == last || (end + 1 == last && *end == '%');
        if (bad != std::errc{} || !whole || percent == 0 || percent > 100) {
            return fmt::format("'{}' is not a share: give 1% to 100%", text);
        }
        text = fmt::format("{}", percent);
        return {};
    };
    return CLI::Validator(convert, "", "share");
}

CLI::Validator as_count() {
    const auto check = [](const std::string& text) -> std::string {
        unsigned count = 0;
        const char* const last = text.data() + text.size();
        const auto [end, bad] = std::from_chars(text.data(), last, count);
        return bad == std::errc{} && end == last && count != 0
                   ? std::string()
                   : fmt::format("'{}' is not a number of at least 1", text);
    };
    return CLI::Validator(check, "", "count");
}

}  // namespace

void declare_thresholds(CLI::App& app, model::FindingOptions& options) {
    const auto* const group = "Findings";
    const auto time = [&](const char* name, std::uint64_t& value, const char* help) {
        app.add_option(name, value, help)->group(group)->transform(as_duration_ns())->type_name("TIME");
    };
    time("--unreaped", options.unreaped_ns, "Report completions that nobody takes for this long (default 1s)");
    time("--stuck", options.stuck_ns,
         "Report a request in flight longer than this, unless it waits by design, like poll (default 10s)");
    time("--sqpoll-asleep", options.asleep_ns,
         "Report an SQ thread that sleeps this long although submissions wait (default 100ms)");
    app.add_option("--workers", options.workers, "Report when this many io-wq workers run at once (default 64)")
        ->group(group)
        ->check(as_count())
        ->type_name("COUNT");
    app.add_option("--punt-share", options.punt_percent,
                   "Report an operation of which more than this share is handed to io-wq (default 50%)")
        ->group(group)
        ->transform(as_percent())
        ->type_name("SHARE");
}

}  // namespace inflight::cli
