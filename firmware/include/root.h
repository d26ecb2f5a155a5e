/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A root VM's environment: what the hypervisor leaves behind the address in x0.  No device tree describes it, so nothing
 * of device_tree.h, gunyah/resources.h or psci.h finds anything here; main() is entered with the UART mapped.
 */
#ifndef ROOT_H
#define ROOT_H

#include <cbor.h>
#include <stdbool.h>
#include <stdint.h>

#define ROOT_NO_CAPABILITY (~0ul)
#define ROOT_INTERRUPTS 256

/* Attributes of memory extents and of their mappings: rights of EL0 and EL1, and the memory type that stage 2 gives. */
enum { ACCESS_X = 1, ACCESS_W = 2, ACCESS_R = 4, ACCESS_RW = 6, ACCESS_RX = 5, ACCESS_RWX = 7 };
#define EXTENT_ATTRIBUTES(access) ((uint64_t)(access))
#define EXTENT_DEVICE(access) ((uint64_t)(access) | 1ul << 8)
#define MAP_NORMAL(access) ((uint64_t)(access) | (uint64_t)(access) << 4 | 0xful << 16)
#define MAP_DEVICE(access) ((uint64_t)(access) | (uint64_t)(access) << 4 | 0x1ul << 16)

/* The first words of the environment. */
struct root_environment {
    uint32_t signature;
    uint16_t version;
    uint16_t padding;
    uint64_t runtime_ipa;
    uint64_t app_ipa;
    uint64_t app_heap_ipa; /* what of the root VM's own memory is still free: from here, */
    uint64_t app_heap_size; /* this many bytes */
    uint64_t vcpu_capid;
    uint64_t timer_freq;
    uint64_t gicd_base;
    uint64_t gicr_base;
    uint64_t rm_config_offset;
    uint64_t rm_config_size;
};

/* The capabilities that nearly every call takes; the rest of the configuration is found by its keys. */
struct root {
    const struct root_environment *environment;
    struct cbor configuration;
    uint64_t cspace;
    uint64_t partition;
    uint64_t addrspace;
    uint64_t vic;
    uint64_t vcpu;
};
extern struct root root;

/* A number or capability of the configuration.  Fatal if there is none of that name. */
uint64_t root_number(const char *key);

/* The capability of a physical interrupt; ROOT_NO_CAPABILITY where it is the hypervisor's own. */
uint64_t root_interrupt(uint32_t intid);

/* The n-th range of RAM that the partition owned at boot; false when there are fewer. */
bool root_free_range(uint32_t n, uint64_t *base, uint64_t *size);

#endif
