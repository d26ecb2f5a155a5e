// SPDX-License-Identifier: BSD-3-Clause

#include <child.h>
#include <exceptions.h>
#include <platform.h>
#include <root.h>
#include <string.h>

#define VCPU_RUN_SCHEDULED (1ul << 9)
#define VIC_NO_DEFAULT_ADDRESS 2
#define CORE 0

#define PT_LOAD 1

struct elf_header {
    uint8_t identification[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t size, program_header_size, program_header_count;
};

struct program_header {
    uint32_t type, flags;
    uint64_t offset, virtual_address, physical_address, file_size, memory_size, alignment;
};

#define CHECK(call, ...) root_check(#call, gunyah_##call(__VA_ARGS__))
#define CREATE(kind)                                                               \
    ({                                                                             \
        struct gunyah_partition_create_##kind##_result created_ =                  \
            gunyah_partition_create_##kind(root.partition, root.cspace);           \
        root_check("partition_create_" #kind, created_.error);                     \
        created_.new_cap;                                                          \
    })

void root_check(const char *call, gunyah_error_t error)
{
    if (error)
        fatal("%s: error %d", call, error);
}

uint64_t root_make_extent(uint64_t physical, uint64_t size, uint64_t attributes)
{
    uint64_t extent = CREATE(memextent);
    CHECK(memextent_configure, extent, physical, size, attributes);
    CHECK(object_activate, extent);
    return extent;
}

uint64_t root_make_doorbell(void)
{
    uint64_t doorbell = CREATE(doorbell);
    CHECK(object_activate, doorbell);
    return doorbell;
}

uint64_t root_make_queue(uint32_t depth, uint32_t max_message_size)
{
    uint64_t queue = CREATE(msgqueue);
    CHECK(msgqueue_configure, queue, depth | max_message_size << 16);
    CHECK(object_activate, queue);
    return queue;
}

void root_delete(uint64_t capability)
{
    CHECK(cspace_delete_cap_from, root.cspace, capability);
}

static void create_objects(struct child *child)
{
    child->cspace = CREATE(cspace);
    CHECK(cspace_configure, child->cspace, CHILD_CAPABILITIES);
    CHECK(object_activate, child->cspace);

    child->addrspace = CREATE(addrspace);
    CHECK(addrspace_configure, child->addrspace, child->vmid);
    CHECK(object_activate, child->addrspace);
    child->memory = root_make_extent(child->physical, child->size, EXTENT_ATTRIBUTES(ACCESS_RWX));
    CHECK(addrspace_map, child->addrspace, child->memory, child->ipa, MAP_NORMAL(ACCESS_RWX), 0, 0, 0);

    child->vic = CREATE(vic);
    CHECK(vic_configure, child->vic, child->vcpus, CHILD_VIRQS, VIC_NO_DEFAULT_ADDRESS, 0);
    CHECK(object_activate, child->vic);
    child->vpm_group = CREATE(vpm_group);
    CHECK(object_activate, child->vpm_group);
}

static uint64_t create_vcpu(const struct child *child, uint32_t index)
{
    uint64_t vcpu = CREATE(thread);
    CHECK(vcpu_configure, vcpu, child->proxied ? VCPU_RUN_SCHEDULED : 0);
    CHECK(vcpu_set_affinity, vcpu, CORE);
    CHECK(addrspace_attach_thread, child->addrspace, vcpu);
    CHECK(cspace_attach_thread, child->cspace, vcpu);
    CHECK(vic_attach_vcpu, child->vic, vcpu, index);
    CHECK(vpm_group_attach_vcpu, child->vpm_group, vcpu, index);
    CHECK(object_activate, vcpu);
    return vcpu;
}

void child_create(struct child *child)
{
    create_objects(child);
    CHECK(addrspace_attach_vdevice, child->addrspace, child->vic, 0, GICD_BASE, 0x10000, 0);
    for (uint32_t n = 0; n < child->vcpus; n++) {
        child->vcpu[n] = create_vcpu(child, n);
        // Index 0 was the distributor; flags 0: the last of the VIC's redistributors says so in GICR_TYPER.
        CHECK(addrspace_attach_vdevice, child->addrspace, child->vic, n + 1, GICR_BASE + n * GICR_STRIDE, GICR_STRIDE,
              0);
    }
}

// The child's memory appears in the root VM while it is written, where it is in the physical address space.
static uint8_t *map_memory(const struct child *child)
{
    CHECK(addrspace_map, root.addrspace, child->memory, child->physical, MAP_NORMAL(ACCESS_RW), 0, 0, 0);
    return (uint8_t *)child->physical;
}

static void unmap_memory(const struct child *child)
{
    CHECK(addrspace_unmap, root.addrspace, child->memory, child->physical, 0, 0, 0);
}

static uint64_t offset_of(const struct child *child, uint64_t ipa, uint64_t size)
{
    if (ipa < child->ipa || size > child->size || ipa - child->ipa > child->size - size)
        fatal("a VM with 0x%lx bytes of memory at 0x%lx has none at 0x%lx", child->size, child->ipa, ipa);
    return ipa - child->ipa;
}

void child_write(const struct child *child, uint64_t ipa, const void *data, size_t size)
{
    uint64_t offset = offset_of(child, ipa, size);
    memcpy(map_memory(child) + offset, data, size);
    unmap_memory(child);
}

// By words: a VM's uninitialized data is the most of its image, and memset is a loop over bytes.
static void zero(uint8_t *start, uint64_t size)
{
    uint8_t *end = start + size;
    while (start < end && (uintptr_t)start % sizeof(uint64_t))
        *start++ = 0;
    for (; end - start >= 32; start += 32)
        __asm__ volatile("stp xzr, xzr, [%0]\n\tstp xzr, xzr, [%0, #16]" ::"r"(start) : "memory");
    memset(start, 0, (size_t)(end - start));
}

uintptr_t child_load(const struct child *child, const void *elf)
{
    const struct elf_header *header = elf;
    const struct program_header *segments = (const void *)((uintptr_t)elf + header->program_headers);
    uint8_t *memory = map_memory(child);
    for (uint32_t n = 0; n < header->program_header_count; n++) {
        const struct program_header *segment = &segments[n];
        if (segment->type != PT_LOAD)
            continue;
        uint8_t *to = memory + offset_of(child, segment->physical_address, segment->memory_size);
        memcpy(to, (const uint8_t *)elf + segment->offset, segment->file_size);
        zero(to + segment->file_size, segment->memory_size - segment->file_size);
    }
    unmap_memory(child);
    return header->entry;
}

uint64_t child_give(const struct child *child, uint64_t capability, uint64_t rights)
{
    struct gunyah_cspace_copy_cap_from_result copy =
        gunyah_cspace_copy_cap_from(root.cspace, capability, child->cspace, rights);
    root_check("cspace_copy_cap_from", copy.error);
    return copy.new_cap;
}

void child_start(const struct child *child, uint32_t vcpu, uintptr_t entry, uint64_t context)
{
    CHECK(vcpu_poweron, child->vcpu[vcpu], entry, context, 0);
}

void child_destroy(struct child *child)
{
    for (uint32_t n = 0; n < child->vcpus; n++)
        CHECK(vcpu_kill, child->vcpu[n]);
    for (uint32_t n = 0; n < child->vcpus; n++)
        root_delete(child->vcpu[n]);
    root_delete(child->vpm_group);
    root_delete(child->vic);
    root_delete(child->addrspace);
    root_delete(child->memory);
    root_delete(child->cspace);
}
