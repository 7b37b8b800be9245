// SPDX-License-Identifier: Apache-2.0
#include "catalog/events.hpp"
#include "catalog/names.hpp"
#include "catalog/page.hpp"

#include <gtest/gtest.h>

#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace inflight::catalog {
namespace {

constexpr const char* regenerate = "regenerate with: build/release/inflight events --markdown --all docs/events";

std::filesystem::path pages_folder() {
    return std::filesystem::path{INFLIGHT_SOURCE_DIR} / "docs" / "events";
}

std::string file_content(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream{text};
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

std::vector<Argument> all_arguments(const Event& event) {
    std::vector<Argument> all{event.arguments.begin(), event.arguments.end()};
    all.insert(all.end(), event.decoded.begin(), event.decoded.end());
    return all;
}

const Argument* find_argument(std::span<const Argument> arguments, std::string_view name) {
    const auto found = std::ranges::find(arguments, name, &Argument::name);
    return found == arguments.end() ? nullptr : &*found;
}

// Every running text of an event, with its `code` marks.
std::vector<std::string_view> prose_of(const Event& event) {
    std::vector<std::string_view> texts{event.description.begin(), event.description.end()};
    texts.insert(texts.end(), event.issues.begin(), event.issues.end());
    texts.push_back(event.example_use_case);
    for (const Argument& argument : all_arguments(event)) {
        texts.push_back(argument.meaning);
    }
    for (const Return& result : event.returns) {
        texts.push_back(result.meaning);
    }
    for (const Hook& hook : event.hooks) {
        texts.push_back(hook.purpose);
    }
    return texts;
}

struct Call {
    const char* name;
    long number;
    unsigned i386;
    unsigned i386_time64;
    std::vector<std::string_view> arguments;
};
// i386: arch/x86/entry/syscalls/syscall_32.tbl
const Call calls[] = {
    {"io_setup", SYS_io_setup, 245, 0, {"nr_events", "ctx_idp"}},
    {"io_destroy", SYS_io_destroy, 246, 0, {"ctx_id"}},
    {"io_getevents", SYS_io_getevents, 247, 0, {"ctx_id", "min_nr", "nr", "events", "timeout"}},
    {"io_submit", SYS_io_submit, 248, 0, {"ctx_id", "nr", "iocbpp"}},
    {"io_cancel", SYS_io_cancel, 249, 0, {"ctx_id", "iocb", "result"}},
    {"io_pgetevents", SYS_io_pgetevents, 385, 416, {"ctx_id", "min_nr", "nr", "events", "timeout", "usig"}},
    {"io_uring_setup", SYS_io_uring_setup, 425, 0, {"entries", "params"}},
    {"io_uring_enter", SYS_io_uring_enter, 426, 0, {"fd", "to_submit", "min_complete", "flags", "argp", "argsz"}},
    {"io_uring_register", SYS_io_uring_register, 427, 0, {"fd", "opcode", "arg", "nr_args"}},
};

TEST(CatalogEvents, AreTheCallsOfKernelAioAndIoUring) {
    EXPECT_EQ(events().size(), std::size(calls));
    for (const Call& call : calls) {
        SCOPED_TRACE(call.name);
        const Event* event = find_event(call.name);
        ASSERT_NE(event, nullptr);
        EXPECT_EQ(event->family, event->name.starts_with("io_uring") ? family_uring : family_aio);
        EXPECT_EQ(event->number_i386, call.i386);
        EXPECT_EQ(event->number_i386_time64, call.i386_time64);
#ifdef __x86_64__
        EXPECT_EQ(event->number_x86_64, static_cast<unsigned>(call.number));
        EXPECT_EQ(find_event(static_cast<unsigned>(call.number)), event);
#endif
        std::vector<std::string_view> names;
        for (const Argument& argument : event->arguments) {
            names.push_back(argument.name);
        }
        EXPECT_EQ(names, call.arguments);
    }
}

TEST(CatalogEvents, UnknownNameOrNumberIsNotFound) {
    EXPECT_EQ(find_event("io_uncancel"), nullptr);
    EXPECT_EQ(find_event(""), nullptr);
    EXPECT_EQ(find_event(0u), nullptr);
    EXPECT_EQ(find_event(99999u), nullptr);
}

TEST(CatalogEvents, AreInTheOrderOfTheirNumbersAndUnique) {
    EXPECT_TRUE(std::ranges::is_sorted(events(), {}, &Event::number_x86_64));
    std::set<std::string_view> names;
    for (const Event& event : events()) {
        EXPECT_TRUE(names.insert(event.name).second) << event.name;
    }
}

TEST(CatalogEvents, HaveNoEmptyField) {
    for (const Event& event : events()) {
        SCOPED_TRACE(event.name);
        EXPECT_FALSE(event.intro.empty());
        EXPECT_FALSE(event.description.empty());
        EXPECT_FALSE(event.arguments.empty());
        EXPECT_FALSE(event.returns.empty());
        EXPECT_FALSE(event.hooks.empty());
        EXPECT_FALSE(event.issues.empty());
        EXPECT_FALSE(event.related.empty());
        for (const std::string_view text : prose_of(event)) {
            EXPECT_FALSE(text.empty());
        }
        for (const Argument& argument : all_arguments(event)) {
            EXPECT_FALSE(argument.name.empty());
            EXPECT_FALSE(argument.c_type.empty()) << argument.name;
        }
        for (const Return& result : event.returns) {
            EXPECT_FALSE(result.value.empty());
        }
        for (const Hook& hook : event.hooks) {
            EXPECT_FALSE(hook.name.empty());
            EXPECT_FALSE(hook.type.empty()) << hook.name;
            EXPECT_FALSE(hook.target.empty()) << hook.name;
        }
    }
}

TEST(CatalogEvents, OnlyIoDestroyHasNothingToDecode) {
    for (const Event& event : events()) {
        EXPECT_EQ(event.decoded.empty(), event.name == "io_destroy") << event.name;
    }
}

TEST(CatalogEvents, RelatedEventsExistAndAreOthers) {
    for (const Event& event : events()) {
        for (const std::string_view name : event.related) {
            EXPECT_NE(find_event(name), nullptr) << event.name << " -> " << name;
            EXPECT_NE(name, event.name);
        }
    }
}

TEST(CatalogEvents, MarkupIsBalancedAsciiCode) {
    for (const Event& event : events()) {
        for (const std::string_view text : prose_of(event)) {
            EXPECT_EQ(std::ranges::count(text, '`') % 2, 0) << text;
            EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; })) << text;
            std::string outside;
            for (bool in_code = false; const char c : text) {
                in_code = (c == '`') != in_code;
                outside += in_code ? '`' : c;
            }
            EXPECT_EQ(outside.find_first_of("*<>[]#"), std::string::npos) << "would be Markdown: " << text;
        }
        EXPECT_EQ(event.intro.find('`'), std::string_view::npos);
    }
}

