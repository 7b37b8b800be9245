// SPDX-License-Identifier: Apache-2.0
//
// Tables only: the calls of io_uring. Their source is io_uring/ of the kernel.
#include "catalog/events_uring.hpp"

#include "catalog/syscalls.hpp"

namespace inflight::catalog {
namespace {

// --- Shared by the three calls --------------------------------------------------------------------------------------

constexpr std::string_view ring_call_purpose =
    "Sees each call of 64-bit programs: arguments at entry, with what they point at, return value at exit.";
constexpr std::string_view writing_ring_call_purpose =
    "Sees each call of 64-bit programs: arguments at entry, return value and what the kernel wrote at exit.";
constexpr std::string_view ring_ia32_purpose = "The same for 32-bit programs, on kernels with CONFIG_IA32_EMULATION.";

constexpr Hook ring_sys_enter_hook{
    "sys_enter", "tracepoint", "tp_btf", "sys_enter",
    "Picks this call out of all system calls, 64-bit and 32-bit, and keeps its arguments."};
constexpr Hook ring_sys_exit_hook{
    "sys_exit", "tracepoint", "tp_btf", "sys_exit",
    "Pairs the return value with the arguments, and reads what the kernel wrote, if it did."};

constexpr Return no_uring{"ENOSYS", "the kernel was built without CONFIG_IO_URING"};
constexpr Return bad_fd{"EBADF", "`fd` is not open, or no registered ring has this index"};
constexpr Return no_ring{"EOPNOTSUPP", "`fd` is open, but not a ring"};

constexpr std::string_view fd_meaning =
    "the ring: the descriptor that `io_uring_setup()` returned, or, where the call says so, its index among the rings "
    "that the thread has registered";

// --- io_uring_setup -------------------------------------------------------------------------------------------------

constexpr std::string_view setup_description[] = {
    "`io_uring_setup()` makes a ring: two queues in memory that the program and the kernel share. The program writes "
    "submission queue entries (SQEs) into the one and finds completion queue entries (CQEs) in the other. inflight "
    "calls a ring a context and an SQE a request, as with kernel AIO.",
    "The caller fills in `flags` and what they need, and the kernel writes the rest of `*params`: the sizes of both "
    "queues, `features` with what this kernel can do, and the offsets at which the parts of the queues lie in the "
    "memory to map. `entries` is rounded up to a power of two, and there are twice as many CQEs unless "
    "IORING_SETUP_CQSIZE asks for another number.",
    "The completion queue is not the limit of what can be in flight: `entries` only limits how many SQEs one "
    "submission can bring. When the completion queue is full, the kernel keeps further CQEs in a list of its own "
    "until there is room; inflight shows such completions as overflowed.",
    "A ring lives as long as somebody has it open or mapped. When the last descriptor is closed the kernel cancels "
    "what it can cancel, waits for the rest in a kworker, and nobody sees those CQEs.",
};
constexpr Argument setup_arguments[] = {
    {"entries", "u32", +Tag::K, "how many SQEs the submission queue must hold; 1 to 32768"},
    {"params", "struct io_uring_params*", +Tag::K, "what kind of ring; the kernel writes its layout there"},
};
constexpr Argument setup_decoded[] = {
    {"sq_entries", "__u32", Tag::U | Tag::TOCTOU, "of `*params`: SQEs that the submission queue holds, as granted"},
    {"cq_entries", "__u32", Tag::U | Tag::TOCTOU, "of `*params`: CQEs that the completion queue holds, as granted"},
    {"flags", "__u32", Tag::U | Tag::TOCTOU,
     "of `*params`: IORING_SETUP_SQPOLL, IORING_SETUP_DEFER_TASKRUN, ..., by name"},
    {"sq_thread_cpu", "__u32", Tag::U | Tag::TOCTOU,
     "of `*params`: the CPU of the SQ thread, with IORING_SETUP_SQ_AFF"},
    {"sq_thread_idle", "__u32", Tag::U | Tag::TOCTOU,
     "of `*params`: milliseconds after which an idle SQ thread goes to sleep, with IORING_SETUP_SQPOLL"},
    {"features", "__u32", Tag::U | Tag::TOCTOU, "of `*params`: IORING_FEAT_NODROP, ..., by name; the kernel's answer"},
    {"wq_fd", "__u32", Tag::U | Tag::TOCTOU,
     "of `*params`: another ring whose workers are shared, with IORING_SETUP_ATTACH_WQ"},
    {"sq_off", "struct io_sqring_offsets", Tag::U | Tag::TOCTOU,
     "of `*params`: where head, tail, mask and array of the submission queue lie in its mapping"},
    {"cq_off", "struct io_cqring_offsets", Tag::U | Tag::TOCTOU,
     "of `*params`: where head, tail, mask and CQEs of the completion queue lie in its mapping"},
};
constexpr Return setup_returns[] = {
    {"0 or more",
     "the descriptor of the ring; with IORING_SETUP_REGISTERED_FD_ONLY its index among the thread's registered rings"},
    {"EBADF", "`wq_fd` is not open, with IORING_SETUP_ATTACH_WQ"},
    {"EFAULT", "`params` cannot be read or written, or memory given with IORING_SETUP_NO_MMAP is no memory"},
    {"EINVAL",
     "`entries` is 0 or above 32768 without IORING_SETUP_CLAMP; `flags` has a bit that this kernel does not know, or "
     "bits that exclude or require each other; a reserved field is not 0; `wq_fd` is not a ring; `cq_entries` is below "
     "`sq_entries`; `sq_thread_cpu` is not a CPU of the task"},
    {"EMFILE", "the process has no free descriptor"},
    {"ENFILE", "the machine has no free file"},
    {"ENOMEM", "no memory for the ring, or on old kernels beyond RLIMIT_MEMLOCK"},
    {"ENXIO", "the ring of `wq_fd` is about to end"},
    {"EPERM",
     "forbidden by `/proc/sys/kernel/io_uring_disabled` (2: for all, 1: for who is neither privileged nor in "
     "`io_uring_group`), by a security module, or by seccomp; or an SQ thread shared with a ring of another process"},
    no_uring,
};
constexpr Hook setup_hooks[] = {
    {"io_uring_setup", "fentry", "fentry + fexit", syscall_function(IFL_IO_URING_SETUP, IFL_ABI_X86_64),
     writing_ring_call_purpose},
    {"io_uring_setup_ia32", "fentry", "fentry + fexit", syscall_function(IFL_IO_URING_SETUP, IFL_ABI_I386),
     ring_ia32_purpose},
    {"io_uring_setup", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_URING_SETUP, IFL_ABI_X86_64),
     writing_ring_call_purpose},
    {"io_uring_setup_ia32", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_URING_SETUP, IFL_ABI_I386),
     ring_ia32_purpose},
    ring_sys_enter_hook,
    ring_sys_exit_hook,
    {"io_uring_create", "tracepoint", "raw_tp", "io_uring_create",
     "A ring was made: its address in the kernel, its descriptor, sizes and flags."},
};
constexpr std::string_view setup_issues[] = {
    "`flags` decide what a tracer of system calls can see at all: with IORING_SETUP_SQPOLL requests are submitted "
    "without any call, and with every ring completions are reaped without one.",
    "Many container runtimes forbid io_uring by seccomp. The error is then EPERM or ENOSYS, as their profile says.",
    "A ring with IORING_SETUP_SINGLE_ISSUER belongs to one thread: submissions and `io_uring_register()` calls of any "
    "other fail with EEXIST.",
};
constexpr std::string_view setup_related[] = {"io_uring_enter", "io_uring_register", "io_setup"};

