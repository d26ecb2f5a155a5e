/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reader of flattened device trees (Devicetree Specification v0.4, chapter 5).  Nothing in the blob is trusted: every
 * offset is checked against the size of its block, and a broken tree ends early instead of leading out of the blob.
 */
#ifndef FDT_H
#define FDT_H

#include <stdbool.h>
#include <stdint.h>

struct fdt {
    const uint8_t *structure;
    uint32_t structure_size;
    const char *strings;
    uint32_t strings_size;
};

/* Where a node begins in the structure block. */
typedef int32_t fdt_node;
#define FDT_NONE (-1)

struct fdt_property {
    const uint8_t *value;
    uint32_t size; /* bytes */
};

/* False: there is no usable tree at that address. */
bool fdt_open(struct fdt *tree, const void *blob);

/*
 * The first node behind `previous` (FDT_NONE: from the start), in the order of the blob, whose property holds that
 * string, alone or in a list; so fdt_find(tree, FDT_NONE, "compatible", "arm,pl011").
 */
fdt_node fdt_find(const struct fdt *tree, fdt_node previous, const char *property, const char *value);

/* The node of that name right under the root, unit address and all. */
fdt_node fdt_find_top(const struct fdt *tree, const char *name);

bool fdt_get(const struct fdt *tree, fdt_node node, const char *property, struct fdt_property *found);

/* The n-th 32-bit cell of a property, and the 64-bit number in cells n and n + 1; 0 beyond its end. */
uint32_t fdt_cell(const struct fdt_property *property, uint32_t n);
uint64_t fdt_cell_pair(const struct fdt_property *property, uint32_t n);

#endif
