"""A device tree that the user gives, amended by what only the machine knows: memory, command line, RAM disk, Gunyah.

Everything else stays as it was given: a board's own nodes are the reason to give one.  The tree is decoded here and
written anew.  Editing it in place by libfdt was rejected: damaged trees crash it, even those that it has checked.

Source: Devicetree Specification 0.4, chapter 5 (flattened format).
"""

from __future__ import annotations

from struct import Struct, error, unpack_from
from typing import TYPE_CHECKING

from gunyah_emu.boot.device_tree import write_hypervisor, write_memory
from gunyah_emu.boot.flat_tree import Writer
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from typing import NoReturn

    from gunyah_emu.boot.device_tree import Chosen, Description

HEADER = Struct(">10I")
MAGIC, VERSION = 0xD00DFEED, 17
BEGIN_NODE, END_NODE, PROPERTY, NOP, END = 1, 2, 3, 4, 9
DEEPEST = 64
TWO = bytes((0, 0, 0, 2))


class Node:
    """A node: its name, its properties and the nodes in it, in their order."""

    __slots__ = ("children", "name", "properties")

    def __init__(self, name: str) -> None:
        self.name = name
        self.properties: dict[str, bytes] = {}
        self.children: list[Node] = []


def amend(data: bytes, description: Description, path: str, room: int) -> bytes:
    """A given device tree with its memory, /chosen and /hypervisor made those of the description.

    Arguments:
        data: the flattened tree.
        description: of the VM; what it says of vCPUs and devices is not used.
        path: the tree's file, for messages.
        room: bytes that the result may have.

    Raises:
        UserError: it is no device tree; its root does not give addresses and sizes by two cells each; it is too long.
    """
    reader = Reader(data, path)
    root = reader.read()
    for name in ("#address-cells", "#size-cells"):
        value = root.properties.get(name)
        if value != TWO:
            found = "absent" if value is None else int.from_bytes(value, "big")
            raise UserError(f"{name} of the root must be 2; it is {found}", path=path)
    tree = Writer(reader.reserved())
    tree.begin(root.name)
    for name, value in root.properties.items():
        tree.property(name, value)
    chosen = Node("chosen")
    for child in root.children:
        if child.name == "chosen":
            chosen = child
        elif child.name != "hypervisor" and child.properties.get("device_type") != b"memory\0":
            write(tree, child)
    write(tree, with_choices(chosen, description.chosen))
    write_memory(tree, description)
    if description.hypervisor is not None:
        write_hypervisor(tree, description.hypervisor)
    tree.end()
    amended = tree.finish()
    if len(amended) > room:
        raise UserError(f"must have at most {room:#x} bytes when it is amended; it has {len(amended):#x}", path=path)
    return amended


def with_choices(node: Node, chosen: Chosen) -> Node:
    """A given /chosen with the machine's RAM disk, and with its command line if it has one."""
    if chosen.bootargs:
        node.properties["bootargs"] = chosen.bootargs.encode() + b"\0"
    for index, name in enumerate(("linux,initrd-start", "linux,initrd-end")):
        node.properties.pop(name, None)
        if chosen.initrd is not None:
            node.properties[name] = chosen.initrd[index].to_bytes(8, "big")
    return node


def write(tree: Writer, node: Node) -> None:
    """Writes a node and those in it."""
    tree.begin(node.name)
    for name, value in node.properties.items():
        tree.property(name, value)
    for child in node.children:
        write(tree, child)
    tree.end()


class Reader:
    """Decodes a flattened tree, trusting nothing in it.

    Arguments:
        data: the tree; bytes behind it are ignored.
        path: its file, for messages.
    """

    def __init__(self, data: bytes, path: str) -> None:
        self.path = path
        self.data = data
        if len(data) < HEADER.size:
            self.refuse(f"its header has {len(data)} bytes of {HEADER.size}")
        magic, size, structure, strings, reserved, version, compatible, _, string_size, _ = HEADER.unpack_from(data)
        if magic != MAGIC:
            self.refuse(f"it begins with {data[:4].hex(' ')} instead of d0 0d fe ed")
        if compatible > VERSION or version < VERSION:
            self.refuse(f"it is of version {version}, compatible with {compatible}, not {VERSION}")
        if size > len(data):
            self.refuse(f"it has {size:#x} bytes, and the file {len(data):#x}")
        self.data = data[:size]
        self.structure = structure
        self.strings = self.data[strings : strings + string_size]
        self.reserve_map = reserved

    def read(self) -> Node:
        """The root node."""
        try:
            return self.read_nodes()
        except (error, UnicodeDecodeError, ValueError, IndexError):
            self.refuse("its structure is damaged")

    def read_nodes(self) -> Node:
        """The root node; whatever is out of bounds or no text raises what Python raises."""
        at = self.structure
        top = Node("")
        above = [top]
        while True:
            (token,) = unpack_from(">I", self.data, at)
            at += 4
            if token == BEGIN_NODE:
                end = self.data.index(b"\0", at)
                node = Node(self.data[at:end].decode("ascii"))
                above[-1].children.append(node)
                above.append(node)
                at = (end + 4) & -4
                if len(above) > DEEPEST:
                    self.refuse(f"its nodes are nested more than {DEEPEST} deep")
            elif token == PROPERTY:
                size, name = unpack_from(">II", self.data, at)
                end = self.strings.index(b"\0", name)
                if at + 8 + size > len(self.data):
                    raise IndexError
                above[-1].properties[self.strings[name:end].decode("ascii")] = self.data[at + 8 : at + 8 + size]
                at = (at + 8 + size + 3) & -4
            elif token == END_NODE:
                above.pop()
            elif token == END:
                (root,) = top.children
                return root
            elif token != NOP:
                raise ValueError

    def reserved(self) -> list[tuple[int, int]]:
        """The memory reservations: address and bytes of each."""
        found = []
        for at in range(self.reserve_map, len(self.data) - 15, 16):
            address, size = unpack_from(">QQ", self.data, at)
            if not (address or size):
                break
            found.append((address, size))
        return found

    def refuse(self, found: str) -> NoReturn:
        """Raises UserError about this file."""
        raise UserError(f"must be a flattened device tree; {found}", path=self.path)
