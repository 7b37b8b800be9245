// SPDX-License-Identifier: Apache-2.0
// A condition over requests, as `op == read and latency > 10ms or error == EIO`. docs/report.md describes the language.
#pragma once

#include "base/result.hpp"
#include "model/where_fields.hpp"

#include <memory>
#include <string_view>

namespace inflight::model {

// Cheap to copy: copies share one parsed expression, which never changes. Safe to use from several threads.
class Where {
public:
    // The error's `why` names the column; its hint shows the place.
    [[nodiscard]] static Result<Where> parse(std::string_view text);

    // A field that is not known of the request makes its comparison false.
    [[nodiscard]] bool matches(const WhereSubject& subject) const;
    [[nodiscard]] bool matches(const Request& request) const { return matches(WhereSubject{.request = request}); }

    struct Node;

private:
    explicit Where(std::shared_ptr<const Node> root) : root_(std::move(root)) {}
    std::shared_ptr<const Node> root_;
};

}  // namespace inflight::model
