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
    if (slots_ == nullptr || buckets_ == nullptr) {
        destroy();
        return false;
    }
    return true;
}

void SlotTable::destroy() {
    give_pages(slots_, count_ * sizeof(Slot));
    give_pages(buckets_, (std::size_t{bucket_mask_} + 1) * sizeof(std::uint32_t));
    slots_ = nullptr;
    buckets_ = nullptr;
}

namespace {

constexpr unsigned name_bits = 47;  // of an address

std::uint64_t name_of(std::uint64_t iocb) {
    return iocb & ((std::uint64_t{1} << name_bits) - 1);
}

}  // namespace

// A bucket holds index + 1, so that fresh pages are an empty table.
std::uint32_t& SlotTable::bucket(std::uint64_t iocb) const {
    const std::uint64_t mixed = (name_of(iocb) >> 3) * 0x9e3779b97f4a7c15U;
    return buckets_[(mixed >> 32) & bucket_mask_];
}

std::uint32_t SlotTable::take(const Slot& like) {
    std::uint32_t index = free_;
    if (index != no_slot) {
        free_ = slots_[index].queue_next;
    } else if (never_used_ < count_) {
        index = never_used_++;
    } else {
        return no_slot;
    }
    Slot& slot = slots_[index];
    slot = like;
    slot.plain = find_plain(name_of(like.iocb)) == no_slot;
    std::uint32_t& first = bucket(like.iocb);
    slot.hash_next = first;
    first = index + 1;
    return index;
}

void SlotTable::give(std::uint32_t index) {
    std::uint32_t* link = &bucket(slots_[index].iocb);
    while (*link != 0 && *link != index + 1) {
        link = &slots_[*link - 1].hash_next;
    }
    if (*link != 0) {
        *link = slots_[index].hash_next;
    }
    slots_[index].state = State::unused;
    slots_[index].queue_next = free_;
    free_ = index;
}

std::uint32_t SlotTable::find(std::uint64_t iocb) const {
    for (std::uint32_t link = bucket(iocb); link != 0; link = slots_[link - 1].hash_next) {
        if (slots_[link - 1].iocb == iocb && !slots_[link - 1].hidden) {
            return link - 1;
        }
    }
    return no_slot;
}

std::uint32_t SlotTable::find_plain(std::uint64_t name) const {
    for (std::uint32_t link = bucket(name); link != 0; link = slots_[link - 1].hash_next) {
        if (slots_[link - 1].plain && name_of(slots_[link - 1].iocb) == name) {
            return link - 1;
        }
    }
    return no_slot;
}

std::uint64_t SlotTable::user_data_of(std::uint32_t index) const {
    const Slot& slot = slots_[index];
    return name_of(slot.iocb) | (slot.plain ? 0 : std::uint64_t{index} + 1) << name_bits;
}

std::uint32_t SlotTable::place_of(std::uint64_t user_data) const {
    const std::uint64_t number = user_data >> name_bits;
    return number != 0 ? static_cast<std::uint32_t>(number - 1) : find_plain(user_data);
}

}  // namespace inflight::aio
