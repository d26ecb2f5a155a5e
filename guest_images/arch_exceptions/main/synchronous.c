// SPDX-License-Identifier: BSD-3-Clause
// Instructions that always cause an exception, at EL1 and at EL0.

#include "../tests.h"

TRAP_PROBE(probe_svc, "svc #0x1234")
TRAP_PROBE(probe_svc_max, "svc #0xffff")
TRAP_PROBE(probe_brk, "brk #0xbeef")
TRAP_PROBE(probe_udf, "udf #7")
TRAP_PROBE(probe_unallocated, ".inst 0x02345678")
TRAP_PROBE(probe_hlt, "hlt #1")
TRAP_PROBE(probe_dcps, ".inst 0xd4a00001")
TRAP_PROBE(probe_unknown_read, "mrs x1, s3_0_c12_c5_3")
TRAP_PROBE(probe_unknown_write, "msr s3_0_c12_c5_3, x1")
TRAP_PROBE(probe_el2_register, "mrs x1, vbar_el2")
TRAP_PROBE(probe_el3_register, "mrs x1, s3_6_c12_c0_0")
TRAP_PROBE(probe_write_read_only, "msr s3_0_c0_c0_0, x1")
TRAP_PROBE(probe_read_write_only, "mrs x1, s3_0_c12_c11_5")

TRAP_PROBE(probe_hvc, "hvc #0")
TRAP_PROBE(probe_smc, "smc #0")
TRAP_PROBE(probe_eret, "eret")
TRAP_PROBE(probe_sctlr, "mrs x1, sctlr_el1")
TRAP_PROBE(probe_vbar_write, "msr vbar_el1, x1")
TRAP_PROBE(probe_current_el, "mrs x1, currentel")
TRAP_PROBE(probe_spsel, "msr spsel, #0")
TRAP_PROBE(probe_sp_el0, "mrs x1, sp_el0")
TRAP_PROBE(probe_id_register, "mrs x1, id_aa64pfr0_el1")
TRAP_PROBE(probe_midr, "mrs x1, midr_el1")
TRAP_PROBE(probe_tlbi, "tlbi vmalle1")
TRAP_PROBE(probe_ic_iallu, "ic iallu")
TRAP_PROBE(probe_dc_isw, "dc isw, x1")
TRAP_PROBE(probe_at, "at s1e1r, x1")
TRAP_PROBE(probe_tpidrro, "msr tpidrro_el0, x1")
TRAP_PROBE(probe_icc, "mrs x1, s3_0_c12_c12_0")
TRAP_PROBE(probe_branch, "br x0")

static const struct {
    const char *name;
    trap_probe *probe;
    unsigned class;
    uint32_t iss;
    unsigned elr_offset;
} both[] = {
    {"C6.2 SVC", probe_svc, EC_SVC, 0x1234, 4},
    {"C6.2 SVC, largest immediate", probe_svc_max, EC_SVC, 0xffff, 4},
    {"C6.2 BRK", probe_brk, EC_BRK, 0xbeef, 0},
    {"C6.2 UDF", probe_udf, EC_UNKNOWN, 0, 0},
    {"C4.1 unallocated encoding", probe_unallocated, EC_UNKNOWN, 0, 0},
    {"C6.2 HLT with halting debug off", probe_hlt, EC_UNKNOWN, 0, 0},
    {"C6.2 DCPS1 outside Debug state", probe_dcps, EC_UNKNOWN, 0, 0},
    {"C5.1 MRS of an unallocated register", probe_unknown_read, EC_UNKNOWN, 0, 0},
    {"C5.1 MSR of an unallocated register", probe_unknown_write, EC_UNKNOWN, 0, 0},
    {"D19.2 VBAR_EL2 below EL2", probe_el2_register, EC_UNKNOWN, 0, 0},
    {"D19.2 VBAR_EL3 below EL3", probe_el3_register, EC_UNKNOWN, 0, 0},
    {"D19.2 MSR of read-only MIDR_EL1", probe_write_read_only, EC_UNKNOWN, 0, 0},
    {"D19.2 MRS of write-only ICC_SGI1R_EL1", probe_read_write_only, EC_UNKNOWN, 0, 0},
};

