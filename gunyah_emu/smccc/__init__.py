"""SMCCC, PSCI, TRNG and the vendor-hypervisor services behind `hvc #0` and `smc #0`."""
