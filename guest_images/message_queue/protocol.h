/* SPDX-License-Identifier: BSD-3-Clause */
/* Which queue is which: a VM sends on one and receives on the other. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#define REQUESTS 1
#define ANSWERS 2
#define MESSAGES 10
#define MAX_MESSAGE 64

#endif
