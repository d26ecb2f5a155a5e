// SPDX-License-Identifier: BSD-3-Clause
// Prints 100 MB.

#include <stdint.h>
#include <stdio.h>

#define BYTES 100000000u

int main(void)
{
    static const char line[] = "sixty-three characters of nothing at all, again and again, so..";
    for (uint32_t printed = 0; printed < BYTES; printed += sizeof line)
        puts(line);
    return 0;
}
