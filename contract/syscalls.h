/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The system calls that inflight knows: the only table of them. The BPF programs, the hooks, the filter --event, the
 * catalogue and the views are made from it.
 */
#ifndef INFLIGHT_CONTRACT_SYSCALLS_H
#define INFLIGHT_CONTRACT_SYSCALLS_H

/* How the task called, hence how its structures are laid out in its memory. Capture files have these numbers. */
enum ifl_abi {
	IFL_ABI_X86_64 = 0,
	IFL_ABI_I386 = 1,	 /* 32-bit pointers and longs, 64-bit time where the call has it */
	IFL_ABI_I386_TIME32 = 2, /* the same with a 32-bit struct timespec */
	IFL_ABI_X32 = 3,	 /* recognised, its arguments are not decoded */
};

/* X(id, name, number): capture files have these numbers. */
#define IFL_FOR_EACH_SYSCALL(X)                                                                                        \
	X(IFL_IO_SETUP, io_setup, 0)                                                                                   \
	X(IFL_IO_DESTROY, io_destroy, 1)                                                                               \
	X(IFL_IO_SUBMIT, io_submit, 2)                                                                                 \
	X(IFL_IO_CANCEL, io_cancel, 3)                                                                                 \
	X(IFL_IO_GETEVENTS, io_getevents, 4)                                                                           \
	X(IFL_IO_PGETEVENTS, io_pgetevents, 5)                                                                         \
	X(IFL_IO_URING_SETUP, io_uring_setup, 6)                                                                       \
	X(IFL_IO_URING_ENTER, io_uring_enter, 7)                                                                       \
	X(IFL_IO_URING_REGISTER, io_uring_register, 8)

#define IFL_SYSCALL_ID(id, name, number) id = (number),
enum ifl_syscall { IFL_FOR_EACH_SYSCALL(IFL_SYSCALL_ID) IFL_SYSCALL_COUNT };
#undef IFL_SYSCALL_ID

/*
 * X(function, id, abi): the kernel functions behind the calls, for every way into the kernel. Source: the tables in
 * arch/x86/entry/syscalls.
 */
#define IFL_FOR_EACH_ENTRY(X)                                                                                          \
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

/*
 * X(nr, id, abi): the numbers by which programs call, where sys_enter and sys_exit are all that there is. Source:
 * syscall_64.tbl, and syscall_32.tbl for programs of 32 bits. x32 has the numbers of 64-bit programs but for those of
 * the last table, which are given without the bit that marks them.
 */
#define IFL_FOR_EACH_NATIVE_NUMBER(X)                                                                                  \
	X(206, IFL_IO_SETUP, IFL_ABI_X86_64)                                                                           \
	X(207, IFL_IO_DESTROY, IFL_ABI_X86_64)                                                                         \
	X(208, IFL_IO_GETEVENTS, IFL_ABI_X86_64)                                                                       \
	X(209, IFL_IO_SUBMIT, IFL_ABI_X86_64)                                                                          \
	X(210, IFL_IO_CANCEL, IFL_ABI_X86_64)                                                                          \
	X(333, IFL_IO_PGETEVENTS, IFL_ABI_X86_64)                                                                      \
	X(425, IFL_IO_URING_SETUP, IFL_ABI_X86_64)                                                                     \
	X(426, IFL_IO_URING_ENTER, IFL_ABI_X86_64)                                                                     \
	X(427, IFL_IO_URING_REGISTER, IFL_ABI_X86_64)
#define IFL_FOR_EACH_I386_NUMBER(X)                                                                                    \
	X(245, IFL_IO_SETUP, IFL_ABI_I386)                                                                             \
	X(246, IFL_IO_DESTROY, IFL_ABI_I386)                                                                           \
	X(247, IFL_IO_GETEVENTS, IFL_ABI_I386_TIME32)                                                                  \
	X(248, IFL_IO_SUBMIT, IFL_ABI_I386)                                                                            \
	X(249, IFL_IO_CANCEL, IFL_ABI_I386)                                                                            \
	X(385, IFL_IO_PGETEVENTS, IFL_ABI_I386_TIME32)                                                                 \
	X(416, IFL_IO_PGETEVENTS, IFL_ABI_I386)                                                                        \
	X(425, IFL_IO_URING_SETUP, IFL_ABI_I386)                                                                       \
	X(426, IFL_IO_URING_ENTER, IFL_ABI_I386)                                                                       \
	X(427, IFL_IO_URING_REGISTER, IFL_ABI_I386)
#define IFL_FOR_EACH_X32_NUMBER(X)                                                                                     \
	X(543, IFL_IO_SETUP, IFL_ABI_X32)                                                                              \
	X(544, IFL_IO_SUBMIT, IFL_ABI_X32)

#endif
