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

    // All of them as columns, in one string; then it is empty again. At most `layouts_limit` layouts fit: see full().
    [[nodiscard]] std::string take();
    [[nodiscard]] bool full() const { return layouts_.size() >= layouts_limit; }

private:
    static constexpr std::size_t layouts_limit = 200;
    struct Layout {
        std::uint16_t kind = 0;
        std::uint32_t row_bytes = 0;
        std::vector<std::byte> rows;
    };
    std::vector<Layout> layouts_;
    std::vector<std::uint8_t> order_;
    std::size_t bytes_ = 0;
};

// Gives each item to `visit` as its kind and bytes (aligned to 8; a record may be shorter than its row). Fails, having
// visited nothing, where `columns` is not what take() makes: nothing in it is trusted.
[[nodiscard]] Result<void> read_columns(
    std::string_view columns, const std::function<void(std::uint16_t kind, std::span<const std::byte>)>& visit);

}  // namespace inflight::capture
