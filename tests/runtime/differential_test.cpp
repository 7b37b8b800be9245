// SPDX-License-Identifier: Apache-2.0
// Each behaviour is run against Debian's libaio on the kernel and against ours, and what they print is compared. Where
// ours is meant to differ, expected/NAME holds what it prints; docs/runtime.md lists it.
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

struct Output {
    std::string text;
    int status = -1;
};

Output run(const std::string& environment, const std::string& name) {
    Output output;
    const std::string command = environment + " TEST_TMPDIR=" + INFLIGHT_BINARY_DIR + " timeout 30 " +
                                INFLIGHT_BINARY_DIR "/runtime_behaviour " + name + " 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) {
        return output;
    }
    std::array<char, 4096> part{};
    while (const std::size_t bytes = fread(part.data(), 1, part.size(), pipe)) {
        output.text.append(part.data(), bytes);
    }
    const int status = pclose(pipe);
    output.status = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
    return output;
}

std::string contents(const std::string& path) {
    std::ifstream file{path};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

const std::string ours = "LD_LIBRARY_PATH=" INFLIGHT_BINARY_DIR "/aio";
const std::string on_kernel = ours + " INFLIGHT_AIO_BACKEND=kernel";

std::vector<std::string> behaviours() {
    std::vector<std::string> names;
    std::istringstream list{run("", "").text};
    for (std::string name; std::getline(list, name);) {
        names.push_back(name);
    }
    return names;
}

std::string expected_path(const std::string& name) {
    return std::string{INFLIGHT_SOURCE_DIR "/tests/runtime/expected/"} + name;
}

// Most of a behaviour's time is sleep, so several are run at once, ahead of the tests that look at them; each is run
// once, though several tests look at it.
class Outputs {
public:
    Outputs() {
        // With a filter few of them may be looked at, unless who gives it says how many jobs that is worth.
        const char* wanted = std::getenv("INFLIGHT_TEST_JOBS");
        const bool all = testing::GTEST_FLAG(filter) == "*";
        const int jobs = wanted != nullptr ? std::atoi(wanted) : all ? 6 : 0;
        std::vector<std::string> environments{"", ours};
        if (all) {
            environments.push_back(on_kernel);
        }
        for (const std::string& name : behaviours()) {
            for (const std::string& environment : environments) {
                keys_.emplace_back(environment, name);
            }
        }
        for (int i = 0; i < jobs; ++i) {
            threads_.emplace_back([this] { work(); });
        }
    }
    ~Outputs() {
        next_ = keys_.size();
        for (auto& thread : threads_) {
            thread.join();
        }
    }
    Outputs(const Outputs&) = delete;
    Outputs& operator=(const Outputs&) = delete;

    Output of(const std::string& environment, const std::string& name) {
        std::unique_lock lock{mutex_};
        Entry& entry = entries_[{environment, name}];
        if (!entry.begun) {
            entry.begun = true;
            lock.unlock();
            Output output = run(environment, name);
            lock.lock();
            entry.output = std::move(output);
            entry.done = true;
            finished_.notify_all();
        }
        finished_.wait(lock, [&] { return entry.done; });
        return entry.output;
    }

private:
    struct Entry {
        bool begun = false;
        bool done = false;
        Output output;
    };

    void work() {
        for (std::size_t i = next_++; i < keys_.size(); i = next_++) {
            (void)of(keys_[i].first, keys_[i].second);
        }
    }

    std::vector<std::pair<std::string, std::string>> keys_;
    std::atomic<std::size_t> next_{0};
    std::mutex mutex_;
    std::condition_variable finished_;
    std::map<std::pair<std::string, std::string>, Entry> entries_;
    std::vector<std::thread> threads_;
};

Output output_of(const std::string& environment, const std::string& name) {
    static Outputs outputs;
    return outputs.of(environment, name);
}

class Differential : public testing::TestWithParam<std::string> {};

TEST_P(Differential, OursAndTheKernels) {
    const Output kernel = output_of("", GetParam());
    if (kernel.status == 77) {
        GTEST_SKIP() << kernel.text;
    }
    const Output uring = output_of(ours, GetParam());
    ASSERT_EQ(kernel.status, 0) << kernel.text;
    ASSERT_EQ(uring.status, 0) << uring.text;
    const std::string expected = contents(expected_path(GetParam()));
    if (std::getenv("INFLIGHT_UPDATE_EXPECTED") != nullptr && uring.text != kernel.text) {
        std::ofstream{expected_path(GetParam())} << uring.text;
        return;
    }
    if (expected.empty()) {
        EXPECT_EQ(uring.text, kernel.text);
        return;
    }
    EXPECT_EQ(uring.text, expected);
    EXPECT_NE(uring.text, kernel.text) << "expected/" << GetParam() << " is no longer a difference";
    EXPECT_NE(contents(INFLIGHT_SOURCE_DIR "/docs/runtime.md").find("`" + GetParam() + "`"), std::string::npos)
        << "docs/runtime.md does not list it";
}

// With the kernel's AIO behind it, it is Debian's libaio.
TEST_P(Differential, KernelBackend) {
    const Output kernel = output_of("", GetParam());
    if (kernel.status == 77) {
        GTEST_SKIP() << kernel.text;
    }
    const Output ours_on_kernel = output_of(on_kernel, GetParam());
    EXPECT_EQ(ours_on_kernel.text, kernel.text);
    EXPECT_EQ(ours_on_kernel.status, kernel.status);
}

INSTANTIATE_TEST_SUITE_P(Behaviours, Differential, testing::ValuesIn(behaviours()),
                         [](const auto& instance) { return instance.param; });

// The kernel's way to cancel a poll, on request.
class CancelAsKernel : public testing::TestWithParam<std::string> {};

TEST_P(CancelAsKernel, IsTheSame) {
    const Output kernel = output_of("", GetParam());
    if (kernel.status == 77) {
        GTEST_SKIP() << kernel.text;
    }
    const Output uring = run(ours + " INFLIGHT_AIO_CANCEL=kernel", GetParam());
    EXPECT_EQ(uring.text, kernel.text);
}

INSTANTIATE_TEST_SUITE_P(Cancels, CancelAsKernel,
                         testing::Values("cancel_poll_pipe", "cancel_poll_eventfd", "cancel_poll_timerfd",
                                         "cancel_poll_signalfd", "cancel_poll_inotify", "cancel_poll_epoll",
                                         "cancel_poll_socket", "cancel_never_submitted", "cancel_other_context",
                                         "cancel_wrong_key", "cancel_unreadable", "cancel_same_iocb_twice",
                                         "cancel_from_thread", "cancel_memory_read"),
                         [](const auto& instance) { return std::string{instance.param}; });

}  // namespace
