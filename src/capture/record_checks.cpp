// SPDX-License-Identifier: Apache-2.0
#include "capture/record_checks.hpp"

#include "capture/format.hpp"
#include "contract/census.h"
#include "contract/uring.h"

#include <array>

namespace inflight::capture {

namespace {

// The least that a record of a kind may have, 0: not one that a file has.
std::size_t least_bytes(std::uint16_t kind) {
#define LEAST_BYTES(id, number, name, least, most, of) (of) == IFL_OF_A_LOOK ? std::size_t{0} : std::size_t{least},
    static constexpr std::array least{std::size_t{0}, IFL_FOR_EACH_KIND(LEAST_BYTES)};
#undef LEAST_BYTES
    static_assert(least.size() == IFL_KIND_COUNT);
    return kind < least.size() ? least.at(kind) : 0;
}

// What a record says of its own size is inside it.
bool holds_together(const ifl_header& record) {
    const std::size_t bytes = record.size_bytes;
    switch (record.kind) {
        case IFL_IOCBS:
            return reinterpret_cast<const ifl_iocbs&>(record).count <= IFL_IOCBS_PER_RECORD;
        case IFL_IO_EVENTS:
            return offsetof(ifl_io_events, events) +
                       std::uint64_t{reinterpret_cast<const ifl_io_events&>(record).count} * sizeof(ifl_io_event) <=
                   bytes;
        case IFL_FILE:
            return reinterpret_cast<const ifl_file&>(record).names_bytes <= IFL_NAMES_BYTES;
        case IFL_CGROUP:
            return reinterpret_cast<const ifl_cgroup&>(record).names_bytes <= IFL_NAMES_BYTES;
        case IFL_DETAIL:
            return offsetof(ifl_detail, bytes) +
                       std::uint64_t{reinterpret_cast<const ifl_detail&>(record).bytes_count} <=
                   bytes;
        default:
            return true;
    }
}

}  // namespace

bool is_record(const ifl_header& record, std::size_t row_bytes, std::uint16_t kind) {
    return row_bytes >= sizeof(ifl_header) && record.size_bytes <= row_bytes && record.kind == kind &&
           least_bytes(kind) != 0 && record.size_bytes >= least_bytes(kind) && record.time_ns < format::time_limit_ns &&
           holds_together(record);
}

}  // namespace inflight::capture
