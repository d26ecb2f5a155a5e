// SPDX-License-Identifier: BSD-3-Clause

#include <device_tree.h>
#include <string.h>

struct fdt device_tree;

uint64_t bootargs_number(const char *name, uint64_t otherwise)
{
    struct fdt_property bootargs;
    if (!fdt_get(&device_tree, fdt_find_top(&device_tree, "chosen"), "bootargs", &bootargs))
        return otherwise;
    const char *text = (const char *)bootargs.value;
    size_t size = bootargs.size, name_length = strlen(name);
    for (size_t at = 0; at + name_length + 1 < size; at++) {
        bool word_begins = at == 0 || text[at - 1] == ' ';
        if (!word_begins || memcmp(text + at, name, name_length) != 0 || text[at + name_length] != '=')
            continue;
        uint64_t number = 0;
        for (at += name_length + 1; at < size && text[at] >= '0' && text[at] <= '9'; at++)
            number = number * 10 + (uint64_t)(text[at] - '0');
        return number;
    }
    return otherwise;
}

uint64_t memory_size(uint64_t otherwise)
{
    struct fdt_property reg;
    fdt_node memory = fdt_find(&device_tree, FDT_NONE, "device_type", "memory");
    // The root node has two cells for an address and two for a size, as QEMU and the resource manager write it.
    return fdt_get(&device_tree, memory, "reg", &reg) && reg.size >= 16 ? fdt_cell_pair(&reg, 2) : otherwise;
}
