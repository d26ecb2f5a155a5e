r"""Guests written in the test: AArch64 assembly, assembled by Keystone into an ELF with the labels as symbols.

    make_machine(vm=[{"name": "ringer", "image": assembly('''
            capability x0, doorbell_source, 1
            mov     x1, #0x5
            hypercall doorbell_send
            print   "rang\n"
            exit    0
    ''')}], doorbell=[{"label": 1, "senders": ["ringer"], "receiver": "ringer"}])

Besides what Keystone knows there are four instructions, each for what every small guest needs and nobody wants to
write again.  They are expanded here, not by macros, because two of them depend on the machine:

    hypercall NAME              the call, in the encoding of the test's variant; arguments in x0.., results in x0..
    capability xN, KIND, LABEL  a capability id; KIND as in the device tree: doorbell_source, doorbell,
                                message_queue_tx or message_queue_rx
    print "TEXT"                on the UART; changes x15, x16 and x17
    exit STATUS                 ends the VM; changes x0 and x1

Capability ids are written into the guest when its machine is made, which is what a build system does for a guest that
was linked for one machine; every other guest looks into its device tree.
"""

from __future__ import annotations

import ast
import re
from struct import pack, unpack
from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.errors import UserError
from gunyah_emu.testing.small_elf import small_elf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gunyah_emu.testing.under_test import MachineUnderTest, VmUnderTest

BASE = 0x4010_0000
"""Where a guest of assembly is linked, like those of C: the first MiB of RAM is the device tree's."""

UART = 0x0900_0000
KINDS = ("doorbell_source", "doorbell", "message_queue_tx", "message_queue_rx")
LABEL = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*):")
PSEUDO = re.compile(r"((?:\s*[A-Za-z_][A-Za-z0-9_]*:)?\s*)(hypercall|capability|print|exit)\b\s*(.*?)\s*")


def assembly(source: str) -> Assembly:
    """A guest of AArch64 assembly, as the `image` of a VM; it starts at its first instruction, at EL1, MMU off."""
    return Assembly(source)


class Assembled(NamedTuple):
    """A guest that was assembled.

    Arguments:
        elf: the bytes of its ELF.
        capabilities: the address of each capability id, by kind and label.
    """

    elf: bytes
    capabilities: dict[tuple[str, int], int]

    def give_capabilities(self, machine: MachineUnderTest, vm: VmUnderTest) -> None:
        """Write the ids where the guest looks for them; UserError when the VM has no such capability."""
        addrspace = vm.threads[0].addrspace
        assert addrspace is not None
        for (kind, label), address in self.capabilities.items():
            addrspace.write(address, pack("<Q", _capability(machine, vm, kind, label)))


def _capability(machine: MachineUnderTest, vm: VmUnderTest, kind: str, label: int) -> int:
    """The id under which a VM has one end of a doorbell or a message queue."""
    cspace = vm.threads[0].cspace
    assert cspace is not None
    find = machine.doorbell if kind.startswith("doorbell") else machine.message_queue
    try:
        target = find(label)
    except KeyError:
        raise UserError(f"capability {kind}, {label}: the machine must have one of that label") from None
    rights = target.RIGHTS.SEND if kind in ("doorbell_source", "message_queue_tx") else target.RIGHTS.RECEIVE
    for capability in cspace.table.values():
        if capability.object is target and capability.rights & rights:
            return capability.id
    raise UserError(f"capability {kind}, {label}: VM '{vm.name}' must be at that end of it")


