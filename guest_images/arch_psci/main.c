// SPDX-License-Identifier: BSD-3-Clause
// PSCI: what it says of itself, how CPUs start and stop, and what it refuses.  By each conduit that is not UNDEFINED.

#include <gic.h>
#include <mmu.h>
#include <platform.h>
#include <psci.h>
#include <remote.h>
#include <tap.h>
#include <timer.h>
#include <trap.h>

#define DEN "DEN 0022 "
#define CPUS 4

#define PSCI_CPU_SUSPEND 0xc4000001
#define PSCI_CPU_ON_32 0x84000003
#define PSCI_AFFINITY_INFO_32 0x84000004
#define PSCI_MIGRATE_INFO_TYPE 0x84000006
#define SMCCC_VERSION 0x80000000
#define UNKNOWN_PSCI 0x8400001f
#define MPIDR_AFFINITY 0xff00fffffful
#define NO_SUCH_MPIDR 0x7f007f7f7ful

TRAP_PROBE(probe_hvc, "hvc #0")
TRAP_PROBE(probe_smc, "smc #0")

static const struct {
    const char *name;
    trap_probe *probe;
} conduits[] = {{"HVC", probe_hvc}, {"SMC", probe_smc}};

#define MARK                                                                                        \
    "mov x18, #18\n\tmov x19, #19\n\tmov x20, #20\n\tmov x21, #21\n\tmov x22, #22\n\tmov x23, #23\n\t" \
    "mov x24, #24\n\tmov x25, #25\n\tmov x26, #26\n\tmov x27, #27\n\tmov x28, #28\n\t"
TRAP_PROBE(probe_marked_hvc, MARK "hvc #0")
TRAP_PROBE(probe_marked_smc, MARK "smc #0")
static trap_probe *const preserving[] = {probe_marked_hvc, probe_marked_smc};

// x0 after the call; false when the conduit is UNDEFINED here.
static bool call_by(trap_probe *conduit, uint64_t function, uint64_t x1, uint64_t *result)
{
    const struct exception_frame *frame = trap_at_el1(conduit, function, x1);
    *result = frame->x[0];
    return trap_none(frame);
}

static void test_conduits(void)
{
    uint64_t versions[2], infos[2], unknowns[2];
    unsigned usable = 0;
    for (unsigned n = 0; n < 2; n++) {
        if (!call_by(conduits[n].probe, PSCI_VERSION, 0, &versions[usable]))
            continue;
        call_by(conduits[n].probe, PSCI_AFFINITY_INFO, cpu_mpidr(0), &infos[usable]);
        call_by(conduits[n].probe, UNKNOWN_PSCI, 0, &unknowns[usable]);
        usable++;
    }
    tap_expect("conduits", usable >= 1, true);
    for (unsigned n = 0; n < usable; n++) {
        tap_expect("version", versions[n], versions[0]);
        tap_expect("this CPU is on", infos[n], AFFINITY_ON);
        tap_expect("an unknown function", (uint32_t)unknowns[n], (uint32_t)PSCI_NOT_SUPPORTED);
    }
    tap_report(DEN "5.2.1 every conduit that is not UNDEFINED reaches the same services");

    for (unsigned n = 0; n < 2; n++) {
        const struct exception_frame *frame = trap_at_el1(preserving[n], PSCI_VERSION, 0);
        if (!trap_none(frame))
            continue;
        for (unsigned x = 18; x <= 28; x++)
            tap_expect("register", frame->x[x], x);
        tap_expect("returns behind its instruction", frame->elr, (uintptr_t)preserving[n] + 13 * 4);
    }
    tap_report("DEN 0028 2.7 a call leaves x18 to x28 alone");
}

