"""A machine file says what it means, with every default; a mistake in it is shown where it is, with its cure.

One document for each message: each is the good one with one thing wrong.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from inspect import get_annotations
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gunyah_emu.errors import UserError
from gunyah_emu.machine.config import MachineConfig
from gunyah_emu.machine.config_keys import DOCUMENT
from gunyah_emu.machine.config_schema import REQUIRED, ArrayOf, Choice, Kind, Table

ROOT = Path(__file__).parents[3]

GOOD = """\
[machine]
seed = 7
[[vm]]
name = "sender"
image = "sender.elf"
memory = { base = 0x8000_0000, size = "1MiB" }
vcpus = 2
[[vm]]
name = "receiver"
image = "receiver.elf"
[[doorbell]]
label = 1
senders = ["sender"]
receiver = "receiver"
virq = { spi = 8, trigger = "edge" }
[[message_queue]]
label = 1
sender = "sender"
receiver = "receiver"
send_virq = { spi = 8 }
receive_virq = { spi = 9, trigger = "level" }
"""


AMOUNT = "bytes, as an integer or a string such as '64MiB', of 256 KiB..16 GiB in steps of 4 KiB"

Read = Callable[[str | bytes], MachineConfig]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Reads a text as `m.toml` of a folder that holds the images."""
    monkeypatch.chdir(tmp_path)
    for name in ("sender.elf", "receiver.elf"):
        (tmp_path / name).touch()

    def from_text(text: str | bytes) -> MachineConfig:
        (tmp_path / "m.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return MachineConfig.from_toml("m.toml")

    return from_text


def refusal(read: Read, text: str | bytes) -> str:
    with pytest.raises(UserError) as caught:
        read(text)
    return str(caught.value)


# what a good one means


def test_a_machine_file_is_read_with_its_defaults(read: Read) -> None:
    config = read(GOOD)
    assert (config.seed, config.way, config.capability_ids, config.on_fatal) == (7, "auto", "sequential", "stop")
    sender, receiver = config.vms
    assert (sender.name, sender.kind, sender.vcpus, sender.cpu) == ("sender", "guest", 2, "cortex-a72")
    assert (sender.gic, sender.bootargs, sender.initrd, sender.image_type) == ("architectural", "", None, "auto")
    assert sender.memory is not None
    assert (sender.memory.base, sender.memory.size) == (0x8000_0000, 1 << 20)
    assert (receiver.memory, receiver.vcpus, receiver.extra_images) == (None, 1, ())
    (doorbell,) = config.doorbells
    assert (doorbell.label, doorbell.senders, doorbell.receiver) == (1, ("sender",), "receiver")
    assert doorbell.virq is not None
    assert (doorbell.virq.spi, doorbell.virq.trigger) == (8, "edge")
    (queue,) = config.message_queues
    assert (queue.depth, queue.max_message_size) == (8, 240)
    assert queue.send_virq is not None
    assert queue.receive_virq is not None
    assert (queue.send_virq.trigger, queue.receive_virq.trigger) == ("edge", "level")
    assert config.vm("receiver") is receiver


def test_a_machine_without_a_machine_table_is_one_with_its_defaults(read: Read) -> None:
    config = read('[[vm]]\nname = "a"\nimage = "sender.elf"\n')
    assert (config.seed, config.doorbells, config.message_queues) == (0, (), ())


def test_a_root_vm_has_gunyah_s_gic_unless_the_file_says_otherwise(read: Read) -> None:
    root = '[[vm]]\nname = "a"\nkind = "root"\nimage = "sender.elf"\n'
    assert read(root).vms[0].gic == "gunyah"
    assert read(root + 'gic = "architectural"').vms[0].gic == "architectural"


@pytest.mark.parametrize(
    ("size", "amount"),
    [("0x40_0000", 4 << 20), ('"4MiB"', 4 << 20), ('"4 MiB"', 4 << 20), ('"512KiB"', 1 << 19), ('"1GiB"', 1 << 30)],
)
def test_sizes_are_bytes_or_carry_their_unit(read: Read, size: str, amount: int) -> None:
    memory = read(GOOD.replace('"1MiB"', size)).vms[0].memory
    assert memory is not None
    assert memory.size == amount


def test_paths_start_at_the_machine_file(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk.img").touch()
    extra = 'initrd = "disk.img"\nextra_images = [{ file = "disk.img", type = "raw", load_address = 0x8004_0000 }]\n'
    read(GOOD.replace("vcpus = 2\n", extra))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    vm = MachineConfig.from_toml("../m.toml").vms[0]
    assert (vm.image, vm.initrd) == ("../sender.elf", "../disk.img")
    assert [(image.file, image.type, image.load_address) for image in vm.extra_images] == [
        ("../disk.img", "raw", 0x8004_0000)
    ]


def test_images_alone_make_a_machine(tmp_path: Path) -> None:
    paths = []
    for folder, name in (("a", "guest.elf"), ("b", "guest.elf"), ("b", "a name: ü.elf"), ("b", "x" * 40)):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).touch()
        paths.append(tmp_path / folder / name)
    config = MachineConfig.from_images(paths)
    assert [vm.name for vm in config.vms] == ["guest", "guest-2", "a_name___", "x" * 28]
    assert [vm.image for vm in config.vms] == [str(path) for path in paths]
    assert config.path is None


def test_a_missing_image_is_named_as_it_was_given() -> None:
    with pytest.raises(UserError) as caught:
        MachineConfig.from_images(["no/such.elf"])
    assert str(caught.value) == "no/such.elf: must be a file that can be read; it does not exist"


def test_a_later_mistake_is_shown_at_its_key(read: Read) -> None:
    config = read(GOOD)
    vm = config.vms[0]
    assert str(config.error(vm, "must be so", key="image")) == "m.toml:5:9: must be so"
    assert str(config.error(vm, "must be so", key="bootargs")) == "m.toml:3:1: must be so"
    assert str(config.error(("doorbell", 0, "virq", "spi"), "must be so")) == "m.toml:15:16: must be so"
    assert str(config.error(vm, "must be so", key="image", at_key=True)) == "m.toml:5:1: must be so"


# what is wrong with one key


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("seed", "sede", "2:1: [machine] must have known keys only; it has 'sede' (did you mean 'seed'?)"),
        (
            "[machine]",
            "[machin]",
            "1:1: a machine file must have known keys only; it has 'machin' (did you mean 'machine'?)",
        ),
        (
            "[[doorbell]]",
            "[[bell]]",
            "11:1: a machine file must have known keys only; it has 'bell' (did you mean 'doorbell'?)",
        ),
        ("vcpus", "colour", "7:1: [[vm]] must have known keys only; it has 'colour'"),
        ("size =", "bytes =", "6:32: { base, size } must have known keys only; it has 'bytes'"),
        ('image = "sender.elf"\n', "", "3:1: [[vm]] must have the key 'image'; it has none"),
        ("label = 1\nsenders", "senders", "11:1: [[doorbell]] must have the key 'label'; it has none"),
        ("spi = 8, ", "", "15:8: { spi, trigger } must have the key 'spi'; it has none"),
        ("seed = 7", "seed = -1", "2:8: seed must be an integer of 0..0xffffffffffffffff; it is -1"),
        (
            "seed = 7",
            f"seed = 0x{'f' * 4000}",
            "2:8: seed must be an integer of 0..0xffffffffffffffff; it is an integer of 16000 bits",
        ),
        (
            "0x8000_0000",
            f"0x{'f' * 20}",
            "6:19: memory.base must be an address of 0..0x7ffffff000 in steps of 0x1000; it is an integer of 80 bits",
        ),
        ("seed = 7", "seed = true", "2:8: seed must be an integer of 0..0xffffffffffffffff; it is true"),
        ("vcpus = 2", "vcpus = 9", "7:9: vcpus must be an integer of 1..8; it is 9"),
        ("vcpus = 2", "vcpus = 0", "7:9: vcpus must be an integer of 1..8; it is 0"),
        ("vcpus = 2", "vcpus = '2'", "7:9: vcpus must be an integer of 1..8; it is '2'"),
        ("vcpus = 2", "vcpus = 2.0", "7:9: vcpus must be an integer of 1..8; it is 2.0"),
        ("vcpus = 2", 'cpu = "a53"', "7:7: cpu must be 'cortex-a53', 'cortex-a57', 'cortex-a72' or 'max'; it is 'a53'"),
        ("vcpus = 2", 'kind = "user"', "7:8: kind must be 'guest' or 'root'; it is 'user'"),
        ("vcpus = 2", 'gic = "v2"', "7:7: gic must be 'architectural' or 'gunyah'; it is 'v2'"),
        ("vcpus = 2", "bootargs = 5", "7:12: bootargs must be a string; it is 5"),
        ("vcpus = 2", 'bootargs = "a\\u0000b"', "7:12: bootargs must be a string; it is 'a\\x00b'"),
        ("seed = 7", 'way = "slow"', "2:7: way must be 'auto', 'fast' or 'portable'; it is 'slow'"),
        ("seed = 7", "capability_ids = 1", "2:18: capability_ids must be 'sequential' or 'random'; it is 1"),
        ("seed = 7", 'on_fatal = "go"', "2:12: on_fatal must be 'stop' or 'error'; it is 'go'"),
        ('trigger = "edge"', 'trigger = "rising"', "15:29: virq.trigger must be 'edge' or 'level'; it is 'rising'"),
        ('["sender"]', '"sender"', "13:11: senders must be an array of 1..32 names of VMs; it is 'sender'"),
        ('["sender"]', "[]", "13:11: senders must be an array of 1..32 names of VMs; it has 0"),
        (
            '["sender"]',
            '["sender", 3]',
            "13:22: senders[1] must be a name of 1..32 letters, digits, '_', '.' or '-'; it is 3",
        ),
        (
            'name = "sender"',
            'name = "my vm"',
            "4:8: name must be a name of 1..32 letters, digits, '_', '.' or '-'; it is 'my vm'",
        ),
        ('image = "sender.elf"', 'image = ""', "5:9: image must be the path of a file; it is ''"),
        (
            'image = "sender.elf"',
            'image = "nil.elf"',
            "5:9: image must be a file that can be read; nil.elf does not exist",
        ),
        (
            'image = "sender.elf"',
            'image = "sender.elf/x"',
            "5:9: image must be a file that can be read; sender.elf/x cannot be opened (Not a directory)",
        ),
        ("vcpus = 2", 'initrd = "nil"', "7:10: initrd must be a file that can be read; nil does not exist"),
        (
            "vcpus = 2",
            'extra_images = [{ file = "nil" }]',
            "7:26: file must be a file that can be read; nil does not exist",
        ),
        (
            "vcpus = 2",
            "extra_images = [3]",
            "7:17: extra_images[0] must be a table { file, type, load_address }; it is 3",
        ),
        (
            "label = 1\nsenders",
            "label = 0x1_0000_0000\nsenders",
            "12:9: label must be an integer of 0..0xffffffff; it is 4294967296",
        ),
        ("spi = 8, ", "spi = 988, ", "15:16: virq.spi must be an integer of 0..987; it is 988"),
        ("spi = 8, ", "spi = -1, ", "15:16: virq.spi must be an integer of 0..987; it is -1"),
        ('virq = { spi = 8, trigger = "edge" }', "virq = 8", "15:8: virq must be a table { spi, trigger }; it is 8"),
        ("memory = {", "memory = 5 #", "6:10: memory must be a table { base, size }; it is 5"),
        (
            '"1MiB"',
            '"1MB"',
            f"6:39: memory.size must be {AMOUNT}; it is '1MB'",
        ),
        (
            '"1MiB"',
            "0x40001",
            f"6:39: memory.size must be {AMOUNT}; it is 262145",
        ),
        (
            '"1MiB"',
            '"4KiB"',
            f"6:39: memory.size must be {AMOUNT}; it is '4KiB'",
        ),
        (
            '"1MiB"',
            '"17GiB"',
            f"6:39: memory.size must be {AMOUNT}; it is '17GiB'",
        ),
        (
            "0x8000_0000",
            "0x8000_0800",
            "6:19: memory.base must be an address of 0..0x7ffffff000 in steps of 0x1000; it is 0x80000800",
        ),
        (
            "0x8000_0000",
            '"8000"',
            "6:19: memory.base must be an address of 0..0x7ffffff000 in steps of 0x1000; it is '8000'",
        ),
        (
            "label = 1\nsender ",
            "depth = 256\nsender ",
            "16:1: [[message_queue]] must have the key 'label'; it has none",
        ),
        (
            "label = 1\nsender ",
            "label = 1\ndepth = 256\nsender ",
            "18:9: depth must be an integer of 1..255; it is 256",
        ),
        (
            "label = 1\nsender ",
            "label = 1\nmax_message_size = 1024\nsender ",
            "18:20: max_message_size must be an integer of 1..1023; it is 1024",
        ),
    ],
    ids=lambda value: value[:40],
)
def test_a_wrong_key_is_shown_where_it_is(read: Read, good: str, bad: str, message: str) -> None:
    assert good in GOOD
    assert refusal(read, GOOD.replace(good, bad, 1)) == f"m.toml:{message}"


