"""What the hypervisor hands to the root VM at x0: the runtime environment and the CBOR map of its capabilities.

Source: recorded on the real hypervisor (12/2023 release); all numbers are little endian.  A fixed header, `rt_env`, is
followed at `rm_config_offset` by a second header and one CBOR map with text keys.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

SIZE = 0x4000
"""Bytes of the whole environment, zero-filled after its contents."""

RUNTIME_SIGNATURE = 0x454D_5652
"""'RVME', the header at x0."""

CONFIGURATION_SIGNATURE = 0x524D_4544
"""'DEMR', the header of the CBOR payload."""

_RUNTIME = struct.Struct("<IHxx10Q")
_CONFIGURATION = struct.Struct("<IHxxII")

ConfigurationValue = int | bool | list[int] | list[list[int]]


class RuntimeEnvironment(NamedTuple):
    """The fields of `rt_env` that the hypervisor fills in, in their order.

    Arguments:
        runtime_ipa: where the runtime image starts.
        app_ipa: where the application image starts; the end of the runtime image when there is none.
        app_heap_ipa: first free page after the environment.
        app_heap_size: bytes from there to the end of the root VM's memory.
        vcpu_capid: capability of the VM's only vCPU.
        timer_freq: CNTFRQ_EL0 in Hz.
        gicd_base: IPA of the distributor.
        gicr_base: IPA of the first redistributor.
    """

    runtime_ipa: int
    app_ipa: int
    app_heap_ipa: int
    app_heap_size: int
    vcpu_capid: int
    timer_freq: int
    gicd_base: int
    gicr_base: int


def build_root_environment(runtime: RuntimeEnvironment, configuration: Mapping[str, ConfigurationValue]) -> bytes:
    """The bytes at x0 of a root VM.

    Arguments:
        runtime: the fixed header's fields.
        configuration: the CBOR map, in its order.
    """
    import cbor2  # 15 ms that only a root VM needs

    payload = cbor2.dumps(dict(configuration))
    offset = _RUNTIME.size
    header = _RUNTIME.pack(RUNTIME_SIGNATURE, 1, *runtime, offset, SIZE - offset)
    inner = _CONFIGURATION.pack(CONFIGURATION_SIGNATURE, 1, _CONFIGURATION.size, len(payload))
    environment = header + inner + payload
    assert len(environment) <= SIZE, "the root environment outgrew its pages"
    return environment.ljust(SIZE, b"\0")
