// SPDX-License-Identifier: Apache-2.0
// Requests in flight, and the contexts they are in, as a table or as lines of JSON.
#pragma once

#include "model/census.hpp"
#include "model/in_flight.hpp"
#include "model/losses.hpp"
#include "model/open_files.hpp"
#include "model/types.hpp"
#include "view/view.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace inflight::view {

struct InFlightReport {
    std::vector<model::InFlight> requests;  // in the order to be shown
    std::vector<model::InFlight> unreaped;  // completions that nobody has taken
    std::vector<model::Unlisted> unlisted;  // what is only counted
    std::vector<model::Closing> closing{};  // who waits for some of them to end
    std::vector<std::string> notes;         // what is not known, each a sentence
    std::uint64_t lost = 0;                 // records
};

// Ends with a newline.
[[nodiscard]] std::string in_flight_text(const InFlightReport& report, const TextOptions& options);
// A line for each request, and one with the notes: docs/ls.md.
void write_in_flight(Output& output, const InFlightReport& report);

struct ContextRow {
    model::Context context;
    std::uint64_t listed = 0;    // requests of it that were found in flight
    std::uint64_t unlisted = 0;  // and those that the kernel counts beyond them, where it tells them by context
    std::optional<std::uint64_t> unreaped;     // completions in its ring; nothing: it could not be read
    std::vector<model::RingHolder> holders{};  // of a ring: every process that can submit to it
};
struct ContextsReport {
    std::vector<ContextRow> rows;  // in the order to be shown
    std::uint64_t aio_nr = 0;
    std::uint64_t aio_max_nr = 0;
    std::vector<model::Closing> closing{};
    std::vector<std::string> notes;
};

[[nodiscard]] std::string contexts_text(const ContextsReport& report, const TextOptions& options);
void write_contexts(Output& output, const ContextsReport& report);

}  // namespace inflight::view
