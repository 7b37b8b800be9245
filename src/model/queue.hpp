// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace inflight::model {

// First in, first out. Unlike std::deque it takes no memory while it is empty: there are several for each ring, and
// there may be many rings. Each step takes constant time, amortised.
template <typename Value>
class Queue {
public:
    [[nodiscard]] bool empty() const { return first_ == values_.size(); }
    [[nodiscard]] std::size_t size() const { return values_.size() - first_; }
    [[nodiscard]] Value& front() { return values_[first_]; }
    [[nodiscard]] const Value& front() const { return values_[first_]; }
    [[nodiscard]] auto begin() { return values_.begin() + static_cast<std::ptrdiff_t>(first_); }
    [[nodiscard]] auto end() { return values_.end(); }

    void push_back(Value value) { values_.push_back(std::move(value)); }

    // Before the last `behind` values, at most before all.
    void insert_before_last(std::size_t behind, Value value) {
        values_.insert(values_.end() - static_cast<std::ptrdiff_t>(std::min(behind, size())), std::move(value));
    }

    // The value, which is no longer in the queue.
    Value take_front() {
        Value taken = std::move(values_[first_]);
        values_[first_] = Value{};
        first_++;
        if (first_ == values_.size()) {
            values_.clear();
            first_ = 0;
            give_memory_back();
        } else if (first_ >= least_moved && first_ > values_.size() / 2) {
            values_.erase(values_.begin(), begin());
            first_ = 0;
        }
        return taken;
    }
    void pop_front() { (void)take_front(); }

    template <typename Condition>
    void erase_if(Condition condition) {
        values_.erase(values_.begin(), begin());
        first_ = 0;
        std::erase_if(values_, condition);
    }

private:
    static constexpr std::size_t least_moved = 64;
    static constexpr std::size_t kept = 4096;

    void give_memory_back() {
        if (values_.capacity() > kept) {
            values_.shrink_to_fit();
        }
    }

    std::vector<Value> values_;
    std::size_t first_ = 0;
};

}  // namespace inflight::model
