// SPDX-License-Identifier: Apache-2.0
// The reader of capture files with the model behind it. The input says what blocks a file has; lengths, compression and
// checksums are made right here, so that inputs get past them. What is wrong is wrong on purpose: one bit says so.
#include "base/checksum.hpp"
#include "capture/columns.hpp"
#include "capture/file_source.hpp"
#include "harness.hpp"
#include "record_maker.hpp"

#include <zstd.h>

#include <algorithm>
#include <memory>
#include <string>

namespace {

using namespace inflight;
namespace format = capture::format;

// Bits of the byte that stands before each block.
constexpr std::uint8_t kind_bits = 0x7;     // of the block
constexpr std::uint8_t raw_columns = 0x08;  // the columns are given, not the records
constexpr std::uint8_t wrong_sizes = 0x10;
constexpr std::uint8_t wrong_payload = 0x20;
constexpr std::uint8_t uncompressed = 0x40;
constexpr std::uint8_t text_from_input = 0x80;

std::string header_of_file() {
    format::FileHeader header{.magic = format::file_magic,
                              .version = format::version,
                              .header_bytes = sizeof(format::FileHeader),
                              .features = 0,
                              .reserved = {},
                              .crc = 0};
    header.crc = crc32_of(&header, offsetof(format::FileHeader, crc));
    return {reinterpret_cast<const char*>(&header), sizeof(header)};
}

const std::string& plain_info() {
    static const std::string text = capture::to_json(capture::CaptureInfo{});
    return text;
}

const std::string& plain_account() {
    static const std::string text = capture::to_json(capture::Account{});
    return text;
}

class FileMaker {
public:
    explicit FileMaker(fuzz::Bytes& bytes) : bytes_(bytes), file_(header_of_file()) {}

    std::string make() {
        add(static_cast<std::uint16_t>(format::BlockKind::info), plain_info(), 0, 0, 0);
        while (!bytes_.empty() && sequence_ < 16) {
            add_block(bytes_.take<std::uint8_t>());
        }
        return std::move(file_);
    }

private:
    void add_block(std::uint8_t how) {
        const std::uint16_t kind = how & kind_bits;
        const bool text = kind == static_cast<std::uint16_t>(format::BlockKind::info) ||
                          kind == static_cast<std::uint16_t>(format::BlockKind::account);
        if (text) {
            add(kind, (how & text_from_input) != 0 ? take_text() : plain_account(), 0, 0, how);
            return;
        }
        std::uint32_t items = 0;
        const std::string raw = (how & raw_columns) != 0 ? take_columns(items) : make_columns(items);
        add(kind, (how & uncompressed) != 0 ? raw : compress(raw), static_cast<std::uint32_t>(raw.size()), items, how);
    }

    std::string take_text() {
        const auto text = bytes_.take_bytes(bytes_.take<std::uint16_t>() % 512U);
        return {reinterpret_cast<const char*>(text.data()), text.size()};
    }

    std::string take_columns(std::uint32_t& items) {
        std::string text = take_text();
        if (text.size() >= 2 * sizeof(items)) {
            std::memcpy(&items, text.data() + sizeof(items), sizeof(items));
        }
        return text;
    }

    std::string make_columns(std::uint32_t& items) {
        capture::ColumnWriter columns;
        const unsigned count = bytes_.take<std::uint8_t>() % 64U;
        for (unsigned i = 0; i < count && !columns.full(); i++) {
            const auto item = records_.next(bytes_);
            if (!item) {
                break;
            }
            columns.add(item->kind, item->bytes, item->size);
        }
        items = static_cast<std::uint32_t>(columns.items());
        std::string raw;
        columns.take(raw);
        return raw;
    }

    static std::string compress(const std::string& raw) {
        static ZSTD_CCtx* const context = ::ZSTD_createCCtx();
        std::string payload(::ZSTD_compressBound(raw.size()), '\0');
        payload.resize(::ZSTD_compressCCtx(context, payload.data(), payload.size(), raw.data(), raw.size(), -5));
        return payload;
    }

    void add(std::uint16_t kind, std::string payload, std::uint32_t raw_bytes, std::uint32_t items, std::uint8_t how) {
        format::BlockHeader header{};
        header.magic = format::block_magic;
        header.kind = kind;
        header.header_bytes = sizeof(header);
        header.sequence = sequence_++;
        header.payload_bytes = static_cast<std::uint32_t>(payload.size());
        header.raw_bytes = raw_bytes;
        header.items = items;
        header.payload_crc = crc32_of(payload.data(), payload.size());
        if ((how & wrong_sizes) != 0) {
            // A field of the header, with its checksum made right again.
            const std::size_t at = bytes_.take<std::uint8_t>() % (sizeof(header) - 2 * sizeof(std::uint32_t));
            const auto value = bytes_.take<std::uint32_t>();
            std::memcpy(reinterpret_cast<char*>(&header) + at, &value, sizeof(value));
        }
        if ((how & wrong_payload) != 0 && !payload.empty()) {
            payload[bytes_.take<std::uint16_t>() % payload.size()] = static_cast<char>(bytes_.take<std::uint8_t>());
            if (bytes_.take<std::uint8_t>() % 2 == 0) {
                header.payload_crc = crc32_of(payload.data(), payload.size());
            }
        }
        header.crc = crc32_of(&header, offsetof(format::BlockHeader, crc));
        file_.append(reinterpret_cast<const char*>(&header), sizeof(header)).append(payload);
    }

    fuzz::Bytes& bytes_;
    fuzz::RecordMaker records_;
    std::string file_;
    std::uint64_t sequence_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Bytes bytes({data, size});
    const auto choice = bytes.take<std::uint8_t>();
    const std::string file = FileMaker(bytes).make();
    const auto read_at = [&file](char* to, std::size_t wanted, std::uint64_t at) -> ssize_t {
        const std::size_t from = std::min<std::size_t>(at, file.size());
        const std::size_t count = std::min(wanted, file.size() - from);
        std::memcpy(to, file.data() + from, count);
        return static_cast<ssize_t>(count);
    };
    // Memory is the sanitizer's to look at.
    const auto budget = std::make_shared<capture::MemoryBudget>(0, [] { return std::uint64_t{0}; });
    auto source = capture::FileSource::open(read_at, "fuzz", budget);
    if (!source) {
        return 0;
    }
    fuzz::Counting counting;
    fuzz::Model model(counting, choice);
    fuzz::require((*source)->replay(model).has_value());
    for (const auto& damage : (*source)->damage()) {
        fuzz::require(!damage.why.empty() && damage.offset_bytes + damage.length_bytes <= file.size());
    }
    return 0;
}
