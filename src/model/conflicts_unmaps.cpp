// SPDX-License-Identifier: Apache-2.0
#include "model/conflicts_unmaps.hpp"

#include "base/units.hpp"
#include "model/story.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace inflight::model {

namespace {

// Of a request with many vectors, in a process that unmaps all the time.
constexpr std::size_t compared_limit = 16'384;

}  // namespace

void UnmappedMemory::on_unmap(const Unmap& unmap) {
    if (unmap.length_bytes == 0) {
        return;
    }
    if (unmaps_.size() >= processes && !unmaps_.contains(unmap.pid)) {
        const auto oldest = std::ranges::min_element(
            unmaps_, {}, [](const auto& each) { return each.second.empty() ? 0 : each.second.back().time_ns; });
        if (!oldest->second.empty()) {
            forgotten_until_ns_ = std::max(forgotten_until_ns_, oldest->second.back().time_ns);
        }
        unmaps_.erase(oldest);
    }
    auto& known = unmaps_[unmap.pid];
    known.push_back(unmap);
    if (known.size() > remembered) {
        forgotten_until_ns_ = std::max(forgotten_until_ns_, known.front().time_ns);
        known.pop_front();
    }
}

void UnmappedMemory::check(std::uint32_t pid, const std::vector<ByteRange>& ranges, std::uint64_t from_ns,
                           std::uint64_t until_ns, const Tell& tell) const {
    const auto known = unmaps_.find(pid);
    if (known == unmaps_.end() || ranges.empty()) {
        return;
    }
    // The youngest are at the back, and what is over now was hit lately.
    std::size_t compared = 0;
    for (auto unmap = known->second.rbegin(); unmap != known->second.rend() && unmap->time_ns > from_ns; ++unmap) {
        if (unmap->time_ns >= until_ns) {
            continue;
        }
        const ByteRange gone{.start = unmap->address, .end = unmap->address + unmap->length_bytes};
        for (const ByteRange& range : ranges) {
            if (++compared > compared_limit) {
                return;
            }
            if (range.start < gone.end && gone.start < range.end) {
                tell(*unmap, {.start = std::max(range.start, gone.start), .end = std::min(range.end, gone.end)});
                return;
            }
        }
    }
}

Finding memory_unmapped(const Unmap& unmap, const ByteRange& range, const Request& request) {
    Finding finding;
    finding.code = "memory-unmapped";
    finding.severity = Severity::critical;
    finding.time_ns = unmap.time_ns;
    finding.pid = unmap.pid;
    finding.tid = unmap.tid;
    finding.comm = unmap.comm;
    finding.message = fmt::format(
        "{} took {} {} at {:#x} away, {} after {} began to work on them and {} before it ended", unmap.call,
        range.end - range.start, noun(range.end - range.start, "byte"), range.start,
        format_duration(unmap.time_ns - request.submit_ns.value_or(unmap.time_ns)), words_for(request),
        request.complete_ns ? format_duration(*request.complete_ns - unmap.time_ns) : std::string("an unknown time"));
    finding.advice =
        "the kernel writes to, or reads from, whatever is mapped there next: unmap memory only when the completion of "
        "every request that uses it has been reaped";
    return finding;
}

}  // namespace inflight::model
