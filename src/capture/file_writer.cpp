// SPDX-License-Identifier: Apache-2.0
#include "capture/file_writer.hpp"

#include "model/losses.hpp"

#include <fmt/format.h>

#include <utility>

namespace inflight::capture {

FileWriter::FileWriter(std::string path, CaptureInfo info, const Rotation& rotation, Numbered there, BlockFile file)
    : path_(std::move(path)),
      info_(std::move(info)),
      rotation_(rotation),
      number_(there.next),
      files_(rotation.keep, std::move(there.captures)),
      file_(std::move(file)),
      block_(info_.trace.start_ns),
      file_begun_ns_(info_.trace.start_ns) {
    files_.add(file_.path());
}

Result<std::unique_ptr<FileWriter>> FileWriter::create(const std::string& path, const CaptureInfo& info,
                                                       const Rotation& rotation) {
    CaptureInfo first = info;
    Numbered there;
    if (!rotation.wanted()) {
        first.part = 0;
        auto file = BlockFile::create(path, first);
        return file ? Result<std::unique_ptr<FileWriter>>(std::unique_ptr<FileWriter>(
                          new FileWriter(path, first, rotation, std::move(there), std::move(*file))))
                    : std::unexpected(file.error());
    }
    there = numbered_files(path);
    first.part = there.next;  // so that a part is called as its file is
    auto file = BlockFile::create_numbered(path, there.next, first);
    if (!file) {
        return std::unexpected(file.error());
    }
    return std::unique_ptr<FileWriter>(new FileWriter(path, first, rotation, std::move(there), std::move(*file)));
}

void FileWriter::check_file() {
    if (file_.error()) {
        fail(*file_.error());
    }
}

void FileWriter::on_record(const ifl_header& record) {
    if (failed()) {
        return;
    }
    count(record);
    if (rotation_.wanted() && carried_.wants(record)) {
        carried_.note(record);
    }
    block_.add(record);
    if (block_.full()) {
        write_records();
    }
}

void FileWriter::note_losses() {
    if (failed() || losses_told_) {
        return;
    }
    // The account tells it, so it has to stand before what comes now.
    losses_told_ = true;
    if (block_.empty()) {
        file_.write(account_since_begin(ask_account()));
        check_file();
    } else {
        write_records();
    }
}

void FileWriter::advance(std::uint64_t now_ns) {
    if (failed()) {
        return;
    }
    const bool block_due = block_.advance(now_ns);
    const bool rotates = (rotation_.bytes != 0 && file_.bytes() >= rotation_.bytes) ||
                         (rotation_.time_ns != 0 && now_ns >= file_begun_ns_ + rotation_.time_ns);
    if (rotates) {
        begin_next_file(now_ns);
    } else if (block_due) {
        write_records();
    }
}

void FileWriter::finish(std::uint64_t end_ns) {
    if (failed()) {
        return;
    }
    block_.finish(end_ns);
    write_records();
}

Account FileWriter::account_since_begin(Account account) const {
    account.losses = model::losses_since(losses_before_, account.losses);
    return account;
}

Kept FileWriter::kept() const {
    return {.bytes = bytes_before_ + file_.bytes(),
            .files = written_files_,
            .files_removed = files_.removed(),
            .names_missing = info_.names_missing,
            .everything = true};
}

void FileWriter::close(const Account& account) {
    file_.write(account_since_begin(account));
    file_.sync();
    check_file();
}

void FileWriter::write_records() {
    if (block_.empty()) {
        return;
    }
    const auto block = block_.take(format::BlockKind::records);
    if (!block) {
        fail(block.error());
        return;
    }
    file_.write(*block);
    file_.write(account_since_begin(ask_account()));
    check_file();
}

// The file that a recording goes on in, with all that it needs of earlier ones.
Result<BlockFile> FileWriter::make_next_file(const CaptureInfo& info) {
    std::uint64_t number = number_ + 1;
    auto next = BlockFile::create_numbered(path_, number, info);
    if (!next) {
        return next;
    }
    if (auto written = write_carried(*next, carried_, info.trace.start_ns); !written) {
        next->remove();
        return std::unexpected(written.error());
    }
    if (next->error()) {
        next->remove();
        return std::unexpected(*next->error());
    }
    number_ = number;
    return next;
}

void FileWriter::begin_next_file(std::uint64_t now_ns) {
    block_.finish(now_ns);
    write_records();
    if (failed()) {
        return;
    }
    CaptureInfo info = info_;
    info.part++;
    info.trace.start_ns = now_ns;
    info.names_missing = carried_.names_dropped();
    // Before this file says that it goes on there: it may not be possible.
    auto next = make_next_file(info);
    if (!next) {
        fail(next.error());
        return;
    }
    Account account = ask_account();
    const model::Losses losses = account.losses;
    account.end_ns = now_ns;
    account.ended_by = "rotation: it goes on in " + next->path();
    file_.write(account_since_begin(account));
    file_.start_sync();
    check_file();
    if (failed()) {
        next->remove();
        return;
    }
    losses_before_ = losses;
    losses_told_ = false;
    bytes_before_ += file_.bytes();
    file_begun_ns_ = now_ns;
    info_ = std::move(info);
    file_ = std::move(*next);
    written_files_++;
    files_.add(file_.path());
}

}  // namespace inflight::capture
