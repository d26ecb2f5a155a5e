// SPDX-License-Identifier: BSD-3-Clause

#include <psci.h>
#include <semihosting.h>

#define ADP_STOPPED_APPLICATION_EXIT 0x20026

uint64_t semihosting_call(uint32_t operation, uintptr_t parameter)
{
    register uint64_t x0 __asm__("x0") = operation;
    register uint64_t x1 __asm__("x1") = parameter;
    __asm__ volatile("hlt #0xf000" : "+r"(x0) : "r"(x1) : "memory");
    return x0;
}

void semihosting_exit(int status)
{
    const uint64_t reason_and_status[] = {ADP_STOPPED_APPLICATION_EXIT, (uint64_t)status};
    semihosting_call(SYS_EXIT_EXTENDED, (uintptr_t)reason_and_status);
    psci_system_off(); // nobody listens for semihosting
}
