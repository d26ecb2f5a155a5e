// SPDX-License-Identifier: BSD-3-Clause
// CVAL, TVAL and CTL: what is written, what is read, and how they hang together.

#include "../tests.h"

#define DEFINE_TIMER(prefix, counter, name, intid)                        \
    static uint64_t prefix##_count(void)                                  \
    {                                                                     \
        isb();                                                            \
        return read_sysreg(counter);                                      \
    }                                                                     \
    static uint64_t prefix##_ctl(void)                                    \
    {                                                                     \
        isb();                                                            \
        return read_sysreg(prefix##_ctl_el0);                             \
    }                                                                     \
    static void prefix##_set_ctl(uint64_t value)                          \
    {                                                                     \
        write_sysreg(prefix##_ctl_el0, value);                            \
        isb();                                                            \
    }                                                                     \
    static uint64_t prefix##_cval(void)                                   \
    {                                                                     \
        return read_sysreg(prefix##_cval_el0);                            \
    }                                                                     \
    static void prefix##_set_cval(uint64_t value)                         \
    {                                                                     \
        write_sysreg(prefix##_cval_el0, value);                           \
        isb();                                                            \
    }                                                                     \
    static uint64_t prefix##_tval(void)                                   \
    {                                                                     \
        isb();                                                            \
        return read_sysreg(prefix##_tval_el0);                            \
    }                                                                     \
    static void prefix##_set_tval(uint64_t value)                         \
    {                                                                     \
        write_sysreg(prefix##_tval_el0, value);                           \
        isb();                                                            \
    }                                                                     \
    const struct timer name = {                                           \
        #prefix,         intid,           prefix##_count, prefix##_ctl,   \
        prefix##_set_ctl, prefix##_cval, prefix##_set_cval, prefix##_tval, \
        prefix##_set_tval,                                                \
    }

DEFINE_TIMER(cntv, cntvct_el0, virtual_timer, INTID_VIRTUAL_TIMER);
DEFINE_TIMER(cntp, cntpct_el0, physical_timer, INTID_PHYSICAL_TIMER);

void test_counters(void)
{
    uint64_t frequency = read_sysreg(cntfrq_el0);
    tap_true(frequency >= 1000000 && frequency <= 1000000000, ARM "D19.12 CNTFRQ_EL0 is a frequency in Hz");

    uint64_t physical = physical_timer.count(), virtual = virtual_timer.count(), backwards = 0;
    const uint64_t first_physical = physical, first_virtual = virtual;
    for (unsigned n = 0; n < 1000; n++) {
        uint64_t next_physical = physical_timer.count(), next_virtual = virtual_timer.count();
        backwards += next_physical < physical || next_virtual < virtual;
        physical = next_physical;
        virtual = next_virtual;
    }
    tap_equal(backwards, 0, ARM "D12.1.2 the counters never go backwards");
    tap_true(physical > first_physical && virtual > first_virtual, ARM "D12.1.2 the counters advance");

    uint64_t before = physical_timer.count(), between = virtual_timer.count(), after = physical_timer.count();
    uint64_t again_before = physical_timer.count(), again = virtual_timer.count(), again_after = physical_timer.count();
    // The virtual offset lies in an interval; both samples must allow the same one.
    int64_t least = (int64_t)(before - between), most = (int64_t)(after - between);
    int64_t least_again = (int64_t)(again_before - again), most_again = (int64_t)(again_after - again);
    tap_true(least <= most_again && least_again <= most,
             ARM "D12.1.3 the virtual counter is the physical one less a constant offset");
    tap_true(virtual_timer.count() < 1ul << 56, ARM "D12.1.2 the counter has not wrapped soon after reset");
}

void test_registers(const struct timer *timer)
{
    static const uint64_t values[] = {0, 1, 0x123456789abcdef0, ~0ul, 1ul << 63};
    timer->set_ctl(0);
    for (unsigned n = 0; n < sizeof values / sizeof *values; n++) {
        timer->set_cval(values[n]);
        tap_expect("CVAL", timer->cval(), values[n]);
    }
    tap_report(ARM "D19.12 %s_CVAL holds 64 bits", timer->name);

    static const uint64_t controls[] = {CTL_ENABLE, CTL_IMASK, CTL_ENABLE | CTL_IMASK, 0};
    timer->set_cval(timer->count() + FAR_AWAY);
    for (unsigned n = 0; n < 4; n++) {
        timer->set_ctl(controls[n]);
        tap_expect("ENABLE and IMASK", timer->ctl() & (CTL_ENABLE | CTL_IMASK), controls[n]);
    }
    timer->set_ctl(~(uint64_t)CTL_IMASK);
    tap_expect("ISTATUS cannot be written", timer->ctl(), CTL_ENABLE);
    tap_report(ARM "D19.12 %s_CTL: ENABLE and IMASK are read as written, ISTATUS is read-only, the rest RES0",
               timer->name);
    timer->set_ctl(0);

    uint64_t before = timer->count();
    timer->set_tval(1000);
    uint64_t after = timer->count(), cval = timer->cval();
    tap_expect("CVAL is not early", cval >= before + 1000, true);
    tap_expect("CVAL is not late", cval <= after + 1000, true);
    tap_report(ARM "D12.2.4 writing %s_TVAL sets CVAL to the counter plus it", timer->name);

    before = timer->count();
    timer->set_tval(0xfffffffffffff000); // bits 31:0 count, as a signed number: -0x1000
    after = timer->count();
    cval = timer->cval();
    tap_expect("CVAL is not early", cval + 0x1000 >= before, true);
    tap_expect("CVAL is not late", cval + 0x1000 <= after, true);
    tap_report(ARM "D12.2.4 %s_TVAL is a signed 32-bit number when it is written", timer->name);

    timer->set_cval(timer->count() + 0x500000000);
    before = timer->count();
    uint64_t tval = timer->tval();
    after = timer->count();
    cval = timer->cval();
    tap_expect("bits 63:32", tval >> 32, 0);
    tap_expect("not too small", (int32_t)((uint32_t)tval - (uint32_t)(cval - after)) >= 0, true);
    tap_expect("not too large", (int32_t)((uint32_t)(cval - before) - (uint32_t)tval) >= 0, true);
    tap_report(ARM "D12.2.4 %s_TVAL reads as bits 31:0 of CVAL less the counter", timer->name);
}
