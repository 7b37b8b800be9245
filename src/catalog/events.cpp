// SPDX-License-Identifier: Apache-2.0
//
// Tables only: kernel AIO here, io_uring in events_uring.cpp.
#include "catalog/events.hpp"

#include "catalog/events_uring.hpp"
#include "catalog/syscalls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace inflight::catalog {
namespace {

constexpr TagInfo tag_table[] = {
    {Tag::K, "K", "from kernel memory or a register: the task cannot change it behind the back of kernel or tracer"},
    {Tag::U, "U", "from user space: read in the memory of the traced task, where the task itself can write"},
    {Tag::TOCTOU, "TOCTOU",
     "user memory that may change between the kernel's access and ours (time of check to time of use): what is shown "
     "here may not be what the kernel worked with"},
    {Tag::OPT, "OPT", "optional: the pointer may be NULL"},
};

constexpr Tier tier_table[] = {
    {"fentry", "BPF trampolines; system calls that are not traced run at full speed."},
    {"kprobe",
     "the classic probes, where the kernel refuses trampolines; what is not traced is not slowed down either."},
    {"tracepoint",
     "where the kernel has neither, or is locked down. All system calls of the machine pass through sys_enter and "
     "sys_exit, and all slab allocations through the kmem tracepoints: the one tier that others pay for."},
};

// --- Shared by several events ---------------------------------------------------------------------------------------

constexpr std::string_view call_purpose =
    "Sees each call of 64-bit programs: arguments at entry, return value at exit.";
constexpr std::string_view writing_call_purpose =
    "Sees each call of 64-bit programs: arguments at entry, return value and what the kernel wrote at exit.";
constexpr std::string_view ia32_purpose = "The same for 32-bit programs, on kernels with CONFIG_IA32_EMULATION.";
constexpr std::string_view ia32_time32_purpose =
    "The same for 32-bit programs that pass a 32-bit struct timespec, on kernels with CONFIG_IA32_EMULATION.";
constexpr std::string_view ia32_time64_purpose =
    "The same for 32-bit programs that pass a 64-bit struct timespec, on kernels with CONFIG_IA32_EMULATION.";

constexpr Hook sys_enter_hook{"sys_enter", "tracepoint", "tp_btf", "sys_enter",
                              "Picks this call out of all system calls, 64-bit and 32-bit, and keeps its arguments."};
constexpr Hook sys_exit_hook{"sys_exit", "tracepoint", "tp_btf", "sys_exit",
                             "Pairs the return value with the arguments, and reads what the kernel wrote, if it did."};

constexpr std::string_view submit_one_purpose =
    "Runs once for each iocb of the call: which one, and whether it was accepted or with which error it was refused.";
constexpr std::string_view prep_rw_purpose =
    "Is handed the kernel's own copy of the iocb of a read or write: opcode, "
    "length and offset as the kernel uses them.";
constexpr std::string_view poll_queue_purpose =
    "Runs when a poll is put on the wait queue of its file: tells that the request is a poll, and for which events.";
constexpr std::string_view complete_purpose =
    "The end of each request, of every kind, with its result, just before "
    "the event goes to the ring. Runs wherever the request ends: in the "
    "submitter, in a kworker, in an interrupt.";
constexpr Hook complete_fentry{"aio_complete", "fentry", "fentry", "aio_complete", complete_purpose};
constexpr Hook complete_kprobe{"aio_complete", "kprobe", "kprobe", "aio_complete", complete_purpose};
constexpr Hook request_alloc{
    "kmem_cache_alloc", "tracepoint", "raw_tp", "kmem_cache_alloc",
    "There is no tracepoint in kernel AIO. What io_submit_one itself allocates is a new request."};
constexpr Hook request_free{
    "kmem_cache_free", "tracepoint", "raw_tp", "kmem_cache_free",
    "A remembered request is given back: its memory can still be read, and holds the result. Its reference count tells "
    "a completion from a refusal at submission."};

constexpr Return no_aio{"ENOSYS", "the kernel was built without CONFIG_AIO"};

constexpr std::string_view ctx_id_meaning =
    "the context: the handle that `io_setup()` wrote. libaio spells the type "
    "`io_context_t`, a pointer of the same size";

// --- io_setup -------------------------------------------------------------------------------------------------------

constexpr std::string_view io_setup_description[] = {
    "`io_setup()` makes an AIO context: the kernel object (`struct kioctx`) that requests are submitted to, together "
    "with the ring that their completion events are queued on. The handle that it writes to `*ctx_idp` is the address "
    "at which the ring is mapped into the process.",
    "`nr_events` is how many requests the caller wants to have in flight. The kernel takes at least four for each "
    "possible CPU, doubles the number, because free slots are handed to the CPUs in batches and some are always parked "
    "on the wrong one, and uses the ring's last page to its end. A context therefore accepts more than was asked for: "
    "on two CPUs `io_setup(8, ...)` gives room for over a hundred. What counts against `/proc/sys/fs/aio-max-nr` is "
    "`nr_events` as it was passed.",
    "A context belongs to an address space. All threads of the process can use it; a child after `fork()` cannot. When "
    "the address space goes, by `execve()` or the exit of the last task in it, the kernel destroys the context and "
    "waits for its requests.",
};
constexpr Argument io_setup_arguments[] = {
    {"nr_events", "unsigned", +Tag::K, "how many requests the context must be able to hold in flight"},
    {"ctx_idp", "aio_context_t*", +Tag::K, "where the kernel is to write the handle; what stands there must be 0"},
};
constexpr Argument io_setup_decoded[] = {
    {"*ctx_idp", "aio_context_t", Tag::U | Tag::TOCTOU,
     "the handle that the kernel wrote, read when the call returned; 4 bytes wide for a 32-bit program"},
};
constexpr Return io_setup_returns[] = {
    {"0", "the context exists, its handle is in `*ctx_idp`"},
    {"EAGAIN", "`nr_events` and what all contexts of the machine hold together would exceed `aio-max-nr`"},
    {"EFAULT", "`ctx_idp` cannot be read or written"},
    {"EINVAL", "`*ctx_idp` is not 0, `nr_events` is 0, or above 4194304, where the ring would pass 256 MiB"},
    {"EINTR", "killed by a signal while it waited to map the ring"},
    {"ENOMEM", "no memory for the context or its ring, or no room to map the ring"},
    no_aio,
};
constexpr Hook io_setup_hooks[] = {
    {"io_setup", "fentry", "fentry + fexit", syscall_function(IFL_IO_SETUP, IFL_ABI_X86_64), writing_call_purpose},
    {"io_setup_ia32", "fentry", "fentry + fexit", syscall_function(IFL_IO_SETUP, IFL_ABI_I386), ia32_purpose},
    {"io_setup", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_SETUP, IFL_ABI_X86_64), writing_call_purpose},
    {"io_setup_ia32", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_SETUP, IFL_ABI_I386), ia32_purpose},
    sys_enter_hook,
    sys_exit_hook,
};
constexpr std::string_view io_setup_issues[] = {
    "`aio-max-nr` is one number for the whole machine, and `/proc/sys/fs/aio-nr` only shows the sum. A process that "
    "leaks contexts makes `io_setup()` fail with EAGAIN in all the others.",
    "A variable that still holds an old handle gives EINVAL: it must be set to 0 before each call.",
};
constexpr std::string_view io_setup_related[] = {"io_destroy", "io_submit", "io_getevents"};

