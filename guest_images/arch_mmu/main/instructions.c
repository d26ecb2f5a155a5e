// SPDX-License-Identifier: BSD-3-Clause
// Loads and stores of every form fault alike, and leave the registers as they were.

#include "../tests.h"

#define INDEX 56

TRAP_PROBE(probe_ldrb, "ldrb w2, [x0]")
TRAP_PROBE(probe_ldrsh, "ldrsh x2, [x0]")
TRAP_PROBE(probe_ldr_post, "ldr x2, [x0], #8")
TRAP_PROBE(probe_str_pre, "str x1, [x0, #8]!")
TRAP_PROBE(probe_ldp, "ldp x2, x3, [x0]")
TRAP_PROBE(probe_stp, "stp x2, x3, [x0, #16]!")
TRAP_PROBE(probe_ldr_index, "ldr x2, [x0, x3, lsl #3]")
TRAP_PROBE(probe_ldxr, "ldxr x2, [x0]")
TRAP_PROBE(probe_ldaxr, "ldaxr x2, [x0]")
TRAP_PROBE(probe_ldar, "ldar x2, [x0]")
TRAP_PROBE(probe_stlr, "stlr x1, [x0]")
TRAP_PROBE(probe_ldr_same, "ldr x0, [x0]")
TRAP_PROBE(probe_zva, "dc zva, x0")
TRAP_PROBE(probe_prefetch, "prfm pldl1keep, [x0]")
TRAP_PROBE(probe_exclusive, "ldxr x2, [x0]\n\tstxr w3, x2, [x0]")

static const struct {
    const char *name;
    trap_probe *probe;
    unsigned offset; // of the access from x0
    bool store;
} forms[] = {
    {"LDRB", probe_ldrb, 0, false},
    {"LDRSH", probe_ldrsh, 0, false},
    {"LDR, post-index", probe_ldr_post, 0, false},
    {"STR, pre-index", probe_str_pre, 8, true},
    {"LDP", probe_ldp, 0, false},
    {"STP, pre-index", probe_stp, 16, true},
    {"LDR, register offset", probe_ldr_index, 0x40, false},
    {"LDXR", probe_ldxr, 0, false},
    {"LDAXR", probe_ldaxr, 0, false},
    {"LDAR", probe_ldar, 0, false},
    {"STLR", probe_stlr, 0, true},
    {"LDR into its base", probe_ldr_same, 0, false},
};

void test_instructions(void)
{
    const uint64_t address = address_of(3, INDEX) + 0x100;
    for (unsigned n = 0; n < sizeof forms / sizeof *forms; n++) {
        for (unsigned el = 0; el < 2; el++) {
            const uint64_t arguments[4] = {address, 0x1111, 0x2222, 8};
            const struct exception_frame *frame =
                trap_run(forms[n].probe, SPSR_DAIF | (el ? TRAP_EL1H : TRAP_EL0), arguments);
            unsigned class = el ? EC_DATA_ABORT : EC_DATA_ABORT_LOWER;
            uint64_t iss = FAULT_TRANSLATION + 3 + (forms[n].store << 6);
            tap_expect("ESR", frame->esr, (uint64_t)class << 26 | 1 << 25 | iss);
            tap_expect("FAR", frame->far, address + forms[n].offset);
            tap_expect("ELR", frame->elr, (uintptr_t)forms[n].probe);
            for (unsigned x = 0; x < 4; x++)
                tap_expect("register", frame->x[x], arguments[x]);
        }
        tap_report(ARM "D1.3.4 %s that faults: syndrome, address, and no register is changed", forms[n].name);
    }

    const struct exception_frame *frame = trap_at_el1(probe_zva, address, 0);
    uint64_t block = 4ul << (read_sysreg(dczid_el0) & 15);
    tap_expect("ESR", frame->esr, (uint64_t)EC_DATA_ABORT << 26 | 1 << 25 | 1 << 6 | (FAULT_TRANSLATION + 3));
    tap_expect("FAR's block", frame->far / block, address / block);
    tap_report(ARM "C5.3 DC ZVA of an unmapped page is a translation fault on a write");
    tap_true(trap_none(trap_at_el1(probe_prefetch, address, 0)), ARM "C6.2 PRFM of an unmapped page does not fault");

    set_entry(3, INDEX, leaf(3, (uintptr_t)page_a, NORMAL | AP_READ_ONLY));
    frame = trap_at_el1(probe_exclusive, address, 0);
    tap_expect("ESR", frame->esr, (uint64_t)EC_DATA_ABORT << 26 | 1 << 25 | 1 << 6 | (FAULT_PERMISSION + 3));
    tap_expect("ELR", frame->elr, (uintptr_t)probe_exclusive + 4);
    tap_report(ARM "C6.2 STXR to a read-only page is a permission fault on a write");
    set_entry(3, INDEX, 0);
}
