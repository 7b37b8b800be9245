// SPDX-License-Identifier: Apache-2.0
#include "capture/flight_recorder.hpp"

#include "contract/uring.h"
#include "model/losses.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace inflight::capture {

namespace {

std::vector<std::uint64_t> copy_of(const ifl_header& record) {
    std::vector<std::uint64_t> words((record.size_bytes + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t));
    std::memcpy(words.data(), &record, record.size_bytes);
    return words;
}

bool is_in_flight(const ifl_header& record) {
    return (record.kind == IFL_REQUEST &&
            reinterpret_cast<const ifl_request&>(record).state == IFL_REQUEST_IN_FLIGHT) ||
           (record.kind == IFL_URING_REQUEST &&
            reinterpret_cast<const ifl_uring_request&>(record).state == IFL_UREQ_IN_FLIGHT);
}

}  // namespace

FlightRecorder::FlightRecorder(std::string path, CaptureInfo info, const FlightOptions& options, Numbered there,
                               Tell tell)
    : path_(std::move(path)),
      info_(std::move(info)),
      options_(options),
      tell_(std::move(tell)),
      next_number_(there.next),
      kept_files_(options.keep, std::move(there.captures)),
      block_(info_.trace.start_ns) {}

Result<std::unique_ptr<FlightRecorder>> FlightRecorder::create(const std::string& path, const CaptureInfo& info,
                                                               const FlightOptions& options, Tell tell) {
    const auto slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    if (::access(folder.c_str(), W_OK | X_OK) != 0) {
        return failure("make capture files " + part_path(path, 1) + " and so on", describe_errno(errno),
                       "choose another folder");
    }
    return std::unique_ptr<FlightRecorder>(
        new FlightRecorder(path, info, options, numbered_files(path), std::move(tell)));
}

void FlightRecorder::ask_for_file(const std::string& why) {
    if (why_.empty()) {
        why_ = why;
    }
}

void FlightRecorder::on_record(const ifl_header& record) {
    if (failed()) {
        return;
    }
    count(record);
    if (carried_.wants(record)) {
        block_carried_.push_back(copy_of(record));
    }
    if (is_in_flight(record)) {
        in_flight_.push_back(copy_of(record));
    }
    block_.add(record);
    if (record.kind == IFL_SNAPSHOT) {
        if (!why_.empty() && !end_ns_ && reinterpret_cast<const ifl_snapshot&>(record).final == 0) {
            in_flight_.push_back(copy_of(record));
            write_file(record.time_ns, ask_account());
        }
        in_flight_.clear();
    }
    if (block_.full()) {
        hold();
    }
}

void FlightRecorder::advance(std::uint64_t now_ns) {
    if (failed()) {
        return;
    }
    if (block_.advance(now_ns)) {
        hold();
    }
}

void FlightRecorder::finish(std::uint64_t end_ns) {
    if (failed()) {
        return;
    }
    hold();
    end_ns_ = end_ns;
}

void FlightRecorder::close(const Account& account) {
    if (failed()) {
        return;
    }
    why_ = account.ended_by;
    write_file(end_ns_.value_or(block_.now_ns()), account);
}

Kept FlightRecorder::kept() const {
    return {.bytes = bytes_,
            .files = files_,
            .files_removed = kept_files_.removed(),
            .names_missing = names_missing_,
            .everything = false};
}

// The block that is being made is whole, and the oldest may go.
void FlightRecorder::hold() {
    if (block_.empty()) {
        return;
    }
    const std::uint64_t begin_ns = block_.begin_ns();
    auto block = block_.take(format::BlockKind::records);
    if (!block) {
        fail(block.error());
        return;
    }
    held_bytes_ += block->payload.size();
    held_.push_back({.block = std::move(*block),
                     .begin_ns = begin_ns,
                     .carried = std::exchange(block_carried_, {}),
                     .losses = ask_account().losses});
    // A block may go when the one after it reaches far enough back.
    while (held_.size() > 1 && ((options_.bytes != 0 && held_bytes_ > options_.bytes) ||
                                (options_.span_ns != 0 && held_[1].begin_ns + options_.span_ns <= block_.now_ns()))) {
        drop_oldest();
    }
}

void FlightRecorder::drop_oldest() {
    Held& oldest = held_.front();
    for (const Words& words : oldest.carried) {
        carried_.note(*reinterpret_cast<const ifl_header*>(words.data()));
    }
    held_bytes_ -= oldest.block.payload.size();
    losses_before_ = std::move(oldest.losses);
    held_.pop_front();
}

// What stands in no other block: what is in flight, and that nothing comes after it.
Result<void> FlightRecorder::write_in_flight(BlockFile& file, std::uint64_t end_ns) {
    for (Words& words : in_flight_) {
        auto& record = *reinterpret_cast<ifl_header*>(words.data());
        if (record.kind == IFL_SNAPSHOT) {
            reinterpret_cast<ifl_snapshot&>(record).final = 1;
        }
        block_.add(record);
        if (block_.full()) {
            if (auto written = write_block(file, block_, format::BlockKind::records); !written) {
                return written;
            }
        }
    }
    block_.finish(end_ns);
    return write_block(file, block_, format::BlockKind::records);
}

Result<void> FlightRecorder::write_blocks(BlockFile& file, std::uint64_t end_ns, Written& written) {
    const std::uint64_t start_ns = end_ns - written.span_ns;
    if (auto carried = write_carried(file, carried_, start_ns); !carried) {
        return carried;
    }
    bool losses_told = false;
    for (const Held& held : held_) {
        Account so_far;
        so_far.losses = model::losses_since(losses_before_, held.losses);
        if (!losses_told && model::hide_requests(so_far.losses)) {
            losses_told = true;
            file.write(so_far);
        }
        file.write(held.block);
        written.requests += held.block.header.requests;
    }
    return write_in_flight(file, end_ns);
}

void FlightRecorder::write_file(std::uint64_t end_ns, const Account& account) {
    hold();
    if (failed()) {
        return;
    }
    CaptureInfo info = info_;
    info.trace.start_ns = held_.empty() ? info.trace.start_ns : held_.front().begin_ns;
    info.names_missing = carried_.names_dropped();
    Written written{.path = {},
                    .why = std::exchange(why_, {}),
                    .bytes = 0,
                    .requests = 0,
                    .span_ns = end_ns - info.trace.start_ns,
                    .error = {}};
    std::uint64_t number = next_number_;
    auto file = BlockFile::create_numbered(path_, number, info);
    written.path = part_path(path_, number);
    if (file) {
        if (auto blocks = write_blocks(*file, end_ns, written); !blocks) {
            fail(blocks.error());
            return;
        }
        Account own = account;
        own.losses = model::losses_since(losses_before_, account.losses);
        own.end_ns = end_ns;
        own.ended_by = written.why;
        file->write(own);
        end_ns_ ? file->sync() : file->start_sync();
    }
    written.error = file ? file->error() : std::optional(file.error());
    if (written.error && end_ns_) {
        fail(*written.error);
        return;
    }
    if (written.error) {
        // What is in it is held still.
        if (file) {
            file->remove();
        }
    } else {
        files_++;
        next_number_ = number + 1;
        bytes_ += file->bytes();
        names_missing_ = info.names_missing;
        kept_files_.add(written.path);
        written.bytes = file->bytes();
    }
    tell_(written);
}

}  // namespace inflight::capture