// --- io_destroy -----------------------------------------------------------------------------------------------------

constexpr std::string_view io_destroy_description[] = {
    "`io_destroy()` takes a context away from the process. From then on no call finds it, its share of `aio-max-nr` is "
    "free again, and its ring is unmapped. The kernel then cancels the requests that it can cancel, in practice "
    "pending `IOCB_CMD_POLL` requests, and waits until all the others have ended by themselves, so that no buffer is "
    "written to after the call.",
    "Events that nobody has reaped go with the ring. A thread that sleeps in `io_getevents()` on the context is woken, "
    "and gets EINVAL if it has no event yet.",
};
constexpr Argument io_destroy_arguments[] = {
    {"ctx_id", "aio_context_t", +Tag::K, ctx_id_meaning},
};
constexpr Return io_destroy_returns[] = {
    {"0", "the context is gone, and no request of it is left"},
    {"EINVAL", "`ctx_id` is no context of this process, or another thread is destroying it already"},
    no_aio,
};
constexpr Hook io_destroy_hooks[] = {
    {"io_destroy", "fentry", "fentry + fexit", syscall_function(IFL_IO_DESTROY, IFL_ABI_X86_64), call_purpose},
    {"io_destroy_ia32", "fentry", "fentry + fexit", syscall_function(IFL_IO_DESTROY, IFL_ABI_I386), ia32_purpose},
    {"io_destroy", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_DESTROY, IFL_ABI_X86_64), call_purpose},
    {"io_destroy_ia32", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_DESTROY, IFL_ABI_I386), ia32_purpose},
    sys_enter_hook,
    sys_exit_hook,
};
constexpr std::string_view io_destroy_issues[] = {
    "It takes as long as the slowest request: a disk that does not answer holds up `io_destroy()`, and no signal "
    "interrupts the wait. The same wait is made when a process exits.",
};
constexpr std::string_view io_destroy_related[] = {"io_setup", "io_cancel", "io_getevents"};

