// SPDX-License-Identifier: Apache-2.0
#include "types.hpp"

#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>

namespace inflight::kernels {

namespace {

constexpr int most_nested = 32;  // anonymous structures in each other, typedefs of typedefs

bool is_enumeration(const btf_type& type) {
    return btf_is_any_enum(&type);
}
bool has_same_kind(const btf_type& one, const btf_type& other) {
    return btf_kind(&one) == btf_kind(&other) || (is_enumeration(one) && is_enumeration(other));
}

// bpf_core_fields_are_compat(): whether the kernel's member can be taken for ours.
bool are_compatible(const Types& object, std::uint32_t ours, const Types& kernel, std::uint32_t theirs) {
    for (int depth = 0; depth < most_nested; depth++) {
        ours = object.plain(ours);
        theirs = kernel.plain(theirs);
        const auto& one = object.at(ours);
        const auto& other = kernel.at(theirs);
        if (btf_is_composite(&one) && btf_is_composite(&other)) {
            return true;
        }
        if (!has_same_kind(one, other)) {
            return false;
        }
        switch (btf_kind(&one)) {
            case BTF_KIND_PTR:
            case BTF_KIND_FLOAT:
                return true;
            case BTF_KIND_FWD:
            case BTF_KIND_ENUM:
            case BTF_KIND_ENUM64: {
                const auto left = essential_name(object.name(ours));
                const auto right = essential_name(kernel.name(theirs));
                return left.empty() || right.empty() || left == right;
            }
            case BTF_KIND_INT:
                return btf_int_offset(&one) == 0 && btf_int_offset(&other) == 0;
            case BTF_KIND_ARRAY:
                ours = btf_array(&one)->type;
                theirs = btf_array(&other)->type;
                break;
            default:
                return false;
        }
    }
    return false;
}

struct Place {
    std::uint32_t type = 0;
    std::uint64_t bit_offset = 0;
    std::uint32_t bits = 0;  // of a bit-field
};
enum class Found : std::uint8_t { yes, no, unknown };

// bpf_core_match_member(): anonymous structures are looked into.
Found find_member(const Types& kernel, std::uint32_t in, std::string_view wanted, Place& place, int depth) {
    const std::uint32_t composite = kernel.plain(in);
    const auto& type = kernel.at(composite);
    if (!btf_is_composite(&type) || depth == 0) {
        return Found::no;
    }
    // What reduce-btf keeps of a structure that it was not asked for.
    if (btf_vlen(&type) == 0 && type.size > 0) {
        return Found::unknown;
    }
    for (std::uint32_t i = 0; i < btf_vlen(&type); i++) {
        const auto& member = btf_members(&type)[i];
        const auto name = kernel.string(member.name_off);
        const std::uint64_t offset = place.bit_offset + btf_member_bit_offset(&type, i);
        if (name.empty()) {
            Place inner{member.type, offset, 0};
            if (const auto found = find_member(kernel, member.type, wanted, inner, depth - 1); found != Found::no) {
                place = inner;
                return found;
            }
        } else if (name == wanted) {
            place = {member.type, offset, btf_member_bitfield_size(&type, i)};
            return Found::yes;
        }
    }
    return Found::no;
}

std::optional<std::uint64_t> value_of(bpf_core_relo_kind kind, const Answer& field, bool is_bit_field) {
    switch (kind) {
        case BPF_CORE_FIELD_EXISTS:
        case BPF_CORE_TYPE_EXISTS:
        case BPF_CORE_ENUMVAL_EXISTS:
            return 1;
        case BPF_CORE_FIELD_BYTE_OFFSET:
            return is_bit_field ? std::nullopt : std::optional<std::uint64_t>(field.bit_offset / 8);
        case BPF_CORE_FIELD_BYTE_SIZE:
            return is_bit_field ? std::nullopt : std::optional<std::uint64_t>(field.size);
        case BPF_CORE_TYPE_SIZE:
            return field.size;
        default:
            return std::nullopt;
    }
}

// bpf_core_spec_match() and bpf_core_calc_field_relo() for one of the kernel's types.
Answer field_of(const Types& object, const Asked& asked, const Types& kernel, std::uint32_t root) {
    Place place{root, 0, 0};
    // The first index is that of an array of roots.
    place.bit_offset = asked.path.front().index * kernel.size(root) * 8;
    for (std::size_t i = 1; i < asked.path.size(); i++) {
        const auto& step = asked.path[i];
        const auto& ours = object.at(step.type);
        if (step.is_named) {
            const auto& member = btf_members(&ours)[step.index];
            const auto found = find_member(kernel, place.type, object.string(member.name_off), place, most_nested);
            if (found == Found::unknown) {
                return {.state = Answer::State::unknown};
            }
            if (found == Found::no || !are_compatible(object, member.type, kernel, place.type)) {
                return {};
            }
            continue;
        }
        const std::uint32_t array = kernel.plain(place.type);
        if (!btf_is_array(&kernel.at(array))) {
            return {};
        }
        const auto& theirs = *btf_array(&kernel.at(array));
        // An array of no elements stands at the end of a structure and has as many as there are.
        if (theirs.nelems != 0 && step.index >= theirs.nelems) {
            return {};
        }
        place.type = theirs.type;
        place.bit_offset += step.index * kernel.size(theirs.type) * 8;
        place.bits = 0;
    }
    const std::uint32_t last = kernel.plain(place.type);
    const auto& type = kernel.at(last);
    Answer field{.state = Answer::State::found,
                 .value = std::nullopt,
                 .bit_offset = place.bit_offset,
                 .size = kernel.size(last),
                 .is_number = btf_is_int(&type) || btf_is_ptr(&type) || is_enumeration(type),
                 .is_signed = btf_is_int(&type) && (btf_int_encoding(&type) & BTF_INT_SIGNED) != 0};
    field.value = value_of(asked.kind, field, place.bits != 0);
    return field;
}

Answer value_of_enumeration(const Types& object, const Asked& asked, const Types& kernel, std::uint32_t root) {
    const auto& ours = object.at(asked.root);
    const auto wanted =
        essential_name(object.string(btf_is_enum(&ours) ? btf_enum(&ours)[asked.path.front().index].name_off
                                                        : btf_enum64(&ours)[asked.path.front().index].name_off));
    const auto& theirs = kernel.at(root);
    for (std::uint32_t i = 0; i < btf_vlen(&theirs); i++) {
        const auto name = btf_is_enum(&theirs) ? btf_enum(&theirs)[i].name_off : btf_enum64(&theirs)[i].name_off;
        if (essential_name(kernel.string(name)) == wanted) {
            Answer value{.state = Answer::State::found, .value = 1};
            if (asked.kind == BPF_CORE_ENUMVAL_VALUE) {
                value.value = btf_is_enum(&theirs) ? static_cast<std::uint64_t>(btf_enum(&theirs)[i].val)
                                                   : btf_enum64_value(&btf_enum64(&theirs)[i]);
            }
            return value;
        }
    }
    return {};
}

bool is_about_field(bpf_core_relo_kind kind) {
    return kind <= BPF_CORE_FIELD_RSHIFT_U64;
}
bool is_about_value(bpf_core_relo_kind kind) {
    return kind == BPF_CORE_ENUMVAL_EXISTS || kind == BPF_CORE_ENUMVAL_VALUE;
}

Answer answer_of(const Types& object, const Asked& asked, const Types& kernel, std::uint32_t root) {
    if (is_about_field(asked.kind)) {
        return field_of(object, asked, kernel, root);
    }
    if (is_about_value(asked.kind)) {
        return value_of_enumeration(object, asked, kernel, root);
    }
    Answer type{.state = Answer::State::found, .value = std::nullopt, .bit_offset = 0, .size = kernel.size(root)};
    type.value = value_of(asked.kind, type, false);
    return type;
}

}  // namespace

std::string_view essential_name(std::string_view name) {
    const auto flavour = name.rfind("___");
    return flavour == std::string_view::npos || flavour == 0 ? name : name.substr(0, flavour);
}

Result<Types> Types::parse(std::span<const char> bytes) {
    Types types;
    types.btf_.reset(btf__new(bytes.data(), static_cast<__u32>(bytes.size())));
    if (!types.btf_) {
        return failure("read types", describe_errno(errno), "make them again with tests/kernels/reduce-btf");
    }
    for (std::uint32_t id = 1; id < types.count(); id++) {
        types.by_name_[essential_name(types.name(id))].push_back(id);
    }
    return types;
}

std::span<const std::uint32_t> Types::named(std::string_view essential) const {
    const auto found = by_name_.find(essential);
    return found == by_name_.end() ? std::span<const std::uint32_t>() : std::span(found->second);
}

Result<Types> Types::read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (bytes.empty()) {
        return failure("read " + path, "it is empty or not there", "make it with tests/kernels/reduce-btf");
    }
    return parse(bytes);
}

