// SPDX-License-Identifier: BSD-3-Clause
// The generic timer: counters, the virtual and the physical EL1 timer, their PPIs, and what EL0 may see of them.

#include "tests.h"

#include <mmu.h>
#include <trap.h>

extern char __text_start[], __text_end[];

int main(void)
{
    mmu_enable();
    mmu_map((uintptr_t)__text_start, (uintptr_t)__text_end, MMU_USER_CODE);
    trap_init();
    gic_init();
    gic_init_cpu();
    test_counters();
    static const struct timer *const timers[] = {&virtual_timer, &physical_timer};
    for (unsigned n = 0; n < 2; n++) {
        test_registers(timers[n]);
        test_condition(timers[n]);
        test_interrupt(timers[n]);
        test_per_cpu(timers[n]);
    }
    test_el0_access();
    tap_finish("arch_timer");
}
