// SPDX-License-Identifier: BSD-3-Clause
// Which addresses are translated at all: the two halves, their sizes, EPD1, and tags.

#include "../tests.h"

#define PAGE 24

void test_ranges(void)
{
    static const uint64_t gaps[] = {1ul << 39, 1ul << 47, 0x00ff000000000000, 0xfffeffffffffffff & ~7ul, 1ul << 56};
    const uint64_t tcr = read_sysreg(tcr_el1);
    for (unsigned n = 0; n < sizeof gaps / sizeof *gaps; n++) {
        for (enum access access = LOAD; access <= STORE; access++)
            expect_abort(try_access(access, 1, gaps[n]), access, 1, gaps[n], FAULT_TRANSLATION);
        tap_report(ARM "D8.2.4 0x%lx is between the ranges of T0SZ and T1SZ: level 0 translation fault", gaps[n]);
    }

    set_entry(3, PAGE, leaf(3, (uintptr_t)page_a, NORMAL | AP_USER));
    uint64_t address = address_of(3, PAGE);
    set_tcr(tcr | TCR_EPD1);
    expect_abort(try_access(LOAD, 1, address), LOAD, 1, address, FAULT_TRANSLATION);
    expect_abort(try_access(STORE, 0, address), STORE, 0, address, FAULT_TRANSLATION);
    set_tcr(tcr);
    tap_expect("the word", load(address + 8), 0xa001);
    tap_report(ARM "D19.2 TCR_EL1.EPD1: no walk, a level 0 translation fault");

    uint64_t tagged_high = address & ~(0xfful << 56), tagged_low = (uintptr_t)page_a | 0x5aul << 56;
    set_tcr(tcr & ~(TCR_TBI0 | TCR_TBI1));
    expect_abort(try_access(LOAD, 1, tagged_high), LOAD, 1, tagged_high, FAULT_TRANSLATION);
    expect_abort(try_access(LOAD, 1, tagged_low), LOAD, 1, tagged_low, FAULT_TRANSLATION);
    tap_report(ARM "D8.8 with TBI0 and TBI1 clear, a tag is part of the address: level 0 translation fault");
    set_tcr(tcr | TCR_TBI0 | TCR_TBI1);
    tap_expect("through TTBR1", load(tagged_high + 16), 0xa002);
    tap_expect("through TTBR0", load(tagged_low + 24), 0xa003);
    tap_report(ARM "D8.8 with TBI0 and TBI1 set, the top byte is ignored");
    set_tcr(tcr);
    set_entry(3, PAGE, 0);
}
