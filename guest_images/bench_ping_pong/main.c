// SPDX-License-Identifier: BSD-3-Clause
// Two VMs ring each other in turn and sleep in WFI in between.  Both run this; the machine file says who serves.

#include <device_tree.h>
#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <stdio.h>
#include <system.h>

#define DEFAULT_ROUNDS 100000ul

static volatile uint64_t taken;

static void on_doorbell(uint32_t intid, void *argument)
{
    taken++;
}

int main(void)
{
    const uint64_t rounds = bootargs_number("rounds", DEFAULT_ROUNDS);
    const bool serves = bootargs_number("serves", 0);
    struct gunyah_resource mine = gunyah_resource(GUNYAH_DOORBELL, serves ? 1 : 2);
    struct gunyah_resource theirs = gunyah_resource(GUNYAH_DOORBELL_SOURCE, serves ? 2 : 1);
    gic_init();
    gic_init_cpu();
    gunyah_resource_enable_irq(&mine, on_doorbell, NULL);
    for (uint64_t round = 0; round < rounds; round++) {
        if (serves)
            wait_until(taken == round + 1);
        gunyah_doorbell_send(theirs.capability, 1);
        if (!serves)
            wait_until(taken == round + 1);
    }
    printf("rounds %lu\n", rounds);
    return 0;
}
