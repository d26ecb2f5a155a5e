// SPDX-License-Identifier: BSD-3-Clause
// A proxy scheduler: it runs another VM's vCPU by vcpu_run, and answers everything that the vCPU cannot go on from.

#include <child.h>
#include <exceptions.h>
#include <gic.h>
#include <platform.h>
#include <root.h>
#include <stdio.h>
#include <system.h>

#include "protocol.h"

#define PHYSICAL_OFFSET 0x10000000ul // in the first free range
#define VMID 41
#define PAGE 0x1000ul

#define DOORBELL_RECEIVE 2ul
#define VCPU_RUN_WAKEUP 1
#define VIRTIO_QUEUES 2
#define VMMIO_ADD 0

#define PL011_DR 0x00
#define PL011_FR 0x18

enum {
    READY = 0,
    EXPECTS_WAKEUP = 1,
    POWERED_OFF = 2,
    BLOCKED = 3,
    VMMIO_READ = 4,
    VMMIO_WRITE = 5,
    FAULT = 6,
};

extern const char guest_elf[];
__asm__(".pushsection .rodata.guest_elf, \"a\"\n"
        ".balign 16\n"
        ".global guest_elf\n"
        "guest_elf: .incbin \"root_proxy/guest.elf\"\n"
        ".popsection");

static uint64_t doorbell, virtio, virtio_page;
static uint32_t *virtio_registers;
static uint64_t scratch[2] = {SCRATCH_VALUE, 0x5e5e5e5e};
static volatile uint32_t wakeups;
static uint64_t phase;
static uint64_t exits[FAULT + 1];

static void on_wakeup(uint32_t intid, void *argument)
{
    wakeups++;
}

static void on_notified(uint32_t intid, void *argument)
{
    struct gunyah_virtio_mmio_backend_get_notification_result notification =
        gunyah_virtio_mmio_backend_get_notification(virtio);
    root_check("virtio_mmio_backend_get_notification", notification.error);
    printf("[virtio: queues %lx, reason %lx]\n", notification.vqs_bitmap, notification.reason);
    root_check("virtio_mmio_backend_assert_virq", gunyah_virtio_mmio_backend_assert_virq(virtio, 1));
}

static void let_interrupts_in(void)
{
    irq_enable();
    irq_disable();
}

static void ring(void)
{
    root_check("doorbell_send", gunyah_doorbell_send(doorbell, 1).error);
}

// Only where the VM is known to wait for it: how often it waits otherwise is the scheduler's affair.
static void ring_in_phase(uint64_t awaited)
{
    if (phase == awaited) {
        printf("[%s]\n", phase == PHASE_WAITS ? "it waits" : "its time is up");
        phase = 0;
        ring();
    }
}

static void print_child_character(char character)
{
    static bool in_line;
    if (!in_line)
        printf("| ");
    putchar(character);
    in_line = character != '\n';
}

static uint64_t device_read(uint64_t ipa, uint64_t size)
{
    if (ipa - PL011_BASE < PAGE)
        return 0; // the transmit FIFO is not full
    if (ipa == SCRATCH_BASE + 8)
        ring(); // the VM takes the interrupt with this read behind it
    printf("[read %lu bytes at %lx]\n", size, ipa);
    const uint8_t *bytes = (const uint8_t *)scratch + (ipa - SCRATCH_BASE) % sizeof scratch;
    uint64_t value = 0;
    while (size--)
        value = value << 8 | bytes[size];
    return value;
}

static void device_write(uint64_t ipa, uint64_t size, uint64_t value)
{
    if (ipa == PL011_BASE + PL011_DR)
        print_child_character((char)value);
    if (ipa - PL011_BASE < PAGE)
        return;
    if (ipa == PHASE) {
        phase = value;
        return;
    }
    printf("[write %lu bytes at %lx: %lx]\n", size, ipa, value);
    scratch[(ipa - SCRATCH_BASE) / sizeof scratch[0] % 2] = value;
}

// Runs the vCPU until it is off or has faulted; the state in which it ended.
static uint64_t run(uint64_t vcpu)
{
    uint64_t answer = 0;
    for (;;) {
        uint32_t before = wakeups;
        struct gunyah_vcpu_run_result exit = gunyah_vcpu_run(vcpu, answer, 0, 0);
        root_check("vcpu_run", exit.error);
        if (exit.vcpu_state > FAULT)
            fatal("vcpu_run: state %lx", exit.vcpu_state);
        exits[exit.vcpu_state]++;
        switch (exit.vcpu_state) {
        case READY: // the time is up, or an interrupt is here for us
            let_interrupts_in();
            ring_in_phase(PHASE_LOOPS);
            break;
        case EXPECTS_WAKEUP:
            ring_in_phase(PHASE_WAITS);
            wait_until(wakeups != before);
            break;
        case VMMIO_READ:
            answer = device_read(exit.state_data_0, exit.state_data_1);
            break;
        case VMMIO_WRITE:
            device_write(exit.state_data_0, exit.state_data_1, exit.state_data_2);
            break;
        default:
            printf("[ended: state %lu, %lx]\n", exit.vcpu_state, exit.state_data_0);
            return exit.vcpu_state;
        }
    }
}

