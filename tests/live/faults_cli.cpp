// SPDX-License-Identifier: Apache-2.0
// The command line: help, doctor, manual, completion.
#include "faults_support.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <map>

namespace inflight::faults {
namespace {

TEST(CommandLine, Version) {
    const auto ended = run_inflight({"--version"});
    EXPECT_EQ(ended.status, 0);
    EXPECT_TRUE(ended.out.starts_with("inflight ")) << ended.out;
    EXPECT_EQ(lines_of(ended.out).size(), 1U);
    EXPECT_EQ(ended.err, "");
}

TEST(CommandLine, Help) {
    for (const Words& command : {Words{},
                                 {"trace"},
                                 {"check"},
                                 {"record"},
                                 {"report"},
                                 {"export"},
                                 {"stat"},
                                 {"hist"},
                                 {"doctor"},
                                 {"events"},
                                 {"completion"},
                                 {"manual"}}) {
        for (const std::string flag : {"--help", "-h"}) {
            const auto ended = run_inflight(command + Words{flag});
            EXPECT_EQ(ended.status, 0);
            EXPECT_EQ(ended.err, "");
            const auto examples = ended.out.find("\nExamples:\n  inflight ");
            EXPECT_NE(examples, std::string::npos) << ended.out;
            for (const auto& line : lines_of(ended.out)) {
                EXPECT_LE(line.size(), 130U) << line;
                EXPECT_FALSE(line.ends_with(' ')) << '"' << line << '"';
            }
            EXPECT_EQ(ended.out.find("UINT"), std::string::npos) << ended.out;
        }
    }
}

// Without the command that it runs, and without where its output goes.
std::string own_part(const std::string& line) {
    bool quoted = false;
    for (std::size_t at = 0; at < line.size(); at++) {
        quoted = quoted != (line[at] == '\'');
        if (!quoted && (line[at] == '>' || line[at] == '|' || line.substr(at).starts_with(" -- "))) {
            return line.substr(0, at);
        }
    }
    return line;
}

// The examples of the help are commands that exist.
class Examples : public testing::TestWithParam<const char*> {};

TEST_P(Examples, Parse) {
    const std::string command = GetParam();
    const auto help = run_inflight({command, "--help"});
    int examples = 0;
    for (const auto& line : lines_of(help.out)) {
        if (!line.starts_with("  inflight " + command + " ")) {
            continue;
        }
        examples++;
        // Parsed in full before the help is printed.
        const auto ended = run(Words{"sh", "-c", inflight_path() + own_part(line.substr(10)) + " --help"});
        EXPECT_EQ(ended.status, 0) << line << ": " << ended.err;
        EXPECT_EQ(ended.out, help.out) << line;
    }
    EXPECT_GE(examples, 2);
}

INSTANTIATE_TEST_SUITE_P(CommandLine, Examples,
                         testing::Values("trace", "check", "record", "report", "export", "stat", "hist"),
                         [](const auto& test) { return std::string(test.param); });

TEST(CommandLine, Misuse) {
    for (const Words& command : {Words{},
                                 {"nonsense"},
                                 {"trace", "--nonsense"},
                                 {"--nonsense"},
                                 {"trace", "-o"},
                                 {"trace", "-o", "xml"},
                                 {"trace", "--duration"},
                                 {"doctor", "--nonsense"},
                                 {"doctor", "extra"},
                                 {"events", "nonsense"},
                                 {"completion"},
                                 {"completion", "tcsh"},
                                 {"manual", "extra"}}) {
        const auto ended = run_inflight(command);
        EXPECT_EQ(ended.status, 2) << (command.empty() ? "" : command.back());
        EXPECT_EQ(ended.out, "");
        EXPECT_NE(ended.err, "");
        EXPECT_LE(lines_of(ended.err).size(), 3U) << ended.err;
    }
}

// Whatever stands around it, the word that is wrong is named, and no other.
TEST(CommandLine, MisuseNamesTheWrongWord) {
    const auto first_line = [](const Words& words) {
        const auto ended = run_inflight(words);
        EXPECT_EQ(ended.status, 2);
        return lines_of(ended.err).at(0);
    };
    for (const std::string command : {"trace", "check", "record", "report", "stat", "hist", "export", "ls", "contexts",
                                      "cancel", "run", "doctor", "events", "completion", "manual"}) {
        for (const Words& wrong : {Words{"--nonsense", "3", "--", "true"},
                                   {"--nonsense=3", "--", "true"},
                                   {"--nonsense"},
                                   {"--nonsense", "--", "true", "--worse"}}) {
            EXPECT_EQ(first_line(Words{command} + wrong),
                      fmt::format("inflight: --nonsense: `inflight {}` has no such option", command));
        }
        EXPECT_EQ(first_line({"--nonsense", command}), "inflight: --nonsense: there is no such option");
    }
    EXPECT_EQ(first_line({"trace", "-p1", "-Z", "3", "--", "true"}),
              "inflight: -Z: `inflight trace` has no such option");
    EXPECT_EQ(first_line({"trace", "--duration", "1s", "3", "--", "true"}),
              "inflight: 3: not expected before the -- that the command comes after");
    EXPECT_EQ(first_line({"nonsense", "--", "true"}), "inflight: nonsense: there is no such command");
}

// Nothing it takes after the command's name is inflight's.
TEST(CommandLine, OptionsOfTheCommand) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root";
    }
    const auto traced = trace({}, {"sh", "-c", "echo \"$@\"", "sh", "-o", "json", "--help", "--", "-p", "1"});
    EXPECT_EQ(traced.ended.status, 0) << traced.ended.err;
    EXPECT_EQ(traced.ended.out, "-o json --help -- -p 1\n");
}