// --- io_getevents ---------------------------------------------------------------------------------------------------

constexpr std::string_view reaping_without_a_call =
    "Not every event is reaped by a system call. The ring is mapped into the process, which may read it and move its "
    "head on by itself, as fio can; and libaio returns 0 without entering the kernel when the timeout is zero and the "
    "ring is empty. Such reaping is no event of inflight. The completions themselves are seen in any case.";
constexpr std::string_view res_paragraph =
    "Each event says which request it ends: `data` is the `aio_data` of its iocb, `obj` the address of the iocb. `res` "
    "is the result: the number of bytes of a read or write, the ready mask of a poll, 0 for an fsync, or an errno with "
    "a minus sign.";

constexpr std::string_view io_getevents_description[] = {
    "`io_getevents()` takes completion events off a context's ring, at least `min_nr` and at most `nr`. It sleeps "
    "until there are `min_nr` of them, the timeout has run out, or a signal comes, and returns how many it took. "
    "Running out of time is no error: the count is just smaller, down to 0.",
    "`timeout` is relative. NULL waits without limit; a timeout of zero does not wait and drains what is there.",
    res_paragraph,
    reaping_without_a_call,
};
constexpr std::string_view min_nr_meaning = "how many events to wait for";
constexpr std::string_view nr_events_meaning = "how many events fit into `events`";
constexpr std::string_view events_meaning = "where the kernel is to write the events";
constexpr std::string_view timeout_meaning = "how long to wait, from now; NULL: without limit";
constexpr Argument io_getevents_arguments[] = {
    {"ctx_id", "aio_context_t", +Tag::K, ctx_id_meaning},
    {"min_nr", "long", +Tag::K, min_nr_meaning},
    {"nr", "long", +Tag::K, nr_events_meaning},
    {"events", "struct io_event*", +Tag::K, events_meaning},
    {"timeout", "struct timespec*", Tag::K | Tag::OPT, timeout_meaning},
};
constexpr Argument timeout_decoded{"*timeout", "struct timespec", Tag::U | Tag::TOCTOU,
                                   "seconds and nanoseconds; absent when `timeout` is NULL or cannot be read"};
constexpr Argument data_decoded{"data", "__u64", Tag::U | Tag::TOCTOU,
                                "of each event returned: `aio_data` of the request's iocb"};
constexpr Argument obj_decoded{"obj", "__u64", Tag::U | Tag::TOCTOU,
                               "of each event returned: the address of the request's iocb"};
constexpr Argument res_decoded{"res", "__s64", Tag::U | Tag::TOCTOU,
                               "of each event returned: the result, negative for an errno"};
constexpr Argument res2_decoded{"res2", "__s64", Tag::U | Tag::TOCTOU,
                                "of each event returned: a second result, 0 for every request of today's kernels"};
constexpr Argument io_getevents_decoded[] = {timeout_decoded, data_decoded, obj_decoded, res_decoded, res2_decoded};

constexpr Return getevents_count{"0 to nr",
                                 "the number of events in `events`; below `min_nr` when time ran out, or "
                                 "when a signal or `io_destroy()` ended the wait after the first event"};
constexpr Return getevents_fault{"EFAULT",
                                 "`timeout` cannot be read or `events` not written; in the latter case the "
                                 "events stay on the ring"};
constexpr Return getevents_invalid{"EINVAL",
                                   "`ctx_id` is no context of this process, `min_nr` is negative or above "
                                   "`nr`, or the context was destroyed meanwhile"};
constexpr Return io_getevents_returns[] = {
    getevents_count, getevents_fault, getevents_invalid, {"EINTR", "a signal came before the first event"}, no_aio,
};
constexpr Hook io_getevents_hooks[] = {
    {"io_getevents", "fentry", "fentry + fexit", syscall_function(IFL_IO_GETEVENTS, IFL_ABI_X86_64),
     writing_call_purpose},
    {"io_getevents_ia32", "fentry", "fentry + fexit", syscall_function(IFL_IO_GETEVENTS, IFL_ABI_I386_TIME32),
     ia32_time32_purpose},
    complete_fentry,
    {"io_getevents", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_GETEVENTS, IFL_ABI_X86_64),
     writing_call_purpose},
    {"io_getevents_ia32", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_GETEVENTS, IFL_ABI_I386_TIME32),
     ia32_time32_purpose},
    complete_kprobe,
    sys_enter_hook,
    sys_exit_hook,
    request_free,
};
constexpr std::string_view io_getevents_issues[] = {
    "A count below `min_nr` but above 0 does not tell whether time ran out, a signal came or the context was "
    "destroyed.",
    "The time between completion and reaping is the program's own, not the disk's: compare the two before blaming "
    "either.",
};
constexpr std::string_view io_getevents_related[] = {"io_pgetevents", "io_submit", "io_cancel"};

