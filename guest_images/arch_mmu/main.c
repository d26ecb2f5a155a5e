// SPDX-License-Identifier: BSD-3-Clause
// Stage 1 of the EL1&0 translation regime with the 4 KiB granule: what is mapped, what faults, and what the fault says.

#include "tests.h"

extern char __text_start[], __text_end[];

int main(void)
{
    mmu_enable();
    mmu_map((uintptr_t)__text_start, (uintptr_t)__text_end, MMU_USER_CODE);
    trap_init();
    fill_pages();
    for (unsigned level = 0; level < 3; level++)
        tables[level][TABLE_ENTRY] = (uintptr_t)tables[level + 1] | VALID | TABLE;
    dsb();
    write_sysreg(ttbr1_el1, (uintptr_t)tables[0]);
    set_tcr((read_sysreg(tcr_el1) & ~TCR_EPD1) | TCR_UPPER | TCR_T1SZ(48));

    test_faults();
    test_permissions();
    test_blocks();
    test_ranges();
    test_address_translation();
    test_tlb();
    test_external_aborts();
    test_instructions();
    tap_finish("arch_mmu");
}
