"""An ELF that can run is loaded where it says; one that cannot is refused with what must be mended."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from struct import pack, unpack_from

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gunyah_emu.boot.elf import load_elf
from gunyah_emu.boot.image import Image
from gunyah_emu.errors import UserError

Write = Callable[[bytes], str]
CODE = bytes(range(32))
HEADER_SIZE, PROGRAM_HEADER_SIZE = 64, 56
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3


def program_header(
    kind: int = PT_LOAD,
    *,
    offset: int = 0,
    paddr: int = 0x4010_0000,
    vaddr: int | None = None,
    filesz: int = 0,
    memsz: int | None = None,
    flags: int = 5,
) -> bytes:
    return pack(
        "<IIQQQQQQ",
        kind,
        flags,
        offset,
        paddr if vaddr is None else vaddr,
        paddr,
        filesz,
        filesz if memsz is None else memsz,
        4096,
    )


def elf_bytes(
    headers: list[bytes],
    contents: bytes = b"",
    *,
    entry: int = 0x4010_0000,
    type_: int = 2,
    machine: int = 183,
    class_: int = 2,
    encoding: int = 1,
    table: int = HEADER_SIZE,
    stride: int = PROGRAM_HEADER_SIZE,
    count: int | None = None,
) -> bytes:
    """An ELF whose contents follow the program headers, at file offset 64 + 56 * len(headers)."""
    identification = b"\x7fELF" + bytes((class_, encoding, 1)) + bytes(9)
    count = len(headers) if count is None else count
    rest = pack("<HHIQQQIHHHHHH", type_, machine, 1, entry, table, 0, 0, HEADER_SIZE, stride, count, 64, 0, 0)
    return identification + rest + b"".join(headers) + contents


def contents_at(headers: int) -> int:
    """The file offset of the contents behind so many program headers."""
    return HEADER_SIZE + PROGRAM_HEADER_SIZE * headers


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], str]:
    """Writes bytes to a file `image` and gives its path."""

    def write_file(data: bytes) -> str:
        path = tmp_path / "image"
        path.write_bytes(data)
        return str(path)

    return write_file


def one_segment(data: bytes = CODE, **fields: int) -> bytes:
    """An ELF with a single loadable segment that holds `data`."""
    return elf_bytes([program_header(offset=contents_at(1), filesz=len(data))], data, **fields)


def refusal(path: str) -> str:
    """The message with which a file is refused, without its path."""
    with pytest.raises(UserError) as caught:
        load_elf(path)
    assert caught.value.path == path
    assert str(caught.value) == f"{path}: {caught.value.message}"
    return caught.value.message


# what runs


def test_a_static_executable_is_loaded_where_it_was_linked(write: Write) -> None:
    headers = [
        program_header(offset=contents_at(2), filesz=16, flags=5),
        program_header(offset=contents_at(2) + 16, paddr=0x4011_0000, filesz=16, memsz=0x5000, flags=6),
    ]
    image = load_elf(write(elf_bytes(headers, CODE, entry=0x4010_0004)))
    assert image.entry == 0x4010_0004
    assert not image.is_position_independent
    assert [(s.address, bytes(s.data), s.memory_size, s.flags) for s in image.segments] == [
        (0x4010_0000, CODE[:16], 16, 5),
        (0x4011_0000, CODE[16:], 0x5000, 6),
    ]
    assert (image.start, image.end) == (0x4010_0000, 0x4011_5000)


def test_segments_come_in_the_order_of_their_addresses_whatever_the_file_says(write: Write) -> None:
    headers = [program_header(offset=contents_at(2), paddr=p, filesz=8) for p in (0x4020_0000, 0x4010_0000)]
    image = load_elf(write(elf_bytes(headers, CODE)))
    assert [s.address for s in image.segments] == [0x4010_0000, 0x4020_0000]


def test_a_segment_with_virtual_addresses_goes_to_its_physical_ones_and_so_does_the_entry(write: Write) -> None:
    header = program_header(offset=contents_at(1), vaddr=0xFFFF_0000_4010_0000, filesz=32)
    image = load_elf(write(elf_bytes([header], CODE, entry=0xFFFF_0000_4010_0008)))
    assert image.segments[0].address == 0x4010_0000
    assert image.segments[0].virtual_address == 0xFFFF_0000_4010_0000
    assert image.entry == 0x4010_0008


def test_an_entry_point_that_is_physical_already_is_left_alone(write: Write) -> None:
    header = program_header(offset=contents_at(1), vaddr=0xFFFF_0000_4010_0000, filesz=32)
    assert load_elf(write(elf_bytes([header], CODE, entry=0x4010_0010))).entry == 0x4010_0010


def test_a_terabyte_of_zeros_costs_nothing_to_load(write: Write) -> None:
    header = program_header(offset=contents_at(1), filesz=32, memsz=1 << 40)
    assert load_elf(write(elf_bytes([header], CODE))).segments[0].memory_size == 1 << 40


def test_headers_of_no_bytes_are_ignored(write: Write) -> None:
    headers = [program_header(offset=contents_at(2), filesz=32), program_header(paddr=0x4010_0000)]
    assert len(load_elf(write(elf_bytes(headers, CODE))).segments) == 1


# static-PIE

R_RELATIVE, R_ABS64 = 1027, 257


def static_pie(relocations: list[tuple[int, int, int]], *extra_tags: tuple[int, int]) -> bytes:
    """A position-independent image: 64 bytes of data at 0, then the dynamic section, then the relocations."""
    rela = b"".join(pack("<QQq", *relocation) for relocation in relocations)
    tags = [*extra_tags, (7, 64 + 16 * (len(extra_tags) + 3)), (8, len(rela)), (0, 0)]
    dynamic = b"".join(pack("<qQ", *tag) for tag in tags)
    contents = bytes(64) + dynamic + rela
    headers = [
        program_header(offset=contents_at(2), paddr=0, filesz=len(contents), memsz=0x2000, flags=7),
        program_header(PT_DYNAMIC, offset=contents_at(2) + 64, paddr=64, filesz=len(dynamic), flags=6),
    ]
    return elf_bytes(headers, contents, entry=0, type_=3)


def test_a_static_pie_runs_where_it_is_put_with_its_pointers_made_right(write: Write) -> None:
    image = load_elf(write(static_pie([(8, R_RELATIVE, 0x30), (16, R_RELATIVE, -8), (0, 0, 0), (0, 256, 0)])))
    assert image.is_position_independent
    moved = image.relocate(0x4020_0000)
    assert moved.entry == 0x4020_0000
    assert moved.segments[0].address == moved.segments[0].virtual_address == 0x4020_0000
    assert unpack_from("<QQQ", moved.segments[0].data) == (0, 0x4020_0030, 0x401F_FFF8)
    assert bytes(image.segments[0].data[:32]) == bytes(32)


def test_a_static_pie_without_relocations_needs_none(write: Write) -> None:
    assert load_elf(write(static_pie([]))).relocate(0x4020_0000).entry == 0x4020_0000


def test_a_relocation_that_only_a_dynamic_linker_knows_is_refused(write: Write) -> None:
    assert refusal(write(static_pie([(8, R_ABS64, 0)]))) == (
        "relocations must be relative (R_AARCH64_RELATIVE, 1027); the one of 0x8 is of type 257"
    )


@pytest.mark.parametrize("target", [0x1000, 0x10_0000, (1 << 64) - 1])
def test_a_relocation_outside_the_image_is_refused(write: Write, target: int) -> None:
    assert refusal(write(static_pie([(target, R_RELATIVE, 0)]))) == (
        f"relocations must be of a segment's bytes in the file; there is one of {target:#x}"
    )


def test_relocations_outside_the_image_are_refused(write: Write) -> None:
    data = static_pie([(8, R_RELATIVE, 0)]).replace(pack("<qQ", 8, 24), pack("<qQ", 8, 0x2400))
    assert refusal(write(data)) == "the relocations must lie in a loadable segment; they are at 0x70..0x246f"


def test_packed_relocations_are_refused_with_the_option_that_avoids_them(write: Write) -> None:
    assert refusal(write(static_pie([], (36, 0)))) == (
        "must have no packed relocations (DT_RELR); link it with -z nopack-relative-relocs"
    )


def test_a_shared_library_is_refused(write: Write) -> None:
    assert refusal(write(static_pie([], (1, 0)))) == "must be statically linked; it needs a shared library (DT_NEEDED)"


def test_a_dynamic_section_behind_the_end_of_the_file_is_refused(write: Write) -> None:
    headers = [
        program_header(offset=contents_at(2), paddr=0, filesz=32),
        program_header(PT_DYNAMIC, offset=0x1000, filesz=0x20),
    ]
    assert refusal(write(elf_bytes(headers, CODE, entry=0, type_=3))) == (
        "must hold the dynamic section, file offsets 0x1000..0x101f; the file ends at 0xd0"
    )


# what does not run: one file a message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert refusal(str(tmp_path / "none.elf")) == "must be a file that can be read; it does not exist"


def test_a_path_that_no_file_can_have_is_refused() -> None:
    assert refusal("a\0b") == "must be a file that can be read; it cannot be opened (embedded null byte)"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert refusal(str(tmp_path)) == "must be a file; it is a directory"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal(str(tmp_path / "pipe")) == "must be a regular file; it is a device, pipe or socket"


def test_a_sparse_file_larger_than_host_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(one_segment())
        file.truncate(1 << 40)
    assert refusal(str(path)) == "must have at most 0x80000000 bytes; it has 0x10000000000"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must be an ELF image (7f 45 4c 46); it is empty"),
        (b"\x7fE", "must be an ELF image (7f 45 4c 46); it begins with 7f 45"),
        (b"hello, world", "must be an ELF image (7f 45 4c 46); it begins with 68 65 6c 6c"),
        (one_segment()[:20], "must have an ELF header of 64 bytes; the file ends at 20"),
        (one_segment(class_=1), "must be 64-bit (ELFCLASS64); it is 32-bit (ELFCLASS32)"),
        (one_segment(class_=7), "must be 64-bit (ELFCLASS64); it is of class 7"),
        (one_segment(encoding=2), "must be little-endian (ELFDATA2LSB); it is big-endian (ELFDATA2MSB)"),
        (one_segment(encoding=0), "must be little-endian (ELFDATA2LSB); it is of order 0"),
        (one_segment(machine=62), "must be for AArch64 (EM_AARCH64, 183); it is for x86-64 (EM_X86_64, 62)"),
        (one_segment(machine=40), "must be for AArch64 (EM_AARCH64, 183); it is for 32-bit Arm (EM_ARM, 40)"),
        (one_segment(machine=4711), "must be for AArch64 (EM_AARCH64, 183); it is for machine 4711"),
        (
            one_segment(type_=1),
            "must be an executable (ET_EXEC, or ET_DYN for a static-PIE); it is a relocatable object (ET_REL)",
        ),
        (one_segment(type_=9), "must be an executable (ET_EXEC, or ET_DYN for a static-PIE); it is of type 9"),
        (one_segment(count=0), "must have a loadable segment (PT_LOAD); it has no program headers"),
        (one_segment(stride=32), "must have program headers of 56 bytes; its header says 32"),
        (one_segment()[:100], "must hold its program headers, file offsets 0x40..0x77; the file ends at 0x64"),
        (
            one_segment(table=1 << 63),
            "must hold its program headers, file offsets 0x8000000000000000..0x8000000000000037; the file ends at 0x98",
        ),
        (elf_bytes([program_header(4)]), "must have a loadable segment (PT_LOAD); it has none"),
        (
            one_segment()[:-1],
            "must hold the segment at 0x40100000, file offsets 0x78..0x97; the file ends at 0x97",
        ),
        (
            elf_bytes([program_header(offset=contents_at(1), filesz=32, memsz=16)], CODE),
            "a segment must have room in memory for its bytes in the file; "
            "the one at 0x40100000 has 0x20 bytes in the file and 0x10 in memory",
        ),
        (
            elf_bytes([program_header(paddr=0x4010_0000, memsz=1 << 48)]),
            "segments must end below 0x1000000000000; there is one at 0x40100000..0x10000400fffff",
        ),
        (
            elf_bytes([program_header(paddr=0x4010_0000, vaddr=(1 << 64) - 4096, memsz=0x2000)]),
            "segments must end below 0x1000000000000; there is one at 0x40100000..0x40101fff",
        ),
        (
            elf_bytes([program_header(memsz=0x1001), program_header(paddr=0x4010_1000, memsz=16)]),
            "segments must not overlap; 0x40100000..0x40101000 and 0x40101000..0x4010100f do",
        ),
        (one_segment(entry=0x4010_0020), "the entry point must lie in a loadable segment; it is 0x40100020"),
        (
            elf_bytes(
                [program_header(PT_INTERP, offset=contents_at(2), filesz=28), program_header(memsz=16)],
                b"/lib/ld-linux-aarch64.so.1\0\0",
                type_=3,
            ),
            "must be statically linked; it needs the interpreter /lib/ld-linux-aarch64.so.1",
        ),
        (
            elf_bytes([program_header(PT_INTERP, offset=1 << 40, filesz=28)]),
            "must be statically linked; it needs the interpreter ?",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_cannot_run_is_refused_with_what_must_be_mended(write: Write, data: bytes, message: str) -> None:
    assert refusal(write(data)) == message


# anything at all

FIELD = st.one_of(st.integers(0, 0x200), st.sampled_from([1 << 32, 1 << 47, 1 << 63, (1 << 64) - 1]))


@st.composite
def almost_elf_files(draw: st.DrawFn) -> bytes:
    """Files with a right identification and fields that are mostly wrong in interesting ways."""
    headers = draw(
        st.lists(
            st.builds(
                lambda kind, offset, paddr, vaddr, filesz, memsz: program_header(
                    kind, offset=offset, paddr=paddr, vaddr=vaddr, filesz=filesz, memsz=memsz
                ),
                st.sampled_from([PT_LOAD, PT_LOAD, PT_DYNAMIC, PT_INTERP, 4]),
                FIELD,
                FIELD,
                FIELD,
                FIELD,
                FIELD,
            ),
            max_size=4,
        )
    )
    contents = draw(st.binary(max_size=0x200))
    return elf_bytes(
        headers,
        contents,
        entry=draw(FIELD),
        type_=draw(st.sampled_from([2, 3])),
        count=draw(st.sampled_from([None, 9])),
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.binary(max_size=0x200), almost_elf_files(), st.binary().map(lambda tail: one_segment()[:64] + tail))
)
def test_any_bytes_give_an_image_or_a_message(write: Write, data: bytes) -> None:
    try:
        image = load_elf(write(data))
    except UserError:
        return
    assert isinstance(image, Image)
    assert sum(len(segment.data) for segment in image.segments) <= 4 * len(data)
    for segment in image.segments:
        assert len(segment.data) <= segment.memory_size
    assert any(segment.address <= image.entry < segment.end for segment in image.segments)
    if image.is_position_independent:
        image.relocate(0x4000_0000)
