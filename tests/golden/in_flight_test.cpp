// SPDX-License-Identifier: Apache-2.0
// What ls, contexts and cancel print, against in_flight.*.expected. INFLIGHT_UPDATE_GOLDEN=1 writes the files instead.
#include "view/in_flight.hpp"
#include "view/cancelled.hpp"
#include "view/escape.hpp"
#include "views.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

namespace inflight::golden {
namespace {

using model::CancelMeans;
using model::Family;
using model::InFlight;
using model::Stage;

constexpr view::TextOptions pipe{.color = false, .columns = columns};
constexpr view::TextOptions terminal{.color = false, .columns = columns, .terminal = true};
constexpr view::TextOptions narrow{.color = false, .columns = 80, .terminal = true};

model::Request waiting(Family family, std::uint16_t opcode, std::uint64_t user_data) {
    model::Request request;
    request.family = family;
    request.opcode = opcode;
    request.origin = model::Origin::kernel;
    request.kernel_address = 0xffff888012345600 + user_data * 0x100;
    request.context_id = family == Family::aio ? 1 : 2;
    request.ctx_id = family == Family::aio ? 0x7f44b77e4000 : 4;
    request.address = family == Family::aio ? 0x7ffc0000 + user_data : 0;
    request.fd = 5;
    request.user_data = user_data;
    request.user_data_known = true;
    request.pid = 4242;
    request.tid = 4243;
    request.comm = "odd\x1b[31m";
    if (family == Family::uring) {
        request.uring = std::make_shared<const model::UringPart>();
    }
    return request;
}

InFlight listed(model::Request request, Stage stage, model::Cancellable cancellable, std::uint64_t age_ns) {
    InFlight each;
    each.id = model::id_of(request);
    each.stage = stage;
    each.cancellable = cancellable;
    each.age_ns = age_ns;
    each.age_known = request.submit_ns.has_value();
    if (request.family == Family::uring) {
        each.ring = model::RingPart();
        each.ring->fd = 4;
    }
    each.request = std::move(request);
    return each;
}

view::InFlightReport everything() {
    view::InFlightReport report;
    constexpr std::uint16_t aio_poll = 5;
    constexpr std::uint16_t uring_recv = 27;
    report.requests.push_back(
        listed(waiting(Family::aio, aio_poll, 1), Stage::poll, {CancelMeans::inject, ""}, 1'500'000'000));
    report.requests.back().file_now = {.known = true, .fds = {}, .number_reused = false, .elsewhere = {}};
    auto known = waiting(Family::uring, uring_recv, 2);
    known.submit_ns = 1'000;
    known.fd = 9;
    report.requests.push_back(listed(known, Stage::wq_running,
                                     {CancelMeans::ring, "it is interrupted, and ends when what it works on can be"},
                                     61'000'000'000));
    report.requests.back().file_now = {.known = true, .fds = {6, 12}, .number_reused = true, .elsewhere = {7}};
    report.requests.push_back(
        listed(waiting(Family::uring, 0, 3), Stage::link, {CancelMeans::none, "it has not begun"}, 0));
    // More than text shows of one ring.
    for (std::uint64_t i = 0; i < 10; i++) {
        auto over = waiting(Family::uring, 0, 0x10 + i);
        over.opcode.reset();
        over.fd = -1;
        over.result = i == 0 ? -5 : 4096;
        report.unreaped.push_back(listed(over, Stage::unreaped, {CancelMeans::none, "it has completed"}, 0));
    }
    report.unlisted.push_back(
        {.family = Family::aio, .pid = 4242, .comm = "odd\x1b[31m", .ctx_id = 0x7f44b77e4000, .requests = 3});
    report.unlisted.push_back({.family = Family::uring, .pid = 0, .comm = "", .ctx_id = 0, .requests = 1});
    report.closing = {
        {.pid = 12, .tid = 13, .ctx_id = 0x7f44b77e4000, .family = Family::aio, .comm = "db\x1b[31m"},
        {.pid = 14, .tid = 14, .ctx_id = {}, .family = Family::uring, .comm = "left"},
    };
    report.unlisted.push_back({.family = Family::uring, .pid = 7, .comm = "fio", .ctx_id = 0, .requests = 1'200});
    report.notes.emplace_back("a note");
    report.lost = 2;
    return report;
}

// Requests on files whose names are longer than any terminal is wide.
view::InFlightReport long_names() {
    auto report = everything();
    for (auto* const each : {&report.requests[1].request, &report.requests[2].request}) {
        auto file = std::make_shared<model::File>();
        file->name = "/data";
        for (int depth = 0; depth < 30; depth++) {
            file->name += "/a-folder-" + std::to_string(depth);
        }
        each->file = file;
    }
    report.requests[1].request.user_data = 0x7ffd'1234'5678'9abc;
    return report;
}

// One of everything that is counted.
view::InFlightReport one_of_each() {
    auto report = everything();
    report.requests.resize(1);
    report.unreaped.resize(9);
    report.unlisted.resize(1);
    report.unlisted.front().requests = 1;
    return report;
}

view::ContextsReport contexts() {
    view::ContextsReport report;
    model::Context aio;
    aio.context_id = 1;
    aio.ctx_id = 0x7f44b77e4000;
    aio.pid = 4242;
    aio.uid = 1000;
    aio.comm = "db";
    aio.capacity = 255;
    aio.max_requests = 128;
    model::Context ring;
    ring.family = Family::uring;
    ring.context_id = 2;
    ring.pid = 7;
    ring.comm = "fio";
    ring.ring = model::RingPart();
    ring.ring->fd = 4;
    ring.ring->sq_entries = 64;
    ring.ring->cq_entries = 128;
    ring.ring->setup_flags = 1U << 12U;
    // Nobody has it any more.
    model::Context closing = ring;
    closing.context_id = 3;
    closing.pid = 0;
    closing.comm.clear();
    closing.in_flight = 2;
    closing.ring->fd = -1;
    closing.ring->closing = true;
    closing.ring->counted = true;
    closing.ring->files = 4;
    closing.ring->buffers = 1;
    report.closing = {{.pid = 12, .tid = 12, .ctx_id = {}, .family = Family::aio, .comm = "db"}};
    report.rows = {{.context = aio, .listed = 5, .unlisted = 3, .unreaped = 2},
                   {.context = ring,
                    .listed = 0,
                    .unlisted = 0,
                    .unreaped = 0,
                    .holders = {{.pid = 7, .fd = 4, .registered = false, .mapped = false},
                                {.pid = 8, .fd = {}, .registered = true, .mapped = false}}},
                   {.context = closing, .listed = 1, .unlisted = 1, .unreaped = 0, .holders = {}}};
    report.aio_nr = 128;
    report.aio_max_nr = 65'536;
    report.notes = {"a note"};
    return report;
}

view::CancelReport cancel(bool refused) {
    view::CancelReport report;
    report.chosen = everything().requests[0];
    if (refused) {
        report.tried.refusal = "process 4242 is traced by process 1 already";
    } else {
        report.ended = report.chosen.request;
        report.ended->complete_ns = 5'000;
        report.ended->outcome = model::Outcome::cancelled;
        report.tried.ret = -115;
        report.way = "inject";
        report.call_ns = 1'800;
        report.thread = 4243;
        report.threads_stopped = 3;
        report.stood_still_ns = 210'000;
        report.timeout_restarted = true;
    }
    report.result = model::judge_cancel(report.tried, report.ended);
    return report;
}

std::string cancels(const std::function<std::string(const view::CancelReport&)>& print) {
    return print(cancel(false)) + "--\n" + print(cancel(true));
}

struct Kind {
    std::string_view file;
    std::string (*print)();
};

constexpr Kind kinds[] = {
    {"in_flight.ls", [] { return view::in_flight_text(everything(), pipe); }},
    {"in_flight.ls_pipe", [] { return view::in_flight_text(long_names(), pipe); }},
    {"in_flight.ls_terminal", [] { return view::in_flight_text(long_names(), terminal); }},
    {"in_flight.ls_narrow", [] { return view::in_flight_text(long_names(), narrow); }},
    {"in_flight.ls_one", [] { return view::in_flight_text(one_of_each(), pipe); }},
    {"in_flight.none", [] { return view::in_flight_text({}, pipe); }},
    {"in_flight.ls_json",
     [] {
         StringOutput output;
         view::write_in_flight(output, everything());
         return output.text;
     }},
    {"in_flight.contexts", [] { return view::contexts_text(contexts(), pipe); }},
    {"in_flight.contexts_narrow", [] { return view::contexts_text(contexts(), narrow); }},
    {"in_flight.contexts_one",
     [] {
         auto report = contexts();
         report.rows.pop_back();
         return view::contexts_text(report, pipe);
     }},
    {"in_flight.contexts_json",
     [] {
         StringOutput output;
         view::write_contexts(output, contexts());
         return output.text;
     }},
    {"in_flight.cancel",
     [] { return cancels([](const view::CancelReport& report) { return view::cancelled_text(report, pipe); }); }},
    {"in_flight.cancel_json",
     [] {
         return cancels([](const view::CancelReport& report) {
             StringOutput output;
             view::write_cancelled(output, report);
             return output.text;
         });
     }},
    {"in_flight.audit",
     [] { return cancels([](const view::CancelReport& report) { return view::audit_line(report, "uid 0") + "\n"; }); }},
};

class InFlightViews : public testing::TestWithParam<Kind> {};

TEST_P(InFlightViews, PrintWhatIsExpected) {
    const auto& kind = GetParam();
    const auto got = kind.print();
    const auto path = source_folder() / "tests" / "golden" / (std::string(kind.file) + ".expected");
    if (std::getenv("INFLIGHT_UPDATE_GOLDEN") != nullptr) {
        std::ofstream(path, std::ios::binary) << got;
        GTEST_SKIP() << "wrote " << path;
    }
    EXPECT_EQ(got, content_of(path));
}

INSTANTIATE_TEST_SUITE_P(Kinds, InFlightViews, testing::ValuesIn(kinds), [](const auto& test) {
    std::string name(test.param.file);
    name.replace(name.find('.'), 1, "_");
    return name;
});

TEST(InFlightLines, NoLineIsWiderThanTheTerminal) {
    for (std::size_t width = 80; width <= 240; width++) {
        const view::TextOptions options{.color = false, .columns = width, .terminal = true};
        const std::string text = view::in_flight_text(long_names(), options) + view::contexts_text(contexts(), options);
        for (const auto& line : lines_of(text)) {
            EXPECT_LE(view::display_width(line), width) << line;
        }
    }
}

}  // namespace
}  // namespace inflight::golden
