// SPDX-License-Identifier: BSD-3-Clause
// SPIs and SGIs to other CPUs, which wait in WFI and count what they take.

#include "../tests.h"

#define CPUS 4
#define SGI_A 1u
#define SGI_B 2u
#define SGI_LAST 15u /* less urgent than all others: when it is taken, all others have been */

static volatile uint32_t taken[CPUS][SPI_ROUTED + 1];
static volatile bool stop;
static volatile uint32_t ready[CPUS];

static void on_interrupt(uint32_t intid, void *argument)
{
    taken[cpu_index()][intid]++;
}

static void enable_sgis(void)
{
    gic_enable_private(SGI_A, 0xa0);
    gic_enable_private(SGI_B, 0xa0);
    gic_enable_private(SGI_LAST, 0xe0);
}

static void counting_cpu(void *argument)
{
    gic_init_cpu();
    enable_sgis();
    dsb();
    ready[cpu_index()] = 1;
    wait_until(stop);
}

static void send(uint64_t value, uint32_t sgi)
{
    dsb();
    write_sysreg(icc_sgi1r_el1, value | (uint64_t)sgi << 24);
    isb();
}

// Waits until each CPU has taken everything that was sent to it before.
static void settle(void)
{
    for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
        uint32_t before = taken[cpu][SGI_LAST];
        gic_send_sgi(SGI_LAST, mpidr_of(cpu));
        irq_enable();
        while (taken[cpu][SGI_LAST] == before)
            relax();
        irq_disable();
    }
}

static void clear_counts(void)
{
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        for (uint32_t intid = 0; intid <= SPI_ROUTED; intid++)
            taken[cpu][intid] = 0;
}

// How often each CPU took it, four bits a CPU.
static uint32_t counts(uint32_t intid)
{
    settle();
    uint32_t all = 0;
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        all |= (taken[cpu][intid] & 15) << 4 * cpu;
    clear_counts();
    return all;
}

static void test_routes(void)
{
    prepare(SPI_ROUTED, 0xa0);
    for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
        set_route(SPI_ROUTED, mpidr_of(cpu) & AFFINITY_MASK);
        set_bit(ISPENDR, SPI_ROUTED);
        tap_equal(counts(SPI_ROUTED), 1u << 4 * cpu,
                  IHI "2.3.1 GICD_IROUTER: an SPI routed to CPU %u is taken there alone", cpu);
    }

    set_route(SPI_ROUTED, 0xff00ff0000); // nobody's affinity
    set_bit(ISPENDR, SPI_ROUTED);
    tap_expect("taken by", counts(SPI_ROUTED), 0);
    tap_expect("pending", get_bit(ISPENDR, SPI_ROUTED), true);
    set_route(SPI_ROUTED, mpidr_of(2) & AFFINITY_MASK);
    tap_expect("rerouted, taken by", counts(SPI_ROUTED), 0x100);
    tap_report(IHI "2.3.1 an SPI routed to nobody stays pending; rerouted, it is taken there");

    set_route(SPI_ROUTED, mpidr_of(0) & AFFINITY_MASK);
    set_bit(ISPENDR, SPI_ROUTED);
    tap_expect("signalled", signalled(), true);
    set_route(SPI_ROUTED, mpidr_of(3) & AFFINITY_MASK);
    tap_expect("signalled, rerouted", signalled(), false);
    tap_expect("taken by", counts(SPI_ROUTED), 0x1000);
    tap_report(IHI "2.3.1 a pending SPI moves when it is rerouted");

    set_route(SPI_ROUTED, mpidr_of(0) & AFFINITY_MASK);
    set_bit(ISPENDR, SPI_ROUTED);
    tap_expect("IAR", acknowledge(), SPI_ROUTED);
    set_route(SPI_ROUTED, mpidr_of(1) & AFFINITY_MASK);
    set_bit(ISPENDR, SPI_ROUTED);
    write_sysreg(icc_pmr_el1, 0xff);
    // What is active here holds back the less urgent SGI that settle() waits for: only here.
    for (uint32_t cpu = 1; cpu < CPUS; cpu++) {
        uint32_t before = taken[cpu][SGI_LAST];
        gic_send_sgi(SGI_LAST, mpidr_of(cpu));
        while (taken[cpu][SGI_LAST] == before)
            relax();
        tap_expect("taken while it is active here", taken[cpu][SPI_ROUTED], 0);
    }
    end(SPI_ROUTED);
    tap_expect("taken after the end by", counts(SPI_ROUTED), 0x10);
    tap_report(IHI "4.1.2 an SPI active on one CPU is signalled to no other until it ends");
}

