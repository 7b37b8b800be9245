// SPDX-License-Identifier: Apache-2.0
// What the views need to know of system calls and operations beyond the model's values: which fields mean what. Names
// come from the catalogue.
#pragma once

#include "catalog/events.hpp"
#include "catalog/uring_register.hpp"
#include "model/types.hpp"

#include <linux/aio_abi.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::view {

// What `length` counts.
enum class LengthUnit : std::uint8_t { none, bytes, iovecs, poll_events, timeout, entries };

[[nodiscard]] LengthUnit length_unit(model::Family family, std::optional<std::uint16_t> opcode);
// Whether a positive result counts bytes.
[[nodiscard]] bool transfers_bytes(model::Family family, std::optional<std::uint16_t> opcode);

// What a request of either family was asked for. An empty field: not known, or the operation has none.
struct Asked {
    bool known = false;  // all but the fd
    std::optional<std::int32_t> fd;
    bool fixed_file = false;  // fd is an index of the ring's file table
    std::optional<std::int64_t> offset;
    std::optional<std::uint64_t> length;
    std::optional<std::uint64_t> buffer;
    std::optional<std::uint64_t> poll_events;
};
[[nodiscard]] Asked asked_for(const model::Request& request);

// A result is known once the request completed or its event was reaped.
[[nodiscard]] bool has_result(const model::Request& request);
// errno of that result as a positive number, 0 for none.
[[nodiscard]] int result_error(const model::Request& request);

// errno of a negative system call result as a positive number, 0 for none.
[[nodiscard]] int error_of(std::int64_t result);

[[nodiscard]] std::string_view comm_of(const ifl_task& task);

// nullptr for a number that the contract does not know.
[[nodiscard]] const catalog::Event* event_of(const ifl_call& call);
// "io_cancel"; "syscall 9" for one that the contract does not know.
[[nodiscard]] std::string event_name(const ifl_call& call);

enum class ValueKind : std::uint8_t { address, signed_number, unsigned_number, size };
[[nodiscard]] ValueKind value_kind(std::string_view c_type);

// The argument as the call's ABI passes it: a 32-bit `long` with its sign.
[[nodiscard]] std::uint64_t address_argument(const ifl_call& call, std::size_t index);
[[nodiscard]] std::int64_t signed_argument(const ifl_call& call, std::size_t index);
[[nodiscard]] std::uint64_t unsigned_argument(const ifl_call& call, std::size_t index);

[[nodiscard]] std::uint64_t size_argument(const ifl_call& call, std::size_t index);
// "IORING_ENTER_GETEVENTS", "sync_cancel": of the few arguments whose number has names.
[[nodiscard]] std::optional<std::string> named_argument(const ifl_call& call, std::string_view name, std::size_t index);

// "x86_64", "i386", "x32"
[[nodiscard]] std::string_view abi_name(const ifl_call& call);
[[nodiscard]] bool is_i386(const ifl_call& call);

// What can be read behind the arguments of a call, other than lists of iocbs and events.
enum class Decoded : std::uint8_t { context, timeout, sigmask, sigset_bytes, aio_key };
// What the catalogue's `decoded` row of that name is, if it was read in this call.
[[nodiscard]] std::optional<Decoded> decoded_value(const ifl_call& call, std::string_view name);

// What an io_uring call's argument points at, as named values.
struct Structure {
    std::string name;    // "*params"
    std::string c_type;  // "struct io_uring_params"
    bool readable = true;
    bool truncated = false;
    bool kernel = false;  // K, else U
    std::vector<catalog::Field> fields;
};
[[nodiscard]] std::vector<Structure> structures_of(const model::Event& event);

[[nodiscard]] struct iocb decode_iocb(const model::IocbArgument& argument);

}  // namespace inflight::view
