/* SPDX-License-Identifier: BSD-3-Clause */
/* What the root VM and the VM that it makes agree on. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdint.h>

/* The VM's memory.  Its image is linked one MiB up; the first page is the root VM's letter to it. */
#define CHILD_IPA 0x40000000ul
#define CHILD_SIZE 0x200000ul

struct letter {
    uint64_t doorbell; /* capabilities, in the VM's cspace */
    uint64_t requests;
    uint64_t answers;
};

#define DOORBELL_INTID 40 /* in the VM */
#define REQUESTS_INTID 41
#define ANSWERS_INTID 42 /* in the root VM */

#define RING_FLAGS 0x5
#define MAX_MESSAGE 96
#define QUEUE_DEPTH 4
#define QUEUE_PUSH 1

#endif
