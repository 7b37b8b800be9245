// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.hpp"
#include "base/new_file.hpp"
#include "base/result.hpp"
#include "capture/account.hpp"
#include "capture/block.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace inflight::capture {

// A capture file that is being written. Each block goes there with one write: who reads meanwhile, or after a kill,
// sees whole blocks. After the first error it takes no more, and ends with its last whole block.
class BlockFile {
public:
    // Makes the file, which must not be a directory, and writes its first block. A file of that name goes.
    [[nodiscard]] static Result<BlockFile> create(const std::string& path, const CaptureInfo& info);
    // Makes part_path() of the first number from `number` on that nothing has, and says which. What is there stays.
    [[nodiscard]] static Result<BlockFile> create_numbered(const std::string& path, std::uint64_t& number,
                                                           const CaptureInfo& info);

    // Numbers it by its place in this file.
    void write(const Block& block);
    void write(const Account& account) { write(make_text_block(format::BlockKind::account, to_json(account))); }
    // After the last block: everything is on the disk.
    void sync();
    // The same, but nobody waits for it: the buffers of the kernel side would fill up meanwhile.
    void start_sync();
    // Nobody needs it: it would only be in the way of who reads others. What is no regular file stays.
    void remove();

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] const std::optional<Error>& error() const { return error_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

private:
    BlockFile(NewFile file, std::string path)
        : fd_(std::move(file.fd)), from_begin_(file.from_begin), path_(std::move(path)) {}
    [[nodiscard]] static Result<BlockFile> begin(NewFile opened, const std::string& path, const CaptureInfo& info);
    void write_bytes(std::string_view bytes);

    UniqueFd fd_;
    bool from_begin_ = false;  // a regular file that is ours alone
    std::string path_;
    std::optional<Error> error_;
    std::uint64_t sequence_ = 0;
    std::uint64_t bytes_ = 0;
};

// What has been collected, as one block; nothing is left in it.
[[nodiscard]] Result<void> write_block(BlockFile& file, BlockMaker& made, format::BlockKind kind);

// What comes after `path` where a recording has several files: "db.capture.0001".
[[nodiscard]] std::string part_path(const std::string& path, std::uint64_t part);

// What is there already of these names.
struct Numbered {
    std::uint64_t next = 1;             // above every number
    std::vector<std::string> captures;  // in order of their numbers; what is no capture is not among them
};
[[nodiscard]] Numbered numbered_files(const std::string& path);

// Files of a recording that has several: the oldest are removed where a limit is set. Those that an earlier
// recording left under the same name count, so that a recorder that is started again and again fills no disk.
class KeptFiles {
public:
    KeptFiles(std::size_t limit, std::vector<std::string> earlier);  // 0: all
    void add(const std::string& path);
    // Of this recording.
    [[nodiscard]] std::uint64_t removed() const { return removed_; }

private:
    std::size_t limit_;
    std::vector<std::string> paths_;
    std::size_t earlier_;  // of the first of them, that an earlier recording left
    std::uint64_t removed_ = 0;
};

}  // namespace inflight::capture
