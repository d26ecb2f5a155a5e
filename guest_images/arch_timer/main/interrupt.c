// SPDX-License-Identifier: BSD-3-Clause
// The PPI taken: once a deadline, not early, as a level, out of WFI.

#include "../tests.h"

#include <remote.h>
#include <trap.h>

static const struct timer *current;
static volatile uint32_t taken;
static volatile uint64_t taken_at, intid_taken;
static volatile uint32_t leave_standing; // interrupts after which the handler lets the level stand

static void on_timer(uint32_t intid, void *argument)
{
    const struct timer *timer = argument;
    if (timer != current)
        return;
    taken_at = timer->count();
    intid_taken = intid;
    taken++;
    if (leave_standing)
        leave_standing--;
    else
        timer->set_ctl(CTL_ENABLE | CTL_IMASK);
}

static void start(const struct timer *timer)
{
    current = timer;
    irq_set_handler(timer->intid, on_timer, (void *)timer);
    gic_enable_private(timer->intid, GIC_PRIORITY_DEFAULT);
    taken = 0;
}

void test_interrupt(const struct timer *timer)
{
    static const uint32_t ticks[] = {500, 20000, 1, 3000, 250000};
    bool early = false;
    start(timer);
    for (uint32_t n = 0; n < 5; n++) {
        uint64_t deadline = timer->count() + ticks[n];
        timer->set_cval(deadline);
        timer->set_ctl(CTL_ENABLE);
        wait_until(taken == n + 1);
        early |= taken_at < deadline;
    }
    tap_expect("INTID", intid_taken, timer->intid);
    tap_expect("early", early, false);
    tap_expect("interrupts", taken, 5);
    tap_report(ARM "D12.2.4 %s: WFI ends at each deadline, not early", timer->name);

    taken = 0;
    timer->set_tval(0);
    timer->set_ctl(CTL_ENABLE);
    wait_until(taken);
    irq_enable();
    irq_disable();
    tap_equal(taken, 1, ARM "D12.2.4 %s: a deadline of now is taken at once, and once", timer->name);

    taken = 0;
    leave_standing = 3;
    timer->set_tval(0);
    timer->set_ctl(CTL_ENABLE);
    wait_until(taken == 4);
    irq_enable();
    irq_disable();
    tap_equal(taken, 4, ARM "D12.2.4 %s: while the condition stands, the PPI is taken again", timer->name);

    // Busy until it comes: nothing but the timer ends this loop.
    taken = 0;
    timer->set_tval(500);
    timer->set_ctl(CTL_ENABLE);
    irq_enable();
    while (!taken)
        relax();
    irq_disable();
    tap_equal(taken, 1, ARM "D12.2.4 %s: a loop that never waits is interrupted", timer->name);

    taken = 0;
    timer->set_tval(0);
    timer->set_ctl(CTL_ENABLE | CTL_IMASK);
    irq_enable();
    irq_disable();
    tap_equal(taken, 0, ARM "D19.12 %s_CTL.IMASK: nothing is taken", timer->name);
    timer->set_ctl(0);
    gic_disable(timer->intid);
    current = NULL;
}

// The timers of another CPU are its own, and so are their PPIs.
static volatile uint64_t remote_cval, remote_ctl, remote_pending, remote_taken;

static void on_other_cpu(void *argument)
{
    const struct timer *timer = argument;
    gic_init_cpu();
    remote_ctl = timer->ctl() & CTL_ENABLE;
    remote_pending = is_pending(timer);
    timer->set_cval(42);
    remote_cval = timer->cval();
    gic_enable_private(timer->intid, GIC_PRIORITY_DEFAULT);
    timer->set_tval(300);
    timer->set_ctl(CTL_ENABLE);
    wait_until(taken);
    remote_taken = taken;
    timer->set_ctl(0);
}

static volatile uint64_t remote_count;
static volatile uint32_t remote_state;

static void count_on_other_cpu(void *argument)
{
    const struct timer *timer = argument;
    for (uint32_t round = 0; round < 10; round++) {
        while (remote_state != 2 * round + 1)
            relax();
        remote_count = timer->count();
        dsb();
        remote_state = 2 * round + 2;
    }
}

void test_per_cpu(const struct timer *timer)
{
    timer->set_cval(7);
    timer->set_ctl(CTL_ENABLE);
    current = timer;
    taken = 0;
    remote_run(2, on_other_cpu, (void *)timer);
    tap_expect("ENABLE after reset", remote_ctl, 0);
    tap_expect("PPI pending there", remote_pending, 0);
    tap_expect("CVAL there", remote_cval, 42);
    tap_expect("taken there", remote_taken, 1);
    tap_expect("CVAL here", timer->cval(), 7);
    tap_expect("PPI pending here", is_pending(timer), true);
    timer->set_ctl(0);
    current = NULL;
    tap_report(ARM "D12.2.4 %s: each CPU has its own, with its own PPI", timer->name);

    uint64_t backwards = 0, previous = timer->count();
    remote_state = 0;
    remote_start(3, count_on_other_cpu, (void *)timer);
    for (uint32_t round = 0; round < 10; round++) {
        remote_state = 2 * round + 1;
        while (remote_state != 2 * round + 2)
            relax();
        uint64_t there = remote_count, here = timer->count();
        backwards += there < previous || here < there;
        previous = here;
    }
    remote_wait(3);
    tap_equal(backwards, 0, ARM "D12.1.2 %s: all CPUs see one time", timer->name);
}