// --- io_submit ------------------------------------------------------------------------------------------------------

constexpr std::string_view io_submit_description[] = {
    "`io_submit()` hands requests to the kernel. `iocbpp` is an array of `nr` pointers, each to a `struct iocb` that "
    "says what to do: operation, file descriptor, buffer, length, offset. The kernel copies an iocb, checks it, starts "
    "it, and turns to the next one. The program may use the iocb for something else as soon as the call is back, but "
    "its address goes on to be the name of the request: `io_cancel()` takes it and the completion event carries it.",
    "The call ends at the first iocb that is refused. If that was the very first, its error is returned; otherwise the "
    "number of iocbs accepted before it, and the program does not learn the error unless it submits the rest again. "
    "inflight shows that error. More iocbs than the ring has entries are cut off without a word.",
    "What is wrong with the request itself (descriptor, open mode, opcode, flags) comes back from the call. What goes "
    "wrong with the I/O comes as a negative `res` in the event.",
    "Asynchronous I/O can block here. A buffered read is done before the call returns; so is the read of a pipe that "
    "is "
    "not set to O_NONBLOCK, however long it stays empty; O_DIRECT may wait for blocks to be allocated or for a slot in "
    "the queue of the device. A request that has ended inside the call has its event on the ring before the call is "
    "back.",
    "The iocbs listed below are read in user memory. For reads and writes, the fentry and kprobe tiers take the "
    "kernel's own copy as well, and the record of the request says which of the two it shows.",
};
constexpr Argument io_submit_arguments[] = {
    {"ctx_id", "aio_context_t", +Tag::K, ctx_id_meaning},
    {"nr", "long", +Tag::K, "how many pointers `iocbpp` holds"},
    {"iocbpp", "struct iocb**", +Tag::K, "the array of pointers to the requests to start"},
};
constexpr Argument io_submit_decoded[] = {
    {"opcode", "__u16", Tag::U | Tag::TOCTOU, "of each iocb, `aio_lio_opcode`: pread, pwrite, fsync, poll, ..."},
    {"fd", "__u32", Tag::U | Tag::TOCTOU, "of each iocb, `aio_fildes`: the file to work on"},
    {"file", "struct file*", Tag::K | Tag::U | Tag::TOCTOU,
     "of each iocb: the path that `fd` stands for at that moment. The path is the kernel's, the number is the "
     "program's, and another thread can put a different file behind it before the kernel looks"},
    {"buffer", "__u64", Tag::U | Tag::TOCTOU,
     "of each iocb, `aio_buf`: address of the data; of an array of `struct iovec` for preadv and pwritev; the event "
     "mask for poll"},
    {"length", "__u64", Tag::U | Tag::TOCTOU,
     "of each iocb, `aio_nbytes`: bytes; number of `struct iovec` for preadv and pwritev"},
    {"offset", "__s64", Tag::U | Tag::TOCTOU, "of each iocb, `aio_offset`: position in the file, in bytes"},
    {"rw_flags", "__kernel_rwf_t", Tag::U | Tag::TOCTOU, "of each iocb, `aio_rw_flags`: RWF_DSYNC, RWF_NOWAIT, ..."},
    {"priority", "__s16", Tag::U | Tag::TOCTOU,
     "of each iocb, `aio_reqprio`: I/O class and level, if IOCB_FLAG_IOPRIO is set in `aio_flags`"},
    {"resfd", "__u32", Tag::U | Tag::TOCTOU,
     "of each iocb, `aio_resfd`: the eventfd to signal at completion, if IOCB_FLAG_RESFD is set in `aio_flags`"},
    {"data", "__u64", Tag::U | Tag::TOCTOU,
     "of each iocb, `aio_data`: the program's own number, given back in the event"},
};
constexpr Return io_submit_returns[] = {
    {"0 to nr", "how many iocbs were accepted, from the front of the array; 0 only for `nr` = 0"},
    {"EAGAIN", "the context is full (events must be reaped before it takes more), or no memory for the request"},
    {"EBADF", "`aio_fildes` is not open, or not for this direction; or `aio_resfd` is not open"},
    {"EFAULT",
     "the array, an iocb or an array of `struct iovec` cannot be read, `aio_key` cannot be written, or the "
     "buffer is no user address"},
    {"EINVAL",
     "`ctx_id` is no context of this process, `nr` is negative, or the iocb asks for what is not possible: "
     "unknown opcode, a reserved field or one without meaning for the opcode set, negative offset, an "
     "operation that the file does not have, `aio_resfd` no eventfd"},
    {"EOPNOTSUPP", "a bit in `aio_rw_flags` that this kernel or file does not know"},
    {"EPERM", "a real-time I/O priority without the right to it"},
    no_aio,
};
constexpr Hook io_submit_hooks[] = {
    {"io_submit", "fentry", "fentry + fexit", syscall_function(IFL_IO_SUBMIT, IFL_ABI_X86_64), call_purpose},
    {"io_submit_ia32", "fentry", "fentry + fexit", syscall_function(IFL_IO_SUBMIT, IFL_ABI_I386), ia32_purpose},
    {"io_submit_one", "fentry", "fentry + fexit", "io_submit_one", submit_one_purpose},
    {"aio_prep_rw", "fentry", "fentry", "aio_prep_rw", prep_rw_purpose},
    {"aio_poll_queue_proc", "fentry", "fentry", "aio_poll_queue_proc", poll_queue_purpose},
    complete_fentry,
    {"io_submit", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_SUBMIT, IFL_ABI_X86_64), call_purpose},
    {"io_submit_ia32", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_SUBMIT, IFL_ABI_I386), ia32_purpose},
    {"io_submit_one", "kprobe", "kprobe + kretprobe", "io_submit_one", submit_one_purpose},
    {"aio_prep_rw", "kprobe", "kprobe", "aio_prep_rw", prep_rw_purpose},
    {"aio_poll_queue_proc", "kprobe", "kprobe", "aio_poll_queue_proc", poll_queue_purpose},
    complete_kprobe,
    sys_enter_hook,
    sys_exit_hook,
    request_alloc,
    request_free,
};
constexpr std::string_view io_submit_issues[] = {
    "A count below `nr` hides an error: look at the error that inflight shows for the iocb after the last accepted "
    "one.",
    "A long `io_submit()` is I/O that was not asynchronous. Buffered files, pipes, and writes that must allocate "
    "blocks are the usual causes.",
    "The address of an iocb names a request only while it is in flight. The same iocb submitted twice gives two "
    "requests with one name.",
    "`IOCB_CMD_NOOP` has a number but no code behind it: EINVAL. RWF_HIPRI is accepted and ignored, as nobody polls "
    "for the completion of an AIO request.",
};
constexpr std::string_view io_submit_related[] = {"io_setup", "io_getevents", "io_cancel"};

