// SPDX-License-Identifier: BSD-3-Clause
// Sends a reading every millisecond; `bootargs = "peak=75"` says how hot it becomes.

#include <device_tree.h>
#include <gic.h>
#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <stdio.h>
#include <timer.h>

#include "protocol.h"

#define PUSH 1 /* interrupt the receiver at once */

int main(void)
{
    struct gunyah_resource readings = gunyah_resource(GUNYAH_MESSAGE_QUEUE_TX, READINGS_QUEUE);
    unsigned peak = (unsigned)bootargs_number("peak", 75);
    gic_init();
    gic_init_cpu();
    for (unsigned step = 0; step <= 6; step++) {
        unsigned degrees = step <= 3 ? 45 + (peak - 45) * step / 3 : 45 + (peak - 45) * (6 - step) / 3;
        sleep_us(1000);
        gunyah_error_t error =
            gunyah_msgqueue_send(readings.capability, sizeof degrees, (uintptr_t)&degrees, PUSH).error;
        printf("%u degrees, error %d\n", degrees, error);
        if (error)
            return 1;
    }
    return 0;
}
