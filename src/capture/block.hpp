// SPDX-License-Identifier: Apache-2.0
// A block of a capture file while it is made.
#pragma once

#include "base/result.hpp"
#include "capture/columns.hpp"
#include "capture/format.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct ZSTD_CCtx_s;

namespace inflight::capture {

// What the header says of the payload; its place in the file is not known yet.
struct Block {
    format::BlockHeader header{};
    std::string payload;
};

[[nodiscard]] Block make_text_block(format::BlockKind kind, std::string_view text);

// Whether a request ended with it.
[[nodiscard]] bool is_ended_request(const ifl_header& record);

// Collects records and marks until they make a block. Not thread-safe.
class BlockMaker {
public:
    // Nothing comes before `start_ns`.
    explicit BlockMaker(std::uint64_t start_ns = 0);
    BlockMaker(const BlockMaker&) = delete;
    BlockMaker& operator=(const BlockMaker&) = delete;
    BlockMaker(BlockMaker&&) = delete;
    BlockMaker& operator=(BlockMaker&&) = delete;
    ~BlockMaker();

    void add(const ifl_header& record);
    // All records older than `now_ns` have been added. Says whether it is time to take what there is.
    [[nodiscard]] bool advance(std::uint64_t now_ns);
    // Nothing comes after it.
    void finish(std::uint64_t end_ns) { mark(format::mark_finish, end_ns); }
    // How far it was advanced.
    [[nodiscard]] std::uint64_t now_ns() const { return now_ns_; }
    // Everything older was taken before.
    [[nodiscard]] std::uint64_t begin_ns() const { return begin_ns_; }

    [[nodiscard]] bool empty() const { return columns_.items() == 0; }
    [[nodiscard]] bool full() const { return columns_.bytes() >= format::block_bytes || columns_.full(); }

    // Of records or carried; empty again afterwards.
    [[nodiscard]] Result<Block> take(format::BlockKind kind);

private:
    void mark(std::uint16_t kind, std::uint64_t time_ns);

    struct FreeCompressor {
        void operator()(ZSTD_CCtx_s* context) const;
    };
    std::unique_ptr<ZSTD_CCtx_s, FreeCompressor> compressor_;
    ColumnWriter columns_;
    std::string raw_;
    std::string compressed_;
    std::uint64_t now_ns_;
    std::uint64_t begin_ns_;
    std::uint64_t first_ns_ = 0;
    std::uint64_t last_ns_ = 0;
    std::uint32_t requests_ = 0;
};

}  // namespace inflight::capture
