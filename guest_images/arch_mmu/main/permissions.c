// SPDX-License-Identifier: BSD-3-Clause
// Who may do what: every combination of AP, PXN and UXN, the limits in table descriptors, and SCTLR_EL1.WXN.

#include "../tests.h"

#define INDEX 8
#define SCTLR_WXN (1ul << 19)

// EL1's in bits 5:3, EL0's in bits 2:0
#define R 4
#define W 2
#define X 1
#define RIGHTS(el1, el0) ((el1) << 3 | (el0))

// A copy of the target's page, so that its first word can be stored to.
static uint8_t copy[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static void make_copy(void)
{
    for (unsigned n = 0; n < PAGE_SIZE; n++)
        copy[n] = (uint8_t)target_page[n];
    for (unsigned n = 0; n < PAGE_SIZE; n += 16)
        __asm__ volatile("dc cvau, %0" ::"r"(copy + n) : "memory");
    __asm__ volatile("dsb ish\n\tic ialluis\n\tdsb ish\n\tisb" ::: "memory");
}

// What can be done to the page at `address`, which is that copy.  Whatever cannot is a permission fault of level 3.
static unsigned rights_at(uint64_t address)
{
    unsigned rights = 0;
    for (unsigned el = 0; el < 2; el++) {
        for (enum access access = LOAD; access <= FETCH; access++) {
            uint64_t at = address + (access == FETCH ? target - target_page : 0);
            const struct exception_frame *frame = try_access(access, el, at);
            if (allowed(frame))
                rights |= (unsigned)(R >> access) << 3 * el;
            else
                expect_abort(frame, access, el, at, FAULT_PERMISSION + 3);
        }
    }
    return rights;
}

static uint64_t map_copy(uint64_t attributes)
{
    set_entry(3, INDEX, leaf(3, (uintptr_t)copy, attributes));
    return address_of(3, INDEX);
}

static void test_attributes(void)
{
    // By AP, PXN, UXN.  What EL0 may write, EL1 may never execute; what EL0 may not read, it may still execute.
    static const uint8_t rights[4][2][2] = {
        {{RIGHTS(R | W | X, X), RIGHTS(R | W | X, 0)}, {RIGHTS(R | W, X), RIGHTS(R | W, 0)}},
        {{RIGHTS(R | W, R | W | X), RIGHTS(R | W, R | W)}, {RIGHTS(R | W, R | W | X), RIGHTS(R | W, R | W)}},
        {{RIGHTS(R | X, X), RIGHTS(R | X, 0)}, {RIGHTS(R, X), RIGHTS(R, 0)}},
        {{RIGHTS(R | X, R | X), RIGHTS(R | X, R)}, {RIGHTS(R, R | X), RIGHTS(R, R)}},
    };
    for (unsigned ap = 0; ap < 4; ap++) {
        for (unsigned pxn = 0; pxn < 2; pxn++) {
            for (unsigned uxn = 0; uxn < 2; uxn++) {
                uint64_t address = map_copy(NORMAL | AP(ap) | (pxn ? PXN : 0) | (uxn ? UXN : 0));
                tap_expect("rights of EL1 and EL0, RWX", rights_at(address), rights[ap][pxn][uxn]);
                tap_report(ARM "D8.4.1 permissions with AP %u%u, PXN %u, UXN %u", ap >> 1, ap & 1, pxn, uxn);
            }
        }
    }
}

// The limits are set in entry INDEX of the table of `level`, which leads to the page as TABLE_ENTRY does.
static void test_table_limits(void)
{
    static const struct {
        const char *name;
        uint64_t bits;
        uint64_t attributes; // of the page
        uint8_t rights;
    } limits[] = {
        {"none", 0, AP_USER | AP_READ_ONLY, RIGHTS(R | X, R | X)},
        {"APTable 01", AP_TABLE_NO_USER, AP_USER | AP_READ_ONLY | UXN, RIGHTS(R | X, 0)},
        {"APTable 10", AP_TABLE_READ_ONLY, AP_USER, RIGHTS(R | X, R | X)},
        {"APTable 11", AP_TABLE_READ_ONLY | AP_TABLE_NO_USER, AP_USER | UXN, RIGHTS(R | X, 0)},
        {"PXNTable", PXN_TABLE, AP_USER | AP_READ_ONLY, RIGHTS(R, R | X)},
        {"UXNTable", UXN_TABLE, AP_USER | AP_READ_ONLY, RIGHTS(R | X, R)},
        {"PXNTable and UXNTable", PXN_TABLE | UXN_TABLE, 0, RIGHTS(R | W, 0)},
    };
    for (unsigned level = 0; level < 3; level++) {
        for (unsigned n = 0; n < sizeof limits / sizeof *limits; n++) {
            uint64_t page = map_copy(NORMAL | limits[n].attributes);
            set_entry(level, INDEX, (uintptr_t)tables[level + 1] | VALID | TABLE | limits[n].bits);
            uint64_t address = page + INDEX * SIZE(level);
            tap_expect("rights of EL1 and EL0, RWX", rights_at(address), limits[n].rights);
            tap_report(ARM "D8.4.1 limits of a level %u table descriptor: %s", level, limits[n].name);
            set_entry(level, INDEX, 0);
        }
    }
}

static void test_wxn(void)
{
    const uint64_t sctlr = read_sysreg(sctlr_el1);
    write_sysreg(sctlr_el1, sctlr | SCTLR_WXN);
    isb();
    invalidate_all();
    tap_expect("EL1 may write", rights_at(map_copy(NORMAL)), RIGHTS(R | W, X));
    tap_expect("both may write", rights_at(map_copy(NORMAL | AP_USER)), RIGHTS(R | W, R | W));
    tap_expect("both may read", rights_at(map_copy(NORMAL | AP_USER | AP_READ_ONLY)), RIGHTS(R | X, R | X));
    write_sysreg(sctlr_el1, sctlr);
    isb();
    invalidate_all();
    tap_report(ARM "D8.4.1 with SCTLR_EL1.WXN set, what can be written cannot be executed");
}

TRAP_PROBE(probe_ldtr, "ldtr x2, [x0]")
TRAP_PROBE(probe_sttr, "sttr x1, [x0]")

static void test_unprivileged(void)
{
    uint64_t address = map_copy(NORMAL);
    const struct exception_frame *frame = trap_at_el1(probe_ldtr, address, 0);
    tap_expect("ESR", frame->esr, (uint64_t)EC_DATA_ABORT << 26 | 1 << 25 | (FAULT_PERMISSION + 3));
    tap_expect("FAR", frame->far, address);
    tap_report(ARM "C6.2 LDTR at EL1 has the permissions of EL0");
    address = map_copy(NORMAL | AP_USER | AP_READ_ONLY);
    tap_expect("LDTR runs", trap_none(trap_at_el1(probe_ldtr, address, 0)), true);
    frame = trap_at_el1(probe_sttr, address, 0);
    tap_expect("ESR", frame->esr, (uint64_t)EC_DATA_ABORT << 26 | 1 << 25 | 1 << 6 | (FAULT_PERMISSION + 3));
    tap_report(ARM "C6.2 STTR at EL1 has the permissions of EL0");
}

void test_permissions(void)
{
    make_copy();
    test_attributes();
    test_table_limits();
    test_wxn();
    test_unprivileged();
    set_entry(3, INDEX, 0);
}
