// SPDX-License-Identifier: Apache-2.0
// A kernel that lacks something costs what needs it, never the start: types of this kernel, some taken away, are given
// to inflight for the kernel's.
#include "faults_support.hpp"

#include <fmt/format.h>
#include <linux/btf.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <set>

namespace inflight::faults {
namespace {

constexpr const char* kernel_types = "/sys/kernel/btf/vmlinux";

// A BTF file in memory, whose members, functions and tracepoints can be given another name.
class Types {
public:
    Types() : bytes_(read_file(kernel_types)) {}

    // "io_open.filename", "io_uring_link()", "btf_trace_io_uring_link". False: there is none.
    bool take_away(const std::string& what) {
        const auto dot = what.find('.');
        const bool function = what.ends_with("()");
        const std::string name = function ? what.substr(0, what.size() - 2) : what.substr(0, dot);
        bool found = false;
        for_each_type([&](btf_type& type, char* after) {
            const auto kind = BTF_INFO_KIND(type.info);
            if (dot == std::string::npos) {
                if (name == name_at(type.name_off) && (kind == BTF_KIND_FUNC || kind == BTF_KIND_TYPEDEF)) {
                    type.name_off = other_name();
                    found = true;
                }
            } else if (kind == BTF_KIND_STRUCT && (name == name_at(type.name_off) || type.name_off == 0)) {
                for (unsigned i = 0; i < BTF_INFO_VLEN(type.info); i++) {
                    auto* const member = reinterpret_cast<btf_member*>(after) + i;
                    // Members may lie in structures without a name: those of one name are few.
                    if (what.substr(dot + 1) == name_at(member->name_off) && name == name_at(type.name_off)) {
                        member->name_off = other_name();
                        found = true;
                    }
                }
            }
        });
        return found;
    }
    void write(const std::string& path) const { std::ofstream(path, std::ios::binary) << bytes_; }

private:
    [[nodiscard]] btf_header& header() { return *reinterpret_cast<btf_header*>(bytes_.data()); }
    [[nodiscard]] const char* name_at(std::uint32_t offset) {
        return bytes_.data() + header().hdr_len + header().str_off + offset;
    }
    // Of something that no program asks for.
    std::uint32_t other_name() {
        const std::string_view all(bytes_.data() + header().hdr_len + header().str_off, header().str_len);
        return static_cast<std::uint32_t>(all.find(std::string_view("\0loff_t\0", 8)) + 1);
    }
    template <typename Visit>
    void for_each_type(Visit visit) {
        char* at = bytes_.data() + header().hdr_len + header().type_off;
        const char* const end = at + header().type_len;
        while (at < end) {
            auto& type = *reinterpret_cast<btf_type*>(at);
            char* const after = at + sizeof(btf_type);
            visit(type, after);
            at = after + bytes_after(type);
        }
    }
    static std::size_t bytes_after(const btf_type& type) {
        const std::size_t count = BTF_INFO_VLEN(type.info);
        switch (BTF_INFO_KIND(type.info)) {
            case BTF_KIND_INT:
            case BTF_KIND_VAR:
            case BTF_KIND_DECL_TAG:
                return 4;
            case BTF_KIND_ARRAY:
                return sizeof(btf_array);
            case BTF_KIND_STRUCT:
            case BTF_KIND_UNION:
                return count * sizeof(btf_member);
            case BTF_KIND_ENUM:
                return count * sizeof(btf_enum);
            case BTF_KIND_ENUM64:
                return count * sizeof(btf_enum64);
            case BTF_KIND_FUNC_PROTO:
                return count * sizeof(btf_param);
            case BTF_KIND_DATASEC:
                return count * sizeof(btf_var_secinfo);
            default:
                return 0;
        }
    }

    std::string bytes_;
};

// What is taken away, the features that are lost by it, and what is there all the same.
struct Loss {
    std::string name;
    std::vector<std::string> without;
    std::set<std::string> features;
    bool uring = true;  // requests of io_uring are shown
};
void PrintTo(const Loss& loss, std::ostream* out) {
    *out << loss.name;
}
const std::vector<Loss> losses{
    {"nothing", {}, {}},
    {"a_path", {"io_open.filename"}, {"path-openat"}},
    {"times", {"io_timeout_data.ts"}, {"timeouts"}},
    {"details", {"sock_common.skc_family"}, {"details"}},
    {"list", {"io_timeout.list"}, {"lists"}},
    {"worker", {"io_worker.cur_work"}, {"lists", "rings-being-freed"}},
    {"kworker", {"worker.current_func"}, {"rings-being-freed"}},
    {"xattr_name", {"io_xattr.ctx"}, {"details"}},
    {"uring", {"io_cqe.user_data"}, {"io_uring"}, false},
    {"aio", {"aio_kiocb.ki_ctx"}, {"aio", "contexts-before"}, true},
};

std::set<std::string> features_of(const rapidjson::Value& object) {
    std::set<std::string> names;
    for (const auto& each : object["lost_features"].GetArray()) {
        names.insert(each["name"].GetString());
    }
    return names;
}

class Without : public testing::TestWithParam<Loss> {
protected:
    void SetUp() override {
        if (::geteuid() != 0 || ::access(kernel_types, R_OK) != 0) {
            GTEST_SKIP() << "needs root and the kernel's types";
        }
        Types types;
        for (const auto& each : GetParam().without) {
            if (!types.take_away(each)) {
                GTEST_SKIP() << "this kernel has no " << each;
            }
        }
        types.write(types_);
    }
    static Words trace_of(const std::string& program, const std::string& types, const std::string& scratch,
                          const std::string& out) {
        return {"trace", "-o", "json", "--output", out, "--btf", types, "--", workload(program), scratch};
    }