// --- io_cancel ------------------------------------------------------------------------------------------------------

constexpr std::string_view io_cancel_description[] = {
    "`io_cancel()` asks for the end of one asynchronous request that `io_submit()` has started and that is not "
    "complete. `ctx_id` names the context that it was submitted to, which `io_setup()` must have made and which must "
    "still exist. `iocb` is the address of the control block that was submitted: the kernel looks for that address "
    "among the requests in flight, and reads nothing in the block but `aio_key`, where `io_submit()` has left a 0.",
    "`result` was meant for the event of the cancelled request, with NULL for a caller who does not want it. It is a "
    "leftover: since about Linux 3.12 the kernel does not touch it, so that NULL and an invalid address do equally "
    "well. The event of a cancelled request is queued on the ring like any other, its eventfd, if it has one, is "
    "signalled, and it must be reaped with `io_getevents()`.",
    "A successful cancel is reported as an error. EINPROGRESS means that the request was found and told to stop, and "
    "that its event will follow; for a poll that event comes from a kworker, with `res` 0 and not ECANCELED, or with "
    "the ready mask if the poll was just about to complete. Today's kernels never return 0, and AIO itself never "
    "returns EAGAIN, although manual pages list both.",
    "Only a request with a cancel function can be cancelled: a pending `IOCB_CMD_POLL`, and reads and writes on the "
    "endpoints of two USB gadget drivers, whose own error code is handed through when they cannot stop. Reads, writes "
    "and syncs of files and disks run to their end.",
    "The kernel says EINVAL for six different reasons. inflight tells them apart by what it has seen of the request, "
    "and gives each its own verdict, listed below. The checks are made in this order: `aio_key` readable, `aio_key` 0, "
    "context known, request found. A bad pointer thus hides a bad context.",
    "The requests are already running when this call is made, and some of them may complete before they are cancelled; "
    "their results arrive after the call all the same. A program that does not want that drains the ring first: "
    "`io_getevents()` with a timeout of zero, or for a small number of events, and only then `io_cancel()` for what is "
    "still in flight. This narrows the race and does not close it.",
};
constexpr Argument io_cancel_arguments[] = {
    {"ctx_id", "aio_context_t", +Tag::K, ctx_id_meaning},
    {"iocb", "struct iocb*", +Tag::K,
     "address of the control block that the request was submitted with: the name of the request"},
    {"result", "struct io_event*", Tag::K | Tag::OPT,
     "once the place for the event of the cancelled request; today neither written nor checked"},
};
constexpr Argument io_cancel_decoded[] = {
    {"iocb.aio_key", "__u32", Tag::U | Tag::TOCTOU,
     "must be 0, as `io_submit()` left it; absent when `iocb` cannot be read"},
};
constexpr Return io_cancel_returns[] = {
    {"EINPROGRESS", "verdict `cancelled`: it was found and told to stop; its event follows on the ring"},
    {"EINVAL", "verdict `completed-first`: its event had already been queued, reaped or not"},
    {"EINVAL", "verdict `not-cancellable`: in flight, but nothing can stop it (file and disk I/O, fsync)"},
    {"EINVAL", "verdict `already-cancelled`: an earlier `io_cancel()` has taken it; a request is found only once"},
    {"EINVAL", "verdict `unknown-request`: no request with this iocb was submitted to this context"},
    {"EINVAL", "verdict `bad-context`: `ctx_id` is no context of this process: wrong, 0, destroyed, or the parent's"},
    {"EINVAL", "verdict `bad-key`: `aio_key` is not 0: the iocb was overwritten, or never prepared and submitted"},
    {"EFAULT", "verdict `bad-pointer`: `iocb` is NULL or cannot be read"},
    {"another", "what the cancel function of a USB gadget driver returned"},
    no_aio,
};
constexpr std::string_view do_io_cancel_purpose =
    "Captures each io_cancel() call of 64-bit programs: arguments at entry, return value at exit. No function of the "
    "kernel is called do_io_cancel; the name is the hook's, the function is the target.";
