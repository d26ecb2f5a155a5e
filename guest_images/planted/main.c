// SPDX-License-Identifier: BSD-3-Clause
// Makes each hypercall once, and treats its error in another way each time: retries, reports, ignores, waits for ever,
// follows a wild pointer.  `gunyah-emu faults` must tell them apart.

#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <stdio.h>
#include <system.h>

static struct gunyah_resource source, doorbell, out, in;
static volatile uint32_t interrupts;

static void on_doorbell(uint32_t intid, void *argument)
{
    gunyah_doorbell_receive(doorbell.capability, ~0ul);
    interrupts++;
}

// Handled: tries again until it works.
static void send_message(void)
{
    static const char text[] = "message";
    while (gunyah_msgqueue_send(out.capability, sizeof text, (uintptr_t)text, 1).error) {
    }
}

// Crash: believes a length that the call never wrote.
static void receive_message(void)
{
    static char text[32];
    struct gunyah_msgqueue_receive_result got = gunyah_msgqueue_receive(in.capability, (uintptr_t)text, sizeof text);
    volatile char *end = got.size ? &text[got.size - 1] : (volatile char *)0x70000000ul;
    *end = '\0';
    printf("received %s\n", text);
}

// Handled: says so, and gives up.
static int configure(void)
{
    gunyah_error_t error = gunyah_doorbell_mask(doorbell.capability, ~0ul, 0);
    if (error)
        printf("the doorbell cannot be configured: error %d\n", error);
    return error;
}

// Silent: nobody looks.
static void forget_old_flags(void)
{
    gunyah_doorbell_reset(doorbell.capability);
}

// Hang: waits for what was never rung.
static void ring(void)
{
    gunyah_doorbell_send(source.capability, 1);
    wait_until(interrupts == 1);
}

int main(void)
{
    source = gunyah_resource(GUNYAH_DOORBELL_SOURCE, 1);
    doorbell = gunyah_resource(GUNYAH_DOORBELL, 1);
    out = gunyah_resource(GUNYAH_MESSAGE_QUEUE_TX, 2);
    in = gunyah_resource(GUNYAH_MESSAGE_QUEUE_RX, 2);
    gic_init();
    gic_init_cpu();
    forget_old_flags();
    if (configure())
        return 3;
    gunyah_resource_enable_irq(&doorbell, on_doorbell, NULL);
    send_message();
    receive_message();
    ring();
    printf("rung\n");
    return 0;
}
