// SPDX-License-Identifier: Apache-2.0
// A trace in the JSON format of Chrome's trace viewer, which many programs read.
#pragma once

#include "view/view.hpp"

#include <memory>

namespace inflight::view {

// The same content as the Perfetto view. Nothing is written before end(). Memory: about 600 bytes for each request.
// `output` must outlive the view.
[[nodiscard]] std::unique_ptr<View> make_chrome_view(Output& output);

}  // namespace inflight::view
