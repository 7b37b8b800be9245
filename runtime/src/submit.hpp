// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

namespace inflight::aio {

// io_submit(): `list` is the program's array of pointers to iocbs, none of it trusted. How many were accepted, or
// -errno when the first was not.
[[nodiscard]] long submit_requests(Context& context, long count, std::uint64_t list);

// One of them, which is a copy of the program's at `address`. 0 or -errno. The worker is to be woken afterwards.
[[nodiscard]] long submit_one(Context& context, const iocb& block, std::uint64_t address);

}  // namespace inflight::aio
