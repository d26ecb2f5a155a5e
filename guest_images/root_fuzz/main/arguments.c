// SPDX-License-Identifier: BSD-3-Clause
// Arguments: mostly what the call expects, so that calls get past their first check; otherwise anything.

#include <platform.h>
#include <root.h>
#include <stddef.h>

#include "../fuzz.h"
#include "pool.h"

#define PAGE 0x1000ul
#define CSPACE_DELETE 0x22

/*
 * What each argument is: a capital letter names a type of object (pool.h), K any of them; a address of a page, b buffer,
 * d device type, e attributes of an extent, f flags, i index, j VMID, k flags of a virtio device, m attributes of a mapping, o few options, p bytes in whole pages, q a queue's
 * geometry, s bytes, t options of a thread, v INTID, w any word, x rights of a mapping, y mask of an MPIDR; 0 and - are reserved arguments that must be 0 and -1.
 */
static const char *const signatures[CALL_NUMBERS] = {
    [0x01] = "PC0",    [0x02] = "PC0",     [0x03] = "PC0",    [0x04] = "PC0",     [0x05] = "PC0",   [0x06] = "PC0",
    [0x07] = "PC0",    [0x0a] = "PC0",     [0x0b] = "PC0",    [0x0c] = "K0",      [0x0d] = "CK0",   [0x0e] = "K0",
    [0x0f] = "CK0",    [0x10] = "DVv0",    [0x11] = "D0",     [0x12] = "Dw0",     [0x13] = "Dw0",   [0x14] = "D0",
    [0x15] = "Dww0",   [0x17] = "QVv0",    [0x18] = "QVv0",   [0x19] = "Q0",      [0x1a] = "Q0",    [0x1b] = "Qsbf0",
    [0x1c] = "Qbs0",   [0x1d] = "Q0",      [0x1f] = "Qi--",   [0x20] = "Qi--",    [0x21] = "Qq0",   [0x22] = "CK0",
    [0x23] = "CKCw0",  [0x24] = "CK0",     [0x25] = "Cs0",    [0x26] = "HVv0",    [0x27] = "H0",    [0x28] = "Vivo0",
    [0x29] = "VTi0",   [0x2a] = "AT0",     [0x2b] = "AMam0ap", [0x2c] = "AMa0ap", [0x2d] = "AMax0ap", [0x2e] = "Aj0",
    [0x2f] = "AKi0",   [0x30] = "Mfap",    [0x31] = "Mape0",  [0x32] = "MMppe0",  [0x34] = "Tt0",   [0x38] = "Taa0",
    [0x39] = "Tf",     [0x3a] = "T0",      [0x3b] = "iT0",    [0x3c] = "GTi0",    [0x3d] = "Ti-",   [0x3e] = "CT0",
    [0x3f] = "ww0",    [0x43] = "GVv0",    [0x44] = "G0",     [0x45] = "G0",      [0x46] = "Ti-",   [0x47] = "Tw-",
    [0x48] = "PC0",    [0x49] = "XMikd",   [0x4a] = "XVv0",   [0x4b] = "X0",      [0x4c] = "XVv0",  [0x4d] = "X0",
    [0x4e] = "Xf0",    [0x4f] = "Xiw0",    [0x50] = "Xiw0",   [0x51] = "Xi0",     [0x52] = "Xi0",   [0x53] = "X0",
    [0x54] = "X0",     [0x55] = "Xf0",     [0x56] = "VK0",    [0x57] = "i0",      [0x59] = "CK0",   [0x5a] = "AMap0",
    [0x5b] = "AMa0",   [0x5c] = "TVvi0",   [0x5d] = "Ti0",    [0x5e] = "Xwwii0",  [0x5f] = "Xiisw0", [0x60] = "Aapi0",
    [0x61] = "iKMpp0", [0x62] = "AViap0",  [0x64] = "Tiiw0",  [0x65] = "Twww0",   [0x66] = "Go0",   [0x67] = "Vyooooo",
    [0x68] = "T0",
};

static uint64_t random_access(void)
{
    return (uint64_t[]){ACCESS_R, ACCESS_RW, ACCESS_RX, ACCESS_RWX, ACCESS_RWX}[random_below(5)];
}