TEST(CatalogTags, SayWhereAValueComesFrom) {
    const auto pointer = [](const Argument& argument) { return argument.c_type.ends_with('*'); };
    for (const Event& event : events()) {
        for (const Argument& argument : event.arguments) {
            SCOPED_TRACE(argument.name);
            EXPECT_TRUE(has_tag(argument.tags, Tag::K)) << "it came in a register";
            EXPECT_FALSE(has_tag(argument.tags, Tag::U));
            EXPECT_FALSE(has_tag(argument.tags, Tag::TOCTOU));
        }
        for (const Argument& argument : event.decoded) {
            SCOPED_TRACE(argument.name);
            EXPECT_TRUE(has_tag(argument.tags, Tag::U));
            EXPECT_TRUE(has_tag(argument.tags, Tag::TOCTOU));
        }
        for (const Argument& argument : all_arguments(event)) {
            if (has_tag(argument.tags, Tag::OPT)) {
                EXPECT_TRUE(pointer(argument)) << argument.name;
            }
        }
    }
}

TEST(CatalogTags, PrintByName) {
    EXPECT_EQ(tag_names(0), "");
    EXPECT_EQ(tag_names(+Tag::K), "K");
    EXPECT_EQ(tag_names(Tag::U | Tag::TOCTOU), "U, TOCTOU");
    EXPECT_EQ(tag_names(Tag::K | Tag::U | Tag::TOCTOU | Tag::OPT), "K, U, TOCTOU, OPT");
    EXPECT_EQ(tag_names(0x81), "K, 0x80");
    EXPECT_EQ(tags().size(), 4u);
}

