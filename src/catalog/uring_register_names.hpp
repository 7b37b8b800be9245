// SPDX-License-Identifier: Apache-2.0
//
// Names that only the structures of io_uring_register use: what uring_register.cpp decodes. All functions are pure and
// may be called from any thread. Sources: include/uapi/linux/io_uring.h and linux/io_uring/ up to Linux 7.3.
#ifndef INFLIGHT_CATALOG_URING_REGISTER_NAMES_HPP
#define INFLIGHT_CATALOG_URING_REGISTER_NAMES_HPP

#include "catalog/names.hpp"

namespace inflight::catalog {

NameTable pbuf_ring_flags();    // IOU_PBUF_RING_*
NameTable rsrc_flags();         // IORING_RSRC_REGISTER_*
NameTable clone_flags();        // IORING_REGISTER_SRC_REGISTERED and its like
NameTable napi_ops();           // by number: "static_add_id"
NameTable napi_trackings();     // by number: "static"
NameTable clocks();             // by number: "CLOCK_BOOTTIME"
NameTable probe_flags();        // IO_URING_OP_*
NameTable mem_region_flags();   // IORING_MEM_REGION_REG_*, of struct io_uring_mem_region_reg
NameTable region_flags();       // IORING_MEM_REGION_TYPE_*, of struct io_uring_region_desc
NameTable reg_wait_flags();     // IORING_REG_WAIT_*
NameTable query_ops();          // by number: "opcodes"
NameTable restriction_kinds();  // by number: "sqe_op"
NameTable futex2_flags();       // FUTEX2_*
NameTable bpf_commands();       // by number: "filter"
NameTable bpf_filter_flags();   // IO_URING_BPF_FILTER_*

NameTable zcrx_register_flags();  // ZCRX_REG_*
NameTable zcrx_area_flags();      // IORING_ZCRX_AREA_*
NameTable zcrx_features();        // ZCRX_FEATURE_*
NameTable zcrx_events();          // by number: "ZCRX_EVENT_COPY"
NameTable zcrx_event_bits();      // the same as bits of a mask
NameTable zcrx_event_flags();     // ZCRX_EVENT_DESC_FLAG_*
NameTable zcrx_controls();        // by number: "flush_rq"

}  // namespace inflight::catalog

#endif
