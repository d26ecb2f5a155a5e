// SPDX-License-Identifier: BSD-3-Clause
// Shared counters that all CPUs add to; not one addition may be lost.

#include "../tests.h"

#define ADDITIONS 1000
#define TOTAL (CPUS * ADDITIONS)

static uint64_t counter[2] __attribute__((aligned(64)));

#define EXCLUSIVE_LOOP(name, load, store, width)                                                            \
    static void name(uint32_t cpu)                                                                          \
    {                                                                                                       \
        for (unsigned n = 0; n < ADDITIONS; n++) {                                                          \
            uint64_t value, status;                                                                         \
            __asm__ volatile("0:\t" load " %" width "0, [%2]\n\tadd %0, %0, #1\n\t" store                   \
                             " %w1, %" width "0, [%2]\n\tcbnz %w1, 0b"                                      \
                             : "=&r"(value), "=&r"(status)                                                  \
                             : "r"(counter)                                                                 \
                             : "memory");                                                                   \
        }                                                                                                   \
    }
EXCLUSIVE_LOOP(add_byte, "ldxrb", "stxrb", "w")
EXCLUSIVE_LOOP(add_half, "ldxrh", "stxrh", "w")
EXCLUSIVE_LOOP(add_word, "ldxr", "stxr", "w")
EXCLUSIVE_LOOP(add_double, "ldxr", "stxr", "x")
EXCLUSIVE_LOOP(add_ordered, "ldaxr", "stlxr", "x")

static void add_pair(uint32_t cpu)
{
    for (unsigned n = 0; n < ADDITIONS; n++) {
        uint64_t low, high, status;
        __asm__ volatile("0:\tldaxp %0, %1, [%3]\n\tadd %0, %0, #1\n\tsub %1, %1, #1\n\tstlxp %w2, %0, %1, [%3]\n\t"
                         "cbnz %w2, 0b"
                         : "=&r"(low), "=&r"(high), "=&r"(status)
                         : "r"(counter)
                         : "memory");
    }
}

// The large system extensions (FEAT_LSE), where ID_AA64ISAR0_EL1.Atomic says that they are there.
#define LSE(text) ".arch_extension lse\n\t" text
#define ATOMIC_LOOP(name, text)                                                                         \
    static void name(uint32_t cpu)                                                                      \
    {                                                                                                   \
        for (unsigned n = 0; n < ADDITIONS; n++) {                                                      \
            uint64_t old, new = 1;                                                                      \
            __asm__ volatile(LSE(text) : "=&r"(old), "+&r"(new) : "r"(counter) : "x16", "cc", "memory");       \
        }                                                                                               \
    }
ATOMIC_LOOP(lse_ldadd, "ldadd %1, %0, [%2]")
ATOMIC_LOOP(lse_ldaddal_word, "ldaddal %w1, %w0, [%2]")
ATOMIC_LOOP(lse_stadd, "stadd %1, [%2]\n\tmov %0, %1")
ATOMIC_LOOP(lse_cas, "0:\tldr %0, [%2]\n\tadd %1, %0, #1\n\tmov x16, %0\n\tcasal %0, %1, [%2]\n\t"
                     "cmp %0, x16\n\tb.ne 0b")

static void lse_bits(uint32_t cpu)
{
    // Bits of its own: set, cleared, and set again by the exclusive or.
    uint64_t mine = 0x1111111111111111ul << cpu, old;
    for (unsigned n = 0; n < ADDITIONS; n++) {
        __asm__ volatile(LSE("ldset %1, %0, [%2]") : "=&r"(old) : "r"(mine), "r"(counter) : "memory");
        __asm__ volatile(LSE("ldclr %1, %0, [%2]") : "=&r"(old) : "r"(mine), "r"(counter) : "memory");
        __asm__ volatile(LSE("ldeor %1, %0, [%2]") : "=&r"(old) : "r"(mine), "r"(counter) : "memory");
    }
}

static void lse_swap_lock(uint32_t cpu)
{
    for (unsigned n = 0; n < ADDITIONS; n++) {
        uint64_t old, one = 1;
        do
            __asm__ volatile(LSE("swpa %1, %0, [%2]") : "=&r"(old) : "r"(one), "r"(counter) : "memory");
        while (old);
        counter[1]++; // under the lock
        __atomic_store_n(&counter[0], 0, __ATOMIC_RELEASE);
    }
}

static const struct {
    const char *name;
    everywhere *run;
    uint64_t first, second;
    bool lse;
} counters[] = {
    {"LDXRB and STXRB", add_byte, TOTAL & 0xff, 0, false},
    {"LDXRH and STXRH", add_half, TOTAL & 0xffff, 0, false},
    {"LDXR and STXR, 32 bits", add_word, TOTAL, 0, false},
    {"LDXR and STXR, 64 bits", add_double, TOTAL, 0, false},
    {"LDAXR and STLXR", add_ordered, TOTAL, 0, false},
    {"LDAXP and STLXP, 128 bits", add_pair, TOTAL, -(uint64_t)TOTAL, false},
    {"LDADD", lse_ldadd, TOTAL, 0, true},
    {"LDADDAL, 32 bits", lse_ldaddal_word, TOTAL, 0, true},
    {"STADD", lse_stadd, TOTAL, 0, true},
    {"CASAL", lse_cas, TOTAL, 0, true},
    {"LDSET, LDCLR, LDEOR", lse_bits, ~0ul, 0, true},
    {"SWPA", lse_swap_lock, 0, TOTAL, true},
};

void test_counters(void)
{
    bool have_lse = (read_sysreg(id_aa64isar0_el1) >> 20 & 15) >= 2;
    for (unsigned n = 0; n < sizeof counters / sizeof *counters; n++) {
        if (!counters[n].lse || have_lse) {
            counter[0] = counter[1] = 0;
            run_everywhere(counters[n].run);
            tap_expect("first word", counter[0], counters[n].first);
            tap_expect("second word", counter[1], counters[n].second);
        }
        tap_report(ARM "%s %s: 4 CPUs lose no operation", counters[n].lse ? "B2.2 FEAT_LSE, if implemented," : "B2.9",
                   counters[n].name);
    }
}
