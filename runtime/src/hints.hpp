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

    // Whether the last reads found nothing cached.
    [[nodiscard]] bool misses_always() const;
    void count_read(bool hit);

    // Whether writes wait at present. Each question is taken for a write that is therefore not done at once.
    [[nodiscard]] bool write_would_wait();
    // One took long. The next ones are looked at (looks_at_writes()): when one of them takes long too, and its thread
    // has slept, not only been kept from running, writes are held to wait for a while.
    void note_slow_write(bool has_slept);
    void note_looked();
    [[nodiscard]] bool looks_at_writes() const { return writes_to_look_at_.load(std::memory_order_relaxed) != 0; }

    // The page that the last write on that descriptor ended in, so that it need not be asked whether it is cached.
    [[nodiscard]] bool ended_in(int file, std::uint64_t page) const;
    void note_end(int file, std::uint64_t page);
    void forget_counts();

private:
    std::atomic<std::uint64_t> known_;
    std::atomic<std::uint8_t> uses_;
    std::atomic<std::uint64_t> last_page_;  // with its descriptor
    std::atomic<std::uint8_t> misses_;
    std::atomic<std::uint8_t> writes_to_hand_over_;
    std::atomic<std::uint8_t> writes_to_look_at_;
};

}  // namespace inflight::aio
