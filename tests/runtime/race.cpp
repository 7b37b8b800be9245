// SPDX-License-Identifier: Apache-2.0
// Eight threads submit, cancel and reap at once, any of them anybody's requests. Each accepted request must give
// exactly one event, from io_cancel or from io_getevents. Argument: how many requests (10,000,000 is the full measure).
#include <libaio.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int threads_count = 8;
constexpr int contexts_count = 4;
constexpr int requests_count = 1600;
constexpr int streams_count = 4;
constexpr std::size_t buffer_bytes = 4096;

std::atomic<long> accepted{0};
std::atomic<long> by_cancel{0};
std::atomic<long> by_reaping{0};
std::atomic<long> cancels_refused{0};
std::atomic<long> errors{0};
std::atomic<bool> finishing{false};

void fail(const char* what, int request, long value) {
    if (errors.fetch_add(1) < 20) {
        std::fprintf(stderr, "race: %s, request %d, %ld\n", what, request, value);
    }
}

// Never changes after the start: threads that cancel read the iocb while others submit it.
struct Request {
    iocb block;
    int context;
    bool file;
    alignas(4096) std::array<char, buffer_bytes> buffer;
    std::atomic<bool> in_flight{false};
};

struct Streams {
    int pipe_read, pipe_write, pipe_feed, pipe_drain;
    std::array<int, 2> sockets;
    int counter;
};

struct World {
    std::array<io_context_t, contexts_count> contexts{};
    std::vector<std::unique_ptr<Request>> requests;
    std::array<Streams, streams_count> streams{};
    std::mutex free_mutex;
    std::vector<int> free;
};

void need(bool condition, const char* what) {
    if (!condition) {
        std::fprintf(stderr, "race: cannot have %s\n", what);
        std::exit(2);
    }
}

// Another open file of the same pipe: O_NONBLOCK for who feeds it, not for the requests.
int reopen(int descriptor, int flags) {
    const int again = open(("/proc/self/fd/" + std::to_string(descriptor)).c_str(), flags | O_NONBLOCK);
    need(again >= 0, "a second end of a pipe");
    return again;
}

int make_file(const std::string& directory, int flags) {
    const std::string path = directory + "/race." + std::to_string(getpid());
    const int file = open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR, 0600);
    need(file >= 0, path.c_str());
    std::array<char, buffer_bytes> block{};
    for (int i = 0; i < 64; ++i) {
        block.fill(static_cast<char>(i + 1));
        need(write(file, block.data(), block.size()) == static_cast<ssize_t>(block.size()), "a file");
    }
    fsync(file);
    const int again = open(path.c_str(), O_RDWR | flags);
    need(again >= 0, "the file opened that way");
    unlink(path.c_str());
    close(file);
    return again;
}

