"""A guest finds in its device tree what it would find on QEMU's virt and what Gunyah's resource manager would say."""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack

import libfdt
import pytest

from gunyah_emu.boot.device_tree import (
    Chosen,
    Description,
    Doorbell,
    Hypervisor,
    Interrupt,
    MessageQueue,
    build,
)

MEMORY = ((0x4000_0000, 0x400_0000),)


class Tree:
    """A device tree read back by libfdt: properties by path."""

    def __init__(self, description: Description) -> None:
        self.fdt = libfdt.Fdt(build(description))

    def property(self, path: str, name: str) -> bytes:
        return bytes(self.fdt.getprop(self.fdt.path_offset(path), name))

    def has(self, path: str, name: str = "") -> bool:
        node = self.fdt.path_offset(path, [libfdt.NOTFOUND])
        return node >= 0 and (not name or self.fdt.hasprop(node, name))

    def strings(self, path: str, name: str) -> list[str]:
        return self.property(path, name).decode().removesuffix("\0").split("\0")

    def cells(self, path: str, name: str) -> tuple[int, ...]:
        data = self.property(path, name)
        return unpack(f">{len(data) // 4}I", data)

    def cells64(self, path: str, name: str) -> tuple[int, ...]:
        data = self.property(path, name)
        return unpack(f">{len(data) // 8}Q", data)

    def children(self, path: str) -> Iterator[str]:
        node = self.fdt.first_subnode(self.fdt.path_offset(path), [libfdt.NOTFOUND])
        while node >= 0:
            yield self.fdt.get_name(node)
            node = self.fdt.next_subnode(node, [libfdt.NOTFOUND])


def test_the_same_description_gives_the_same_bytes() -> None:
    description = Description(MEMORY, (0, 1), hypervisor=Hypervisor(3, "a", [Doorbell(21, 1, is_source=True)]))
    data = build(description)
    assert data == build(description)
    assert len(data) % 8 == 0
    assert int.from_bytes(data[4:8], "big") in range(len(data) - 7, len(data) + 1)


def test_memory_gic_timer_and_uart_are_qemu_s() -> None:
    tree = Tree(Description(MEMORY))
    assert tree.cells("/", "#address-cells") == tree.cells("/", "#size-cells") == (2,)
    assert tree.strings("/memory@40000000", "device_type") == ["memory"]
    assert tree.cells64("/memory@40000000", "reg") == (0x4000_0000, 0x400_0000)

    assert tree.strings("/intc@8000000", "compatible") == ["arm,gic-v3"]
    assert tree.cells64("/intc@8000000", "reg") == (0x0800_0000, 0x1_0000, 0x080A_0000, 0xF6_0000)
    assert tree.cells("/intc@8000000", "#interrupt-cells") == (3,)
    assert tree.property("/intc@8000000", "interrupt-controller") == b""
    assert tree.cells("/", "interrupt-parent") == tree.cells("/intc@8000000", "phandle")

    assert tree.cells("/timer", "interrupts") == (1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4)
    assert tree.strings("/timer", "compatible")[0] == "arm,armv8-timer"

    assert tree.strings("/pl011@9000000", "compatible") == ["arm,pl011", "arm,primecell"]
    assert tree.cells64("/pl011@9000000", "reg") == (0x0900_0000, 0x1000)
    assert tree.cells("/pl011@9000000", "interrupts") == (0, 1, 4)
    assert tree.strings("/chosen", "stdout-path") == ["/pl011@9000000"]
    clock = tree.cells("/apb-pclk", "phandle")
    assert tree.cells("/pl011@9000000", "clocks") == clock * 2
    assert tree.strings("/pl011@9000000", "clock-names") == ["uartclk", "apb_pclk"]
    assert tree.cells("/apb-pclk", "clock-frequency") == (24_000_000,)
    assert tree.cells("/pl031@9010000", "interrupts") == (0, 2, 4)


def test_every_vcpu_is_started_by_psci_through_hvc() -> None:
    tree = Tree(Description(MEMORY, (0, 1, 0x100), cpu="arm,cortex-a72"))
    assert list(tree.children("/cpus")) == ["cpu@0", "cpu@1", "cpu@100"]
    assert tree.cells("/cpus", "#address-cells") == (1,)
    assert tree.cells("/cpus/cpu@100", "reg") == (0x100,)
    assert tree.strings("/cpus/cpu@1", "enable-method") == ["psci"]
    assert tree.strings("/cpus/cpu@1", "compatible") == ["arm,cortex-a72"]
    assert tree.strings("/psci", "compatible") == ["arm,psci-1.0", "arm,psci-0.2", "arm,psci"]
    assert tree.strings("/psci", "method") == ["hvc"]
    assert tree.cells("/psci", "cpu_on") == (0xC400_0003,)


