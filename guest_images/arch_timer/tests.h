/* SPDX-License-Identifier: BSD-3-Clause */
/* The two timers of a CPU have the same registers, and everything here is asked of both. */
#ifndef TESTS_H
#define TESTS_H

#include <gic.h>
#include <platform.h>
#include <stdint.h>
#include <system.h>
#include <tap.h>

#define ARM "Arm ARM "

/* Each file's checks. */
struct timer;
void test_counters(void);
void test_registers(const struct timer *timer);
void test_condition(const struct timer *timer);
void test_interrupt(const struct timer *timer);
void test_el0_access(void);
void test_per_cpu(const struct timer *timer);

#define INTID_PHYSICAL_TIMER INTID_PPI(14)

#define CTL_ENABLE 1
#define CTL_IMASK 2
#define CTL_ISTATUS 4

/* Ticks that no check takes: a minute at 62.5 MHz. */
#define FAR_AWAY 3750000000ul

/* A timer and the counter it compares with. */
struct timer {
    const char *name;
    uint32_t intid;
    uint64_t (*count)(void);
    uint64_t (*ctl)(void);
    void (*set_ctl)(uint64_t value);
    uint64_t (*cval)(void);
    void (*set_cval)(uint64_t value);
    uint64_t (*tval)(void);
    void (*set_tval)(uint64_t value);
};
extern const struct timer virtual_timer, physical_timer;

/* Whether its PPI is pending in the GIC of this CPU. */
static inline bool is_pending(const struct timer *timer)
{
    return gic_is_pending(timer->intid);
}

#endif
