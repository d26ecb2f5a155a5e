"""The names of calls: GDB's file is fresh, and every name leads to the call and back."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from gunyah_emu.debug.gdb.calls import UNKNOWN_FUNCTION, XML_FILE, Numbers, all_calls, syscalls_xml
from gunyah_emu.debug.gdb.client_files import FOLDER


def test_the_file_that_gdb_reads_is_what_the_declarations_say() -> None:
    found = (FOLDER / "syscalls" / XML_FILE).read_text(encoding="utf-8")
    assert found == syscalls_xml(), "run python tools/gdb_data.py"


def test_numbers_are_unique_and_such_as_gdb_can_hold() -> None:
    numbers = [call.number for call in all_calls()]
    assert len(set(numbers)) == len(numbers)
    assert all(0 < number < 0x8000 for number in numbers)


def test_a_name_is_one_hypercall_or_the_two_widths_of_a_function() -> None:
    names: dict[str, int] = {}
    for row in ET.fromstring(syscalls_xml()).iter("syscall"):
        names[row.get("name")] = names.get(row.get("name"), 0) + 1
    assert names["doorbell_send"] == 1
    assert names["CPU_ON"] == 2
    assert max(names.values()) == 2


def test_every_call_is_numbered_alike_whichever_way_it_is_made() -> None:
    numbers = Numbers()
    for call in all_calls():
        if call.key is None:
            continue
        immediate, x0 = (call.key, 0) if call.key < 0x8000_0000 else (0, call.key)
        assert numbers.number(immediate, x0) == call.number
        assert numbers.keys([call.number]) == [call.key]
    assert numbers.number(0, 0xC600_8012) == 0x6012
    assert numbers.number(0, 0x8400_ABCD) == UNKNOWN_FUNCTION
    assert numbers.number(0x1234, 0) == 0x1234
    assert numbers.keys([UNKNOWN_FUNCTION]) == []