// --- io_uring_enter -------------------------------------------------------------------------------------------------

constexpr std::string_view enter_description[] = {
    "`io_uring_enter()` submits requests, waits for completions, or does both. The kernel takes up to `to_submit` SQEs "
    "from the submission queue, and, with IORING_ENTER_GETEVENTS, then waits until `min_complete` CQEs stand in the "
    "completion queue. The CQEs themselves are not returned: the program reads them in the mapped queue, by itself.",
    "Errors of a request do not come back from the call. A request that is refused when its SQE is read gets a CQE "
    "with the error as well, and ends the batch unless the ring has IORING_SETUP_SUBMIT_ALL.",
    "A request is tried at once. What would block is tried again when its file is ready (its poll is armed), or is "
    "handed to a worker thread of io-wq; inflight shows which of these, and when. A few operations always go to a "
    "worker.",
    "What `argp` is depends on `flags`: a signal mask with its size in `argsz`, to wait with; with "
    "IORING_ENTER_EXT_ARG a `struct io_uring_getevents_arg` that holds such a mask and a timeout; with "
    "IORING_ENTER_EXT_ARG_REG an offset into memory that was registered before.",
    "With IORING_SETUP_SQPOLL a kernel thread takes the SQEs and no call is needed as long as it is awake. The records "
    "of such requests name that thread.",
};
constexpr Argument enter_arguments[] = {
    {"fd", "unsigned", +Tag::K, fd_meaning},
    {"to_submit", "u32", +Tag::K, "how many SQEs to take from the submission queue"},
    {"min_complete", "u32", +Tag::K, "how many CQEs to wait for, with IORING_ENTER_GETEVENTS"},
    {"flags", "u32", +Tag::K, "IORING_ENTER_GETEVENTS, IORING_ENTER_SQ_WAKEUP, ..."},
    {"argp", "const void*", Tag::K | Tag::OPT, "a signal mask, or a structure, as `flags` say"},
    {"argsz", "size_t", +Tag::K, "size of what `argp` points at, in bytes"},
};
constexpr Argument enter_decoded[] = {
    {"sigmask", "__u64", Tag::U | Tag::TOCTOU,
     "of `struct io_uring_getevents_arg`: address of the signal mask to wait with, 0 for none"},
    {"sigmask_sz", "__u32", Tag::U | Tag::TOCTOU, "of `struct io_uring_getevents_arg`: its size in bytes"},
    {"min_wait_usec", "__u32", Tag::U | Tag::TOCTOU,
     "of `struct io_uring_getevents_arg`: microseconds after which fewer than `min_complete` CQEs are enough"},
    {"ts", "__u64", Tag::U | Tag::TOCTOU, "of `struct io_uring_getevents_arg`: address of the timeout, 0 for none"},
    {"*argp", "struct io_uring_reg_wait", Tag::U | Tag::TOCTOU,
     "with IORING_ENTER_EXT_ARG_REG, where `argp` is an offset into registered memory: the timeout `ts` itself, "
     "`min_wait_usec`, `flags`, `sigmask` and `sigmask_sz`"},
};
constexpr Return enter_returns[] = {
    {"0 to to_submit",
     "how many SQEs were taken. Once one was taken an error of the wait is not returned. With IORING_SETUP_SQPOLL "
     "`to_submit` as it was passed"},
    {"EAGAIN", "no memory for the request, or no SQE that could be taken; try again after reaping"},
    bad_fd,
    {"EBADFD", "the ring is disabled: IORING_SETUP_R_DISABLED, and IORING_REGISTER_ENABLE_RINGS has not been called"},
    {"EBADR", "CQEs were dropped for want of memory; told once"},
    {"EBUSY", "CQEs wait in the kernel for room in the completion queue; old kernels refuse to submit then"},
    {"EEXIST", "the ring has IORING_SETUP_SINGLE_ISSUER and belongs to another thread"},
    {"EFAULT", "`argp`, or the mask or timeout that it names, cannot be read"},
    {"EINTR", "a signal ended the wait"},
    {"EINVAL",
     "unknown bits in `flags`, an index that is out of range, or an `argsz` that is not what `flags` ask for"},
    {"ENXIO", "the ring is about to end"},
    no_ring,
    {"EOWNERDEAD", "the SQ thread of the ring has died"},
    {"ETIME", "the timeout ran out, and no SQE was to be submitted"},
    no_uring,
};
constexpr std::string_view steps_purpose =
    "Steps of a request on its way: held back by a drain, linked to another, handed to io-wq, poll armed, task work "
    "queued. Beside the target named here: io_uring_queue_async_work, io_uring_task_add, io_uring_defer, "
    "io_uring_link, io_uring_fail_link.";
