// SPDX-License-Identifier: BSD-3-Clause
// The cheapest hypercall: it takes nothing and looks nothing up.

#include <device_tree.h>
#include <gunyah/hypercalls.h>
#include <stdio.h>

#define DEFAULT_ROUNDS 1000000ul
#define API_VERSION_MASK 0x3ffful

int main(void)
{
    const uint64_t rounds = bootargs_number("rounds", DEFAULT_ROUNDS);
    uint64_t versions = 0;
    for (uint64_t round = 0; round < rounds; round++)
        versions += gunyah_hypervisor_identify().hyp_api_info & API_VERSION_MASK;
    printf("rounds %lu\n", rounds);
    return versions == rounds ? 0 : 1; // version 1 each time
}