static void test_one_of_n(void)
{
    uint32_t takers = 1, total = 1;
    bool implemented = !(mmio_read32(GICD_BASE + GICD_TYPER) & GICD_TYPER_NO1N);
    if (implemented) {
        set_route(SPI_ROUTED, IROUTER_IRM);
        set_bit(ISPENDR, SPI_ROUTED);
        uint32_t all = counts(SPI_ROUTED);
        takers = total = 0;
        for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
            takers += (all >> 4 * cpu & 15) != 0;
            total += all >> 4 * cpu & 15;
        }
    }
    tap_expect("takers", takers, 1);
    tap_expect("times taken", total, 1);
    tap_report(IHI "2.3.1 a 1-of-N SPI is taken once, by one CPU, where GICD_TYPER.No1N is clear");
    reset_interrupt(SPI_ROUTED);
}

static void start_cpus(void)
{
    static const uint32_t intids[] = {SGI_A, SGI_B, SGI_LAST};
    for (unsigned n = 0; n < 3; n++)
        irq_set_handler(intids[n], on_interrupt, NULL);
    enable_sgis();
    for (uint32_t cpu = 1; cpu < CPUS; cpu++)
        remote_start(cpu, counting_cpu, NULL);
    for (uint32_t cpu = 1; cpu < CPUS; cpu++)
        while (!ready[cpu])
            relax();
}

void test_routing(void)
{
    irq_set_handler(SPI_ROUTED, on_interrupt, NULL);
    start_cpus();
    test_routes();
    test_one_of_n();
}

void test_affinity_sgis(void)
{
    const uint64_t others = 1ul << 40; // IRM
    for (uint32_t list = 1; list < 1u << CPUS; list += list < 8 ? 3 : 5) {
        uint32_t expected = 0;
        for (uint32_t cpu = 0; cpu < CPUS; cpu++)
            expected |= (list >> cpu & 1) << 4 * cpu;
        send(list, SGI_A);
        tap_equal(counts(SGI_A), expected, IHI "12.2 ICC_SGI1R_EL1: target list 0x%x reaches those CPUs alone", list);
    }
    send(others, SGI_B);
    tap_equal(counts(SGI_B), 0x1110, IHI "12.2 ICC_SGI1R_EL1.IRM reaches all CPUs but the sender");
    send(others | 0xffff, SGI_B);
    tap_equal(counts(SGI_B), 0x1110, IHI "12.2 ICC_SGI1R_EL1.IRM: the target list does not count");
    send(1 << 9, SGI_A);
    send(1 | 5ul << 16, SGI_A);
    send(1 | 7ul << 32, SGI_A);
    send(1 | 1ul << 48, SGI_A);
    tap_equal(counts(SGI_A), 0, IHI "12.2 ICC_SGI1R_EL1: targets that do not exist are ignored");

    uintptr_t frame = redistributor_of(1) + GICR_SGI_FRAME;
    mmio_write32(frame + ICENABLER, 1u << SGI_A);
    send(0xf, SGI_A);
    tap_expect("taken by", counts(SGI_A), 0x1101);
    tap_expect("pending there", mmio_read32(frame + ISPENDR) >> SGI_A & 1, 1);
    tap_expect("pending here", get_bit(ISPENDR, SGI_A), false);
    mmio_write32(frame + ISENABLER, 1u << SGI_A);
    tap_expect("enabled, taken by", counts(SGI_A), 0x10);
    tap_report(IHI "12.11 GICR_ISENABLER0 is each CPU's own");

    for (uint32_t n = 0; n < 5; n++) {
        send(0x6, SGI_A);
        settle();
    }
    tap_equal(counts(SGI_A), 0x550, IHI "4.4 SGIs sent one after the other are all taken");

    stop = true;
    for (uint32_t cpu = 1; cpu < CPUS; cpu++) {
        gic_send_sgi(SGI_A, mpidr_of(cpu));
        remote_wait(cpu);
    }
    tap_true(true, IHI "4.4 an SGI ends the other CPUs' last WFI");
}