constexpr Hook enter_hooks[] = {
    {"io_uring_enter", "fentry", "fentry + fexit", syscall_function(IFL_IO_URING_ENTER, IFL_ABI_X86_64),
     ring_call_purpose},
    {"io_uring_enter_ia32", "fentry", "fentry + fexit", syscall_function(IFL_IO_URING_ENTER, IFL_ABI_I386),
     ring_ia32_purpose},
    {"io_uring_enter", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_URING_ENTER, IFL_ABI_X86_64),
     ring_call_purpose},
    {"io_uring_enter_ia32", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_URING_ENTER, IFL_ABI_I386),
     ring_ia32_purpose},
    ring_sys_enter_hook,
    ring_sys_exit_hook,
    {"io_uring_submit", "tracepoint", "raw_tp", "io_uring_submit_req",
     "A request was taken from the submission queue, by a call or by the SQ thread. On kernels before 6.2 the "
     "tracepoint is io_uring_submit_sqe."},
    {"io_uring_submit", "tracepoint", "raw_tp", "io_uring_req_failed", "A request was refused when its SQE was read."},
    {"io_uring_steps", "tracepoint", "raw_tp", "io_uring_poll_arm", steps_purpose},
    {"io_uring_complete", "tracepoint", "raw_tp", "io_uring_complete",
     "A CQE is written, with its result; for most requests their end."},
    {"io_uring_complete", "tracepoint", "raw_tp", "io_uring_cqe_overflow",
     "A CQE found the completion queue full. It then has no other tracepoint."},
    {"io_wq_submit_work", "fentry", "fentry", "io_wq_submit_work",
     "A worker of io-wq begins with a request: which worker, and when."},
    {"io_wq_submit_work", "kprobe", "kprobe", "io_wq_submit_work",
     "A worker of io-wq begins with a request: which worker, and when."},
};
constexpr std::string_view enter_issues[] = {
    "The return value counts SQEs taken, not requests that succeeded, and not CQEs.",
    "A long call that only submits is I/O that was not asynchronous: an operation that was tried at once, and blocked.",
    "With IORING_SETUP_DEFER_TASKRUN completions are only made while the thread is in `io_uring_enter()`: a program "
    "that looks at the queue without calling sees none.",
    "CQEs are reaped in user space. inflight knows that a CQE was reaped from the head of the queue, when it next "
    "looks at it, and not to the nanosecond.",
};
constexpr std::string_view enter_related[] = {"io_uring_setup", "io_uring_register", "io_submit", "io_getevents"};