constexpr Hook io_cancel_hooks[] = {
    {"io_cancel", "fentry", "fentry + fexit", syscall_function(IFL_IO_CANCEL, IFL_ABI_X86_64), call_purpose},
    {"io_cancel_ia32", "fentry", "fentry + fexit", syscall_function(IFL_IO_CANCEL, IFL_ABI_I386), ia32_purpose},
    {"do_io_cancel", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_CANCEL, IFL_ABI_X86_64),
     do_io_cancel_purpose},
    {"do_io_cancel_ia32", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_CANCEL, IFL_ABI_I386), ia32_purpose},
    sys_enter_hook,
    sys_exit_hook,
};
constexpr std::string_view io_cancel_issues[] = {
    "Requests may still complete, and deliver their events, after this call. Who does not want that drains the ring "
    "first, with `io_getevents()` and a timeout of zero or a small number of events, and still has to expect the one "
    "that completed in between.",
    "EINPROGRESS is the success. Code that waits for 0 takes each cancelled request for a failed cancel, and code that "
    "reads `result` afterwards reads what it had put there itself.",
    "The buffer is the kernel's until the event is on the ring, not until this call is back.",
    "A request is found by the address of its iocb. If the iocb has been submitted again meanwhile, it is the new "
    "request that is cancelled; of two in flight with one iocb, each call takes one.",
    "Most requests cannot be cancelled at all. EINVAL for a disk read is no mistake of the program.",
};
constexpr std::string_view io_cancel_related[] = {"io_submit", "io_setup", "io_getevents"};

// --- io_pgetevents --------------------------------------------------------------------------------------------------

