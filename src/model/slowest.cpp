// SPDX-License-Identifier: Apache-2.0
#include "model/slowest.hpp"

#include <algorithm>
#include <utility>

namespace inflight::model {

namespace {

bool slower(const Request& left, const Request& right) {
    const auto left_ns = left.latency_ns().value_or(0);
    const auto right_ns = right.latency_ns().value_or(0);
    return left_ns != right_ns ? left_ns > right_ns : left.submit_ns.value_or(0) < right.submit_ns.value_or(0);
}

}  // namespace

void Slowest::on_request(const Request& request) {
    if (most_ == 0 || !request.latency_ns()) {
        return;
    }
    if (heap_.size() == most_) {
        if (!slower(request, heap_.front())) {
            return;
        }
        std::ranges::pop_heap(heap_, slower);
        heap_.pop_back();
    }
    heap_.push_back(request);
    std::ranges::push_heap(heap_, slower);
}

std::vector<Request> Slowest::take() {
    std::ranges::sort(heap_, slower);
    return std::exchange(heap_, {});
}

}  // namespace inflight::model
