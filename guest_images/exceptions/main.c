// SPDX-License-Identifier: BSD-3-Clause
// Synchronous exceptions from EL1 and from EL0, with the MMU on: does the handler see the ESR, ELR, FAR and SPSR that
// the architecture promises?

#include <exceptions.h>
#include <mmu.h>
#include <stdio.h>
#include <system.h>

// A probe is a function whose first instruction faults, with x0 its argument.  It has no second one: the handler
// returns to the probe's caller.
typedef void probe(uint64_t x0);
#define PROBE(name, instruction)                                                  \
    __attribute__((naked, section(".text.probes"))) static void name(uint64_t x0) \
    {                                                                             \
        __asm__ volatile(instruction);                                            \
    }
PROBE(probe_svc, "svc #0x1234")
PROBE(probe_brk, "brk #0xbeef")
PROBE(probe_undefined, "udf #7")
PROBE(probe_el2_register, "mrs x1, vbar_el2")
PROBE(probe_load, "ldr x1, [x0]")
PROBE(probe_store, "str x1, [x0]")
PROBE(probe_jump, "br x0")

#define SPSR_EL1 0x000003c5ul // EL1h, DAIF masked
#define SPSR_EL0 0x600003c0ul // EL0t, DAIF masked, Z and C
#define SPSR_M_DAIF 0x000003cful

// Enters EL0 at the probe; comes back when the handler returns to whoever called this.
__attribute__((naked)) static void run_at_el0(uint64_t x0, probe *probe, uint64_t spsr)
{
    __asm__ volatile("msr elr_el1, x1\n\tmsr spsr_el1, x2\n\tisb\n\teret");
}

static struct exception_frame seen;
static uint32_t exceptions;

static bool on_exception(struct exception_frame *frame)
{
    seen = *frame;
    exceptions++;
    frame->elr = frame->x[30];
    frame->spsr = SPSR_EL1;
    return true;
}

static uint32_t mistakes;

static void check(const char *what, uint64_t is, uint64_t must_be)
{
    if (is != must_be) {
        printf("  %s must be 0x%lx, it is 0x%lx\n", what, must_be, is);
        mistakes++;
    }
}

#define TRANSLATION_L3 0x07
#define PERMISSION_L3 0x0f
#define WRITE (1 << 6)       // ISS.WnR
#define FAULT_AND_WRITE 0x7f // the part of an abort's ISS that every implementation gives
#define WHOLE_ISS 0x1ffffff
#define NO_FAR (~0ul)

enum origin { EL1, EL0 };

struct expectation {
    const char *name;
    probe *probe;
    uint64_t x0;
    unsigned class[2]; // by origin
    unsigned iss;
    unsigned iss_mask;
    uint64_t far;
    uint64_t elr;
};

static void try_one(const struct expectation *expected, enum origin origin)
{
    uint32_t mistakes_before = mistakes, exceptions_before = exceptions;
    if (origin == EL0)
        run_at_el0(expected->x0, expected->probe, SPSR_EL0);
    else
        expected->probe(expected->x0);

    check("number of exceptions", exceptions - exceptions_before, 1);
    check("vector", seen.vector, (origin == EL0 ? VECTOR_LOWER_A64 : VECTOR_CURRENT_SPX) + VECTOR_SYNCHRONOUS);
    check("ESR.EC", exception_class(&seen), expected->class[origin]);
    check("ESR.IL", seen.esr >> 25 & 1, 1);
    check("ESR.ISS", seen.esr & expected->iss_mask, expected->iss);
    check("ELR", seen.elr, expected->elr);
    if (expected->far != NO_FAR)
        check("FAR", seen.far, expected->far);
    if (origin == EL0)
        check("SPSR", seen.spsr, SPSR_EL0);
    else
        check("SPSR.M, SPSR.DAIF", seen.spsr & SPSR_M_DAIF, SPSR_EL1);
    printf("EL%u %s: %s\n", origin == EL0 ? 0 : 1, expected->name, mistakes == mistakes_before ? "right" : "WRONG");
}

