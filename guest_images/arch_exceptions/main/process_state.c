// SPDX-License-Identifier: BSD-3-Clause
// PSTATE: what an exception return makes of SPSR_EL1, illegal returns, and the stack pointers.

#include "../tests.h"

#define SPSR_IL (1ul << 20)

TRAP_PROBE(probe_state, "mrs x0, nzcv\n\tmrs x1, daif\n\tmrs x2, spsel\n\tmrs x3, currentel")
TRAP_PROBE(probe_flags, "mrs x0, nzcv")
TRAP_PROBE(probe_nothing, "nop")
TRAP_PROBE(probe_stack, "mov x0, sp")
TRAP_PROBE(probe_daifset_i, "msr daifset, #2")
TRAP_PROBE(probe_daifset_all, "msr daifset, #15")
TRAP_PROBE(probe_daifclr_ds, "msr daifclr, #0xc")
TRAP_PROBE(probe_daif, "msr daif, x0")
TRAP_PROBE(probe_spsel, "msr spsel, #0\n\tmov x0, sp\n\tmsr spsel, #1\n\tmov x1, sp")

// IRQ and FIQ stay masked: nothing is to interrupt these.
static void test_return(void)
{
    static const uint64_t spsrs[] = {
        SPSR_NZCV | SPSR_DAIF | TRAP_EL1H,  0x80000000 | SPSR_DAIF | TRAP_EL1H,
        0x40000000 | SPSR_DAIF | TRAP_EL1T, 0x20000000 | 0xc0 | TRAP_EL1H,
        0x10000000 | 0x1c0 | TRAP_EL1T,     0x2c0 | TRAP_EL1H,
    };
    for (unsigned n = 0; n < sizeof spsrs / sizeof *spsrs; n++) {
        const struct exception_frame *frame = trap_run(probe_state, spsrs[n], (const uint64_t[4]){0});
        tap_expect("NZCV", frame->x[0], spsrs[n] & SPSR_NZCV);
        tap_expect("DAIF", frame->x[1], spsrs[n] & SPSR_DAIF);
        tap_expect("SPSel", frame->x[2], spsrs[n] & 1);
        tap_expect("CurrentEL", frame->x[3], 1 << 2);
        tap_expect("SPSR", frame->spsr, spsrs[n]);
        tap_report(ARM "D1.3.3 ERET with SPSR 0x%lx: PSTATE is that", spsrs[n]);
    }
    const struct exception_frame *frame = trap_run(probe_flags, 0xa0000000 | SPSR_DAIF, (const uint64_t[4]){0});
    tap_expect("NZCV", frame->x[0], 0xa0000000);
    tap_expect("SPSR", frame->spsr, 0xa0000000 | SPSR_DAIF);
    tap_report(ARM "D1.3.3 ERET to EL0: PSTATE.NZCV is that of SPSR");
}

static void test_illegal_return(void)
{
    static const struct {
        const char *what;
        uint64_t mode;
    } cases[] = {{"EL2", 0x9}, {"EL3", 0xd}, {"the reserved mode 1", 0x1}, {"EL0 with SP_EL1, mode 2", 0x2}};
    for (unsigned n = 0; n < sizeof cases / sizeof *cases; n++) {
        uint64_t spsr = 0x60000000 | SPSR_DAIF | cases[n].mode;
        const struct exception_frame *frame = trap_run(probe_nothing, spsr, (const uint64_t[4]){0});
        // The exception level and stack pointer stay those of EL1h; flags and masks are those of SPSR.
        expect_exception(frame, VECTOR_CURRENT_SPX, EC_ILLEGAL_STATE, 0, (uintptr_t)probe_nothing,
                         0x60000000 | SPSR_DAIF | SPSR_IL | TRAP_EL1H);
        tap_report(ARM "D1.3.3 a return to %s is illegal: the next instruction is an Illegal Execution state exception",
                   cases[n].what);
    }
    const struct exception_frame *frame =
        trap_run(probe_nothing, SPSR_DAIF | SPSR_IL | TRAP_EL0, (const uint64_t[4]){0});
    expect_exception(frame, VECTOR_LOWER_A64, EC_ILLEGAL_STATE, 0, (uintptr_t)probe_nothing,
                     SPSR_DAIF | SPSR_IL | TRAP_EL0);
    tap_report(ARM "D1.3.3 SPSR.IL is restored: EL0 takes the Illegal Execution state exception");
    tap_true(trap_none(trap_at_el0(probe_nothing, 0, 0)), ARM "D1.4 PSTATE.IL is cleared by taking the exception");
}

static void test_masks(void)
{
    static const struct {
        const char *what;
        trap_probe *probe;
        uint64_t before, after;
    } cases[] = {
        {"MSR DAIFSet, #2 sets I alone", probe_daifset_i, 0x40, 0xc0},
        {"MSR DAIFSet, #15 sets all", probe_daifset_all, 0xc0, 0x3c0},
        {"MSR DAIFClr, #12 clears D and A alone", probe_daifclr_ds, 0x3c0, 0xc0},
        {"MSR DAIF writes all", probe_daif, 0x3c0, 0x1c0},
    };
    for (unsigned n = 0; n < sizeof cases / sizeof *cases; n++) {
        const struct exception_frame *frame =
            trap_run(cases[n].probe, cases[n].before | TRAP_EL1H, (const uint64_t[4]){0x1c0});
        tap_equal(frame->spsr & SPSR_DAIF, cases[n].after, ARM "C5.2 %s", cases[n].what);
    }
}

static void test_stack_pointers(void)
{
    write_sysreg(sp_el0, 0x1234567890);
    const struct exception_frame *frame = trap_at_el0(probe_stack, 0, 0);
    tap_equal(frame->x[0], 0x1234567890, ARM "D1.2.2 at EL0 the stack pointer is SP_EL0");
    frame = trap_run(probe_stack, TRAP_EL1T | SPSR_DAIF, (const uint64_t[4]){0});
    tap_equal(frame->x[0], 0x1234567890, ARM "D1.2.2 at EL1 with SPSel 0 the stack pointer is SP_EL0");
    frame = trap_at_el1(probe_spsel, 0, 0);
    uint64_t stack = (uintptr_t)__builtin_frame_address(0);
    tap_expect("with SPSel 0", frame->x[0], 0x1234567890);
    tap_expect("with SPSel 1, this stack", stack - frame->x[1] < 0x1000, true);
    tap_report(ARM "C5.2 MSR SPSel changes the stack pointer at once");
    tap_equal(read_sysreg(sp_el0), 0x1234567890, ARM "D1.3.2 exceptions leave SP_EL0 alone");
}

void test_process_state(void)
{
    tap_equal(read_sysreg(currentel), 1 << 2, ARM "C5.2 CurrentEL is EL1");
    tap_true(read_sysreg(mpidr_el1) >> 31 & 1, ARM "D19.2 MPIDR_EL1 bit 31 is RES1");
    write_sysreg(oslar_el1, 1);
    isb();
    tap_expect("OSLK", read_sysreg(oslsr_el1) >> 1 & 1, 1);
    write_sysreg(oslar_el1, 0);
    isb();
    tap_expect("OSLK", read_sysreg(oslsr_el1) >> 1 & 1, 0);
    tap_report(ARM "D19.3 OSLSR_EL1.OSLK follows OSLAR_EL1");
    test_return();
    test_illegal_return();
    test_masks();
    test_stack_pointers();
}
