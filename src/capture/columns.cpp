// SPDX-License-Identifier: Apache-2.0
#include "capture/columns.hpp"

#include "capture/format.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace inflight::capture {

namespace {

constexpr std::size_t word_bytes = 8;
// Records of varying length share rows of the next multiple of this.
constexpr std::size_t short_row_bytes = 512;
constexpr std::size_t long_row_step = 256;

struct LayoutHeader {
    std::uint16_t kind;
    std::uint16_t reserved;
    std::uint32_t row_bytes;
    std::uint32_t rows;
};

std::size_t round_up(std::size_t value, std::size_t step) {
    return (value + step - 1) / step * step;
}

std::size_t row_bytes_of(std::size_t bytes) {
    return bytes <= short_row_bytes ? round_up(bytes, word_bytes) : round_up(bytes, long_row_step);
}

template <typename T>
void append(std::string& out, const T& value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// A flag, then the value of all rows, or the differences from row to row, lowest bytes first.
void append_column(std::string& out, const std::byte* first, std::size_t row_bytes, std::size_t rows,
                   std::vector<std::uint64_t>& differences) {
    differences.resize(rows);
    std::uint64_t before = 0;
    std::uint64_t any = 0;
    for (std::size_t row = 0; row < rows; row++) {
        std::uint64_t value = 0;
        std::memcpy(&value, first + row * row_bytes, word_bytes);
        differences[row] = value - before;
        any |= row == 0 ? 0 : differences[row];
        before = value;
    }
    // Bytes that no difference has need no place: bit 0 to 7, and the first row stands apart.
    std::uint8_t planes = 0;
    for (std::size_t byte = 0; byte < word_bytes; byte++) {
        planes |= ((any >> (8 * byte)) & 0xffU) != 0 ? static_cast<std::uint8_t>(1U << byte) : 0;
    }
    append(out, planes);
    append(out, differences[0]);
    for (std::size_t byte = 0; byte < word_bytes; byte++) {
        if ((planes >> byte & 1U) == 0) {
            continue;
        }
        const std::size_t at = out.size();
        out.resize(at + rows);
        for (std::size_t row = 1; row < rows; row++) {
            out[at + row] = static_cast<char>(differences[row] >> (8 * byte));
        }
    }
}

// Reads from a string as far as it goes.
class Reader {
public:
    explicit Reader(std::string_view bytes) : left_(bytes) {}

    template <typename T>
    bool read(T& out) {
        if (left_.size() < sizeof(T)) {
            return false;
        }
        std::memcpy(&out, &left_.front(), sizeof(T));
        left_.remove_prefix(sizeof(T));
        return true;
    }
    bool take(std::size_t bytes, std::string_view& out) {
        if (left_.size() < bytes) {
            return false;
        }
        out = left_.substr(0, bytes);
        left_.remove_prefix(bytes);
        return true;
    }
    [[nodiscard]] bool empty() const { return left_.empty(); }

private:
    std::string_view left_;
};

bool read_column(Reader& reader, std::byte* first, std::size_t row_bytes, std::size_t rows) {
    std::uint8_t planes = 0;
    std::uint64_t value = 0;
    if (!reader.read(planes) || !reader.read(value)) {
        return false;
    }
    std::array<std::string_view, word_bytes> bytes;
    for (std::size_t byte = 0; byte < word_bytes; byte++) {
        if ((planes >> byte & 1U) != 0 && !reader.take(rows, bytes.at(byte))) {
            return false;
        }
    }
    for (std::size_t row = 0; row < rows; row++) {
        std::uint64_t difference = 0;
        for (std::size_t byte = 0; row != 0 && byte < word_bytes; byte++) {
            if (!bytes.at(byte).empty()) {
                difference |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes.at(byte)[row])) << (8 * byte);
            }
        }
        value += difference;
        std::memcpy(first + row * row_bytes, &value, word_bytes);
    }
    return true;
}

Failure damaged(const char* why) {
    return failure("read a block", why);
}

}  // namespace

