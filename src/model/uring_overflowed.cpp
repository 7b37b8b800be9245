// SPDX-License-Identifier: Apache-2.0
#include "model/uring_overflowed.hpp"

namespace inflight::model::uring {

void Overflowed::add(const ifl_uring_cqe& record) {
    const Key key{.user_data = record.user_data, .time_ns = record.header.time_ns, .number = ++added_};
    by_user_data_.emplace(key, record);
    in_order_.emplace(key.number, key);
}

std::optional<ifl_uring_cqe> Overflowed::take(std::uint64_t user_data, std::uint64_t from_ns, std::uint64_t until_ns) {
    const auto found = by_user_data_.lower_bound({.user_data = user_data, .time_ns = from_ns, .number = 0});
    if (found == by_user_data_.end() || found->first.user_data != user_data || found->first.time_ns > until_ns) {
        return std::nullopt;
    }
    const ifl_uring_cqe record = found->second;
    in_order_.erase(found->first.number);
    by_user_data_.erase(found);
    return record;
}

std::optional<ifl_uring_cqe> Overflowed::take_oldest() {
    if (in_order_.empty()) {
        return std::nullopt;
    }
    const auto found = by_user_data_.find(in_order_.begin()->second);
    const ifl_uring_cqe record = found->second;
    by_user_data_.erase(found);
    in_order_.erase(in_order_.begin());
    return record;
}

}  // namespace inflight::model::uring
