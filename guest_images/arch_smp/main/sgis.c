// SPDX-License-Identifier: BSD-3-Clause
// A storm of SGIs between all CPUs.

#include "../tests.h"

#define ROUNDS 40
#define FLOOD 200
#define SGI_REQUEST(sender) (1u + (sender)) /* 1..4 */
#define SGI_ANSWER 8u
#define SGI_FLOOD 9u

static volatile uint32_t requests[CPUS][CPUS]; // taken by, sent by
static volatile uint32_t answers[CPUS][CPUS];  // to, from
static volatile uint32_t floods[CPUS];
static uint32_t finished; // atomic

static void on_request(uint32_t intid, void *argument)
{
    uint32_t me = cpu_index(), sender = intid - SGI_REQUEST(0);
    requests[me][sender]++;
    answers[sender][me]++;
    gic_send_sgi(SGI_ANSWER, mpidr_of(sender));
}

static void on_answer(uint32_t intid, void *argument)
{
}

static void on_flood(uint32_t intid, void *argument)
{
    floods[cpu_index()]++;
}

static void enable_all(void)
{
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        gic_enable_private(SGI_REQUEST(cpu), 0xa0);
    gic_enable_private(SGI_ANSWER, 0x80);
    gic_enable_private(SGI_FLOOD, 0xc0);
}

// Takes interrupts until all CPUs are here: barrier() would acknowledge them uncounted.  The last one tells the others.
static void finish(void)
{
    if (__atomic_add_fetch(&finished, 1, __ATOMIC_ACQ_REL) == CPUS)
        for (uint32_t cpu = 0; cpu < CPUS; cpu++)
            gic_send_sgi(SGI_ANSWER, mpidr_of(cpu));
    wait_until(__atomic_load_n(&finished, __ATOMIC_ACQUIRE) == CPUS);
    irq_enable(); // what is less urgent than that SGI
    isb();
    irq_disable();
}

// Each asks each other ROUNDS times, one request at a time, and answers what it is asked meanwhile.
static void ask_and_answer(uint32_t me)
{
    enable_all();
    barrier();
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        for (uint32_t other = 0; other < CPUS; other++) {
            if (other == me)
                continue;
            gic_send_sgi(SGI_REQUEST(me), mpidr_of(other));
            wait_until(answers[me][other] == round);
        }
    }
    finish();
}

// All send to all others as fast as they can; some coincide, none is lost for good.
static void flood(uint32_t me)
{
    enable_all();
    barrier();
    irq_enable();
    for (uint32_t n = 0; n < FLOOD; n++) {
        dsb();
        write_sysreg(icc_sgi1r_el1, 1ul << 40 | (uint64_t)SGI_FLOOD << 24);
    }
    isb();
    irq_disable();
    finish();
}

void test_sgis(void)
{
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        irq_set_handler(SGI_REQUEST(cpu), on_request, NULL);
    irq_set_handler(SGI_ANSWER, on_answer, NULL);
    irq_set_handler(SGI_FLOOD, on_flood, NULL);

    run_everywhere(ask_and_answer);
    for (uint32_t me = 0; me < CPUS; me++)
        for (uint32_t other = 0; other < CPUS; other++)
            tap_expect("requests taken", requests[me][other], me == other ? 0 : ROUNDS);
    tap_report("IHI 0069 4.4 four CPUs ask each other 480 times by SGI: each is taken once");

    finished = 0;
    run_everywhere(flood);
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        tap_expect("taken, and no oftener than sent", floods[cpu] >= 1 && floods[cpu] <= 3 * FLOOD, true);
    tap_report("IHI 0069 4.4 a flood of SGIs: taken at least once, at most as often as sent");
}
