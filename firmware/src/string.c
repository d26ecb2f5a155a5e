// SPDX-License-Identifier: BSD-3-Clause
// The compiler may call these for a copy or an assignment, so they must not be compiled into calls of themselves:
// tools/build_guests.py gives this file -fno-builtin.

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WORD sizeof(uint64_t)

// Words may alias whatever the caller's objects are.
typedef uint64_t __attribute__((may_alias)) word_t;

static bool words_aligned(const void *left, const void *right)
{
    return (((uintptr_t)left | (uintptr_t)right) & (WORD - 1)) == 0;
}

void *memcpy(void *restrict destination, const void *restrict source, size_t size)
{
    uint8_t *to = destination;
    const uint8_t *from = source;
    if (words_aligned(to, from)) {
        for (; size >= 4 * WORD; size -= 4 * WORD, to += 4 * WORD, from += 4 * WORD) {
            const word_t *in = (const word_t *)from;
            word_t *out = (word_t *)to;
            uint64_t a = in[0], b = in[1], c = in[2], d = in[3];
            out[0] = a, out[1] = b, out[2] = c, out[3] = d;
        }
    }
    while (size--)
        *to++ = *from++;
    return destination;
}

void *memmove(void *destination, const void *source, size_t size)
{
    uint8_t *to = destination;
    const uint8_t *from = source;
    if ((uintptr_t)to - (uintptr_t)from >= size) // from below, or apart: forwards is right
        return memcpy(destination, source, size);
    while (size--)
        to[size] = from[size];
    return destination;
}

void *memset(void *destination, int value, size_t size)
{
    uint8_t *to = destination;
    if (words_aligned(to, NULL)) {
        uint64_t word = (uint8_t)value * 0x0101010101010101;
        for (; size >= 2 * WORD; size -= 2 * WORD, to += 2 * WORD) {
            ((word_t *)to)[0] = word;
            ((word_t *)to)[1] = word;
        }
    }
    while (size--)
        *to++ = (uint8_t)value;
    return destination;
}

int memcmp(const void *left, const void *right, size_t size)
{
    const uint8_t *a = left, *b = right;
    for (; size--; a++, b++)
        if (*a != *b)
            return *a - *b;
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

int strcmp(const char *left, const char *right)
{
    return strncmp(left, right, SIZE_MAX);
}

int strncmp(const char *left, const char *right, size_t size)
{
    for (; size--; left++, right++)
        if (*left != *right || !*left)
            return (uint8_t)*left - (uint8_t)*right;
    return 0;
}
