// SPDX-License-Identifier: Apache-2.0
#include "act/sleeping_call.hpp"
#include "act/target.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <set>

namespace inflight::act::test {
namespace {

Thread asleep_in(long number, CallArguments arguments = {}) {
    return {.tid = 1, .progress = {.state = 'S', .switches = 1}, .call = number, .arguments = arguments};
}

TEST(SleepingCalls, EachStandsOnce) {
    std::set<long> numbers;
    for (const SleepingCall& each : sleeping_calls) {
        EXPECT_TRUE(numbers.insert(each.number).second) << each.number;
    }
}

TEST(SleepingCalls, MostAreRestartedByTheKernel) {
    for (const long number : {SYS_poll, SYS_futex, SYS_nanosleep, SYS_pause, SYS_wait4, SYS_msgrcv, SYS_flock}) {
        EXPECT_EQ(disturbance(asleep_in(number)), 1) << number;
    }
}

TEST(SleepingCalls, ThatReturnEintrAreMadeAgain) {
    for (const long number : {SYS_semop, SYS_epoll_wait, SYS_io_getevents, SYS_rt_sigtimedwait}) {
        EXPECT_EQ(disturbance(asleep_in(number)), 2) << number;
    }
    EXPECT_EQ(disturbance(asleep_in(SYS_epoll_wait, {0, 0, 0, 60})), 3) << "its timeout begins anew";
    EXPECT_EQ(disturbance(asleep_in(SYS_epoll_wait, {0, 0, 0, 0xffffffff})), 2) << "-1: it has none";
    EXPECT_EQ(disturbance(asleep_in(SYS_io_uring_enter, {3, 0, 1, 8})), 3) << "IORING_ENTER_EXT_ARG";
    for (const long number : {SYS_readv, SYS_accept4, SYS_recvfrom}) {
        EXPECT_EQ(disturbance(asleep_in(number)), 3) << "a timeout of the socket: " << number;
    }
}

TEST(SleepingCalls, ThatWaitForSeveralEndEarly) {
    EXPECT_EQ(disturbance(asleep_in(SYS_io_uring_enter, {3, 2, 1, 1})), 4) << "it returns what it submitted";
    EXPECT_EQ(disturbance(asleep_in(SYS_io_getevents, {0, 2, 8})), 4) << "it returns what has come";
}

TEST(SleepingCalls, ThatWouldBeCutShortAreNotStopped) {
    for (const long number : {SYS_write, SYS_writev, SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_sendfile, SYS_splice,
                              SYS_io_submit, SYS_connect, SYS_close, SYS_ioctl, SYS_recvmmsg}) {
        EXPECT_EQ(disturbance(asleep_in(number)), std::nullopt) << number;
        EXPECT_NE(why_not_stopped(asleep_in(number)).find("cut short"), std::string::npos);
    }
    EXPECT_EQ(disturbance(asleep_in(SYS_recvfrom, {3, 0, 0, 0x100})), std::nullopt) << "MSG_WAITALL";
    EXPECT_EQ(disturbance(asleep_in(SYS_recvmsg, {3, 0, 0x100})), std::nullopt) << "MSG_WAITALL";
}

TEST(SleepingCalls, ThatDidNothingAreMadeAgainEvenIfTheyWrite) {
    EXPECT_TRUE(can_be_made_again(*find_sleeping_call(SYS_write)));
    EXPECT_TRUE(can_be_made_again(*find_sleeping_call(SYS_connect)));
    EXPECT_FALSE(can_be_made_again(*find_sleeping_call(SYS_close))) << "its descriptor is gone";
    EXPECT_FALSE(can_be_made_again(*find_sleeping_call(SYS_ioctl))) << "what it did is not known";
    EXPECT_FALSE(can_be_made_again(*find_sleeping_call(SYS_io_uring_register)));
}

TEST(SleepingCalls, AThreadInStateDIsLeftAlone) {
    Thread thread = asleep_in(SYS_read);
    thread.progress.state = 'D';
    EXPECT_EQ(disturbance(thread), std::nullopt);
    EXPECT_NE(why_not_stopped(thread).find("state D"), std::string::npos);
    thread.progress.state = 'S';
    thread.fuse = true;
    EXPECT_EQ(disturbance(thread), std::nullopt) << "the file system would be told";
    thread.progress.state = 'R';
    EXPECT_EQ(disturbance(thread), 0);
}

}  // namespace
}  // namespace inflight::act::test
