// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfer.hpp"

#include <atomic>
#include <cstdint>

namespace inflight::aio {

// What a descriptor was the last time somebody looked, believed for a while because asking costs as much as reading.
// Any thread may read and write it at any time: descriptor and facts are one word, so that they belong together.
class FileHint {
public:
    // What is known of `file`; FileKind::unknown when nothing is, or it has been believed often enough.
    [[nodiscard]] FileFacts recall(int file);
    // The same however often it has been believed, and not counted. Who uses it calls recall() afterwards, and looks
    // again when that knows nothing.
    [[nodiscard]] FileFacts peek(int file) const;
    void keep(int file, const FileFacts& facts);
    void forget();

    // How many reads, or writes, in a row found nothing cached, up to `enough`: an attempt that finds nothing begins to
    // read ahead, which takes as long as ten requests that are handed over.
    [[nodiscard]] bool misses_always(Operation operation) const;
    void count(Operation operation, bool hit);

private:
    static constexpr std::uint8_t enough = 4;

    [[nodiscard]] static unsigned row(Operation operation) { return operation == Operation::read ? 0 : 1; }

    std::atomic<std::uint64_t> known_;
    std::atomic<std::uint8_t> uses_;
    std::atomic<std::uint8_t> misses_[2];
};

}  // namespace inflight::aio