constexpr std::string_view io_pgetevents_description[] = {
    "`io_pgetevents()` does what `io_getevents()` does, and for as long as it waits exchanges the signal mask of the "
    "thread for one of the caller's. As exchange and wait are one step, a signal cannot slip in between a check of the "
    "program and its sleep.",
    "`usig` points to two words: the address of a signal set, and its size. The mask stays as it is when `usig` or the "
    "address in it is NULL.",
    res_paragraph,
    reaping_without_a_call,
    "On i386 there are two calls, which differ in the width of the time: 385 takes a 32-bit `struct timespec`, 416 "
    "(io_pgetevents_time64) a 64-bit one.",
};
constexpr Argument io_pgetevents_arguments[] = {
    {"ctx_id", "aio_context_t", +Tag::K, ctx_id_meaning},
    {"min_nr", "long", +Tag::K, min_nr_meaning},
    {"nr", "long", +Tag::K, nr_events_meaning},
    {"events", "struct io_event*", +Tag::K, events_meaning},
    {"timeout", "struct timespec*", Tag::K | Tag::OPT, timeout_meaning},
    {"usig", "const struct __aio_sigset*", Tag::K | Tag::OPT,
     "the signal mask to wait with, and its size; NULL: the thread's own"},
};
constexpr Argument io_pgetevents_decoded[] = {
    timeout_decoded,
    {"sigmask", "const sigset_t*", Tag::U | Tag::TOCTOU | Tag::OPT,
     "the signals blocked while it waits, read through the pointer in `*usig`; absent when that is NULL"},
    {"sigsetsize", "size_t", Tag::U | Tag::TOCTOU, "the size in `*usig`, in bytes; 8 is the one that the kernel takes"},
    data_decoded,
    obj_decoded,
    res_decoded,
    res2_decoded,
};
constexpr Return io_pgetevents_returns[] = {
    getevents_count,
    {"EFAULT",
     "`timeout`, `usig` or the signal set cannot be read, or `events` not written; in the last case the events stay on "
     "the ring"},
    {"EINVAL", "as for `io_getevents()`, or a signal set is given and `sigsetsize` is not 8"},
    {"EINTR",
     "a signal came before the first event. Inside the kernel, where the hooks are, the value is ERESTARTNOHAND (514): "
     "the program sees EINTR once a handler has run, and otherwise the call starts over"},
    no_aio,
};
constexpr Hook io_pgetevents_hooks[] = {
    {"io_pgetevents", "fentry", "fentry + fexit", syscall_function(IFL_IO_PGETEVENTS, IFL_ABI_X86_64),
     writing_call_purpose},
    {"io_pgetevents_ia32", "fentry", "fentry + fexit", syscall_function(IFL_IO_PGETEVENTS, IFL_ABI_I386_TIME32),
     ia32_time32_purpose},
    {"io_pgetevents_time64_ia32", "fentry", "fentry + fexit", syscall_function(IFL_IO_PGETEVENTS, IFL_ABI_I386),
     ia32_time64_purpose},
    complete_fentry,
    {"io_pgetevents", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_PGETEVENTS, IFL_ABI_X86_64),
     writing_call_purpose},
    {"io_pgetevents_ia32", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_PGETEVENTS, IFL_ABI_I386_TIME32),
     ia32_time32_purpose},
    {"io_pgetevents_time64_ia32", "kprobe", "kprobe + kretprobe", syscall_function(IFL_IO_PGETEVENTS, IFL_ABI_I386),
     ia32_time64_purpose},
    complete_kprobe,
    sys_enter_hook,
    sys_exit_hook,
    request_free,
};
constexpr std::string_view io_pgetevents_issues[] = {
    "`sigsetsize` is the size of the kernel's signal set, 8 bytes, and not `sizeof(sigset_t)` of the C library, which "
    "is 128: a raw call with the latter gives EINVAL.",
    "A call that a signal interrupted may start over, and then appears as two events. A relative timeout begins again "
    "with the second one.",
};
constexpr std::string_view io_pgetevents_related[] = {"io_getevents", "io_submit", "io_cancel"};

// --------------------------------------------------------------------------------------------------------------------

