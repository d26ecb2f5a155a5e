/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocking send and receive on Gunyah's message queues, which never block themselves: a full queue is waited for by the
 * interrupt of its sending end, an empty one by that of its receiving end.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <exceptions.h>
#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <system.h>

#define PUSH 1 /* interrupt the receiver now, whatever its threshold */

struct queue {
    uint64_t capability;
    volatile uint32_t interrupts;
};

static void queue_on_interrupt(uint32_t intid, void *argument)
{
    ((struct queue *)argument)->interrupts++;
}

static inline void queue_open(struct queue *queue, const char *kind, uint32_t label)
{
    struct gunyah_resource resource = gunyah_resource(kind, label);
    queue->capability = resource.capability;
    gunyah_resource_enable_irq(&resource, queue_on_interrupt, queue);
}

/* Returns how often the queue was full. */
static inline uint32_t queue_send(struct queue *queue, const void *message, uint64_t size)
{
    for (uint32_t waits = 0;; waits++) {
        // Counted before the attempt: an interrupt between the two ends the wait at once.
        uint32_t before = queue->interrupts;
        gunyah_error_t error = gunyah_msgqueue_send(queue->capability, size, (uintptr_t)message, PUSH).error;
        if (error == GUNYAH_OK)
            return waits;
        if (error != GUNYAH_ERROR_MSGQUEUE_FULL)
            fatal("msgqueue_send: error %d", error);
        wait_until(queue->interrupts != before);
    }
}

/* Returns the size of the message. */
static inline uint64_t queue_receive(struct queue *queue, void *buffer, uint64_t size)
{
    for (;;) {
        uint32_t before = queue->interrupts;
        struct gunyah_msgqueue_receive_result received =
            gunyah_msgqueue_receive(queue->capability, (uintptr_t)buffer, size);
        if (received.error == GUNYAH_OK)
            return received.size;
        if (received.error != GUNYAH_ERROR_MSGQUEUE_EMPTY)
            fatal("msgqueue_receive: error %d", received.error);
        wait_until(queue->interrupts != before);
    }
}

#endif