TEST(CatalogHooks, EveryTierSeesEveryCall) {
    for (const Event& event : events()) {
        SCOPED_TRACE(event.name);
        const std::string entry = "__x64_sys_" + std::string{event.name};
        const auto has = [&event](std::string_view tier, std::string_view target) {
            return std::ranges::any_of(event.hooks,
                                       [&](const Hook& hook) { return hook.tier == tier && hook.target == target; });
        };
        EXPECT_TRUE(has("fentry", entry));
        EXPECT_TRUE(has("kprobe", entry));
        EXPECT_TRUE(has("tracepoint", "sys_enter"));
        EXPECT_TRUE(has("tracepoint", "sys_exit"));
        for (const Hook& hook : event.hooks) {
            EXPECT_NE(std::ranges::find(tiers(), hook.tier, &Tier::name), tiers().end()) << hook.tier;
        }
        const auto ia32 = [](const Hook& hook) { return hook.target.starts_with("__ia32_"); };
        const auto entries = static_cast<std::ptrdiff_t>(event.number_i386_time64 == 0 ? 1 : 2);
        EXPECT_EQ(std::ranges::count_if(event.hooks, ia32), 2 * entries) << "fentry and kprobe";
    }
}

TEST(CatalogHooks, IoCancelKeepsItsClassicName) {
    const Event& event = *find_event("io_cancel");
    const auto hook = std::ranges::find(event.hooks, "do_io_cancel", &Hook::name);
    ASSERT_NE(hook, event.hooks.end());
    EXPECT_EQ(hook->tier, "kprobe");
    EXPECT_EQ(hook->type, "kprobe + kretprobe");
    EXPECT_EQ(hook->target, "__x64_sys_io_cancel");
}

TEST(CatalogIoCancel, SixReasonsForEinvalEachWithItsVerdict) {
    const Event& event = *find_event("io_cancel");
    EXPECT_EQ(std::ranges::count(event.returns, "EINVAL", &Return::value), 6);
    EXPECT_EQ(std::ranges::count(event.returns, "0", &Return::value), 0);
    EXPECT_EQ(std::ranges::count(event.returns, "EAGAIN", &Return::value), 0);
    const std::string page = event_page_text(event);
    for (const char* verdict : {"cancelled", "completed-first", "not-cancellable", "already-cancelled",
                                "unknown-request", "bad-context", "bad-key", "bad-pointer"}) {
        EXPECT_NE(page.find("verdict " + std::string{verdict} + ":"), std::string::npos) << verdict;
    }
}

TEST(CatalogIoCancel, ArgumentsAndTags) {
    const Event& event = *find_event("io_cancel");
    EXPECT_EQ(find_argument(event.arguments, "ctx_id")->tags, +Tag::K);
    EXPECT_EQ(find_argument(event.arguments, "iocb")->c_type, "struct iocb*");
    EXPECT_EQ(find_argument(event.arguments, "result")->tags, Tag::K | Tag::OPT);
    EXPECT_EQ(find_argument(event.decoded, "iocb.aio_key")->tags, Tag::U | Tag::TOCTOU);
}

TEST(CatalogPages, IoCancelHasAllItsSections) {
    const std::string page = event_page_text(*find_event("io_cancel"));
    for (const char* section : {"Intro", "Description", "Arguments", "Tags", "Return values", "Hooks",
                                "Example use case", "Issues", "Related events"}) {
        EXPECT_NE(page.find("\n" + std::string{section} + "\n"), std::string::npos) << section;
    }
    for (const char* word : {"do_io_cancel", "io_context_t", "struct io_event*", "K, OPT", "U, TOCTOU", "EINPROGRESS",
                             "timeout of zero", "io_submit()", "io_setup()", "io_getevents()"}) {
        EXPECT_NE(page.find(word), std::string::npos) << word;
    }
}

TEST(CatalogPages, TextFitsAHundredColumnsAndHasNoMarkup) {
    std::string all = event_list_text();
    for (const Event& event : events()) {
        all += event_page_text(event);
    }
    for (const std::string& line : lines_of(all)) {
        EXPECT_LE(line.size(), 100u) << line;
        EXPECT_EQ(line.find('`'), std::string::npos) << line;
        EXPECT_FALSE(line.ends_with(' ')) << "[" << line << "]";
    }
}

TEST(CatalogPages, ListHasOneLinePerEvent) {
    const std::vector<std::string> lines = lines_of(event_list_text());
    ASSERT_EQ(lines.size(), events().size() + 1);
    EXPECT_TRUE(lines[0].starts_with("NAME "));
    for (std::size_t i = 0; i < events().size(); ++i) {
        EXPECT_TRUE(lines[i + 1].starts_with(events()[i].name)) << lines[i + 1];
        EXPECT_NE(lines[i + 1].find(events()[i].intro), std::string::npos) << lines[i + 1];
    }
}

