// SPDX-License-Identifier: Apache-2.0
// <inflight/aio.h> and <inflight/aio.hpp>.
#include <inflight/aio.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using inflight::AioContext;

struct Pipe {
    Pipe() { EXPECT_EQ(pipe(ends.data()), 0); }
    ~Pipe() {
        close(ends[0]);
        close(ends[1]);
    }
    std::array<int, 2> ends{-1, -1};
};

class Extras : public testing::Test {
protected:
    void submit(iocb& block) {
        std::array<iocb*, 1> list{&block};
        const auto result = context.submit(list);
        ASSERT_TRUE(result) << result.error().message();
        ASSERT_EQ(*result, 1);
    }
    // How many events come within a short while.
    int events() {
        std::array<io_event, 64> room{};
        return context.reap(room, 64, 50ms).value_or(-1);
    }

    AioContext context = AioContext::create(64).value();
    Pipe pipe;
    std::array<char, 4096> buffer{};
};

// io_uring, unless tests/runtime/fallback sees to it that it is not.
TEST(Backend, IsTold) {
    const char* backend = std::getenv("INFLIGHT_EXPECT_BACKEND");
    const char* reason = std::getenv("INFLIGHT_EXPECT_REASON");
    EXPECT_EQ(inflight_aio_backend(), backend == nullptr ? INFLIGHT_AIO_URING : std::atoi(backend));
    EXPECT_NE(std::strstr(inflight_aio_backend_reason(), reason == nullptr ? "io_uring" : reason), nullptr)
        << inflight_aio_backend_reason();
}

TEST_F(Extras, CancelReturnsTheEvent) {
    iocb block;
    io_prep_pread(&block, pipe.ends[0], buffer.data(), 10, 0);
    block.data = &block;
    submit(block);
    const auto event = context.cancel(block);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->data, &block);
    EXPECT_EQ(event->obj, &block);
    EXPECT_EQ(static_cast<long>(event->res), -ECANCELED);
    EXPECT_EQ(context.cancel(block).error().value(), EINVAL);
    EXPECT_EQ(events(), 0);
}

TEST_F(Extras, DrainThenCancelFindsTheCompleted) {
    iocb ready;
    iocb waits;
    io_prep_poll(&ready, pipe.ends[1], POLLOUT);
    io_prep_poll(&waits, pipe.ends[0], POLLIN);
    submit(ready);
    submit(waits);
    std::array<io_event, 4> drained{};
    int count = -1;
    io_event result{};
    EXPECT_EQ(inflight_aio_drain_then_cancel(context.get(), &ready, &result, drained.data(), 4, &count), 1);
    ASSERT_EQ(count, 1);
    EXPECT_EQ(drained[0].obj, &ready);
    EXPECT_EQ(inflight_aio_drain_then_cancel(context.get(), &waits, &result, drained.data(), 4, &count), 0);
    EXPECT_EQ(count, 0);
    EXPECT_EQ(result.obj, &waits);
    EXPECT_EQ(inflight_aio_drain_then_cancel(context.get(), &waits, nullptr, drained.data(), 4, &count), -EINVAL);
    EXPECT_EQ(inflight_aio_drain_then_cancel(context.get(), nullptr, nullptr, drained.data(), 4, &count), -EFAULT);
    EXPECT_EQ(inflight_aio_drain_then_cancel(context.get(), &waits, nullptr, drained.data(), 4, nullptr), -EFAULT);
}

TEST_F(Extras, CancelOfOneDescriptor) {
    const Pipe other;
    std::array<iocb, 6> blocks{};
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const int file = i < 4 ? pipe.ends[0] : other.ends[0];
        if (i % 2 == 0) {
            io_prep_poll(&blocks[i], file, POLLIN);
        } else {
            io_prep_pread(&blocks[i], file, buffer.data(), 10, 0);
        }
        submit(blocks[i]);
    }
    std::array<io_event, 3> few{};
    EXPECT_EQ(inflight_aio_cancel_fd(context.get(), pipe.ends[0], few.data(), 3), 3);
    for (const auto& event : few) {
        EXPECT_EQ(event.obj->aio_fildes, pipe.ends[0]);
        EXPECT_EQ(static_cast<long>(event.res), -ECANCELED);
    }
    EXPECT_EQ(context.cancel_descriptor(pipe.ends[0]).value(), 1);
    EXPECT_EQ(context.cancel_descriptor(pipe.ends[0]).value(), 0);
    EXPECT_EQ(events(), 0);
    EXPECT_EQ(context.cancel_all().value(), 2);
    EXPECT_EQ(events(), 0);
    EXPECT_EQ(inflight_aio_cancel_fd(context.get(), -1, nullptr, 0), -EBADF);
    EXPECT_EQ(inflight_aio_cancel_all(context.get(), nullptr, 5), -EINVAL);
    EXPECT_EQ(inflight_aio_cancel_all(context.get(), few.data(), -1), -EINVAL);
    EXPECT_EQ(inflight_aio_cancel_all(nullptr, nullptr, 0), -EINVAL);
}

