// SPDX-License-Identifier: BSD-3-Clause
// GICv3 as software at EL1 sees it, with one security state: group 1, system register interface.
// Most of it runs with IRQs masked and asks ISR_EL1 and ICC_IAR1_EL1, so that each step can be looked at.

#include "tests.h"

#include <mmu.h>

int main(void)
{
    mmu_enable();
    gic_init();
    gic_init_cpu();
    test_distributor();
    test_access_sizes();
    test_redistributors();
    test_cpu_interface();
    test_lifecycle();
    test_end_of_interrupt();
    test_priorities();
    test_preemption();
    test_binary_point();
    test_level();
    test_edge();
    test_private();
    test_sgis();
    test_routing();
    test_affinity_sgis();
    tap_finish("arch_gic");
}
