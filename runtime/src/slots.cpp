// SPDX-License-Identifier: Apache-2.0
#include "slots.hpp"

#include "memory.hpp"

#include <bit>

namespace inflight::aio {

bool SlotTable::create(std::uint32_t count) {
    const std::uint32_t buckets = std::bit_ceil(count);
    slots_ = static_cast<Slot*>(take_pages(count * sizeof(Slot)));
    buckets_ = static_cast<std::uint32_t*>(take_pages(buckets * sizeof(std::uint32_t)));
    count_ = count;
    bucket_mask_ = buckets - 1;
    free_ = no_slot;
    never_used_ = 0;
    newest_ = no_slot;
    in_buckets_ = 0;
    if (slots_ == nullptr || buckets_ == nullptr) {
        destroy();
        return false;
    }
    return true;
}

void SlotTable::destroy() {
    give_pages(slots_, count_ * sizeof(Slot));
    give_pages(buckets_, (std::size_t{bucket_mask_} + 1) * sizeof(std::uint32_t));
    *this = SlotTable{};
}

namespace {

constexpr unsigned name_bits = 47;  // of an address

std::uint64_t name_of(std::uint64_t iocb) {
    return iocb & ((std::uint64_t{1} << name_bits) - 1);
}

std::uint64_t name_with(std::uint64_t iocb, bool plain, std::uint32_t index) {
    return name_of(iocb) | (plain ? 0 : std::uint64_t{index} + 1) << name_bits;
}

}  // namespace

// A bucket holds index + 1, so that fresh pages are an empty table.
std::uint32_t& SlotTable::bucket(std::uint64_t iocb) const {
    const std::uint64_t mixed = (name_of(iocb) >> 3) * 0x9e3779b97f4a7c15U;
    return buckets_[(mixed >> 32) & bucket_mask_];
}

[[gnu::hot]] SlotTable::Place SlotTable::next(std::uint64_t iocb) const {
    const std::uint32_t index = free_ != no_slot ? free_ : never_used_ < count_ ? never_used_ : no_slot;
    const bool plain = find_plain(name_of(iocb)) == no_slot;
    return {index, plain, name_with(iocb, plain, index)};
}

[[gnu::hot]] void SlotTable::take(const Place& place, const Slot& like) {
    if (newest_ != no_slot) {
        std::uint32_t& first = bucket(slots_[newest_].iocb);
        slots_[newest_].hash_next = first;
        first = newest_ + 1;
        ++in_buckets_;
    }
    newest_ = place.index;
    Slot& slot = slots_[place.index];
    if (place.index == free_) {
        free_ = slot.queue_next;
    } else {
        ++never_used_;
    }
    slot = like;
    slot.plain = place.plain;
}

std::uint32_t SlotTable::take(const Slot& like) {
    const Place place = next(like.iocb);
    if (place.index != no_slot) {
        take(place, like);
    }
    return place.index;
}

[[gnu::hot]] void SlotTable::give(std::uint32_t index) {
    if (index == newest_) {
        newest_ = no_slot;
    } else {
        std::uint32_t* link = &bucket(slots_[index].iocb);
        while (*link != index + 1) {
            link = &slots_[*link - 1].hash_next;
        }
        *link = slots_[index].hash_next;
        --in_buckets_;
    }
    slots_[index].state = State::unused;
    slots_[index].queue_next = free_;
    free_ = index;
}

template <typename Wanted>
std::uint32_t SlotTable::first_of(std::uint64_t iocb, Wanted wanted) const {
    if (newest_ != no_slot && wanted(slots_[newest_])) {
        return newest_;
    }
    if (in_buckets_ != 0) {
        for (std::uint32_t link = bucket(iocb); link != 0; link = slots_[link - 1].hash_next) {
            if (wanted(slots_[link - 1])) {
                return link - 1;
            }
        }
    }
    return no_slot;
}

std::uint32_t SlotTable::find(std::uint64_t iocb) const {
    return first_of(iocb, [iocb](const Slot& slot) { return slot.iocb == iocb && !slot.hidden; });
}

[[gnu::hot]] std::uint32_t SlotTable::find_plain(std::uint64_t name) const {
    return first_of(name, [name](const Slot& slot) { return slot.plain && name_of(slot.iocb) == name; });
}

std::uint64_t SlotTable::user_data_of(std::uint32_t index) const {
    return name_with(slots_[index].iocb, slots_[index].plain, index);
}

[[gnu::hot]] std::uint32_t SlotTable::place_of(std::uint64_t user_data) const {
    const std::uint64_t number = user_data >> name_bits;
    return number != 0 ? static_cast<std::uint32_t>(number - 1) : find_plain(user_data);
}

}  // namespace inflight::aio
