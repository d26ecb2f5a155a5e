// SPDX-License-Identifier: BSD-3-Clause
// Hardware breakpoints: where they hit, where they do not, and what they leave behind.

#include "../tests.h"

#include <platform.h>
#include <remote.h>

#define COUNT 6

/* Arm ARM D19.3.2, DBGBCR_EL1: an address match with all four bytes of the instruction. */
#define ENABLED (1u | 0xfu << 5)
#define EL1_ONLY (1u << 1)
#define EL0_ONLY (2u << 1)
#define EL1_AND_EL0 (3u << 1)

static void set_breakpoint(unsigned number, uint64_t address, uint64_t control)
{
    switch (number) {
#define CASE(n)                                \
    case n:                                    \
        write_sysreg(dbgbvr##n##_el1, address); \
        write_sysreg(dbgbcr##n##_el1, control); \
        break;
        CASE(0) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5)
    }
    isb();
}

static const struct {
    const char *name;
    uint64_t spsr, mdscr;
    uint32_t control;
    bool hits;
} cases[] = {
    {"at EL1, for EL1", AT_EL1, MDSCR_MDE | MDSCR_KDE, ENABLED | EL1_ONLY, true},
    {"at EL1, for EL1 and EL0", AT_EL1, MDSCR_MDE | MDSCR_KDE, ENABLED | EL1_AND_EL0, true},
    {"at EL1, for EL0 only", AT_EL1, MDSCR_MDE | MDSCR_KDE, ENABLED | EL0_ONLY, false},
    {"at EL1, masked by PSTATE.D", AT_EL1_MASKED, MDSCR_MDE | MDSCR_KDE, ENABLED | EL1_ONLY, false},
    {"at EL1, without MDSCR_EL1.KDE", AT_EL1, MDSCR_MDE, ENABLED | EL1_ONLY, false},
    {"at EL1, without MDSCR_EL1.MDE", AT_EL1, MDSCR_KDE, ENABLED | EL1_ONLY, false},
    {"at EL1, not enabled", AT_EL1, MDSCR_MDE | MDSCR_KDE, EL1_ONLY | 0xfu << 5, false},
    {"at EL0, for EL0, whatever PSTATE.D and MDSCR_EL1.KDE are", AT_EL0, MDSCR_MDE, ENABLED | EL0_ONLY, true},
    {"at EL0, for EL1 and EL0", AT_EL0, MDSCR_MDE, ENABLED | EL1_AND_EL0, true},
    {"at EL0, for EL1 only", AT_EL0, MDSCR_MDE, ENABLED | EL1_ONLY, false},
};

static void check(const struct exception_frame *frame, unsigned at, bool hits, bool from_el1)
{
    if (hits) {
        tap_expect("class", exception_class(frame), EC_BREAKPOINT_LOWER + from_el1);
        tap_expect("ISS", frame->esr & ISS, DEBUG_EXCEPTION);
        tap_expect("ELR_EL1", frame->elr, (uintptr_t)probe_count + 4 * at);
        tap_expect("instructions executed", frame->x[0], at);
    } else {
        tap_expect("runs to its end", trap_none(frame), true);
        tap_expect("instructions executed", frame->x[0], 4);
    }
}

static uint64_t executed_by_other;

static void other_cpu(void *argument)
{
    (void)argument;
    executed_by_other = debug_run(probe_count, AT_EL1, MDSCR_MDE | MDSCR_KDE)->x[0];
}

void test_breakpoints(void)
{
    tap_true((read_sysreg(id_aa64dfr0_el1) >> 12 & 15) + 1 == COUNT, "Arm ARM D19.2.59 ID_AA64DFR0_EL1.BRPs: six");
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_breakpoint(0, (uintptr_t)probe_count + 8, cases[i].control);
        const struct exception_frame *frame = debug_run(probe_count, cases[i].spsr, cases[i].mdscr);
        check(frame, 2, cases[i].hits, (cases[i].spsr & 0xc) != 0);
        tap_report("Arm ARM D2.9 a breakpoint %s: %s", cases[i].name, cases[i].hits ? "hits" : "does not hit");
    }
    for (unsigned number = 0; number < COUNT; number++) {
        unsigned at = number & 3;
        set_breakpoint(0, 0, 0);
        set_breakpoint(number, (uintptr_t)probe_count + 4 * at, ENABLED | EL1_ONLY);
        check(debug_run(probe_count, AT_EL1, MDSCR_MDE | MDSCR_KDE), at, true, true);
        tap_report("Arm ARM D2.9 breakpoint %u hits instruction %u of a block", number, at);
        set_breakpoint(number, 0, 0);
    }
    set_breakpoint(1, (uintptr_t)probe_count + 4, ENABLED | EL1_ONLY);
    set_breakpoint(2, (uintptr_t)probe_count + 12, ENABLED | EL1_ONLY);
    check(debug_run(probe_count, AT_EL1, MDSCR_MDE | MDSCR_KDE), 1, true, true);
    tap_report("Arm ARM D2.9 the first of two breakpoints in a block hits first");
    set_breakpoint(1, 0, 0);
    check(debug_run(probe_count, AT_EL1, MDSCR_MDE | MDSCR_KDE), 3, true, true);
    tap_report("Arm ARM D2.9 one that is taken away hits no longer, the other does");
    remote_run(1, other_cpu, NULL);
    tap_equal(executed_by_other, 4, "Arm ARM D19.3.2 DBGBCR_EL1: a CPU's breakpoints are its own");
    check(debug_run(probe_count, AT_EL1, MDSCR_MDE | MDSCR_KDE), 3, true, true);
    tap_report("Arm ARM D2.9 a breakpoint is still there when another CPU has run the same code");
    set_breakpoint(2, 0, 0);
}
