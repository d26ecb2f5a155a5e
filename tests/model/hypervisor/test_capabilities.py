"""No guest ever gets at an object without a capability that says so, and no object outlives its last one."""

from hypervisor_model import Caller
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from gunyah_emu.hypervisor.cspace import CSpace
from gunyah_emu.hypervisor.object import DESTROYED

SEND, RECEIVE, BIND, ACTIVATE = 1, 2, 4, 1 << 31
EVERYTHING = SEND | RECEIVE | BIND | ACTIVATE
MASKS = st.sampled_from([0, SEND, RECEIVE, SEND | RECEIVE, SEND | ACTIVATE, 0x10, 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF])
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

    places = Bundle("places")

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

    def is_full(self, space):
        return sum(1 for where, _ in self.held if where == space) == ROOM

    def lookup(self, place):
        """The error that any use of an id in a cspace begins with, and what it names."""
        space, cap = place
        held = self.held.get(place)
        if held is None:
            own_id = cap >> 32 == self.spaces[space][1].table.ids.base >> 32
            return (NULL if own_id else INVALID), None
        return (REVOKED if held.revoked else 0), held

    def call(self, name, *arguments):
        return self.caller.call(name, *arguments)

    def call_inside(self, space, name, *arguments):
        """By a vCPU whose cspace this is."""
        own, self.caller.cspace = self.caller.cspace, self.spaces[space][1]
        results = self.call(name, *arguments)
        self.caller.cspace = own
        return results

    @rule(target=places, space=st.integers(0, 1))
    def new_doorbell(self, space):
        error, cap = self.call("partition_create_doorbell", self.partition, self.spaces[space][0])[:2]
        if self.is_full(space):
            assert (error, cap) == (FULL, 0)
            return multiple()
        assert error == 0
        thing = Thing()
        thing.target = self.spaces[space][1].table[cap].object
        self.things.append(thing)
        assert (space, cap) not in self.held
        self.held[space, cap] = Held(thing, EVERYTHING, master=True)
        return space, cap

    @rule(target=places, place=places, to=st.integers(0, 1), mask=MASKS)
    def copy(self, place, to, mask):
        error, held = self.lookup(place)
        source, cap = place
        got, new = self.call("cspace_copy_cap_from", self.spaces[source][0], cap, self.spaces[to][0], mask)[:2]
        if self.is_full(to):
            error = FULL
        elif not error and not held.rights & mask:
            error = RIGHTS
        assert got == error
        if error:
            return multiple()
        assert (to, new) not in self.held
        self.held[to, new] = Held(held.thing, held.rights & mask & 0xFFFF_FFFF, master=False)
        return to, new

    @rule(place=places)
    def delete(self, place):
        got = self.call("cspace_delete_cap_from", self.spaces[place[0]][0], place[1])[0]
        error, held = self.lookup(place)
        assert got == (0 if held else error)
        self.held.pop(place, None)

    @rule(place=places)
    def revoke_others(self, place):
        got = self.call("cspace_revoke_caps_from", self.spaces[place[0]][0], place[1])[0]
        error, held = self.lookup(place)
        if not error and not held.master:
            error = RIGHTS
        assert got == error
        if not error:
            for other in self.held.values():
                if other.thing is held.thing and other is not held:
                    other.revoked = True

    @rule(place=places, inside=st.booleans())
    def activate(self, place, inside):
        space, cap = place
        if inside:
            got = self.call_inside(space, "object_activate", cap)[0]
        else:
            got = self.call("object_activate_from", self.spaces[space][0], cap)[0]
        error, held = self.lookup(place)
        if not error:
            error = RIGHTS if not held.rights & ACTIVATE else STATE if held.thing.active else 0
        assert got == error
        if not error:
            held.thing.active = True

    @rule(place=places, right=st.sampled_from([SEND, RECEIVE]), elsewhere=st.sampled_from([0, 0, 0, 1]))
    def use(self, place, right, elsewhere):
        """Use a capability where it is, or its id in the other cspace."""
        place = (place[0] ^ elsewhere, place[1])
        name = "doorbell_send" if right == SEND else "doorbell_receive"
        got = self.call_inside(place[0], name, place[1], 1)[0]
        error, held = self.lookup(place)
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
        for place in list(self.held):
            self.delete(place)
        for cap, _ in self.spaces:
            assert self.call("cspace_delete_cap_from", self.own, cap)[0] == 0
        left = self.caller.partition.used - self.caller.cspace.charged
        assert left == 0


TestCapabilities = CapabilityModel.TestCase
TestCapabilities.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
