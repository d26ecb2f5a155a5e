// SPDX-License-Identifier: BSD-3-Clause

#include <device_tree.h>
#include <psci.h>
#include <stdbool.h>
#include <string.h>
#include <system.h>

static bool conduit_is_smc;

void psci_init(void)
{
    struct fdt_property method;
    conduit_is_smc = fdt_get(&device_tree, fdt_find_top(&device_tree, "psci"), "method", &method) &&
                     method.size == sizeof "smc" && memcmp(method.value, "smc", sizeof "smc") == 0;
}

int32_t psci_call(uint32_t function, uint64_t x1_, uint64_t x2_, uint64_t x3_)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = x1_;
    register uint64_t x2 __asm__("x2") = x2_;
    register uint64_t x3 __asm__("x3") = x3_;
#define CLOBBERED "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory"
    if (conduit_is_smc)
        __asm__ volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::CLOBBERED);
    else
        __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::CLOBBERED);
    return (int32_t)x0;
}

int32_t psci_cpu_on(uint64_t mpidr, uintptr_t entry, uint64_t context)
{
    return psci_call(PSCI_CPU_ON, mpidr, entry, context);
}

int32_t psci_affinity_info(uint64_t mpidr)
{
    return psci_call(PSCI_AFFINITY_INFO, mpidr, 0, 0);
}

int32_t psci_cpu_off(void)
{
    return psci_call(PSCI_CPU_OFF, 0, 0, 0);
}

void psci_system_off(void)
{
    psci_call(PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;) // a VM without PSCI can only stop
        wfi();
}
