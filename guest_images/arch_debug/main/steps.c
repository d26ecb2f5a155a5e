// SPDX-License-Identifier: BSD-3-Clause
// Software steps: one instruction at a time.

#include "../tests.h"

#define STEP_VALID (1u << 24)
#define STEP_EXCLUSIVE (1u << 6)

__attribute__((naked, section(".text.probes"))) void probe_count(uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3)
{
    __asm__ volatile(".rept 4\n\tadd x0, x0, #1\n\t.endr\n\tsvc #0xfade");
}

TRAP_PROBE(probe_branch, "b 1f\n\tadd x0, x0, #1\n1:\tadd x0, x0, #2")
TRAP_PROBE(probe_exclusive, "ldxr x0, [sp]")
TRAP_PROBE(probe_unmask, "msr daifclr, #8\n\tadd x0, x0, #1\n\tadd x0, x0, #1")

const struct exception_frame *debug_run(trap_probe *probe, uint64_t spsr, uint64_t mdscr)
{
    write_sysreg(mdscr_el1, mdscr);
    isb();
    const struct exception_frame *frame = trap_run(probe, spsr, (const uint64_t[4]){0});
    write_sysreg(mdscr_el1, 0);
    isb();
    return frame;
}

static const struct {
    const char *name;
    trap_probe *probe;
    uint64_t spsr, mdscr;
    int offset; /* of ELR_EL1 from the probe; -1: no step is taken */
    uint64_t x0;
    uint32_t iss;
} cases[] = {
    {"at EL0, PSTATE.SS set: behind one instruction", probe_count, AT_EL0 | SPSR_SS, MDSCR_SS, 4, 1, STEP_VALID},
    {"at EL0, PSTATE.SS clear: in front of the first one", probe_count, AT_EL0, MDSCR_SS, 0, 0, 0},
    {"at EL0, over a branch: at its target", probe_branch, AT_EL0 | SPSR_SS, MDSCR_SS, 8, 0, STEP_VALID},
    {"at EL0, MDSCR_EL1.SS clear: none", probe_count, AT_EL0 | SPSR_SS, 0, -1, 4, 0},
    {"at EL1, PSTATE.SS set: behind one instruction", probe_count, AT_EL1 | SPSR_SS, MDSCR_SS | MDSCR_KDE, 4, 1,
     STEP_VALID},
    {"at EL1, PSTATE.SS clear: in front of the first one", probe_count, AT_EL1, MDSCR_SS | MDSCR_KDE, 0, 0, 0},
    {"at EL1, masked by PSTATE.D: none", probe_count, AT_EL1_MASKED | SPSR_SS, MDSCR_SS | MDSCR_KDE, -1, 4, 0},
    {"at EL1, without MDSCR_EL1.KDE: none", probe_count, AT_EL1 | SPSR_SS, MDSCR_SS, -1, 4, 0},
    {"at EL1, behind what unmasks it", probe_unmask, AT_EL1_MASKED, MDSCR_SS | MDSCR_KDE, 4, 0, 0},
};

void test_steps(void)
{
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct exception_frame *frame = debug_run(cases[i].probe, cases[i].spsr, cases[i].mdscr);
        if (cases[i].offset < 0) {
            tap_expect("runs to its end", trap_none(frame), true);
        } else {
            tap_expect("class", exception_class(frame), EC_STEP_LOWER + ((cases[i].spsr & 0xc) != 0));
            tap_expect("ISS", frame->esr & ISS, cases[i].iss | DEBUG_EXCEPTION);
            tap_expect("ELR_EL1", frame->elr - (uintptr_t)cases[i].probe, (uint64_t)cases[i].offset);
            tap_expect("SPSR_EL1.SS", frame->spsr & SPSR_SS, 0);
        }
        tap_expect("x0", frame->x[0], cases[i].x0);
        tap_report("Arm ARM D2.12 a software step %s", cases[i].name);
    }
    const struct exception_frame *frame = debug_run(probe_exclusive, AT_EL1 | SPSR_SS, MDSCR_SS | MDSCR_KDE);
    tap_equal(frame->esr & ISS, STEP_VALID | STEP_EXCLUSIVE | DEBUG_EXCEPTION,
              "Arm ARM D2.12 a software step over a load-exclusive says so");
}
