// SPDX-License-Identifier: Apache-2.0
#include "capture/block.hpp"

#include "contract/uring.h"

#include <zstd.h>

#include <utility>

namespace inflight::capture {

namespace {

constexpr int compression_level = 1;

}  // namespace

Block make_text_block(format::BlockKind kind, std::string_view text) {
    Block block;
    block.header.kind = static_cast<std::uint16_t>(kind);
    block.header.raw_bytes = static_cast<std::uint32_t>(text.size());
    block.payload = text;
    return block;
}

bool is_ended_request(const ifl_header& record) {
    if (record.kind == IFL_REQUEST) {
        return reinterpret_cast<const ifl_request&>(record).state == IFL_REQUEST_COMPLETED;
    }
    return record.kind == IFL_URING_REQUEST &&
           reinterpret_cast<const ifl_uring_request&>(record).state == IFL_UREQ_ENDED;
}

void BlockMaker::FreeCompressor::operator()(ZSTD_CCtx_s* context) const {
    ::ZSTD_freeCCtx(context);
}

BlockMaker::BlockMaker(std::uint64_t start_ns)
    : compressor_(::ZSTD_createCCtx()), now_ns_(start_ns), begin_ns_(start_ns) {}

BlockMaker::~BlockMaker() = default;

void BlockMaker::add(const ifl_header& record) {
    if (first_ns_ == 0) {
        first_ns_ = record.time_ns;
    }
    last_ns_ = record.time_ns;
    requests_ += is_ended_request(record) ? 1 : 0;
    columns_.add(record.kind, &record, record.size_bytes);
}

void BlockMaker::mark(std::uint16_t kind, std::uint64_t time_ns) {
    columns_.add(kind, &time_ns, sizeof(time_ns));
}

bool BlockMaker::advance(std::uint64_t now_ns) {
    // Every one: what the model hands out at such a moment stands between records, and a replay shows it there too.
    if (now_ns >= now_ns_) {
        now_ns_ = now_ns;
        mark(format::mark_advance, now_ns);
    }
    return now_ns_ >= begin_ns_ + format::block_ns;
}

Result<Block> BlockMaker::take(format::BlockKind kind) {
    begin_ns_ = now_ns_;
    Block block;
    block.header.kind = static_cast<std::uint16_t>(kind);
    block.header.first_ns = std::exchange(first_ns_, 0);
    block.header.last_ns = std::exchange(last_ns_, 0);
    block.header.requests = std::exchange(requests_, 0);
    block.header.items = static_cast<std::uint32_t>(columns_.items());
    columns_.take(raw_);
    block.header.raw_bytes = static_cast<std::uint32_t>(raw_.size());
    compressed_.resize(::ZSTD_compressBound(raw_.size()));
    const std::size_t bytes = ::ZSTD_compressCCtx(compressor_.get(), compressed_.data(), compressed_.size(),
                                                  raw_.data(), raw_.size(), compression_level);
    if (::ZSTD_isError(bytes) != 0) {
        return failure("compress a block", ::ZSTD_getErrorName(bytes));
    }
    block.payload.assign(compressed_, 0, bytes);
    return block;
}

}  // namespace inflight::capture
