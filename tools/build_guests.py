"""Builds the guests: firmware/ and each C file of guest_images/*/ and docs/examples/*/ become the ELF files beside it.

    python tools/build_guests.py                  build all
    python tools/build_guests.py --check          build all elsewhere; fail unless the bytes are those checked in
    python tools/build_guests.py --output DIR     build all into folders of DIR instead of these

guest_images/NAME/main.c becomes NAME.elf and any other STEM.c becomes STEM.elf, each together with the sources in a
folder STEM/ beside it, if there is one; VARIANTS names the sources that are built more than once.  The main.c of a
folder root_* is a root VM's guest: it is linked where the hypervisor puts it, and may embed the other images, which are
built first, by `.incbin "FOLDER/NAME.elf"`.  The compiler is the `ziglang` wheel, so nobody needs a system cross
compiler.  The bytes depend on nothing but the sources and the compiler: no path, no time, no order of a directory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = Path("firmware")
GUESTS = Path("guest_images")
EXAMPLES = Path("docs/examples")

COMPILER_VERSION = "0.17.1"

VARIANTS: dict[str, dict[str, tuple[str, ...]]] = {
    "bench_c/main.c": {"bench_c_mmu_off": ("-DMMU=0",), "bench_c_mmu_on": ("-DMMU=1",)},
    "bench_tight/main.c": {"bench_tight_mmu_off": ("-DMMU=0",), "bench_tight_mmu_on": ("-DMMU=1",)},
    "thermostat/controller.c": {
        "controller": (),
        "controller.smccc": ("-DGUNYAH_SMCCC",),
        "controller_faulty": ("-DFAULTY",),
    },
    "thermostat/fan.c": {"fan": (), "fan.smccc": ("-DGUNYAH_SMCCC",)},
    "thermostat/sensor.c": {"sensor": (), "sensor.smccc": ("-DGUNYAH_SMCCC",)},
}
"""Source, by its folder's name and its own, to ELF stem to the compiler's flags."""

COMMON_FLAGS = (
    "-target",
    "aarch64-freestanding-none",
    # v8.0-A, which every core that runs Gunyah has; el3 only makes the assembler know SMC.  No floating point: it traps
    # until CPACR_EL1 allows it, and interrupt handlers need not save it.  (zig takes no -mgeneral-regs-only.)
    "-mcpu=generic+el3-neon-fp_armv8",
    "-O2",
    "-gline-tables-only",
    # Relative to the root, wherever the checkout is.
    f"-ffile-prefix-map={ROOT}=.",
    "-ffunction-sections",
    "-fdata-sections",
    # zig turns on the undefined behaviour sanitizer, the stack protector and unwind tables for its own users.
    "-fno-sanitize=all",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    f"-I{FIRMWARE}/include",
    f"-I{FIRMWARE}/src/gunyah",
)
C_FLAGS = (
    "-std=gnu17",
    "-ffreestanding",
    # With the MMU off all memory is Device memory, where an unaligned access faults.
    "-mstrict-align",
    # Exclusives inline: there is no library of outlined atomics here.
    "-mno-outline-atomics",
    "-fno-pic",
    "-Wall",
    "-Wextra",
    # A handler that needs no argument still has one.
    "-Wno-unused-parameter",
    "-Wstrict-prototypes",
    "-Werror",
)
FILE_FLAGS = {
    FIRMWARE / "src/string.c": ("-fno-builtin",),
    # Its line table, for 250 stubs of which a guest keeps two, would be most of the file.
    FIRMWARE / "src/gunyah/hypercalls.S": ("-g0",),
}
LINK_FLAGS = (
    "--gc-sections",
    "--build-id=none",
    "-z",
    "max-page-size=4096",
    "-z",
    "noexecstack",
)
LINKER_SCRIPT, ROOT_LINKER_SCRIPT = FIRMWARE / "link.ld", FIRMWARE / "link_root.ld"


class Guest(NamedTuple):
    """One ELF file: its path, its source, the flags that make it this variant."""

    elf: Path
    source: Path
    flags: tuple[str, ...]

    @property
    def is_root(self) -> bool:
        """Whether it is a root VM's."""
        return self.source.name == "main.c" and self.source.parent.name.startswith("root_")


class BuildError(Exception):
    """The compiler or linker refused; its own words."""


def guests() -> list[Guest]:
    """Every ELF file that the sources make."""
    found = []
    for source in sorted(source for folder in (GUESTS, EXAMPLES) for source in (ROOT / folder).glob("*/*.c")):
        path = source.relative_to(ROOT)
        stem = path.parent.name if path.stem == "main" else path.stem
        for name, flags in VARIANTS.get(f"{path.parent.name}/{path.name}", {stem: ()}).items():
            found.append(Guest(path.parent / f"{name}.elf", path, flags))
    return found


