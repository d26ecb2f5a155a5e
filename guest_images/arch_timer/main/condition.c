// SPDX-License-Identifier: BSD-3-Clause
// The timer condition, and the level that it drives.

#include "../tests.h"

static void expect_line(const struct timer *timer, bool status, bool line)
{
    tap_expect("ISTATUS", timer->ctl() & CTL_ISTATUS, status ? CTL_ISTATUS : 0);
    tap_expect("PPI pending", is_pending(timer), line);
}

void test_condition(const struct timer *timer)
{
    timer->set_cval(timer->count() + FAR_AWAY);
    timer->set_ctl(CTL_ENABLE);
    expect_line(timer, false, false);
    tap_report(ARM "D12.2.4 %s: before CVAL the condition is not met", timer->name);

    timer->set_cval(timer->count());
    expect_line(timer, true, true);
    tap_report(ARM "D12.2.4 %s: the condition is met when the counter equals CVAL", timer->name);

    timer->set_cval(0);
    expect_line(timer, true, true);
    tap_report(ARM "D12.2.4 %s: the condition is met when CVAL is long past", timer->name);

    timer->set_cval(~0ul);
    expect_line(timer, false, false);
    tap_report(ARM "D12.2.4 %s: CVAL is unsigned, its largest value is not yet reached", timer->name);

    timer->set_tval(-1ul);
    expect_line(timer, true, true);
    tap_report(ARM "D12.2.4 %s: the condition is met when TVAL is negative", timer->name);

    timer->set_ctl(CTL_ENABLE | CTL_IMASK);
    expect_line(timer, true, false);
    tap_report(ARM "D19.12 %s_CTL.IMASK: the PPI is low, ISTATUS stands", timer->name);

    timer->set_ctl(CTL_ENABLE);
    expect_line(timer, true, true);
    tap_report(ARM "D19.12 %s_CTL.IMASK: clearing it lets the level through", timer->name);

    timer->set_ctl(0);
    tap_expect("PPI pending", is_pending(timer), false);
    tap_report(ARM "D19.12 %s_CTL.ENABLE: clearing it takes the level back", timer->name);

    timer->set_ctl(CTL_ENABLE);
    timer->set_cval(timer->count() + FAR_AWAY);
    expect_line(timer, false, false);
    tap_report(ARM "D12.2.4 %s: moving CVAL into the future takes the level back", timer->name);

    // Polled: the status comes, and never before its time.
    uint64_t deadline = timer->count() + 300, now;
    bool early = false;
    timer->set_cval(deadline);
    while (!(timer->ctl() & CTL_ISTATUS)) {
        now = timer->count();
        early |= now < deadline && (timer->ctl() & CTL_ISTATUS) && timer->count() < deadline;
    }
    tap_expect("the counter has reached CVAL", timer->count() >= deadline, true);
    tap_expect("early", early, false);
    tap_expect("PPI pending", is_pending(timer), true);
    tap_report(ARM "D12.2.4 %s: ISTATUS and the level come by themselves when the counter reaches CVAL", timer->name);
    timer->set_ctl(0);
}
