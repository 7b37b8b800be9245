// SPDX-License-Identifier: Apache-2.0
// The model, with every sink that judges or counts, fed with any records in any order.
#include "capture/format.hpp"
#include "harness.hpp"
#include "record_maker.hpp"

namespace {

using namespace inflight;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Bytes bytes({data, size});
    fuzz::RecordMaker maker;
    fuzz::Counting counting;
    fuzz::Model model(counting, bytes.take<std::uint8_t>());
    while (const auto item = maker.next(bytes)) {
        if (item->kind == capture::format::mark_advance) {
            model.advance(item->mark_ns());
        } else if (!item->is_mark()) {
            model.on_record(item->record());
        }
    }
    model.finish(~std::uint64_t{0} >> 2U);
    return 0;
}
