// SPDX-License-Identifier: Apache-2.0
#include "header_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

namespace inflight::test {

namespace {

std::string text_of(const std::filesystem::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

// Comments and continued lines go; a comment may separate two words.
std::string without_comments(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text.substr(at).starts_with("/*")) {
            const std::size_t end = text.find("*/", at + 2);
            at = end == std::string_view::npos ? text.size() : end + 1;
            out += ' ';
        } else if (text.substr(at).starts_with("//")) {
            at = std::min(text.find('\n', at), text.size()) - 1;
        } else if (text.substr(at).starts_with("\\\n")) {
            at++;
        } else {
            out += text[at];
        }
    }
    return out;
}

bool is_word(char each) {
    return std::isalnum(static_cast<unsigned char>(each)) != 0 || each == '_';
}

std::vector<std::string> tokens_of(std::string_view text) {
    std::vector<std::string> tokens;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t length = 1;
        if (std::isspace(static_cast<unsigned char>(text[at])) != 0) {
            at++;
            continue;
        }
        if (is_word(text[at])) {
            while (at + length < text.size() && is_word(text[at + length])) {
                length++;
            }
        } else if (text[at] == '\'' && at + 2 < text.size() && text[at + 2] == '\'') {
            length = 3;
        } else if (text.substr(at).starts_with("<<")) {
            length = 2;
        }
        tokens.emplace_back(text.substr(at, length));
        at += length;
    }
    return tokens;
}

// What the third argument of _IOR() and its like names, in bytes.
std::optional<std::uint64_t> bytes_of_type(std::string_view type) {
    struct Known {
        std::string_view type;
        std::uint64_t bytes;
    };
    static constexpr Known known[] = {
        {"ublksrv_ctrl_cmd", 32}, {"ublksrv_io_cmd", 16}, {"ublk_batch_io", 16}, {"nvme_uring_cmd", 72}};
    const auto* const found = std::ranges::find(known, type, &Known::type);
    return found == std::end(known) ? std::nullopt : std::optional(found->bytes);
}

// A constant expression of |, <<, -, ~, casts, parentheses, numbers, names and _IO*().
class Expression {
public:
    Expression(std::vector<std::string> tokens, const std::map<std::string, std::uint64_t>& known)
        : tokens_(std::move(tokens)), known_(known) {}

    std::optional<std::uint64_t> value() {
        const auto result = alternatives();
        return at_ == tokens_.size() ? result : std::nullopt;
    }

private:
    [[nodiscard]] std::string_view next() const {
        return at_ < tokens_.size() ? std::string_view(tokens_[at_]) : std::string_view();
    }
    bool take(std::string_view token) {
        const bool there = next() == token;
        at_ += there ? 1 : 0;
        return there;
    }

    std::optional<std::uint64_t> alternatives() {
        auto left = shifted();
        while (left && take("|")) {
            const auto right = shifted();
            left = right ? std::optional(*left | *right) : std::nullopt;
        }
        return left;
    }
    std::optional<std::uint64_t> shifted() {
        auto left = sum();
        while (left && take("<<")) {
            const auto right = sum();
            left = right && *right < 64 ? std::optional(*left << *right) : std::nullopt;
        }
        return left;
    }
    std::optional<std::uint64_t> sum() {
        auto left = single();
        while (left && (next() == "+" || next() == "-")) {
            const bool plus = take("+") || !take("-");
            const auto right = single();
            left = right ? std::optional(plus ? *left + *right : *left - *right) : std::nullopt;
        }
        return left;
    }
    std::optional<std::uint64_t> single() {
        if (take("~")) {
            const auto value = single();
            return value ? std::optional(~*value) : std::nullopt;
        }
        if (take("-")) {
            const auto value = single();
            return value ? std::optional(-*value) : std::nullopt;
        }
        if (take("(")) {
            if (next().starts_with("__") && at_ + 1 < tokens_.size() && tokens_[at_ + 1] == ")") {
                at_ += 2;  // a cast
                return single();
            }
            const auto value = alternatives();
            return take(")") ? value : std::nullopt;
        }
        return word();
    }
    std::optional<std::uint64_t> word() {
        const std::string token(next());
        at_++;
        if (token.size() == 3 && token.front() == '\'') {
            return static_cast<unsigned char>(token[1]);
        }
        if (token == "_IO" || token == "_IOR" || token == "_IOW" || token == "_IOWR") {
            return ioctl_number(token);
        }
        if (!token.empty() && std::isdigit(static_cast<unsigned char>(token.front())) != 0) {
            char* end = nullptr;
            const std::uint64_t value = std::strtoull(token.c_str(), &end, 0);
            return std::string_view(end).find_first_not_of("uUlL") == std::string_view::npos ? std::optional(value)
                                                                                             : std::nullopt;
        }
        const auto found = known_.find(token);
        return found == known_.end() ? std::nullopt : std::optional(found->second);
    }
    // include/uapi/asm-generic/ioctl.h
    std::optional<std::uint64_t> ioctl_number(std::string_view name) {
        std::optional<std::uint64_t> bytes = 0;
        const auto type = take("(") ? alternatives() : std::nullopt;
        const auto number = take(",") ? alternatives() : std::nullopt;
        if (name != "_IO") {
            bytes.reset();
            if (take(",") && take("struct")) {
                bytes = bytes_of_type(next());
                at_++;
            }
        }
        const std::uint64_t direction = name == "_IO" ? 0 : name == "_IOW" ? 1 : name == "_IOR" ? 2 : 3;
        return take(")") && type && number && bytes
                   ? std::optional(direction << 30U | *bytes << 16U | *type << 8U | *number)
                   : std::nullopt;
    }

