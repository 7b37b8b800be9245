// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

namespace inflight::aio {

// io_submit(): `list` is the program's array of pointers to iocbs, none of it trusted. How many were accepted, or
// -errno when the first was not.
[[nodiscard]] long submit_requests(Context& context, long count, std::uint64_t list);

}  // namespace inflight::aio