static const struct {
    const char *name;
    trap_probe *probe;
} privileged[] = {
    {"C6.2 HVC", probe_hvc},
    {"C6.2 SMC", probe_smc},
    {"C6.2 ERET", probe_eret},
    {"D19.2 MRS SCTLR_EL1", probe_sctlr},
    {"D19.2 MSR VBAR_EL1", probe_vbar_write},
    {"C5.2 MRS CurrentEL", probe_current_el},
    {"C5.2 MSR SPSel, #0", probe_spsel},
    {"C5.2 MRS SP_EL0", probe_sp_el0},
    {"C5.5 TLBI VMALLE1", probe_tlbi},
    {"C5.3 IC IALLU", probe_ic_iallu},
    {"C5.3 DC ISW", probe_dc_isw},
    {"C5.4 AT S1E1R", probe_at},
    {"D19.2 MSR TPIDRRO_EL0", probe_tpidrro},
    {"D19.2 MRS ICC_IAR1_EL1", probe_icc},
};

// What the frame must show is that of the flags, too: SPSR holds them.
#define FLAGS_EL1 (0x90000000ul | SPSR_DAIF | TRAP_EL1H)
#define FLAGS_EL0 (0x60000000ul | SPSR_DAIF | TRAP_EL0)

// With FEAT_IDST, reads of the ID registers at EL0 have a syndrome.
static void test_identification(void)
{
    static const struct {
        const char *name;
        trap_probe *probe;
        uint32_t crm;
    } registers[] = {{"ID_AA64PFR0_EL1", probe_id_register, 4}, {"MIDR_EL1", probe_midr, 0}};
    bool has_syndrome = read_sysreg(id_aa64mmfr2_el1) >> 36 & 15;
    for (unsigned n = 0; n < 2; n++) {
        const struct exception_frame *frame = trap_run(registers[n].probe, FLAGS_EL0, (const uint64_t[4]){0});
        uint32_t iss = has_syndrome ? system_iss(3, 0, 0, registers[n].crm, 0, 1, true) : 0;
        expect_exception(frame, VECTOR_LOWER_A64, has_syndrome ? EC_SYSTEM_REGISTER : EC_UNKNOWN, iss,
                         (uintptr_t)registers[n].probe, FLAGS_EL0);
        tap_report(ARM "D19.2 %s is not to be read at EL0", registers[n].name);
    }
}

static void test_branches(void)
{
    // The address is that of the target; the branch itself has been executed.
    static const uint64_t offsets[] = {1, 2, 3};
    for (unsigned n = 0; n < sizeof offsets / sizeof *offsets; n++) {
        uint64_t target = (uintptr_t)probe_svc + offsets[n];
        const struct exception_frame *frame = trap_at_el1(probe_branch, target, 0);
        expect_exception(frame, VECTOR_CURRENT_SPX, EC_PC_ALIGNMENT, 0, target, SPSR_DAIF | TRAP_EL1H);
        tap_expect("FAR", frame->far, target);
        frame = trap_at_el0(probe_branch, target, 0);
        expect_exception(frame, VECTOR_LOWER_A64, EC_PC_ALIGNMENT, 0, target, SPSR_DAIF | TRAP_EL0);
        tap_expect("FAR", frame->far, target);
        tap_report(ARM "D1.3.4 a branch to an address that ends in %lu is a PC alignment fault", offsets[n]);
    }
}

void test_synchronous(void)
{
    static const uint64_t arguments[4];
    for (unsigned n = 0; n < sizeof both / sizeof *both; n++) {
        uint64_t elr = (uintptr_t)both[n].probe + both[n].elr_offset;
        const struct exception_frame *frame = trap_run(both[n].probe, FLAGS_EL1, arguments);
        expect_exception(frame, VECTOR_CURRENT_SPX, both[n].class, both[n].iss, elr, FLAGS_EL1);
        tap_report(ARM "%s: taken from EL1", both[n].name);
        frame = trap_run(both[n].probe, FLAGS_EL0, arguments);
        expect_exception(frame, VECTOR_LOWER_A64, both[n].class, both[n].iss, elr, FLAGS_EL0);
        tap_report(ARM "%s: taken from EL0", both[n].name);
    }
    for (unsigned n = 0; n < sizeof privileged / sizeof *privileged; n++) {
        const struct exception_frame *frame = trap_run(privileged[n].probe, FLAGS_EL0, arguments);
        expect_exception(frame, VECTOR_LOWER_A64, EC_UNKNOWN, 0, (uintptr_t)privileged[n].probe, FLAGS_EL0);
        tap_report(ARM "%s is UNDEFINED at EL0", privileged[n].name);
    }
    test_identification();
    test_branches();
}