static void test_identity(void)
{
    int32_t version = psci_call(PSCI_VERSION, 0, 0, 0);
    tap_true(version >> 16 == 1 && (version & 0xffff) <= 3, DEN "5.3 PSCI_VERSION is 1.0 to 1.3");
    static const struct {
        const char *name;
        uint32_t function;
    } mandatory[] = {
        {"PSCI_VERSION", PSCI_VERSION},
        {"CPU_SUSPEND", PSCI_CPU_SUSPEND},
        {"CPU_OFF", PSCI_CPU_OFF},
        {"CPU_ON", PSCI_CPU_ON},
        {"CPU_ON, SMC32", PSCI_CPU_ON_32},
        {"AFFINITY_INFO", PSCI_AFFINITY_INFO},
        {"AFFINITY_INFO, SMC32", PSCI_AFFINITY_INFO_32},
        {"SYSTEM_OFF", PSCI_SYSTEM_OFF},
        {"SYSTEM_RESET", PSCI_SYSTEM_RESET},
        {"PSCI_FEATURES", PSCI_FEATURES},
    };
    for (unsigned n = 0; n < sizeof mandatory / sizeof *mandatory; n++)
        tap_true(psci_call(PSCI_FEATURES, mandatory[n].function, 0, 0) >= 0, DEN "5.1.14 PSCI_FEATURES knows %s",
                 mandatory[n].name);
    tap_equal((uint32_t)psci_call(PSCI_FEATURES, UNKNOWN_PSCI, 0, 0), (uint32_t)PSCI_NOT_SUPPORTED,
              DEN "5.1.14 PSCI_FEATURES of an unknown function is NOT_SUPPORTED");
    int32_t smccc = psci_call(PSCI_FEATURES, SMCCC_VERSION, 0, 0);
    tap_true(smccc == PSCI_NOT_SUPPORTED || (smccc == PSCI_SUCCESS && psci_call(SMCCC_VERSION, 0, 0, 0) >= 0x10001),
             DEN "5.1.14 PSCI_FEATURES knows SMCCC_VERSION only where it is 1.1 or later");
    int32_t migrate = psci_call(PSCI_MIGRATE_INFO_TYPE, 0, 0, 0);
    tap_true(migrate == 2 || migrate == PSCI_NOT_SUPPORTED, DEN "5.1.7 MIGRATE_INFO_TYPE: nothing to migrate");
}

static void test_refusals(void)
{
    tap_equal((uint32_t)psci_cpu_on(NO_SUCH_MPIDR, 0x40100000, 0), (uint32_t)PSCI_INVALID_PARAMETERS,
              DEN "5.6 CPU_ON of an affinity that no CPU has is INVALID_PARAMETERS");
    tap_equal((uint32_t)psci_cpu_on(cpu_mpidr(0), 0x40100000, 0), (uint32_t)PSCI_ALREADY_ON,
              DEN "5.6 CPU_ON of this CPU is ALREADY_ON");
    tap_equal((uint32_t)psci_affinity_info(NO_SUCH_MPIDR), (uint32_t)PSCI_INVALID_PARAMETERS,
              DEN "5.7 AFFINITY_INFO of an affinity that no CPU has is INVALID_PARAMETERS");
    tap_equal((uint32_t)psci_affinity_info(cpu_mpidr(0)), AFFINITY_ON, DEN "5.7 AFFINITY_INFO of this CPU is ON");
    for (uint32_t cpu = 1; cpu < CPUS; cpu++)
        tap_expect("AFFINITY_INFO", (uint32_t)psci_affinity_info(cpu_mpidr(cpu)), AFFINITY_OFF);
    tap_report(DEN "5.7 AFFINITY_INFO of the others is OFF before they are started");
}

// What a CPU is like at its first instruction, written with its MMU off by the code below.
struct entry_state {
    uint64_t context, current_el, daif, spsel, sctlr, mpidr;
    uint64_t written; // last
    uint64_t leave;   // the CPU turns itself off once this is set
};
static struct entry_state entry_states[CPUS] __attribute__((aligned(64)));

// x0: the address of the CPU's entry_state.
__attribute__((naked)) static void raw_entry(void)
{
    __asm__ volatile("str x0, [x0]\n\t"
                     "mrs x1, currentel\n\tstr x1, [x0, #8]\n\t"
                     "mrs x1, daif\n\tstr x1, [x0, #16]\n\t"
                     "mrs x1, spsel\n\tstr x1, [x0, #24]\n\t"
                     "mrs x1, sctlr_el1\n\tstr x1, [x0, #32]\n\t"
                     "mrs x1, mpidr_el1\n\tstr x1, [x0, #40]\n\t"
                     "mov x1, #1\n\tdmb sy\n\tstr x1, [x0, #48]\n"
                     "0:\tldr x1, [x0, #56]\n\tcbz x1, 0b\n\t"
                     "b psci_cpu_off");
}

static uint64_t read_state(const uint64_t *word)
{
    // The other side's caches are off.
    __asm__ volatile("dc civac, %0\n\tdsb sy" ::"r"(word) : "memory");
    return *(const volatile uint64_t *)word;
}

static void write_state(uint64_t *word, uint64_t value)
{
    *(volatile uint64_t *)word = value;
    __asm__ volatile("dc civac, %0\n\tdsb sy" ::"r"(word) : "memory");
}

