// SPDX-License-Identifier: Apache-2.0
#include "gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <tuple>

#include "reachable.hpp"

namespace inflight::kernels {

namespace {

constexpr std::ptrdiff_t most_named = 8;  // programs in one sentence
constexpr const char* reduce_again = "run tests/kernels/reduce-btf again";

// "tp_btf/io_uring_complete"
struct Target {
    std::string kind;
    std::string name;
    [[nodiscard]] bool is_function() const { return kind == "fentry" || kind == "fexit"; }
    [[nodiscard]] bool is_tracepoint() const { return kind == "tp_btf" || kind == "raw_tp"; }
    // As btf/names, prototypes.tsv and lost.tsv call it; empty: types do not tell.
    [[nodiscard]] std::string subject() const {
        if (name.empty()) {
            return {};
        }
        return is_function()     ? "function " + name
               : is_tracepoint() ? "tracepoint " + name
               : kind == "iter"  ? "function bpf_iter_" + name
                                 : std::string();
    }
};

Target target_of(const Program& program) {
    const auto slash = program.attached_to.find('/');
    return slash == std::string::npos
               ? Target{program.attached_to, {}}
               : Target{program.attached_to.substr(0, slash), program.attached_to.substr(slash + 1)};
}

// Of what prototypes.tsv calls so; nullopt: the kernel has not got it.
std::optional<std::string> prototype_of(const Types& types, std::string_view subject) {
    const auto space = subject.find(' ');
    const auto kind = subject.substr(0, space);
    const auto name = subject.substr(space + 1);
    if (kind == "constant") {
        return types.has_constant(name) ? std::optional<std::string>("constant") : std::nullopt;
    }
    return kind == "function" ? types.function(name) : types.tracepoint(name);
}

class Judge {
public:
    Judge(const Object& object, const Kernel& kernel, const Knowledge& knowledge)
        : object_(object), kernel_(kernel), knowledge_(knowledge) {
        for (const auto& [position, asked] : object_.asked()) {
            const auto& answered = answer_to(asked);
            answers_at_[position] = &answered;
            if (answered.value) {
                values_[position] = *answered.value;
            }
        }
    }

    Verdict run() {
        for (const auto& program : object_.programs()) {
            const auto subject = target_of(program).subject();
            if (subject.empty() || is_there(program, subject)) {
                look_at(program);
            }
        }
        // One sentence for what many programs have in common.
        for (const auto& [text, programs] : found_) {
            const std::vector<std::string> first(
                programs.begin(),
                std::next(programs.begin(), std::min<std::ptrdiff_t>(std::ssize(programs), most_named)));
            verdict_.complaints.push_back(fmt::format(
                "Linux {}: {}. {}: {}{}", kernel_.name, text, programs.size() == 1 ? "Program" : "Programs",
                fmt::join(first, ", "),
                programs.size() > first.size() ? fmt::format(" and {} more", programs.size() - first.size()) : ""));
        }
        return std::move(verdict_);
    }

private:
    const Answer& answer_to(const Asked& asked) {
        const auto key = std::tuple(asked.root, asked.text, asked.kind);
        const auto known = answers_.find(key);
        if (known != answers_.end()) {
            return known->second;
        }
        auto answered = answer(object_.types(), asked, kernel_.types);
        if (!knowledge_.names.contains(essential_name(object_.types().name(asked.root))) &&
            asked.kind != BPF_CORE_TYPE_ID_LOCAL) {
            answered = {.state = Answer::State::unknown};
        }
        return answers_.emplace(key, answered).first->second;
    }

    void complain(const Program& program, std::string text) { found_[std::move(text)].insert(program.name); }
    // False: the table does not excuse it.
    bool is_excused(std::string_view subject) {
        const Row* row = find_row(knowledge_.lost, kernel_.series, subject);
        if (row != nullptr) {
            verdict_.used.insert(row);
        }
        return row != nullptr;
    }

    bool is_there(const Program& program, const std::string& subject) {
        if (!knowledge_.names.contains(subject)) {
            complain(program, fmt::format("{} was not looked for in this kernel; {}", subject, reduce_again));
            return false;
        }
        if (prototype_of(kernel_.types, subject)) {
            return true;
        }
        if (!is_excused(subject)) {
            complain(program,
                     fmt::format("there is no {}, and tests/kernels/lost.tsv does not say what is lost", subject));
        }
        return false;
    }

