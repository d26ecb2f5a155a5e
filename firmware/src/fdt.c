// SPDX-License-Identifier: BSD-3-Clause

#include <fdt.h>
#include <string.h>

#define MAGIC 0xd00dfeed
#define COMPATIBLE_VERSION 16 // of the structure block that this file reads
#define LARGEST_TREE 0x200000

enum token { BEGIN_NODE = 1, END_NODE = 2, PROPERTY = 3, NOP = 4, END = 9 };

// Where the fields of the header are, and its size.
enum header {
    TOTAL_SIZE = 4,
    STRUCTURE = 8,
    STRINGS = 12,
    LAST_COMPATIBLE = 24,
    STRINGS_SIZE = 32,
    STRUCTURE_SIZE = 36,
    HEADER_SIZE = 40,
};

struct item {
    enum token token;
    fdt_node offset;
    const char *name;
    struct fdt_property property;
};

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool inside(uint32_t offset, uint32_t size, uint32_t limit)
{
    return offset <= limit && size <= limit - offset;
}

bool fdt_open(struct fdt *tree, const void *blob)
{
    const uint8_t *header = blob;
    *tree = (struct fdt){0};
    if (!header || ((uintptr_t)header & 7) || big_endian(header) != MAGIC)
        return false;
    uint32_t total = big_endian(header + TOTAL_SIZE);
    uint32_t structure = big_endian(header + STRUCTURE), structure_size = big_endian(header + STRUCTURE_SIZE);
    uint32_t strings = big_endian(header + STRINGS), strings_size = big_endian(header + STRINGS_SIZE);
    if (total < HEADER_SIZE || total > LARGEST_TREE || big_endian(header + LAST_COMPATIBLE) > COMPATIBLE_VERSION)
        return false;
    if (!inside(structure, structure_size, total) || !inside(strings, strings_size, total))
        return false;
    *tree = (struct fdt){header + structure, structure_size, (const char *)header + strings, strings_size};
    return true;
}

// The length of a string that must end before `limit`; negative: it does not.
static int32_t bounded_length(const char *text, uint32_t limit)
{
    for (uint32_t length = 0; length < limit; length++)
        if (!text[length])
            return (int32_t)length;
    return -1;
}

// Reads the item at *offset and steps behind it.  False at the end, and at anything that is not a device tree.
static bool next(const struct fdt *tree, uint32_t *offset, struct item *item)
{
    uint32_t at = *offset, size = tree->structure_size;
    do {
        if (!inside(at, 4, size))
            return false;
        item->offset = (fdt_node)at;
        item->token = (enum token)big_endian(tree->structure + at);
        at += 4;
    } while (item->token == NOP);

    if (item->token == BEGIN_NODE) {
        int32_t length = bounded_length((const char *)tree->structure + at, size - at);
        if (length < 0)
            return false;
        item->name = (const char *)tree->structure + at;
        at += (uint32_t)length + 1;
    } else if (item->token == PROPERTY) {
        if (!inside(at, 8, size))
            return false;
        uint32_t value_size = big_endian(tree->structure + at), name = big_endian(tree->structure + at + 4);
        at += 8;
        if (!inside(at, value_size, size) || name >= tree->strings_size ||
            bounded_length(tree->strings + name, tree->strings_size - name) < 0)
            return false;
        item->name = tree->strings + name;
        item->property = (struct fdt_property){tree->structure + at, value_size};
        at += value_size;
    } else if (item->token != END_NODE) {
        return false;
    }
    *offset = (at + 3) & ~3u;
    return true;
}

static bool holds_string(const struct fdt_property *list, const char *wanted)
{
    uint32_t at = 0, wanted_size = (uint32_t)strlen(wanted) + 1;
    while (inside(at, wanted_size, list->size)) {
        const char *entry = (const char *)list->value + at;
        int32_t length = bounded_length(entry, list->size - at);
        if (length < 0)
            return false;
        if ((uint32_t)length + 1 == wanted_size && memcmp(entry, wanted, wanted_size) == 0)
            return true;
        at += (uint32_t)length + 1;
    }
    return false;
}

fdt_node fdt_find(const struct fdt *tree, fdt_node previous, const char *property, const char *value)
{
    struct item item;
    uint32_t offset = 0;
    fdt_node node = FDT_NONE; // properties come before a node's children, so the last node that began owns them
    while (next(tree, &offset, &item)) {
        if (item.token == BEGIN_NODE)
            node = item.offset;
        else if (item.token == PROPERTY && node > previous && strcmp(item.name, property) == 0 &&
                 holds_string(&item.property, value))
            return node;
    }
    return FDT_NONE;
}

fdt_node fdt_find_top(const struct fdt *tree, const char *name)
{
    struct item item;
    uint32_t offset = 0, depth = 0;
    while (next(tree, &offset, &item)) {
        if (item.token == BEGIN_NODE && depth++ == 1 && strcmp(item.name, name) == 0)
            return item.offset;
        if (item.token == END_NODE && depth-- == 1)
            break;
    }
    return FDT_NONE;
}

bool fdt_get(const struct fdt *tree, fdt_node node, const char *property, struct fdt_property *found)
{
    struct item item;
    uint32_t offset = (uint32_t)node;
    if (node == FDT_NONE || !next(tree, &offset, &item))
        return false;
    while (next(tree, &offset, &item) && item.token == PROPERTY) {
        if (strcmp(item.name, property) == 0) {
            *found = item.property;
            return true;
        }
    }
    return false;
}

uint32_t fdt_cell(const struct fdt_property *property, uint32_t n)
{
    return n < property->size / 4 ? big_endian(property->value + 4 * n) : 0;
}

uint64_t fdt_cell_pair(const struct fdt_property *property, uint32_t n)
{
    return (uint64_t)fdt_cell(property, n) << 32 | fdt_cell(property, n + 1);
}
