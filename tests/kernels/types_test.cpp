// SPDX-License-Identifier: Apache-2.0
// What libbpf would make of a relocation, on types that are made here.
#include "types.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace inflight::kernels {
namespace {

// Types as they are written down here, numbered from 1.
class Made {
public:
    Made() : btf_(btf__new_empty()) {
        btf__add_int(btf_.get(), "int", 4, BTF_INT_SIGNED);
        btf__add_int(btf_.get(), "long", 8, BTF_INT_SIGNED);
        btf__add_ptr(btf_.get(), 1);
    }
    static constexpr int int_id = 1;
    static constexpr int long_id = 2;
    static constexpr int pointer_id = 3;

    int structure(const char* name, unsigned bytes) { return btf__add_struct(btf_.get(), name, bytes); }
    Made& member(const char* name, int type, unsigned bit, unsigned bits = 0) {
        EXPECT_EQ(btf__add_field(btf_.get(), name, type, bit, bits), 0);
        return *this;
    }
    int array(int of, unsigned count) { return btf__add_array(btf_.get(), int_id, of, count); }
    [[nodiscard]] Types types() const {
        std::uint32_t bytes = 0;
        const auto* data = static_cast<const char*>(btf__raw_data(btf_.get(), &bytes));
        auto parsed = Types::parse({data, bytes});
        EXPECT_TRUE(parsed);
        return std::move(*parsed);
    }

private:
    struct Deleter {
        void operator()(btf* types) const { btf__free(types); }
    };
    std::unique_ptr<btf, Deleter> btf_;
};

Answer look(const Types& object, int type, const char* access, const Types& kernel,
            bpf_core_relo_kind kind = BPF_CORE_FIELD_BYTE_OFFSET) {
    const auto asked = ask(object, static_cast<std::uint32_t>(type), access, kind);
    EXPECT_TRUE(asked);
    return answer(object, *asked, kernel);
}

constexpr auto found = Answer::State::found;
constexpr auto absent = Answer::State::absent;

TEST(KernelTypes, AFieldIsFoundByNameWhereverItIs) {
    Made object;
    const int ours = object.structure("thing___cut", 4);
    object.member("x", Made::int_id, 0);
    Made kernel;
    kernel.structure("thing", 16);
    kernel.member("y", Made::long_id, 0).member("x", Made::int_id, 64);
    const auto answered = look(object.types(), ours, "0:0", kernel.types());
    EXPECT_EQ(answered.state, found);
    EXPECT_EQ(answered.value, 8U);
    EXPECT_EQ(answered.size, 4U);
    EXPECT_EQ(look(object.types(), ours, "0:0", kernel.types(), BPF_CORE_FIELD_EXISTS).value, 1U);
}

TEST(KernelTypes, AnonymousStructuresAreLookedInto) {
    Made object;
    const int ours = object.structure("thing", 4);
    object.member("x", Made::int_id, 0);
    Made kernel;
    const int inner = kernel.structure(nullptr, 8);
    kernel.member("z", Made::int_id, 0).member("x", Made::int_id, 32);
    kernel.structure("thing", 16);
    kernel.member("y", Made::long_id, 0).member(nullptr, inner, 64);
    EXPECT_EQ(look(object.types(), ours, "0:0", kernel.types()).value, 12U);
}

TEST(KernelTypes, AFieldThatIsNotThereOrOfAnotherKindIsAbsent) {
    Made object;
    const int ours = object.structure("thing", 8);
    object.member("x", Made::pointer_id, 0);
    Made other_name;
    other_name.structure("thing", 8);
    other_name.member("xx", Made::pointer_id, 0);
    Made other_kind;
    const int inner = other_kind.structure("pointer_inside", 8);
    other_kind.member("pointer", Made::pointer_id, 0);
    other_kind.structure("thing", 8);
    other_kind.member("x", inner, 0);
    EXPECT_EQ(look(object.types(), ours, "0:0", other_name.types()).state, absent);
    EXPECT_EQ(look(object.types(), ours, "0:0", other_kind.types()).state, absent);
    EXPECT_EQ(look(object.types(), ours, "0:0", other_kind.types(), BPF_CORE_FIELD_EXISTS).value, 0U);
}

TEST(KernelTypes, ElementsOfArrays) {
    Made object;
    const int array = object.array(Made::long_id, 2);
    const int ours = object.structure("thing", 16);
    object.member("x", array, 0);
    Made kernel;
    const int longer = kernel.array(Made::long_id, 2);
    kernel.structure("thing", 24);
    kernel.member("y", Made::long_id, 0).member("x", longer, 64);
    EXPECT_EQ(look(object.types(), ours, "0:0:1", kernel.types()).value, 16U);
    Made shorter;
    const int one = shorter.array(Made::long_id, 1);
    shorter.structure("thing", 8);
    shorter.member("x", one, 0);
    EXPECT_EQ(look(object.types(), ours, "0:0:1", shorter.types()).state, absent);
}

TEST(KernelTypes, TypesOfOneNameMustAgree) {
    Made object;
    const int ours = object.structure("thing", 4);
    object.member("x", Made::int_id, 0);
    Made kernel;
    kernel.structure("thing", 4);
    kernel.member("x", Made::int_id, 0);
    kernel.structure("thing", 8);
    kernel.member("y", Made::int_id, 0).member("x", Made::int_id, 32);
    EXPECT_EQ(look(object.types(), ours, "0:0", kernel.types()).state, Answer::State::ambiguous);
    // As many structures of that name as there may be, one of which only has the field.
    Made one;
    one.structure("thing", 4);
    one.member("y", Made::int_id, 0);
    one.structure("thing", 8);
    one.member("z", Made::int_id, 0).member("x", Made::int_id, 32);
    EXPECT_EQ(look(object.types(), ours, "0:0", one.types()).value, 4U);
}

// reduce-btf keeps only name and size of what it was not asked for.
TEST(KernelTypes, AStructureWithoutMembersIsUnknownNotAbsent) {
    Made object;
    const int inner = object.structure("inner", 4);
    object.member("x", Made::int_id, 0);
    const int ours = object.structure("thing", 4);
    object.member("in", inner, 0);
    Made kernel;
    const int stub = kernel.structure("inner", 4);
    kernel.structure("thing", 4);
    kernel.member("in", stub, 0);
    EXPECT_EQ(look(object.types(), ours, "0:0:0", kernel.types()).state, Answer::State::unknown);
    EXPECT_EQ(look(object.types(), ours, "0:0", kernel.types()).state, found);
}

TEST(KernelTypes, BitFieldsAndTypes) {
    Made object;
    const int ours = object.structure("thing", 4);
    object.member("x", Made::int_id, 3, 1);
    Made kernel;
    kernel.structure("thing", 4);
    kernel.member("x", Made::int_id, 5, 1);
    EXPECT_EQ(look(object.types(), ours, "0:0", kernel.types()).state, found);
    EXPECT_EQ(look(object.types(), ours, "0", kernel.types(), BPF_CORE_TYPE_EXISTS).value, 1U);
    EXPECT_EQ(look(object.types(), ours, "0", kernel.types(), BPF_CORE_TYPE_SIZE).value, 4U);
    EXPECT_EQ(look(object.types(), ours, "0", Made().types(), BPF_CORE_TYPE_EXISTS).value, 0U);
    EXPECT_EQ(look(object.types(), ours, "0", Made().types(), BPF_CORE_TYPE_SIZE).state, absent);
}

TEST(KernelTypes, BrokenAccessIsRefused) {
    Made object;
    const int ours = object.structure("thing", 4);
    object.member("x", Made::int_id, 0);
    const auto types = object.types();
    for (const auto* access : {"", "0:7", "0:x", "0:0:0"}) {
        EXPECT_FALSE(ask(types, static_cast<std::uint32_t>(ours), access, BPF_CORE_FIELD_EXISTS)) << access;
    }
    EXPECT_EQ(essential_name("io_kiocb___task"), "io_kiocb");
    EXPECT_EQ(essential_name("___io"), "___io");
}

}  // namespace
}  // namespace inflight::kernels
