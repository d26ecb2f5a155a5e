// SPDX-License-Identifier: BSD-3-Clause

#include <gic.h>
#include <platform.h>
#include <timer.h>

void sleep_us(uint64_t microseconds)
{
    irq_disable();
    gic_enable_private(INTID_VIRTUAL_TIMER, GIC_PRIORITY_DEFAULT);
    timer_set(timer_now() + timer_frequency() * microseconds / 1000000);
    while (!(read_sysreg(cntv_ctl_el0) & CNTV_CTL_ISTATUS))
        wfi();
    timer_stop();
}