void prepare(World& world) {
    for (auto& context : world.contexts) {
        need(io_setup(256, &context) == 0, "a context");
    }
    for (auto& streams : world.streams) {
        std::array<int, 2> ends{};
        need(pipe(ends.data()) == 0, "a pipe");
        streams.pipe_read = ends[0];
        streams.pipe_write = ends[1];
        fcntl(ends[1], F_SETPIPE_SZ, 4096);
        streams.pipe_drain = reopen(ends[0], O_RDONLY);
        streams.pipe_feed = reopen(ends[1], O_WRONLY);
        need(socketpair(AF_UNIX, SOCK_STREAM, 0, streams.sockets.data()) == 0, "sockets");
        streams.counter = eventfd(0, 0);
    }
    const char* directory = std::getenv("TEST_TMPDIR");
    const std::string disk = directory != nullptr ? directory : ".";
    const std::array files{make_file("/dev/shm", 0), make_file(disk, 0), make_file(disk, O_DIRECT)};
    for (int i = 0; i < requests_count; ++i) {
        auto request = std::make_unique<Request>();
        Streams& streams = world.streams[static_cast<std::size_t>(i / 16 % streams_count)];
        void* memory = request->buffer.data();
        const int block = i % 64;
        request->file = false;
        request->context = i / 7 % contexts_count;
        switch (i % 12) {
            case 0:
                io_prep_poll(&request->block, streams.pipe_read, POLLIN);
                break;
            case 1:
                io_prep_pread(&request->block, streams.pipe_read, memory, 7, 0);
                break;
            case 2:
                io_prep_pwrite(&request->block, streams.pipe_write, memory, 1500, 0);
                break;
            case 3:
                io_prep_pread(&request->block, streams.sockets[0], memory, 64, 0);
                break;
            case 4:
                io_prep_poll(&request->block, streams.sockets[0], POLLIN);
                break;
            case 5:
                io_prep_pread(&request->block, streams.counter, memory, 8, 0);
                break;
            case 6:
                io_prep_poll(&request->block, streams.counter, POLLIN);
                break;
            case 7:
                io_prep_pwrite(&request->block, streams.sockets[1], memory, 100, 0);
                break;
            case 8:
                io_prep_fdsync(&request->block, files[0]);
                break;
            default:
                io_prep_pread(&request->block, files[static_cast<std::size_t>(i % 12 - 9)], memory, buffer_bytes,
                              block * static_cast<long long>(buffer_bytes));
                request->file = true;
        }
        request->block.data = reinterpret_cast<void*>(static_cast<std::intptr_t>(i));
        world.requests.push_back(std::move(request));
        world.free.push_back(i);
    }
}

void ended(World& world, const io_event& event, bool cancelled) {
    const auto index = static_cast<int>(reinterpret_cast<std::intptr_t>(event.data));
    if (index < 0 || index >= requests_count) {
        fail("an event with odd data", index, static_cast<long>(event.res));
        return;
    }
    Request& request = *world.requests[static_cast<std::size_t>(index)];
    if (event.obj != &request.block) {
        fail("an event with another's iocb", index, 0);
    }
    if (!cancelled && request.file &&
        (static_cast<long>(event.res) != static_cast<long>(buffer_bytes) || request.buffer[17] != index % 64 + 1)) {
        fail("a read went wrong", index, static_cast<long>(event.res));
    }
    if (!request.in_flight.exchange(false)) {
        fail("a second event", index, static_cast<long>(event.res));
        return;
    }
    (cancelled ? by_cancel : by_reaping).fetch_add(1);
    const std::lock_guard lock{world.free_mutex};
    world.free.push_back(index);
}

int take_free(World& world, std::mt19937& random) {
    const std::lock_guard lock{world.free_mutex};
    if (world.free.empty()) {
        return -1;
    }
    std::swap(world.free[random() % world.free.size()], world.free.back());
    const int index = world.free.back();
    world.free.pop_back();
    return index;
}

void submit_some(World& world, std::mt19937& random) {
    for (unsigned i = random() % 4 + 1; i != 0; --i) {
        const int index = take_free(world, random);
        if (index < 0) {
            return;
        }
        Request& request = *world.requests[static_cast<std::size_t>(index)];
        request.in_flight = true;
        accepted.fetch_add(1);
        iocb* list = &request.block;
        const int result = io_submit(world.contexts[static_cast<std::size_t>(request.context)], 1, &list);
        if (result != 1) {
            if (result != -EAGAIN) {
                fail("io_submit refused", index, result);
            }
            request.in_flight = false;
            accepted.fetch_sub(1);
            const std::lock_guard lock{world.free_mutex};
            world.free.push_back(index);
        }
    }
}

void cancel_one(World& world, std::mt19937& random) {
    const auto index = static_cast<std::size_t>(random() % requests_count);
    Request& request = *world.requests[index];
    io_event event{};
    const int result = io_cancel(world.contexts[static_cast<std::size_t>(request.context)], &request.block, &event);
    if (result == 0) {
        ended(world, event, true);
    } else {
        cancels_refused.fetch_add(1);
        if (result != -EINVAL && result != -EAGAIN) {
            fail("io_cancel said", static_cast<int>(index), result);
        }
    }
}

