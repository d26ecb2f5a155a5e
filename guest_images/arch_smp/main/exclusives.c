// SPDX-License-Identifier: BSD-3-Clause
// Load-exclusive and store-exclusive on one CPU, and what takes the reservation away.

#include "../tests.h"

#define FAULT_ALIGNMENT 0x21

static uint64_t word[2] __attribute__((aligned(16)));

TRAP_PROBE(probe_pair, "ldxr x1, [x0]\n\tadd x1, x1, #1\n\tstxr w2, x1, [x0]")
TRAP_PROBE(probe_twice, "ldxr x1, [x0]\n\tadd x1, x1, #1\n\tstxr w2, x1, [x0]\n\tstxr w3, x1, [x0]")
TRAP_PROBE(probe_clrex, "ldxr x1, [x0]\n\tclrex\n\tstxr w2, x1, [x0]")
TRAP_PROBE(probe_store_alone, "stxr w2, x1, [x0]")
TRAP_PROBE(probe_load, "ldxr x1, [x0]")
TRAP_PROBE(probe_byte, "ldxrb w1, [x0]\n\tadd w1, w1, #1\n\tstxrb w2, w1, [x0]")
TRAP_PROBE(probe_half, "ldxrh w1, [x0]\n\tadd w1, w1, #1\n\tstxrh w2, w1, [x0]")
TRAP_PROBE(probe_words, "ldxp x1, x3, [x0]\n\tadd x1, x1, #1\n\tadd x3, x3, #1\n\tstxp w2, x1, x3, [x0]")
TRAP_PROBE(probe_ordered, "ldaxr x1, [x0]\n\tadd x1, x1, #1\n\tstlxr w2, x1, [x0]")

static void test_success(void)
{
    static const struct {
        const char *name;
        trap_probe *probe;
        uint64_t first, second; // word[0], word[1] afterwards
    } cases[] = {
        {"LDXRB and STXRB", probe_byte, 0x7fffffffffffff00, 0xff},
        {"LDXRH and STXRH", probe_half, 0x7fffffffffff0000 | 0x100, 0xff},
        {"LDXR and STXR", probe_pair, 0x7fffffffffff0100, 0xff},
        {"LDAXR and STLXR", probe_ordered, 0x7fffffffffff0100, 0xff},
        {"LDXP and STXP", probe_words, 0x7fffffffffff0100, 0x100},
    };
    static const uint64_t initial = 0x7fffffffffff00ff;
    for (unsigned n = 0; n < sizeof cases / sizeof *cases; n++) {
        word[0] = initial;
        word[1] = 0xff;
        const struct exception_frame *frame = trap_at_el1(cases[n].probe, (uintptr_t)word, 0);
        tap_expect("status", frame->x[2], 0);
        tap_expect("first word", word[0], cases[n].probe == probe_byte ? initial - 0xff : cases[n].first);
        tap_expect("second word", word[1], cases[n].second);
        tap_report(ARM "C6.2 %s: status 0, and the store is done", cases[n].name);
    }
}

static void store_to_word(void *argument)
{
    __atomic_store_n(&word[0], 77, __ATOMIC_RELEASE);
}

__attribute__((noinline)) static uint64_t load_exclusive(void)
{
    uint64_t value;
    __asm__ volatile("ldxr %0, [%1]" : "=r"(value) : "r"(word) : "memory");
    return value;
}

__attribute__((noinline)) static uint32_t store_exclusive(uint64_t value)
{
    uint32_t status;
    __asm__ volatile("stxr %w0, %1, [%2]" : "=&r"(status) : "r"(value), "r"(word) : "memory");
    return status;
}

void test_exclusives(void)
{
    test_success();
    word[0] = 5;
    const struct exception_frame *frame = trap_at_el1(probe_twice, (uintptr_t)word, 0);
    tap_expect("first status", frame->x[2], 0);
    tap_expect("second status", frame->x[3], 1);
    tap_expect("word", word[0], 6);
    tap_report(ARM "B2.9 a second STXR without another LDXR fails");
    frame = trap_at_el1(probe_clrex, (uintptr_t)word, 0);
    tap_expect("status", frame->x[2], 1);
    tap_report(ARM "B2.9 CLREX: STXR fails");
    trap_at_el1(probe_load, (uintptr_t)word, 0);
    frame = trap_at_el1(probe_store_alone, (uintptr_t)word, 99);
    tap_expect("status", frame->x[2], 1);
    tap_expect("word", word[0], 6);
    tap_report(ARM "B2.9 an exception return between them: STXR fails and stores nothing");
    frame = trap_at_el0(probe_store_alone, (uintptr_t)word, 99);
    tap_expect("an abort or a status of 1", exception_class(frame) == EC_DATA_ABORT_LOWER || frame->x[2] == 1, true);
    tap_expect("word", word[0], 6);
    tap_report(ARM "B2.9 STXR at EL0 to what it may not write stores nothing");

    uint64_t loaded = load_exclusive();
    remote_run(1, store_to_word, NULL);
    tap_expect("loaded", loaded, 6);
    tap_expect("status", store_exclusive(8), 1);
    tap_expect("word", word[0], 77);
    tap_report(ARM "B2.9 a store of another CPU between them: STXR fails and stores nothing");

    for (unsigned offset = 1; offset < 8; offset += 3) {
        uint64_t address = (uintptr_t)word + offset;
        frame = trap_at_el1(probe_load, address, 0);
        tap_expect("ESR", frame->esr, (uint64_t)EC_DATA_ABORT << 26 | 1 << 25 | FAULT_ALIGNMENT);
        tap_expect("FAR", frame->far, address);
    }
    tap_report(ARM "B2.5 an unaligned LDXR is an alignment fault");
}
