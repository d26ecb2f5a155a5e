/* SPDX-License-Identifier: BSD-3-Clause */
/* GICv3 (Arm IHI 0069), one security state, group 1, system register interface. */
#ifndef GIC_H
#define GIC_H

#include <stdbool.h>
#include <stdint.h>

enum gic_trigger { GIC_LEVEL, GIC_EDGE };

#define GIC_PRIORITY_DEFAULT 0xa0
#define GIC_MAX_HANDLERS 16

/* The distributor; once, by the first CPU.  Then gic_init_cpu() by every CPU, the first one too. */
void gic_init(void);
void gic_init_cpu(void);

/* A handler is called at the vector, between acknowledge and end of interrupt, with IRQs masked. */
typedef void (*irq_handler)(uint32_t intid, void *argument);
void irq_set_handler(uint32_t intid, irq_handler handler, void *argument);

/* An SPI goes to the CPU that enables it.  SGIs and PPIs are those of the calling CPU, and keep their trigger. */
void gic_enable_spi(uint32_t intid, enum gic_trigger trigger, uint8_t priority);
void gic_enable_private(uint32_t intid, uint8_t priority);
void gic_disable(uint32_t intid);
bool gic_is_pending(uint32_t intid);

/* Raises SGI 0..15 on the CPU with that affinity. */
void gic_send_sgi(uint32_t sgi, uint64_t mpidr);

#endif
