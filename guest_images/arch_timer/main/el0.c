// SPDX-License-Identifier: BSD-3-Clause
// CNTKCTL_EL1: what EL0 may access, and the trap where it may not.

#include "../tests.h"

#include <trap.h>

#define EL0PCTEN (1ul << 0)
#define EL0VCTEN (1ul << 1)
#define EL0VTEN (1ul << 8)
#define EL0PTEN (1ul << 9)

TRAP_PROBE(probe_frequency, "mrs x1, cntfrq_el0")
TRAP_PROBE(probe_physical, "mrs x1, cntpct_el0")
TRAP_PROBE(probe_virtual, "mrs x1, cntvct_el0")
TRAP_PROBE(probe_virtual_cval, "mrs x1, cntv_cval_el0")
TRAP_PROBE(probe_virtual_ctl, "msr cntv_ctl_el0, x1")
TRAP_PROBE(probe_virtual_tval, "mrs x1, cntv_tval_el0")
TRAP_PROBE(probe_physical_cval, "mrs x1, cntp_cval_el0")
TRAP_PROBE(probe_physical_ctl, "msr cntp_ctl_el0, x1")
TRAP_PROBE(probe_physical_tval, "mrs x1, cntp_tval_el0")
TRAP_PROBE(probe_write_frequency, "msr cntfrq_el0, x1")

static const struct {
    const char *name;
    trap_probe *probe;
    uint64_t enables; // any of them
    uint8_t crm, op2;
    bool read;
} registers[] = {
    {"CNTFRQ_EL0", probe_frequency, EL0PCTEN | EL0VCTEN, 0, 0, true},
    {"CNTPCT_EL0", probe_physical, EL0PCTEN, 0, 1, true},
    {"CNTVCT_EL0", probe_virtual, EL0VCTEN, 0, 2, true},
    {"CNTP_TVAL_EL0", probe_physical_tval, EL0PTEN, 2, 0, true},
    {"CNTP_CTL_EL0", probe_physical_ctl, EL0PTEN, 2, 1, false},
    {"CNTP_CVAL_EL0", probe_physical_cval, EL0PTEN, 2, 2, true},
    {"CNTV_TVAL_EL0", probe_virtual_tval, EL0VTEN, 3, 0, true},
    {"CNTV_CTL_EL0", probe_virtual_ctl, EL0VTEN, 3, 1, false},
    {"CNTV_CVAL_EL0", probe_virtual_cval, EL0VTEN, 3, 2, true},
};

void test_el0_access(void)
{
    static const uint64_t enables[] = {EL0PCTEN, EL0VCTEN, EL0VTEN, EL0PTEN};
    for (unsigned n = 0; n < sizeof registers / sizeof *registers; n++) {
        uint32_t iss = 3u << 20 | (uint32_t)registers[n].op2 << 17 | 3u << 14 | 14u << 10 | 1u << 5 |
                       (uint32_t)registers[n].crm << 1 | registers[n].read;
        for (unsigned e = 0; e < 4; e++) {
            // One of the four alone.
            write_sysreg(cntkctl_el1, enables[e]);
            isb();
            const struct exception_frame *frame = trap_at_el0(registers[n].probe, 0, 0);
            if (registers[n].enables & enables[e]) {
                tap_expect("is allowed", trap_none(frame), true);
            } else {
                tap_expect("ESR.EC", exception_class(frame), EC_SYSTEM_REGISTER);
                tap_expect("ESR.ISS", frame->esr & 0x1ffffff, iss);
                tap_expect("ELR", frame->elr, (uintptr_t)registers[n].probe);
            }
        }
        write_sysreg(cntkctl_el1, 0);
        isb();
        tap_expect("is allowed by none", trap_none(trap_at_el0(registers[n].probe, 0, 0)), false);
        tap_report(ARM "D19.12 CNTKCTL_EL1: EL0 may access %s with its enable bit, and is trapped without",
                   registers[n].name);
    }
    write_sysreg(cntkctl_el1, EL0PCTEN | EL0VCTEN);
    isb();
    uint64_t before = read_sysreg(cntvct_el0), there = trap_at_el0(probe_virtual, 0, 0)->x[1];
    uint64_t after = (isb(), read_sysreg(cntvct_el0));
    tap_expect("time at EL0", before <= there && there <= after, true);
    tap_expect("frequency at EL0", trap_at_el0(probe_frequency, 0, 0)->x[1], read_sysreg(cntfrq_el0));
    tap_report(ARM "D19.12 EL0 reads the time and frequency that EL1 reads");
    const struct exception_frame *frame = trap_at_el0(probe_write_frequency, 0, 0);
    tap_equal(exception_class(frame), EC_UNKNOWN, ARM "D19.12 CNTFRQ_EL0 is read-only at EL0: UNDEFINED");
    write_sysreg(cntkctl_el1, 0);
}
