// SPDX-License-Identifier: Apache-2.0
#include "object.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <span>

namespace inflight::kernels {

namespace {

constexpr std::size_t instruction_bytes = sizeof(bpf_insn);
constexpr std::uint8_t call_code = BPF_JMP | BPF_CALL;

// Bytes of a file that may end early.
class Bytes {
public:
    explicit Bytes(std::span<const char> bytes) : bytes_(bytes) {}
    template <typename T>
    [[nodiscard]] T at(std::size_t offset) const {
        T value{};
        if (offset <= bytes_.size() && sizeof(T) <= bytes_.size() - offset) {
            std::memcpy(&value, bytes_.data() + offset, sizeof(T));
        }
        return value;
    }
    [[nodiscard]] std::span<const char> part(std::size_t offset, std::size_t length) const {
        const std::size_t from = std::min(offset, bytes_.size());
        return bytes_.subspan(from, std::min(length, bytes_.size() - from));
    }
    [[nodiscard]] std::string string(std::size_t offset) const {
        const auto rest = part(offset, bytes_.size());
        return {rest.begin(), std::ranges::find(rest, '\0')};
    }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }

private:
    std::span<const char> bytes_;
};

// Of a file that outlives it.
struct Elf {
    Bytes bytes;
    std::vector<Elf64_Shdr> headers;
    std::vector<Elf64_Sym> symbols;
    std::size_t names = 0;    // where the sections' names stand
    std::size_t strings = 0;  // and those of the symbols

    explicit Elf(const std::string& file) : bytes(file) {
        const auto head = bytes.at<Elf64_Ehdr>(0);
        for (std::size_t i = 0; i < head.e_shnum; i++) {
            headers.push_back(bytes.at<Elf64_Shdr>(head.e_shoff + i * head.e_shentsize));
        }
        names = head.e_shstrndx < headers.size() ? headers[head.e_shstrndx].sh_offset : 0;
        for (const auto& header : headers) {
            if (header.sh_type != SHT_SYMTAB || header.sh_link >= headers.size()) {
                continue;
            }
            strings = headers[header.sh_link].sh_offset;
            for (std::size_t at = 0; at < header.sh_size; at += sizeof(Elf64_Sym)) {
                symbols.push_back(bytes.at<Elf64_Sym>(header.sh_offset + at));
            }
        }
    }
    [[nodiscard]] std::string name(const Elf64_Shdr& header) const { return bytes.string(names + header.sh_name); }
    [[nodiscard]] std::span<const char> section(std::string_view wanted) const {
        for (const auto& header : headers) {
            if (name(header) == wanted) {
                return bytes.part(header.sh_offset, header.sh_size);
            }
        }
        return {};
    }
    [[nodiscard]] bool has_code(std::size_t section) const {
        return section < headers.size() && headers[section].sh_type == SHT_PROGBITS &&
               (headers[section].sh_flags & SHF_EXECINSTR) != 0;
    }
};

bool is_wide(const bpf_insn& instruction) {
    return instruction.code == (BPF_LD | BPF_IMM | BPF_DW);
}

// As bpf_object__reloc_code(): the offset is in the symbol, in the instruction, or in both.
std::optional<std::size_t> target_of(const bpf_insn& instruction, std::uint64_t symbol_bytes) {
    const std::size_t start = symbol_bytes / instruction_bytes;
    if (instruction.code == call_code && instruction.src_reg == BPF_PSEUDO_CALL) {
        return start + static_cast<std::size_t>(instruction.imm + 1);
    }
    if (is_wide(instruction)) {
        return start + static_cast<std::size_t>(instruction.imm) / instruction_bytes;
    }
    return std::nullopt;
}

std::vector<Section> read_code(const Elf& elf) {
    std::vector<Section> sections(elf.headers.size());
    for (std::size_t i = 0; i < sections.size(); i++) {
        if (elf.has_code(i)) {
            const auto bytes = elf.bytes.part(elf.headers[i].sh_offset, elf.headers[i].sh_size);
            sections[i].name = elf.name(elf.headers[i]);
            sections[i].code.resize(bytes.size() / instruction_bytes);
            std::memcpy(sections[i].code.data(), bytes.data(), sections[i].code.size() * instruction_bytes);
        }
    }
    return sections;
}

std::map<Position, Position> read_functions(const Elf& elf, const std::vector<Section>& sections) {
    std::map<Position, Position> functions;
    std::set<Position> relocated;  // the kernel's own functions too
    for (const auto& header : elf.headers) {
        const std::size_t in = header.sh_info;
        for (std::size_t at = 0; header.sh_type == SHT_REL && elf.has_code(in) && at < header.sh_size;
             at += sizeof(Elf64_Rel)) {
            const auto relocation = elf.bytes.at<Elf64_Rel>(header.sh_offset + at);
            const std::size_t which = ELF64_R_SYM(relocation.r_info);
            const std::size_t instruction = relocation.r_offset / instruction_bytes;
            relocated.insert({in, instruction});
            if (which >= elf.symbols.size() || instruction >= sections[in].code.size() ||
                !elf.has_code(elf.symbols[which].st_shndx)) {
                continue;
            }
            const auto& symbol = elf.symbols[which];
            if (const auto target = target_of(sections[in].code[instruction], symbol.st_value)) {
                functions[{in, instruction}] = {symbol.st_shndx, *target};
            }
        }
    }
    // Inside of one section there may be no relocation.
    for (std::size_t in = 0; in < sections.size(); in++) {
        for (std::size_t i = 0; i < sections[in].code.size(); i++) {
            const auto& instruction = sections[in].code[i];
            if (instruction.code == call_code && instruction.src_reg == BPF_PSEUDO_CALL &&
                !relocated.contains({in, i})) {
                functions.try_emplace({in, i}, in, i + static_cast<std::size_t>(instruction.imm + 1));
            }
        }
    }
    return functions;
}

// struct btf_ext_header and what follows it: for each section the records of struct bpf_core_relo.
Result<std::map<Position, Asked>> read_asked(const Elf& elf, const std::vector<Section>& sections, const Types& types) {
    std::map<Position, Asked> all;
    const auto part = elf.section(".BTF.ext");
    const Bytes ext(part);
    const std::size_t start = ext.at<std::uint32_t>(4) + std::size_t{ext.at<std::uint32_t>(24)};
    const std::size_t end = std::min(start + ext.at<std::uint32_t>(28), ext.size());
    const std::size_t record_bytes = ext.at<std::uint32_t>(start);
    if (part.empty() || record_bytes < sizeof(bpf_core_relo)) {
        return failure("read relocations", "the object has none", "build it with -g and preserve_access_index");
    }
    for (std::size_t at = start + 4; at < end;) {
        const auto name = types.string(ext.at<std::uint32_t>(at));
        const std::size_t count = ext.at<std::uint32_t>(at + 4);
        const auto section = std::ranges::find(sections, name, &Section::name);
        at += 8;
        for (std::size_t i = 0; i < count && at < end; i++, at += record_bytes) {
            const auto record = ext.at<bpf_core_relo>(at);
            auto asked = ask(types, record.type_id, types.string(record.access_str_off), record.kind);
            if (!asked) {
                return std::unexpected(asked.error());
            }
            if (section != sections.end()) {
                const auto index = static_cast<std::size_t>(section - sections.begin());
                all.emplace(Position{index, record.insn_off / instruction_bytes}, std::move(*asked));
            }
        }
    }
    return all;
}

}  // namespace

