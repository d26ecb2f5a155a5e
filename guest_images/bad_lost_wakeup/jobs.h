/* SPDX-License-Identifier: BSD-3-Clause */
/* What the sender asks of the receiver: a flag of the doorbell for each job. */
#ifndef JOBS_H
#define JOBS_H

#define DOORBELL_LABEL 1
#define JOBS 3
#define ALL_JOBS ((1ul << JOBS) - 1)

#endif
