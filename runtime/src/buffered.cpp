// SPDX-License-Identifier: Apache-2.0
#include "buffered.hpp"

#include "clock.hpp"
#include "memory.hpp"
#include "sys.hpp"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>

namespace inflight::aio {

namespace {

// cachestat(2), since 6.5 and not yet in the headers that we are compiled with.
constexpr long call_cachestat = 451;
struct CacheRange {
    std::uint64_t offset;
    std::uint64_t length;
};
struct CacheCounts {
    std::uint64_t cached;
    std::uint64_t others[4];
};

enum class Cached : std::uint8_t { no, yes, unknown };

std::uint64_t page_of(std::uint64_t offset) {
    return offset / page_bytes;
}

// Whether all pages from `first` to `last` are in the page cache. It reads nothing, unlike an attempt.
Cached are_cached(int file, std::uint64_t first, std::uint64_t last) {
    const CacheRange range{first * page_bytes, (last - first + 1) * page_bytes};
    CacheCounts counts{};
    if (sys(call_cachestat, file, &range, &counts, 0) != 0) {
        return Cached::unknown;
    }
    return counts.cached == last - first + 1 ? Cached::yes : Cached::no;
}

// Before 6.5.
Cached answers_at_once(int file, std::uint64_t page) {
    char byte = 0;
    const iovec vector{&byte, 1};
    const long result = sys(SYS_preadv2, file, &vector, 1, page * page_bytes, 0, RWF_NOWAIT);
    return result == -EAGAIN ? Cached::no : result >= 0 ? Cached::yes : Cached::unknown;
}

bool find_end(int file, std::uint64_t& end) {
    struct stat about{};
    const int before = errno;
    const bool found = fstat(file, &about) == 0;
    errno = before;
    // A disk has no end that a page could be behind.
    end = S_ISREG(about.st_mode) ? static_cast<std::uint64_t>(about.st_size) : UINT64_MAX;
    return found;
}

// Whether nothing of this page is on the disk: it is a hole, or was allocated and not yet written.
bool is_empty_on_disk(int file, std::uint64_t page) {
    alignas(fiemap) char memory[sizeof(fiemap) + sizeof(fiemap_extent)] = {};
    auto* map = reinterpret_cast<fiemap*>(memory);
    map->fm_start = page * page_bytes;
    map->fm_length = page_bytes;
    map->fm_extent_count = 1;
    if (sys(SYS_ioctl, file, FS_IOC_FIEMAP, map) != 0) {
        return false;
    }
    return map->fm_mapped_extents == 0 || (map->fm_extents[0].fe_flags & FIEMAP_EXTENT_UNWRITTEN) != 0;
}

// Whether a write of a part of this page reads the rest of it from the disk first.
bool must_be_read(int file, std::uint64_t page) {
    Cached cached = are_cached(file, page, page);
    if (cached == Cached::yes) {
        return false;
    }
    std::uint64_t end = 0;
    if (!find_end(file, end) || page * page_bytes >= end) {
        return false;
    }
    if (cached == Cached::unknown) {
        cached = answers_at_once(file, page);
    }
    return cached == Cached::no && !is_empty_on_disk(file, page);
}

bool reads_first(const Transfer& transfer, const FileHint& hint) {
    const auto begin = static_cast<std::uint64_t>(transfer.offset);
    const std::uint64_t end = begin + transfer.total_bytes;
    if (transfer.total_bytes == 0) {
        return false;
    }
    const bool partial_begin = begin % page_bytes != 0;
    const bool partial_end = end % page_bytes != 0;
    const bool begin_is_cached = hint.ended_in(transfer.file, page_of(begin));
    return (partial_begin && !begin_is_cached && must_be_read(transfer.file, page_of(begin))) ||
           (partial_end && !(partial_begin && page_of(begin) == page_of(end)) &&
            must_be_read(transfer.file, page_of(end)));
}

bool is_all_cached(const Transfer& transfer) {
    std::uint64_t file_end = 0;
    if (!find_end(transfer.file, file_end)) {
        return false;
    }
    const auto begin = static_cast<std::uint64_t>(transfer.offset);
    const std::uint64_t wanted_end = begin + transfer.total_bytes;
    const std::uint64_t end = wanted_end < file_end ? wanted_end : file_end;
    return begin >= end || are_cached(transfer.file, page_of(begin), page_of(end - 1)) == Cached::yes;
}

bool read_now(Transfer& transfer, FileHint& hint, std::uint64_t& done, long& result) {
    // An attempt that finds nothing begins to read ahead, which takes as long as ten requests that are handed over.
    if (hint.misses_always() && !is_all_cached(transfer)) {
        return false;
    }
    bool works = true;
    bool complete = try_cached(transfer, done, result, works);
    if (!works && done == 0 && is_all_cached(transfer)) {
        // The file system does not know RWF_NOWAIT, but all that is wanted is there.
        result = do_transfer(transfer, transfer.offset, true);
        complete = true;
    }
    hint.count_read(complete);
    return complete;
}

long sleeps_of_this_thread() {
    rusage usage{};
    (void)sys(SYS_getrusage, RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

bool write_now(const Transfer& transfer, const FileFacts& facts, FileHint& hint, long& result) {
    constexpr std::uint32_t until_on_disk = RWF_SYNC | RWF_DSYNC;
    if (facts.synced || facts.remote || (transfer.rw_flags & until_on_disk) != 0 || hint.write_would_wait()) {
        return false;
    }
    const bool appends = facts.appends || (transfer.rw_flags & RWF_APPEND) != 0;
    if (!appends && reads_first(transfer, hint)) {
        return false;
    }
    const std::uint64_t longest_copy_ns = 5'000'000 + 4 * transfer.total_bytes;
    const bool looks = hint.looks_at_writes();
    const long sleeps_before = looks ? sleeps_of_this_thread() : 0;
    const std::uint64_t begin_ns = now_ns();
    result = do_transfer(transfer, transfer.offset, true);
    if (!appends && result > 0) {
        hint.note_end(transfer.file, page_of(static_cast<std::uint64_t>(transfer.offset + result - 1)));
    }
    if (looks) {
        hint.note_looked();
    }
    if (now_ns() - begin_ns > longest_copy_ns) {
        hint.note_slow_write(looks && sleeps_of_this_thread() != sleeps_before);
    }
    return true;
}

}  // namespace

bool do_buffered(Transfer& transfer, const FileFacts& facts, FileHint& hint, std::uint64_t& done, long& result) {
    if (wants_no_wait(transfer)) {
        bool works = true;
        if (!try_cached(transfer, done, result, works)) {
            result = done != 0 ? static_cast<long>(done) : works ? -EAGAIN : -EOPNOTSUPP;
        }
        return true;
    }
    return transfer.operation == Operation::read ? read_now(transfer, hint, done, result)
                                                 : write_now(transfer, facts, hint, result);
}

}  // namespace inflight::aio
