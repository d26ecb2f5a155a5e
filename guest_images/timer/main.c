// SPDX-License-Identifier: BSD-3-Clause
// The virtual timer: the CPU sleeps in WFI until each deadline, and time never arrives early.

#include <gic.h>
#include <platform.h>
#include <stdio.h>
#include <timer.h>

static volatile uint64_t taken_at;
static volatile uint32_t taken;

static void on_timer(uint32_t intid, void *argument)
{
    taken_at = timer_now();
    taken++;
    timer_stop();
}

int main(void)
{
    static const uint32_t waits_us[] = {10, 1000, 250, 20000};
    const uint32_t count = sizeof waits_us / sizeof *waits_us;
    uint32_t early = 0;

    gic_init();
    gic_init_cpu();
    irq_set_handler(INTID_VIRTUAL_TIMER, on_timer, NULL);
    gic_enable_private(INTID_VIRTUAL_TIMER, GIC_PRIORITY_DEFAULT);

    for (uint32_t n = 0; n < count; n++) {
        uint64_t deadline = timer_now() + timer_frequency() * waits_us[n] / 1000000;
        timer_set(deadline);
        wait_until(taken == n + 1);
        early += taken_at < deadline;
        printf("%u us: taken\n", waits_us[n]);
    }

    // A deadline in the past is due at once.
    timer_set(timer_now() - 1);
    wait_until(taken == count + 1);
    printf("in the past: taken\n");

    // Masked in the timer, a reached deadline shows in ISTATUS and nowhere else.
    write_sysreg(cntv_cval_el0, timer_now());
    write_sysreg(cntv_ctl_el0, CNTV_CTL_ENABLE | CNTV_CTL_IMASK);
    isb();
    uint64_t control = read_sysreg(cntv_ctl_el0);
    irq_enable(); // it would be taken here
    irq_disable();
    printf("masked: ISTATUS %u, %s\n", control & CNTV_CTL_ISTATUS ? 1 : 0, taken == count + 1 ? "not taken" : "taken");
    return early ? 1 : 0;
}