# what is wrong with several keys together


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ('name = "receiver"', 'name = "sender"', "9:8: every VM must have a name of its own; two are called 'sender'"),
        (
            '["sender"]',
            '["sendr"]',
            "13:12: senders[0] must be the name of a VM; there is no 'sendr' (did you mean 'sender'?)",
        ),
        ('["sender"]', '["sender", "sender"]', "13:22: senders must be different VMs; 'sender' is named twice"),
        (
            'receiver = "receiver"',
            'receiver = "nobody"',
            "14:12: receiver must be the name of a VM; there is no 'nobody'",
        ),
        ('sender = "sender"', 'sender = "x"', "18:10: sender must be the name of a VM; there is no 'x'"),
        ("spi = 8, ", "spi = 1, ", "15:16: spi must be free in VM 'receiver'; 1 is taken by the UART"),
        ("spi = 8, ", "spi = 2, ", "15:16: spi must be free in VM 'receiver'; 2 is taken by the real-time clock"),
        ("spi = 9", "spi = 8", "21:24: spi must be free in VM 'receiver'; 8 is taken by doorbell 1"),
        (
            'receiver = "receiver"\nsend_virq = { spi = 8 }\nreceive_virq = { spi = 9',
            'receiver = "sender"\nsend_virq = { spi = 8 }\nreceive_virq = { spi = 8',
            "21:24: spi must be free in VM 'sender'; 8 is taken by message queue 1 (send)",
        ),
        (
            "[[message_queue]]",
            '[[doorbell]]\nlabel = 1\nsenders = ["receiver"]\nreceiver = "sender"\n[[message_queue]]',
            "17:9: labels of doorbells must be unique; 1 is that of number 1",
        ),
        (
            "[[message_queue]]",
            '[[message_queue]]\nlabel = 1\nsender = "receiver"\nreceiver = "sender"\n[[message_queue]]',
            "21:9: labels of message queues must be unique; 1 is that of number 1",
        ),
        (
            "0x8000_0000",
            "0x07f0_1000",
            "6:10: memory must not overlap the devices, 0x8000000..0xaffffff; it is 0x7f01000..0x8000fff",
        ),
        (
            "0x8000_0000",
            "0x09ff_f000",
            "6:10: memory must not overlap the devices, 0x8000000..0xaffffff; it is 0x9fff000..0xa0fefff",
        ),
        (
            "0x8000_0000",
            "0x7f_fff0_1000",
            "6:10: memory must end by 0x8000000000; it is 0x7ffff01000..0x8000000fff",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_shown_where_they_do(read: Read, good: str, bad: str, message: str) -> None:
    assert good in GOOD
    assert refusal(read, GOOD.replace(good, bad, 1)) == f"m.toml:{message}"


def test_two_root_vms_are_one_too_many(read: Read) -> None:
    text = GOOD.replace('name = "', 'kind = "root"\nname = "').replace("memory =", "#").replace("vcpus =", "#")
    assert refusal(read, text) == "m.toml:10:8: at most one VM must be a root VM; 'receiver' is the second"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("memory = {}", "memory"),
        ("vcpus = 2", "vcpus"),
        ('image_type = "raw"', "image_type"),
        ("load_address = 0", "load_address"),
    ],
)
def test_what_the_hypervisor_decides_for_a_root_vm_is_refused(read: Read, line: str, key: str) -> None:
    text = f'[[vm]]\nname = "a"\nkind = "root"\nimage = "sender.elf"\n{line}\n'
    assert refusal(read, text) == f"m.toml:5:1: {key} must be left out for a root VM; 'a' is one"
    assert read(text.replace(line, "vcpus = 1")).vms[0].vcpus == 1


