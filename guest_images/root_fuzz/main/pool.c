// SPDX-License-Identifier: BSD-3-Clause

#include <child.h>
#include <root.h>
#include <stddef.h>
#include <string.h>

#include "../fuzz.h"
#include "pool.h"

#define TYPES "CAMTDQVGXK"
#define TYPE_COUNT (sizeof TYPES - 1)
#define KEPT 6 // of each type
#define KEPT_BY_NOBODY 64
#define PAGE 0x1000ul
#define COPY 0x23
#define CREATE_VIRTIO 0x48
#define FIRST_INTERRUPT 40
#define INTERRUPTS 4

// Rights of the copies that calls are made with: those that do not let this guest end itself.
#define OWN_ADDRSPACE_RIGHTS 0xcul // lookup, add_vmmio_range
#define OWN_VCPU_RIGHTS 0x17eul    // all but power, lifecycle and disable
#define ALL_RIGHTS 0xfffffffful

// By the number of the call that creates.
static const char created_type[] = {[0x02] = 'C', [0x03] = 'A', [0x04] = 'M', [0x05] = 'T', [0x06] = 'D',
                                    [0x07] = 'Q', [0x09] = 'K', [0x0a] = 'V', [0x0b] = 'G'};

static uint64_t pool[TYPE_COUNT][KEPT];

// This guest's own objects: the capabilities it lives on, which no call gets, and copies of them, which no call deletes.
#define OWN 16
static struct {
    char type;
    uint64_t vital, copy;
} own[OWN];
static uint32_t own_count;
extern char __text_start[];

// What a vCPU does that was started somewhere in the window, with an address from there in x0.
extern const char program[], program_end[];
__asm__(".pushsection .rodata.program, \"a\"\n"
        ".balign 4\n"
        "program: ldr w2, [x0]\n"
        "str w2, [x0, #0x70]\n"
        "ldrh w3, [x0, #8]\n"
        "mov x4, x0\n"
        "hvc #0x6000\n"
        "mov x0, #0\n"
        "hvc #0x603b\n"
        "mov x0, x4\n"
        "wfi\n"
        "add x0, x0, #0x100\n"
        "b program\n"
        "program_end:\n"
        ".popsection");

static uint64_t *slot(char type)
{
    const char *at = TYPES;
    while (*at && *at != type)
        at++;
    return &pool[at - TYPES][random_below(KEPT)];
}

uint64_t pool_get(char type)
{
    uint64_t n = random_below(OWN);
    // New objects are made from this guest's partition in its own cspace: they are the usual ones.
    for (int tries = type == 'P' || type == 'C' || type == 'H' ? OWN : 3; tries; tries--, n = (n + 1) % OWN)
        if (own[n].type == type)
            return own[n].copy;
    return type == 'K' ? pool_any() : *slot(random_below(16) ? type : 'K');
}

uint64_t pool_any(void)
{
    // Its neighbours may be ids, too: of other objects, or of none any more.
    return *slot(TYPES[random_below(TYPE_COUNT)]) + (random_below(4) ? 0 : random_below(16) - 8);
}

uint64_t pool_heap(void)
{
    return root.environment->app_heap_ipa;
}

bool pool_is_vital(uint64_t value)
{
    if (value >= (uintptr_t)__text_start && value < pool_heap())
        return true;
    for (uint32_t n = 0; n < own_count; n++)
        if (value == own[n].vital)
            return true;
    return false;
}

bool pool_is_own_copy(uint64_t value)
{
    for (uint32_t n = 0; n < own_count; n++)
        if (value == own[n].copy)
            return true;
    return false;
}

char pool_add(uint32_t number, uint64_t id)
{
    char type = number == COPY ? 'K' : number == CREATE_VIRTIO ? 'X' : created_type[number];
    uint64_t *place = slot(type);
    uint64_t old = *place;
    *place = id;
    // What leaves the pool is deleted, or the partition would soon be full and stay so; and a vCPU dies only by a kill.
    if (old && !pool_is_vital(old) && !pool_is_own_copy(old) && random_below(KEPT_BY_NOBODY)) {
        if (type == 'T')
            gunyah_vcpu_kill(old);
        gunyah_cspace_delete_cap_from(root.cspace, old);
        if (random_below(4) == 0)
            *slot('K') = old;
    }
    return type;
}

static void add_own(char type, uint64_t id, uint64_t rights)
{
    struct gunyah_cspace_copy_cap_from_result copy =
        gunyah_cspace_copy_cap_from(root.cspace, id, root.cspace, rights);
    root_check("cspace_copy_cap_from", copy.error);
    own[own_count].type = type;
    own[own_count].vital = id;
    own[own_count++].copy = copy.new_cap;
}

// The program, or whatever instructions these are.
static void write_page(uint64_t *page, bool is_random)
{
    if (!is_random)
        memcpy(page, program, (size_t)(program_end - program));
    for (uint32_t n = 0; is_random && n < PAGE / sizeof *page; n++)
        page[n] = random64();
}

static void write_programs(void)
{
    uint64_t extent = root_make_extent(POOL_WINDOW, POOL_WINDOW_PAGES * PAGE, EXTENT_ATTRIBUTES(ACCESS_RW));
    root_check("addrspace_map",
               gunyah_addrspace_map(root.addrspace, extent, POOL_WINDOW, MAP_NORMAL(ACCESS_RW), 0, 0, 0));
    for (uint64_t page = 0; page < POOL_WINDOW_PAGES; page++)
        write_page((uint64_t *)(POOL_WINDOW + page * PAGE), page % 2);
    root_check("addrspace_unmap", gunyah_addrspace_unmap(root.addrspace, extent, POOL_WINDOW, 0, 0, 0));
    root_delete(extent);
}

void pool_open(void)
{
    write_programs();
    add_own('P', root.partition, ALL_RIGHTS);
    add_own('C', root.cspace, ALL_RIGHTS);
    add_own('A', root.addrspace, OWN_ADDRSPACE_RIGHTS);
    add_own('T', root.vcpu, OWN_VCPU_RIGHTS);
    add_own('V', root.vic, ALL_RIGHTS);
    add_own('M', root_number("device_me_capid"), ALL_RIGHTS);
    add_own('K', root_number("uart_me_capid"), 0x8); // lookup
    add_own('K', root_number("me_capid"), 0x8);
    for (uint32_t n = 0; n < INTERRUPTS; n++)
        add_own('H', root_interrupt(FIRST_INTERRUPT + n), ALL_RIGHTS);
}
