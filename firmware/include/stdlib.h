/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STDLIB_H
#define STDLIB_H

#include <stddef.h>

/* Ends the VM: status 0 by PSCI SYSTEM_OFF, any other by semihosting. */
_Noreturn void exit(int status);

void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *));

#endif
