"""Runs real AArch64 guest binaries under a model of the Gunyah hypervisor."""

__version__ = "0.1.0"
