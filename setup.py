"""The one part of the build that is not data: the C accelerator, left out where there is no compiler."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "gunyah_emu.cpu._accelerator",
            ["gunyah_emu/cpu/_accelerator.c"],
            extra_compile_args=[
                "-O2",
                "-std=c11",
                "-Wall",
                "-Wextra",
                "-Wno-cast-function-type",
                "-Wno-missing-field-initializers",
            ],
            optional=True,
        )
    ]
)
