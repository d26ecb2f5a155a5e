"""The parts of the build that are not data: the C accelerator and the demo's guests."""

from pathlib import Path
from shutil import copy2

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

ACCELERATOR = "gunyah_emu/cpu/accelerator"
SOURCES = (
    "blocks",
    "bus",
    "calls",
    "code",
    "core",
    "coverage",
    "debug",
    "exceptions",
    "layout",
    "module",
    "registers",
    "walk",
)
DEMO = Path("guest_images/doorbell_irq")


class BuildWithDemo(build_py):
    """Puts the demo's guests into the package, where an installed `gunyah-emu demo` finds them."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "gunyah_emu", "demo")
        target.mkdir(parents=True, exist_ok=True)
        for file in (DEMO / "machine.toml", *DEMO.glob("*.elf")):
            copy2(file, target)


setup(
    cmdclass={"build_py": BuildWithDemo},
    ext_modules=[
        Extension(
            "gunyah_emu.cpu._accelerator",
            [f"{ACCELERATOR}/{name}.c" for name in SOURCES],
            depends=[f"{ACCELERATOR}/core.h"],
            extra_compile_args=[
                "-O2",
                "-std=c11",
                "-fvisibility=hidden",
                "-Wall",
                "-Wextra",
                "-Wno-cast-function-type",
            ],
            optional=True,  # without a compiler the package installs all the same, and takes the portable way
        )
    ],
)
