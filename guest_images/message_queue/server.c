// SPDX-License-Identifier: BSD-3-Clause
// Answers each request.  It sleeps at first, so that the queue of requests fills.

#include <stdio.h>
#include <timer.h>

#include "protocol.h"
#include "queue.h"

int main(void)
{
    static struct queue requests, answers;
    char request[MAX_MESSAGE], answer[MAX_MESSAGE];
    gic_init();
    gic_init_cpu();
    sleep_us(1000);
    queue_open(&requests, GUNYAH_MESSAGE_QUEUE_RX, REQUESTS);
    queue_open(&answers, GUNYAH_MESSAGE_QUEUE_TX, ANSWERS);
    for (int n = 0; n < MESSAGES; n++) {
        uint64_t size = queue_receive(&requests, request, sizeof request);
        printf("%s, %lu bytes\n", request, size);
        int length = snprintf(answer, sizeof answer, "answer to %s", request);
        queue_send(&answers, answer, (uint64_t)length + 1);
    }
    return 0;
}
