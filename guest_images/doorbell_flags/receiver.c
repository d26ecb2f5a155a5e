// SPDX-License-Identifier: BSD-3-Clause
// A doorbell as 64 flags: the receiver chooses which of them interrupt it and which of those need no clearing, and
// reads and clears the rest.

#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <stdio.h>
#include <system.h>

#include "protocol.h"

static struct gunyah_resource doorbell;
static volatile uint32_t interrupts;

static uint64_t receive(uint64_t clear)
{
    struct gunyah_doorbell_receive_result received = gunyah_doorbell_receive(doorbell.capability, clear);
    printf("received 0x%lx, cleared 0x%lx, error %d\n", received.old_flags, clear, received.error);
    return received.old_flags;
}

// FLAG_TICK never shows here: the hypervisor cleared it when it raised the interrupt.
static void on_doorbell(uint32_t intid, void *argument)
{
    printf("INTID %u taken: ", intid);
    receive(FLAG_WORK | FLAG_TICK);
    interrupts++;
}

int main(void)
{
    doorbell = gunyah_resource(GUNYAH_DOORBELL, DOORBELL_LABEL);
    gunyah_error_t error = gunyah_doorbell_mask(doorbell.capability, FLAG_WORK | FLAG_TICK, FLAG_TICK);
    printf("enabled 0x%lx, acknowledged 0x%lx, error %d\n", FLAG_WORK | FLAG_TICK, FLAG_TICK, error);

    gic_init();
    gic_init_cpu();
    gunyah_resource_enable_irq(&doorbell, on_doorbell, NULL);
    wait_until(interrupts == 2);

    printf("after %u interrupts: ", interrupts);
    uint64_t left = receive(~0ul);
    printf("and then: ");
    return left == FLAG_NOTE && receive(~0ul) == 0 && !error ? 0 : 1;
}
