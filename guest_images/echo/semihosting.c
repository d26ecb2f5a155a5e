// SPDX-License-Identifier: BSD-3-Clause
// Answers what is typed, which it reads by semihosting.  A timer interrupts it meanwhile: a guest that waits for a key
// lives on.

#include "lines.h"

#include <gic.h>
#include <platform.h>
#include <semihosting.h>
#include <timer.h>

#define SYS_READC 0x07
#define TICK_MS 100

static volatile uint32_t ticks;

static void on_tick(uint32_t intid, void *argument)
{
    ticks++;
    timer_set(timer_now() + timer_frequency() * TICK_MS / 1000);
}

static int read_character(void)
{
    irq_enable();
    int64_t character = (int64_t)semihosting_call(SYS_READC, 0);
    irq_disable();
    return character < 0 ? END_OF_INPUT : (int)character;
}

static void sleep(uint32_t milliseconds)
{
    uint32_t end = ticks + milliseconds / TICK_MS;
    wait_until(ticks >= end);
}

int main(void)
{
    gic_init();
    gic_init_cpu();
    irq_set_handler(INTID_VIRTUAL_TIMER, on_tick, NULL);
    gic_enable_private(INTID_VIRTUAL_TIMER, GIC_PRIORITY_DEFAULT);
    timer_set(timer_now() + timer_frequency() * TICK_MS / 1000);
    return echo_lines(read_character, sleep);
}
