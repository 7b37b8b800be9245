// SPDX-License-Identifier: Apache-2.0
//
// The catalogue of events as pages to read. Pure functions of the tables in events.hpp; every text ends in a newline.
#ifndef INFLIGHT_CATALOG_PAGE_HPP
#define INFLIGHT_CATALOG_PAGE_HPP

#include "catalog/events.hpp"

#include <string>
#include <string_view>

namespace inflight::catalog {

// For a terminal: at most 100 columns, no markup.
std::string event_page_text(const Event& event);

// docs/events/NAME.md
std::string event_page_markdown(const Event& event);

// One line per event: name, x86-64 and i386 numbers, intro.
std::string event_list_text();

// docs/events/README.md
std::string event_index_markdown();

// A text of the catalogue without its `code` marks.
std::string plain_text(std::string_view text);

}  // namespace inflight::catalog

#endif
