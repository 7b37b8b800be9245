// SPDX-License-Identifier: Apache-2.0
#include "pins.hpp"

#include "context.hpp"
#include "memory.hpp"
#include "sys.hpp"

#include <sys/resource.h>

namespace inflight::aio {

namespace {

constexpr std::uint32_t most_pins = 32768;

std::int32_t take_place(Pins& pins) {
    if (pins.free_count != 0) {
        return pins.free_places[--pins.free_count];
    }
    return pins.never_used < pins.count ? static_cast<std::int32_t>(pins.never_used++) : -1;
}

void give_place(Pins& pins, std::int32_t place) {
    pins.free_places[pins.free_count++] = place;
}

long change_by_register(Context& context, std::int32_t place, int descriptor) {
    io_uring_files_update update{};
    update.offset = static_cast<std::uint32_t>(place);
    update.fds = address_of(&descriptor);
    return context.ring.register_(IORING_REGISTER_FILES_UPDATE, &update, 1);
}

bool can_register(const Context& context) {
    return registers_by_index() && context.ring.attach();
}

// By the worker. It has happened when the ring is submitted, and until then `descriptor` is not to change.
void change_by_request(Context& context, std::int32_t place, const std::int32_t& descriptor) {
    io_uring_sqe* sqe = context.ring.next_sqe();
    if (sqe == nullptr) {
        (void)context.ring.submit();
        sqe = context.ring.next_sqe();
    }
    if (sqe != nullptr) {
        sqe->opcode = IORING_OP_FILES_UPDATE;
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
        sqe->addr = address_of(&descriptor);
        sqe->len = 1;
        sqe->off = static_cast<std::uint32_t>(place);
        sqe->user_data = ignored_data;
    }
}

constexpr std::int32_t no_file = -1;

}  // namespace

long create_pins(Context& context) {
    rlimit limit{};
    (void)sys(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
    std::uint32_t count = 2 * context.slots.size() + first_pin;
    count = count < most_pins ? count : most_pins;
    count = count < limit.rlim_cur ? count : static_cast<std::uint32_t>(limit.rlim_cur);
    io_uring_rsrc_register files{};
    files.nr = count;
    files.flags = IORING_RSRC_REGISTER_SPARSE;
    const long result = context.ring.register_new(IORING_REGISTER_FILES2, &files, sizeof files);
    context.pins.free_count = 0;
    context.pins.stale_count = 0;
    context.pins.free_places = static_cast<std::int32_t*>(take_pages(count * sizeof(std::int32_t)));
    context.pins.count = count;
    context.pins.never_used = first_pin;
    return result < 0 ? result : context.pins.free_places == nullptr ? -ENOMEM : 0;
}

void destroy_pins(Context& context) {
    give_pages(context.pins.free_places, context.pins.count * sizeof(std::int32_t));
    context.pins.free_places = nullptr;
    context.pins.count = 0;
}

long pin_file(Context& context, int descriptor, bool& owed) {
    const std::int32_t place = take_place(context.pins);
    if (place < 0) {
        return -EAGAIN;
    }
    const long result = can_register(context) ? change_by_register(context, place, descriptor) : Uring::unreachable;
    owed = result == Uring::unreachable;
    if (result < 0 && !owed) {
        give_place(context.pins, place);
        return result;
    }
    return place;
}

void unpin_file(Context& context, std::int32_t place) {
    if (place < 0) {
        return;
    }
    Pins& pins = context.pins;
    if (can_register(context) && change_by_register(context, place, no_file) != Uring::unreachable) {
        // It is empty.
    } else if (context.worker_thread == this_thread()) {
        // Before its place is given to another.
        change_by_request(context, place, no_file);
        (void)context.ring.submit();
    } else {
        pins.free_places[pins.count - ++pins.stale_count] = place;
        context.has_work = true;
        return;
    }
    give_place(pins, place);
}

void note_owed(Context& context) {
    context.pins.owed.fetch_add(1);
    context.unfilled.fetch_add(1);
}

void fill_place(Context& context, std::int32_t place, const std::int32_t& descriptor) {
    change_by_request(context, place, descriptor);
}

void empty_stale_places(Context& context) {
    Pins& pins = context.pins;
    while (pins.stale_count != 0) {
        unpin_file(context, pins.free_places[pins.count - pins.stale_count--]);
    }
}

}  // namespace inflight::aio