def test_an_affinity_of_four_levels_takes_two_cells() -> None:
    tree = Tree(Description(MEMORY, (0, 1 << 32)))
    assert tree.cells("/cpus", "#address-cells") == (2,)
    assert tree.cells64("/cpus/cpu@100000000", "reg") == (1 << 32,)


def test_the_kernel_is_told_what_the_machine_file_says() -> None:
    chosen = Chosen("console=ttyAMA0", (0x4800_0000, 0x4810_0000), kaslr_seed=0x1122_3344_5566_7788, rng_seed=b"seed")
    tree = Tree(Description(MEMORY, chosen=chosen))
    assert tree.strings("/chosen", "bootargs") == ["console=ttyAMA0"]
    assert tree.cells64("/chosen", "linux,initrd-start") == (0x4800_0000,)
    assert tree.cells64("/chosen", "linux,initrd-end") == (0x4810_0000,)
    assert tree.cells64("/chosen", "kaslr-seed") == (0x1122_3344_5566_7788,)
    assert tree.property("/chosen", "rng-seed") == b"seed"


def test_what_is_not_there_is_not_described() -> None:
    tree = Tree(Description(MEMORY, has_uart=False, has_rtc=False))
    assert not any(tree.has(path) for path in ("/pl011@9000000", "/pl031@9010000", "/hypervisor"))
    assert not any(
        tree.has("/chosen", name)
        for name in ("bootargs", "stdout-path", "linux,initrd-start", "kaslr-seed", "rng-seed")
    )


CAPABILITY = "qcom,gunyah-capability"


@pytest.mark.parametrize(
    ("resource", "node", "compatible", "cells"),
    [
        (
            Doorbell(0x1234_5678_9ABC, 7, is_source=True),
            "doorbell-source@123456789abc",
            ["qcom,gunyah-doorbell-source", CAPABILITY],
            {},
        ),
        (
            Doorbell(22, 7, is_source=False, interrupt=Interrupt(8, 1)),
            "doorbell@16",
            ["qcom,gunyah-doorbell", CAPABILITY],
            {"interrupts": (0, 8, 1)},
        ),
        (
            MessageQueue(23, 7, is_sender=True, depth=8, message_size=240, interrupt=Interrupt(987, 4)),
            "message-queue-tx@17",
            ["qcom,gunyah-message-queue-tx", "qcom,gunyah-message-queue", CAPABILITY],
            {"qcom,tx-queue-depth": (8,), "qcom,tx-message-size": (240,), "interrupts": (0, 987, 4)},
        ),
        (
            MessageQueue(24, 7, is_sender=False, depth=1, message_size=1023),
            "message-queue-rx@18",
            ["qcom,gunyah-message-queue-rx", "qcom,gunyah-message-queue", CAPABILITY],
            {"qcom,rx-queue-depth": (1,), "qcom,rx-message-size": (1023,)},
        ),
    ],
)
def test_a_capability_is_a_node_of_the_hypervisor_s(
    resource: Doorbell | MessageQueue, node: str, compatible: list[str], cells: dict[str, tuple[int, ...]]
) -> None:
    tree = Tree(Description(MEMORY, hypervisor=Hypervisor(3, "sender", [resource])))
    path = f"/hypervisor/{node}"
    assert list(tree.children("/hypervisor")) == ["qcom,gunyah-vm", node]
    assert tree.strings(path, "compatible") == compatible
    assert tree.cells64(path, "reg") == (resource.capability,)
    assert tree.cells(path, "qcom,label") == (7,)
    assert {name: tree.cells(path, name) for name in cells} == cells
    assert tree.has(path, "interrupts") == ("interrupts" in cells)


def test_the_hypervisor_node_names_gunyah_and_the_vm() -> None:
    tree = Tree(Description(MEMORY, hypervisor=Hypervisor(0x80, "receiver")))
    assert tree.strings("/hypervisor", "compatible") == [
        "gunyah-hypervisor",
        "qcom,gunyah-hypervisor-1.0",
        "qcom,gunyah-hypervisor",
        "simple-bus",
    ]
    assert tree.cells("/hypervisor", "#address-cells") == (2,)
    assert tree.cells("/hypervisor", "#size-cells") == (0,)
    vm = "/hypervisor/qcom,gunyah-vm"
    assert tree.strings(vm, "compatible") == ["qcom,gunyah-vm-id-1.0", "qcom,gunyah-vm-id"]
    assert tree.strings(vm, "qcom,vendor") == ["Qualcomm"]
    assert tree.cells(vm, "qcom,vmid") == (0x80,)
    assert tree.strings(vm, "qcom,image-name") == ["receiver"]


def test_a_tree_of_any_length_is_written_whole() -> None:
    resources = [Doorbell(1000 + n, n, is_source=False, interrupt=Interrupt(n + 3, 1)) for n in range(900)]
    tree = Tree(Description(MEMORY, hypervisor=Hypervisor(3, "a", resources)))
    assert len(list(tree.children("/hypervisor"))) == 901
