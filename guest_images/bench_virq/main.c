// SPDX-License-Identifier: BSD-3-Clause
// One VM rings itself: send, the interrupt taken at once, end of interrupt.

#include <device_tree.h>
#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <stdio.h>
#include <system.h>

#define DEFAULT_ROUNDS 500000ul

static volatile uint64_t taken;

static void on_doorbell(uint32_t intid, void *argument)
{
    taken++;
}

int main(void)
{
    const uint64_t rounds = bootargs_number("rounds", DEFAULT_ROUNDS);
    struct gunyah_resource source = gunyah_resource(GUNYAH_DOORBELL_SOURCE, 1);
    struct gunyah_resource doorbell = gunyah_resource(GUNYAH_DOORBELL, 1);
    uint64_t late = 0;
    gic_init();
    gic_init_cpu();
    gunyah_resource_enable_irq(&doorbell, on_doorbell, NULL);
    irq_enable();
    for (uint64_t round = 0; round < rounds; round++) {
        gunyah_doorbell_send(source.capability, 1);
        late += taken != round + 1;
    }
    printf("rounds %lu\n", rounds);
    return late ? 1 : 0;
}
