// SPDX-License-Identifier: BSD-3-Clause
// As sender.c, in the encoding that Linux uses: an SMCCC function id on hvc #0.

#include <device_tree.h>
#include <gunyah/hypercalls.h>
#include <gunyah/resources.h>
#include <stdio.h>
#include <timer.h>

#include "protocol.h"

int main(void)
{
    struct gunyah_resource doorbell = gunyah_resource(GUNYAH_DOORBELL_SOURCE, DOORBELL_LABEL);
    uint64_t flags = bootargs_number("flags", 0);
    gic_init();
    gic_init_cpu();
    sleep_us(bootargs_number("sleep_us", 0));
    struct gunyah_doorbell_send_result sent = gunyah_smccc_hvc_doorbell_send(doorbell.capability, flags);
    printf("0xc6008012: sent 0x%lx, error %d, flags before 0x%lx\n", flags, sent.error, sent.old_flags);
    return sent.error ? 1 : 0;
}
