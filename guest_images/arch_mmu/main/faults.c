// SPDX-License-Identifier: BSD-3-Clause
// Translation, access flag and permission faults, at each level, for each kind of access, from EL1 and EL0.

#include "../tests.h"

enum { INVALID = 1, UNACCESSED, READ_ONLY, PRIVILEGED, NEVER, RESERVED };

static const char *const access_names[] = {"load", "store", "fetch"};

static void test_translation(void)
{
    for (unsigned level = 0; level <= 3; level++) {
        uint64_t address = address_of(level, INVALID) + 0x123 * 8;
        for (unsigned el = 0; el < 2; el++) {
            for (enum access access = LOAD; access <= FETCH; access++) {
                expect_abort(try_access(access, el, address), access, el, address, FAULT_TRANSLATION + level);
                tap_report(ARM "D8.13 translation fault, level %u: %s from EL%u", level, access_names[access], el);
            }
        }
    }
    // Descriptor bits 1:0 = 0b01 are a block at levels 1 and 2 only.
    set_entry(3, RESERVED, VALID | NORMAL | (uintptr_t)page_a);
    uint64_t address = address_of(3, RESERVED);
    expect_abort(try_access(LOAD, 1, address), LOAD, 1, address, FAULT_TRANSLATION + 3);
    tap_report(ARM "D8.3.1 a block descriptor at level 3 is reserved: translation fault");
    set_entry(3, RESERVED, 0);
}

static void test_access_flag(void)
{
    for (unsigned level = 1; level <= 3; level++) {
        uint64_t attributes = (NORMAL & ~ACCESSED) | AP_USER | AP_READ_ONLY;
        set_entry(level, UNACCESSED, leaf(level, (uintptr_t)target_page, attributes));
        uint64_t address = address_of(level, UNACCESSED) + ((uintptr_t)target & (SIZE(level) - 1));
        for (unsigned el = 0; el < 2; el++) {
            // It comes before any permission fault: the store would be one, too.
            for (enum access access = LOAD; access <= FETCH; access++) {
                expect_abort(try_access(access, el, address), access, el, address, FAULT_ACCESS_FLAG + level);
                tap_report(ARM "D8.13 access flag fault, level %u: %s from EL%u", level, access_names[access], el);
            }
        }
        // Such an entry is never in a TLB, so nothing need be invalidated.
        tables[level][UNACCESSED] |= ACCESSED;
        __asm__ volatile("dsb ishst\n\tisb" ::: "memory");
        tap_equal(load(address), *(const uint64_t *)target,
                  ARM "D8.14 after an access flag fault at level %u, setting the flag needs no TLBI", level);
    }
}

struct permission_case {
    const char *what;
    unsigned index;
    uint64_t attributes;
    enum access access;
    unsigned el;
};

static void test_permission(void)
{
    static const struct permission_case cases[] = {
        {"store to a read-only", READ_ONLY, NORMAL | AP_READ_ONLY | AP_USER, STORE, 1},
        {"store to a read-only", READ_ONLY, NORMAL | AP_READ_ONLY | AP_USER, STORE, 0},
        {"load of a privileged", PRIVILEGED, NORMAL, LOAD, 0},
        {"store to a privileged", PRIVILEGED, NORMAL, STORE, 0},
        {"fetch of a PXN", NEVER, NORMAL | AP_READ_ONLY | AP_USER | PXN | UXN, FETCH, 1},
        {"fetch of a UXN", NEVER, NORMAL | AP_READ_ONLY | AP_USER | PXN | UXN, FETCH, 0},
    };
    for (unsigned level = 1; level <= 3; level++) {
        for (unsigned n = 0; n < sizeof cases / sizeof *cases; n++) {
            const struct permission_case *is = &cases[n];
            set_entry(level, is->index, leaf(level, (uintptr_t)target_page, is->attributes));
            uint64_t address = address_of(level, is->index) + ((uintptr_t)target & (SIZE(level) - 1));
            expect_abort(try_access(is->access, is->el, address), is->access, is->el, address,
                         FAULT_PERMISSION + level);
            tap_report(ARM "D8.13 permission fault, level %u: %s %s from EL%u", level, is->what,
                       level == 3 ? "page" : "block", is->el);
            set_entry(level, is->index, 0);
        }
    }
}

void test_faults(void)
{
    test_translation();
    test_access_flag();
    test_permission();
}