def test_a_root_vm_makes_its_own_doorbells(read: Read) -> None:
    text = GOOD.replace('name = "receiver"', 'kind = "root"\nname = "receiver"')
    assert refusal(read, text) == (
        "m.toml:15:12: receiver must be a guest; 'receiver' is the root VM, which makes its own objects"
    )


def test_memory_on_top_of_the_flash_is_refused(read: Read) -> None:
    text = GOOD.replace("vcpus = 2", 'image_type = "flash"').replace("0x8000_0000", "0x0100_0000")
    assert (
        refusal(read, text) == "m.toml:6:10: memory must not overlap the flash, 0x0..0x7ffffff; it starts at 0x1000000"
    )


def test_the_same_spi_may_serve_different_vms_and_the_same_label_different_kinds(read: Read) -> None:
    assert len(read(GOOD).message_queues) == 1


# what is no machine file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1:1: a machine file must have the key 'vm'; it has none"),
        ("vm = []", ":1:6: vm must be an array of 1..32 tables [[vm]]; it has 0"),
        ("vm = 5", ":1:6: vm must be an array of 1..32 tables [[vm]]; it is 5"),
        ("vm = [5]", ":1:7: vm[0] must be a table; it is 5"),
        ("machine = 3\n[[vm]]", ":1:11: machine must be a table; it is 3"),
        ("[[vm]]\nname = \n", ":2:8: a machine file must be TOML; invalid value"),
        ("[[vm]\n", ":1:5: a machine file must be TOML; expected ']]' at the end of an array declaration"),
        ("a = 1\na = 2\n", ":2:6: a machine file must be TOML; cannot overwrite a value"),
        ("a = '''\n", ":2:1: a machine file must be TOML; expected \"'''\", and the file ends"),
        (b"\n[[vm]]\nname = '\xff'", ":3:9: a machine file must be UTF-8; it holds the byte 0xff"),
        (
            "a = " + "9" * 5000,
            ": a machine file must be TOML; exceeds the limit (4300 digits) for integer string conversion: value has "
            "5000 digits; use sys.set_int_max_str_digits() to increase the limit",
        ),
        ("a = " + "[" * 10_000, ": a machine file must be TOML; its values are nested too deeply"),
        ("#" * (1 << 20) + "\n", ": a machine file must have at most 1048576 bytes; it has 1048577"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_what_is_no_machine_file_is_refused(read: Read, text: str | bytes, message: str) -> None:
    assert refusal(read, text) == f"m.toml{message}"


def test_a_missing_machine_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(UserError) as caught:
        MachineConfig.from_toml(path)
    assert str(caught.value) == f"{path}: must be a file that can be read; it does not exist"


def test_windows_line_ends_do_not_move_places(read: Read) -> None:
    text = GOOD.replace("vcpus = 2", "vcpus = 9").replace("\n", "\r\n")
    assert refusal(read, text) == "m.toml:7:9: vcpus must be an integer of 1..8; it is 9"


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, len(GOOD)), st.text("[]{}=\"'.,\n #a1\\", max_size=4))
def test_a_damaged_file_is_read_or_refused_with_a_place(read: Read, at: int, damage: str) -> None:
    try:
        read(GOOD[:at] + damage + GOOD[at + len(damage) :])
    except UserError as error:
        assert str(error).startswith("m.toml:")  # noqa: PT017 - both ends are fine


