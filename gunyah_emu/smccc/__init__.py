"""SMCCC, PSCI, TRNG and the vendor-hypervisor services behind `hvc #0` and `smc #0`.

A file a service; `dispatcher` knows which function id is whose.
"""
