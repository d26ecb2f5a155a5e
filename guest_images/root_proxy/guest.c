// SPDX-License-Identifier: BSD-3-Clause
// The VM that runs in its proxy scheduler's time.  Its console is a UART that does not exist: the root VM answers for it.

#include <exceptions.h>
#include <gic.h>
#include <gunyah/hypercalls.h>
#include <stdio.h>
#include <system.h>

#include "protocol.h"

static const struct letter *const letter = (const struct letter *)CHILD_IPA;
static volatile uint32_t rung, virtio_interrupts;
static volatile uint32_t read_by_handler;

// It makes an access of its own, as the one that it interrupted may have been about to get its answer.
static void on_doorbell(uint32_t intid, void *argument)
{
    gunyah_doorbell_receive(letter->doorbell, ~0ul);
    read_by_handler = mmio_read32(SCRATCH_BASE + 4);
    rung++;
}

static void on_virtio(uint32_t intid, void *argument)
{
    mmio_write32(VIRTIO_BASE + VIRTIO_INTERRUPT_ACK, mmio_read32(VIRTIO_BASE + VIRTIO_INTERRUPT_STATUS));
    virtio_interrupts++;
}

#define LOAD(instruction, address)                                                                      \
    ({                                                                                                  \
        uint64_t value_;                                                                                \
        __asm__ volatile(instruction : "=r"(value_) : "r"((uintptr_t)(address)) : "memory"); \
        value_;                                                                                         \
    })

static void show_widths(void)
{
    printf("ldrb  %lx\n", LOAD("ldrb %w0, [%1]", SCRATCH_BASE));
    printf("ldrsb %lx\n", LOAD("ldrsb %0, [%1]", SCRATCH_BASE));
    printf("ldrsh %lx\n", LOAD("ldrsh %w0, [%1]", SCRATCH_BASE));
    printf("ldrsw %lx\n", LOAD("ldrsw %0, [%1]", SCRATCH_BASE));
    printf("ldr   %lx\n", LOAD("ldr %0, [%1]", SCRATCH_BASE));
    mmio_write64(SCRATCH_BASE, 0x0123456789abcdef);
    printf("written, then read: %lx\n", LOAD("ldr %0, [%1]", SCRATCH_BASE));
}

static void use_virtio(void)
{
    printf("virtio: magic %x, ", mmio_read32(VIRTIO_BASE + VIRTIO_MAGIC_VALUE));
    mmio_write32(VIRTIO_BASE + VIRTIO_QUEUE_SEL, QUEUE);
    printf("queue %u takes %u\n", QUEUE, mmio_read32(VIRTIO_BASE + VIRTIO_QUEUE_NUM_MAX));
    mmio_write32(VIRTIO_BASE + VIRTIO_STATUS, VIRTIO_STATUS_DRIVER_OK);
    wait_until(virtio_interrupts == 1);
    mmio_write32(VIRTIO_BASE + VIRTIO_QUEUE_NOTIFY, QUEUE);
    wait_until(virtio_interrupts == 2);
    printf("virtio: the device answered, status %x\n", mmio_read32(VIRTIO_BASE + VIRTIO_STATUS));
}

int main(void)
{
    if (letter->life == 2) {
        write_sysreg(vbar_el1, SCRATCH_BASE + 0x100000000); // nothing is there
        isb();
        __asm__ volatile("brk #1");
    }
    gic_init();
    gic_init_cpu();
    irq_set_handler(DOORBELL_INTID, on_doorbell, 0);
    irq_set_handler(VIRTIO_INTID, on_virtio, 0);
    gic_enable_spi(DOORBELL_INTID, GIC_EDGE, GIC_PRIORITY_DEFAULT);
    gic_enable_spi(VIRTIO_INTID, GIC_EDGE, GIC_PRIORITY_DEFAULT);
    show_widths();
    use_virtio();

    mmio_write32(PHASE, PHASE_WAITS);
    wait_until(rung == 1); // the root VM rings when it sees the WFI
    printf("the doorbell ended the WFI\n");

    irq_enable(); // the root VM rings before it answers this read
    uint32_t value = mmio_read32(SCRATCH_BASE + 8);
    irq_disable();
    printf("read %x, in the handler %x, rung %u times\n", value, read_by_handler, rung);

    mmio_write32(PHASE, PHASE_LOOPS);
    irq_enable();
    while (rung < 3) // the root VM rings when the time is up that it gave
        __asm__ volatile("yield");
    irq_disable();
    printf("the doorbell ended the loop\n");
    return 0;
}
