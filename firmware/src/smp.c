// SPDX-License-Identifier: BSD-3-Clause

#include <device_tree.h>
#include <exceptions.h>
#include <psci.h>
#include <smp.h>
#include <stddef.h>

// What start.S reads before this CPU has a stack or an MMU.
struct cpu_boot {
    cpu_entry_point entry;
    void *argument;
    void *stack;
    uint64_t index;
    uint64_t tables;
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct cpu_boot, entry) == CPU_BOOT_ENTRY, "start.S loads entry and argument there");
_Static_assert(offsetof(struct cpu_boot, stack) == CPU_BOOT_STACK, "start.S loads stack and index there");
_Static_assert(offsetof(struct cpu_boot, tables) == CPU_BOOT_TABLES, "start.S loads the tables there");

extern uint8_t cpu_stacks[MAX_CPUS][CPU_STACK_SIZE];
void cpu_entry(void);

static struct cpu_boot boots[MAX_CPUS];

static fdt_node cpu_node(uint32_t index)
{
    fdt_node node = fdt_find(&device_tree, FDT_NONE, "device_type", "cpu");
    while (index-- && node != FDT_NONE)
        node = fdt_find(&device_tree, node, "device_type", "cpu");
    return node;
}

uint32_t cpu_count(void)
{
    uint32_t count = 0;
    while (count < MAX_CPUS && cpu_node(count) != FDT_NONE)
        count++;
    return count ? count : 1;
}

uint64_t cpu_mpidr(uint32_t index)
{
    struct fdt_property reg;
    if (!fdt_get(&device_tree, cpu_node(index), "reg", &reg))
        return index;
    return reg.size == 8 ? fdt_cell_pair(&reg, 0) : fdt_cell(&reg, 0);
}

int32_t cpu_on(uint32_t index, cpu_entry_point entry, void *argument)
{
    if (index >= MAX_CPUS)
        return PSCI_INVALID_PARAMETERS;
    struct cpu_boot *boot = &boots[index];
    uint64_t tables = read_sysreg(sctlr_el1) & SCTLR_M ? read_sysreg(ttbr0_el1) : 0;
    *boot = (struct cpu_boot){entry, argument, cpu_stacks[index] + CPU_STACK_SIZE, index, tables};
    // The new CPU reads this with its caches off.
    __asm__ volatile("dc cvac, %0\n\tdsb sy" ::"r"(boot) : "memory");
    return psci_cpu_on(cpu_mpidr(index), (uintptr_t)cpu_entry, (uintptr_t)boot);
}

void cpu_finished(void)
{
    fatal("CPU_OFF of CPU %u: %d", cpu_index(), psci_cpu_off());
}
