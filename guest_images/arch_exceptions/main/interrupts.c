// SPDX-License-Identifier: BSD-3-Clause
// IRQs: when they are taken, from where, and what masks them.

#include "../recorder.h"

#include <gic.h>

#define SGI 3
#define SPSR_I (1 << 7)
#define ISR_I (1 << 7)
#define SPURIOUS 1023

TRAP_PROBE(probe_nops, "nop\n\tnop")
TRAP_PROBE(probe_unmask, "msr daifclr, #2\n\tisb\n\tnop")
TRAP_PROBE(probe_unmask_by_write, "msr daif, xzr\n\tisb\n\tnop")
TRAP_PROBE(probe_send, "msr s3_0_c12_c11_5, x0\n\tisb\n\tnop\n0:\tmrs x1, isr_el1\n\tcbz x1, 0b")

static void raise(void)
{
    gic_send_sgi(SGI, read_sysreg(mpidr_el1));
    while (!(read_sysreg(isr_el1) & ISR_I))
        ;
}

// Acknowledges and ends whatever is there.
static uint64_t drain(void)
{
    uint64_t intid = read_sysreg(icc_iar1_el1) & 0xffffff;
    if (intid != SPURIOUS)
        write_sysreg(icc_eoir1_el1, intid);
    isb();
    return intid;
}

static void test_taken(void)
{
    static const struct {
        const char *from;
        uint64_t mode;
        unsigned vector;
    } cases[] = {{"EL1 with SP_EL0", TRAP_EL1T, VECTOR_CURRENT_SP0},
                 {"EL1 with SP_EL1", TRAP_EL1H, VECTOR_CURRENT_SPX},
                 {"EL0", TRAP_EL0, VECTOR_LOWER_A64}};
    for (unsigned n = 0; n < sizeof cases / sizeof *cases; n++) {
        raise();
        uint64_t spsr = 0x50000000 | (SPSR_DAIF & ~SPSR_I) | cases[n].mode;
        const struct recorded *is = record_run(probe_nops, spsr);
        expect_entry(is, cases[n].vector + VECTOR_IRQ);
        tap_expect("ELR", is->elr, (uintptr_t)probe_nops);
        tap_expect("SPSR", is->spsr, spsr);
        tap_expect("acknowledged", drain(), SGI);
        tap_report(ARM "D1.3.6 a pending IRQ that a return to %s unmasks is taken before an instruction: offset 0x%x",
                   cases[n].from, (cases[n].vector + VECTOR_IRQ) * 0x80);
    }
}

static void test_masked(void)
{
    static const struct {
        const char *where;
        uint64_t mode;
        unsigned vector;
    } cases[] = {{"EL1", TRAP_EL1H, VECTOR_CURRENT_SPX}, {"EL0", TRAP_EL0, VECTOR_LOWER_A64}};
    for (unsigned n = 0; n < sizeof cases / sizeof *cases; n++) {
        raise();
        const struct recorded *is = record_run(probe_nops, SPSR_I | cases[n].mode);
        tap_expect("vector", is->vector, cases[n].vector + VECTOR_SYNCHRONOUS);
        tap_expect("ISR_EL1.I", read_sysreg(isr_el1) & ISR_I, ISR_I);
        tap_expect("acknowledged", drain(), SGI);
        tap_report(ARM "D1.3.6 with PSTATE.I set no IRQ is taken at %s, and ISR_EL1 shows it", cases[n].where);
    }
    tap_equal(read_sysreg(isr_el1) & ISR_I, 0, ARM "D19.2 ISR_EL1.I is 0 when no IRQ is pending");
}

static void test_unmasking(void)
{
    static const struct {
        const char *how;
        trap_probe *probe;
    } cases[] = {{"MSR DAIFClr", probe_unmask}, {"MSR DAIF", probe_unmask_by_write}};
    for (unsigned n = 0; n < sizeof cases / sizeof *cases; n++) {
        raise();
        const struct recorded *is = record_run(cases[n].probe, SPSR_DAIF | TRAP_EL1H);
        expect_entry(is, VECTOR_CURRENT_SPX + VECTOR_IRQ);
        uint64_t behind = is->elr - (uintptr_t)cases[n].probe;
        tap_expect("taken by the ISB", behind == 4 || behind == 8, true);
        tap_expect("SPSR.I", is->spsr & SPSR_I, 0);
        tap_expect("acknowledged", drain(), SGI);
        tap_report(ARM "D1.3.6 an IRQ that %s unmasks is taken by the next context synchronization", cases[n].how);
    }

    uint64_t to_self = 1ul << (read_sysreg(mpidr_el1) & 15) | (uint64_t)SGI << 24;
    const struct exception_frame *frame = trap_at_el1(probe_send, to_self, 0);
    tap_expect("runs to its end, masked", trap_none(frame), true);
    tap_expect("ISR_EL1", frame->x[1], ISR_I);
    tap_expect("acknowledged", drain(), SGI);
    tap_report(ARM "D19.2 ISR_EL1 comes to show an IRQ that is raised while it is masked");
}

static volatile uint64_t taken_at_depth[2];
static volatile unsigned depth, taken;

static void on_sgi(uint32_t intid, void *argument)
{
    taken_at_depth[taken++ & 1] = depth;
}

static bool on_svc(struct exception_frame *frame)
{
    depth++;
    raise();
    irq_enable();
    irq_disable();
    depth--;
    return true;
}

static void test_in_handler(void)
{
    irq_set_handler(SGI, on_sgi, NULL);
    exception_set_handler(on_svc);
    taken = 0;
    __asm__ volatile("svc #3" ::: "memory");
    trap_init();
    tap_expect("IRQs taken", taken, 1);
    tap_expect("in the handler", taken_at_depth[0], 1);
    tap_report(ARM "D1.3.6 a handler that unmasks IRQs is interrupted, and goes on");

    raise();
    wfi();
    tap_expect("IRQs taken", taken, 1);
    irq_enable();
    irq_disable();
    tap_expect("IRQs taken", taken, 2);
    tap_report(ARM "D1.6.2 WFI ends at a pending IRQ though PSTATE.I masks it");
}

void test_interrupts(void)
{
    gic_enable_private(SGI, GIC_PRIORITY_DEFAULT);
    test_taken();
    test_masked();
    test_unmasking();
    test_in_handler();
}
