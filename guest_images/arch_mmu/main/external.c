// SPDX-License-Identifier: BSD-3-Clause
// Addresses where there is nothing: external aborts, on the access itself and on the walk.

#include "../tests.h"

#define INDEX 48
#define NOTHING 0x0b000000ul /* between the devices of the virt machine */
#define EXTERNAL 0x10
#define EXTERNAL_ON_WALK 0x14
#define ISS_EA (1 << 9)    /* IMPLEMENTATION DEFINED */
#define ISS_SET (3 << 11)  /* UER, UEU, UEO: IMPLEMENTATION DEFINED */

static void expect_external(enum access access, uint64_t address, uint32_t status)
{
    struct exception_frame frame = *try_access(access, 1, address);
    frame.esr &= ~(uint64_t)(ISS_EA | ISS_SET);
    expect_abort(&frame, access, 1, address, status);
}

void test_external_aborts(void)
{
    uint64_t address = address_of(3, INDEX);
    set_entry(3, INDEX, leaf(3, NOTHING, ATTRIBUTES(0) | ACCESSED));
    expect_external(LOAD, address + 0x18, EXTERNAL);
    tap_report(ARM "D8.13 a load from where there is nothing is a synchronous external abort");
    expect_external(STORE, address + 0x18, EXTERNAL);
    tap_report(ARM "D8.13 a store to where there is nothing is a synchronous external abort");
    set_entry(3, INDEX, leaf(3, NOTHING, NORMAL));
    expect_external(FETCH, address + 0x18, EXTERNAL);
    tap_report(ARM "D8.13 a fetch from where there is nothing is a synchronous external abort");
    set_entry(3, INDEX, 0);

    for (unsigned level = 0; level < 3; level++) {
        set_entry(level, INDEX, NOTHING | VALID | TABLE);
        address = address_of(level, INDEX) + 0x1238;
        expect_external(LOAD, address, EXTERNAL_ON_WALK + level + 1);
        expect_external(STORE, address, EXTERNAL_ON_WALK + level + 1);
        expect_external(FETCH, address, EXTERNAL_ON_WALK + level + 1);
        tap_report(ARM "D8.13 a level %u table where there is nothing: external abort on the walk", level + 1);
        set_entry(level, INDEX, 0);
    }
}