class Assembly:
    """Source text, to be assembled in an encoding.

    Arguments:
        source: AArch64 assembly with the four instructions above.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    def assemble(self, encoding: str) -> Assembled:
        """The guest, whose hypercalls are "native" or "smccc"; UserError with the line that is wrong."""
        expander = Expander(encoding)
        lines = [expander.line(number, line) for number, line in enumerate(self.source.splitlines(), 1)]
        body = "\n".join(lines)
        labels = [match[1] for line in body.splitlines() if (match := LABEL.match(line))]
        labels += [name for name, _ in expander.data]
        data = "".join(f".balign 8\n{name}: {content}\n" for name, content in expander.data)
        table = f".balign 8\n.quad {', '.join(labels)}\n" if labels else ""
        code = _assembled(f"{body}\n{data}{table}", lines)
        addresses = unpack(f"<{len(labels)}Q", code[len(code) - 8 * len(labels) :])
        symbols = dict(zip(labels, addresses, strict=True))
        capabilities = {key: symbols[name] for key, name in expander.capabilities.items()}
        return Assembled(small_elf(code, BASE, symbols or {"start": BASE}), capabilities)


class Expander:
    """Expands the instructions that are ours.

    Arguments:
        encoding: of hypercalls.

    Attributes:
        data: (label, directives) of what belongs behind the code.
        capabilities: the label of each capability id.
    """

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self.data: list[tuple[str, str]] = []
        self.capabilities: dict[tuple[str, int], str] = {}

    def line(self, number: int, line: str) -> str:
        """A line as Keystone reads it; `number` is for messages."""
        if re.search(r":[a-z0-9_]+:", line) and '"' not in line:
            # Keystone ends the whole process over these.
            raise _error(number, line, "must have no relocation operator such as :lo12:; adr reaches everything here")
        match = PSEUDO.fullmatch(line.split("//")[0] if '"' not in line else line)
        if match is None:
            return line
        try:
            expanded = list(getattr(self, f"_{match[2]}")(match[3]))
        except ValueError as error:
            raise _error(number, line, str(error)) from None
        return f"{match[1]}{'; '.join(expanded)}"

    def _hypercall(self, name: str) -> Iterator[str]:
        from gunyah_emu.hypervisor.hypervisor import load_declarations

        declarations = load_declarations()
        if name not in declarations or declarations[name].number is None:
            from gunyah_emu.machine.config_schema import unknown

            raise ValueError(f"must name a hypercall; there is no {unknown(name, list(declarations))}")
        declaration = declarations[name]
        count = len(declaration.argument_names)
        number = declaration.number
        assert number is not None
        if self.encoding == "native":
            if declaration.reserved is not None:
                yield f"mov x{count}, #{-1 if declaration.reserved.value else 0}"
            yield f"hvc #{number:#x}"
            return
        for register in range(count, 0, -1):
            yield f"mov x{register}, x{register - 1}"
        yield f"mov w0, #{number - 0x6000 + 0x8000:#x}"
        yield "movk w0, #0xc600, lsl #16"
        yield "hvc #0"

    def _capability(self, operands: str) -> Iterator[str]:
        match = re.fullmatch(r"(x\d+)\s*,\s*(\w+)\s*,\s*(\w+)", operands)
        if match is None or match[2] not in KINDS:
            raise ValueError(f"must be `capability xN, KIND, LABEL`, with KIND one of {', '.join(KINDS)}")
        key = match[2], int(match[3], 0)
        if key not in self.capabilities:
            self.capabilities[key] = f"capability_{match[2]}_{match[3]}"
            self.data.append((self.capabilities[key], ".quad 0"))
        yield f"ldr {match[1]}, {self.capabilities[key]}"

    def _print(self, operands: str) -> Iterator[str]:
        try:
            text = ast.literal_eval(operands.strip())
        except (SyntaxError, ValueError):
            text = None
        if not isinstance(text, str):
            raise ValueError('must be `print "TEXT"`, as Python writes a string')  # noqa: TRY004 - a mistake in a text
        name = f"text_{len(self.data)}"
        self.data.append((name, f".byte {', '.join(str(byte) for byte in (*text.encode(), 0))}"))
        yield f"adr x15, {name}"
        yield f"movz x16, #{UART >> 16:#x}, lsl #16"
        yield f"print_{name}: ldrb w17, [x15], #1"
        yield f"cbz w17, printed_{name}"
        yield "strb w17, [x16]"
        yield f"b print_{name}"
        yield f"printed_{name}:"

    def _exit(self, operands: str) -> Iterator[str]:
        try:
            status = int(operands.removeprefix("#"), 0)
        except ValueError:
            raise ValueError("must be `exit STATUS`, with STATUS an integer") from None
        if status == 0:
            yield "movz w0, #0x8400, lsl #16"  # PSCI SYSTEM_OFF
            yield "movk w0, #8"
            yield "hvc #0"
            return
        name = f"exit_{len(self.data)}"
        self.data.append((name, f".quad 0x20026, {status}"))  # ADP_Stopped_ApplicationExit
        yield "mov w0, #0x20"  # SYS_EXIT_EXTENDED
        yield f"adr x1, {name}"
        yield "hlt #0xf000"


def _error(number: int, line: str, message: str) -> UserError:
    return UserError(f"assembly, line {number}: `{line.strip()}` {message}")


def _keystone() -> object:
    try:
        import keystone
    except ImportError:
        raise UserError(
            "guests in assembly need Keystone, which is not installed: pip install 'gunyah-emu[assembly]'"
        ) from None
    return keystone.Ks(keystone.KS_ARCH_ARM64, keystone.KS_MODE_LITTLE_ENDIAN)


def _assembled(source: str, lines: list[str]) -> bytes:
    """Its bytes at BASE, ending with the table of labels; `lines` is where a mistake is looked for."""
    engine = _keystone()
    try:
        code, _ = engine.asm(source, BASE, as_bytes=True)  # type: ignore[attr-defined]
    except Exception as error:
        # keystone.KsError; it does not say where, so the first line is looked for that spoils those before it.
        for number in range(1, len(lines) + 1):
            try:
                engine.asm("\n".join(lines[:number]), BASE)  # type: ignore[attr-defined]
            except Exception as partial:
                if "SYMBOL_MISSING" not in str(partial):
                    raise _error(number, lines[number - 1], f"cannot be assembled: {partial}") from None
        raise UserError(f"assembly: {error}") from None
    if not code:
        raise UserError("assembly: it must have an instruction; it has none")
    assert isinstance(code, bytes)
    return code
