// SPDX-License-Identifier: Apache-2.0
// A trace for ui.perfetto.dev, in Perfetto's own protobuf format.
#pragma once

#include "view/view.hpp"

#include <memory>

namespace inflight::view {

// A process, in it its contexts, in each of them its slots and a counter; see slots.hpp. Nothing is written before
// end(). Memory: about 250 bytes for each request. `output` must outlive the view.
[[nodiscard]] std::unique_ptr<View> make_perfetto_view(Output& output);

}  // namespace inflight::view
