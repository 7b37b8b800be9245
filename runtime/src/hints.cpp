// SPDX-License-Identifier: Apache-2.0
#include "hints.hpp"

namespace inflight::aio {

namespace {

constexpr std::uint8_t most_uses = 16;
constexpr std::uint64_t valid = 1;
constexpr unsigned synced_shift = 1, access_shift = 2, remote_shift = 4, appends_shift = 5, kind_shift = 8,
                   file_shift = 32;

constexpr std::uint8_t enough_misses = 4;
constexpr std::uint8_t writes_after_a_slow_one = 64;

}  // namespace

[[gnu::hot]] FileFacts FileHint::peek(int file) const {
    FileFacts facts{};
    const std::uint64_t known = known_.load(std::memory_order_relaxed);
    if ((known & valid) != 0 && (known >> file_shift) == static_cast<std::uint32_t>(file)) {
        facts.kind = static_cast<FileKind>((known >> kind_shift) & 0xff);
        facts.access = static_cast<std::uint8_t>((known >> access_shift) & 3);
        facts.synced = ((known >> synced_shift) & 1) != 0;
        facts.remote = ((known >> remote_shift) & 1) != 0;
        facts.appends = ((known >> appends_shift) & 1) != 0;
    }
    return facts;
}

FileFacts FileHint::recall(int file) {
    const std::uint8_t uses = uses_.load(std::memory_order_relaxed);
    const FileFacts facts = uses < most_uses ? peek(file) : FileFacts{};
    if (facts.kind != FileKind::unknown) {
        // Not counted exactly when threads meet here: they look again a little later.
        uses_.store(static_cast<std::uint8_t>(uses + 1), std::memory_order_relaxed);
    }
    return facts;
}

void FileHint::keep(int file, const FileFacts& facts) {
    // A stream is looked at each time: whether it is O_NONBLOCK may change.
    if (facts.kind == FileKind::stream) {
        forget();
        return;
    }
    uses_.store(0, std::memory_order_relaxed);
    known_.store(valid | std::uint64_t{facts.synced} << synced_shift | std::uint64_t{facts.access} << access_shift |
                     std::uint64_t{facts.remote} << remote_shift | std::uint64_t{facts.appends} << appends_shift |
                     static_cast<std::uint64_t>(facts.kind) << kind_shift |
                     std::uint64_t{static_cast<std::uint32_t>(file)} << file_shift,
                 std::memory_order_relaxed);
}

void FileHint::forget() {
    known_.store(0, std::memory_order_relaxed);
    last_page_.store(UINT64_MAX, std::memory_order_relaxed);
}

bool FileHint::misses_always() const {
    return misses_.load(std::memory_order_relaxed) >= enough_misses;
}

void FileHint::count_read(bool hit) {
    const std::uint8_t before = misses_.load(std::memory_order_relaxed);
    const int after = hit ? 0 : before < enough_misses ? before + 1 : before;
    misses_.store(static_cast<std::uint8_t>(after), std::memory_order_relaxed);
}

bool FileHint::write_would_wait() {
    const std::uint8_t left = writes_to_hand_over_.load(std::memory_order_relaxed);
    if (left != 0) {
        writes_to_hand_over_.store(static_cast<std::uint8_t>(left - 1), std::memory_order_relaxed);
    }
    return left != 0;
}

void FileHint::note_slow_write(bool has_slept) {
    if (has_slept) {
        writes_to_hand_over_.store(writes_after_a_slow_one, std::memory_order_relaxed);
    }
    writes_to_look_at_.store(writes_after_a_slow_one, std::memory_order_relaxed);
}

void FileHint::note_looked() {
    const std::uint8_t left = writes_to_look_at_.load(std::memory_order_relaxed);
    writes_to_look_at_.store(static_cast<std::uint8_t>(left == 0 ? 0 : left - 1), std::memory_order_relaxed);
}

namespace {

std::uint64_t with_file(int file, std::uint64_t page) {
    return page << 20 | (static_cast<std::uint32_t>(file) & 0xfffff);
}

}  // namespace

bool FileHint::ended_in(int file, std::uint64_t page) const {
    return last_page_.load(std::memory_order_relaxed) == with_file(file, page);
}

void FileHint::note_end(int file, std::uint64_t page) {
    last_page_.store(with_file(file, page), std::memory_order_relaxed);
}

void FileHint::forget_counts() {
    last_page_.store(UINT64_MAX, std::memory_order_relaxed);
    misses_.store(0, std::memory_order_relaxed);
    writes_to_hand_over_.store(0, std::memory_order_relaxed);
    writes_to_look_at_.store(0, std::memory_order_relaxed);
}

}  // namespace inflight::aio
