// SPDX-License-Identifier: BSD-3-Clause
// One load, store or instruction fetch, and what became of it.

#include "../tests.h"

TRAP_PROBE(probe_load, "ldr x2, [x0]")
TRAP_PROBE(probe_store, "str x1, [x0]")
TRAP_PROBE(probe_fetch, "br x0")

// A page of code to be mapped elsewhere.
__asm__(".section .text.target, \"ax\"\n"
        ".balign 4096\n"
        ".global target_page, target\n"
        "target_page:\n"
        "    .skip 0x40\n"
        "target:\n"
        "    mov x2, #0x77\n"
        "    svc #0xfade\n"
        ".balign 4096\n"
        ".previous\n");

const struct exception_frame *try_access(enum access access, unsigned el, uint64_t address)
{
    static trap_probe *const probes[] = {probe_load, probe_store, probe_fetch};
    const uint64_t arguments[4] = {address, 0x1111};
    return trap_run(probes[access], (el ? TRAP_EL1H : TRAP_EL0) | SPSR_DAIF, arguments);
}

bool allowed(const struct exception_frame *frame)
{
    return trap_none(frame);
}

void expect_abort(const struct exception_frame *frame, enum access access, unsigned el, uint64_t address,
                  uint32_t status)
{
    unsigned class = access == FETCH ? EC_INSTRUCTION_ABORT_LOWER : EC_DATA_ABORT_LOWER;
    uint64_t elr = access == FETCH ? address : access == LOAD ? (uintptr_t)probe_load : (uintptr_t)probe_store;
    tap_expect("vector", frame->vector, el ? VECTOR_CURRENT_SPX : VECTOR_LOWER_A64);
    tap_expect("ESR.EC", exception_class(frame), class + el); // the class of the same EL is the next one
    tap_expect("ESR.IL", frame->esr >> 25 & 1, 1);
    tap_expect("ESR.ISS", frame->esr & 0x1ffffff, status | (access == STORE) << 6);
    tap_expect("FAR", frame->far, address);
    tap_expect("ELR", frame->elr, elr);
    tap_expect("SPSR", frame->spsr & ~SPSR_BTYPE, (el ? TRAP_EL1H : TRAP_EL0) | SPSR_DAIF);
}
