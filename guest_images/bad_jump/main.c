// SPDX-License-Identifier: BSD-3-Clause
// Jumps to an address where there is nothing, with the MMU off.

#include <stdint.h>

#define NOWHERE 0x70000000ul

int main(void)
{
    ((void (*)(void))NOWHERE)();
    return 0;
}
