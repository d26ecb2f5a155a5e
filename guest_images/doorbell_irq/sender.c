// SPDX-License-Identifier: BSD-3-Clause
// Rings doorbells 1 (edge) and 2 (level) of another VM.  All it needs is the capabilities that its device tree names.

#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <stdio.h>
#include <timer.h>

#define RINGS 3

static int ring(uint32_t label)
{
    struct gunyah_resource doorbell = gunyah_resource(GUNYAH_DOORBELL_SOURCE, label);
    struct gunyah_doorbell_send_result sent = gunyah_doorbell_send(doorbell.capability, 1);
    printf("doorbell %u: sent 0x1, error %d, flags before 0x%lx\n", label, sent.error, sent.old_flags);
    return sent.error;
}

int main(void)
{
    int failed = 0;
    gic_init();
    gic_init_cpu();
    for (int n = 0; n < RINGS; n++) {
        sleep_us(1000); // two rings before the receiver takes the first would be one interrupt
        failed |= ring(1);
    }
    failed |= ring(2);
    return failed ? 1 : 0;
}
