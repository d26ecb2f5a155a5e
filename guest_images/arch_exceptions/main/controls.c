// SPDX-License-Identifier: BSD-3-Clause
// What SCTLR_EL1 and CPACR_EL1 let EL0 (and EL1) do, and the trap where they do not.

#include "../tests.h"

#include <mmu.h>

#define SCTLR_UMA (1ul << 9)
#define SCTLR_DZE (1ul << 14)
#define SCTLR_UCT (1ul << 15)
#define SCTLR_NTWI (1ul << 16)
#define SCTLR_UCI (1ul << 26)

#define CPACR_FPEN(value) ((uint64_t)(value) << 20)
#define CONDITION_ALWAYS (1u << 24 | 0xeu << 20) // ISS.CV, ISS.COND

TRAP_PROBE(probe_read_daif, "mrs x1, daif")
TRAP_PROBE(probe_write_daif, "msr daif, x1")
TRAP_PROBE(probe_daifset, "msr daifset, #0xf")
TRAP_PROBE(probe_ctr, "mrs x1, ctr_el0")
TRAP_PROBE(probe_dczid, "mrs x1, dczid_el0")
TRAP_PROBE(probe_zva, "dc zva, x0")
TRAP_PROBE(probe_cvau, "dc cvau, x0")
TRAP_PROBE(probe_cvac, "dc cvac, x0")
TRAP_PROBE(probe_civac, "dc civac, x0")
TRAP_PROBE(probe_ivau, "ic ivau, x0")
TRAP_PROBE(probe_wfi, "wfi")
TRAP_PROBE(probe_fmov, ".inst 0x9e670000\n\t.inst 0x9e660001") // fmov d0, x0; fmov x1, d0
TRAP_PROBE(probe_simd, ".inst 0x4e080c00\n\t.inst 0x4e183c01") // dup v0.2d, x0; mov x1, v0.d[1]
TRAP_PROBE(probe_fpcr, "mrs x1, s3_3_c4_c4_0")
TRAP_PROBE(probe_tpidr, "msr tpidr_el0, x0\n\tmrs x1, tpidr_el0\n\tmrs x2, tpidrro_el0")

static uint64_t page[PAGE_SIZE / 8] __attribute__((aligned(PAGE_SIZE)));

static const struct {
    const char *name;
    trap_probe *probe;
    uint64_t control; // of SCTLR_EL1
    uint8_t op0, op1, crn, crm, op2, rt;
    bool read;
} controlled[] = {
    {"UMA: MRS DAIF", probe_read_daif, SCTLR_UMA, 3, 3, 4, 2, 1, 1, true},
    {"UMA: MSR DAIF", probe_write_daif, SCTLR_UMA, 3, 3, 4, 2, 1, 1, false},
    {"UCT: MRS CTR_EL0", probe_ctr, SCTLR_UCT, 3, 3, 0, 0, 1, 1, true},
    {"DZE: DC ZVA", probe_zva, SCTLR_DZE, 1, 3, 7, 4, 1, 0, false},
    {"UCI: DC CVAU", probe_cvau, SCTLR_UCI, 1, 3, 7, 11, 1, 0, false},
    {"UCI: DC CVAC", probe_cvac, SCTLR_UCI, 1, 3, 7, 10, 1, 0, false},
    {"UCI: DC CIVAC", probe_civac, SCTLR_UCI, 1, 3, 7, 14, 1, 0, false},
    {"UCI: IC IVAU", probe_ivau, SCTLR_UCI, 1, 3, 7, 5, 1, 0, false},
};

static void set_sctlr(uint64_t value)
{
    write_sysreg(sctlr_el1, value);
    isb();
}

static void test_sctlr(void)
{
    const uint64_t sctlr = read_sysreg(sctlr_el1), address = (uintptr_t)page;
    for (unsigned n = 0; n < sizeof controlled / sizeof *controlled; n++) {
        set_sctlr(sctlr & ~controlled[n].control);
        const struct exception_frame *frame = trap_at_el0(controlled[n].probe, address, SPSR_DAIF);
        uint32_t iss = system_iss(controlled[n].op0, controlled[n].op1, controlled[n].crn, controlled[n].crm,
                                  controlled[n].op2, controlled[n].rt, controlled[n].read);
        expect_exception(frame, VECTOR_LOWER_A64, EC_SYSTEM_REGISTER, iss, (uintptr_t)controlled[n].probe,
                         SPSR_DAIF | TRAP_EL0);
        tap_report(ARM "D19.2 SCTLR_EL1.%s is trapped at EL0 when it is 0", controlled[n].name);
        set_sctlr(sctlr | controlled[n].control);
        tap_true(trap_none(trap_at_el0(controlled[n].probe, address, SPSR_DAIF)),
                 ARM "D19.2 SCTLR_EL1.%s works at EL0 when it is 1", controlled[n].name);
    }

    set_sctlr(sctlr & ~SCTLR_UMA);
    const struct exception_frame *frame = trap_at_el0(probe_daifset, 0, 0);
    tap_expect("ESR.EC", exception_class(frame), EC_SYSTEM_REGISTER);
    tap_expect("ELR", frame->elr, (uintptr_t)probe_daifset);
    tap_report(ARM "D19.2 SCTLR_EL1.UMA: MSR DAIFSet is trapped at EL0 when it is 0");
    set_sctlr(sctlr | SCTLR_UMA);
    frame = trap_run(probe_daifset, TRAP_EL0 | 1 << 6, (const uint64_t[4]){0});
    tap_expect("runs to its end", trap_none(frame), true);
    tap_expect("SPSR", frame->spsr, TRAP_EL0 | SPSR_DAIF);
    tap_report(ARM "D19.2 SCTLR_EL1.UMA: MSR DAIFSet works at EL0 when it is 1");

    set_sctlr(sctlr & ~SCTLR_NTWI);
    frame = trap_at_el0(probe_wfi, 0, 0);
    expect_exception(frame, VECTOR_LOWER_A64, EC_WFX, CONDITION_ALWAYS, (uintptr_t)probe_wfi, SPSR_DAIF | TRAP_EL0);
    tap_report(ARM "D19.2 SCTLR_EL1.nTWI: WFI is trapped at EL0 when it is 0");
    set_sctlr(sctlr);
}

