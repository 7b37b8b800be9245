// SPDX-License-Identifier: Apache-2.0
// Records as columns: what stands at the same place in records of one kind is alike, and compresses to nearly nothing.
#pragma once

#include "base/result.hpp"
#include "contract/records.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::capture {

// Collects items of any kinds in their order. Not thread-safe.
class ColumnWriter {
public:
    // `bytes` long, a copy is made.
    void add(std::uint16_t kind, const void* item, std::size_t bytes);

    [[nodiscard]] std::size_t items() const { return order_.size(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

    // All of them as columns, in `out`; then it is empty again. At most `layouts_limit` layouts fit: see full().
    void take(std::string& out);
    [[nodiscard]] bool full() const { return used_ >= layouts_limit; }

private:
    static constexpr std::size_t layouts_limit = 200;
    struct Layout {
        std::uint16_t kind = 0;
        std::size_t row_words = 0;
        std::size_t rows = 0;
        std::vector<std::uint64_t> words;  // row by row; longer than what is used
        std::vector<std::uint64_t> any;    // of each word: the bits of all differences between neighbouring rows
    };
    [[nodiscard]] std::size_t layout_for(std::uint16_t kind, std::size_t row_words);

    std::vector<Layout> layouts_;  // the first used_; the others keep their memory
    std::size_t used_ = 0;
    std::size_t last_ = 0;  // most items are like the one before
    std::vector<std::uint8_t> order_;
    std::size_t bytes_ = 0;
};

// Gives each item to `visit` as its kind and bytes (aligned to 8, valid during the call; a record may be shorter than
// its row). Fails, having visited nothing, where `columns` is not what take() makes of `items`: nothing in it is
// trusted.
[[nodiscard]] Result<void> read_columns(
    std::string_view columns, std::size_t items,
    const std::function<void(std::uint16_t kind, std::span<const std::byte>)>& visit);

}  // namespace inflight::capture
