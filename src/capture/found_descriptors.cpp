// SPDX-License-Identifier: Apache-2.0
#include "capture/found_descriptors.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

namespace inflight::capture {

namespace {

// A copy, for the record is in memory of the kernel side; it may be shorter than its type.
template <typename Record>
Record copy_of(const ifl_header& record) {
    Record copy{};
    std::memcpy(&copy, &record, std::min<std::size_t>(sizeof(copy), record.size_bytes));
    return copy;
}

}  // namespace

void FoundDescriptors::look(const probe::Held& held, const std::vector<Unnumbered>& requests) {
    if (requests.empty()) {
        return;
    }
    std::vector<std::uint64_t> files;
    files.reserve(requests.size());
    for (const Unnumbered& each : requests) {
        files.push_back(each.file);
    }
    std::ranges::sort(files);
    const auto again = std::ranges::unique(files);
    files.erase(again.begin(), again.end());
    const auto open = held.files(files);
    if (!open) {
        return;
    }
    // The lowest of several numbers.
    std::map<std::pair<std::uint32_t, std::uint64_t>, std::int32_t> numbers;
    for (const ifl_held& each : *open) {
        const auto [place, made] = numbers.try_emplace({each.pid, each.file}, each.fd);
        place->second = std::min(place->second, each.fd);
    }
    for (const Unnumbered& each : requests) {
        if (const auto number = numbers.find({each.pid, each.file}); number != numbers.end()) {
            by_address_[each.address] = number->second;
        }
    }
}

void FoundDescriptors::pass(const ifl_header& record, const std::function<void(const ifl_header&)>& next) const {
    if (by_address_.empty() || (record.kind != IFL_URING_REQUEST && record.kind != IFL_REQUEST)) {
        next(record);
        return;
    }
    const auto numbered = [&](auto copy, std::uint64_t address, std::uint32_t existed) {
        const auto found = by_address_.find(address);
        if ((copy.flags & existed) == 0 || copy.fd >= 0 || found == by_address_.end()) {
            next(record);
            return;
        }
        copy.fd = found->second;
        next(copy.header);
    };
    if (record.kind == IFL_URING_REQUEST) {
        const auto copy = copy_of<ifl_uring_request>(record);
        numbered(copy, copy.req, IFL_UREQ_EXISTED);
    } else {
        const auto copy = copy_of<ifl_request>(record);
        numbered(copy, copy.kiocb, IFL_REQ_EXISTED);
    }
}

}  // namespace inflight::capture
