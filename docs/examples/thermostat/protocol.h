/* SPDX-License-Identifier: BSD-3-Clause */
/* What the three guests of the thermostat agree on. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#define READINGS_QUEUE 1 /* sensor to controller */
#define FAN_DOORBELL 2   /* controller to fan */
#define FAN_FULL 0x1ul   /* flags of the doorbell */
#define FAN_OFF 0x2ul
#define TOO_HOT 60       /* degrees */

#endif
