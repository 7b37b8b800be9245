// SPDX-License-Identifier: Apache-2.0
#include "cli/misuse.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>

namespace inflight::cli {

namespace {

// The parser puts what it did not expect behind what it took for its arguments (`trace --nonsense 3 -- true`: "true"),
// so the words are gone through again.
struct Unexpected {
    std::optional<std::string> option;
    std::optional<std::string> word;  // the first that is neither an option nor the value of one
};

bool is_option(const std::string& word) {
    return word.size() > 1 && word.front() == '-';
}

bool takes_value(const CLI::Option& option) {
    return option.get_items_expected_min() > 0;
}

// Of "-abc": the first that is not known, and whether the last takes the next word as its value.
std::optional<std::string> unknown_letter(const CLI::App& app, const std::string& word, bool& value_follows) {
    for (std::size_t at = 1; at < word.size(); at++) {
        std::string letter = {'-', word[at]};
        const auto* const option = app.get_option_no_throw(letter);
        if (option == nullptr) {
            return letter;
        }
        if (takes_value(*option)) {
            value_follows = at + 1 == word.size();
            return std::nullopt;
        }
    }
    return std::nullopt;
}

// Up to "--": what comes after it is no option.
Unexpected look_through(const CLI::App& app, std::span<const std::string> words) {
    Unexpected found;
    for (std::size_t at = 0; at < words.size() && words[at] != "--"; at++) {
        const std::string& word = words[at];
        bool value_follows = false;
        if (!is_option(word)) {
            found.word = found.word.value_or(word);
        } else if (word.starts_with("--")) {
            const auto equals = word.find('=');
            const auto* const option = app.get_option_no_throw(word.substr(0, equals));
            if (option == nullptr) {
                found.option = word.substr(0, equals);
                return found;
            }
            value_follows = equals == std::string::npos && takes_value(*option);
        } else if (auto letter = unknown_letter(app, word, value_follows)) {
            found.option = std::move(letter);
            return found;
        }
        at += value_follows ? 1 : 0;
    }
    return found;
}

}  // namespace

std::string describe_misuse(const CLI::App& root, std::span<const std::string> words, const CLI::ParseError& error) {
    const auto parsed = root.get_subcommands();
    if (parsed.empty()) {
        const auto found = look_through(root, words);
        return found.option ? fmt::format("{}: there is no such option", *found.option)
               : found.word ? fmt::format("{}: there is no such command", *found.word)
                            : "";
    }
    const CLI::App& command = *parsed.front();
    const auto name = std::ranges::find(words, command.get_name());
    const auto before = look_through(root, words.first(static_cast<std::size_t>(name - words.begin())));
    if (before.option) {
        return fmt::format("{}: there is no such option", *before.option);
    }
    const auto own = words.subspan(static_cast<std::size_t>(std::min(name + 1, words.end()) - words.begin()));
    const auto found = look_through(command, own);
    // Whatever the error is: one that is required may be there, misspelt, and a value be taken for an argument.
    if (found.option) {
        return fmt::format("{}: `inflight {}` has no such option", *found.option, command.get_name());
    }
    const bool left_over = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
    if (left_over && found.word && command.get_option_no_throw("command") != nullptr &&
        std::ranges::find(own, "--") != own.end()) {
        return fmt::format("{}: not expected before the -- that the command comes after", *found.word);
    }
    return {};
}

}  // namespace inflight::cli
