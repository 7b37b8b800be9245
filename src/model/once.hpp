// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <tuple>

namespace inflight::model {

// Remembers which findings were reported, by their code and by what they are about, so that each is reported once.
class Once {
public:
    // False: it was told before.
    bool first(const std::string& code, std::uint64_t about, std::uint64_t more = 0) {
        return told_.emplace(code, about, more).second;
    }
    // The same for what happens again and again and is not the same each time: it counts what is not told.
    bool first_of_many(const std::string& code, std::uint64_t about, std::uint64_t more = 0) {
        const bool is_first = first(code, about, more);
        repeats_ += is_first ? 0 : 1;
        return is_first;
    }
    [[nodiscard]] std::uint64_t repeats() const { return repeats_; }

private:
    std::set<std::tuple<std::string, std::uint64_t, std::uint64_t>> told_;
    std::uint64_t repeats_ = 0;
};

}  // namespace inflight::model
