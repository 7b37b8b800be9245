// SPDX-License-Identifier: Apache-2.0
// Recursive descent over:
//   or   := and ("or" and)*          and := unary ("and" unary)*
//   unary := "not" unary | "(" or ")" | "known" "(" FIELD ")" | FIELD OPERATOR VALUE | FIELD (a boolean one)
#include "model/where.hpp"

#include "model/where_numbers.hpp"

#include <fmt/format.h>
#include <fnmatch.h>
#include <re2/re2.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <string>
#include <vector>

namespace inflight::model {

namespace {

enum class Comparison : std::uint8_t { equal, unequal, less, at_most, more, at_least, glob, no_glob, regex };

struct OperatorName {
    std::string_view text;
    Comparison comparison;
};

// Longer ones before their beginnings.
constexpr auto operators = std::to_array<OperatorName>({{"==", Comparison::equal},
                                                        {"=~", Comparison::regex},
                                                        {"!=", Comparison::unequal},
                                                        {"!~", Comparison::no_glob},
                                                        {"<=", Comparison::at_most},
                                                        {">=", Comparison::at_least},
                                                        {"=", Comparison::equal},
                                                        {"<", Comparison::less},
                                                        {">", Comparison::more},
                                                        {"~", Comparison::glob}});

constexpr int max_depth = 100;

enum class TokenKind : std::uint8_t { end, word, quoted, comparison, open, close, not_, and_, or_ };

struct Token {
    TokenKind kind = TokenKind::end;
    std::string text;
    std::size_t column = 0;  // of its first byte, from 0
    Comparison comparison = Comparison::equal;
};

bool is_word_byte(char byte) {
    constexpr std::string_view others = "_-./:*?[]+@%,";
    return std::isalnum(static_cast<unsigned char>(byte)) != 0 || (static_cast<unsigned char>(byte) & 0x80U) != 0 ||
           others.contains(byte);
}

}  // namespace

struct Where::Node {
    enum class Kind : std::uint8_t { all_of, any_of, negation, known, truth, number, text };
    Kind kind = Kind::truth;
    std::vector<std::shared_ptr<const Node>> parts;
    const WhereField* field = nullptr;
    Comparison comparison = Comparison::equal;
    WideNumber number = 0;
    std::string text;
    std::unique_ptr<const RE2> regex;

    [[nodiscard]] bool holds(const WhereSubject& subject) const;
    [[nodiscard]] bool text_holds(const std::string& value) const;
};

namespace {

template <typename Value>
bool compare(const Value& left, Comparison comparison, const Value& right) {
    switch (comparison) {
        case Comparison::equal:
            return left == right;
        case Comparison::unequal:
            return left != right;
        case Comparison::less:
            return left < right;
        case Comparison::at_most:
            return left <= right;
        case Comparison::more:
            return left > right;
        case Comparison::at_least:
            return left >= right;
        default:
            return false;
    }
}

}  // namespace

bool Where::Node::text_holds(const std::string& value) const {
    switch (comparison) {
        case Comparison::glob:
            return ::fnmatch(text.c_str(), value.c_str(), 0) == 0;
        case Comparison::no_glob:
            return ::fnmatch(text.c_str(), value.c_str(), 0) != 0;
        case Comparison::regex:
            return RE2::PartialMatch(value, *regex);
        default:
            return compare(value, comparison, text);
    }
}

bool Where::Node::holds(const WhereSubject& subject) const {
    const auto part_holds = [&subject](const auto& part) { return part->holds(subject); };
    switch (kind) {
        case Kind::all_of:
            return std::ranges::all_of(parts, part_holds);
        case Kind::any_of:
            return std::ranges::any_of(parts, part_holds);
        case Kind::negation:
            return !parts.front()->holds(subject);
        case Kind::known:
            return field->number != nullptr ? field->number(subject).has_value() : field->text(subject).has_value();
        case Kind::truth:
            return field->number(subject).value_or(0) != 0;
        case Kind::number: {
            const auto value = field->number(subject);
            return value && compare(*value, comparison, number);
        }
        case Kind::text: {
            const auto value = field->text(subject);
            return value && text_holds(*value);
        }
    }
    return false;
}

namespace {

using NodePtr = std::shared_ptr<const Where::Node>;
using Kind = Where::Node::Kind;

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<NodePtr> parse() {
        if (auto tokens = tokenize(); !tokens) {
            return std::unexpected(tokens.error());
        }
        auto root = any_of();
        if (root && peek().kind != TokenKind::end) {
            return wrong(peek(), fmt::format("'{}' cannot stand here: join conditions with and, or", peek().text));
        }
        return root;
    }

private:
    [[nodiscard]] Failure wrong(const Token& token, const std::string& why) const {
        return failure(fmt::format("read the condition '{}'", text_),
                       fmt::format("column {}: {}", token.column + 1, why),
                       fmt::format("{}\n  {:{}}^", text_, "", token.column));
    }