class Builder:
    """Runs the compiler in ROOT, with its caches and our objects in a scratch directory."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        caches = {"ZIG_GLOBAL_CACHE_DIR": str(scratch / "zig"), "ZIG_LOCAL_CACHE_DIR": str(scratch / "zig")}
        self._environment = {**os.environ, **caches}

    def zig(self, *arguments: str | Path) -> None:
        """One run of the compiler."""
        command = [sys.executable, "-m", "ziglang", *map(str, arguments)]
        result = subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False)
        if result.returncode:
            raise BuildError(f"{' '.join(map(str, arguments))}\n{result.stderr}")

    def compile(self, source: Path, stem: str, flags: Iterable[str] = ()) -> Path:
        """The object file of a source, which is named relative to ROOT."""
        target = self.scratch / f"{stem}.o"
        language = C_FLAGS if source.suffix == ".c" else ()
        special = FILE_FLAGS.get(source, ())
        self.zig("cc", *COMMON_FLAGS, *language, *special, *flags, "-c", source, "-o", target)
        return target

    def archive(self, objects: Iterable[Path]) -> Path:
        """A library of which a guest gets only the members it uses."""
        target = self.scratch / "firmware.a"
        self.zig("ar", "rcsD", target, *objects)
        return target

    def link(self, guest: Guest, firmware: Path, output: Path) -> None:
        """Compile a guest's own sources and link them with the firmware."""
        stem = "guest-" + "-".join(guest.elf.with_suffix("").parts).replace(".", "_")
        parts = sorted((ROOT / guest.source).with_suffix("").glob("*.c"))
        sources = [guest.source, *(path.relative_to(ROOT) for path in parts)]
        flags = (*guest.flags, f"-I{output / GUESTS}") if guest.is_root else guest.flags
        own = [self.compile(source, f"{stem}-{source.stem}", flags) for source in sources]
        script = ROOT_LINKER_SCRIPT if guest.is_root else LINKER_SCRIPT
        target = output / guest.elf
        target.parent.mkdir(parents=True, exist_ok=True)
        # In a new file, not in the old one's place: somebody may be running that.
        partial = target.with_suffix(".partial")
        self.zig("ld.lld", *LINK_FLAGS, "-T", script, *own, firmware, "-o", partial)
        partial.chmod(0o644)
        partial.replace(target)


def build(output: Path) -> None:
    """Build every guest into folders of `output`, as they are in the root."""
    sources = [path.relative_to(ROOT) for path in sorted((ROOT / FIRMWARE / "src").rglob("*.[cS]"))]
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(os.cpu_count()) as pool:
        builder = Builder(Path(scratch))
        firmware = builder.archive(pool.map(lambda source: builder.compile(source, f"firmware-{source.name}"), sources))
        for embeds in (False, True):
            chosen = [guest for guest in guests() if guest.is_root is embeds]
            list(pool.map(lambda guest: builder.link(guest, firmware, output), chosen))


def differences(built: Path, checked_in: Path) -> Iterator[str]:
    """What is wrong with the checked-in files, a line each."""
    expected = {guest.elf for guest in guests()}
    there = {path for folder in (GUESTS, EXAMPLES) for path in (checked_in / folder).glob("*/*.elf")}
    for elf in sorted(expected | {path.relative_to(checked_in) for path in there}):
        if elf not in expected:
            yield f"{elf} must be made by a source, there is none"
        elif not (checked_in / elf).exists():
            yield f"{elf} must be checked in, it is missing"
        elif (built / elf).read_bytes() != (checked_in / elf).read_bytes():
            yield f"{elf} must be what its source makes, its bytes differ"


def check_compiler() -> None:
    """Another version makes other bytes; say so before anybody wonders."""
    command = [sys.executable, "-m", "ziglang", "version"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.stdout.strip() != COMPILER_VERSION:
        found = result.stdout.strip() or "missing"
        raise BuildError(f"the compiler must be ziglang=={COMPILER_VERSION}, it is {found}")


def main() -> int:
    """Build or check; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare a fresh build with the checked-in files")
    parser.add_argument("--output", type=Path, default=ROOT, help="directory to build into")
    options = parser.parse_args()
    try:
        check_compiler()
        if not options.check:
            build(options.output.resolve())
            return 0
        with tempfile.TemporaryDirectory() as scratch:
            build(Path(scratch))
            found = list(differences(Path(scratch), ROOT))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    if found:
        print(*found, "run python tools/build_guests.py", sep="\n", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
