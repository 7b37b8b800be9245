// SPDX-License-Identifier: Apache-2.0
//
// The structures that io_uring's calls take, as lists of named values, from the raw bytes that were read behind an
// argument. All functions are pure and may be called from any thread. Bytes that are missing are left out, never shown
// as 0: of a structure that is cut off, the fields that are whole; of an array, the elements that are whole.
#ifndef INFLIGHT_CATALOG_URING_REGISTER_HPP
#define INFLIGHT_CATALOG_URING_REGISTER_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::catalog {

enum class FieldKind : std::uint8_t {
    unsigned_number,
    signed_number,  // `value` is sign-extended to 64 bits
    address,        // hex
    flags,          // `text` has the names: "IORING_ASYNC_CANCEL_ALL|IORING_ASYNC_CANCEL_FD", "0"
    name,           // `text` is the name of a number: "recv", "CLOCK_MONOTONIC"
};

struct Field {
    std::string name;  // "user_data", "timeout.tv_sec", "iov[0].iov_base", "fds[2]"
    FieldKind kind = FieldKind::unsigned_number;
    std::uint64_t value = 0;  // raw
    std::string text;         // of flags and name
};

// What `arg` of io_uring_register(fd, opcode, arg, nr_args) points at. Empty for an opcode that takes no argument or
// is not known. `opcode` may have IORING_REGISTER_USE_REGISTERED_RING set.
// A descriptor of -1 says that restrictions and filters are those of the task and its children.
enum class RegisterScope : std::uint8_t { ring, task };
std::vector<Field> register_fields(std::uint32_t opcode, std::string_view bytes, std::uint32_t nr_args,
                                   RegisterScope scope = RegisterScope::ring);

// "sync_cancel", "sync_cancel|USE_REGISTERED_RING"; "77" for one that is not known.
std::string register_op_name(std::uint32_t opcode);

// struct io_uring_params, with the offsets that the kernel filled in ("sq_off.head").
std::vector<Field> uring_params_fields(std::string_view bytes);

// struct io_uring_getevents_arg of io_uring_enter with IORING_ENTER_EXT_ARG.
std::vector<Field> getevents_arg_fields(std::string_view bytes);

// struct io_uring_reg_wait of io_uring_enter with IORING_ENTER_EXT_ARG_REG.
std::vector<Field> reg_wait_fields(std::string_view bytes);

// What pointers in the argument of io_uring_register lead to: struct io_uring_region_desc, struct
// io_uring_zcrx_area_reg, struct zcrx_event_desc.
std::vector<Field> region_fields(std::string_view bytes);
std::vector<Field> zcrx_area_fields(std::string_view bytes);
std::vector<Field> zcrx_event_fields(std::string_view bytes);
// The kernel's answer to `query`, a struct io_uring_query_hdr; empty for a question that is not known.
std::vector<Field> query_answer_fields(std::string_view query, std::string_view answer);

// struct open_how of openat2.
std::vector<Field> open_how_fields(std::string_view bytes);

// struct futex_waitv[] of futex_waitv.
std::vector<Field> futex_waitv_fields(std::string_view bytes);

}  // namespace inflight::catalog

#endif
