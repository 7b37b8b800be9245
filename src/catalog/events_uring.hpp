// SPDX-License-Identifier: Apache-2.0
#ifndef INFLIGHT_CATALOG_EVENTS_URING_HPP
#define INFLIGHT_CATALOG_EVENTS_URING_HPP

#include "catalog/events.hpp"

namespace inflight::catalog {

// The part of events() that is io_uring's.
std::span<const Event> uring_events();

}  // namespace inflight::catalog

#endif
