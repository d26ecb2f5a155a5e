"""Fetches operating systems that boot here unmodified: Debian's arm64 kernel with a busybox shell, and U-Boot.

    python tools/fetch_guests.py                  into ~/.cache/gunyah_emu (or $XDG_CACHE_HOME/gunyah_emu)
    python tools/fetch_guests.py --output DIR     into DIR
    python tools/fetch_guests.py --refresh        again, in the versions that Debian has now

The folder then holds `Image`, `initramfs.cpio`, `u-boot.bin`, the machine files of docs/examples/linux/ that name
them, and `guests.json`: which packages they are from and what they hash to.  A folder that is whole is left as it is,
so that a second call needs no network.

The packages come through apt, which checks Debian's signature, with state, cache and list of sources of its own:
nothing is installed, and the system's apt is not changed, as it would be by `dpkg --add-architecture`.  Proxies that
are configured for the system's apt are used.
"""

from __future__ import annotations

import argparse
import fcntl
import gzip
import hashlib
import json
import lzma
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MACHINE_FILES = ROOT / "docs/examples/linux"

MIRROR = "http://deb.debian.org/debian"
SUITE = "bookworm"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

KERNEL, BUSYBOX, U_BOOT = "linux-image-cloud-arm64", "busybox-static", "u-boot-qemu"
MANIFEST = "guests.json"

MARKER = "gunyah_emu: userspace is up"
"""What the initramfs prints first."""

INIT = f"""\
#!/bin/busybox sh
# The first process.  `commands="..."` among the kernel's arguments is run instead of a shell.  Either way the machine
# is then powered off: the end of the first process would be a kernel panic.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ PS1='# '
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo "{MARKER}"
if [ -n "$commands" ]; then
    eval "$commands"
else
    setsid cttyhack sh
fi
poweroff -f
"""


class FetchError(Exception):
    """What went wrong, and what would mend it."""


def fetch(output: Path, *, mirror: str = MIRROR, suite: str = SUITE, refresh: bool = False) -> Path:
    """Makes `output` a whole folder of guests, unless it is one already; returns it.

    Arguments:
        output: the folder; made when it is missing.
        mirror: a Debian archive.
        suite: the release in it.
        refresh: fetch again even if the folder is whole.

    Raises:
        FetchError: a program is missing, the mirror does not answer, or a package does not hold what it should.
    """
    output.mkdir(parents=True, exist_ok=True)
    with locked(output):
        if refresh or not is_whole(output):
            # Beside the result, so that each file is moved into place in one step.
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=output) as scratch:
                fetch_into(Path(scratch), output, mirror, suite)
        for machine_file in sorted(MACHINE_FILES.glob("*.toml")):
            replace(output / machine_file.name, machine_file.read_bytes())
    return output


