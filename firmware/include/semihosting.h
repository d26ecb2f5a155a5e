/* SPDX-License-Identifier: BSD-3-Clause */
/* Semihosting (Arm, Semihosting for AArch32 and AArch64): how a guest hands a status to whoever runs the machine. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>

enum {
    SYS_WRITE0 = 0x04,
    SYS_EXIT = 0x18,
    SYS_EXIT_EXTENDED = 0x20,
};

uint64_t semihosting_call(uint32_t operation, uintptr_t parameter);
_Noreturn void semihosting_exit(int status);

#endif