TEST(CatalogPages, MarkdownTablesHaveEvenRows) {
    for (const Event& event : events()) {
        std::ptrdiff_t columns = 0;
        for (const std::string& line : lines_of(event_page_markdown(event))) {
            const std::ptrdiff_t bars = std::ranges::count(line, '|');
            if (columns != 0 && bars != 0) {
                EXPECT_EQ(bars, columns) << line;
            }
            columns = bars;
        }
    }
}

TEST(CatalogPages, PlainTextTakesOffTheCodeMarks) {
    EXPECT_EQ(plain_text("`aio_key` is not 0"), "aio_key is not 0");
    EXPECT_EQ(plain_text(""), "");
}

TEST(CatalogPages, DocsAreTheGeneratedPages) {
    for (const Event& event : events()) {
        const std::filesystem::path path = pages_folder() / (std::string{event.name} + ".md");
        EXPECT_TRUE(file_content(path) == event_page_markdown(event)) << path << " is stale; " << regenerate;
    }
    EXPECT_TRUE(file_content(pages_folder() / "README.md") == event_index_markdown())
        << pages_folder() / "README.md" << " is stale; " << regenerate;
}

TEST(CatalogPages, DocsHoldNoPageOfAnEventThatIsGone) {
    for (const auto& entry : std::filesystem::directory_iterator{pages_folder()}) {
        const std::string stem = entry.path().stem();
        EXPECT_TRUE(stem == "README" || find_event(stem) != nullptr) << entry.path() << "; " << regenerate;
    }
}

TEST(CatalogOpcodes, OfAio) {
    const struct {
        unsigned opcode;
        const char* name;
    } known[] = {
        {IOCB_CMD_PREAD, "pread"},   {IOCB_CMD_PWRITE, "pwrite"},   {IOCB_CMD_FSYNC, "fsync"},
        {IOCB_CMD_FDSYNC, "fdsync"}, {IOCB_CMD_POLL, "poll"},       {IOCB_CMD_NOOP, "noop"},
        {IOCB_CMD_PREADV, "preadv"}, {IOCB_CMD_PWRITEV, "pwritev"},
    };
    EXPECT_EQ(opcodes(family_aio).size(), std::size(known));
    for (const auto& [opcode, name] : known) {
        EXPECT_EQ(opcode_name(family_aio, opcode), name);
        EXPECT_EQ(opcode_by_name(family_aio, name), opcode);
    }
}

TEST(CatalogOpcodes, UnknownOnesAreNumbers) {
    EXPECT_EQ(opcode_name(family_aio, 4), "op 4");
    EXPECT_EQ(opcode_name(family_aio, 9), "op 9");
    EXPECT_EQ(opcode_name(family_aio, 65535), "op 65535");
    EXPECT_EQ(opcode_name("no_such_family", 0), "op 0");
    EXPECT_EQ(opcode_by_name(family_aio, "preadx"), std::nullopt);
    EXPECT_EQ(opcode_by_name(family_aio, ""), std::nullopt);
    EXPECT_EQ(opcode_by_name("no_such_family", "pread"), std::nullopt);
}

TEST(CatalogErrnos, OfTheCLibraryAndOfTheKernel) {
    EXPECT_EQ(errno_name(EINVAL), "EINVAL");
    EXPECT_EQ(errno_name(EAGAIN), "EAGAIN");
    EXPECT_EQ(errno_name(EINPROGRESS), "EINPROGRESS");
    EXPECT_EQ(errno_name(EOPNOTSUPP), "EOPNOTSUPP");
    EXPECT_EQ(errno_name(512), "ERESTARTSYS");
    EXPECT_EQ(errno_name(513), "ERESTARTNOINTR");
    EXPECT_EQ(errno_name(514), "ERESTARTNOHAND");
    EXPECT_EQ(errno_name(515), "ENOIOCTLCMD");
    EXPECT_EQ(errno_name(516), "ERESTART_RESTARTBLOCK");
    EXPECT_EQ(errno_name(524), "ENOTSUPP");
    EXPECT_EQ(errno_name(529), "EIOCBQUEUED");
    EXPECT_EQ(errno_name(530), "ERECALLCONFLICT");
}

