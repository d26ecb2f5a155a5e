// SPDX-License-Identifier: BSD-3-Clause
// Self-hosted debug: hardware breakpoints and software steps of a guest's own, at EL1 and EL0, and on two CPUs.

#include "tests.h"

#include <mmu.h>

extern char __text_start[], __text_end[];

int main(void)
{
    mmu_enable();
    mmu_map((uintptr_t)__text_start, (uintptr_t)__text_end, MMU_USER_CODE);
    trap_init();
    write_sysreg(oslar_el1, 0);
    isb();
    test_breakpoints();
    test_steps();
    tap_finish("arch_debug");
}