    std::vector<std::string> tokens_;
    const std::map<std::string, std::uint64_t>& known_;
    std::size_t at_ = 0;
};

// "NAME = expression" or "NAME": the member after `last`.
struct Member {
    std::string name;
    std::optional<std::uint64_t> value;
};
Member member_of(std::string_view text, std::optional<std::uint64_t> last,
                 const std::map<std::string, std::uint64_t>& known) {
    auto tokens = tokens_of(text);
    if (tokens.empty()) {
        return {};
    }
    Member member{.name = tokens.front(), .value = last ? std::optional(*last + 1) : std::nullopt};
    if (tokens.size() > 2 && tokens[1] == "=") {
        tokens.erase(tokens.begin(), tokens.begin() + 2);
        member.value = Expression(std::move(tokens), known).value();
    }
    return member;
}

}  // namespace

std::vector<HeaderName> Headers::names_of(const std::string& file) {
    std::vector<HeaderName> names;
    const auto add = [&](const std::string& name, std::optional<std::uint64_t> value) {
        if (value) {
            known_[name] = *value;
        }
        names.push_back({.name = name, .value = value, .file = file});
    };
    struct Macro {
        std::string name;
        std::vector<std::string> expansion;
    };
    std::vector<Macro> macros;
    std::string rest;
    std::istringstream lines(without_comments(text_of(folder_ / file)));
    for (std::string line; std::getline(lines, line);) {
        auto tokens = tokens_of(line);
        if (tokens.size() < 2 || tokens[0] != "#") {
            rest += line + "\n";
            continue;
        }
        // A guard has no expansion, and a macro with arguments has its parenthesis right behind the name.
        if (tokens[1] == "define" && tokens.size() > 3 && line.find(tokens[2] + "(") == std::string::npos) {
            macros.push_back({.name = tokens[2], .expansion = {tokens.begin() + 3, tokens.end()}});
        }
    }
    // A macro may be made of members of an enum, and a member of macros.
    const auto note_macros = [&] {
        for (const Macro& macro : macros) {
            if (const auto value = Expression(macro.expansion, known_).value()) {
                known_[macro.name] = *value;
            }
        }
    };
    note_macros();
    for (std::size_t at = rest.find("enum"); at != std::string::npos; at = rest.find("enum", at + 1)) {
        const std::size_t open = rest.find_first_of("{;", at);
        const std::size_t close = rest.find('}', at);
        if (open == std::string::npos || close == std::string::npos || rest[open] == ';') {
            continue;
        }
        std::optional<std::uint64_t> last = ~std::uint64_t{0};
        std::istringstream members(rest.substr(open + 1, close - open - 1));
        for (std::string text; std::getline(members, text, ',');) {
            const Member member = member_of(text, last, known_);
            if (!member.name.empty()) {
                add(member.name, member.value);
                last = member.value;
            }
        }
    }
    for (const Macro& macro : macros) {
        add(macro.name, Expression(macro.expansion, known_).value());
    }
    return names;
}

std::string Headers::version() const {
    Headers version(folder_);
    for (const HeaderName& each : version.names_of("linux/version.h")) {
        if (each.name == "LINUX_VERSION_CODE" && each.value) {
            return fmt::format("{}.{}.{}", *each.value >> 16U, *each.value >> 8U & 0xffU, *each.value & 0xffU);
        }
    }
    return "of an unknown version";
}

Headers newest_headers() {
    const char* const asked = std::getenv("INFLIGHT_KERNEL_HEADERS");
    for (const std::filesystem::path& folder :
         {std::filesystem::path(asked == nullptr ? "" : asked), std::filesystem::path(INFLIGHT_FETCHED_HEADERS)}) {
        if (std::filesystem::exists(folder / "linux/io_uring.h")) {
            return Headers(folder);
        }
    }
    return Headers("/usr/include");
}

}  // namespace inflight::test
