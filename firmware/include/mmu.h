/* SPDX-License-Identifier: BSD-3-Clause */
/* Stage 1, optional: an identity map in 4 KiB pages and 2 MiB blocks.  Data is execute-never. */
#ifndef MMU_H
#define MMU_H

#include <stdint.h>

/* Memory type and permissions of a range: bits of a VMSAv8-64 block or page descriptor. */
#define MMU_DEVICE ((uint64_t)(1ul << 54 | 1ul << 53 | 0ul << 2))
#define MMU_READ_WRITE ((uint64_t)(1ul << 54 | 1ul << 53 | 3ul << 8 | 1ul << 2))
#define MMU_READ_ONLY ((uint64_t)(MMU_READ_WRITE | 1ul << 7))
#define MMU_CODE ((uint64_t)(1ul << 54 | 1ul << 7 | 3ul << 8 | 1ul << 2))
/* For EL0 and EL1 alike; but what EL0 can write, EL1 cannot execute, whatever its attributes say. */
#define MMU_USER_READ_WRITE ((uint64_t)(MMU_READ_WRITE | 1ul << 6))
#define MMU_USER_CODE ((uint64_t)(1ul << 7 | 1ul << 6 | 3ul << 8 | 1ul << 2))
/* No access: translation fault. */
#define MMU_UNMAPPED ((uint64_t)0)

#define PAGE_SIZE 4096

/*
 * Maps [start, end) to itself; both are multiples of PAGE_SIZE, at most 512 GiB.  A range may be mapped again with
 * other attributes, before or after mmu_enable().
 */
void mmu_map(uintptr_t start, uintptr_t end, uint64_t attributes);

/* Maps the devices, this image (code R-X, data RW-) and the rest of RAM (RW-), and turns the MMU and caches on. */
void mmu_enable(void);

#endif
