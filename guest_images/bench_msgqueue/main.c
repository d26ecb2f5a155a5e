// SPDX-License-Identifier: BSD-3-Clause
// One VM sends itself messages of 64 bytes and receives each.

#include <device_tree.h>
#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_ROUNDS 300000ul
#define MESSAGE_SIZE 64

int main(void)
{
    const uint64_t rounds = bootargs_number("rounds", DEFAULT_ROUNDS);
    uint64_t queue = gunyah_resource(GUNYAH_MESSAGE_QUEUE_TX, 1).capability;
    uint64_t same_queue = gunyah_resource(GUNYAH_MESSAGE_QUEUE_RX, 1).capability;
    static uint64_t sent[MESSAGE_SIZE / 8], received[MESSAGE_SIZE / 8];
    uint64_t lost = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        sent[0] = round;
        gunyah_msgqueue_send(queue, MESSAGE_SIZE, (uintptr_t)sent, 0);
        uint64_t size = gunyah_msgqueue_receive(same_queue, (uintptr_t)received, MESSAGE_SIZE).size;
        lost += size != MESSAGE_SIZE || received[0] != round;
    }
    printf("rounds %lu\n", rounds);
    return lost ? 1 : 0;
}
