// SPDX-License-Identifier: BSD-3-Clause
// The smallest guest: what main() returns is the exit status of the run.

#include <stdio.h>

int main(void)
{
    printf("Hello from EL1\n");
    return 0;
}
