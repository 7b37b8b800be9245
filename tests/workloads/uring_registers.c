/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_uring_register with structures of newer kernels. Whether the kernel takes them is not what this is about: what the
 * program wants stands in its memory, and so does the kernel's answer where there is one.
 */
#include "uring.h"

#include <stdarg.h>
#include <sys/prctl.h>

enum {
    NAPI = 27,
    ZCRX_IFQ = 32,
    MEM_REGION = 34,
    QUERY,
    ZCRX_CTRL,
    BPF_FILTER,
};

static struct ring ring;

/* Its end is not foreseen. */
__attribute__((format(printf, 5, 6))) static void call(int fd, unsigned opcode, const void* arg, unsigned count,
                                                       const char* format, ...) {
    char arguments[512];
    va_list list;
    va_start(list, format);
    vsnprintf(arguments, sizeof arguments, format, list);
    va_end(list);
    long ret = uring_register(fd, opcode, arg, count);
    expect("event event=io_uring_register ret=%ld arguments=%s", ret, arguments);
}

static void register_buffers(void) {
    uint32_t group[10] = {0, 0, 8, 5 | 2u << 16, 512}; /* struct io_uring_buf_reg */
    void* memory = pages(4096);
    memcpy(group, &memory, sizeof memory);
    call(ring.fd, IORING_REGISTER_PBUF_RING, group, 1,
         "ring_addr=%#lx;ring_entries=8;bgid=5;flags=IOU_PBUF_RING_INC;min_left=512", (uintptr_t)memory);
}

static void register_napi(void) {
    static uint32_t napi[4] = {7, 0, 1}; /* struct io_uring_napi */
    call(ring.fd, NAPI, napi, 1, "busy_poll_to=7;prefer_busy_poll=0;opcode=register;op_param=static");
}

/* To a question that it does not know the kernel says so in place of an answer; before 6.18 it says nothing. */
static void query(void) {
    static uint64_t answer[2] = {1, 2}; /* struct io_uring_query_scq */
    static struct {
        uint64_t next, data;
        uint32_t op, size;
        int32_t result;
        uint32_t reserved[3];
    } question; /* struct io_uring_query_hdr */
    question.data = (uintptr_t)answer;
    question.op = 2;
    question.size = sizeof answer;
    long ret = uring_register(-1, QUERY, &question, 0);
    char said[96] = "";
    if (question.size) {
        snprintf(said, sizeof said, "|*query_data:hdr_size=%lu;hdr_alignment=%lu", answer[0], answer[1]);
    }
    expect(
        "event event=io_uring_register ret=%ld arguments=next_entry=0x0;query_data=%#lx;query_op=scq;size=%u;"
        "result=%d%s",
        ret, (uintptr_t)answer, question.size, question.result, said);
}

static void receive_without_copies(void) {
    static uint32_t area[12] = {0x1000, 0, 8192, 0, 0, 0, 1, 99}; /* struct io_uring_zcrx_area_reg */
    static uint32_t region[16] = {0x2000, 0, 4096, 0, 1};         /* struct io_uring_region_desc */
    static struct {
        uint32_t if_idx, if_rxq, rq_entries, flags;
        uint64_t area, region;
        uint32_t offsets[8], id, length;
        uint64_t event, reserved[2];
    } queue = {.if_idx = 0x7fffffff, .if_rxq = 3, .rq_entries = 8, .flags = 1}; /* struct io_uring_zcrx_ifq_reg */
    queue.area = (uintptr_t)area;
    queue.region = (uintptr_t)region;
    call(ring.fd, ZCRX_IFQ, &queue, 1,
         "if_idx=2147483647;if_rxq=3;rq_entries=8;flags=ZCRX_REG_IMPORT;area_ptr=%#lx;region_ptr=%#lx;offsets.head=0;"
         "offsets.tail=0;offsets.rqes=0;zcrx_id=0;rx_buf_len=0;event_desc=0x0|*area_ptr:addr=0x1000;len=8192;"
         "rq_area_token=0x0;flags=IORING_ZCRX_AREA_DMABUF;dmabuf_fd=99|*region_ptr:user_addr=0x2000;size=4096;"
         "flags=IORING_MEM_REGION_TYPE_USER;id=0;mmap_offset=0x0",
         (uintptr_t)area, (uintptr_t)region);
    static struct {
        uint32_t id, op;
        uint64_t reserved[2], area, reserved2[5];
    } control = {.id = 77, .op = 3}; /* struct zcrx_ctrl */
    control.area = (uintptr_t)area;
    call(ring.fd, ZCRX_CTRL, &control, 0,
         "zcrx_id=77;op=add_area;area_ptr=%#lx|*area_ptr:addr=0x1000;len=8192;rq_area_token=0x0;"
         "flags=IORING_ZCRX_AREA_DMABUF;dmabuf_fd=99",
         (uintptr_t)area);
}

