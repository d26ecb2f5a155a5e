"""A root VM finds its capabilities where the real hypervisor puts them."""

import struct

import cbor2

from gunyah_emu.boot.root_environment import SIZE, RuntimeEnvironment, build_root_environment

RUNTIME = RuntimeEnvironment(
    runtime_ipa=0x8048_0000,
    app_ipa=0x804A_1000,
    app_heap_ipa=0x804A_6000,
    app_heap_size=0x7A000,
    vcpu_capid=0x1234,
    timer_freq=62_500_000,
    gicd_base=0x0800_0000,
    gicr_base=0x080A_0000,
)


def test_headers_are_where_they_were_recorded():
    data = build_root_environment(RUNTIME, {"cspace_capid": 7})
    assert len(data) == SIZE
    assert data[:4] == b"RVME"
    assert struct.unpack_from("<H", data, 4) == (1,)
    assert struct.unpack_from("<10Q", data, 8) == (*RUNTIME, 0x58, 0x3FA8)
    assert data[0x58:0x5C] == b"DEMR"
    version, offset, size = struct.unpack_from("<HxxII", data, 0x5C)
    assert (version, offset) == (1, 0x10)
    assert cbor2.loads(data[0x58 + offset : 0x58 + offset + size]) == {"cspace_capid": 7}


def test_capability_ids_of_64_bits_and_ranges_survive():
    configuration = {"vic": (1 << 64) - 1, "free_ranges": [[0x4000_0000, 0x4000_0000]], "sve_supported": True}
    data = build_root_environment(RUNTIME, configuration)
    size = struct.unpack_from("<I", data, 0x58 + 0xC)[0]
    assert cbor2.loads(data[0x68 : 0x68 + size]) == configuration
