// SPDX-License-Identifier: Apache-2.0
#include "capture/memory_budget.hpp"

#include "base/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace inflight::capture {

namespace {

std::uint64_t page_bytes() {
    const long bytes = ::sysconf(_SC_PAGESIZE);
    return bytes > 0 ? static_cast<std::uint64_t>(bytes) : 4096;
}

std::uint64_t most_of_the_machine() {
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? static_cast<std::uint64_t>(pages) / 4 * 3 * page_bytes() : ~std::uint64_t{0};
}

}  // namespace

MemoryBudget::MemoryBudget(std::uint64_t limit_bytes, Measure measure)
    : fixed_limit_bytes_(limit_bytes), machine_limit_bytes_(most_of_the_machine()), measure_(measure) {}

std::uint64_t MemoryBudget::limit_bytes() const {
    if (fixed_limit_bytes_ != 0) {
        return fixed_limit_bytes_;
    }
    // What a file holds more than this cannot raise the limit any further.
    const std::uint64_t counted = std::min(file_bytes_, machine_limit_bytes_ / bytes_per_file_byte);
    return std::min(machine_limit_bytes_, base_bytes + counted * bytes_per_file_byte);
}

bool MemoryBudget::exceeded() {
    exceeded_ = exceeded_ || measure_() > limit_bytes();
    return exceeded_;
}

std::uint64_t MemoryBudget::resident_bytes() {
    // Pages: "4382 2093 1713 ...", of which the second number is what is resident.
    const UniqueFd fd(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
    std::array<char, 128> text{};
    const ssize_t got = fd.valid() ? ::read(fd.get(), text.data(), text.size()) : -1;
    const char* const end = text.data() + std::max<ssize_t>(got, 0);
    const char* const second = std::find(text.cbegin(), end, ' ');
    std::uint64_t pages = 0;
    if (second == end || std::from_chars(second + 1, end, pages).ec != std::errc{}) {
        return 0;
    }
    return pages * page_bytes();
}

}  // namespace inflight::capture
