/* Debugging: halts between any two instructions, without a trace in what the guest does.
 *
 * While a debugger looks, budget and granted are SHIFT lower than they mean, so that every block calls on_block: not
 * debugging costs nothing.  To halt in a block's middle, the emulator is told to make a block of exactly
 * so many instructions (QEMU's own means for precise accesses), and what is left of the block is remembered: it was let
 * in with the whole, is not asked for budget again and ends where the whole would have ended.  So every later block begins
 * where it would have begun, and the run is the same as one that nobody looked at.
 */
#include "core.h"

/* The first place in [0, count) of the block where something halts, and what; count: nowhere. */
static int64_t first_halt(Core *self, uint64_t address, int64_t count, int *why)
{
    int64_t first = count;
    *why = 0;
    for (Py_ssize_t i = 0; i < self->breakpoint_count; i++) {
        uint64_t place = (self->breakpoints[i] - address) >> 2;
        if (self->breakpoints[i] >= address && place < (uint64_t)first && self->breakpoints[i] != self->pass) {
            first = (int64_t)place;
            *why = HALT_BREAKPOINT;
        }
    }
    int64_t until = self->halt_after - retired(self);
    if (self->halt_after >= 0 && until <= first && until < count) {
        *why = first == (until < 0 ? 0 : until) ? *why | HALT_COUNT : HALT_COUNT;
        first = until < 0 ? 0 : until;
    }
    return first;
}

static void halt(Core *self, int why)
{
    self->halt = why;
    uc_emu_stop(self->uc); /* takes effect in front of this block, which is therefore not charged */
}

/* A block begins under a debugger's eyes. */
void debugged_block(Core *self, uint64_t address, uint32_t size)
{
    Rest *rest = &self->rests[self->current];
    int64_t count = size >> 2;
    self->pass_call = NOWHERE;
    if (self->part != count) {
        int is_rest = rest->count > 0 && rest->pc == address, why;
        if (!is_rest) {
            rest->count = 0;
            if (left(self) <= 0) {
                uc_emu_stop(self->uc);
                return;
            }
        }
        int64_t whole = is_rest && rest->count < count ? rest->count : count;
        int64_t most = first_halt(self, address, whole, &why);
        if (why && most == 0) {
            halt(self, why);
            return;
        }
        if (!is_rest)
            check_block(self, address);
        if (most < count) {
            *rest = (Rest){address + 4 * (uint64_t)most, whole - most};
            self->wanted = most;
            uc_emu_stop(self->uc);
            return;
        }
        *rest = (Rest){address + size, is_rest ? rest->count - count : 0};
    }
    if (self->part == count)
        AT(uint32_t, self->cpu, cpu_cflags_next_tb) = (uint32_t)count; /* the block begins once more: the same one */
    self->part = 0;
    if (self->pass == address && count == 1)
        self->pass_call = address;
    self->pass = NOWHERE;
    let_in(self);
}

/* An exception ends the running block.  A fetch that aborts is none of the block's: it may turn out to be nothing. */
void cut_block(Core *self, uint32_t number)
{
    Rest *rest = &self->rests[self->current];
    if (number == EXCP_PREFETCH_ABORT && !is_breakpoint(self))
        return;
    uint64_t pc = pc_of(self);
    int64_t count = self->count->block_end ? (self->count->block_end - (uint32_t)pc) >> 2 : 0;
    self->cut = (Rest){pc, count + (((uint32_t)rest->pc | 1) == self->count->block_end ? rest->count : 0)};
    rest->count = self->part = 0;
}

/* From on_unmapped, which answers 0 then: the access is watched. */
PyObject *Core_halt_at_access(Core *self, PyObject *Py_UNUSED(ignored))
{
    self->rests[self->current] = self->cut;
    halt(self, HALT_ACCESS);
    Py_RETURN_NONE;
}

/* An HVC or SMC has trapped: 1 when it is taken back, and the guest halts in front of it. */
int halts_at_call(Core *self, uint32_t number, uint32_t immediate)
{
    uint64_t pc = pc_of(self) - 4;
    if (!self->debugging || self->pass_call == pc)
        return 0;
    PyObject *result = PyObject_CallFunction(self->on_catch, "niI", self->current, number == EXCP_SMC, immediate);
    int halts = result ? PyObject_IsTrue(result) : -1;
    Py_XDECREF(result);
    if (halts < 0) {
        fail(self);
    } else if (halts) {
        AT(uint64_t, self->env, env_pc) = pc;
        self->count->budget += 1;
        self->rests[self->current] = (Rest){pc, 1}; /* it ends its block */
        halt(self, HALT_CALL);
    }
    return halts != 0;
}

void drop_debugging(Core *self)
{
    PyMem_Free(self->breakpoints);
    self->breakpoints = NULL;
    self->breakpoint_count = 0;
    self->debugging = 0;
    Py_CLEAR(self->on_catch);
}

/* debug(on, breakpoints, on_catch) */
PyObject *Core_debug(Core *self, PyObject *args)
{
    int on;
    PyObject *places, *on_catch;
    if (!PyArg_ParseTuple(args, "pO!O", &on, &PyTuple_Type, &places, &on_catch))
        return NULL;
    if (self->running)
        return PyErr_Format(PyExc_RuntimeError, "debug called from a callback of a run");
    Py_ssize_t count = PyTuple_GET_SIZE(places);
    uint64_t *breakpoints = PyMem_Calloc((size_t)count + 1, sizeof *breakpoints);
    if (!breakpoints)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++)
        if (as_u64(PyTuple_GET_ITEM(places, i), &breakpoints[i], "a breakpoint") < 0) {
            PyMem_Free(breakpoints);
            return NULL;
        }
    drop_debugging(self);
    self->breakpoints = breakpoints;
    self->breakpoint_count = count;
    self->debugging = on;
    self->on_catch = on_catch == Py_None ? NULL : Py_NewRef(on_catch);
    Py_RETURN_NONE;
}

PyObject *Core_get_rests(Core *self, void *Py_UNUSED(closure))
{
    PyObject *list = PyList_New(self->vcpus);
    for (Py_ssize_t i = 0; list && i < self->vcpus; i++) {
        PyObject *pair = Py_BuildValue("KL", (unsigned long long)self->rests[i].pc, (long long)self->rests[i].count);
        if (!pair)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, pair);
    }
    return list;
}

int Core_set_rests(Core *self, PyObject *list, void *Py_UNUSED(closure))
{
    if (!list || !PyList_Check(list) || PyList_GET_SIZE(list) != self->vcpus) {
        PyErr_SetString(PyExc_ValueError, "rests must be a list of a (pc, count) per vCPU");
        return -1;
    }
    for (Py_ssize_t i = 0; i < self->vcpus; i++) {
        unsigned long long pc;
        long long count;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(list, i), "KL", &pc, &count))
            return -1;
        self->rests[i] = (Rest){pc, count};
    }
    return 0;
}

/* forget_rest(vcpu): it is reset. */
PyObject *Core_forget_rest(Core *self, PyObject *argument)
{
    Py_ssize_t vcpu = PyLong_AsSsize_t(argument);
    if (PyErr_Occurred())
        return NULL;
    CHECK_VCPU(self, vcpu);
    self->rests[vcpu].count = 0;
    Py_RETURN_NONE;
}
