// SPDX-License-Identifier: BSD-3-Clause
// Loops for ever: only a budget ends it.

int main(void)
{
    for (;;)
        __asm__ volatile("");
}
