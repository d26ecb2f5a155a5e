// SPDX-License-Identifier: BSD-3-Clause
// VMSAv8-64 stage 1, 4 KiB granule, 39-bit addresses: three levels.

#include <device_tree.h>
#include <exceptions.h>
#include <mmu.h>
#include <platform.h>
#include <stdbool.h>
#include <stdint.h>
#include <system.h>

#define ENTRIES 512
#define MAX_TABLES 12
#define LEAF_LEVEL 3

#define DESCRIPTOR_TABLE 3ul // and a page, at level 3
#define DESCRIPTOR_BLOCK 1ul
#define ACCESS_FLAG (1ul << 10)
#define ADDRESS_MASK 0x0000fffffffff000ul

static uint64_t tables[MAX_TABLES][ENTRIES] __attribute__((aligned(PAGE_SIZE)));
static uint32_t tables_used = 1; // the first is level 1

extern char __text_start[], __text_end[], __data_start[], __data_end[];
void mmu_switch_on(uint64_t *level1);

static uint64_t entry_size(int level)
{
    return (uint64_t)PAGE_SIZE << 9 * (LEAF_LEVEL - level);
}

static uint64_t leaf(uintptr_t address, uint64_t attributes, int level)
{
    if (attributes == MMU_UNMAPPED)
        return 0;
    return address | attributes | ACCESS_FLAG | (level == LEAF_LEVEL ? DESCRIPTOR_TABLE : DESCRIPTOR_BLOCK);
}

// The table below an entry.  An entry that maps a block becomes a table that maps the same, page by page.
static uint64_t *descend(uint64_t *entry, int level)
{
    if ((*entry & 3) != DESCRIPTOR_TABLE) {
        if (tables_used == MAX_TABLES)
            fatal("more than %u translation tables", MAX_TABLES);
        uint64_t *table = tables[tables_used++];
        if (*entry & 1) {
            uint64_t attributes = *entry & ~ADDRESS_MASK & ~(uint64_t)(DESCRIPTOR_TABLE | ACCESS_FLAG);
            for (uint64_t n = 0; n < ENTRIES; n++)
                table[n] = leaf((*entry & ADDRESS_MASK) + n * entry_size(level + 1), attributes, level + 1);
        }
        // Break before make: no CPU may hold the block and the table at once.
        *entry = 0;
        __asm__ volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish" ::: "memory");
        *entry = (uintptr_t)table | DESCRIPTOR_TABLE;
    }
    return (uint64_t *)(*entry & ADDRESS_MASK);
}

static void map_one(uintptr_t address, uint64_t size, uint64_t attributes)
{
    uint64_t *table = tables[0];
    for (int level = 1;; level++) {
        uint64_t *entry = &table[address / entry_size(level) % ENTRIES];
        if (entry_size(level) == size) {
            *entry = leaf(address, attributes, level);
            return;
        }
        table = descend(entry, level);
    }
}

void mmu_map(uintptr_t start, uintptr_t end, uint64_t attributes)
{
    const uint64_t block = entry_size(2);
    while (start < end) {
        bool whole_block = start % block == 0 && end - start >= block;
        uint64_t size = whole_block ? block : PAGE_SIZE;
        map_one(start, size, attributes);
        start += size;
    }
    __asm__ volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tisb" ::: "memory");
}

// With the caches off, everything so far was written past them.  Lines left by whoever loaded us must not win over it.
static void invalidate_data_cache(uintptr_t start, uintptr_t end)
{
    uint64_t line = 4ul << (read_sysreg(ctr_el0) >> 16 & 15);
    for (uintptr_t address = start & ~(line - 1); address < end; address += line)
        __asm__ volatile("dc ivac, %0" ::"r"(address) : "memory");
    dsb();
}

void mmu_enable(void)
{
    uintptr_t text = (uintptr_t)__text_start, data = (uintptr_t)__data_start, data_end = (uintptr_t)__data_end;
    mmu_map(DEVICES_BASE, DEVICES_END, MMU_DEVICE);
    mmu_map(RAM_BASE, text, MMU_READ_WRITE);
    mmu_map(text, (uintptr_t)__text_end, MMU_CODE);
    mmu_map(data, data_end, MMU_READ_WRITE);
    mmu_map(data_end, RAM_BASE + memory_size(data_end - RAM_BASE), MMU_READ_WRITE);
    invalidate_data_cache(data, data_end);
    mmu_switch_on(tables[0]);
}