# the declarations, the classes and the page are one


TABLES = list(dict.fromkeys(DOCUMENT.tables()))


def fits(kind: Kind, hint: object) -> bool:
    """Whether an annotation is that of what a kind reads."""
    if isinstance(kind, Choice):
        return get_origin(hint) is Literal and set(get_args(hint)) == set(kind.words)
    if isinstance(kind, Table):
        return hint is kind.section
    if isinstance(kind, ArrayOf):
        return get_origin(hint) is tuple and fits(kind.element, get_args(hint)[0])
    return isinstance(hint, type) and hint.__name__ == type(kind).read.__annotations__["return"]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.section.__name__)
def test_the_classes_are_annotated_as_the_keys_are_declared(table: Table) -> None:
    hints = get_annotations(table.section, eval_str=True)
    assert set(hints) == set(table.keys)
    for name, key in table.keys.items():
        hint = hints[name]
        options = get_args(hint) if type(None) in get_args(hint) else (hint,)
        assert fits(key.kind, options[0]), name
        is_derived = name == "gic"
        assert (key.default is None and not is_derived) == (type(None) in options), name


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.section.__name__)
def test_every_default_is_what_its_key_must_be(table: Table) -> None:
    for name, key in table.keys.items():
        if key.default is not REQUIRED and key.default is not None:
            default = list(key.default) if isinstance(key.default, tuple) else key.default
            assert key.kind.read(default, (name,)) == key.default


