/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VMs that a root VM makes, by hypercalls alone.  Whatever fails is fatal, with the call's name.
 *
 *     struct child child = {.vmid = 40, .physical = 0x50000000, .ipa = 0x40000000, .size = 0x200000, .vcpus = 2};
 *     child_create(&child);
 *     uintptr_t entry = child_load(&child, elf);
 *     child_start(&child, 0, entry, 0);
 *     ...
 *     child_destroy(&child);
 */
#ifndef CHILD_H
#define CHILD_H

#include <firmware.h>
#include <gunyah/hypercalls.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHILD_VIRQS 64
#define CHILD_CAPABILITIES 32

struct child {
    /* To be filled in. */
    uint16_t vmid;
    uint32_t vcpus;
    bool proxied;       /* its vCPUs run by vcpu_run only */
    uint64_t physical;  /* its memory: in a free range, whole pages */
    uint64_t ipa;       /* where it sees that */
    uint64_t size;

    /* Capabilities, in the root VM's cspace. */
    uint64_t cspace;
    uint64_t addrspace;
    uint64_t memory;
    uint64_t vic;
    uint64_t vpm_group;
    uint64_t vcpu[MAX_CPUS];
};

/* Makes it, with a GICv3 where the platform has it; nothing runs yet. */
void child_create(struct child *child);

/* Copies an ELF file's segments, and other bytes, into its memory; the ELF file's entry point. */
uintptr_t child_load(const struct child *child, const void *elf);
void child_write(const struct child *child, uint64_t ipa, const void *data, size_t size);

/* Gives it a capability of the root VM's, with some of its rights; the id that it has in the child. */
uint64_t child_give(const struct child *child, uint64_t capability, uint64_t rights);

void child_start(const struct child *child, uint32_t vcpu, uintptr_t entry, uint64_t context);

/* Ends its vCPUs and deletes every capability of `child`. */
void child_destroy(struct child *child);

/* Objects that are not a VM's own: new, and active. */
uint64_t root_make_extent(uint64_t physical, uint64_t size, uint64_t attributes);
uint64_t root_make_doorbell(void);
uint64_t root_make_queue(uint32_t depth, uint32_t max_message_size);
void root_delete(uint64_t capability);

/* Fatal for an error other than OK. */
void root_check(const char *call, gunyah_error_t error);

#endif
