// SPDX-License-Identifier: BSD-3-Clause
// What compiled C does: SHA-256, qsort and memcpy.  MMU is 0 or 1.

#include "sha256.h"

#include <device_tree.h>
#include <mmu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ROUNDS 1000ul /* 4.9 G instructions */
#define MESSAGE_SIZE 0x8000
#define NUMBERS 4096
#define COPIES 16

static uint8_t message[MESSAGE_SIZE], copy[MESSAGE_SIZE];
static uint32_t numbers[NUMBERS];

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

// Fills the array with the same numbers each time, sorts it, and says whether it is sorted.
static bool sort_numbers(void)
{
    uint32_t number = 1;
    for (uint32_t n = 0; n < NUMBERS; n++)
        numbers[n] = number = number * 1664525 + 1013904223;
    qsort(numbers, NUMBERS, sizeof *numbers, compare);
    for (uint32_t n = 1; n < NUMBERS; n++)
        if (numbers[n - 1] > numbers[n])
            return false;
    return true;
}

// Moves the message to and fro; it must arrive unchanged.
static bool copy_message(void)
{
    for (uint32_t n = 0; n < COPIES; n++) {
        memcpy(copy, message, sizeof message);
        memcpy(message, copy, sizeof message);
    }
    return memcmp(copy, message, sizeof message) == 0;
}

int main(void)
{
    // The digest of "abc", FIPS 180-4's own example.
    static const uint32_t abc[] = {0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
                                   0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad};
    const uint64_t rounds = bootargs_number("rounds", DEFAULT_ROUNDS);
    uint32_t digest[8];
    if (MMU)
        mmu_enable();
    sha256(digest, "abc", 3);
    bool right = memcmp(digest, abc, sizeof abc) == 0;
    for (uint64_t round = 0; round < rounds; round++) {
        sha256(digest, message, sizeof message);
        memcpy(message, digest, sizeof digest);
        right = sort_numbers() && copy_message() && right;
    }
    printf("rounds %lu\n", rounds);
    return right ? 0 : 1;
}
