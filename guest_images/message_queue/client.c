// SPDX-License-Identifier: BSD-3-Clause
// Sends more requests than the queue holds, then reads the answers.

#include <stdio.h>
#include <string.h>

#include "protocol.h"
#include "queue.h"

int main(void)
{
    static struct queue requests, answers;
    char message[MAX_MESSAGE];
    uint32_t waits = 0;
    gic_init();
    gic_init_cpu();
    queue_open(&requests, GUNYAH_MESSAGE_QUEUE_TX, REQUESTS);
    queue_open(&answers, GUNYAH_MESSAGE_QUEUE_RX, ANSWERS);

    for (int n = 1; n <= MESSAGES; n++) {
        int length = snprintf(message, sizeof message, "request %d", n);
        waits += queue_send(&requests, message, (uint64_t)length + 1);
    }
    printf("sent %d requests, the queue was %s\n", MESSAGES, waits ? "full at times" : "never full");
    for (int n = 1; n <= MESSAGES; n++) {
        queue_receive(&answers, message, sizeof message);
        printf("%s\n", message);
    }
    return 0;
}