// --- io_uring_register ----------------------------------------------------------------------------------------------

constexpr std::string_view register_description[] = {
    "`io_uring_register()` is the call for everything else that concerns a ring: `opcode` says what. Most opcodes give "
    "the kernel resources to keep, so that requests need not look them up each time: buffers, files, groups of "
    "buffers, the ring itself. Others limit what the ring may do, ask what the kernel can do, set the number of "
    "workers, or copy a table from another ring.",
    "One of them is a cancel: IORING_REGISTER_SYNC_CANCEL looks for requests as IORING_OP_ASYNC_CANCEL does, by "
    "user_data, descriptor or opcode, and waits until they have ended or the timeout runs out. inflight shows each "
    "such call as a cancel too, with a verdict.",
    "What `arg` points at depends on the opcode. inflight shows the fields of the structures that it knows by name.",
};
constexpr Argument register_arguments[] = {
    {"fd", "unsigned", +Tag::K,
     "the ring; its registered index with IORING_REGISTER_USE_REGISTERED_RING in `opcode`; -1 (4294967295 in JSON): no "
     "ring but the calling task, of restrictions, bpf_filter, query and send_msg_ring"},
    {"opcode", "unsigned", +Tag::K, "what to do: sync_cancel, register_buffers, files_update, ..."},
    {"arg", "void*", Tag::K | Tag::OPT, "what `opcode` works with"},
    {"nr_args", "unsigned", +Tag::K, "how many elements `arg` has; its meaning is the opcode's"},
};
constexpr Argument register_decoded[] = {
    {"*arg", "struct, by opcode", Tag::U | Tag::TOCTOU,
     "field by field: of sync_cancel `addr`, `fd`, `flags`, `timeout`, `opcode`; of register_pbuf_ring `ring_addr`, "
     "`ring_entries`, `bgid`, `flags`; of register_buffers the vectors; of register_files the descriptors; and so on. "
     "Of restrictions and bpf_filter `of` says whether they are the ring's or the task's"},
    {"*region_ptr", "struct io_uring_region_desc", Tag::U | Tag::TOCTOU,
     "of register_mem_region and register_zcrx_ifq: memory that is shared with the kernel"},
    {"*area_ptr", "struct io_uring_zcrx_area_reg", Tag::U | Tag::TOCTOU,
     "of register_zcrx_ifq and of zcrx_ctrl that adds an area: memory that is received into"},
    {"*event_desc", "struct zcrx_event_desc", Tag::U | Tag::TOCTOU,
     "of register_zcrx_ifq: which events get a CQE, and with which user_data"},
    {"*query_data", "struct, by query_op", Tag::U | Tag::TOCTOU,
     "of query: the kernel's answer, of the first question where several are asked at once"},
};
constexpr Return register_returns[] = {
    {"0 or more",
     "done; of some opcodes a number: of files_update and buffers_update the elements taken, of register_personality "
     "its id, of register_ring_fds the rings, of sync_cancel 0 or how many requests were cancelled"},
    {"EACCES", "the ring has restrictions that leave this opcode out"},
    {"EALREADY", "sync_cancel: a worker was executing the request; it may still be interrupted"},
    bad_fd,
    {"EBADFD", "enable_rings or restrictions, and the ring is not disabled"},
    {"EBUSY", "a table, an eventfd or restrictions are registered already"},
    {"EEXIST",
     "the ring has IORING_SETUP_SINGLE_ISSUER and belongs to another thread; or a group of buffers with this id "
     "exists"},
    {"EFAULT", "`arg` or what it points at cannot be read or written"},
    {"EINTR", "a signal ended the wait of sync_cancel"},
    {"EINVAL",
     "an opcode that this kernel does not know, `arg` or `nr_args` that do not fit the opcode, a reserved field that "
     "is not 0, unknown flags, or the end of a registration that does not exist"},
    {"EMFILE", "more files than the process may have open, or than the ring's table holds"},
    {"ENOENT", "sync_cancel: no request was found: it had completed, cannot be cancelled, or never was there"},
    {"ENOMEM", "no memory, or buffers beyond RLIMIT_MEMLOCK"},
    {"ENXIO", "nothing is registered that could be updated or taken back, or the ring is about to end"},
    no_ring,
    {"EOVERFLOW", "sizes or an index that do not fit"},
    {"EPERM", "buffers, files or network queues that this task has no right to"},
    {"ETIME", "sync_cancel: the timeout ran out first; the request may have been cancelled all the same"},
    no_uring,
};
constexpr Hook register_hooks[] = {
    {"io_uring_register", "fentry", "fentry + fexit", syscall_function(IFL_IO_URING_REGISTER, IFL_ABI_X86_64),
     ring_call_purpose},
    {"io_uring_register_ia32", "fentry", "fentry + fexit", syscall_function(IFL_IO_URING_REGISTER, IFL_ABI_I386),
     ring_ia32_purpose},
    {"io_uring_register", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_URING_REGISTER, IFL_ABI_X86_64),
     ring_call_purpose},
    {"io_uring_register_ia32", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_URING_REGISTER, IFL_ABI_I386),
     ring_ia32_purpose},
    ring_sys_enter_hook,
    ring_sys_exit_hook,
};
constexpr std::string_view register_issues[] = {
    "Registered buffers count against RLIMIT_MEMLOCK, for the user and not for the process, where that limit applies: "
    "ENOMEM then has nothing to do with free memory.",
    "A descriptor in a registered table keeps its file open after the program has closed it.",
    "ENOENT of sync_cancel has three meanings, which the program cannot tell apart; the verdict does.",
    "ETIME and EALREADY of sync_cancel say nothing about how the request ends: only its CQE does.",
};
constexpr std::string_view register_related[] = {"io_uring_setup", "io_uring_enter", "io_cancel"};

