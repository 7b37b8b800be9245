// SPDX-License-Identifier: Apache-2.0
// The operations of io_uring by name, from the table that the BPF programs are made of.
#pragma once

#include "contract/ops.h"

#include <cstdint>
#include <string_view>

namespace inflight::catalog {

struct OpName {
    std::uint8_t opcode;
    std::string_view name;
};

// op::poll_add and so on.
namespace op {

#define INFLIGHT_OP_NAME(ID, id, number, traits) inline constexpr OpName id{number, #id};
IFL_FOR_EACH_OP(INFLIGHT_OP_NAME)
#undef INFLIGHT_OP_NAME

}  // namespace op

}  // namespace inflight::catalog
