/* SPDX-License-Identifier: BSD-3-Clause */
/* PSCI (Arm DEN 0022): power of this VM and its CPUs. */
#ifndef PSCI_H
#define PSCI_H

#include <stdint.h>

enum {
    PSCI_VERSION = 0x84000000,
    PSCI_CPU_OFF = 0x84000002,
    PSCI_CPU_ON = 0xc4000003,
    PSCI_AFFINITY_INFO = 0xc4000004,
    PSCI_SYSTEM_OFF = 0x84000008,
    PSCI_SYSTEM_RESET = 0x84000009,
    PSCI_FEATURES = 0x8400000a,
};

enum {
    PSCI_SUCCESS = 0,
    PSCI_NOT_SUPPORTED = -1,
    PSCI_INVALID_PARAMETERS = -2,
    PSCI_DENIED = -3,
    PSCI_ALREADY_ON = -4,
    PSCI_ON_PENDING = -5,
    PSCI_INTERNAL_FAILURE = -6,
};

/* What AFFINITY_INFO answers. */
enum { AFFINITY_ON = 0, AFFINITY_OFF = 1, AFFINITY_ON_PENDING = 2 };

/* By the conduit that the device tree names, HVC where it names none.  PSCI errors are 32-bit, so is the result. */
int32_t psci_call(uint32_t function, uint64_t x1, uint64_t x2, uint64_t x3);

int32_t psci_cpu_on(uint64_t mpidr, uintptr_t entry, uint64_t context);
int32_t psci_affinity_info(uint64_t mpidr);
int32_t psci_cpu_off(void); /* returns only when it failed */
_Noreturn void psci_system_off(void);

#endif