def fetch_into(scratch: Path, output: Path, mirror: str, suite: str) -> None:
    """Fetches, unpacks, and moves the files into place; the manifest last, so that what is cut short is not whole."""
    apt = Apt(scratch / "apt", mirror, suite)
    progress(f"reading the package lists of {mirror} {suite}")
    apt.update()
    kernel = apt.kernel_of(KERNEL)
    packages = apt.download(kernel, BUSYBOX, U_BOOT)
    tree = scratch / "tree"
    for package in packages.values():
        progress(f"unpacking {package.name} ({package.stat().st_size / 1e6:.1f} MB)")
        run("dpkg-deb", "--extract", str(package), str(tree))
    files = {
        "Image": decompressed(only_file(tree, "boot/vmlinuz-*").read_bytes()),
        "initramfs.cpio": initramfs(only_file(tree, "**/bin/busybox").read_bytes()),
        "u-boot.bin": only_file(tree, "usr/lib/u-boot/qemu_arm64/u-boot.bin").read_bytes(),
    }
    sources = {name: apt.facts_of(path) for name, path in packages.items()}
    results = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    manifest = {"mirror": mirror, "suite": suite, "packages": sources, "files": results}
    for name, data in files.items():
        replace(output / name, data)
    replace(output / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
    for name, facts in sources.items():
        progress(f"{name} {facts['version']}")


class Apt:
    """apt with everything that it writes below one folder, for arm64.

    Arguments:
        folder: for its state, cache and packages.
        mirror, suite: its only source.
    """

    def __init__(self, folder: Path, mirror: str, suite: str) -> None:
        if not KEYRING.exists():
            cure = "apt-get install debian-archive-keyring"
            raise FetchError(f"{KEYRING} must exist, to check Debian's signature: {cure}")
        self.packages = folder / "packages"
        for name in ("packages", "state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        status, sources = folder / "state/status", folder / "sources.list"
        status.touch()
        sources.write_text(f"deb [signed-by={KEYRING} arch=arm64] {mirror} {suite} main\n")
        options = {
            "APT::Architecture": "arm64",
            "APT::Architectures": "arm64",
            "APT::Sandbox::User": "",  # the folder is the caller's alone
            "APT::Update::Error-Mode": "any",  # a mirror that does not answer is otherwise a warning
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20",
            "Dir::Cache": folder / "cache",
            "Dir::Etc::SourceList": sources,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State": folder / "state",
            "Dir::State::Status": status,
        }
        self._options = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]

    def update(self) -> None:
        """Reads the lists of packages."""
        run("apt-get", *self._options, "update")

    def kernel_of(self, package: str) -> str:
        """The package with the kernel itself, on which one without a version in its name depends."""
        shown = run("apt-cache", *self._options, "--no-all-versions", "show", package)
        match = re.search(r"^Depends:.*?(linux-image-[^ ,]+)", shown, re.MULTILINE)
        if match is None:
            raise FetchError(f"{package} must depend on a kernel; it does not")
        return match[1]

    def download(self, *names: str) -> dict[str, Path]:
        """Fetches packages, without those that they depend on; each name with its file."""
        found = {}
        for name in names:
            progress(f"fetching {name}")
            run("apt-get", *self._options, "download", name, cwd=self.packages)
            found[name] = only_file(self.packages, f"{name}_*.deb")
        return found

    @staticmethod
    def facts_of(package: Path) -> dict[str, str]:
        """A package's version, architecture and hash."""
        fields = run("dpkg-deb", "--field", str(package), "Version", "Architecture")
        facts = {key.lower(): value for key, value in (line.split(": ", 1) for line in fields.splitlines())}
        return facts | {"sha256": sha256(package)}


def decompressed(kernel: bytes) -> bytes:
    """A kernel's `Image`, out of what /boot holds: itself, gzipped, or an EFI application that unpacks itself.

    Source: Linux Documentation/arm64/booting; drivers/firmware/efi/libstub/zboot-header.S.
    """
    if kernel[:4] == b"MZ\0\0" and kernel[4:8] == b"zimg":
        offset, size = struct.unpack_from("<II", kernel, 8)
        compression = kernel[24:56].split(b"\0")[0].decode("ascii", "replace")
        payload = kernel[offset : offset + size]
        if compression == "gzip":
            kernel = gzip.decompress(payload)
        elif compression in ("xz", "lzma"):
            kernel = lzma.decompress(payload)
        elif compression == "zstd" and shutil.which("zstd"):
            kernel = subprocess.run(["zstd", "-dc"], input=payload, capture_output=True, check=True).stdout
        else:
            raise FetchError(
                f"the kernel must be compressed with gzip, xz, or zstd if that is installed; it is with {compression}"
            )
    elif kernel[:2] == b"\x1f\x8b":
        kernel = gzip.decompress(kernel)
    if kernel[56:60] != b"ARM\x64":
        raise FetchError(f"the kernel must be an arm64 Image; it begins {kernel[:64].hex()}")
    return kernel


def initramfs(busybox: bytes) -> bytes:
    """A root file system of one program and one script; the same program gives the same bytes."""
    archive = bytearray()
    folder, program, device = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755, stat.S_IFCHR | 0o600
    for name in ("bin", "dev", "proc", "sys", "tmp"):
        append_cpio(archive, name, folder)
    # The kernel opens it for the first process, before anybody can mount a devtmpfs.
    append_cpio(archive, "dev/console", device, device_number=(5, 1))
    append_cpio(archive, "bin/busybox", program, busybox)
    append_cpio(archive, "init", program, INIT.encode())
    append_cpio(archive, "TRAILER!!!", 0)
    return bytes(archive)


def append_cpio(
    archive: bytearray, name: str, mode: int, data: bytes = b"", device_number: tuple[int, int] = (0, 0)
) -> None:
    """Appends an entry of root's, of 1970, to a cpio archive of the newc format.

    Source: Linux Documentation/driver-api/early-userspace/buffer-format.
    """
    links = 2 if stat.S_ISDIR(mode) else 1
    inode = len(archive) // 4 + 1
    encoded = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *device_number, len(encoded), 0)
    archive += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    archive += bytes(-len(archive) % 4) + data
    archive += bytes(-len(archive) % 4)


def is_whole(folder: Path) -> bool:
    """Whether every file that the manifest names is there as it was written."""
    try:
        files: Mapping[str, Mapping[str, object]] = json.loads((folder / MANIFEST).read_bytes())["files"]
        return all(sha256(folder / name) == facts["sha256"] for name, facts in files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def sha256(path: Path) -> str:
    """The hash of a file's contents, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace(path: Path, data: bytes) -> None:
    """Writes a file that appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def only_file(folder: Path, pattern: str) -> Path:
    """The one file below a folder that matches."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise FetchError(f"Debian's packages must hold one {pattern}; they hold {len(found)}")
    return found[0]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps a second call for the same folder waiting."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(*command: str, cwd: Path | None = None) -> str:
    """Runs a program; what it printed."""
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise FetchError(f"{command[0]} must be installed; this needs Debian's apt and dpkg") from None
    if done.returncode:
        complaints = [line for line in done.stderr.splitlines() if line.startswith("E: ")] or done.stderr.splitlines()
        raise FetchError("\n  ".join([f"{command[0]} failed; are Debian's mirrors within reach?", *complaints[:3]]))
    return done.stdout


def progress(text: str) -> None:
    """Says what happens now."""
    print(f"fetch_guests: {text}", file=sys.stderr, flush=True)


def default_output() -> Path:
    """The user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gunyah_emu"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; 0, or 1 with a message."""
    parser = argparse.ArgumentParser(
        description="Fetches Debian's arm64 kernel, busybox and U-Boot, and makes them ready to boot."
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", default=default_output(), help="where to (default: %(default)s)"
    )
    parser.add_argument("--mirror", metavar="URL", default=MIRROR, help="a Debian archive (default: %(default)s)")
    parser.add_argument("--suite", metavar="NAME", default=SUITE, help="a release of it (default: %(default)s)")
    parser.add_argument("--refresh", action="store_true", help="fetch again, even if everything is there")
    arguments = parser.parse_args(argv)
    try:
        print(fetch(arguments.output, mirror=arguments.mirror, suite=arguments.suite, refresh=arguments.refresh))
    except FetchError as error:
        print(f"fetch_guests: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
