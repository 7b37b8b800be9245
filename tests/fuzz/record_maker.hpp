// SPDX-License-Identifier: Apache-2.0
// Records out of the bytes that a fuzzer gives: of the right kind and size, with any values. Few bytes make a record,
// and its numbers are mostly small, so that records name each other's requests, calls and rings.
#pragma once

#include "contract/records.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace inflight::fuzz {

// Takes values from the front of the input; from nothing come zeros.
class Bytes {
public:
    explicit Bytes(std::span<const std::uint8_t> bytes) : left_(bytes) {}

    template <typename Value>
    Value take() {
        Value value{};
        const std::size_t count = std::min(sizeof(value), left_.size());
        std::memcpy(&value, left_.data(), count);
        left_ = left_.subspan(count);
        return value;
    }
    std::span<const std::uint8_t> take_bytes(std::size_t count) {
        const auto taken = left_.first(std::min(count, left_.size()));
        left_ = left_.subspan(taken.size());
        return taken;
    }
    [[nodiscard]] bool empty() const { return left_.empty(); }
    [[nodiscard]] std::size_t left() const { return left_.size(); }

private:
    std::span<const std::uint8_t> left_;
};

// One item of a capture: a record, or a mark.
struct Item {
    std::uint16_t kind = 0;
    const std::byte* bytes = nullptr;  // valid until the next is made
    std::size_t size = 0;

    [[nodiscard]] bool is_mark() const;
    [[nodiscard]] const ifl_header& record() const { return *reinterpret_cast<const ifl_header*>(bytes); }
    [[nodiscard]] std::uint64_t mark_ns() const;
};

class RecordMaker {
public:
    // Nothing: the input is used up.
    std::optional<Item> next(Bytes& bytes);

private:
    void edit(Bytes& bytes, std::size_t size);
    [[nodiscard]] std::uint64_t value(Bytes& bytes, std::uint8_t code) const;

    alignas(8) std::array<std::byte, 8192> record_{};
    std::uint64_t now_ns_ = 1'000'000'000;
};

}  // namespace inflight::fuzz