/* How to wait stands in memory that was registered, which a ring takes only while it is disabled. Since Linux 6.13. */
static void wait_as_registered(void) {
    enum { OFFSET = 64, REG_WAIT_ARG = 1, TYPE_USER = 1, REG_WAIT_TS = 1, ENTER_EXT_ARG_REG = 1 << 6, SHORT_NS = 1000 };
    struct ring disabled = ring_new(4, IORING_SETUP_R_DISABLED);
    char* memory = pages(4096);
    uint64_t region[8] = {(uintptr_t)memory, 4096, TYPE_USER};    /* struct io_uring_region_desc */
    uint64_t registration[4] = {(uintptr_t)region, REG_WAIT_ARG}; /* struct io_uring_mem_region_reg */
    long ret = uring_register(disabled.fd, MEM_REGION, registration, 1);
    expect(
        "event event=io_uring_register ret=%ld arguments=region_uptr=%#lx;flags=IORING_MEM_REGION_REG_WAIT_ARG|"
        "*region_ptr:user_addr=%#lx;size=4096;flags=IORING_MEM_REGION_TYPE_USER;id=0;mmap_offset=0x0",
        ret, (uintptr_t)region, (uintptr_t)memory);
    ring_register(&disabled, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    if (ret == 0) {
        struct {
            struct __kernel_timespec time;
            uint32_t least_us, flags;
            uint64_t rest[5];
        } wait = {.time.tv_nsec = SHORT_NS, .flags = REG_WAIT_TS}; /* struct io_uring_reg_wait */
        memcpy(memory + OFFSET, &wait, sizeof wait);
        ret = uring_enter(disabled.fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | ENTER_EXT_ARG_REG,
                          (void*)OFFSET, sizeof wait);
        CHECK(ret == -ETIME, "a registered wait = %ld", ret);
        expect(
            "event event=io_uring_enter ret=%ld arguments=ts.tv_sec=0;ts.tv_nsec=%d;min_wait_usec=0;"
            "flags=IORING_REG_WAIT_TS;sigmask=0x0;sigmask_sz=0",
            ret, SHORT_NS);
    }
    ring_close(&disabled);
}

static void filter(int fd, const char* of) {
    static struct {
        uint16_t command, flags;
        uint32_t reserved, opcode, filter_flags, length;
        uint8_t size, reserved2[3];
        uint64_t program, reserved3[5];
    } bpf = {.command = 1, .opcode = IORING_OP_SOCKET, .filter_flags = 2, .size = 200}; /* struct io_uring_bpf */
    call(fd, BPF_FILTER, &bpf, 1,
         "of=%s;cmd_type=filter;cmd_flags=0;filter.opcode=socket;filter.flags=IO_URING_BPF_FILTER_SZ_STRICT;"
         "filter.filter_len=0;filter.pdu_size=200;filter.filter_ptr=0x0",
         of);
}

/* A ring that is not disabled takes none. Of the task: what is left must be enough for this program's end. */
static void restrict_both(void) {
    static struct {
        uint16_t flags, count;
        uint32_t reserved[3];
        struct io_uring_restriction each[2];
    } task = {.count = 2}; /* struct io_uring_task_restriction */
    task.each[0].opcode = IORING_RESTRICTION_SQE_OP;
    task.each[0].sqe_op = IORING_OP_NOP;
    task.each[1].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    task.each[1].sqe_flags = IOSQE_IO_LINK;
    call(ring.fd, IORING_REGISTER_RESTRICTIONS, task.each, 2,
         "of=ring;restrictions[0].opcode=sqe_op;restrictions[0].sqe_op=nop;restrictions[1].opcode=sqe_flags_allowed;"
         "restrictions[1].sqe_flags=IOSQE_IO_LINK");
    OS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    call(-1, IORING_REGISTER_RESTRICTIONS, &task, 1,
         "of=task;flags=0;nr_res=2;restrictions[0].opcode=sqe_op;restrictions[0].sqe_op=nop;"
         "restrictions[1].opcode=sqe_flags_allowed;restrictions[1].sqe_flags=IOSQE_IO_LINK");
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, 0);
    register_buffers();
    register_napi();
    query();
    receive_without_copies();
    wait_as_registered();
    filter(ring.fd, "ring");
    filter(-1, "task");
    restrict_both();
    ring_close(&ring);
    finish();
}