    Folder folder_;
    std::string types_ = folder_ / "types";
};

TEST_P(Without, TheRestIsThereAndTheLossIsSaid) {
    const auto& loss = GetParam();
    const std::string out = folder_ / "out";
    for (const bool uring : {false, true}) {
        const std::string name = uring ? "uring_read_write" : "read_write";
        const auto traced = run_inflight(trace_of(name, types_, folder_.path(), out));
        ASSERT_EQ(traced.status, 0) << traced.err;
        EXPECT_EQ(traced.err.find("processed"), std::string::npos) << "a verifier's log: " << traced.err;
        const Lines lines(read_file(out));
        EXPECT_EQ(features_of(lines.one("trace")), loss.features);
        EXPECT_EQ(lines.of("request").empty(), uring && !loss.uring) << name;
        for (const auto& each : lines.one("trace")["lost_features"].GetArray()) {
            EXPECT_NE(std::string(each["reason"].GetString()).find("this kernel has no"), std::string::npos)
                << each["reason"].GetString();
        }
    }
}

TEST_P(Without, DoctorSaysIt) {
    const auto& loss = GetParam();
    const auto told = run_inflight({"doctor", "-o", "json", "--btf", types_});
    EXPECT_LT(told.status, 2) << told.out;
    rapidjson::Document json;
    json.Parse(told.out.c_str());
    ASSERT_FALSE(json.HasParseError()) << told.out;
    EXPECT_EQ(features_of(json), loss.features);
    const auto read = run_inflight({"doctor", "--btf", types_});
    for (const auto& each : json["lost_features"].GetArray()) {
        EXPECT_NE(read.out.find(each["meaning"].GetString()), std::string::npos) << read.out;
    }
}

// The programs that count need less: what they have is counted, and what they lack is said.
TEST_P(Without, StatCountsTheRest) {
    const auto& loss = GetParam();
    const std::string out = folder_ / "out";
    const auto counted = run_inflight(
        {"stat", "-o", "json", "--output", out, "--btf", types_, "--", workload("read_write"), folder_.path()});
    ASSERT_EQ(counted.status, 0) << counted.err;
    const Lines lines(read_file(out));
    const auto lost = features_of(lines.one("start"));
    EXPECT_TRUE(std::ranges::includes(loss.features, lost)) << read_file(out);
}

INSTANTIATE_TEST_SUITE_P(Each, Without, testing::ValuesIn(losses),
                         [](const auto& instance) { return instance.param.name; });

// What the kernel says of a program is shown to whoever asks, in a file.
TEST(Verbose, WritesWhatTheVerifierSaysToAFile) {
    if (::geteuid() != 0 || ::access(kernel_types, R_OK) != 0) {
        GTEST_SKIP() << "needs root and the kernel's types";
    }
    const Folder folder;
    Types types;
    ASSERT_TRUE(types.take_away("io_timeout.list"));
    types.write(folder / "types");
    const auto told =
        run({"env", "TMPDIR=" + folder.path(), inflight_path(), "doctor", "--verbose", "--btf", folder / "types"});
    const auto at = told.out.find(folder.path());
    ASSERT_NE(at, std::string::npos) << told.out;
    const std::string log = read_file(told.out.substr(at, told.out.find('\n', at) - at));
    EXPECT_NE(log.find("io_timeout"), std::string::npos);
    EXPECT_NE(log.find("processed"), std::string::npos);
}

TEST(Types, ThatAreNoneAreAnError) {
    const Folder folder;
    std::ofstream(folder / "types") << "no types";
    const auto told = run_inflight({"trace", "--btf", folder / "types", "--", "true"});
    EXPECT_EQ(told.status, 3) << told.err;
    EXPECT_NE(told.err.find("BTF file"), std::string::npos) << told.err;
}

}  // namespace
}  // namespace inflight::faults
