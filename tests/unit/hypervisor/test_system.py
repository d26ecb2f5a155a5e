"""Calls that belong to no object."""

import pytest

from gunyah_emu.abi.errors import ARGUMENT_ALIGNMENT, ARGUMENT_SIZE, BUSY, OK, UNIMPLEMENTED

MINUS_ONE = 0xFFFF_FFFF_FFFF_FFFF


def test_identification(world):
    assert world.call("hypervisor_identify") == (0x5100_0000_0000_8001, 0x1000_0EFF, 0, 0)


@pytest.mark.parametrize(
    ("size", "error"),
    [(0, ARGUMENT_SIZE), (17, ARGUMENT_SIZE), (20, ARGUMENT_SIZE), (1, ARGUMENT_ALIGNMENT), (15, ARGUMENT_ALIGNMENT)],
)
def test_entropy_comes_in_words(world, size, error):
    assert world.call("prng_get_entropy", num_bytes=size) == (error,)


@pytest.mark.parametrize("size", [4, 8, 12, 16, 1 << 32 | 8])
def test_entropy_is_one_register_a_word(world, size):
    error, *words = world.call("prng_get_entropy", num_bytes=size)
    assert error == OK
    assert len(words) == (size & 0xFFFF_FFFF) // 4
    assert all(word < 1 << 32 for word in words)


def test_entropy_is_limited_to_four_reads_in_33_ms(world):
    now = 5_000_000
    world.platform.nanoseconds = lambda: now
    assert [world.error("prng_get_entropy", num_bytes=4) for _ in range(5)] == [OK, OK, OK, OK, BUSY]
    now += 32_999_999
    assert world.error("prng_get_entropy", num_bytes=4) == BUSY
    now += 1
    assert [world.error("prng_get_entropy", num_bytes=4) for _ in range(5)] == [OK, OK, OK, OK, BUSY]


def test_refused_sizes_do_not_count(world):
    for _ in range(9):
        world.call("prng_get_entropy", num_bytes=3)
    assert world.error("prng_get_entropy", num_bytes=4) == OK


def test_trace_flags_are_kept_but_for_the_hypervisors_own(world):
    assert world.call("trace_update_class_flags") == (OK, 0x3_00E5)
    assert world.call("trace_update_class_flags", clear_flags=MINUS_ONE) == (OK, 0x21)
    assert world.call("trace_update_class_flags", set_flags=0x22, clear_flags=0x2) == (OK, 0x23)


@pytest.mark.parametrize("call", ["object_reset", "object_reset_from", "partition_create_partition"])
def test_what_the_real_build_lacks_is_unimplemented_in_32_bits(world, call):
    assert world.call(call)[0] == UNIMPLEMENTED


def test_creating_a_partition_still_sets_x1(world):
    assert world.call("partition_create_partition") == (UNIMPLEMENTED, MINUS_ONE)


def test_numbers_without_a_call_have_no_entry(world):
    assert [n for n in range(0x70) if world.hypervisor.calls[n] is None][:4] == [0x08, 0x09, 0x16, 0x1E]