TEST(CommandLine, Events) {
    const auto list = run_inflight({"events"});
    EXPECT_EQ(list.status, 0);
    for (const std::string name :
         {"io_setup", "io_destroy", "io_submit", "io_cancel", "io_getevents", "io_pgetevents"}) {
        EXPECT_NE(list.out.find(name), std::string::npos);
        const auto page = run_inflight({"events", name});
        EXPECT_EQ(page.status, 0);
        EXPECT_NE(page.out.find(name), std::string::npos);
    }
    const Folder folder;
    EXPECT_EQ(run_inflight({"events", "--markdown", "--all", folder.path()}).status, 0);
    EXPECT_TRUE(exists(folder / "io_cancel.md") && exists(folder / "README.md"));
    const auto ended = run_inflight({"events", "--all", folder / "missing"});
    EXPECT_EQ(ended.status, 1);
    expect_error(ended.err, folder / "missing");
}

TEST(CommandLine, DoctorAsJson) {
    Diagnosis diagnosis;
    // Other programs make contexts too: what it said must have been true before and after.
    const bool steady = wait_until(
        [&] {
            const auto before = read_number("/proc/sys/fs/aio-nr");
            diagnosis = diagnose();
            return before == read_number("/proc/sys/fs/aio-nr") &&
                   number(diagnosis.json, "aio_nr") == static_cast<std::int64_t>(before);
        },
        20s);
    EXPECT_TRUE(steady) << "aio_nr " << number(diagnosis.json, "aio_nr");
    EXPECT_EQ(number(diagnosis.json, "aio_max_nr"), static_cast<std::int64_t>(read_number("/proc/sys/fs/aio-max-nr")));
    utsname name{};
    ::uname(&name);
    EXPECT_EQ(text(diagnosis.json, "kernel"), name.release);
    const Words statuses{"all", "degraded", "", "cannot-trace"};
    ASSERT_LT(diagnosis.status, 4);
    EXPECT_EQ(text(diagnosis.json, "status"), statuses.at(static_cast<std::size_t>(diagnosis.status)));
    if (::geteuid() != 0) {
        EXPECT_EQ(diagnosis.status, 3);
        return;
    }
    ASSERT_LT(diagnosis.status, 2) << text(diagnosis.json, "error");
    EXPECT_EQ(number(diagnosis.json, "cpus"), ::sysconf(_SC_NPROCESSORS_CONF));
    bool something_lost = false;
    for (const auto& hook : diagnosis.json["hooks"].GetArray()) {
        something_lost = something_lost || !text(hook, "lost").empty();
        if (text(hook, "tier") != "fentry" && text(hook, "tier") != "tracepoint") {
            EXPECT_GT(hook["refused"].Size(), 0U) << text(hook, "name") << ": no reason for not being fentry";
        }
    }
    EXPECT_EQ(something_lost, diagnosis.status == 1);
    const auto as_text = run_inflight({"doctor"});
    EXPECT_EQ(as_text.status, diagnosis.status);
    EXPECT_EQ(as_text.err, "");
    for (const auto& hook : diagnosis.json["hooks"].GetArray()) {
        EXPECT_NE(as_text.out.find(text(hook, "name")), std::string::npos);
    }
}

TEST(CommandLine, Manual) {
    const auto groff = find_program("groff");
    const auto manual = run_inflight({"manual"});
    EXPECT_EQ(manual.status, 0);
    EXPECT_TRUE(manual.out.starts_with(".TH INFLIGHT 1")) << manual.out.substr(0, 100);
    for (const std::string word : {"trace", "doctor", "\\-\\-min\\-latency", "EXIT STATUS"}) {
        EXPECT_NE(manual.out.find(word), std::string::npos) << word;
    }
    if (!groff) {
        GTEST_SKIP() << "no groff here to read it";
    }
    const auto read = run(Start{.command = {*groff, "-man", "-ww", "-Kutf8", "-Tutf8", "-z"}}, manual.out);
    EXPECT_EQ(read.status, 0);
    EXPECT_EQ(read.err, "");
    // What stands in the help stands in the manual page.
    const auto page =
        run(Start{.command = {*groff, "-man", "-Kutf8", "-Tutf8", "-P-cbou", "-rLL=300n"}}, manual.out).out;
    for (const auto& line : lines_of(run_inflight({"trace", "--help"}).out)) {
        const auto option = line.find("--");
        if (line.starts_with("  ") && option != std::string::npos && option < 8) {
            const auto name = line.substr(option, line.find_first_of(" ,", option) - option);
            EXPECT_NE(page.find(name), std::string::npos) << name;
        }
    }
}

