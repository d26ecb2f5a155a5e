// SPDX-License-Identifier: BSD-3-Clause
// Mutual exclusion: what is done under a lock is done by one CPU at a time.

#include "../tests.h"

#define ROUNDS 500
#define TICKETS 5 /* of each CPU: in strict order, each may cost a time slice */

static struct spinlock lock;
static volatile uint64_t total, owner, violations;

// Everything in here would go wrong with two CPUs at once.
static void critical_section(uint32_t cpu)
{
    uint64_t before = total;
    owner = cpu;
    for (unsigned n = 0; n < 5; n++)
        __asm__ volatile("nop");
    violations += owner != cpu;
    total = before + 1;
}

static void with_spinlock(uint32_t cpu)
{
    for (unsigned n = 0; n < ROUNDS; n++) {
        spin_lock(&lock);
        critical_section(cpu);
        spin_unlock(&lock);
    }
}

static uint32_t next_ticket, now_serving;
static volatile uint64_t out_of_order;

static void with_tickets(uint32_t cpu)
{
    for (unsigned n = 0; n < TICKETS; n++) {
        uint32_t mine = __atomic_fetch_add(&next_ticket, 1, __ATOMIC_RELAXED);
        while (__atomic_load_n(&now_serving, __ATOMIC_ACQUIRE) != mine)
            relax();
        out_of_order += total != mine;
        critical_section(cpu);
        __atomic_store_n(&now_serving, mine + 1, __ATOMIC_RELEASE);
    }
}

// Peterson's algorithm, for CPUs 0 and 1: only loads, stores and barriers.
static volatile uint32_t interested[2], turn;

static void with_peterson(uint32_t cpu)
{
    if (cpu > 1)
        return;
    for (unsigned n = 0; n < ROUNDS; n++) {
        interested[cpu] = 1;
        turn = 1 - cpu;
        __asm__ volatile("dmb ish" ::: "memory");
        while (interested[1 - cpu] && turn == 1 - cpu)
            relax();
        __asm__ volatile("dmb ish" ::: "memory");
        critical_section(cpu);
        __asm__ volatile("dmb ish" ::: "memory");
        interested[cpu] = 0;
    }
}

static void check(const char *name, everywhere *function, uint64_t expected)
{
    total = violations = 0;
    run_everywhere(function);
    tap_expect("entered", total, expected);
    tap_expect("found another CPU inside", violations, 0);
    tap_expect("out of order", out_of_order, 0);
    tap_report(ARM "%s excludes all other CPUs", name);
}

void test_locks(void)
{
    check("B2.9 a spinlock of exclusives", with_spinlock, CPUS * ROUNDS);
    check("B2.9 a ticket lock, in the order of the tickets,", with_tickets, CPUS * TICKETS);
    check("B2.3 Peterson's algorithm with DMB ISH", with_peterson, 2 * ROUNDS);
}
