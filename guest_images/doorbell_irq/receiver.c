// SPDX-License-Identifier: BSD-3-Clause
// A doorbell as a plain interrupt.  Nothing here knows of a hypervisor: the device tree names an SPI, the GIC delivers
// it, the handler ends it.  No hypercall is made, and none is in this file's ELF.

#include <gic.h>
#include <gunyah/resources.h>
#include <stdio.h>
#include <system.h>

#define RINGS 3

static volatile uint32_t edges, levels;

static void on_edge(uint32_t intid, void *argument)
{
    printf("SPI %u (INTID %u) taken, edge\n", intid - 32, intid);
    edges++;
}

// A level doorbell stays high until somebody clears its flags.  That takes a hypercall, so this VM disables the SPI.
static void on_level(uint32_t intid, void *argument)
{
    gic_disable(intid);
    printf("SPI %u (INTID %u) taken, level\n", intid - 32, intid);
    levels++;
}

int main(void)
{
    struct gunyah_resource edge = gunyah_resource(GUNYAH_DOORBELL, 1);
    struct gunyah_resource level = gunyah_resource(GUNYAH_DOORBELL, 2);
    gic_init();
    gic_init_cpu();
    gunyah_resource_enable_irq(&edge, on_edge, NULL);
    gunyah_resource_enable_irq(&level, on_level, NULL);
    wait_until(edges == RINGS && levels == 1);
    printf("SPI %u is %s\n", level.intid - 32, gic_is_pending(level.intid) ? "still pending" : "idle");
    return 0;
}
