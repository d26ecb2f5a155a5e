/* SPDX-License-Identifier: BSD-3-Clause */
/* Capability ids to call with: valid ones by type, deleted ones, those of other cspaces. */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>
#include <stdint.h>

/* Free memory that extents are made of; every page of it holds a program for the vCPUs that come to run there. */
#define POOL_WINDOW 0x48000000ul
#define POOL_WINDOW_PAGES 32

/*
 * Types: P partition, C cspace, A address space, M memory extent, T thread, D doorbell, Q message queue, V VIC, G VPM
 * group, X virtio-mmio, H interrupt, K any.
 */
uint64_t pool_get(char type);
uint64_t pool_any(void);

/* Memory for buffers, to the end of what this guest has. */
uint64_t pool_heap(void);

/* Whether it is a capability, or an address, without which this guest cannot go on. */
bool pool_is_vital(uint64_t value);

/* Whether it is a copy of such a capability: nobody deletes it, or the other calls would find nothing any more. */
bool pool_is_own_copy(uint64_t value);

#endif
