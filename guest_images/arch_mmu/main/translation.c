// SPDX-License-Identifier: BSD-3-Clause
// AT: translate and tell, but never fault.

#include "../tests.h"

#include <platform.h>

#define INDEX 32
#define PAR_FAILED 1ul
#define PAR_ADDRESS 0x0000fffffffff000ul

#define TRANSLATE(operation, address)                                                     \
    ({                                                                                    \
        __asm__ volatile("at " #operation ", %0\n\tisb" ::"r"((uint64_t)(address)) : "memory"); \
        read_sysreg(par_el1);                                                             \
    })

static void expect_success(uint64_t par, uint64_t physical, unsigned attributes)
{
    tap_expect("PAR.F", par & PAR_FAILED, 0);
    tap_expect("PAR.PA", par & PAR_ADDRESS, physical & PAR_ADDRESS);
    tap_expect("PAR.ATTR", par >> 56, attributes);
}

static void expect_failure(uint64_t par, uint32_t status)
{
    tap_expect("PAR.F", par & PAR_FAILED, 1);
    tap_expect("PAR.FST", par >> 1 & 0x3f, status);
    tap_expect("PAR.PTW, PAR.S", par >> 8 & 3, 0);
}

void test_address_translation(void)
{
    uint64_t address = address_of(3, INDEX), physical = (uintptr_t)page_a;
    set_entry(3, INDEX, leaf(3, physical, NORMAL | AP_READ_ONLY));
    expect_success(TRANSLATE(s1e1r, address + 0x128), physical, 0xff);
    tap_report(ARM "C5.4 AT S1E1R of a page: its address and attributes");
    expect_failure(TRANSLATE(s1e1w, address), FAULT_PERMISSION + 3);
    tap_report(ARM "C5.4 AT S1E1W of a read-only page: permission fault in PAR_EL1");
    expect_failure(TRANSLATE(s1e0r, address), FAULT_PERMISSION + 3);
    tap_report(ARM "C5.4 AT S1E0R of a privileged page: permission fault in PAR_EL1");
    set_entry(3, INDEX, leaf(3, physical, NORMAL | AP_USER));
    expect_success(TRANSLATE(s1e1w, address), physical, 0xff);
    expect_success(TRANSLATE(s1e0r, address), physical, 0xff);
    expect_success(TRANSLATE(s1e0w, address + 0xff8), physical, 0xff);
    tap_report(ARM "C5.4 AT S1E1W, S1E0R and S1E0W of a page that both may write");
    set_entry(3, INDEX, leaf(3, PL011_BASE, DEVICE));
    expect_success(TRANSLATE(s1e1r, address), PL011_BASE, 0x04);
    tap_report(ARM "D19.2 PAR_EL1.ATTR of Device-nGnRE memory");
    set_entry(3, INDEX, leaf(3, physical, NORMAL & ~ACCESSED));
    expect_failure(TRANSLATE(s1e1r, address), FAULT_ACCESS_FLAG + 3);
    tap_report(ARM "C5.4 AT S1E1R without the access flag: access flag fault in PAR_EL1");
    set_entry(3, INDEX, 0);
    for (unsigned level = 0; level <= 3; level++) {
        expect_failure(TRANSLATE(s1e1r, address_of(level, INDEX)), FAULT_TRANSLATION + level);
        tap_report(ARM "C5.4 AT S1E1R of what level %u does not map: translation fault in PAR_EL1", level);
    }
    for (unsigned level = 1; level <= 2; level++) {
        set_entry(level, INDEX, leaf(level, physical, NORMAL));
        uint64_t offset = physical & (SIZE(level) - 1);
        expect_success(TRANSLATE(s1e1r, address_of(level, INDEX) + offset), physical, 0xff);
        tap_report(ARM "C5.4 AT S1E1R of a level %u block: the address of the page in it", level);
        set_entry(level, INDEX, 0);
    }
    expect_success(TRANSLATE(s1e1r, (uintptr_t)page_b), (uintptr_t)page_b, 0xff);
    tap_report(ARM "C5.4 AT S1E1R through TTBR0_EL1");
}
