// SPDX-License-Identifier: Apache-2.0
#include "hints.hpp"

namespace inflight::aio {

namespace {

constexpr std::uint8_t most_uses = 16;
constexpr std::uint64_t valid = 1;
constexpr unsigned synced_shift = 1, access_shift = 2, kind_shift = 8, file_shift = 32;

}  // namespace

[[gnu::hot]] [[gnu::hot]] FileFacts FileHint::peek(int file) const {
    FileFacts facts{};
    const std::uint64_t known = known_.load(std::memory_order_relaxed);
    if ((known & valid) != 0 && (known >> file_shift) == static_cast<std::uint32_t>(file)) {
        facts.kind = static_cast<FileKind>((known >> kind_shift) & 0xff);
        facts.access = static_cast<std::uint8_t>((known >> access_shift) & 3);
        facts.synced = ((known >> synced_shift) & 1) != 0;
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
                     static_cast<std::uint64_t>(facts.kind) << kind_shift |
                     std::uint64_t{static_cast<std::uint32_t>(file)} << file_shift,
                 std::memory_order_relaxed);
}

void FileHint::forget() {
    known_.store(0, std::memory_order_relaxed);
}

bool FileHint::misses_always(Operation operation) const {
    return misses_[row(operation)].load(std::memory_order_relaxed) >= enough;
}

void FileHint::count(Operation operation, bool hit) {
    auto& misses = misses_[row(operation)];
    const std::uint8_t before = misses.load(std::memory_order_relaxed);
    misses.store(static_cast<std::uint8_t>(hit ? 0 : before < enough ? before + 1 : before), std::memory_order_relaxed);
}

}  // namespace inflight::aio
