// SPDX-License-Identifier: Apache-2.0
// Each scenario as a Perfetto trace, as Chrome's JSON and as CSV, read by python's protobuf, json and csv and held
// together with the json view: tests/export/check_export.py.
#include "parts.hpp"
#include "parts_uring.hpp"
#include "view/chrome.hpp"
#include "view/csv.hpp"
#include "view/perfetto.hpp"
#include "views.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace inflight::golden {
namespace {

class Folder {
public:
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "inflight-export-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }
    void write(std::string_view name, const std::string& content) const {
        std::ofstream(path_ / name, std::ios::binary) << content;
    }

private:
    std::filesystem::path path_;
};

struct Ended {
    int status = 0;
    std::string output;
};

Ended run(const std::string& command) {
    Ended ended;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    std::array<char, 4096> part{};
    for (std::size_t got = 0; (got = std::fread(part.data(), 1, part.size(), pipe)) != 0;) {
        ended.output.append(part.data(), got);
    }
    ended.status = ::pclose(pipe);
    return ended;
}

Ended check(const Folder& folder) {
    const std::filesystem::path script = source_folder() / "tests" / "export" / "check_export.py";
    // Debian's python is the one that has the package
    return run("/usr/bin/python3 -B " + script.string() + " " + folder.file("json") + " --perfetto " +
               folder.file("perfetto") + " --chrome " + folder.file("chrome") + " --csv " + folder.file("csv"));
}

void write_all(const Folder& folder, const Scenario& scenario) {
    folder.write("json", print(scenario, view::make_json_view));
    folder.write("perfetto", print(scenario, view::make_perfetto_view));
    folder.write("chrome", print(scenario, view::make_chrome_view));
    folder.write("csv", print(scenario, view::make_csv_view));
}

class Exports : public testing::TestWithParam<Scenario> {};

TEST_P(Exports, SayWhatJsonSays) {
    const Folder folder;
    write_all(folder, GetParam());
    const Ended ended = check(folder);
    EXPECT_EQ(ended.status, 0) << ended.output;
}

INSTANTIATE_TEST_SUITE_P(Views, Exports, testing::ValuesIn(scenarios()),
                         [](const auto& test) { return std::string(test.param.name); });

// --- many requests at once ------------------------------------------------------------------------------------------

// Requests that overlap in every way, of both families, in no order, with cancels of some.
void feed_many(view::View& view) {
    using namespace parts;
    constexpr std::size_t count = 5000;
    std::mt19937_64 random(4711);
    const auto up_to = [&random](std::uint64_t limit) { return random() % limit; };
    view.begin(trace_info());
    Summary result = summary();
    result.requests = count;
    for (std::size_t index = 0; index < count; ++index) {
        Request each = request(IOCB_CMD_PREAD, up_to(2'000'000) * us / 1000 + 1, up_to(90) == 0 ? 0 : up_to(40'000));
        each.context_id = 0x10001 + up_to(5);
        each.pid = each.context_id % 2 == 0 ? 4242 : 5151;
        each.address = 0x1000 + index * 64;
        if (up_to(100) == 0) {
            each = still(each);
        } else if (up_to(50) == 0) {
            each.existed = true;
            each.submit_ns.reset();
        }
        result.outcomes.at(static_cast<std::size_t>(each.outcome))++;
        view.on_request(each);
        if (up_to(20) == 0 && each.submit_ns) {
            Cancel attempt = cancel(Verdict::completed_first, -EINVAL, 0, "it had completed");
            const bool late = up_to(2) == 0 && each.complete_ns;
            attempt.start_ns = late ? *each.complete_ns + up_to(3) : *each.submit_ns + up_to(3);
            attempt.end_ns = attempt.start_ns + 1 + up_to(2000);
            attempt.target = each;
            view.on_cancel(attempt);
            ++result.cancels;
        }
    }
    view.end(result);
}

TEST(Exports, HoldForManyRequestsThatOverlap) {
    const Folder folder;
    write_all(folder, {"many", feed_many});
    const Ended ended = check(folder);
    EXPECT_EQ(ended.status, 0) << ended.output;
}

// --- that the checker can fail --------------------------------------------------------------------------------------

void feed_one_less(view::View& view) {
    using namespace parts;
    view.begin(trace_info());
    view.on_request(request(IOCB_CMD_PREAD, 104 * ms, 87'100));
    view.end(summary());
}

TEST(Exports, AreRefusedByTheCheckerWhenARequestIsMissing) {
    for (const std::string_view name : {"perfetto", "chrome", "csv"}) {
        const Folder folder;
        write_all(folder, {"many", feed_many});
        ASSERT_EQ(check(folder).status, 0);
        const Scenario less{"less", feed_one_less};
        folder.write(name, print(less, name == "csv"      ? view::make_csv_view
                                       : name == "chrome" ? view::make_chrome_view
                                                          : view::make_perfetto_view));
        EXPECT_NE(check(folder).status, 0) << name;
    }
}

TEST(Exports, HaveTheColumnsThatTheManualNames) {
    const std::string manual = content_of(source_folder() / "docs" / "export.md");
    std::string table = "| column | meaning |\n| --- | --- |\n";
    for (const view::CsvColumn& column : view::csv_columns()) {
        table.append("| ").append(column.name).append(" | ").append(column.meaning).append(" |\n");
    }
    EXPECT_NE(manual.find(table), std::string::npos) << "docs/export.md should have\n" << table;
}

TEST(Exports, AreTheSameEachTime) {
    const Scenario many{"many", feed_many};
    EXPECT_EQ(print(many, view::make_perfetto_view), print(many, view::make_perfetto_view));
    EXPECT_EQ(print(many, view::make_chrome_view), print(many, view::make_chrome_view));
}

}  // namespace
}  // namespace inflight::golden
