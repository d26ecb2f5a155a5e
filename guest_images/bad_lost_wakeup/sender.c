// SPDX-License-Identifier: BSD-3-Clause
// Asks for a job every millisecond, and does not wait for an answer.

#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <stdio.h>
#include <timer.h>

#include "jobs.h"

int main(void)
{
    struct gunyah_resource doorbell = gunyah_resource(GUNYAH_DOORBELL_SOURCE, DOORBELL_LABEL);
    gic_init();
    gic_init_cpu();
    for (int job = 0; job < JOBS; job++) {
        sleep_us(1000);
        struct gunyah_doorbell_send_result sent = gunyah_doorbell_send(doorbell.capability, 1ul << job);
        printf("job %d: error %d\n", job, sent.error);
    }
    return 0;
}