void ColumnWriter::add(std::uint16_t kind, const void* item, std::size_t bytes) {
    const auto row_bytes = static_cast<std::uint32_t>(row_bytes_of(bytes));
    auto found = std::ranges::find_if(
        layouts_, [&](const Layout& layout) { return layout.kind == kind && layout.row_bytes == row_bytes; });
    if (found == layouts_.end()) {
        layouts_.push_back({.kind = kind, .row_bytes = row_bytes, .rows = {}});
        found = layouts_.end() - 1;
    }
    order_.push_back(static_cast<std::uint8_t>(found - layouts_.begin()));
    const auto* const from = static_cast<const std::byte*>(item);
    found->rows.insert(found->rows.end(), from, from + bytes);
    found->rows.resize(found->rows.size() + row_bytes - bytes);
    bytes_ += row_bytes;
}

std::string ColumnWriter::take() {
    std::string out;
    out.reserve(order_.size() * (1 + word_bytes));
    append(out, static_cast<std::uint32_t>(layouts_.size()));
    append(out, static_cast<std::uint32_t>(order_.size()));
    for (const Layout& layout : layouts_) {
        append(out, LayoutHeader{.kind = layout.kind,
                                 .reserved = 0,
                                 .row_bytes = layout.row_bytes,
                                 .rows = static_cast<std::uint32_t>(layout.rows.size() / layout.row_bytes)});
    }
    out.append(reinterpret_cast<const char*>(order_.data()), order_.size());
    std::vector<std::uint64_t> differences;
    for (const Layout& layout : layouts_) {
        for (std::size_t at = 0; at < layout.row_bytes; at += word_bytes) {
            append_column(out, layout.rows.data() + at, layout.row_bytes, layout.rows.size() / layout.row_bytes,
                          differences);
        }
    }
    layouts_.clear();
    order_.clear();
    bytes_ = 0;
    return out;
}

Result<void> read_columns(std::string_view columns,
                          const std::function<void(std::uint16_t kind, std::span<const std::byte>)>& visit) {
    Reader reader(columns);
    std::uint32_t layout_count = 0;
    std::uint32_t item_count = 0;
    if (!reader.read(layout_count) || !reader.read(item_count) || layout_count > 256) {
        return damaged("its first words make no sense");
    }
    struct Layout {
        LayoutHeader header{};
        std::vector<std::uint64_t> rows;
        std::size_t next = 0;
    };
    std::vector<Layout> layouts(layout_count);
    std::uint64_t total_bytes = 0;
    std::uint64_t total_rows = 0;
    for (Layout& layout : layouts) {
        if (!reader.read(layout.header)) {
            return damaged("it ends in its table of layouts");
        }
        const auto& header = layout.header;
        total_bytes += std::uint64_t{header.row_bytes} * header.rows;
        total_rows += header.rows;
        if (header.row_bytes == 0 || header.row_bytes % word_bytes != 0 || header.rows == 0 ||
            total_bytes > format::raw_limit_bytes || total_rows > item_count) {
            return damaged("its table of layouts makes no sense");
        }
    }
    std::string_view order;
    if (total_rows != item_count || !reader.take(item_count, order)) {
        return damaged("it has fewer items than it says");
    }
    for (Layout& layout : layouts) {
        layout.rows.resize(std::size_t{layout.header.row_bytes} / word_bytes * layout.header.rows);
        auto* const first = reinterpret_cast<std::byte*>(layout.rows.data());
        for (std::size_t at = 0; at < layout.header.row_bytes; at += word_bytes) {
            if (!read_column(reader, first + at, layout.header.row_bytes, layout.header.rows)) {
                return damaged("it ends in a column");
            }
        }
    }
    std::vector<std::size_t> seen(layout_count);
    for (const char each : order) {
        const auto index = static_cast<std::uint8_t>(each);
        if (index >= layout_count || seen[index]++ >= layouts[index].header.rows) {
            return damaged("its order names items that are not there");
        }
    }
    for (const char each : order) {
        Layout& layout = layouts[static_cast<std::uint8_t>(each)];
        const std::size_t row_bytes = layout.header.row_bytes;
        visit(layout.header.kind,
              std::span(reinterpret_cast<const std::byte*>(layout.rows.data()) + layout.next++ * row_bytes, row_bytes));
    }
    return {};
}

}  // namespace inflight::capture