TEST_F(Extras, CancelWithinWaitsForTheEnd) {
    std::vector<char> large(1 << 20);
    const std::string path = testing::TempDir() + "inflight_extras." + std::to_string(getpid());
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    ASSERT_GE(file, 0);
    unlink(path.c_str());
    for (int i = 0; i < 50; ++i) {
        iocb block;
        io_prep_pwrite(&block, file, large.data(), large.size(), 0);
        submit(block);
        std::this_thread::sleep_for(std::chrono::microseconds{i * 20});
        io_event event{};
        const timespec limit{5, 0};
        const int answer = inflight_aio_cancel_within(context.get(), &block, &event, &limit);
        // -EINVAL: it was over before.
        ASSERT_TRUE(answer == 0 || answer == 1 || answer == -EINVAL) << answer;
        EXPECT_EQ(events(), answer == 0 ? 0 : 1);
    }
    close(file);
}

// A write to a pipe that is cancelled half done is either stopped, and says how much was written, or goes on to its
// end.
TEST_F(Extras, AHalfDoneWriteIsStoppedOrGoesOn) {
    std::vector<char> large(1 << 20);
    std::vector<char> sink(1 << 20);
    for (int round = 0; round < 300; ++round) {
        const Pipe one;
        iocb block;
        io_prep_pwrite(&block, one.ends[1], large.data(), large.size(), 0);
        submit(block);
        std::size_t moved = 0;
        bool over = false;
        std::thread reader{[&] {
            for (ssize_t got = 1; got > 0; moved += static_cast<std::size_t>(got)) {
                got = read(one.ends[0], sink.data(), sink.size());
            }
        }};
        io_event event{};
        int answer = -EAGAIN;
        for (int i = 0; i < round; ++i) {
            std::atomic_signal_fence(std::memory_order_seq_cst);
        }
        answer = io_cancel(context.get(), &block, &event);
        if (answer != 0) {
            timespec limit{5, 0};
            over = io_getevents(context.get(), 1, 1, &event, &limit) == 1;
        }
        close(one.ends[1]);
        reader.join();
        ASSERT_TRUE(answer == 0 || over) << answer;
        const auto told = static_cast<long>(event.res);
        EXPECT_EQ(told == -ECANCELED ? 0 : told, static_cast<long>(moved)) << "round " << round << ", " << answer;
        EXPECT_TRUE(answer == 0 || moved == large.size()) << answer << " after " << moved;
    }
}

// What a number meant before is not what it means now: a pipe in the place of a file waits, and can be cancelled.
TEST_F(Extras, AClosedNumberIsAnotherFile) {
    alignas(4096) static std::array<char, 4096> block_of_file;
    const std::string path = testing::TempDir() + "/inflight_extras." + std::to_string(getpid());
    for (const int flags : {0, O_DIRECT}) {
        for (const int reads : {1, 8}) {
            const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | flags, 0600);
            ASSERT_GE(file, 0);
            ASSERT_EQ(ftruncate(file, 1 << 20), 0);
            for (int i = 0; i < reads; ++i) {
                posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
                iocb block;
                io_prep_pread(&block, file, block_of_file.data(), block_of_file.size(), i * 65536);
                submit(block);
                EXPECT_EQ(events(), 1);
            }
            const Pipe other;
            close(file);
            ASSERT_EQ(dup2(other.ends[0], file), file);
            iocb block;
            io_prep_pread(&block, file, buffer.data(), 10, 0);
            submit(block);
            std::this_thread::sleep_for(20ms);
            EXPECT_TRUE(context.cancel(block)) << flags << ' ' << reads;
            EXPECT_EQ(events(), 0);
            submit(block);
            std::this_thread::sleep_for(20ms);
            context = AioContext::create(64).value();
            close(file);
        }
    }
    unlink(path.c_str());
}

TEST_F(Extras, AMovedContextIsDestroyedOnce) {
    AioContext other = AioContext::create(8).value();
    const io_context_t handle = other.get();
    {
        const AioContext third = std::move(other);
        EXPECT_EQ(third.get(), handle);
    }
    EXPECT_EQ(io_destroy(handle), -EINVAL);
}

TEST_F(Extras, ManyContexts) {
    std::vector<AioContext> many;
    for (int i = 0; i < 300; ++i) {
        auto made = AioContext::create(8);
        ASSERT_TRUE(made) << i << ' ' << made.error().message();
        many.push_back(std::move(*made));
    }
    iocb block;
    io_prep_poll(&block, pipe.ends[0], POLLIN);
    std::array<iocb*, 1> list{&block};
    for (auto& one : many) {
        ASSERT_EQ(one.submit(list).value_or(-1), 1);
        ASSERT_TRUE(one.cancel(block));
    }
}

}  // namespace
