/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the resource manager gave this VM, as the `hypervisor` node of its device tree tells it.  Reading a tree is all
 * that happens here: no hypercall is made, and a guest that only takes interrupts needs none.
 */
#ifndef GUNYAH_RESOURCES_H
#define GUNYAH_RESOURCES_H

#include <gic.h>
#include <stdint.h>

#define GUNYAH_DOORBELL_SOURCE "qcom,gunyah-doorbell-source"
#define GUNYAH_DOORBELL "qcom,gunyah-doorbell"
#define GUNYAH_MESSAGE_QUEUE_TX "qcom,gunyah-message-queue-tx"
#define GUNYAH_MESSAGE_QUEUE_RX "qcom,gunyah-message-queue-rx"

struct gunyah_resource {
    uint64_t capability;
    uint32_t intid; /* of the virtual interrupt; 0: none is bound */
    enum gic_trigger trigger;
};

/* The resource of that kind and label.  Fatal if this VM has none: its machine file and its code disagree. */
struct gunyah_resource gunyah_resource(const char *kind, uint32_t label);

/* Sets the handler for a resource's virtual interrupt and enables it.  Fatal if it has none. */
void gunyah_resource_enable_irq(const struct gunyah_resource *resource, irq_handler handler, void *argument);

#endif
