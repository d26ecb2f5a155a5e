"""An image is copied into memory whole, and not at all where it does not belong."""

from __future__ import annotations

import pytest

from gunyah_emu.boot.image import Image, Segment, check_disjoint, span
from gunyah_emu.errors import UserError

BASE, SIZE = 0x4000_0000, 0x4_0000


def image(path: str, *segments: tuple[int, bytes, int]) -> Image:
    return Image(path, "elf", segments[0][0], [Segment(at, data, size, 7) for at, data, size in segments])


def test_bytes_and_zeros_arrive_and_nothing_else_is_touched() -> None:
    ram = bytearray(b"\xee" * SIZE)
    image("a", (BASE + 16, b"code", 8), (BASE + 0x100, b"", 0x2_0001)).load_into(memoryview(ram), BASE, is_zero=False)
    assert ram[:16] == b"\xee" * 16
    assert ram[16:24] == b"code\0\0\0\0"
    assert ram[24:0x100] == b"\xee" * (0x100 - 24)
    assert not any(ram[0x100:0x2_0101])
    assert ram[0x2_0101:] == b"\xee" * (SIZE - 0x2_0101)


def test_memory_that_was_never_written_is_not_cleared_again() -> None:
    ram = bytearray(b"\xee" * SIZE)
    image("a", (BASE, b"code", 8)).load_into(memoryview(ram), BASE, is_zero=True)
    assert ram[:8] == b"code\xee\xee\xee\xee"


@pytest.mark.parametrize(
    ("segment", "shown"),
    [
        ((BASE - 4, b"code", 8), "0x3ffffffc..0x40000003"),
        ((BASE + SIZE - 4, b"code", 8), "0x4003fffc..0x40040003"),
        ((0x8000_0000, b"code", 4), "0x80000000..0x80000003"),
        ((BASE, b"code", 1 << 40), "0x40000000..0x1003fffffff"),
    ],
)
def test_a_segment_outside_memory_is_refused(segment: tuple[int, bytes, int], shown: str) -> None:
    with pytest.raises(UserError) as caught:
        image("a.elf", (BASE, b"", 0), segment).check_fits(BASE, SIZE, "sender")
    assert str(caught.value) == (
        f"a.elf: segments must lie inside the memory of VM 'sender', 0x40000000..0x4003ffff; there is one at {shown}"
    )


def test_a_segment_may_fill_memory_to_the_last_byte() -> None:
    image("a.elf", (BASE, b"", SIZE)).check_fits(BASE, SIZE, "sender")


def test_two_images_in_the_same_place_are_refused() -> None:
    one = image("one.elf", (BASE, b"", 0x1000), (BASE + 0x4000, b"", 0x1000))
    two = image("two.elf", (BASE + 0x2000, b"", 0x1000), (BASE + 0x4FFF, b"", 1))
    with pytest.raises(UserError) as caught:
        check_disjoint([one, two])
    assert str(caught.value) == (
        "two.elf: images of one VM must not overlap; 0x40004fff..0x40004fff overlaps 0x40004000..0x40004fff of one.elf"
    )


def test_images_may_interleave_and_touch() -> None:
    one = image("one.elf", (BASE, b"", 0x1000), (BASE + 0x2000, b"", 0x1000))
    two = image("two.elf", (BASE + 0x1000, b"", 0x1000), (BASE + 0x3000, b"", 1))
    check_disjoint([one, two])


def test_an_image_without_symbols_knows_no_names() -> None:
    raw = image("raw.bin", (BASE, b"", 16))
    assert (raw.symbol_at(BASE), raw.address_of("main"), raw.line_at(BASE)) == (None, None, None)
    assert raw.name == "raw.bin"


def test_ranges_are_shown_with_their_last_byte() -> None:
    assert span(0x1000, 0x2000) == "0x1000..0x1fff"
    assert span(0x1000, 0x1000) == "0x1000 (empty)"


def test_segments_show_where_they_are_and_what_they_may() -> None:
    assert repr(Segment(0x1000, b"", 16, 5)) == "<Segment 0x1000..0x100f r-x>"
