// SPDX-License-Identifier: BSD-3-Clause
// Pages and blocks map what they say, to the last byte, whatever the level that the walk starts at.

#include "../tests.h"

#include <device_tree.h>
#include <platform.h>

enum { SAME = 16, NEXT };

static uint64_t far_apart(void)
{
    return memory_size(64ul << 20) - 8; // the last word of RAM
}

static void test_sizes(void)
{
    static const char *const names[] = {0, "1 GiB block", "2 MiB block", "4 KiB page"};
    for (unsigned level = 1; level <= 3; level++) {
        uint64_t physical = (uintptr_t)page_a;
        set_entry(level, SAME, leaf(level, physical, NORMAL));
        uint64_t base = physical & ~(SIZE(level) - 1), size = SIZE(level);
        if (level == 1)
            size = far_apart() + 8;
        uint64_t last = base + size - 8, address = address_of(level, SAME);
        if (level < 3 && last >= RAM_BASE + far_apart())
            last = RAM_BASE + far_apart();
        tap_expect("the word in the middle", load(address + (physical - base) + 0x77 * 8), 0xa077);
        uint64_t saved = load(last);
        store(address + (last - base), 0x123456789abcdef0);
        tap_expect("the last word", load(last), 0x123456789abcdef0);
        store(last, saved);
        tap_expect("the last word, back", load(address + (last - base)), saved);
        tap_report(ARM "D8.3.1 a level %u descriptor maps a %s", level, names[level]);
        set_entry(level, SAME, 0);
    }
}

static void test_neighbours(void)
{
    set_entry(3, SAME, leaf(3, (uintptr_t)page_a, NORMAL));
    set_entry(3, NEXT, leaf(3, (uintptr_t)page_b, NORMAL));
    uint64_t border = address_of(3, NEXT);
    tap_expect("last of the first", load(border - 8), 0xa000 + PAGE_WORDS - 1);
    tap_expect("first of the second", load(border), 0xb000);
    tap_expect("across", load(border - 4), 0xb00000000000);
    tap_report(ARM "B2.5 an unaligned load from Normal memory across two pages takes its bytes from both");
    store(border - 3, 0x1122334455667788);
    tap_expect("first page", page_a[PAGE_WORDS - 1] >> 40, 0x667788);
    tap_expect("second page", page_b[0] & 0xffffffffff, 0x1122334455);
    fill_pages();
    tap_report(ARM "B2.5 an unaligned store to Normal memory across two pages puts its bytes into both");

    set_entry(3, NEXT, 0);
    const struct exception_frame *frame = try_access(LOAD, 1, border - 4);
    tap_expect("ESR", frame->esr, (uint64_t)EC_DATA_ABORT << 26 | 1 << 25 | (FAULT_TRANSLATION + 3));
    tap_expect("FAR is in the load", frame->far - (border - 4) < 8, true);
    tap_report(ARM "D8.13 an unaligned load into an unmapped page is a translation fault");
    set_entry(3, SAME, 0);
}

// Fewer bits than 40 start the walk further down.
static void test_start_levels(void)
{
    static const struct {
        unsigned bits, level;
    } starts[] = {{48, 0}, {40, 0}, {39, 1}, {31, 1}, {30, 2}, {25, 2}};
    const uint64_t tcr = read_sysreg(tcr_el1);
    set_entry(3, SAME, leaf(3, (uintptr_t)page_a, NORMAL));
    for (unsigned n = 0; n < sizeof starts / sizeof *starts; n++) {
        write_sysreg(ttbr1_el1, (uintptr_t)tables[starts[n].level]);
        set_tcr((tcr & ~(0x3ful << 16)) | TCR_T1SZ(starts[n].bits));
        uint64_t bottom = ~0ul << starts[n].bits;
        tap_expect("the word", load(bottom + SAME * PAGE_SIZE + 8), 0xa001);
        const struct exception_frame *frame = try_access(LOAD, 1, bottom - 8);
        expect_abort(frame, LOAD, 1, bottom - 8, FAULT_TRANSLATION);
        tap_report(ARM "D8.2.5 TTBR1_EL1 with T1SZ %u: the walk starts at level %u, below is a level 0 fault",
                   64 - starts[n].bits, starts[n].level);
    }
    write_sysreg(ttbr1_el1, (uintptr_t)tables[0]);
    set_tcr(tcr);
    set_entry(3, SAME, 0);
}

void test_blocks(void)
{
    test_sizes();
    test_neighbours();
    test_start_levels();
}
