/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel functions behind the system calls, for every way into the kernel: one line each. The 32-bit ones are
 * those of arch/x86/entry/syscalls/syscall_32.tbl.
 */
#ifndef INFLIGHT_BPF_CALLS_H
#define INFLIGHT_BPF_CALLS_H

#define FOR_EACH_CALL(X)                                                                                               \
	X(__x64_sys_io_setup, IFL_IO_SETUP, IFL_ABI_X86_64)                                                            \
	X(__x64_sys_io_destroy, IFL_IO_DESTROY, IFL_ABI_X86_64)                                                        \
	X(__x64_sys_io_submit, IFL_IO_SUBMIT, IFL_ABI_X86_64)                                                          \
	X(__x64_sys_io_cancel, IFL_IO_CANCEL, IFL_ABI_X86_64)                                                          \
	X(__x64_sys_io_getevents, IFL_IO_GETEVENTS, IFL_ABI_X86_64)                                                    \
	X(__x64_sys_io_pgetevents, IFL_IO_PGETEVENTS, IFL_ABI_X86_64)                                                  \
	X(__x64_sys_io_uring_setup, IFL_IO_URING_SETUP, IFL_ABI_X86_64)                                                \
	X(__x64_sys_io_uring_enter, IFL_IO_URING_ENTER, IFL_ABI_X86_64)                                                \
	X(__x64_sys_io_uring_register, IFL_IO_URING_REGISTER, IFL_ABI_X86_64)                                          \
	X(__ia32_sys_io_uring_setup, IFL_IO_URING_SETUP, IFL_ABI_I386)                                                 \
	X(__ia32_sys_io_uring_enter, IFL_IO_URING_ENTER, IFL_ABI_I386)                                                 \
	X(__ia32_sys_io_uring_register, IFL_IO_URING_REGISTER, IFL_ABI_I386)                                           \
	X(__ia32_compat_sys_io_setup, IFL_IO_SETUP, IFL_ABI_I386)                                                      \
	X(__ia32_sys_io_destroy, IFL_IO_DESTROY, IFL_ABI_I386)                                                         \
	X(__ia32_compat_sys_io_submit, IFL_IO_SUBMIT, IFL_ABI_I386)                                                    \
	X(__ia32_sys_io_cancel, IFL_IO_CANCEL, IFL_ABI_I386)                                                           \
	X(__ia32_sys_io_getevents_time32, IFL_IO_GETEVENTS, IFL_ABI_I386_TIME32)                                       \
	X(__ia32_compat_sys_io_pgetevents, IFL_IO_PGETEVENTS, IFL_ABI_I386_TIME32)                                     \
	X(__ia32_compat_sys_io_pgetevents_time64, IFL_IO_PGETEVENTS, IFL_ABI_I386)

#endif
