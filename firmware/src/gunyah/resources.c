// SPDX-License-Identifier: BSD-3-Clause

#include <device_tree.h>
#include <exceptions.h>
#include <gunyah/resources.h>
#include <platform.h>

#define GIC_SPI 0              // first cell of an interrupt specifier
#define IRQ_TYPE_EDGE_RISING 1 // third cell

struct gunyah_resource gunyah_resource(const char *kind, uint32_t label)
{
    struct gunyah_resource resource = {0};
    struct fdt_property property;
    fdt_node node = FDT_NONE;
    do {
        node = fdt_find(&device_tree, node, "compatible", kind);
        if (node == FDT_NONE)
            fatal("the device tree has no %s with label %u", kind, label);
    } while (!fdt_get(&device_tree, node, "qcom,label", &property) || fdt_cell(&property, 0) != label);

    if (fdt_get(&device_tree, node, "reg", &property))
        resource.capability = fdt_cell_pair(&property, 0);
    if (fdt_get(&device_tree, node, "interrupts", &property) && fdt_cell(&property, 0) == GIC_SPI) {
        resource.intid = INTID_SPI(fdt_cell(&property, 1));
        resource.trigger = fdt_cell(&property, 2) == IRQ_TYPE_EDGE_RISING ? GIC_EDGE : GIC_LEVEL;
    }
    return resource;
}

void gunyah_resource_enable_irq(const struct gunyah_resource *resource, irq_handler handler, void *argument)
{
    if (!resource->intid)
        fatal("capability 0x%lx has no virtual interrupt", resource->capability);
    irq_set_handler(resource->intid, handler, argument);
    gic_enable_spi(resource->intid, resource->trigger, GIC_PRIORITY_DEFAULT);
}
