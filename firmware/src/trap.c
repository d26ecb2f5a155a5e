// SPDX-License-Identifier: BSD-3-Clause

#include <smp.h>
#include <trap.h>

#define SPSR_RETURN (TRAP_EL1H | SPSR_DAIF)

static struct {
    bool armed;
    struct exception_frame frame;
} traps[MAX_CPUS];

// Back to the caller of enter_probe(): the probe has left x30 alone, and whatever it did to the other registers is in
// the frame, from where they are restored; so enter_probe() declares that it changes them all.
static bool on_exception(struct exception_frame *frame)
{
    uint32_t cpu = cpu_index();
    if (!traps[cpu].armed)
        return false;
    traps[cpu].armed = false;
    traps[cpu].frame = *frame;
    frame->elr = frame->x[30];
    frame->spsr = SPSR_RETURN;
    return true;
}

void trap_init(void)
{
    exception_set_handler(on_exception);
}

__attribute__((noinline)) static void enter_probe(trap_probe *probe, uint64_t spsr, const uint64_t arguments[4])
{
    register uint64_t x0 __asm__("x0") = arguments[0];
    register uint64_t x1 __asm__("x1") = arguments[1];
    register uint64_t x2 __asm__("x2") = arguments[2];
    register uint64_t x3 __asm__("x3") = arguments[3];
    register uint64_t x4 __asm__("x4") = (uintptr_t)probe;
    register uint64_t x5 __asm__("x5") = spsr;
    __asm__ volatile("msr elr_el1, x4\n\tmsr spsr_el1, x5\n\tadr x30, 0f\n\tisb\n\teret\n0:"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5)
                     :
                     : "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19",
                       "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "cc", "memory");
}

const struct exception_frame *trap_run(trap_probe *probe, uint64_t spsr, const uint64_t arguments[4])
{
    uint32_t cpu = cpu_index();
    uint64_t daif = read_sysreg(daif);
    traps[cpu].armed = true;
    enter_probe(probe, spsr, arguments);
    write_sysreg(daif, daif);
    return &traps[cpu].frame;
}

const struct exception_frame *trap_at_el1(trap_probe *probe, uint64_t x0, uint64_t x1)
{
    return trap_run(probe, TRAP_EL1H | SPSR_DAIF, (const uint64_t[4]){x0, x1});
}

const struct exception_frame *trap_at_el0(trap_probe *probe, uint64_t x0, uint64_t x1)
{
    return trap_run(probe, TRAP_EL0 | SPSR_DAIF, (const uint64_t[4]){x0, x1});
}

bool trap_none(const struct exception_frame *frame)
{
    return exception_class(frame) == EC_SVC && (frame->esr & 0xffff) == TRAP_END;
}