static void test_entry(uint32_t cpu, uint32_t function)
{
    struct entry_state *state = &entry_states[cpu];
    write_state(&state->written, 0);
    write_state(&state->leave, 0);
    int32_t result = psci_call(function, cpu_mpidr(cpu), (uintptr_t)raw_entry, (uintptr_t)state);
    tap_equal((uint32_t)result, PSCI_SUCCESS, DEN "5.6 %s of CPU %u is SUCCESS",
              function == PSCI_CPU_ON ? "CPU_ON" : "CPU_ON, SMC32,", cpu);

    while (!read_state(&state->written))
        relax();
    tap_expect("x0", read_state(&state->context), (uintptr_t)state);
    tap_expect("CurrentEL", read_state(&state->current_el), 1 << 2);
    tap_expect("DAIF", read_state(&state->daif), SPSR_DAIF);
    tap_expect("SPSel", read_state(&state->spsel), 1);
    tap_expect("SCTLR_EL1.M, C, I", read_state(&state->sctlr) & 0x1005, 0);
    tap_expect("MPIDR_EL1", read_state(&state->mpidr) & MPIDR_AFFINITY, cpu_mpidr(cpu));
    tap_report(DEN "6.4 CPU %u starts at EL1h, masked, MMU and caches off, with its context in x0", cpu);

    tap_expect("AFFINITY_INFO", (uint32_t)psci_affinity_info(cpu_mpidr(cpu)), AFFINITY_ON);
    result = psci_call(function, cpu_mpidr(cpu), (uintptr_t)raw_entry, 0);
    tap_expect("CPU_ON", (uint32_t)result, (uint32_t)PSCI_ALREADY_ON);
    tap_report(DEN "5.6 CPU_ON of CPU %u while it runs is ALREADY_ON, AFFINITY_INFO is ON", cpu);

    write_state(&state->leave, 1);
    while (psci_affinity_info(cpu_mpidr(cpu)) == AFFINITY_ON)
        relax();
    tap_equal((uint32_t)psci_affinity_info(cpu_mpidr(cpu)), AFFINITY_OFF,
              DEN "5.5 CPU_OFF: AFFINITY_INFO of CPU %u is OFF", cpu);
}

static volatile uint64_t rounds;

static void count_round(void *argument)
{
    rounds += (uintptr_t)argument;
}

static volatile uint32_t started_by;

static void start_next(void *argument)
{
    started_by = cpu_index();
    if (cpu_index() + 1 < CPUS)
        remote_run(cpu_index() + 1, start_next, argument);
    else
        rounds = 4;
}

static void test_again(void)
{
    for (uint64_t n = 1; n <= 10; n++)
        remote_run(1 + n % 3, count_round, (void *)n);
    tap_equal(rounds, 55, DEN "5.5 CPUs are turned off and on again, each time with a context of their own");
    remote_run(1, start_next, NULL);
    tap_expect("the last was started", rounds, 4);
    tap_expect("by its predecessor", started_by, 3);
    tap_report(DEN "5.6 a started CPU starts others");
}

static volatile uint32_t timer_interrupts;

static void on_timer(uint32_t intid, void *argument)
{
    timer_interrupts++;
    timer_stop();
}

static void test_suspend(void)
{
    gic_init();
    gic_init_cpu();
    irq_set_handler(INTID_VIRTUAL_TIMER, on_timer, NULL);
    gic_enable_private(INTID_VIRTUAL_TIMER, GIC_PRIORITY_DEFAULT);
    uint64_t deadline = timer_now() + 3000;
    timer_set(deadline);
    int32_t result = psci_call(PSCI_CPU_SUSPEND, 0, 0, 0); // standby, masked: it ends, nothing is taken
    tap_expect("result", (uint32_t)result, PSCI_SUCCESS);
    tap_expect("slept until the deadline", timer_now() >= deadline, true);
    tap_expect("interrupts", timer_interrupts, 0);
    irq_enable();
    irq_disable();
    tap_expect("interrupts, unmasked", timer_interrupts, 1);
    tap_report(DEN "5.4 CPU_SUSPEND to standby returns SUCCESS when an interrupt comes");
}

int main(void)
{
    mmu_enable();
    trap_init();
    test_conduits();
    test_identity();
    test_refusals();
    test_entry(1, PSCI_CPU_ON);
    test_entry(2, PSCI_CPU_ON_32);
    test_entry(3, PSCI_CPU_ON);
    test_again();
    test_suspend();
    tap_finish("arch_psci");
}
