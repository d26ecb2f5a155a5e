/* SPDX-License-Identifier: BSD-3-Clause */
/* The device tree that this VM was started with, and the few things every guest asks it. */
#ifndef DEVICE_TREE_H
#define DEVICE_TREE_H

#include <fdt.h>

/* Empty, so that nothing is found in it, when the VM was given none. */
extern struct fdt device_tree;

/* The number after "name=" in /chosen/bootargs, decimal; `otherwise` when there is none. */
uint64_t bootargs_number(const char *name, uint64_t otherwise);

/* Bytes of RAM, from the memory node; `otherwise` when there is none. */
uint64_t memory_size(uint64_t otherwise);

#endif
