// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/aio_abi.h>

#include <cstdint>
#include <ctime>

namespace inflight::aio {

// libaio's io_cancel() and io_getevents(), whichever backend there is.
int call_cancel(std::uint64_t handle, const iocb* block, io_event* result);
int call_getevents(std::uint64_t handle, long least, long most, io_event* to, const timespec* limit);

}  // namespace inflight::aio
