// SPDX-License-Identifier: Apache-2.0
#include "capture/columns.hpp"

#include "capture/format.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace inflight::capture {

namespace {

constexpr std::size_t word_bytes = 8;
// Records of varying length share rows of the next multiple of this.
constexpr std::size_t short_row_bytes = 512;
constexpr std::size_t long_row_step = 256;
// Rows are turned into columns, and back, in pieces that stay in the nearest cache.
constexpr std::size_t tile_bytes = 16384;

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

std::size_t tile_rows(std::size_t row_words) {
    return std::max<std::size_t>(1, tile_bytes / (row_words * word_bytes));
}

template <typename T>
char* put(char* out, const T& value) {
    std::memcpy(out, &value, sizeof(value));
    return out + sizeof(value);
}

// The bytes in which any difference is not 0: those of the others take no place.
std::uint8_t planes_of(std::uint64_t any) {
    std::uint8_t planes = 0;
    for (std::size_t byte = 0; byte < word_bytes; byte++) {
        planes |= ((any >> (8 * byte)) & 0xffU) != 0 ? static_cast<std::uint8_t>(1U << byte) : 0;
    }
    return planes;
}

std::size_t plane_count(std::uint8_t planes) {
    return static_cast<std::size_t>(__builtin_popcount(planes));
}

// A word whose value differs between rows.
struct Varying {
    std::size_t word = 0;
    std::uint8_t planes = 0;
    char* out = nullptr;  // its first plane
};

// Differences of `rows` rows from row `first` on, to their places in the planes.
void write_planes(const Varying& column, const std::uint64_t* words, std::size_t row_words, std::size_t all_rows,
                  std::size_t first, std::size_t rows) {
    std::array<char*, word_bytes> plane{};
    std::array<unsigned, word_bytes> shift{};
    std::size_t count = 0;
    for (unsigned byte = 0; byte < word_bytes; byte++) {
        if ((column.planes >> byte & 1U) != 0) {
            plane[count] = column.out + count * all_rows + first;
            shift[count++] = 8 * byte;
        }
    }
    const std::uint64_t* at = words + first * row_words + column.word;
    // The first row of all stands apart: its difference is 0.
    std::uint64_t before = first == 0 ? *at : *(at - row_words);
    for (std::size_t row = 0; row < rows; row++, at += row_words) {
        const std::uint64_t difference = *at - before;
        before = *at;
        for (std::size_t i = 0; i < count; i++) {
            plane[i][row] = static_cast<char>(difference >> shift[i]);
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
    [[nodiscard]] std::size_t left() const { return left_.size(); }
    bool take(std::size_t bytes, std::string_view& out) {
        if (left_.size() < bytes) {
            return false;
        }
        out = left_.substr(0, bytes);
        left_.remove_prefix(bytes);
        return true;
    }

private:
    std::string_view left_;
};

// The rows of one layout, made a tile at a time.
class Rows {
public:
    bool read_header(Reader& reader) { return reader.read(header_); }
    [[nodiscard]] const LayoutHeader& header() const { return header_; }

    // Where its columns stand.
    bool read_columns(Reader& reader) {
        const std::size_t row_words = header_.row_bytes / word_bytes;
        if (reader.left() / (1 + word_bytes) < row_words) {
            return false;
        }
        row_.resize(row_words);
        for (std::size_t word = 0; word < row_words; word++) {
            std::uint8_t planes = 0;
            if (!reader.read(planes) || !reader.read(row_[word])) {
                return false;
            }
            if (planes == 0) {
                continue;
            }
            std::string_view bytes;
            if (!reader.take(plane_count(planes) * header_.rows, bytes)) {
                return false;
            }
            varying_.push_back({.word = word, .planes = planes, .bytes = bytes});
        }
        return true;
    }

    std::span<const std::byte> next() {
        if (at_ == made_) {
            make_tile();
        }
        const std::size_t row_words = row_.size();
        return std::as_bytes(std::span(tile_).subspan((at_++ - tile_first_) * row_words, row_words));
    }

private:
    struct Column {
        std::size_t word = 0;
        std::uint8_t planes = 0;
        std::string_view bytes;  // its planes
    };

    void make_tile() {
        const std::size_t row_words = row_.size();
        const std::size_t rows = std::min(tile_rows(row_words), std::size_t{header_.rows} - made_);
        // Words that do not vary stay in the tile from one to the next.
        if (tile_.empty()) {
            tile_.resize(rows * row_words);
            for (std::size_t row = 0; row < rows; row++) {
                std::memcpy(&tile_[row * row_words], row_.data(), row_words * word_bytes);
            }
        }
        for (const Column& column : varying_) {
            make_column(column, rows);
        }
        tile_first_ = made_;
        made_ += rows;
    }

    // Of a column with as many planes as there are indices: the compiler knows their number then.
    template <std::size_t... index>
    void make_column(const Column& column, std::size_t rows, std::index_sequence<index...>) {
        std::array<const char*, sizeof...(index)> plane{};
        std::array<unsigned, sizeof...(index)> shift{};
        std::size_t count = 0;
        for (unsigned byte = 0; byte < word_bytes; byte++) {
            if ((column.planes >> byte & 1U) != 0) {
                plane[count] = column.bytes.data() + count * header_.rows + made_;
                shift[count++] = 8 * byte;
            }
        }
        std::uint64_t value = row_[column.word];
        std::uint64_t* at = &tile_[column.word];
        // The first row of all stands apart: its difference is no part of it.
        std::size_t row = made_ == 0 ? 1 : 0;
        for (at += row * row_.size(); row < rows; row++, at += row_.size()) {
            value += ((std::uint64_t{static_cast<std::uint8_t>(plane[index][row])} << shift[index]) | ...);
            *at = value;
        }
        row_[column.word] = value;
    }
    void make_column(const Column& column, std::size_t rows) {
        switch (plane_count(column.planes)) {
            case 1:
                return make_column(column, rows, std::make_index_sequence<1>());
            case 2:
                return make_column(column, rows, std::make_index_sequence<2>());
            case 3:
                return make_column(column, rows, std::make_index_sequence<3>());
            case 4:
                return make_column(column, rows, std::make_index_sequence<4>());
            case 5:
                return make_column(column, rows, std::make_index_sequence<5>());
            case 6:
                return make_column(column, rows, std::make_index_sequence<6>());
            case 7:
                return make_column(column, rows, std::make_index_sequence<7>());
            default:
                return make_column(column, rows, std::make_index_sequence<8>());
        }
    }

    LayoutHeader header_{};
    std::vector<Column> varying_;
    std::vector<std::uint64_t> row_;  // the last that was made
    std::vector<std::uint64_t> tile_;
    std::size_t tile_first_ = 0;
    std::size_t made_ = 0;
    std::size_t at_ = 0;
};

Failure damaged(const char* why) {
    return failure("read a block", why);
}

}  // namespace

std::size_t ColumnWriter::layout_for(std::uint16_t kind, std::size_t row_words) {
    const auto fits = [&](const Layout& layout) { return layout.kind == kind && layout.row_words == row_words; };
    if (last_ < used_ && fits(layouts_[last_])) {
        return last_;
    }
    const auto end = layouts_.begin() + static_cast<std::ptrdiff_t>(used_);
    auto found = std::find_if(layouts_.begin(), end, fits);
    if (found == end) {
        // One that was used for the same has the memory for it.
        found = std::find_if(end, layouts_.end(), fits);
        if (found == layouts_.end()) {
            layouts_.push_back({.kind = kind, .row_words = row_words, .rows = 0, .words = {}, .any = {}});
            found = layouts_.end() - 1;
        }
        std::swap(*found, layouts_[used_]);
        found = layouts_.begin() + static_cast<std::ptrdiff_t>(used_++);
        found->rows = 0;
        found->any.assign(row_words, 0);
    }
    last_ = static_cast<std::size_t>(found - layouts_.begin());
    return last_;
}

void ColumnWriter::add(std::uint16_t kind, const void* item, std::size_t bytes) {
    const std::size_t row_words = row_bytes_of(bytes) / word_bytes;
    const std::size_t index = layout_for(kind, row_words);
    Layout& layout = layouts_[index];
    if (layout.words.size() < (layout.rows + 1) * row_words) {
        layout.words.resize(std::max((layout.rows + 1) * row_words, layout.words.size() * 2));
    }
    std::uint64_t* const row = layout.words.data() + layout.rows * row_words;
    row[row_words - 1] = 0;
    if (row_words * word_bytes - bytes > word_bytes) {
        std::fill(row + bytes / word_bytes, row + row_words, 0);
    }
    std::memcpy(row, item, bytes);
    if (layout.rows != 0) {
        const std::uint64_t* const before = row - row_words;
        for (std::size_t word = 0; word < row_words; word++) {
            layout.any[word] |= row[word] - before[word];
        }
    }
    layout.rows++;
    order_.push_back(static_cast<std::uint8_t>(index));
    bytes_ += row_words * word_bytes;
}

void ColumnWriter::take(std::string& out) {
    std::size_t total = 2 * sizeof(std::uint32_t) + used_ * sizeof(LayoutHeader) + order_.size();
    for (const Layout& layout : std::span(layouts_).first(used_)) {
        for (const std::uint64_t any : layout.any) {
            total += 1 + word_bytes + plane_count(planes_of(any)) * layout.rows;
        }
    }
    out.resize(total);
    char* at = put(out.data(), static_cast<std::uint32_t>(used_));
    at = put(at, static_cast<std::uint32_t>(order_.size()));
    for (const Layout& layout : std::span(layouts_).first(used_)) {
        at = put(at, LayoutHeader{.kind = layout.kind,
                                  .reserved = 0,
                                  .row_bytes = static_cast<std::uint32_t>(layout.row_words * word_bytes),
                                  .rows = static_cast<std::uint32_t>(layout.rows)});
    }
    at = std::copy(order_.begin(), order_.end(), at);
    std::vector<Varying> varying;
    for (const Layout& layout : std::span(layouts_).first(used_)) {
        varying.clear();
        for (std::size_t word = 0; word < layout.row_words; word++) {
            const std::uint8_t planes = planes_of(layout.any[word]);
            at = put(at, planes);
            at = put(at, layout.words[word]);
            if (planes != 0) {
                varying.push_back({.word = word, .planes = planes, .out = at});
                at += plane_count(planes) * layout.rows;
            }
        }
        const std::size_t step = tile_rows(layout.row_words);
        for (std::size_t first = 0; first < layout.rows; first += step) {
            for (const Varying& column : varying) {
                write_planes(column, layout.words.data(), layout.row_words, layout.rows, first,
                             std::min(step, layout.rows - first));
            }
        }
    }
    used_ = 0;
    order_.clear();
    bytes_ = 0;
}

Result<void> read_columns(std::string_view columns, std::size_t items,
                          const std::function<void(std::uint16_t kind, std::span<const std::byte>)>& visit) {
    Reader reader(columns);
    std::uint32_t layout_count = 0;
    std::uint32_t item_count = 0;
    if (!reader.read(layout_count) || !reader.read(item_count) || layout_count > format::layouts_limit) {
        return damaged("its first words make no sense");
    }
    if (item_count != items) {
        return damaged("it does not have the items that its header says");
    }
    std::vector<Rows> layouts(layout_count);
    std::uint64_t total_bytes = 0;
    std::uint64_t total_rows = 0;
    for (Rows& layout : layouts) {
        if (!layout.read_header(reader)) {
            return damaged("it ends in its table of layouts");
        }
        const auto& header = layout.header();
        total_bytes += std::uint64_t{header.row_bytes} * header.rows;
        total_rows += header.rows;
        if (header.row_bytes == 0 || header.row_bytes % word_bytes != 0 || header.rows == 0 ||
            header.row_bytes > format::row_limit_bytes || total_bytes > format::rows_limit_bytes ||
            total_rows > item_count) {
            return damaged("its table of layouts makes no sense");
        }
    }
    std::string_view order;
    if (total_rows != item_count || !reader.take(item_count, order)) {
        return damaged("it has fewer items than it says");
    }
    for (Rows& layout : layouts) {
        if (!layout.read_columns(reader)) {
            return damaged("it ends in a column");
        }
    }
    std::vector<std::size_t> seen(layout_count);
    for (const char each : order) {
        const auto index = static_cast<std::uint8_t>(each);
        if (index >= layout_count || seen[index]++ >= layouts[index].header().rows) {
            return damaged("its order names items that are not there");
        }
    }
    for (const char each : order) {
        Rows& layout = layouts[static_cast<std::uint8_t>(each)];
        visit(layout.header().kind, layout.next());
    }
    return {};
}

}  // namespace inflight::capture