def test_more_vms_and_connections_than_a_machine_has_room_for_are_refused(read: Read) -> None:
    vms = "".join(f'[[vm]]\nname = "{n}"\nimage = "sender.elf"\n' for n in range(33))
    assert refusal(read, vms) == "m.toml:1:1: vm must be an array of 1..32 tables [[vm]]; it has 33"
    doorbells = "".join(f'[[doorbell]]\nlabel = {n}\nsenders = ["sender"]\nreceiver = "sender"\n' for n in range(513))
    assert refusal(read, GOOD[: GOOD.index("[[doorbell")] + doorbells) == (
        "m.toml:11:1: doorbell must be an array of 0..512 tables [[doorbell]]; it has 513"
    )


def test_the_reference_page_is_fresh() -> None:
    check = subprocess.run(
        [sys.executable, "tools/machine_file_page.py", "--check"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (check.returncode, check.stderr) == (0, "")


def test_the_page_s_example_is_a_machine_file(read: Read) -> None:
    page = (ROOT / "docs/machine-file.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    config = read(example)
    assert [vm.name for vm in config.vms] == ["sender", "receiver"]
    assert refusal(read, example.replace('["sender"]', '["sendr"]')) == (
        page.split("```text\n")[1].split("\n```")[0].replace("machine.toml", "m.toml")
    )
