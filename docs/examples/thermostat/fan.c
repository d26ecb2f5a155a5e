// SPDX-License-Identifier: BSD-3-Clause
// Turns when its doorbell says so, and ends when it has been told to stop.

#include <gic.h>
#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <stdio.h>
#include <system.h>

#include "protocol.h"

static struct gunyah_resource doorbell;
static volatile uint64_t told;

static void on_doorbell(uint32_t intid, void *argument)
{
    told |= gunyah_doorbell_receive(doorbell.capability, ~0ul).old_flags;
}

int main(void)
{
    doorbell = gunyah_resource(GUNYAH_DOORBELL, FAN_DOORBELL);
    gic_init();
    gic_init_cpu();
    gunyah_resource_enable_irq(&doorbell, on_doorbell, NULL);
    printf("ready\n");
    wait_until(told & FAN_FULL);
    printf("turning\n");
    wait_until(told & FAN_OFF);
    printf("stopped\n");
    return 0;
}
