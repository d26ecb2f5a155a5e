/* SPDX-License-Identifier: BSD-3-Clause */
/* What the proxy scheduler and the VM that it runs agree on. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdint.h>

/* The VM's memory.  Its image is linked one MiB up; the first page is the root VM's letter to it. */
#define CHILD_IPA 0x40000000ul
#define CHILD_SIZE 0x200000ul

struct letter {
    uint64_t doorbell; /* a capability, in the VM's cspace */
    uint64_t life;     /* 1: it works; 2: it faults */
};

/* Registers that the root VM emulates: each access is an exit. */
#define SCRATCH_BASE 0x0a000000ul
#define SCRATCH_SIZE 0x100ul
#define SCRATCH_VALUE 0xf1e2d3c4b5a69788ul

/* One of them: what the VM is about to do until it is rung. */
#define PHASE (SCRATCH_BASE + 0x10)
#define PHASE_WAITS 1
#define PHASE_LOOPS 2

/* A virtio-mmio device: the page is plain memory to read, and what is written to it is an exit to the hypervisor. */
#define VIRTIO_BASE 0x0a100000ul
#define VIRTIO_MAGIC 0x74726976u /* "virt" */
#define VIRTIO_MAGIC_VALUE 0x000
#define VIRTIO_QUEUE_SEL 0x030
#define VIRTIO_QUEUE_NUM_MAX 0x034
#define VIRTIO_QUEUE_NOTIFY 0x050
#define VIRTIO_INTERRUPT_STATUS 0x060
#define VIRTIO_INTERRUPT_ACK 0x064
#define VIRTIO_STATUS 0x070
#define VIRTIO_STATUS_DRIVER_OK 4
#define QUEUE 1
#define QUEUE_SIZE 64

/* Virtual interrupts: in the VM, and in the root VM. */
#define DOORBELL_INTID 40
#define VIRTIO_INTID 41
#define WAKEUP_INTID 42
#define NOTIFIED_INTID 43

#endif