    void look_at(const Program& program) {
        const auto reached = reach(object_, program, values_);
        // Also what is shut off on this kernel, for something may be lost by that.
        for (const auto& [position, asked] : object_.asked_by(program)) {
            const bool is_reached = reached.has(position);
            const auto& answered = *answers_at_.at(position);
            if (answered.state == Answer::State::unknown) {
                complain(program, fmt::format("{} was not looked for in this kernel; {}", asked->text, reduce_again));
            } else if (answered.state == Answer::State::ambiguous) {
                complain(program,
                         fmt::format("{} has several meanings in this kernel, which libbpf refuses", asked->text));
            } else if (asks_whether_it_exists(asked->kind) || asked->kind == BPF_CORE_TYPE_ID_LOCAL) {
                continue;
            } else if (answered.state == Answer::State::absent) {
                look_at_absent(program, *asked, is_reached);
            } else if (is_reached) {
                look_at_size(program, *asked, answered, position);
            }
        }
        look_at_arguments(program, reached);
    }

    void look_at_absent(const Program& program, const Asked& asked, bool is_reached) {
        if (is_reached) {
            complain(program, fmt::format("there is no {} as the program reads it, and nothing guards it: the kernel "
                                          "refuses the program",
                                          asked.text));
        } else if (!is_excused(asked.text)) {
            complain(
                program,
                fmt::format("there is no {}, which is guarded, but tests/kernels/lost.tsv does not say what is lost",
                            asked.text));
        }
    }

    // Numbers are read with the size that they have in our own cut of the structure.
    void look_at_size(const Program& program, const Asked& asked, const Answer& answered, const Position& position) {
        if (asked.kind != BPF_CORE_FIELD_BYTE_OFFSET || asked.is_bit_field || !answered.is_number) {
            return;
        }
        const auto& types = object_.types();
        const auto ours = types.size(types.plain(asked.type));
        // libbpf gives a load or store the kernel's size, if the number has no sign.
        const auto operation = BPF_CLASS(object_.sections()[position.section].code[position.instruction].code);
        const bool is_adapted = operation == BPF_LDX && !answered.is_signed;
        if (ours != answered.size && !is_adapted && !is_excused("size of " + asked.text)) {
            complain(program,
                     fmt::format("{} has {} bytes, and the program reads {}", asked.text, answered.size, ours));
        }
    }

    void look_at_arguments(const Program& program, const Reached& reached) {
        const auto target = target_of(program);
        if (target.name.empty() || (!target.is_function() && !target.is_tracepoint())) {
            return;
        }
        // A function's result stands behind its arguments.
        const unsigned count = target.is_tracepoint() ? kernel_.types.arguments_of_tracepoint(target.name)
                                                      : kernel_.types.arguments_of_function(target.name) +
                                                            (target.kind == "fexit" ? 1U : 0U);
        for (const unsigned index : reached.context_words) {
            const auto subject = fmt::format("argument {} of {}", index, target.subject());
            if (index >= count && !is_excused(subject)) {
                complain(program, fmt::format("there is no {}, which has {} arguments", subject, count));
            }
        }
        if (std::ranges::none_of(knowledge_.prototypes,
                                 [&](const Row& row) { return row.subject == target.subject(); })) {
            complain(program, fmt::format("{} has no row in tests/kernels/prototypes.tsv", target.subject()));
        }
    }

    const Object& object_;
    const Kernel& kernel_;
    const Knowledge& knowledge_;
    std::map<std::tuple<std::uint32_t, std::string, bpf_core_relo_kind>, Answer> answers_;
    std::map<Position, const Answer*> answers_at_;
    std::map<Position, std::uint64_t> values_;
    std::map<std::string, std::set<std::string>> found_;
    Verdict verdict_;
};

}  // namespace

Verdict judge(const Object& object, const Kernel& kernel, const Knowledge& knowledge) {
    return Judge(object, kernel, knowledge).run();
}

std::vector<std::string> unused_rows(const Table& lost, const Kernel& kernel, const std::set<const Row*>& used) {
    std::vector<std::string> complaints;
    for (const auto& row : lost) {
        if (row.kernels.has(kernel.series) && !used.contains(&row)) {
            complaints.push_back(
                fmt::format("tests/kernels/lost.tsv, line {}: Linux {} has {}, or no program asks for it", row.line,
                            kernel.name, row.subject));
        }
    }
    return complaints;
}

std::vector<std::string> compare_prototypes(const Kernel& kernel, const Knowledge& knowledge) {
    std::vector<std::string> complaints;
    std::set<std::string_view> subjects;
    for (const auto& row : knowledge.prototypes) {
        subjects.insert(row.subject);
    }
    for (const auto subject : subjects) {
        if (!knowledge.names.contains(subject)) {
            complaints.push_back(fmt::format("{} was not looked for in any kernel; {}", subject, reduce_again));
            continue;
        }
        const auto there = prototype_of(kernel.types, subject);
        const Row* row = find_row(knowledge.prototypes, kernel.series, subject);
        const std::string expected = row != nullptr ? row->text : "absent";
        if (there.value_or("absent") != expected) {
            complaints.push_back(fmt::format("Linux {}: {} is '{}', and tests/kernels/prototypes.tsv expects '{}'",
                                             kernel.name, subject, there.value_or("absent"), expected));
        }
    }
    return complaints;
}

}  // namespace inflight::kernels
