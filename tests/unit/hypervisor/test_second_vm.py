"""A guest makes a VM by hypercalls alone, runs it, kills it and gives everything back."""

from __future__ import annotations

from gunyah_emu.abi import errors

PAGE = 0x1000
IPA = 0x8000_0000
SPARE = 0x8_0000
GICD, GICR = 0x800_0000, 0x80A_0000


class Builder:
    """The hypercalls of a VM manager; every capability that it got."""

    def __init__(self, world):
        self.world = world
        self.partition = world.cap(world.partition)
        self.cspace = world.cap(world.cspace)
        self.caps = []

    def create(self, kind):
        error, cap = self.world.call(f"partition_create_{kind}", src_partition=self.partition, cspace=self.cspace)
        assert not error
        self.caps.append(cap)
        return cap

    def do(self, name, **arguments):
        assert self.world.error(name, **arguments) == errors.OK, name

    def activate(self, cap):
        self.do("object_activate", cap=cap)

    def vm(self, vcpus=2):
        """A VM with a page of RAM; its threads."""
        cspace, space, extent, vic, group = (
            self.create(kind) for kind in ("cspace", "addrspace", "memextent", "vic", "vpm_group")
        )
        self.do("cspace_configure", cspace=cspace, max_caps=10)
        self.do("addrspace_configure", addrspace=space, vmid=33)
        base = self.world.ram_base + SPARE
        self.do("memextent_configure", memextent=extent, phys_base=base, size=PAGE, attributes=7)
        self.do("vic_configure", vic=vic, max_vcpus=vcpus, max_virqs=64, vic_options=2)
        for cap in (cspace, space, extent, vic, group):
            self.activate(cap)
        self.do("addrspace_map", addrspace=space, memextent=extent, vbase=IPA, map_attrs=0xF0077)
        threads = [self.thread(cspace, space, vic, group, index) for index in range(vcpus)]
        self.do("addrspace_attach_vdevice", addrspace=space, vdevice=vic, index=0, vbase=GICD, size=0x10000)
        for index in range(vcpus):
            place = {"vbase": GICR + 0x20000 * index, "size": 0x20000}
            self.do("addrspace_attach_vdevice", addrspace=space, vdevice=vic, index=1 + index, **place)
        return threads

    def thread(self, cspace, space, vic, group, index):
        thread = self.create("thread")
        self.do("vcpu_configure", cap_id=thread)
        self.do("vcpu_set_affinity", cap_id=thread, affinity=index)
        self.do("addrspace_attach_thread", addrspace=space, thread=thread)
        self.do("cspace_attach_thread", cspace=cspace, thread=thread)
        self.do("vic_attach_vcpu", vic=vic, vcpu=thread, index=index)
        self.do("vpm_group_attach_vcpu", vpm_group=group, vcpu=thread, index=index)
        self.activate(thread)
        return thread

    def delete_everything(self):
        for cap in self.caps:
            self.do("cspace_delete_cap_from", cspace=self.cspace, cap=cap)
        self.caps.clear()


def test_everything_that_a_vm_was_made_of_is_freed(world):
    builder = Builder(world)
    world.cap(world.caller)
    used, vmids = world.partition.used, set(world.memory.vmids)
    for _ in range(3):
        threads = builder.vm()
        for number, thread in enumerate(threads):
            builder.do("vcpu_poweron", cap_id=thread, entry_point=IPA, context=number)
        assert world.partition.used > used
        for thread in threads:
            builder.do("vcpu_kill", cap_id=thread)
        builder.delete_everything()
        assert world.partition.used == used
        assert world.memory.vmids == vmids
        assert world.memory.owns(world.ram_base, world.ram_size, world.partition)


def test_a_vcpu_outlives_its_capabilities_but_its_memory_does_not(world):
    """A mapping holds no reference: memory whose extent nobody names any more goes back to the partition."""
    builder = Builder(world)
    threads = builder.vm()
    builder.do("vcpu_poweron", cap_id=threads[0], entry_point=IPA)
    vcpu = next(entry[1] for entry in world.platform.take() if entry[0] == "started")
    assert vcpu.read_memory(IPA, 4) == bytes(4)
    builder.delete_everything()
    assert vcpu.runnable
    assert vcpu.read_memory(IPA, 4) is None
    assert world.memory.owns(world.ram_base, world.ram_size, world.partition)


def test_it_does_not_matter_in_which_order_capabilities_go(world):
    builder = Builder(world)
    world.cap(world.caller)
    used = world.partition.used
    threads = builder.vm()
    for thread in threads:
        builder.do("vcpu_kill", cap_id=thread)
    builder.caps.reverse()
    builder.delete_everything()
    assert world.partition.used == used
