// SPDX-License-Identifier: BSD-3-Clause
// TLB maintenance: after it, the tables' word is final, on this CPU and on others.

#include "../tests.h"

#include <remote.h>

#define INDEX 40
#define TTBR_ASID(asid) ((uint64_t)(asid) << 48)
#define OWN_ASID 0

typedef void invalidate(uint64_t address);
#define BY_ADDRESS(name)                                                                    \
    static void name(uint64_t address)                                                      \
    {                                                                                       \
        uint64_t operand = (address >> 12 & 0xfffffffffff) | TTBR_ASID(OWN_ASID);           \
        __asm__ volatile("dsb ishst\n\ttlbi " #name ", %0\n\tdsb ish\n\tisb" ::"r"(operand) : "memory"); \
    }
#define BY_ASID(name)                                                                                           \
    static void name(uint64_t address)                                                                          \
    {                                                                                                           \
        __asm__ volatile("dsb ishst\n\ttlbi " #name ", %0\n\tdsb ish\n\tisb" ::"r"(TTBR_ASID(OWN_ASID)) : "memory"); \
    }
#define ALL(name)                                                                       \
    static void name(uint64_t address)                                                  \
    {                                                                                   \
        __asm__ volatile("dsb ishst\n\ttlbi " #name "\n\tdsb ish\n\tisb" ::: "memory"); \
    }
BY_ADDRESS(vae1)
BY_ADDRESS(vale1)
BY_ADDRESS(vaae1)
BY_ADDRESS(vaale1)
BY_ADDRESS(vae1is)
BY_ADDRESS(vale1is)
BY_ADDRESS(vaae1is)
BY_ADDRESS(vaale1is)
BY_ASID(aside1)
BY_ASID(aside1is)
ALL(vmalle1)
ALL(vmalle1is)

static const struct {
    const char *name;
    invalidate *run;
    bool leaf_only;
    bool broadcast;
} operations[] = {
    {"VAE1", vae1, false, false},        {"VALE1", vale1, true, false},       {"VAAE1", vaae1, false, false},
    {"VAALE1", vaale1, true, false},     {"ASIDE1", aside1, false, false},    {"VMALLE1", vmalle1, false, false},
    {"VAE1IS", vae1is, false, true},     {"VALE1IS", vale1is, true, true},    {"VAAE1IS", vaae1is, false, true},
    {"VAALE1IS", vaale1is, true, true},  {"ASIDE1IS", aside1is, false, true}, {"VMALLE1IS", vmalle1is, false, true},
};
#define OPERATIONS (sizeof operations / sizeof *operations)

static void write_entry(unsigned level, uint64_t descriptor)
{
    *(volatile uint64_t *)&tables[level][INDEX] = descriptor;
}

static void test_page(invalidate *operation, const char *name)
{
    const uint64_t address = address_of(3, INDEX), attributes = NORMAL | NOT_GLOBAL | AP_USER;
    set_entry(3, INDEX, leaf(3, (uintptr_t)page_a, attributes));
    tap_expect("first", load(address + 8), 0xa001);
    write_entry(3, 0);
    operation(address);
    expect_abort(try_access(LOAD, 1, address), LOAD, 1, address, FAULT_TRANSLATION + 3);
    write_entry(3, leaf(3, (uintptr_t)page_b, attributes));
    dsb();
    isb();
    tap_expect("mapped to another page", load(address + 8), 0xb001);
    store(address, 1);
    write_entry(3, leaf(3, (uintptr_t)page_b, attributes | AP_READ_ONLY));
    operation(address);
    expect_abort(try_access(STORE, 1, address), STORE, 1, address, FAULT_PERMISSION + 3);
    expect_abort(try_access(STORE, 0, address), STORE, 0, address, FAULT_PERMISSION + 3);
    write_entry(3, leaf(3, (uintptr_t)page_b, attributes));
    operation(address);
    store(address, 0xb000);
    tap_expect("writable again", page_b[0], 0xb000);
    tap_report(ARM "D8.15 TLBI %s: unmapped, mapped elsewhere, read-only and writable again", name);
    set_entry(3, INDEX, 0);
}

// All but the leaf-only operations reach the tables above, too.
static void test_table(invalidate *operation, const char *name)
{
    const uint64_t address = address_of(2, INDEX);
    set_entry(2, INDEX, (uintptr_t)tables[3] | VALID | TABLE);
    set_entry(3, 0, leaf(3, (uintptr_t)page_a, NORMAL | NOT_GLOBAL));
    tap_expect("through a table", load(address + 8), 0xa001);
    write_entry(2, 0);
    operation(address);
    expect_abort(try_access(LOAD, 1, address), LOAD, 1, address, FAULT_TRANSLATION + 2);
    set_entry(3, 0, 0);
    tap_report(ARM "D8.15 TLBI %s: a table is taken away", name);
    set_entry(2, INDEX, 0);
}

static void set_asid(uint64_t asid)
{
    write_sysreg(ttbr0_el1, (read_sysreg(ttbr0_el1) & ~TTBR_ASID(0xff)) | TTBR_ASID(asid));
    isb();
}

static void test_asids(void)
{
    const uint64_t address = address_of(3, INDEX);
    set_entry(3, INDEX, leaf(3, (uintptr_t)page_a, NORMAL | NOT_GLOBAL));
    tap_expect("ASID 0", load(address), 0xa000);
    write_entry(3, leaf(3, (uintptr_t)page_b, NORMAL | NOT_GLOBAL));
    dsb();
    set_asid(5);
    tap_expect("ASID 5", load(address), 0xb000);
    set_asid(OWN_ASID);
    aside1(0);
    tap_expect("ASID 0, invalidated", load(address), 0xb000);
    tap_report(ARM "D8.14 a non-global entry of one ASID is not used in another");
    set_entry(3, INDEX, 0);
}

static void test_no_negative_entries(void)
{
    for (unsigned level = 1; level <= 3; level++) {
        const uint64_t address = address_of(level, INDEX) + ((uintptr_t)page_a & (SIZE(level) - 1));
        expect_abort(try_access(LOAD, 1, address), LOAD, 1, address, FAULT_TRANSLATION + level);
        write_entry(level, leaf(level, (uintptr_t)page_a, NORMAL));
        dsb();
        isb();
        tap_expect("the word", load(address), 0xa000);
        tap_report(ARM "D8.14 after a translation fault at level %u, a valid entry needs no TLBI", level);
        set_entry(level, INDEX, 0);
    }
}

// Another CPU reads a page until it is told to stop; it never does any maintenance of its own.
static volatile uint64_t remote_tcr, remote_ttbr1, remote_value, remote_rounds, remote_stop;

static void remote_reader(void *argument)
{
    write_sysreg(ttbr1_el1, remote_ttbr1);
    write_sysreg(tcr_el1, remote_tcr);
    isb();
    invalidate_all();
    while (!remote_stop) {
        remote_value = load(address_of(3, INDEX));
        dsb();
        remote_rounds++;
    }
}

static uint64_t seen_by_remote(void)
{
    // Two rounds: the one that runs now may have read before.
    for (uint64_t before = remote_rounds; remote_rounds < before + 2;)
        relax();
    return remote_value;
}

static void test_broadcast(void)
{
    const uint64_t address = address_of(3, INDEX);
    const uint64_t pages[] = {(uintptr_t)page_a, (uintptr_t)page_b}, values[] = {0xa000, 0xb000};
    set_entry(3, INDEX, leaf(3, pages[0], NORMAL | NOT_GLOBAL));
    remote_tcr = read_sysreg(tcr_el1);
    remote_ttbr1 = read_sysreg(ttbr1_el1);
    remote_start(1, remote_reader, NULL);
    unsigned which = 0;
    for (unsigned n = 0; n < OPERATIONS; n++) {
        if (!operations[n].broadcast)
            continue;
        tap_expect("before", seen_by_remote(), values[which]);
        which ^= 1;
        // Both map the same kind of memory and the CPU only reads, so the change need not go through an invalid entry.
        write_entry(3, leaf(3, pages[which], NORMAL | NOT_GLOBAL));
        operations[n].run(address);
        tap_expect("after", seen_by_remote(), values[which]);
        tap_report(ARM "D8.15 TLBI %s reaches another CPU", operations[n].name);
    }
    remote_stop = 1;
    remote_wait(1);
    set_entry(3, INDEX, 0);
}

void test_tlb(void)
{
    for (unsigned n = 0; n < OPERATIONS; n++)
        test_page(operations[n].run, operations[n].name);
    for (unsigned n = 0; n < OPERATIONS; n++)
        if (!operations[n].leaf_only)
            test_table(operations[n].run, operations[n].name);
    test_asids();
    test_no_negative_entries();
    test_broadcast();
}
