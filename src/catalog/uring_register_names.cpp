// SPDX-License-Identifier: Apache-2.0
//
// Tables only.
#include "catalog/uring_register_names.hpp"

namespace inflight::catalog {
namespace {

constexpr Name pbuf_ring_flag_table[] = {{1, "IOU_PBUF_RING_MMAP"}, {2, "IOU_PBUF_RING_INC"}};
constexpr Name rsrc_flag_table[] = {{1, "IORING_RSRC_REGISTER_SPARSE"}};
constexpr Name clone_flag_table[] = {{1, "IORING_REGISTER_SRC_REGISTERED"}, {2, "IORING_REGISTER_DST_REPLACE"}};
constexpr Name napi_op_table[] = {{0, "register"}, {1, "static_add_id"}, {2, "static_del_id"}};
constexpr Name napi_tracking_table[] = {{0, "dynamic"}, {1, "static"}, {255, "inactive"}};
constexpr Name clock_table[] = {{1, "CLOCK_MONOTONIC"}, {7, "CLOCK_BOOTTIME"}};
constexpr Name probe_flag_table[] = {{1, "IO_URING_OP_SUPPORTED"}};
constexpr Name mem_region_flag_table[] = {{1, "IORING_MEM_REGION_REG_WAIT_ARG"}};
constexpr Name region_flag_table[] = {{1, "IORING_MEM_REGION_TYPE_USER"}};
constexpr Name reg_wait_flag_table[] = {{1, "IORING_REG_WAIT_TS"}};
constexpr Name query_op_table[] = {{0, "opcodes"}, {1, "zcrx"}, {2, "scq"}, {3, "zcrx_event"}};
constexpr Name restriction_table[] = {
    {0, "register_op"}, {1, "sqe_op"}, {2, "sqe_flags_allowed"}, {3, "sqe_flags_required"}};
constexpr Name bpf_command_table[] = {{1, "filter"}};
constexpr Name bpf_filter_flag_table[] = {{1, "IO_URING_BPF_FILTER_DENY_REST"}, {2, "IO_URING_BPF_FILTER_SZ_STRICT"}};

// include/uapi/linux/futex.h
constexpr Name futex2_table[] = {{0x01, "FUTEX2_SIZE_U16"},
                                 {0x02, "FUTEX2_SIZE_U32"},
                                 {0x04, "FUTEX2_NUMA"},
                                 {0x08, "FUTEX2_MPOL"},
                                 {0x80, "FUTEX2_PRIVATE"}};

// include/uapi/linux/io_uring/zcrx.h
constexpr Name zcrx_register_flag_table[] = {{1, "ZCRX_REG_IMPORT"}, {2, "ZCRX_REG_NODEV"}};
constexpr Name zcrx_area_flag_table[] = {{1, "IORING_ZCRX_AREA_DMABUF"}};
constexpr Name zcrx_feature_table[] = {{1, "ZCRX_FEATURE_RX_PAGE_SIZE"}, {2, "ZCRX_FEATURE_EVENT"}};
constexpr Name zcrx_event_table[] = {{0, "ZCRX_EVENT_ALLOC_FAIL"}, {1, "ZCRX_EVENT_COPY"}};
constexpr Name zcrx_event_bit_table[] = {{1U << 0U, "ZCRX_EVENT_ALLOC_FAIL"}, {1U << 1U, "ZCRX_EVENT_COPY"}};
constexpr Name zcrx_event_flag_table[] = {{1, "ZCRX_EVENT_DESC_FLAG_STATS"}};
constexpr Name zcrx_control_table[] = {{0, "flush_rq"}, {1, "export"}, {2, "arm_event"}, {3, "add_area"}};

}  // namespace

NameTable pbuf_ring_flags() {
    return pbuf_ring_flag_table;
}

NameTable rsrc_flags() {
    return rsrc_flag_table;
}

NameTable clone_flags() {
    return clone_flag_table;
}

NameTable napi_ops() {
    return napi_op_table;
}

NameTable napi_trackings() {
    return napi_tracking_table;
}

NameTable clocks() {
    return clock_table;
}

NameTable probe_flags() {
    return probe_flag_table;
}

NameTable mem_region_flags() {
    return mem_region_flag_table;
}

NameTable region_flags() {
    return region_flag_table;
}

NameTable reg_wait_flags() {
    return reg_wait_flag_table;
}

NameTable query_ops() {
    return query_op_table;
}

NameTable restriction_kinds() {
    return restriction_table;
}

NameTable futex2_flags() {
    return futex2_table;
}

NameTable bpf_commands() {
    return bpf_command_table;
}

NameTable bpf_filter_flags() {
    return bpf_filter_flag_table;
}

NameTable zcrx_register_flags() {
    return zcrx_register_flag_table;
}

NameTable zcrx_area_flags() {
    return zcrx_area_flag_table;
}

NameTable zcrx_features() {
    return zcrx_feature_table;
}

NameTable zcrx_events() {
    return zcrx_event_table;
}

NameTable zcrx_event_bits() {
    return zcrx_event_bit_table;
}

NameTable zcrx_event_flags() {
    return zcrx_event_flag_table;
}

NameTable zcrx_controls() {
    return zcrx_control_table;
}

}  // namespace inflight::catalog
