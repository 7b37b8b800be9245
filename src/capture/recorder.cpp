// SPDX-License-Identifier: Apache-2.0
#include "capture/recorder.hpp"

#include "capture/block.hpp"

namespace inflight::capture {

void Recorder::count(const ifl_header& record) {
    records_++;
    requests_ += is_ended_request(record) ? 1 : 0;
    if (record.kind == IFL_CALL) {
        snapshot_due_ = snapshot_due_ || reinterpret_cast<const ifl_call&>(record).syscall == IFL_IO_CANCEL;
    } else if (record.kind == IFL_SNAPSHOT) {
        snapshot_due_ = false;
    }
}

}  // namespace inflight::capture
