// SPDX-License-Identifier: Apache-2.0
// Programs that know nothing of inflight, stuck in one request, and freed by one command.
#include "faults_support.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcntl.h>
#include <array>
#include <cstdlib>
#include <string>

namespace inflight::faults {
namespace {

using testing::HasSubstr;

// The only request in flight of that command and operation, once there is one.
std::string id_of(const std::string& comm, const std::string& op) {
    std::string id;
    EXPECT_TRUE(wait_until([&] {
        const Lines lines(run_inflight({"ls", "--comm", comm, "--op", op, "-o", "json"}).out);
        const auto requests = lines.of("in_flight");
        id = requests.size() == 1 ? text(*requests.front(), "id") : "";
        return !id.empty();
    })) << "no request of "
        << comm;
    return id;
}

void cancel(const std::string& id) {
    const Ended ended = run_inflight({"cancel", id, "--yes"});
    EXPECT_EQ(ended.status, 0) << ended.out << ended.err;
    EXPECT_THAT(ended.out, HasSubstr("cancelled"));
}

TEST(CancelFrees, FioThatReadsASilentTerminal) {
    if (!find_program("fio")) {
        GTEST_SKIP() << "fio is not installed";
    }
    const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    std::array<char, 128> name{};
    if (terminal < 0 || ::grantpt(terminal) != 0 || ::unlockpt(terminal) != 0 ||
        ::ptsname_r(terminal, name.data(), name.size()) != 0) {
        GTEST_SKIP() << "no pseudo terminals here";
    }
    Process fio({"fio", "--name=hang", std::string("--filename=") + name.data(), "--filesize=4k", "--size=4k",
                 "--ioengine=io_uring", "--rw=read", "--bs=4k", "--iodepth=1", "--allow_file_create=0"});
    cancel(id_of("fio", "read"));
    EXPECT_TRUE(fio.wait());
    EXPECT_THAT(fio.out() + fio.err(), HasSubstr("Operation canceled")) << "its own words";
    ::close(terminal);
}

// A socket connected to the server.
int connect_to(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return fd;
}

void expect_echo(int fd) {
    std::array<char, 5> answer{};
    EXPECT_EQ(::send(fd, "hello", 5, 0), 5);
    EXPECT_EQ(::recv(fd, answer.data(), answer.size(), MSG_WAITALL), 5);
}

TEST(CancelFrees, AnEchoServerOfOneSilentClient) {
    const std::string program = workload("../programs/echo");
    if (!exists(program)) {
        GTEST_SKIP() << "it was not built";
    }
    Process server(Words{program});
    ASSERT_TRUE(server.wait_for_out("port ")) << server.err();
    const auto port = static_cast<std::uint16_t>(std::stoi(server.out().substr(5)));
    const int silent = connect_to(port);
    expect_echo(silent);
    cancel(id_of("echo", "recv"));
    char nothing = 0;
    EXPECT_EQ(::recv(silent, &nothing, 1, 0), 0) << "the server has closed that connection";
    EXPECT_TRUE(server.wait_for_out("Operation canceled\n")) << server.out();
    const int other = connect_to(port);
    expect_echo(other);
    EXPECT_TRUE(server.running());
    ::close(silent);
    ::close(other);
}

}  // namespace
}  // namespace inflight::faults