void reap_some(World& world, std::mt19937& random) {
    std::array<io_event, 32> events;
    timespec limit{0, random() % 4 == 0 ? 200000 : 0};
    const int count = io_getevents(world.contexts[random() % contexts_count], random() % 2 == 0 ? 1 : 0,
                                   static_cast<long>(events.size()), events.data(), &limit);
    if (count < 0) {
        fail("io_getevents said", -1, count);
    }
    for (int i = 0; i < count; ++i) {
        ended(world, events[static_cast<std::size_t>(i)], false);
    }
}

// What the requests wait for.
void feed(World& world, std::mt19937& random) {
    const Streams& streams = world.streams[random() % streams_count];
    std::array<char, 2048> bytes{};
    switch (random() % 5) {
        case 0:
            (void)!write(streams.pipe_feed, bytes.data(), 20);
            break;
        case 1:
            (void)!read(streams.pipe_drain, bytes.data(), bytes.size());
            break;
        case 2:
            send(streams.sockets[1], bytes.data(), 100, MSG_DONTWAIT);
            break;
        case 3:
            recv(streams.sockets[0], bytes.data(), bytes.size(), MSG_DONTWAIT);
            break;
        default:
            // Never so much that it would wait.
            eventfd_write(streams.counter, 1);
    }
}

void work(World& world, unsigned seed, long wanted) {
    std::mt19937 random{seed};
    while (!finishing) {
        switch (random() % 8) {
            case 0:
            case 1:
            case 2:
                submit_some(world, random);
                break;
            case 3:
                cancel_one(world, random);
                break;
            case 4:
                feed(world, random);
                break;
            default:
                reap_some(world, random);
        }
        if (by_cancel + by_reaping >= wanted) {
            finishing = true;
        }
    }
}

// Ends the program when nothing has happened for long: somebody waits for what will never come.
void watch(const World& world) {
    long before = -1;
    int quiet = 0;
    while (!finishing) {
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
        const long now = by_cancel + by_reaping;
        quiet = now == before ? quiet + 1 : 0;
        before = now;
        if (quiet > 300) {
            std::fprintf(stderr, "race: stands still after %ld of %ld events\n", now, accepted.load());
            for (int i = 0; i < requests_count; ++i) {
                if (world.requests[static_cast<std::size_t>(i)]->in_flight) {
                    std::fprintf(stderr, " %d", i % 12);
                }
            }
            std::abort();
        }
    }
}

// Cancels and reaps until nothing is left; what stays has lost its event.
void finish(World& world) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    std::mt19937 random{1};
    while (accepted != by_cancel + by_reaping && std::chrono::steady_clock::now() < limit) {
        cancel_one(world, random);
        reap_some(world, random);
    }
    for (int i = 0; i < requests_count; ++i) {
        if (world.requests[static_cast<std::size_t>(i)]->in_flight) {
            fail("no event", i, i % 12);
        }
    }
    for (const auto context : world.contexts) {
        io_event event{};
        timespec now{};
        if (io_getevents(context, 0, 1, &event, &now) != 0) {
            fail("an event too many", -1, 0);
        }
        if (const int result = io_destroy(context); result != 0) {
            fail("io_destroy said", -1, result);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const long wanted = argc > 1 ? std::atol(argv[1]) : 200'000;
    World world;
    prepare(world);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < threads_count; ++i) {
        threads.emplace_back([&world, i, wanted] { work(world, i + 1, wanted); });
    }
    watch(world);
    for (auto& thread : threads) {
        thread.join();
    }
    finish(world);
    std::printf("%ld requests: %ld events by io_cancel, %ld by io_getevents; %ld cancels refused; %ld errors\n",
                accepted.load(), by_cancel.load(), by_reaping.load(), cancels_refused.load(), errors.load());
    return errors == 0 && accepted == by_cancel + by_reaping ? 0 : 1;
}
