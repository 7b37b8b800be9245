// SPDX-License-Identifier: Apache-2.0
// docs/truth.md says for each place what is seen there, and names the tests that show it: these tests are there.
#include "faults_support.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <string>
#include <vector>

namespace inflight::faults {
namespace {

// The names of all tests of this program. Those of the tiers (`tracepoint.read_write`) are of live_tests.
std::vector<std::string> tests_here() {
    std::vector<std::string> names;
    const auto& all = *testing::UnitTest::GetInstance();
    for (int suite = 0; suite < all.total_test_suite_count(); suite++) {
        const auto& tests = *all.GetTestSuite(suite);
        for (int i = 0; i < tests.total_test_count(); i++) {
            names.push_back(std::string(tests.name()) + "." + tests.GetTestInfo(i)->name());
        }
    }
    return names;
}

// What stands in `...` in the last cell of a row.
std::vector<std::string> named_in(const std::string& row) {
    std::vector<std::string> names;
    const std::size_t last_cell = row.rfind('|', row.size() - 2);
    for (std::size_t at = row.find('`', last_cell); at != std::string::npos;) {
        const std::size_t end = row.find('`', at + 1);
        names.push_back(row.substr(at + 1, end - at - 1));
        at = end == std::string::npos ? end : row.find('`', end + 1);
    }
    return names;
}

TEST(Truth, EachPlaceOfTheTableHasItsTests) {
    const auto tests = tests_here();
    int rows = 0;
    bool in_table = false;
    for (const std::string& line : lines_of(read_file(std::string(INFLIGHT_SOURCE_DIR) + "/docs/truth.md"))) {
        in_table = line.starts_with("| place ") || (in_table && line.starts_with("|"));
        if (!in_table || line.starts_with("| place ") || line.starts_with("| ---")) {
            continue;
        }
        rows++;
        const auto named = named_in(line);
        EXPECT_FALSE(named.empty()) << line;
        for (const std::string& pattern : named) {
            const bool of_a_tier = pattern.starts_with("tracepoint.") || pattern.starts_with("fentry.") ||
                                   pattern.starts_with("kprobe.") || pattern.starts_with("*.");
            EXPECT_TRUE(of_a_tier || std::ranges::any_of(tests,
                                                         [&](const std::string& name) {
                                                             return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
                                                         }))
                << pattern;
        }
    }
    EXPECT_GT(rows, 8);
}

}  // namespace
}  // namespace inflight::faults
