// SPDX-License-Identifier: BSD-3-Clause
// The VM that the root VM makes.  It turns on its second CPU, waits for its doorbell, and answers by message queue.

#include <exceptions.h>
#include <gic.h>
#include <gunyah/hypercalls.h>
#include <psci.h>
#include <smp.h>
#include <stdio.h>
#include <string.h>
#include <system.h>

#include "protocol.h"

#define SECOND_CPU_SGI 1

static const struct letter *const letter = (const struct letter *)CHILD_IPA;
static volatile uint32_t second_cpu_runs, requests;
static volatile uint64_t second_mpidr, rung;

static void on_doorbell(uint32_t intid, void *argument)
{
    rung = gunyah_doorbell_receive(letter->doorbell, ~0ul).old_flags;
}

static void on_request(uint32_t intid, void *argument)
{
    requests++;
}

static void on_second_cpu(uint32_t intid, void *argument)
{
    second_cpu_runs = 1;
}

static void second_cpu(void *argument)
{
    gic_init_cpu();
    second_mpidr = read_sysreg(mpidr_el1);
    gic_send_sgi(SECOND_CPU_SGI, cpu_mpidr(0));
    for (;;)
        wfi();
}

static void answer(const char *text)
{
    gunyah_error_t error =
        gunyah_msgqueue_send(letter->answers, strlen(text) + 1, (uintptr_t)text, QUEUE_PUSH).error;
    if (error)
        fatal("msgqueue_send: error %d", error);
}

int main(void)
{
    static char request[MAX_MESSAGE], text[MAX_MESSAGE];
    gic_init();
    gic_init_cpu();
    irq_set_handler(DOORBELL_INTID, on_doorbell, 0);
    irq_set_handler(REQUESTS_INTID, on_request, 0);
    gic_enable_spi(DOORBELL_INTID, GIC_EDGE, GIC_PRIORITY_DEFAULT);
    gic_enable_spi(REQUESTS_INTID, GIC_EDGE, GIC_PRIORITY_DEFAULT);

    irq_set_handler(SECOND_CPU_SGI, on_second_cpu, 0);
    gic_enable_private(SECOND_CPU_SGI, GIC_PRIORITY_DEFAULT);
    int32_t error = cpu_on(1, second_cpu, 0);
    if (error)
        fatal("CPU_ON: %d", error);
    wait_until(second_cpu_runs);
    snprintf(text, sizeof text, "CPUs 0x%lx and 0x%lx run", read_sysreg(mpidr_el1), second_mpidr);
    answer(text);

    wait_until(rung);
    snprintf(text, sizeof text, "the doorbell rang with flags 0x%lx", rung);
    answer(text);

    wait_until(requests);
    error = gunyah_msgqueue_receive(letter->requests, (uintptr_t)request, sizeof request).error;
    if (error)
        fatal("msgqueue_receive: error %d", error);
    printf("  (the VM prints: %s)\n", request);
    snprintf(text, sizeof text, "the request was '%s'", request);
    answer(text);
    for (;;) // until the root VM has had enough
        wfi();
}
