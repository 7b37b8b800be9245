// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace inflight::aio {

enum class Backend { uring, kernel };

// Which of the two serves this process: INFLIGHT_AIO_BACKEND, or what the system allows. Decided at the first call, and
// said on standard error, once, when it is not io_uring though nobody asked for that.
[[nodiscard]] Backend backend();
// 0; or -errno when io_uring was asked for, and nothing else, and is not available: then there are no contexts.
[[nodiscard]] long backend_refusal();
// Why, for people; lives as long as the process.
[[nodiscard]] const char* backend_reason();

// INFLIGHT_AIO_CANCEL=kernel: io_cancel() queues the event and says -EINPROGRESS.
[[nodiscard]] bool cancels_as_kernel();

// INFLIGHT_AIO_OBSERVED=1: nothing is done within io_submit, because who traces the rings would not see it.
[[nodiscard]] bool observed();

}  // namespace inflight::aio
