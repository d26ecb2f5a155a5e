/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is tested lives in the upper half of the address space, in 48-bit tables of our own; the lower half stays the
 * firmware's identity map, from which everything runs.
 */
#ifndef TESTS_H
#define TESTS_H

#include <mmu.h>
#include <stdint.h>
#include <system.h>
#include <tap.h>
#include <trap.h>

#define ARM "Arm ARM "

/* Each file's checks. */
void test_faults(void);
void test_permissions(void);
void test_blocks(void);
void test_ranges(void);
void test_address_translation(void);
void test_tlb(void);
void test_external_aborts(void);
void test_instructions(void);

/* Descriptors (D8.3) */
#define VALID (1ul << 0)
#define TABLE (1ul << 1) /* and a page, at level 3 */
#define ATTRIBUTES(n) ((uint64_t)(n) << 2)
#define AP(n) ((uint64_t)(n) << 6)
#define AP_USER AP(1)
#define AP_READ_ONLY AP(2)
#define INNER_SHAREABLE (3ul << 8)
#define ACCESSED (1ul << 10)
#define NOT_GLOBAL (1ul << 11)
#define PXN (1ul << 53)
#define UXN (1ul << 54)
#define PXN_TABLE (1ul << 59)
#define UXN_TABLE (1ul << 60)
#define AP_TABLE_NO_USER (1ul << 61)
#define AP_TABLE_READ_ONLY (1ul << 62)
/* Normal, write-back memory that EL1 may read and write. */
#define NORMAL (ATTRIBUTES(1) | INNER_SHAREABLE | ACCESSED)
#define DEVICE (ATTRIBUTES(0) | ACCESSED | PXN | UXN)

/* TCR_EL1 (D19.2) */
#define TCR_T1SZ(bits) ((uint64_t)(64 - (bits)) << 16)
#define TCR_EPD1 (1ul << 23)
#define TCR_UPPER (1ul << 24 | 1ul << 26 | 3ul << 28 | 2ul << 30) /* write-back, inner shareable, 4 KiB granule */
#define TCR_TBI0 (1ul << 37)
#define TCR_TBI1 (1ul << 38)

#define ENTRIES 512
#define UPPER 0xffff000000000000ul
#define SIZE(level) (1ul << (39 - 9 * (level)))

/* By level: entry TABLE_ENTRY leads to the next level's table, the rest is each test's. */
extern uint64_t tables[4][ENTRIES];
#define TABLE_ENTRY 0

/* Where entry `index` of the table of a level maps to, with the entries TABLE_ENTRY above it. */
static inline uint64_t address_of(unsigned level, unsigned index)
{
    return UPPER + index * SIZE(level);
}

/* A block or page descriptor of a level. */
static inline uint64_t leaf(unsigned level, uint64_t physical, uint64_t attributes)
{
    return (physical & ~(SIZE(level) - 1)) | attributes | VALID | (level == 3 ? TABLE : 0);
}

/* Writes a descriptor as D8.15 asks: break, invalidate, make. */
void set_entry(unsigned level, unsigned index, uint64_t descriptor);
void set_entry_of(uint64_t *entry, uint64_t descriptor);
void invalidate_all(void);
void set_tcr(uint64_t value);

/* Two pages with different contents; page_a[n] and page_b[n] of word n are 0xa000 + n and 0xb000 + n. */
#define PAGE_WORDS (PAGE_SIZE / 8)
extern uint64_t page_a[PAGE_WORDS], page_b[PAGE_WORDS];
void fill_pages(void);

/* load: x2 = [x0]; store: [x0] = x1; fetch: jump to x0, where target() puts TARGET_RESULT into x2. */
enum access { LOAD, STORE, FETCH };
#define TARGET_RESULT 0x77
extern const char target[], target_page[];
const struct exception_frame *try_access(enum access access, unsigned el, uint64_t address);
/* Whether it was allowed. */
bool allowed(const struct exception_frame *frame);

/* Fault status codes (D19.2 ESR_EL1), plus the level */
enum { FAULT_TRANSLATION = 0x04, FAULT_ACCESS_FLAG = 0x08, FAULT_PERMISSION = 0x0c };
/* That `frame` is that abort, with every field right. */
void expect_abort(const struct exception_frame *frame, enum access access, unsigned el, uint64_t address,
                  uint32_t status);

static inline uint64_t load(uint64_t address)
{
    return *(volatile uint64_t *)address;
}

static inline void store(uint64_t address, uint64_t value)
{
    *(volatile uint64_t *)address = value;
}

#endif
