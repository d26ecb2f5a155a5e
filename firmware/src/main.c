// SPDX-License-Identifier: BSD-3-Clause
// From the first C function of the first CPU to main(), and from main() out of the VM.

#include <device_tree.h>
#include <platform.h>
#include <psci.h>
#include <semihosting.h>
#include <stdlib.h>

int main(void);
void pl011_init(void);
void psci_init(void);

_Noreturn void firmware_start(uintptr_t device_tree_address)
{
    if (!device_tree_address) // QEMU gives an ELF file no x0, but puts the tree here
        device_tree_address = RAM_BASE;
    fdt_open(&device_tree, (const void *)device_tree_address);
    psci_init();
    pl011_init();
    exit(main());
}

void exit(int status)
{
    if (status)
        semihosting_exit(status);
    psci_system_off();
}
