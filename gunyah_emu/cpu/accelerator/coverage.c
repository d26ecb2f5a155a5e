/* Coverage: which blocks of code a vCPU arrived at.
 *
 * A block is translated when a vCPU arrives at it for the first time.  Then its budget is held (`awaits_block`), so that on_block
 * sees it begin and notes it.  So coverage costs next to nothing while it is on, and nothing while it is off.  (Unicorn's own
 * hook for new blocks says nothing of the first one of a run, and of the first one behind a fault.)
 *
 * The set is a hash table with open addressing, at most half full.  An entry is the block's address with its number of
 * instructions in bits that say nothing: an address has 49 bits, sign-extended (Arm ARM D8.1.1: two halves of 48).
 */
#include "core.h"

enum { SIZE_SHIFT = 50, FIRST_ROOM = 1 << 12, MOST_BLOCKS = 1 << 20 };

/* Where an entry is, or the free place where it belongs. */
static uint64_t *place(const Core *self, uint64_t entry)
{
    size_t mask = self->seen_room - 1, at = (size_t)(entry * 0x9e3779b97f4a7c15ull >> self->seen_shift);
    while (self->seen[at] && self->seen[at] != entry)
        at = (at + 1) & mask;
    return &self->seen[at];
}

static int set_room(Core *self, size_t room)
{
    uint64_t *old = self->seen, *fresh = calloc(room, sizeof *fresh);
    size_t old_room = self->seen_room;
    if (!fresh)
        return -1;
    self->seen = fresh;
    self->seen_room = room;
    self->seen_shift = 64 - __builtin_ctzll(room);
    for (size_t i = 0; i < old_room; i++)
        if (old[i])
            *place(self, old[i]) = old[i];
    free(old);
    return 0;
}

/* An access to a register that traps leaves the block, and what follows is another that is translated when it is reached.
 * Cut there, or what follows an access that is refused would count. */
static uint64_t up_to_trap(Core *self, uint64_t address, uint64_t size)
{
    for (uint64_t end = 4; self->trapped && end < size; end += 4) {
        uint32_t instruction = instruction_at(self, address + end - 4);
        if ((instruction & 0xffd00000) == 0xd5100000 && self->trapped[instruction >> 5 & 0x7fff])
            return end;
    }
    return size;
}

/* A guest that makes up code for ever fills the set, not the host's memory; the blocks after that are not noted. */
static void note(Core *self, uint64_t address, uint64_t size)
{
    uint64_t entry = address ^ (up_to_trap(self, address, size) >> 2) << SIZE_SHIFT;
    if (address & 3 || *place(self, entry))
        return; /* a misaligned block never runs; this one is known */
    if (self->seen_count >= MOST_BLOCKS || (self->seen_count * 2 >= self->seen_room && set_room(self, self->seen_room * 2) < 0)) {
        self->seen_full = 1;
        return;
    }
    *place(self, entry) = entry;
    self->seen_count++;
}

/* A block is being translated, and runs next. */
void await_block(Core *self)
{
    self->awaits_block = 1;
    hold(self);
}

void covered_block(Core *self, uint64_t address, uint32_t size)
{
    self->awaits_block = 0;
    note(self, address, size);
}

/* ---------------------------------------------------------------- what Python sees */

/* cover(): note the blocks that are translated from now on; forget what was noted. */
PyObject *Core_cover(Core *self, PyObject *Py_UNUSED(ignored))
{
    drop_coverage(self);
    if (set_room(self, FIRST_ROOM) < 0)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* covered(): ([(address, bytes), ...], whether that is all). */
PyObject *Core_covered(Core *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < self->seen_room; i++) {
        uint64_t entry = self->seen[i];
        if (!entry)
            continue;
        uint64_t address = (uint64_t)((int64_t)(entry << 15) >> 15);
        PyObject *block = Py_BuildValue("(KI)", (unsigned long long)address, (unsigned)((address ^ entry) >> SIZE_SHIFT << 2));
        if (!block || PyList_Append(list, block) < 0)
            Py_CLEAR(list);
        Py_XDECREF(block);
    }
    return list ? Py_BuildValue("(NO)", list, self->seen_full ? Py_False : Py_True) : NULL;
}

void drop_coverage(Core *self)
{
    free(self->seen);
    self->seen = NULL;
    self->seen_room = self->seen_count = 0;
    self->seen_full = 0;
}