std::vector<std::string> cells_of(const std::string& row) {
    std::vector<std::string> cells;
    for (std::size_t at = 1; at < row.size();) {
        const auto end = row.find(" |", at);
        if (end == std::string::npos) {
            break;
        }
        cells.push_back(row.substr(at + 1, end - at - 1));
        at = end + 2;
    }
    return cells;
}

// What the page and the manual say about statuses, and what the commands really end with.
TEST(CommandLine, ExitStatuses) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root";
    }
    std::string manual = run_inflight({"manual"}).out;
    std::erase(manual, '\\');
    const std::map<std::string, int> numbers{{"128+N", 128 + SIGTERM}, {"other", 7}};
    int rows = 0;
    for (const auto& line : lines_of(read_file(std::string(INFLIGHT_SOURCE_DIR) + "/docs/exit-status.md"))) {
        const auto cells = cells_of(line);
        if (!line.starts_with('|') || cells.size() != 3 || cells[0] == "status" || cells[0] == "---") {
            continue;
        }
        rows++;
        EXPECT_NE(manual.find("fB" + cells[0] + "fR\n" + cells[1] + "\n"), std::string::npos) << line;
        const auto begin = cells[2].find('`') + 1;
        const auto command = cells[2].substr(begin, cells[2].rfind('`') - begin);
        ASSERT_TRUE(command.starts_with("inflight ")) << command;
        Start start{.command = {"sh", "-c", inflight_path() + command.substr(8)}};
        if (cells[2].find("another user") != std::string::npos) {
            start.in_child = [] {
                if (::setgroups(0, nullptr) != 0 || ::setresgid(65534, 65534, 65534) != 0 ||
                    ::setresuid(65534, 65534, 65534) != 0) {
                    ::_exit(99);
                }
            };
        }
        const auto ended = run(start, "");
        const auto number = numbers.find(cells[0]);
        if (ended.status == 126 && cells[0] == "3") {
            continue;  // another user may not execute what was built here
        }
        EXPECT_EQ(ended.status, number != numbers.end() ? number->second : std::stoi(cells[0])) << command << ended.err;
    }
    EXPECT_EQ(rows, 8);
}

// The words that bash would offer.
std::string complete(const std::string& bash, const std::string& script, const Words& words) {
    std::string quoted;
    for (const auto& word : words) {
        quoted += " '" + word + "'";
    }
    const auto program = fmt::format("source {}; COMP_WORDS=({}); COMP_CWORD={}; _inflight; echo \"${{COMPREPLY[*]}}\"",
                                     script, quoted, words.size() - 1);
    const auto ended = run(Words{bash, "-c", program});
    EXPECT_EQ(ended.status, 0);
    EXPECT_EQ(ended.err, "");
    return " " + ended.out.substr(0, ended.out.find('\n')) + " ";
}

TEST(CommandLine, Completion) {
    const auto bash = find_program("bash");
    const Folder folder;
    const std::string script = folder / "completion";
    const auto made = run_inflight({"completion", "bash"});
    ASSERT_EQ(made.status, 0);
    write_file(script, made.out);
    if (!bash) {
        GTEST_SKIP() << "no bash here";
    }
    const auto checked = run(Words{*bash, "-n", script});
    EXPECT_EQ(checked.status, 0) << checked.err;
    const auto offered = [&](const Words& words) { return complete(*bash, script, words); };
    EXPECT_EQ(offered({"inflight", "tr"}), " trace ");
    EXPECT_NE(offered({"inflight", ""}).find(" doctor "), std::string::npos);
    EXPECT_EQ(offered({"inflight", "trace", "--min"}), " --min-latency ");
    EXPECT_EQ(offered({"inflight", "trace", "--outcome", "ab"}), " abandoned ");
    EXPECT_EQ(offered({"inflight", "trace", "-o", "t"}), " text tracee ");
    EXPECT_EQ(offered({"inflight", "events", "io_c"}), " io_cancel ");
    EXPECT_NE(offered({"inflight", "trace", "-p", "1"}).find(" 1 "), std::string::npos);
    EXPECT_NE(offered({"inflight", "trace", "--", "tru"}).find(" true "), std::string::npos);
    // Whatever the help has, it offers.
    const auto flags = offered({"inflight", "trace", "--"});
    for (const auto& line : lines_of(run_inflight({"trace", "--help"}).out)) {
        const auto option = line.find("--");
        if (line.starts_with("  ") && option != std::string::npos && option < 8) {
            const auto name = line.substr(option, line.find_first_of(" ,", option) - option);
            EXPECT_NE(flags.find(" " + name + " "), std::string::npos) << name << " is not offered";
        }
    }
}

}  // namespace
}  // namespace inflight::faults
