// SPDX-License-Identifier: Apache-2.0
#include "model/uring_details.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace inflight::model {

void DetailStore::add(const ifl_header& header) {
    constexpr std::size_t head = offsetof(ifl_detail, bytes);
    if (header.size_bytes < head) {
        return;
    }
    const auto& record = reinterpret_cast<const ifl_detail&>(header);
    const std::size_t room = header.size_bytes - head;
    const std::size_t count = std::min({std::size_t{record.bytes_count}, room, std::size_t{IFL_DETAIL_BYTES}});
    Detail detail;
    detail.kind = record.kind;
    detail.readable = record.state == IFL_READ_OK;
    detail.kernel = record.kernel != 0;
    detail.truncated = record.truncated != 0 || count < record.bytes_count;
    detail.address = record.address;
    detail.total = record.total;
    if (detail.readable) {
        detail.bytes.assign(reinterpret_cast<const char*>(&record.bytes[0]), count);
    }
    auto [owner, made] = details_.try_emplace(record.owner_id);
    if (made) {
        order_.push_back(record.owner_id);
    }
    bytes_ += sizeof(Detail) + detail.bytes.size();
    owner->second.push_back(std::move(detail));
    while (bytes_ > bytes_limit || details_.size() > owners_limit) {
        forget_oldest();
    }
    // Owners that are over stay in the order; now and then they are removed.
    if (order_.size() > 2 * details_.size() + 1024) {
        std::erase_if(order_, [this](std::uint64_t id) { return !details_.contains(id); });
    }
}

std::vector<Detail> DetailStore::take(std::uint64_t owner_id) {
    const auto found = details_.find(owner_id);
    if (found == details_.end()) {
        return {};
    }
    std::vector<Detail> details = std::move(found->second);
    bytes_ -= weight(details);
    details_.erase(found);
    return details;
}

const std::vector<Detail>* DetailStore::find(std::uint64_t owner_id) const {
    const auto found = details_.find(owner_id);
    return found == details_.end() ? nullptr : &found->second;
}

std::size_t DetailStore::weight(const std::vector<Detail>& details) {
    std::size_t bytes = 0;
    for (const Detail& each : details) {
        bytes += sizeof(Detail) + each.bytes.size();
    }
    return bytes;
}

void DetailStore::forget_oldest() {
    const std::uint64_t owner = order_.front();
    order_.pop_front();
    (void)take(owner);
}

}  // namespace inflight::model
