/* SPDX-License-Identifier: BSD-3-Clause */
/* What the bits of this doorbell mean to its four VMs. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#define DOORBELL_LABEL 1

#define FLAG_WORK 0x1ul   /* interrupts; the receiver clears it */
#define FLAG_TICK 0x10ul  /* interrupts, and is cleared by doing so */
#define FLAG_NOTE 0x100ul /* waits until the receiver looks */

#endif
