/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtual timer of this CPU.  Its interrupt is INTID_VIRTUAL_TIMER, level. */
#ifndef TIMER_H
#define TIMER_H

#include <stdint.h>
#include <system.h>

#define CNTV_CTL_ENABLE 1
#define CNTV_CTL_IMASK 2
#define CNTV_CTL_ISTATUS 4

static inline uint64_t timer_frequency(void)
{
    return read_sysreg(cntfrq_el0);
}

/* Ticks. */
static inline uint64_t timer_now(void)
{
    isb(); // or the counter may be read early
    return read_sysreg(cntvct_el0);
}

/* Interrupts once the counter reaches `deadline`, at once if it has. */
static inline void timer_set(uint64_t deadline)
{
    write_sysreg(cntv_cval_el0, deadline);
    write_sysreg(cntv_ctl_el0, CNTV_CTL_ENABLE);
    isb();
}

/* Takes the level back; a handler does this or sets the next deadline. */
static inline void timer_stop(void)
{
    write_sysreg(cntv_ctl_el0, 0);
    isb();
}

/* Sleeps in WFI.  The timer's interrupt ends the WFI and is never taken; so it needs gic_init_cpu(), but no handler. */
void sleep_us(uint64_t microseconds);

#endif
