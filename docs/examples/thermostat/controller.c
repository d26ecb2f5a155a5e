// SPDX-License-Identifier: BSD-3-Clause
// Reads the sensor's readings and tells the fan when to start and when to stop.

#include <exceptions.h>
#include <gic.h>
#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <stdio.h>
#include <system.h>

#include "protocol.h"

#define READINGS 7

static struct gunyah_resource readings, fan;
static volatile unsigned arrivals;

static void on_reading(uint32_t intid, void *argument)
{
    arrivals++;
}

static unsigned next_reading(void)
{
    unsigned degrees;
    for (;;) {
        unsigned before = arrivals; // an interrupt between the attempt and the wait ends the wait at once
        gunyah_error_t error =
            gunyah_msgqueue_receive(readings.capability, (uintptr_t)&degrees, sizeof degrees).error;
        if (error == GUNYAH_OK)
            return degrees;
        if (error != GUNYAH_ERROR_MSGQUEUE_EMPTY)
            fatal("msgqueue_receive: error %d", error);
        wait_until(arrivals != before);
    }
}

static void tell_fan(uint64_t flags)
{
#ifdef FAULTY
    // The wrong capability, and nobody looks at the error.
    gunyah_doorbell_send(readings.capability, flags);
#else
    gunyah_error_t error = gunyah_doorbell_send(fan.capability, flags).error;
    if (error)
        fatal("doorbell_send: error %d", error);
#endif
}

int main(void)
{
    int running = 0;
    readings = gunyah_resource(GUNYAH_MESSAGE_QUEUE_RX, READINGS_QUEUE);
    fan = gunyah_resource(GUNYAH_DOORBELL_SOURCE, FAN_DOORBELL);
    gic_init();
    gic_init_cpu();
    gunyah_resource_enable_irq(&readings, on_reading, NULL);
    for (unsigned count = 0; count < READINGS; count++) {
        unsigned degrees = next_reading();
        int wanted = degrees > TOO_HOT;
        if (wanted != running) {
            printf("%u degrees: fan %s\n", degrees, wanted ? "on" : "off");
            tell_fan(wanted ? FAN_FULL : FAN_OFF);
        }
        running = wanted;
    }
    return 0;
}
