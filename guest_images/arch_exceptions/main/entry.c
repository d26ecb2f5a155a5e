// SPDX-License-Identifier: BSD-3-Clause
// A vector table that writes down what the CPU is like at its first instruction, in the order of ../recorder.h.

#include "../recorder.h"

struct recorded recorded;

#define ENTRY(n) ".balign 128\n\tmov x18, #" #n "\n\tb record\n"

__asm__(".section .text.recorder, \"ax\"\n"
        ".balign 2048\n"
        ".global recording_vectors\n"
        "recording_vectors:\n"
        // clang-format off
        ENTRY(0) ENTRY(1) ENTRY(2) ENTRY(3) ENTRY(4) ENTRY(5) ENTRY(6) ENTRY(7)
        ENTRY(8) ENTRY(9) ENTRY(10) ENTRY(11) ENTRY(12) ENTRY(13) ENTRY(14) ENTRY(15)
        // clang-format on
        ".balign 128\n"
        "record:\n"
        "    adrp x16, recorded\n"
        "    add  x16, x16, :lo12:recorded\n"
        "    str  x18, [x16], #8\n"
        "    mrs  x17, currentel\n"
        "    str  x17, [x16], #8\n"
        "    mrs  x17, daif\n"
        "    str  x17, [x16], #8\n"
        "    mrs  x17, spsel\n"
        "    str  x17, [x16], #8\n"
        "    mov  x17, sp\n"
        "    str  x17, [x16], #8\n"
        "    mrs  x17, elr_el1\n"
        "    str  x17, [x16], #8\n"
        "    mrs  x17, spsr_el1\n"
        "    str  x17, [x16], #8\n"
        "    mrs  x17, esr_el1\n"
        "    str  x17, [x16], #8\n"
        "    msr  elr_el1, x30\n" // record_run() called the probe from there
        "    mov  x17, #0x3c5\n"
        "    msr  spsr_el1, x17\n"
        "    eret\n"
        ".previous\n");

extern char recording_vectors[];

static uint64_t stack_before;

__attribute__((noinline)) const struct recorded *record_run(trap_probe *probe, uint64_t spsr)
{
    uint64_t old_vectors = read_sysreg(vbar_el1);
    register uint64_t x4 __asm__("x4") = (uintptr_t)probe;
    register uint64_t x5 __asm__("x5") = spsr;
    write_sysreg(vbar_el1, (uintptr_t)recording_vectors);
    isb();
    __asm__ volatile("mov %2, sp\n\tmsr elr_el1, x4\n\tmsr spsr_el1, x5\n\tadr x30, 0f\n\tisb\n\teret\n0:"
                     : "+r"(x4), "+r"(x5), "=&r"(stack_before)
                     :
                     : "x0", "x1", "x2", "x3", "x16", "x17", "x18", "x30", "cc", "memory");
    write_sysreg(vbar_el1, old_vectors);
    isb();
    return &recorded;
}

void expect_entry(const struct recorded *is, unsigned vector)
{
    tap_expect("vector", is->vector, vector);
    tap_expect("CurrentEL", is->current_el, 1 << 2);
    tap_expect("DAIF", is->daif, SPSR_DAIF);
    tap_expect("SPSel", is->spsel, 1);
    tap_expect("SP_EL1", is->sp, stack_before);
}

TRAP_PROBE(probe_svc, "svc #1")

static void test_synchronous_entry(void)
{
    static const struct {
        const char *from;
        uint64_t mode;
        unsigned vector;
    } cases[] = {{"EL1 with SP_EL0", TRAP_EL1T, VECTOR_CURRENT_SP0},
                 {"EL1 with SP_EL1", TRAP_EL1H, VECTOR_CURRENT_SPX},
                 {"EL0", TRAP_EL0, VECTOR_LOWER_A64}};
    write_sysreg(sp_el0, 0x4444440);
    for (unsigned n = 0; n < sizeof cases / sizeof *cases; n++) {
        const struct recorded *is = record_run(probe_svc, 0xf0000000 | 0xc0 | cases[n].mode);
        expect_entry(is, cases[n].vector + VECTOR_SYNCHRONOUS);
        tap_expect("ELR", is->elr, (uintptr_t)probe_svc + 4);
        tap_expect("SPSR", is->spsr, 0xf0000000 | 0xc0 | cases[n].mode);
        tap_expect("ESR", is->esr, (uint64_t)EC_SVC << 26 | 1 << 25 | 1);
        tap_expect("SP_EL0", read_sysreg(sp_el0), 0x4444440);
        tap_report(ARM "D1.3.2 a synchronous exception from %s: vector offset 0x%x, EL1h, DAIF set, SP_EL1 as it was",
                   cases[n].from, (cases[n].vector + VECTOR_SYNCHRONOUS) * 0x80);
    }
}

static struct exception_frame inner, outer_before, outer_after;
static unsigned depth;

static bool on_nested(struct exception_frame *frame)
{
    if (depth++) {
        inner = *frame;
        return true;
    }
    outer_before = *frame;
    uint64_t elr = read_sysreg(elr_el1), spsr = read_sysreg(spsr_el1);
    __asm__ volatile("svc #2" ::: "memory");
    outer_after = *frame;
    tap_expect("ELR_EL1 changed by the inner exception", read_sysreg(elr_el1) != elr, true);
    tap_expect("SPSR_EL1 changed by the inner exception", read_sysreg(spsr_el1) != spsr, true);
    return true;
}

static void test_nesting(void)
{
    uint64_t value = 0x77;
    exception_set_handler(on_nested);
    write_sysreg(daif, 0x240); // so that the outer SPSR differs from the inner one: A and I are clear
    __asm__ volatile("svc #1" ::: "memory");
    uint64_t daif = read_sysreg(daif);
    write_sysreg(daif, SPSR_DAIF);
    trap_init();
    tap_expect("exceptions", depth, 2);
    tap_expect("inner ESR.ISS", inner.esr & 0xffff, 2);
    tap_expect("inner vector", inner.vector, VECTOR_CURRENT_SPX);
    tap_expect("inner SPSR.DAIF and M", inner.spsr & 0x3cf, SPSR_DAIF | TRAP_EL1H);
    tap_report(ARM "D1.3.2 an exception in a handler: taken with DAIF set, ELR and SPSR are its own");
    tap_expect("outer ELR", outer_after.elr, outer_before.elr);
    tap_expect("outer SPSR.DAIF", outer_after.spsr & SPSR_DAIF, 0x240);
    tap_expect("DAIF after both", daif, 0x240);
    tap_expect("a local variable", value, 0x77);
    tap_report(ARM "D1.3.3 after both returned, what was interrupted goes on in its own state");
}

void test_entry(void)
{
    test_synchronous_entry();
    test_nesting();
}