std::string_view Types::string(std::uint32_t offset) const {
    const char* text = btf__name_by_offset(btf_.get(), offset);
    return text == nullptr ? "" : text;
}

std::uint32_t Types::plain(std::uint32_t id) const {
    for (int depth = 0; depth < most_nested && (btf_is_mod(&at(id)) || btf_is_typedef(&at(id))); depth++) {
        id = at(id).type;
    }
    return id;
}

std::uint64_t Types::size(std::uint32_t id) const {
    const auto size = btf__resolve_size(btf_.get(), id);
    return size < 0 ? 0 : static_cast<std::uint64_t>(size);
}

std::string Types::text(std::uint32_t id) const {
    for (int depth = 0; depth < most_nested && btf_is_mod(&at(id)); depth++) {
        id = at(id).type;
    }
    const auto& type = at(id);
    std::string own(name(id));
    switch (btf_kind(&type)) {
        case BTF_KIND_UNKN:
            return "void";
        case BTF_KIND_PTR: {
            std::string pointee = text(type.type);
            return pointee += pointee.ends_with('*') ? "*" : " *";
        }
        case BTF_KIND_STRUCT:
            return "struct " + own;
        case BTF_KIND_UNION:
            return "union " + own;
        case BTF_KIND_FWD:
            return (btf_kflag(&type) ? "union " : "struct ") + own;
        case BTF_KIND_ENUM:
        case BTF_KIND_ENUM64:
            return "enum " + own;
        case BTF_KIND_FUNC_PROTO:
            return "function";
        case BTF_KIND_ARRAY:
            return text(btf_array(&type)->type) + "[]";
        default:
            return own;
    }
}

