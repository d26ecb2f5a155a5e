// SPDX-License-Identifier: BSD-3-Clause

#include "../tests.h"

uint64_t tables[4][ENTRIES] __attribute__((aligned(PAGE_SIZE)));
uint64_t page_a[PAGE_WORDS] __attribute__((aligned(PAGE_SIZE)));
uint64_t page_b[PAGE_WORDS] __attribute__((aligned(PAGE_SIZE)));

void invalidate_all(void)
{
    __asm__ volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tisb" ::: "memory");
}

void set_entry_of(uint64_t *entry, uint64_t descriptor)
{
    *(volatile uint64_t *)entry = 0;
    invalidate_all();
    *(volatile uint64_t *)entry = descriptor;
    __asm__ volatile("dsb ishst\n\tisb" ::: "memory");
}

void set_entry(unsigned level, unsigned index, uint64_t descriptor)
{
    set_entry_of(&tables[level][index], descriptor);
}

void set_tcr(uint64_t value)
{
    write_sysreg(tcr_el1, value);
    isb();
    invalidate_all();
}

void fill_pages(void)
{
    for (unsigned n = 0; n < PAGE_WORDS; n++) {
        page_a[n] = 0xa000 + n;
        page_b[n] = 0xb000 + n;
    }
}
