// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace inflight::capture {

// How much memory the reading of captures may take up, with everything that is made of the records. A small file may
// describe more requests than fit into memory; so by default the limit grows with what has been read. Not thread-safe.
class MemoryBudget {
public:
    // The memory of this process, in bytes; 0: not known.
    using Measure = std::uint64_t (*)();

    // `limit_bytes` 0: `base_bytes` and `bytes_per_file_byte` for each byte of the files, at most three quarters of the
    // machine's memory.
    explicit MemoryBudget(std::uint64_t limit_bytes = 0, Measure measure = resident_bytes);

    // So much more of the files has been read.
    void note_file_bytes(std::uint64_t bytes) { file_bytes_ += bytes; }
    // Asks the system: a few microseconds. Once exceeded it stays so, for what was left out is missing from then on.
    [[nodiscard]] bool exceeded();
    [[nodiscard]] std::uint64_t limit_bytes() const;

    static constexpr std::uint64_t base_bytes = 128U << 20U;
    static constexpr std::uint64_t bytes_per_file_byte = 1024;

    [[nodiscard]] static std::uint64_t resident_bytes();

private:
    std::uint64_t fixed_limit_bytes_;
    std::uint64_t machine_limit_bytes_;
    Measure measure_;
    std::uint64_t file_bytes_ = 0;
    bool exceeded_ = false;
};

}  // namespace inflight::capture
