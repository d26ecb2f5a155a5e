"""No guest ever gets at an object without a capability that says so, and no object outlives its last one."""

from hypervisor_model import Caller
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from gunyah_emu.hypervisor.cspace import CSpace
from gunyah_emu.hypervisor.object import DESTROYED

SEND, RECEIVE, BIND, ACTIVATE = 1, 2, 4, 1 << 31
EVERYTHING = SEND | RECEIVE | BIND | ACTIVATE
MASKS = st.sampled_from([0, SEND, RECEIVE, SEND | RECEIVE, BIND | ACTIVATE, 0x10, 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF])
INVALID, NULL, REVOKED, RIGHTS, FULL, STATE = 1, 50, 51, 53, 54, 33
ROOM = 6


class Held:
    """One capability, as the specification sees it."""

    def __init__(self, thing, rights, master):
        self.thing, self.rights, self.master, self.revoked = thing, rights, master, False


class Thing:
    """One doorbell."""

    def __init__(self):
        self.active = False
        self.target = None


class CapabilityModel(RuleBasedStateMachine):
    """Two cspaces of six slots beside the caller's own; what each slot holds, by (cspace, id)."""

    ids = Bundle("ids")

    @initialize()
    def create(self):
        self.caller = Caller()
        self.own = self.caller.cspace.insert(self.caller.cspace)
        self.partition = self.caller.cspace.insert(self.caller.partition)
        self.spaces = []
        for _ in range(2):
            space = CSpace(self.caller.partition, max_caps=ROOM)
            space.activate()
            self.spaces.append((self.caller.cspace.insert(space), space))
        self.held = {}
        self.things = []

    def slots(self, space):
        return sum(1 for where, _ in self.held if where == space)

    def lookup(self, space, cap):
        """The error that any use of an id begins with, and what it names."""
        held = self.held.get((space, cap))
        if held is None:
            other = self.spaces[1 - space][1]
            return (INVALID if cap in other.table or cap >> 32 != self.high(space) else NULL), None
        return (REVOKED if held.revoked else 0), held

    def high(self, space):
        return self.spaces[space][1].table.ids.base >> 32

    def call(self, name, *arguments):
        return self.caller.call(name, *arguments)

    @rule(target=ids, space=st.integers(0, 1))
    def new_doorbell(self, space):
        error, cap = self.call("partition_create_doorbell", self.partition, self.spaces[space][0])[:2]
        if self.slots(space) == ROOM:
            assert (error, cap) == (FULL, 0)
            return multiple()
        assert error == 0
        thing = Thing()
        thing.target = self.spaces[space][1].table[cap].object
        self.things.append(thing)
        assert (space, cap) not in self.held
        self.held[space, cap] = Held(thing, EVERYTHING, master=True)
        return cap

    @rule(target=ids, cap=ids, source=st.integers(0, 1), to=st.integers(0, 1), mask=MASKS)
    def copy(self, cap, source, to, mask):
        error, held = self.lookup(source, cap)
        got, new = self.call("cspace_copy_cap_from", self.spaces[source][0], cap, self.spaces[to][0], mask)[:2]
        if self.slots(to) == ROOM:
            error = FULL
        elif not error and not held.rights & mask:
            error = RIGHTS
        assert got == error
        if error:
            return multiple()
        assert (to, new) not in self.held
        self.held[to, new] = Held(held.thing, held.rights & mask & 0xFFFF_FFFF, master=False)
        return new

    @rule(cap=ids, space=st.integers(0, 1))
    def delete(self, cap, space):
        got = self.call("cspace_delete_cap_from", self.spaces[space][0], cap)[0]
        error, held = self.lookup(space, cap)
        assert got == (0 if held else error)
        if held:
            del self.held[space, cap]

    @rule(cap=ids, space=st.integers(0, 1))
    def revoke_others(self, cap, space):
        got = self.call("cspace_revoke_caps_from", self.spaces[space][0], cap)[0]
        error, held = self.lookup(space, cap)
        if not error and not held.master:
            error = RIGHTS
        assert got == error
        if not error:
            for other in self.held.values():
                if other.thing is held.thing and other is not held:
                    other.revoked = True

    @rule(cap=ids, space=st.integers(0, 1))
    def activate(self, cap, space):
        got = self.call("object_activate_from", self.spaces[space][0], cap)[0]
        error, held = self.lookup(space, cap)
        if not error:
            error = RIGHTS if not held.rights & ACTIVATE else STATE if held.thing.active else 0
        assert got == error
        if not error:
            held.thing.active = True

    @rule(
        cap=ids, space=st.integers(0, 1), use=st.sampled_from([("doorbell_send", SEND), ("doorbell_receive", RECEIVE)])
    )
    def use(self, cap, space, use):
        """A vCPU whose cspace this is uses the capability."""
        name, right = use
        own, self.caller.cspace = self.caller.cspace, self.spaces[space][1]
        got = self.call(name, cap, 1)[0]
        self.caller.cspace = own
        error, held = self.lookup(space, cap)
        if not error:
            error = RIGHTS if not held.rights & right else 0 if held.thing.active else STATE
        assert got == error

    @invariant()
    def objects_live_as_long_as_their_capabilities(self):
        alive = {held.thing for held in self.held.values() if not held.revoked}
        for thing in self.things:
            assert (thing.target.state != DESTROYED) == (thing in alive)

    def teardown(self):
        """When everything is deleted, nothing is left of it in the partition."""
        for space, cap in list(self.held):
            self.delete(cap, space)
        for cap, _ in self.spaces:
            assert self.call("cspace_delete_cap_from", self.own, cap)[0] == 0
        left = self.caller.partition.used - self.caller.cspace.charged
        assert left == 0


TestCapabilities = CapabilityModel.TestCase
TestCapabilities.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