static void make_virtio(const struct child *child)
{
    uint64_t physical = child->physical + child->size;
    virtio_page = root_make_extent(physical, PAGE, EXTENT_ATTRIBUTES(ACCESS_RW));
    struct gunyah_partition_create_virtio_mmio_result created =
        gunyah_partition_create_virtio_mmio(root.partition, root.cspace);
    root_check("partition_create_virtio_mmio", created.error);
    virtio = created.new_cap;
    root_check("virtio_mmio_configure", gunyah_virtio_mmio_configure(virtio, virtio_page, VIRTIO_QUEUES, 0, 0));
    root_check("object_activate", gunyah_object_activate(virtio));
    root_check("addrspace_map",
               gunyah_addrspace_map(root.addrspace, virtio_page, physical, MAP_NORMAL(ACCESS_RW), 0, 0, 0));
    root_check("addrspace_map",
               gunyah_addrspace_map(child->addrspace, virtio_page, VIRTIO_BASE, MAP_NORMAL(ACCESS_R), 0, 0, 0));
    root_check("virtio_mmio_frontend_bind_virq",
               gunyah_virtio_mmio_frontend_bind_virq(virtio, root.vic, NOTIFIED_INTID));
    root_check("virtio_mmio_backend_bind_virq",
               gunyah_virtio_mmio_backend_bind_virq(virtio, child->vic, VIRTIO_INTID));
    root_check("virtio_mmio_backend_set_queue_num_max",
               gunyah_virtio_mmio_backend_set_queue_num_max(virtio, QUEUE, QUEUE_SIZE));
    virtio_registers = (uint32_t *)physical;
    virtio_registers[VIRTIO_MAGIC_VALUE / 4] = VIRTIO_MAGIC;
}

static void write_letter(const struct child *child, uint64_t life)
{
    static struct letter letter;
    if (!letter.doorbell)
        letter.doorbell = child_give(child, doorbell, DOORBELL_RECEIVE);
    letter.life = life;
    child_write(child, CHILD_IPA, &letter, sizeof letter);
}

int main(void)
{
    uint64_t base, size;
    if (!root_free_range(0, &base, &size))
        fatal("no free range");
    gic_init();
    gic_init_cpu();
    irq_set_handler(WAKEUP_INTID, on_wakeup, 0);
    irq_set_handler(NOTIFIED_INTID, on_notified, 0);
    gic_enable_spi(WAKEUP_INTID, GIC_EDGE, GIC_PRIORITY_DEFAULT);
    gic_enable_spi(NOTIFIED_INTID, GIC_LEVEL, GIC_PRIORITY_DEFAULT);

    struct child child = {.vmid = VMID, .vcpus = 1, .proxied = true, .ipa = CHILD_IPA, .size = CHILD_SIZE};
    child.physical = base + PHYSICAL_OFFSET;
    child_create(&child);
    doorbell = root_make_doorbell();
    root_check("doorbell_bind_virq", gunyah_doorbell_bind_virq(doorbell, child.vic, DOORBELL_INTID));
    make_virtio(&child);
    root_check("addrspace_configure_vmmio",
               gunyah_addrspace_configure_vmmio(child.addrspace, PL011_BASE, PAGE, VMMIO_ADD));
    root_check("addrspace_configure_vmmio",
               gunyah_addrspace_configure_vmmio(child.addrspace, SCRATCH_BASE, SCRATCH_SIZE, VMMIO_ADD));
    root_check("vcpu_bind_virq", gunyah_vcpu_bind_virq(child.vcpu[0], root.vic, WAKEUP_INTID, VCPU_RUN_WAKEUP));

    uintptr_t entry = child_load(&child, guest_elf);
    for (uint64_t life = 1; life <= 2; life++) {
        printf("life %lu\n", life);
        write_letter(&child, life);
        child_start(&child, 0, entry, CHILD_IPA);
        run(child.vcpu[0]);
    }
    printf("exits: %lu reads, %lu writes\n", exits[VMMIO_READ], exits[VMMIO_WRITE]);
    root_check("vcpu_kill", gunyah_vcpu_kill(child.vcpu[0]));
    run(child.vcpu[0]);
    root_delete(virtio);
    root_delete(virtio_page);
    root_delete(doorbell);
    child_destroy(&child);
    return 0;
}
