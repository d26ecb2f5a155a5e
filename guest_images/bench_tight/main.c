// SPDX-License-Identifier: BSD-3-Clause
// A loop of five instructions with a load and a store: the speed of translated code itself.  MMU is 0 or 1.

#include <device_tree.h>
#include <mmu.h>
#include <stdio.h>

#define DEFAULT_ROUNDS 500000000ul /* 2.5 G instructions */

static uint64_t counter;

int main(void)
{
    const uint64_t rounds = bootargs_number("rounds", DEFAULT_ROUNDS);
    uint64_t left = rounds, value;
    if (MMU)
        mmu_enable();
    // Written out: what is measured must not depend on the compiler.
    __asm__ volatile("0: ldr %1, [%2]\n\t"
                     "   add %1, %1, #1\n\t"
                     "   str %1, [%2]\n\t"
                     "   subs %0, %0, #1\n\t"
                     "   b.ne 0b"
                     : "+r"(left), "=&r"(value)
                     : "r"(&counter)
                     : "memory", "cc");
    printf("rounds %lu\n", rounds);
    return counter == rounds ? 0 : 1;
}