constexpr Event event_table[] = {
    {
        .name = syscall_names[IFL_IO_SETUP],
        .family = family_aio,
        .number_x86_64 = syscall_number(IFL_IO_SETUP, IFL_ABI_X86_64),
        .number_i386 = number_of_32_bit(IFL_IO_SETUP),
        .number_i386_time64 = number_of_64_bit_time(IFL_IO_SETUP),
        .intro = "creates a context for asynchronous I/O requests",
        .description = io_setup_description,
        .arguments = io_setup_arguments,
        .decoded = io_setup_decoded,
        .returns = io_setup_returns,
        .hooks = io_setup_hooks,
        .example_use_case =
            "Databases fail to start with EAGAIN from `io_setup()`. The events show which processes created contexts, "
            "and with which `nr_events`: who holds `aio-max-nr`, and who asks for more than it ever has in flight.",
        .issues = io_setup_issues,
        .related = io_setup_related,
    },
    {
        .name = syscall_names[IFL_IO_DESTROY],
        .family = family_aio,
        .number_x86_64 = syscall_number(IFL_IO_DESTROY, IFL_ABI_X86_64),
        .number_i386 = number_of_32_bit(IFL_IO_DESTROY),
        .number_i386_time64 = number_of_64_bit_time(IFL_IO_DESTROY),
        .intro = "destroys a context and waits for its requests to end",
        .description = io_destroy_description,
        .arguments = io_destroy_arguments,
        .decoded = {},
        .returns = io_destroy_returns,
        .hooks = io_destroy_hooks,
        .example_use_case =
            "A service hangs when it shuts down. The duration of `io_destroy()`, beside the requests that were in "
            "flight when it began, tells which file and device it waited for.",
        .issues = io_destroy_issues,
        .related = io_destroy_related,
    },
    {
        .name = syscall_names[IFL_IO_GETEVENTS],
        .family = family_aio,
        .number_x86_64 = syscall_number(IFL_IO_GETEVENTS, IFL_ABI_X86_64),
        .number_i386 = number_of_32_bit(IFL_IO_GETEVENTS),
        .number_i386_time64 = number_of_64_bit_time(IFL_IO_GETEVENTS),
        .intro = "reads completion events from a context, waiting if need be",
        .description = io_getevents_description,
        .arguments = io_getevents_arguments,
        .decoded = io_getevents_decoded,
        .returns = io_getevents_returns,
        .hooks = io_getevents_hooks,
        .example_use_case = "Find out whether latency arises in the storage or in the program: a request whose "
                            "completion was seen long before the `io_getevents()` that returned it was kept waiting by "
                            "the program.",
        .issues = io_getevents_issues,
        .related = io_getevents_related,
    },
    {
        .name = syscall_names[IFL_IO_SUBMIT],
        .family = family_aio,
        .number_x86_64 = syscall_number(IFL_IO_SUBMIT, IFL_ABI_X86_64),
        .number_i386 = number_of_32_bit(IFL_IO_SUBMIT),
        .number_i386_time64 = number_of_64_bit_time(IFL_IO_SUBMIT),
        .intro = "submits asynchronous I/O requests to a context",
        .description = io_submit_description,
        .arguments = io_submit_arguments,
        .decoded = io_submit_decoded,
        .returns = io_submit_returns,
        .hooks = io_submit_hooks,
        .example_use_case = "See which files a storage engine reads and writes, with offset, length and flags of each "
                            "request; find the `io_submit()` calls that block; learn why a batch was accepted only in "
                            "part.",
        .issues = io_submit_issues,
        .related = io_submit_related,
    },
    {
        .name = syscall_names[IFL_IO_CANCEL],
        .family = family_aio,
        .number_x86_64 = syscall_number(IFL_IO_CANCEL, IFL_ABI_X86_64),
        .number_i386 = number_of_32_bit(IFL_IO_CANCEL),
        .number_i386_time64 = number_of_64_bit_time(IFL_IO_CANCEL),
        .intro = "cancels an asynchronous I/O request that was submitted before",
        .description = io_cancel_description,
        .arguments = io_cancel_arguments,
        .decoded = io_cancel_decoded,
        .returns = io_cancel_returns,
        .hooks = io_cancel_hooks,
        .example_use_case =
            "A program gives up requests that it has submitted and no longer needs, to get buffers and slots of the "
            "context back or to abort an operation. The event shows for each attempt whether the request was stopped, "
            "and if not, why: too late, not possible for this kind of request, or a mistake in the arguments.",
        .issues = io_cancel_issues,
        .related = io_cancel_related,
    },
    {
        .name = syscall_names[IFL_IO_PGETEVENTS],
        .family = family_aio,
        .number_x86_64 = syscall_number(IFL_IO_PGETEVENTS, IFL_ABI_X86_64),
        .number_i386 = number_of_32_bit(IFL_IO_PGETEVENTS),
        .number_i386_time64 = number_of_64_bit_time(IFL_IO_PGETEVENTS),
        .intro = "reads completion events, waiting under another signal mask",
        .description = io_pgetevents_description,
        .arguments = io_pgetevents_arguments,
        .decoded = io_pgetevents_decoded,
        .returns = io_pgetevents_returns,
        .hooks = io_pgetevents_hooks,
        .example_use_case = "An event loop misses its shutdown signal. The mask of each call shows whether the signal "
                            "was blocked while the loop waited.",
        .issues = io_pgetevents_issues,
        .related = io_pgetevents_related,
    },
};

}  // namespace

std::span<const Event> events() {
    static const auto all = [] {
        std::vector<Event> table{std::begin(event_table), std::end(event_table)};
        table.insert(table.end(), uring_events().begin(), uring_events().end());
        std::ranges::sort(table, {}, &Event::number_x86_64);
        return table;
    }();
    return all;
}

const Event* find_event(std::string_view name) {
    const auto found = std::ranges::find(events(), name, &Event::name);
    return found == events().end() ? nullptr : &*found;
}

const Event* find_event(unsigned number_x86_64) {
    const auto found = std::ranges::find(events(), number_x86_64, &Event::number_x86_64);
    return found == events().end() ? nullptr : &*found;
}

std::span<const TagInfo> tags() {
    return tag_table;
}

std::span<const Tier> tiers() {
    return tier_table;
}

std::string tag_names(std::uint8_t tags) {
    std::string text;
    unsigned unknown = tags;
    for (const TagInfo& info : tag_table) {
        if (has_tag(tags, info.tag)) {
            fmt::format_to(std::back_inserter(text), "{}{}", text.empty() ? "" : ", ", info.name);
            unknown &= ~static_cast<unsigned>(info.tag);
        }
    }
    if (unknown != 0) {
        fmt::format_to(std::back_inserter(text), "{}{:#x}", text.empty() ? "" : ", ", unknown);
    }
    return text;
}

}  // namespace inflight::catalog
