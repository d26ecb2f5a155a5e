/* System registers: those that the emulator lacks trap, those that it has are replaced in place. */
#include "core.h"

enum { ACCESS_TRAP_EL2 = 3 };                                                            /* CPAccessResult */
enum { TYPE_SPECIAL = 0xf01, TYPE_CONSTANT = 2, TYPE_RAISES_EXCEPTION = 0x8000 }; /* ARMCPRegInfo.type */

/* Call a register's reader or writer.  1: done; 0: UNDEFINED; -1: a Python error, kept. */
static int access_register(Core *self, Py_ssize_t index, int is_read, uint64_t *value)
{
    PyObject *row = PyList_GET_ITEM(is_read ? self->readers : self->writers, self->current);
    PyObject *function = PyTuple_GET_ITEM(row, index), *result;
    int done = 1;
    if (function == Py_None)
        return 0;
    if (is_read) {
        result = PyObject_CallNoArgs(function);
        if (result == Py_None)
            done = 0;
        else if (!result || as_u64(result, value, "a system register's value") < 0)
            done = -1;
    } else {
        PyObject *argument = PyLong_FromUnsignedLongLong(*value);
        result = argument ? PyObject_CallOneArg(function, argument) : NULL;
        Py_XDECREF(argument);
        if (result == Py_False) {
            done = 0;
        } else if (result && result != Py_True && result != Py_None) {
            PyErr_Format(PyExc_TypeError, "a system register's writer must return a bool or None, not %.100R", result);
            done = -1;
        } else if (!result) {
            done = -1;
        }
    }
    Py_XDECREF(result);
    if (done < 0)
        fail(self);
    return done;
}

/* ---------------------------------------------------------------- trapped: every access goes to EL2, which is here */

int trap_to_el2(void *Py_UNUSED(env), const void *Py_UNUSED(info), int Py_UNUSED(is_read)) { return ACCESS_TRAP_EL2; }

void trapped_register(Core *self, uint32_t syndrome)
{
    /* ISS: op0[21:20] op2[19:17] op1[16:14] CRn[13:10] Rt[9:5] CRm[4:1] direction[0] (1 = read) */
    unsigned key = (syndrome >> 20 & 1) << 14 | (syndrome >> 14 & 7) << 11 | (syndrome >> 10 & 15) << 7
                   | (syndrome >> 1 & 15) << 3 | (syndrome >> 17 & 7);
    unsigned target = syndrome >> 5 & 31;
    int is_read = syndrome & 1;
    uint64_t value = !is_read && target != 31 ? xregs(self)[target] : 0;
    int done = self->trapped[key] ? access_register(self, self->trapped[key] - 1, is_read, &value) : 0;
    if (done == 0) {
        deliver_undefined(self);
    } else if (done > 0) {
        if (is_read && target != 31)
            xregs(self)[target] = value;
        step_over(self);
    } /* a callback that raised leaves the guest in front of the access */
}

/* ---------------------------------------------------------------- replaced: called in the middle of a block */

/* What of the block lies behind the access is given back meanwhile, so that a callback sees the exact count. */
static int64_t give_back(Core *self)
{
    int64_t rest = self->count->block_end ? (self->count->block_end - (uint32_t)(pc_of(self) + 4)) >> 2 : 0;
    self->count->budget += rest;
    return rest;
}

static uint64_t read_in_block(void *Py_UNUSED(env), const void *info)
{
    Slot *slot = AT(Slot *, info, register_opaque);
    uint64_t value = 0;
    int64_t rest = give_back(slot->core);
    access_register(slot->core, slot->index, 1, &value);
    slot->core->count->budget -= rest;
    return value;
}

static void write_in_block(void *Py_UNUSED(env), const void *info, uint64_t value)
{
    Slot *slot = AT(Slot *, info, register_opaque);
    int64_t rest = give_back(slot->core);
    access_register(slot->core, slot->index, 0, &value);
    slot->core->count->budget -= rest;
}

/* CNTVCT_EL0 and CNTPCT_EL0, read so often that they stay in C: 1 ns an instruction, 16 ns a tick (62.5 MHz). */
static uint64_t read_counter(void *Py_UNUSED(env), const void *info)
{
    Core *self = AT(Slot *, info, register_opaque)->core;
    int64_t rest = give_back(self);
    uint64_t now = self->base + (uint64_t)retired(self);
    self->count->budget -= rest;
    return now >> 4;
}

/* ---------------------------------------------------------------- set-up */

/* set_registers(readers, writers, trapped): readers[vcpu][slot]; trapped: key -> slot. */
PyObject *Core_set_registers(Core *self, PyObject *args)
{
    PyObject *readers, *writers, *trapped, *key, *value;
    Py_ssize_t position = 0;
    if (!PyArg_ParseTuple(args, "O!O!O!", &PyList_Type, &readers, &PyList_Type, &writers, &PyDict_Type, &trapped))
        return NULL;
    Py_ssize_t slots = PyTuple_GET_SIZE(PyList_GET_ITEM(readers, 0));
    if (slots > 254 || PyList_GET_SIZE(readers) != self->vcpus || PyList_GET_SIZE(writers) != self->vcpus || self->slots)
        return PyErr_Format(PyExc_ValueError, "set_registers wants, once, a row of at most 254 slots per vCPU");
    self->slots = PyMem_Calloc((size_t)slots + 1, sizeof(Slot));
    self->trapped = PyMem_Calloc(1 << 15, 1);
    if (!self->slots || !self->trapped)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < slots; i++)
        self->slots[i] = (Slot){self, i};
    while (PyDict_Next(trapped, &position, &key, &value))
        self->trapped[PyLong_AsLong(key) & 0x7fff] = (uint8_t)(PyLong_AsLong(value) + 1);
    if (PyErr_Occurred())
        return NULL;
    Py_XSETREF(self->readers, Py_NewRef(readers));
    Py_XSETREF(self->writers, Py_NewRef(writers));
    Py_RETURN_NONE;
}

/* replace(key, slot): the emulator's own register is ours from now on; slot -1: it is the virtual counter.  False: it has none. */
PyObject *Core_replace(Core *self, PyObject *args)
{
    unsigned key;
    Py_ssize_t slot;
    if (!PyArg_ParseTuple(args, "In", &key, &slot))
        return NULL;
    char *info = get_arm_cp_reginfo(AT(void *, self->cpu, cpu_registers), key);
    if (!info)
        Py_RETURN_FALSE;
    AT(Slot *, info, register_opaque) = &self->slots[slot < 0 ? 0 : slot];
    AT(void *, info, register_readfn) = slot < 0 ? (void *)read_counter : (void *)read_in_block;
    AT(void *, info, register_writefn) = (void *)write_in_block;
    AT(int, info, register_type) = (AT(int, info, register_type) & ~(TYPE_SPECIAL | TYPE_CONSTANT)) | TYPE_RAISES_EXCEPTION;
    Py_RETURN_TRUE;
}