static uint64_t data_page[PAGE_SIZE / 8] __attribute__((aligned(PAGE_SIZE)));
static uint64_t read_only_page[PAGE_SIZE / 8] __attribute__((aligned(PAGE_SIZE)));
static uint64_t unmapped_page[PAGE_SIZE / 8] __attribute__((aligned(PAGE_SIZE)));

#define CLASS(class) {class, class}
#define ABORT(kind) {EC_##kind##_ABORT, EC_##kind##_ABORT_LOWER}
#define AT(probe) (uintptr_t)probe

int main(void)
{
    const uint64_t data = (uintptr_t)data_page, fixed = (uintptr_t)read_only_page, nowhere = (uintptr_t)unmapped_page;
    const uint64_t odd = AT(probe_svc) + 2;
    const struct expectation expectations[] = {
        // The preferred return address of SVC is behind it, that of all others is the instruction itself.
        {"SVC", probe_svc, 0, CLASS(EC_SVC), 0x1234, WHOLE_ISS, NO_FAR, AT(probe_svc) + 4},
        {"BRK", probe_brk, 0, CLASS(EC_BRK), 0xbeef, WHOLE_ISS, NO_FAR, AT(probe_brk)},
        {"UDF", probe_undefined, 0, CLASS(EC_UNKNOWN), 0, WHOLE_ISS, NO_FAR, AT(probe_undefined)},
        {"EL2 register", probe_el2_register, 0, CLASS(EC_UNKNOWN), 0, WHOLE_ISS, NO_FAR, AT(probe_el2_register)},
        {"load, unmapped", probe_load, nowhere, ABORT(DATA), TRANSLATION_L3, FAULT_AND_WRITE, nowhere, AT(probe_load)},
        {"store, unmapped", probe_store, nowhere + 8, ABORT(DATA), TRANSLATION_L3 | WRITE, FAULT_AND_WRITE, nowhere + 8,
         AT(probe_store)},
        {"store, read-only", probe_store, fixed + 16, ABORT(DATA), PERMISSION_L3 | WRITE, FAULT_AND_WRITE, fixed + 16,
         AT(probe_store)},
        {"jump, unmapped", probe_jump, nowhere + 64, ABORT(INSTRUCTION), TRANSLATION_L3, WHOLE_ISS, nowhere + 64,
         nowhere + 64},
        {"jump, execute-never", probe_jump, data + 4, ABORT(INSTRUCTION), PERMISSION_L3, WHOLE_ISS, data + 4, data + 4},
        {"jump, misaligned", probe_jump, odd, CLASS(EC_PC_ALIGNMENT), 0, WHOLE_ISS, odd, odd},
    };
    const struct expectation privileged = {"load, EL1 only", probe_load,      fixed, ABORT(DATA),
                                           PERMISSION_L3,    FAULT_AND_WRITE, fixed, AT(probe_load)};
    const unsigned count = sizeof expectations / sizeof *expectations;

    mmu_enable();
    mmu_map(fixed, fixed + PAGE_SIZE, MMU_READ_ONLY);
    mmu_map(nowhere, nowhere + PAGE_SIZE, MMU_UNMAPPED);
    exception_set_handler(on_exception);
    for (unsigned n = 0; n < count; n++)
        try_one(&expectations[n], EL1);

    uintptr_t probes = (uintptr_t)probe_svc & ~(PAGE_SIZE - 1ul);
    mmu_map(probes, probes + 2 * PAGE_SIZE, MMU_USER_CODE);
    mmu_map(data, data + PAGE_SIZE, MMU_USER_READ_WRITE);
    for (unsigned n = 0; n < count; n++)
        try_one(&expectations[n], EL0);
    try_one(&privileged, EL0);
    return mistakes ? 1 : 0;
}