TEST(CatalogErrnos, UnknownOnesAreNumbers) {
    EXPECT_EQ(errno_name(0), "errno 0");
    EXPECT_EQ(errno_name(-22), "errno -22");
    EXPECT_EQ(errno_name(511), "errno 511");
    EXPECT_EQ(errno_name(520), "errno 520");
    EXPECT_EQ(errno_name(4095), "errno 4095");
}

TEST(CatalogFlags, CombineAndKeepWhatIsUnknown) {
    EXPECT_EQ(flag_names(rw_flags(), 0), "0");
    EXPECT_EQ(flag_names(rw_flags(), 1), "RWF_HIPRI");
    EXPECT_EQ(flag_names(rw_flags(), 0x12), "RWF_DSYNC|RWF_APPEND");
    EXPECT_EQ(flag_names(rw_flags(), 0x4012), "RWF_DSYNC|RWF_APPEND|0x4000");
    EXPECT_EQ(flag_names(rw_flags(), 0x8000000000000000), "0x8000000000000000");
    EXPECT_EQ(flag_names(rw_flags(), 0x1ff),
              "RWF_HIPRI|RWF_DSYNC|RWF_SYNC|RWF_NOWAIT|RWF_APPEND|RWF_NOAPPEND|RWF_ATOMIC|RWF_DONTCACHE|RWF_NOSIGNAL");
    EXPECT_EQ(flag_names(iocb_flags(), IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO), "IOCB_FLAG_RESFD|IOCB_FLAG_IOPRIO");
    EXPECT_EQ(flag_names(iocb_flags(), 4), "0x4");
    EXPECT_EQ(flag_names(poll_events(), POLLIN | POLLHUP), "POLLIN|POLLHUP");
    EXPECT_EQ(flag_names(poll_events(), POLLRDNORM | POLLRDHUP | 0x8000), "POLLRDNORM|POLLRDHUP|0x8000");
    EXPECT_EQ(flag_names({}, 3), "0x3");
}

TEST(CatalogFlags, TablesHoldSingleBitsOnce) {
    for (const NameTable table : {rw_flags(), iocb_flags(), poll_events()}) {
        std::uint64_t seen = 0;
        for (const Name& flag : table) {
            EXPECT_EQ(flag.value & (flag.value - 1), 0u) << flag.name;
            EXPECT_EQ(seen & flag.value, 0u) << flag.name;
            seen |= flag.value;
        }
    }
}

TEST(CatalogPriorities, ClassLevelAndHint) {
    const auto priority = [](unsigned io_class, unsigned hint, unsigned level) {
        return static_cast<std::uint16_t>(io_class << 13 | hint << 3 | level);
    };
    EXPECT_EQ(ioprio_name(0), "none");
    EXPECT_EQ(ioprio_name(priority(0, 0, 5)), "none/5");
    EXPECT_EQ(ioprio_name(priority(1, 0, 0)), "rt/0");
    EXPECT_EQ(ioprio_name(priority(2, 0, 4)), "be/4");
    EXPECT_EQ(ioprio_name(priority(3, 0, 0)), "idle");
    EXPECT_EQ(ioprio_name(priority(3, 0, 7)), "idle/7");
    EXPECT_EQ(ioprio_name(priority(2, 2, 4)), "be/4 hint cdl-2");
    EXPECT_EQ(ioprio_name(priority(2, 9, 4)), "be/4 hint 9");
    EXPECT_EQ(ioprio_name(priority(5, 0, 4)), "class 5/4");
    EXPECT_EQ(ioprio_name(0xffff), "class 7/7 hint 1023");
}

TEST(CatalogSignals, SetsAreListed) {
    const auto bit = [](int signal) { return std::uint64_t{1} << (signal - 1); };
    EXPECT_EQ(signal_set(0), "[]");
    EXPECT_EQ(signal_set(bit(SIGINT) | bit(SIGTERM)), "[INT TERM]");
    EXPECT_EQ(signal_set(bit(SIGHUP) | bit(SIGIO) | bit(SIGSYS)), "[HUP IO SYS]");
    EXPECT_EQ(signal_set(bit(32) | bit(33) | bit(64)), "[RTMIN RT_1 RT_32]");
    EXPECT_EQ(signal_set(~(bit(SIGKILL) | bit(SIGSTOP))), "~[KILL STOP]");
    EXPECT_EQ(signal_set(~std::uint64_t{0}), "~[]");
}

}  // namespace
}  // namespace inflight::catalog