    Result<void> tokenize();
    [[nodiscard]] std::size_t quoted_end(std::size_t at) const;
    [[nodiscard]] const Token& peek() const { return tokens_[next_]; }
    Token take() { return tokens_[next_ + 1 < tokens_.size() ? next_++ : next_]; }

    Result<NodePtr> any_of() { return joined(TokenKind::or_, Kind::any_of, &Parser::all_of); }
    Result<NodePtr> all_of() { return joined(TokenKind::and_, Kind::all_of, &Parser::unary); }
    Result<NodePtr> joined(TokenKind by, Kind kind, Result<NodePtr> (Parser::*part)());
    Result<NodePtr> unary();
    Result<NodePtr> nested();
    Result<NodePtr> known();
    Result<NodePtr> comparison();
    [[nodiscard]] Result<const WhereField*> field(const Token& token) const;
    [[nodiscard]] Result<NodePtr> number_condition(const WhereField& field, Comparison comparison,
                                                   const Token& value) const;
    [[nodiscard]] Result<NodePtr> text_condition(const WhereField& field, Comparison comparison,
                                                 const Token& value) const;
    [[nodiscard]] Result<WideNumber> number_of(const WhereField& field, const Token& value) const;

    std::string_view text_;
    std::vector<Token> tokens_;
    std::size_t next_ = 0;
    int depth_ = 0;
};

std::size_t Parser::quoted_end(std::size_t at) const {
    return text_.find(text_[at], at + 1);
}

Result<void> Parser::tokenize() {
    for (std::size_t at = 0; at < text_.size();) {
        const char byte = text_[at];
        if (std::isspace(static_cast<unsigned char>(byte)) != 0) {
            at++;
            continue;
        }
        Token token{.kind = TokenKind::word, .text = {}, .column = at};
        std::size_t length = 1;
        const auto rest = text_.substr(at);
        const auto* const found =
            std::ranges::find_if(operators, [rest](const OperatorName& each) { return rest.starts_with(each.text); });
        if (byte == '(' || byte == ')') {
            token.kind = byte == '(' ? TokenKind::open : TokenKind::close;
        } else if (byte == '\'' || byte == '"') {
            const auto end = quoted_end(at);
            if (end == std::string_view::npos) {
                return wrong(token, "the quotation mark that ends this is missing");
            }
            token.kind = TokenKind::quoted;
            token.text = text_.substr(at + 1, end - at - 1);
            length = end - at + 1;
        } else if (rest.starts_with("&&") || rest.starts_with("||")) {
            token.kind = byte == '&' ? TokenKind::and_ : TokenKind::or_;
            length = 2;
        } else if (found != operators.end()) {
            token.kind = TokenKind::comparison;
            token.comparison = found->comparison;
            length = found->text.size();
        } else if (byte == '!') {
            token.kind = TokenKind::not_;
        } else if (is_word_byte(byte)) {
            length = static_cast<std::size_t>(std::ranges::find_if_not(rest, is_word_byte) - rest.begin());
            const auto word = rest.substr(0, length);
            token.kind = word == "and"   ? TokenKind::and_
                         : word == "or"  ? TokenKind::or_
                         : word == "not" ? TokenKind::not_
                                         : TokenKind::word;
        } else {
            return wrong(token, "this character cannot stand here; put a name that has it between quotation marks");
        }
        if (token.kind != TokenKind::quoted) {
            token.text = rest.substr(0, length);
        }
        tokens_.push_back(std::move(token));
        at += length;
    }
    tokens_.push_back({.kind = TokenKind::end, .text = {}, .column = text_.size()});
    return {};
}

Result<NodePtr> Parser::joined(TokenKind by, Kind kind, Result<NodePtr> (Parser::*part)()) {
    auto first = (this->*part)();
    if (!first || peek().kind != by) {
        return first;
    }
    auto node = std::make_shared<Where::Node>();
    node->kind = kind;
    node->parts.push_back(std::move(*first));
    while (peek().kind == by) {
        take();
        auto next = (this->*part)();
        if (!next) {
            return next;
        }
        node->parts.push_back(std::move(*next));
    }
    return node;
}

Result<NodePtr> Parser::nested() {
    const Token open = take();
    auto inner = any_of();
    if (inner && take().kind != TokenKind::close) {
        return wrong(open, "the parenthesis that closes this one is missing");
    }
    return inner;
}

Result<NodePtr> Parser::unary() {
    const Token& token = peek();
    if (token.kind != TokenKind::not_ && token.kind != TokenKind::open) {
        return comparison();
    }
    if (++depth_ > max_depth) {
        return wrong(token, "it is nested too deep");
    }
    if (token.kind == TokenKind::open) {
        auto inner = nested();
        depth_--;
        return inner;
    }
    take();
    auto inner = unary();
    depth_--;
    if (!inner) {
        return inner;
    }
    auto node = std::make_shared<Where::Node>();
    node->kind = Kind::negation;
    node->parts.push_back(std::move(*inner));
    return node;
}

Result<const WhereField*> Parser::field(const Token& token) const {
    if (token.kind != TokenKind::word) {
        return wrong(token, token.kind == TokenKind::end
                                ? "a condition is missing here"
                                : fmt::format("a field must stand here, not '{}'", token.text));
    }
    const WhereField* found = where_field(token.text);
    if (found == nullptr) {
        std::string all;
        for (const auto& each : where_fields()) {
            all.append(all.empty() ? "" : ", ").append(each.name);
        }
        return wrong(token, fmt::format("there is no field '{}'; there are {}", token.text, all));
    }
    return found;
}

Result<NodePtr> Parser::known() {
    take();
    take();
    const auto found = field(take());
    if (!found) {
        return std::unexpected(found.error());
    }
    if (peek().kind != TokenKind::close) {
        return wrong(peek(), "known(FIELD) ends with a parenthesis");
    }
    take();
    auto node = std::make_shared<Where::Node>();
    node->kind = Kind::known;
    node->field = *found;
    return node;
}

Result<NodePtr> Parser::comparison() {
    if (peek().text == "known" && tokens_[std::min(next_ + 1, tokens_.size() - 1)].kind == TokenKind::open) {
        return known();
    }
    const Token name = take();
    const auto found = field(name);
    if (!found) {
        return std::unexpected(found.error());
    }
    if (peek().kind != TokenKind::comparison) {
        if ((*found)->type != FieldType::boolean) {
            return wrong(peek(), fmt::format("an operator must follow '{}': == != < <= > >= ~ !~ =~", name.text));
        }
        auto node = std::make_shared<Where::Node>();
        node->kind = Kind::truth;
        node->field = *found;
        return node;
    }
    const Token sign = take();
    const Token value = take();
    if (value.kind != TokenKind::word && value.kind != TokenKind::quoted) {
        return wrong(value, fmt::format("a value must follow '{}'", sign.text));
    }
    const bool pattern = sign.comparison == Comparison::glob || sign.comparison == Comparison::no_glob ||
                         sign.comparison == Comparison::regex;
    if ((*found)->number != nullptr) {
        if (pattern) {
            return wrong(sign, fmt::format("'{}' is a number: patterns are for names", name.text));
        }
        return number_condition(**found, sign.comparison, value);
    }
    if (!pattern && sign.comparison != Comparison::equal && sign.comparison != Comparison::unequal) {
        return wrong(sign, fmt::format("'{}' is a name: it is compared with == != ~ !~ =~", name.text));
    }
    return text_condition(**found, sign.comparison, value);
}

Result<WideNumber> Parser::number_of(const WhereField& field, const Token& value) const {
    const auto exact = whole_number(value.text);
    switch (field.type) {
        case FieldType::boolean:
            if (value.text == "true" || value.text == "false") {
                return static_cast<WideNumber>(value.text == "true");
            }
            return wrong(value, fmt::format("'{}' is neither true nor false", value.text));
        case FieldType::error:
            if (const auto number = errno_by_name(value.text)) {
                return static_cast<WideNumber>(*number);
            }
            if (!exact) {
                return wrong(value, fmt::format("'{}' is no error: give its name, as EIO, or its number", value.text));
            }
            return *exact;
        case FieldType::time: {
            const auto number = time_number(value.text);
            if (!number) {
                return wrong(value, fmt::format("'{}' is not a time: give ns, us, ms, s, m or h, as 10ms", value.text));
            }
            return *number;
        }
        case FieldType::bytes: {
            const auto number = exact ? exact : bytes_number(value.text);
            if (!number) {
                return wrong(value, fmt::format("'{}' is not a number of bytes, as 4096 or 4KiB", value.text));
            }
            return *number;
        }
        default:
            if (!exact) {
                return wrong(value, fmt::format("'{}' is not a number, as 12 or 0x1f", value.text));
            }
            return *exact;
    }
}

Result<NodePtr> Parser::number_condition(const WhereField& field, Comparison comparison, const Token& value) const {
    const auto number = number_of(field, value);
    if (!number) {
        return std::unexpected(number.error());
    }
    auto node = std::make_shared<Where::Node>();
    node->kind = Kind::number;
    node->field = &field;
    node->comparison = comparison;
    node->number = *number;
    return node;
}

Result<NodePtr> Parser::text_condition(const WhereField& field, Comparison comparison, const Token& value) const {
    const bool exact = comparison == Comparison::equal || comparison == Comparison::unequal;
    if (exact && !is_name_of(field.type, value.text)) {
        return wrong(value, fmt::format("no {} has the name '{}': {}", field.name, value.text, field.meaning));
    }
    auto node = std::make_shared<Where::Node>();
    node->kind = Kind::text;
    node->field = &field;
    node->comparison = comparison;
    node->text = value.text;
    if (comparison == Comparison::regex) {
        // Linear in the name and bounded in memory, whatever the expression. A name may be cut inside of a character.
        RE2::Options options(RE2::Latin1);
        options.set_log_errors(false);
        node->regex = std::make_unique<const RE2>(value.text, options);
        if (!node->regex->ok()) {
            return wrong(value, fmt::format("not a regular expression: {}", node->regex->error()));
        }
    }
    return node;
}

}  // namespace

Result<Where> Where::parse(std::string_view text) {
    auto root = Parser(text).parse();
    if (!root) {
        return std::unexpected(root.error());
    }
    return Where(std::move(*root));
}

bool Where::matches(const WhereSubject& subject) const {
    return root_->holds(subject);
}

}  // namespace inflight::model