Result<Object> Object::read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const Elf elf(bytes);
    auto types = Types::parse(elf.section(".BTF"));
    if (!types) {
        return failure("read " + path, "it is not there, or has no types", "build it first");
    }
    Object object;
    object.types_ = std::move(*types);
    object.sections_ = read_code(elf);
    object.functions_ = read_functions(elf, object.sections_);
    auto asked = read_asked(elf, object.sections_, object.types_);
    if (!asked) {
        return std::unexpected(asked.error());
    }
    object.asked_ = std::move(*asked);
    for (const auto& symbol : elf.symbols) {
        const std::size_t in = symbol.st_shndx;
        if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || !elf.has_code(in)) {
            continue;
        }
        const Position start{in, symbol.st_value / instruction_bytes};
        object.lengths_[start] = symbol.st_size / instruction_bytes;
        if (object.sections_[in].name != ".text") {
            object.programs_.push_back(
                {elf.bytes.string(elf.strings + symbol.st_name), object.sections_[in].name, start});
        }
    }
    return object;
}

std::map<Position, const Asked*> Object::asked_by(const Program& program) const {
    std::map<Position, const Asked*> all;
    std::set<Position> seen{program.start};
    std::vector<Position> due{program.start};
    while (!due.empty()) {
        const Position start = due.back();
        due.pop_back();
        const auto length = lengths_.find(start);
        const Position end{start.section, start.instruction + (length == lengths_.end() ? 0 : length->second)};
        for (auto each = asked_.lower_bound(start); each != asked_.end() && each->first < end; ++each) {
            all.emplace(each->first, &each->second);
        }
        for (auto each = functions_.lower_bound(start); each != functions_.end() && each->first < end; ++each) {
            if (seen.insert(each->second).second) {
                due.push_back(each->second);
            }
        }
    }
    return all;
}

}  // namespace inflight::kernels
