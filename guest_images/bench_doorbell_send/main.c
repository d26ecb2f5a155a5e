// SPDX-License-Identifier: BSD-3-Clause
// Sends to a doorbell that raises no interrupt.

#include <device_tree.h>
#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <stdio.h>

#define DEFAULT_ROUNDS 1000000ul

int main(void)
{
    const uint64_t rounds = bootargs_number("rounds", DEFAULT_ROUNDS);
    struct gunyah_resource doorbell = gunyah_resource(GUNYAH_DOORBELL_SOURCE, 1);
    uint64_t failed = 0;
    for (uint64_t round = 0; round < rounds; round++)
        failed |= (uint64_t)gunyah_doorbell_send(doorbell.capability, 1).error;
    printf("rounds %lu\n", rounds);
    return failed ? 1 : 0;
}
