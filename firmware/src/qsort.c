// SPDX-License-Identifier: BSD-3-Clause
// Heapsort: no recursion and no worst case, so that it fits a small stack.

#include <stdint.h>
#include <stdlib.h>

static void swap(uint8_t *left, uint8_t *right, size_t size)
{
    while (size--) {
        uint8_t byte = *left;
        *left++ = *right;
        *right++ = byte;
    }
}

static void sift_down(uint8_t *base, size_t root, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && compare(base + child * size, base + (child + 1) * size) < 0)
            child++;
        if (compare(base + root * size, base + child * size) >= 0)
            return;
        swap(base + root * size, base + child * size, size);
    }
}

void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    for (size_t root = count / 2; root--;)
        sift_down(base, root, count, size, compare);
    while (count > 1) {
        count--;
        swap(base, (uint8_t *)base + count * size, size);
        sift_down(base, 0, count, size, compare);
    }
}