std::optional<std::uint32_t> Types::function_prototype(std::string_view name) const {
    const auto id = btf__find_by_name_kind(btf_.get(), std::string(name).c_str(), BTF_KIND_FUNC);
    return id < 0 ? std::nullopt : std::optional<std::uint32_t>(at(static_cast<std::uint32_t>(id)).type);
}

std::optional<std::uint32_t> Types::tracepoint_prototype(std::string_view name) const {
    const std::string types_name = "btf_trace_" + std::string(name);
    const auto id = btf__find_by_name_kind(btf_.get(), types_name.c_str(), BTF_KIND_TYPEDEF);
    return id < 0 ? std::nullopt : std::optional<std::uint32_t>(at(at(static_cast<std::uint32_t>(id)).type).type);
}

std::string Types::prototype(std::uint32_t id, std::size_t first) const {
    const auto& type = at(id);
    std::string arguments;
    for (std::size_t i = first; i < btf_vlen(&type); i++) {
        arguments += arguments.empty() ? "" : ", ";
        arguments += text(btf_params(&type)[i].type);
    }
    return text(type.type) + " (" + arguments + ")";
}

std::optional<std::string> Types::function(std::string_view name) const {
    const auto id = function_prototype(name);
    return id ? std::optional(prototype(*id, 0)) : std::nullopt;
}

std::optional<std::string> Types::tracepoint(std::string_view name) const {
    const auto id = tracepoint_prototype(name);
    return id ? std::optional(prototype(*id, 1)) : std::nullopt;
}