// --------------------------------------------------------------------------------------------------------------------

constexpr Event uring_event_table[] = {
    {
        .name = syscall_names[IFL_IO_URING_SETUP],
        .family = family_uring,
        .number_x86_64 = syscall_number(IFL_IO_URING_SETUP, IFL_ABI_X86_64),
        .number_i386 = number_of_32_bit(IFL_IO_URING_SETUP),
        .number_i386_time64 = number_of_64_bit_time(IFL_IO_URING_SETUP),
        .intro = "makes a ring for asynchronous requests",
        .description = setup_description,
        .arguments = setup_arguments,
        .decoded = setup_decoded,
        .returns = setup_returns,
        .hooks = setup_hooks,
        .example_use_case =
            "Learn which programs on a machine use io_uring, and how: with which flags and queue sizes, and what the "
            "kernel granted. Where it fails, the errno tells a missing right from a wrong argument.",
        .issues = setup_issues,
        .related = setup_related,
    },
    {
        .name = syscall_names[IFL_IO_URING_ENTER],
        .family = family_uring,
        .number_x86_64 = syscall_number(IFL_IO_URING_ENTER, IFL_ABI_X86_64),
        .number_i386 = number_of_32_bit(IFL_IO_URING_ENTER),
        .number_i386_time64 = number_of_64_bit_time(IFL_IO_URING_ENTER),
        .intro = "submits requests to a ring and waits for completions",
        .description = enter_description,
        .arguments = enter_arguments,
        .decoded = enter_decoded,
        .returns = enter_returns,
        .hooks = enter_hooks,
        .example_use_case =
            "Find out why an event loop stalls: a call that took long while it submitted was blocked by one of its "
            "own requests; one that waited was not. Batches of one show where submissions could be joined.",
        .issues = enter_issues,
        .related = enter_related,
    },
    {
        .name = syscall_names[IFL_IO_URING_REGISTER],
        .family = family_uring,
        .number_x86_64 = syscall_number(IFL_IO_URING_REGISTER, IFL_ABI_X86_64),
        .number_i386 = number_of_32_bit(IFL_IO_URING_REGISTER),
        .number_i386_time64 = number_of_64_bit_time(IFL_IO_URING_REGISTER),
        .intro = "registers resources with a ring, or cancels requests",
        .description = register_description,
        .arguments = register_arguments,
        .decoded = register_decoded,
        .returns = register_returns,
        .hooks = register_hooks,
        .example_use_case =
            "See which buffers and files a program has registered when its fixed requests fail with EFAULT or EBADF, "
            "and what became of the requests that it cancelled synchronously.",
        .issues = register_issues,
        .related = register_related,
    },
};

}  // namespace

std::span<const Event> uring_events() {
    return uring_event_table;
}

}  // namespace inflight::catalog