static void test_zeroing(void)
{
    const uint64_t sctlr = read_sysreg(sctlr_el1);
    const uint64_t block = 4ul << (read_sysreg(dczid_el0) & 15);
    set_sctlr(sctlr | SCTLR_DZE);
    for (unsigned n = 0; n < PAGE_SIZE / 8; n++)
        page[n] = ~0ul;
    tap_expect("runs to its end", trap_none(trap_at_el0(probe_zva, (uintptr_t)page + block + 8, 0)), true);
    uint64_t zeros = 0, first = PAGE_SIZE / 8;
    for (unsigned n = 0; n < PAGE_SIZE / 8; n++) {
        if (page[n] == 0 && first == PAGE_SIZE / 8)
            first = n;
        zeros += page[n] == 0;
    }
    tap_expect("bytes zeroed", zeros * 8, block);
    tap_expect("first byte zeroed", first * 8, block);
    tap_report(ARM "C5.3 DC ZVA zeroes the naturally aligned block of DCZID_EL0.BS that holds its address");
    tap_equal(trap_at_el0(probe_dczid, 0, 0)->x[1], read_sysreg(dczid_el0), ARM "D19.2 DCZID_EL0 is readable at EL0");
    set_sctlr(sctlr);
}

static void set_cpacr(uint64_t value)
{
    write_sysreg(cpacr_el1, value);
    isb();
}

static void test_floating_point(void)
{
    static const struct {
        const char *name;
        trap_probe *probe;
    } instructions[] = {{"FMOV", probe_fmov}, {"DUP (vector)", probe_simd}, {"MRS FPCR", probe_fpcr}};
    static const struct {
        unsigned fpen;
        bool at_el1, at_el0; // trapped
    } settings[] = {{0, true, true}, {1, false, true}, {2, true, true}, {3, false, false}};
    const uint64_t value = 0x123456789abcdef0;

    for (unsigned n = 0; n < sizeof instructions / sizeof *instructions; n++) {
        for (unsigned s = 0; s < sizeof settings / sizeof *settings; s++) {
            set_cpacr(CPACR_FPEN(settings[s].fpen));
            for (unsigned el = 0; el < 2; el++) {
                trap_probe *probe = instructions[n].probe;
                const struct exception_frame *frame = el ? trap_at_el1(probe, value, 0) : trap_at_el0(probe, value, 0);
                if (el ? settings[s].at_el1 : settings[s].at_el0) {
                    expect_exception(frame, el ? VECTOR_CURRENT_SPX : VECTOR_LOWER_A64, EC_FP_TRAPPED, CONDITION_ALWAYS,
                                     (uintptr_t)probe, SPSR_DAIF | (el ? TRAP_EL1H : TRAP_EL0));
                } else {
                    tap_expect("runs to its end", trap_none(frame), true);
                    tap_expect("result", frame->x[1], probe == probe_fpcr ? 0 : value);
                }
            }
            tap_report(ARM "D19.2 CPACR_EL1.FPEN=%u and %s", settings[s].fpen, instructions[n].name);
        }
    }
    set_cpacr(0);
}

void test_controls(void)
{
    mmu_map((uintptr_t)page, (uintptr_t)page + PAGE_SIZE, MMU_USER_READ_WRITE);
    test_sctlr();
    test_zeroing();
    test_floating_point();

    write_sysreg(tpidrro_el0, 0x5678);
    const struct exception_frame *frame = trap_at_el0(probe_tpidr, 0x1234, 0);
    tap_expect("TPIDR_EL0 at EL0", frame->x[1], 0x1234);
    tap_expect("TPIDR_EL0 at EL1", read_sysreg(tpidr_el0), 0x1234);
    tap_expect("TPIDRRO_EL0 at EL0", frame->x[2], 0x5678);
    tap_report(ARM "D19.2 TPIDR_EL0 is EL0's own, TPIDRRO_EL0 is readable there");
}