bool Types::has_constant(std::string_view name) const {
    for (std::uint32_t id = 1; id < count(); id++) {
        const auto& type = at(id);
        for (std::uint32_t i = 0; is_enumeration(type) && i < btf_vlen(&type); i++) {
            if (string(btf_is_enum(&type) ? btf_enum(&type)[i].name_off : btf_enum64(&type)[i].name_off) == name) {
                return true;
            }
        }
    }
    return false;
}

unsigned Types::arguments_of_function(std::string_view name) const {
    const auto id = function_prototype(name);
    return id ? btf_vlen(&at(*id)) : 0U;
}

unsigned Types::arguments_of_tracepoint(std::string_view name) const {
    const auto id = tracepoint_prototype(name);
    return id ? btf_vlen(&at(*id)) - 1U : 0U;
}

Result<Asked> ask(const Types& object, std::uint32_t type, std::string_view access, bpf_core_relo_kind kind) {
    const auto broken = [&](std::string_view why) {
        return failure("read a relocation", std::string(why), "look whether the object was built by clang");
    };
    std::vector<std::uint32_t> indexes;
    for (const char *at = access.data(), *const end = access.data() + access.size(); at < end;) {
        std::uint32_t index = 0;
        const auto [after, error] = std::from_chars(at, end, index);
        if (error != std::errc{}) {
            return broken("its access string is no list of numbers");
        }
        indexes.push_back(index);
        at = after + 1;
    }
    if (indexes.empty()) {
        return broken("its access string is empty");
    }
    Asked asked{.root = type, .kind = kind, .path = {}, .type = type, .text = {}};
    asked.text = essential_name(object.name(type));
    if (!is_about_field(kind)) {
        asked.path.push_back({.type = type, .index = indexes.front()});
        return asked;
    }
    asked.root = asked.type = object.plain(type);
    asked.text = essential_name(object.name(asked.root));
    asked.path.push_back({.type = asked.root, .index = indexes.front()});
    for (const auto index : std::span(indexes).subspan(1)) {
        const std::uint32_t in = object.plain(asked.type);
        const auto& composite = object.at(in);
        if (btf_is_array(&composite)) {
            asked.path.push_back({.type = in, .index = index});
            asked.type = btf_array(&composite)->type;
            asked.text += "[" + std::to_string(index) + "]";
            continue;
        }
        if (!btf_is_composite(&composite) || index >= btf_vlen(&composite)) {
            return broken("its access string leads to no member");
        }
        const auto& member = btf_members(&composite)[index];
        const auto name = object.string(member.name_off);
        asked.type = member.type;
        asked.is_bit_field = btf_member_bitfield_size(&composite, index) != 0;
        // An anonymous structure is no step: the kernel's may have the member elsewhere.
        if (!name.empty()) {
            asked.path.push_back({.type = in, .index = index, .is_named = true});
            asked.text += "." + std::string(name);
        }
    }
    return asked;
}

Answer answer(const Types& object, const Asked& asked, const Types& kernel) {
    const auto& ours = object.at(asked.root);
    const auto wanted = essential_name(object.name(asked.root));
    std::optional<Answer> so_far;
    for (const std::uint32_t id : kernel.named(wanted)) {
        if (!has_same_kind(kernel.at(id), ours)) {
            continue;
        }
        auto one = answer_of(object, asked, kernel, id);
        if (one.state == Answer::State::unknown) {
            return one;
        }
        if (one.state != Answer::State::found) {
            continue;
        }
        if (so_far && (so_far->bit_offset != one.bit_offset || so_far->value != one.value)) {
            return {.state = Answer::State::ambiguous};
        }
        so_far = so_far.value_or(one);
    }
    if (so_far) {
        return *so_far;
    }
    return {.state = Answer::State::absent,
            .value = asks_whether_it_exists(asked.kind) ? std::optional<std::uint64_t>(0) : std::nullopt};
}

}  // namespace inflight::kernels
