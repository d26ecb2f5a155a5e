// SPDX-License-Identifier: BSD-3-Clause
// A root VM that makes another VM by hypercalls alone, rings it, listens to it, kills it, and leaves no trace.

#include <child.h>
#include <exceptions.h>
#include <gic.h>
#include <platform.h>
#include <root.h>
#include <stdio.h>
#include <string.h>
#include <system.h>

#include "protocol.h"

#define DOORBELL_SEND 1ul
#define DOORBELL_RECEIVE 2ul
#define QUEUE_SEND 1ul
#define QUEUE_RECEIVE 2ul

#define PHYSICAL_OFFSET 0x10000000ul // in the first free range
#define VMID 40

extern const char guest_elf[];
__asm__(".pushsection .rodata.guest_elf, \"a\"\n"
        ".balign 16\n"
        ".global guest_elf\n"
        "guest_elf: .incbin \"root_vm/guest.elf\"\n"
        ".popsection");

static uint64_t doorbell, requests, answers;
static volatile uint32_t answered;

static void on_answer(uint32_t intid, void *argument)
{
    answered++;
}

static void print_answer(void)
{
    static char text[MAX_MESSAGE];
    struct gunyah_msgqueue_receive_result received;
    while ((received = gunyah_msgqueue_receive(answers, (uintptr_t)text, sizeof text)).error ==
           GUNYAH_ERROR_MSGQUEUE_EMPTY) {
        uint32_t before = answered;
        wait_until(answered != before);
    }
    root_check("msgqueue_receive", received.error);
    printf("  answer: %s\n", text);
}

static void connect(const struct child *child)
{
    doorbell = root_make_doorbell();
    requests = root_make_queue(QUEUE_DEPTH, MAX_MESSAGE);
    answers = root_make_queue(QUEUE_DEPTH, MAX_MESSAGE);
    root_check("doorbell_bind_virq", gunyah_doorbell_bind_virq(doorbell, child->vic, DOORBELL_INTID));
    root_check("msgqueue_bind_receive_virq", gunyah_msgqueue_bind_receive_virq(requests, child->vic, REQUESTS_INTID));
    root_check("msgqueue_bind_receive_virq", gunyah_msgqueue_bind_receive_virq(answers, root.vic, ANSWERS_INTID));
    gic_enable_spi(ANSWERS_INTID, GIC_EDGE, GIC_PRIORITY_DEFAULT);

    const struct letter letter = {
        .doorbell = child_give(child, doorbell, DOORBELL_RECEIVE),
        .requests = child_give(child, requests, QUEUE_RECEIVE),
        .answers = child_give(child, answers, QUEUE_SEND),
    };
    child_write(child, CHILD_IPA, &letter, sizeof letter);
}

// Whether the VM's memory can be had: 0 when nobody else owns it.
static gunyah_error_t try_memory(const struct child *child)
{
    uint64_t extent = gunyah_partition_create_memextent(root.partition, root.cspace).new_cap;
    root_check("memextent_configure",
               gunyah_memextent_configure(extent, child->physical, child->size, EXTENT_ATTRIBUTES(ACCESS_RWX)));
    gunyah_error_t error = gunyah_object_activate(extent);
    root_delete(extent);
    return error;
}

static void run(struct child *child)
{
    child_create(child);
    root_check("addrspace_map", gunyah_addrspace_map(child->addrspace, root_number("uart_me_capid"), PL011_BASE,
                                                     MAP_DEVICE(ACCESS_RW), 0, 0, 0));
    connect(child);
    printf("made a VM: memory 0x%lx bytes at 0x%lx, of another owner now: error %d\n", child->size, child->ipa,
           try_memory(child));
    child_start(child, 0, child_load(child, guest_elf), CHILD_IPA);
    print_answer();
    struct gunyah_vpm_group_get_state_result state = gunyah_vpm_group_get_state(child->vpm_group);
    root_check("vpm_group_get_state", state.error);
    printf("its power state is %lu\n", state.vpm_state);

    root_check("doorbell_send", gunyah_doorbell_send(doorbell, RING_FLAGS).error);
    print_answer();
    static const char request[] = "what is your name?";
    root_check("msgqueue_send", gunyah_msgqueue_send(requests, sizeof request, (uintptr_t)request, QUEUE_PUSH).error);
    print_answer();

    child_destroy(child);
    root_delete(doorbell);
    root_delete(requests);
    root_delete(answers);
    gic_disable(ANSWERS_INTID);
}

int main(void)
{
    uint64_t base, size;
    printf("root VM: environment at %p, heap of 0x%lx bytes at 0x%lx\n", (const void *)root.environment,
           root.environment->app_heap_size, root.environment->app_heap_ipa);
    for (uint32_t n = 0; root_free_range(n, &base, &size); n++)
        printf("free: 0x%lx bytes at 0x%lx\n", size, base);
    printf("partition_create_partition: %d, so there is one partition\n",
           gunyah_partition_create_partition(root.partition, root.cspace).error);
    gic_init();
    gic_init_cpu();
    irq_set_handler(ANSWERS_INTID, on_answer, 0);

    struct child child = {.vmid = VMID, .vcpus = 2, .ipa = CHILD_IPA, .size = CHILD_SIZE};
    if (!root_free_range(0, &base, &size))
        fatal("no free range");
    child.physical = base + PHYSICAL_OFFSET;
    for (int round = 1; round <= 2; round++) {
        printf("round %d\n", round);
        run(&child);
        printf("killed it; its memory is free: error %d\n", try_memory(&child));
    }
    return 0;
}
