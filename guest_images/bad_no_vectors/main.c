// SPDX-License-Identifier: BSD-3-Clause
// Takes an exception with VBAR_EL1 pointing at nothing: the vector faults too, and so on for ever.

#include <system.h>

#define NOTHING 0x20000000ul

int main(void)
{
    write_sysreg(vbar_el1, NOTHING);
    isb();
    __asm__ volatile("brk #1");
    return 0;
}
