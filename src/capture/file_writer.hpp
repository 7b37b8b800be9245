// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.hpp"
#include "base/result.hpp"
#include "capture/account.hpp"
#include "capture/columns.hpp"
#include "capture/consumer.hpp"
#include "capture/format.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

struct ZSTD_CCtx_s;

namespace inflight::capture {

// Writes what comes to a capture file, a block at a time, each with one write: who reads meanwhile, or after a kill,
// sees whole blocks. After the first error it takes no more, and the file ends with its last whole block. Not
// thread-safe.
class FileWriter final : public Consumer {
public:
    // The account is asked for with each block. It may be set later, and must then outlive the writer or be replaced.
    using AskAccount = std::function<Account()>;

    // Makes the file, which must not be a directory, and writes its first block.
    [[nodiscard]] static Result<std::unique_ptr<FileWriter>> create(const std::string& path, const CaptureInfo& info);
    FileWriter(const FileWriter&) = delete;
    FileWriter& operator=(const FileWriter&) = delete;
    FileWriter(FileWriter&&) = delete;
    FileWriter& operator=(FileWriter&&) = delete;
    ~FileWriter() override;

    void set_account(AskAccount account) { ask_account_ = std::move(account); }

    void on_record(const ifl_header& record) override;
    void advance(std::uint64_t now_ns) override;
    void finish(std::uint64_t end_ns) override;
    // Since an io_cancel whose verdict needs to know what was in flight.
    [[nodiscard]] bool wants_snapshot() const override { return snapshot_due_; }
    [[nodiscard]] bool failed() const override { return error_.has_value(); }

    // After finish(): the last account, and everything on its way to the disk.
    void close(const Account& account);

    [[nodiscard]] const std::optional<Error>& error() const { return error_; }
    [[nodiscard]] std::uint64_t records() const { return records_; }
    [[nodiscard]] std::uint64_t requests() const { return requests_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

private:
    FileWriter(UniqueFd fd, std::string path);
    void mark(std::uint16_t kind, std::uint64_t time_ns);
    void write_records();
    void write_block(format::BlockHeader header, std::string_view payload);
    void write_account(const Account& account);
    void write_bytes(std::string_view bytes);

    struct FreeCompressor {
        void operator()(ZSTD_CCtx_s* context) const;
    };

    UniqueFd fd_;
    std::string path_;
    std::unique_ptr<ZSTD_CCtx_s, FreeCompressor> compressor_;
    std::string compressed_;
    ColumnWriter columns_;
    AskAccount ask_account_;
    std::optional<Error> error_;
    std::uint64_t sequence_ = 0;
    std::uint64_t block_first_ns_ = 0;
    std::uint64_t block_last_ns_ = 0;
    std::uint64_t block_begun_ns_ = 0;  // by advance()
    std::uint64_t last_mark_ns_ = 0;
    std::uint32_t block_requests_ = 0;
    std::uint64_t records_ = 0;
    std::uint64_t requests_ = 0;
    std::uint64_t bytes_ = 0;
    bool snapshot_due_ = false;
};

}  // namespace inflight::capture
