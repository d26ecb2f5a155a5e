// SPDX-License-Identifier: BSD-3-Clause
// From the first C function of a root VM to main(), and out again: a root VM has no PSCI, so its status goes by semihosting.

#include <exceptions.h>
#include <gunyah/hypercalls.h>
#include <platform.h>
#include <root.h>
#include <semihosting.h>

#define ENVIRONMENT_SIGNATURE 0x454d5652u   // "RVME"
#define CONFIGURATION_SIGNATURE 0x524d4544u // "DEMR"

struct configuration_header {
    uint32_t signature;
    uint16_t version;
    uint16_t padding;
    uint32_t payload_offset;
    uint32_t payload_size;
};

struct root root;

int main(void);
void pl011_init(void);

uint64_t root_number(const char *key)
{
    struct cbor item;
    uint64_t number;
    if (!cbor_map_get(root.configuration, key, &item) || !cbor_number(item, &number))
        fatal("the root VM's environment has no number %s", key);
    return number;
}

uint64_t root_interrupt(uint32_t intid)
{
    struct cbor interrupts, item;
    uint64_t capability;
    if (!cbor_map_get(root.configuration, "vic_hwirq", &interrupts) || !cbor_array_get(interrupts, intid, &item) ||
        !cbor_number(item, &capability))
        return ROOT_NO_CAPABILITY;
    return capability;
}

bool root_free_range(uint32_t n, uint64_t *base, uint64_t *size)
{
    struct cbor ranges, range, first, second;
    return cbor_map_get(root.configuration, "free_ranges", &ranges) && cbor_array_get(ranges, n, &range) &&
           cbor_array_get(range, 0, &first) && cbor_number(first, base) && cbor_array_get(range, 1, &second) &&
           cbor_number(second, size);
}

_Noreturn void root_start(const struct root_environment *environment)
{
    const struct configuration_header *header = (const void *)((uintptr_t)environment + environment->rm_config_offset);
    // Nothing can be printed yet: without the environment, nobody knows the capability to the UART.
    if (environment->signature != ENVIRONMENT_SIGNATURE || header->signature != CONFIGURATION_SIGNATURE)
        semihosting_exit(EXIT_FATAL_ERROR);
    const uint8_t *payload = (const uint8_t *)header + header->payload_offset;
    root.environment = environment;
    root.configuration = (struct cbor){payload, payload + header->payload_size};
    root.cspace = root_number("cspace_capid");
    root.partition = root_number("partition_capid");
    root.addrspace = root_number("addrspace_capid");
    root.vic = root_number("vic");
    root.vcpu = root_number("vcpu_capid");
    if (gunyah_addrspace_map(root.addrspace, root_number("uart_me_capid"), PL011_BASE, MAP_DEVICE(ACCESS_RW), 0, 0, 0))
        semihosting_exit(EXIT_FATAL_ERROR);
    pl011_init();
    semihosting_exit(main());
}
