// SPDX-License-Identifier: Apache-2.0
// The types of a kernel or of a BPF object, and what a CO-RE relocation of the object means on the kernel: the same
// rules as libbpf's (src/relo_core.c), which applies them only while it loads and only on the kernel that runs.
#pragma once

#include "base/result.hpp"

#include <bpf/btf.h>
#include <linux/bpf.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::kernels {

class Types {
public:
    [[nodiscard]] static Result<Types> parse(std::span<const char> bytes);
    [[nodiscard]] static Result<Types> read(const std::string& path);

    [[nodiscard]] std::uint32_t count() const { return btf__type_cnt(btf_.get()); }
    [[nodiscard]] const btf_type& at(std::uint32_t id) const { return *btf__type_by_id(btf_.get(), id); }
    [[nodiscard]] std::string_view string(std::uint32_t offset) const;
    [[nodiscard]] std::string_view name(std::uint32_t id) const { return string(at(id).name_off); }
    // Types by what their names begin with, see essential_name().
    [[nodiscard]] std::span<const std::uint32_t> named(std::string_view essential) const;
    // Without qualifiers and typedefs.
    [[nodiscard]] std::uint32_t plain(std::uint32_t id) const;
    [[nodiscard]] std::uint64_t size(std::uint32_t id) const;
    // "struct io_ring_ctx *"; qualifiers are left out.
    [[nodiscard]] std::string text(std::uint32_t id) const;
    // "int (struct kioctx *, bool)" of a function; of a tracepoint without the first argument, which belongs to the
    // program. nullopt: there is none of that name.
    [[nodiscard]] std::optional<std::string> function(std::string_view name) const;
    [[nodiscard]] std::optional<std::string> tracepoint(std::string_view name) const;
    // Whether an enumeration, whichever, has a constant of that name.
    [[nodiscard]] bool has_constant(std::string_view name) const;
    [[nodiscard]] unsigned arguments_of_tracepoint(std::string_view name) const;
    [[nodiscard]] unsigned arguments_of_function(std::string_view name) const;

private:
    struct Deleter {
        void operator()(btf* types) const { btf__free(types); }
    };
    [[nodiscard]] std::optional<std::uint32_t> function_prototype(std::string_view name) const;
    [[nodiscard]] std::optional<std::uint32_t> tracepoint_prototype(std::string_view name) const;
    [[nodiscard]] std::string prototype(std::uint32_t id, std::size_t first) const;

    std::unique_ptr<btf, Deleter> btf_;
    std::map<std::string_view, std::vector<std::uint32_t>> by_name_;
};

// "io_kiocb" of "io_kiocb___task": three underscores begin what tells our own cuts of one structure apart.
[[nodiscard]] std::string_view essential_name(std::string_view name);

struct Accessor {
    std::uint32_t type = 0;   // of which this is a member or an element
    std::uint32_t index = 0;  // of the member or element
    bool is_named = false;    // a member with a name, else an element of an array
};

// What a relocation asks for, in the object's own types.
struct Asked {
    std::uint32_t root = 0;
    bpf_core_relo_kind kind{};
    std::vector<Accessor> path;
    std::uint32_t type = 0;  // of the last member
    std::string text;        // "io_ring_ctx.file_table.data.nr", or of a type its name
    bool is_bit_field = false;
};
[[nodiscard]] Result<Asked> ask(const Types& object, std::uint32_t type, std::string_view access,
                                bpf_core_relo_kind kind);

struct Answer {
    enum class State : std::uint8_t {
        found,
        absent,
        ambiguous,  // several types of that name, which disagree: libbpf refuses
        unknown,    // the reduced types were made without this structure's members
    };
    State state = State::absent;
    std::optional<std::uint64_t> value = std::nullopt;  // what the instruction gets, where it is simple
    std::uint64_t bit_offset = 0;
    std::uint64_t size = 0;  // of a field, in bytes
    bool is_number = false;  // a number, an enumeration or a pointer
    bool is_signed = false;
};
[[nodiscard]] Answer answer(const Types& object, const Asked& asked, const Types& kernel);

// Whether the answer 0 is as good as any.
[[nodiscard]] constexpr bool asks_whether_it_exists(bpf_core_relo_kind kind) {
    return kind == BPF_CORE_FIELD_EXISTS || kind == BPF_CORE_TYPE_EXISTS || kind == BPF_CORE_ENUMVAL_EXISTS;
}

}  // namespace inflight::kernels
