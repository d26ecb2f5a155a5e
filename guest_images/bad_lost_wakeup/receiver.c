// SPDX-License-Identifier: BSD-3-Clause
// Does jobs as many a driver does: the interrupt handler silences the doorbell and leaves the work to main(), which lets
// it ring again when the work is done.
//
// It has the bug of such drivers.  A job that came during the work rings at the very moment that the doorbell may ring
// again; the handler silences it and says so in `scheduled`; and main(), interrupted between its two statements, wipes
// that out.  From then on nobody enables the doorbell any more, and the receiver sleeps for ever.

#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <stdbool.h>
#include <stdio.h>
#include <system.h>
#include <timer.h>

#include "jobs.h"

#define JOB_US 1500

static struct gunyah_resource doorbell;
static volatile bool scheduled;

static void on_doorbell(uint32_t intid, void *argument)
{
    gunyah_doorbell_mask(doorbell.capability, 0, 0);
    scheduled = true;
}

// The work: busy until it is done, with interrupts enabled.
static void work(void)
{
    uint64_t end = timer_now() + (uint64_t)JOB_US * timer_frequency() / 1000000;
    while (timer_now() < end) {
    }
}

int main(void)
{
    uint64_t done = 0;
    doorbell = gunyah_resource(GUNYAH_DOORBELL, DOORBELL_LABEL);
    gic_init();
    gic_init_cpu();
    gunyah_resource_enable_irq(&doorbell, on_doorbell, NULL);
    while (done != ALL_JOBS) {
        wait_until(scheduled);
        irq_enable();
        uint64_t jobs = gunyah_doorbell_receive(doorbell.capability, ALL_JOBS).old_flags;
        printf("jobs 0x%lx\n", jobs);
        work();
        done |= jobs;
        gunyah_doorbell_mask(doorbell.capability, ALL_JOBS, 0);
        scheduled = false; // the bug: must come before the line above
    }
    printf("all done\n");
    return 0;
}
