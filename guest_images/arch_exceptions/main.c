// SPDX-License-Identifier: BSD-3-Clause
// Exceptions at EL1 and EL0: which are taken, to which vector, and what they leave in ESR, ELR, FAR, SPSR and PSTATE.

#include "tests.h"

#include <gic.h>
#include <mmu.h>

extern char __text_start[], __text_end[];

int main(void)
{
    mmu_enable();
    mmu_map((uintptr_t)__text_start, (uintptr_t)__text_end, MMU_USER_CODE);
    gic_init();
    gic_init_cpu();
    trap_init();
    test_synchronous();
    test_controls();
    test_process_state();
    test_entry();
    test_interrupts();
    tap_finish("arch_exceptions");
}
