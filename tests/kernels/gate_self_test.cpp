// SPDX-License-Identifier: Apache-2.0
// That the gate turns red: each way in which a kernel can differ, made by changing one name in its types or one row.
#include "gate.hpp"
#include "reachable.hpp"
#include "repository.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace inflight::kernels {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

// A kernel in which every name `from` is `to`, of the same length.
Kernel kernel_with(const std::string& name, std::string_view from, std::string_view to) {
    EXPECT_EQ(from.size(), to.size());
    std::ifstream file(folder + "btf/" + name + ".btf", std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const std::string whole = '\0' + std::string(from) + '\0';
    const auto at = bytes.find(whole);
    EXPECT_NE(at, std::string::npos) << from;
    bytes.replace(at + 1, from.size(), to);
    return {.series = must(series(name)), .name = name, .types = must(Types::parse(bytes))};
}

Kernel real(const std::string& name) {
    return {.series = must(series(name)), .name = name, .types = must(Types::read(folder + "btf/" + name + ".btf"))};
}

std::vector<std::string> complaints_about(const Kernel& kernel, const Knowledge& known) {
    std::vector<std::string> all;
    for (const auto& object : objects()) {
        const auto verdict = judge(object, kernel, known);
        all.insert(all.end(), verdict.complaints.begin(), verdict.complaints.end());
    }
    return all;
}

Knowledge without_row(std::string_view subject) {
    Knowledge known = knowledge();
    EXPECT_NE(std::erase_if(known.lost, [&](const Row& row) { return row.subject == subject; }), 0U) << subject;
    return known;
}

const Program& program(const std::string& name) {
    for (const auto& object : objects()) {
        for (const auto& each : object.programs()) {
            if (each.name == name) {
                return each;
            }
        }
    }
    ADD_FAILURE() << "no program " << name;
    return objects().front().programs().front();
}

TEST(GateItself, NamesKernelProgramAndFieldOfWhatNothingGuards) {
    EXPECT_THAT(complaints_about(kernel_with("7.3", "cached_cq_tail", "cached_cq_tale"), knowledge()),
                Contains(AllOf(HasSubstr("Linux 7.3: there is no io_ring_ctx.cached_cq_tail"),
                               HasSubstr("nothing guards it"), HasSubstr("fentry___x64_sys_io_uring_enter"))));
}

// 7.0 made structures of pointers; a member of that name is there, of another kind.
TEST(GateItself, AMemberOfAnotherKindIsNotTheMember) {
    Asked asked;
    const auto& object = objects().front();
    const auto found = std::ranges::find_if(object.asked(), [](const auto& each) {
        return each.second.text == "io_open.filename" && each.second.kind == BPF_CORE_FIELD_BYTE_OFFSET;
    });
    ASSERT_NE(found, object.asked().end());
    EXPECT_EQ(answer(object.types(), found->second, real("6.19").types).state, Answer::State::found);
    EXPECT_EQ(answer(object.types(), found->second, real("7.0").types).state, Answer::State::absent);
}

TEST(GateItself, WhatIsGuardedNeedsARow) {
    EXPECT_THAT(complaints_about(real("7.3"), without_row("kernfs_node.parent")),
                Contains(AllOf(HasSubstr("Linux 7.3: there is no kernfs_node.parent"), HasSubstr("is guarded"),
                               HasSubstr("lost.tsv does not say"), HasSubstr("fentry___ia32_sys_io_cancel"))));
}

TEST(GateItself, ARowThatExcusesNothingIsTold) {
    Knowledge known = knowledge();
    known.lost.push_back({.kernels = {}, .subject = "io_ring_ctx.rings", .text = "Nothing.", .line = 99});
    std::set<const Row*> used;
    for (const auto& object : objects()) {
        const auto verdict = judge(object, real("7.3"), known);
        used.insert(verdict.used.begin(), verdict.used.end());
    }
    EXPECT_THAT(unused_rows(known.lost, real("7.3"), used),
                ElementsAre(AllOf(HasSubstr("line 99"), HasSubstr("io_ring_ctx.rings"))));
}

TEST(GateItself, AMissingTracepointNeedsARow) {
    EXPECT_THAT(
        complaints_about(kernel_with("7.3", "btf_trace_io_uring_defer", "btf_trace_io_uring_refed"), knowledge()),
        Contains(AllOf(HasSubstr("there is no tracepoint io_uring_defer"), HasSubstr("uring_defer"))));
}

TEST(GateItself, AMissingFunctionNeedsARow) {
    EXPECT_THAT(complaints_about(kernel_with("7.3", "aio_complete", "aio_finished"), knowledge()),
                Contains(AllOf(HasSubstr("there is no function aio_complete"), HasSubstr("stat_fentry_aio_complete"))));
}

TEST(GateItself, AnArgumentThatIsNotThereNeedsARow) {
    EXPECT_THAT(complaints_about(real("7.3"), without_row("argument 5 of tracepoint io_uring_complete")),
                Contains(AllOf(HasSubstr("no argument 5 of tracepoint io_uring_complete, which has 3 arguments"),
                               HasSubstr("uring_complete"))));
}

TEST(GateItself, ASizeThatIsNotOursNeedsARow) {
    EXPECT_THAT(complaints_about(real("7.3"), without_row("size of io_kiocb.flags")),
                Contains(HasSubstr("io_kiocb.flags has 8 bytes, and the program reads 4")));
}

// Of a structure that was not looked for nobody can say that the kernel has not got it.
TEST(GateItself, WhatWasNotLookedForIsNotMissing) {
    const std::string path = testing::TempDir() + "names";
    {
        std::ifstream all(folder + "btf/names");
        std::ofstream fewer(path);
        for (std::string line; std::getline(all, line);) {
            if (line != "kernfs_node") {
                fewer << line << '\n';
            }
        }
    }
    Knowledge known = knowledge();
    known.names = must(Names::read(path));
    EXPECT_THAT(complaints_about(real("7.3"), known),
                Contains(AllOf(HasSubstr("kernfs_node.__parent was not looked for"),
                               HasSubstr("run tests/kernels/reduce-btf again"))));
}

TEST(GateItself, AnotherPrototypeIsTold) {
    EXPECT_THAT(compare_prototypes(real("7.3"), knowledge()), IsEmpty());
    EXPECT_THAT(compare_prototypes(kernel_with("7.3", "gfp_t", "pfg_t"), knowledge()),
                Contains(AllOf(HasSubstr("Linux 7.3: tracepoint kmem_cache_alloc is 'void ("), HasSubstr("pfg_t"),
                               HasSubstr("expects"))));
}

TEST(GateItself, AMissingConstantIsTold) {
    EXPECT_THAT(compare_prototypes(kernel_with("7.3", "IO_RING_F_COMPAT", "IO_RING_F_TAPMOC"), knowledge()),
                Contains(HasSubstr("Linux 7.3: constant IO_RING_F_COMPAT is 'absent'")));
}

// The arguments of a tracepoint that a program reads, also those that only one kernel has.
TEST(GateItself, SeesWhichArgumentsAreRead) {
    EXPECT_THAT(reach(objects().front(), program("uring_complete"), {}).context_words,
                testing::ElementsAre(0, 1, 2, 3, 4, 5, 6));
    EXPECT_THAT(reach(objects().front(), program("uring_create"), {}).context_words, testing::ElementsAre(0, 1));
}

// Who submitted a request: one of two fields is read, the other's code is shut off.
TEST(GateItself, WhatTheKernelHasNotShutsCodeOff) {
    const auto& object = objects().front();
    const auto reads = [&](const std::string& kernel, const std::string& field) {
        const auto types = real(kernel);
        std::map<Position, std::uint64_t> values;
        for (const auto& [position, asked] : object.asked()) {
            if (const auto value = answer(object.types(), asked, types.types).value) {
                values[position] = *value;
            }
        }
        const auto reached = reach(object, program("uring_lists"), values);
        return std::ranges::any_of(object.asked(), [&](const auto& each) {
            return each.second.text == field && each.second.kind == BPF_CORE_FIELD_BYTE_OFFSET &&
                   reached.has(each.first);
        });
    };
    EXPECT_TRUE(reads("6.12", "io_kiocb.task"));
    EXPECT_FALSE(reads("6.12", "io_kiocb.tctx"));
    EXPECT_FALSE(reads("6.18", "io_kiocb.task"));
    EXPECT_TRUE(reads("6.18", "io_kiocb.tctx"));
}

TEST(GateTables, Ranges) {
    const std::string path = testing::TempDir() + "table";
    std::ofstream(path)
        << "# a comment\n*\ta\tone\n6.12\tb, c\ttwo\n6.1-6.18\td\tthree\n7.0-\te\tfour\n-6.12\tf\tfive\n";
    const auto table = must(read_table(path, 3));
    const auto has = [&](const char* kernel, const char* subject) {
        return find_row(table, must(series(kernel)), subject) != nullptr;
    };
    EXPECT_TRUE(has("5.15", "a"));
    EXPECT_TRUE(has("6.12", "b"));
    EXPECT_TRUE(has("6.12", "c"));
    EXPECT_FALSE(has("6.2", "c"));
    EXPECT_TRUE(has("6.2", "d"));
    EXPECT_FALSE(has("6.19", "d"));
    EXPECT_TRUE(has("7.10", "e"));
    EXPECT_FALSE(has("6.19", "e"));
    EXPECT_TRUE(has("6.2", "f"));
    EXPECT_FALSE(has("6.13", "f"));
    std::ofstream(path) << "6.x\ta\tone\n";
    EXPECT_FALSE(read_table(path, 3));
    std::ofstream(path) << "6.1\ta\n";
    EXPECT_FALSE(read_table(path, 3));
}

}  // namespace
}  // namespace inflight::kernels