// Pages of a window into free memory; the same window serves as IPAs, so that they meet.
static uint64_t random_page(void)
{
    uint64_t page = POOL_WINDOW + random_below(POOL_WINDOW_PAGES) * PAGE;
    return random_below(5) ? page : (uint64_t[]){GICD_BASE, GICR_BASE, PL011_BASE, 0xffffff000}[random_below(4)];
}

static uint64_t random_buffer(void)
{
    uint64_t size = root.environment->app_heap_size;
    switch (random_below(8)) {
    case 0: // over the end of the memory
        return pool_heap() + size - random_below(64);
    case 1:
        return random_page();
    default:
        return pool_heap() + random_below(size);
    }
}

static uint64_t anything(void)
{
    switch (random_below(12)) {
    case 0:
        return random64();
    case 1:
        return 1ul << random_below(64);
    case 2:
        return (uint64_t)-1 >> random_below(64);
    case 3:
        return -random_below(0x2000);
    case 4:
        return random_page();
    case 5:
        return random_page() + random_below(PAGE);
    case 6:
        return random_buffer();
    case 7:
        return random_below(0x400);
    case 8:
        return random64() & 0xffffffff;
    case 9:
        return random_below(4);
    default:
        return pool_any();
    }
}

// By kind, what the latest call that succeeded was made with: what one call has made, others can use.
static uint64_t latest[0x80];

void remember_arguments(uint32_t number, const uint64_t x[8])
{
    const char *signature = signatures[number] ? signatures[number] : "";
    for (int n = 0; signature[n]; n++)
        latest[(uint8_t)signature[n]] = x[n];
}

static uint64_t expected(char kind, uint32_t familiarity)
{
    if (random_below(4) < familiarity && latest[(uint8_t)kind])
        return latest[(uint8_t)kind];
    switch (kind) {
    case '0':
        return 0;
    case '-':
        return (uint64_t)-1;
    case 'a':
        return random_page();
    case 'b':
        return random_buffer();
    case 'd':
        return 18;
    case 'e':
        return EXTENT_ATTRIBUTES(random_access()) | (random_below(4) ? 0 : 1ul << 16);
    case 'f':
        return random_below(2) ? random_below(4) : 1ul << random_below(64);
    case 'i':
        return random_below(10);
    case 'j':
        return 1 + random_below(254);
    case 'k':
        return random_below(2) << 6;
    case 'm':
        return random_below(8) ? MAP_NORMAL(random_access()) : MAP_DEVICE(random_access());
    case 'o':
        return random_below(4) ? 0 : random_below(4);
    case 'p':
        return random_below(3) ? PAGE : random_below(POOL_WINDOW_PAGES) * PAGE;
    case 'q':
        return (1 + random_below(8)) | (1 + random_below(64)) << 16;
    case 's':
        return random_below(80);
    case 't':
        return (uint64_t[]){0, 0, 1, 1 << 9}[random_below(4)];
    case 'v':
        return 28 + random_below(72);
    case 'w':
        return random64() >> random_below(64);
    case 'x':
        return MAP_NORMAL(random_access()) & 0xff;
    case 'y':
        return random_below(2) ? 7 : random64();
    default:
        return pool_get(kind);
    }
}

// In 24ths, how likely an argument is anything; in quarters, that it is one that was used before.
static void choose(uint32_t number, uint32_t wildness, uint32_t familiarity, uint64_t x[8])
{
    const char *signature = signatures[number] ? signatures[number] : "";
    for (int n = 0; n < 8; n++) {
        char kind = *signature ? *signature++ : 'w';
        x[n] = random_below(24) < wildness ? anything() : expected(kind, familiarity);
        // What this guest lives on stays its own: a call may fail, but must not end the calling.
        if (pool_is_vital(x[n]) || (number == CSPACE_DELETE && pool_is_own_copy(x[n])))
            x[n] = pool_heap();
    }
}

void choose_arguments(uint32_t number, uint64_t x[8])
{
    choose(number, random_below(16) ? 1 : 24, 1, x);
}

void choose_arguments_for(uint32_t number, char type, uint64_t id, uint64_t x[8])
{
    const char *signature = signatures[number];
    choose(number, 0, random_below(4), x);
    for (int n = 0; signature[n]; n++) {
        if (signature[n] == type || signature[n] == 'K') {
            x[n] = id;
            break;
        }
    }
}
