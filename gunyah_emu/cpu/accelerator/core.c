/* One emulator's run loop, its vCPUs and its life. */
#include "core.h"
#include <structmember.h>

/* Keep a callback's exception for run() to raise; the first one wins. */
void fail(Core *self)
{
    if (self->error_type)
        PyErr_Clear();
    else
        PyErr_Fetch(&self->error_type, &self->error_value, &self->error_traceback);
    stop(self, STOP_REQUESTED);
}

/* A callback's unsigned 64-bit result.  On a wrong type or range: -1 and a Python error. */
int as_u64(PyObject *object, uint64_t *value, const char *what)
{
    if (!PyLong_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be an int or None, not %.100R", what, object);
        return -1;
    }
    *value = PyLong_AsUnsignedLongLong(object);
    return *value == (uint64_t)-1 && PyErr_Occurred() ? -1 : 0;
}

/* ---------------------------------------------------------------- vCPUs */

/* Two vCPUs with one translation regime may share the TLB. */
static int same_regime(const char *a, const char *b)
{
    uint64_t sctlr = AT(uint64_t, a, env_sctlr_el1);
    if (sctlr != AT(uint64_t, b, env_sctlr_el1))
        return 0;
    if (!(sctlr & 1))
        return 1;
    return AT(uint64_t, a, env_ttbr0_el1) == AT(uint64_t, b, env_ttbr0_el1)
           && AT(uint64_t, a, env_ttbr1_el1) == AT(uint64_t, b, env_ttbr1_el1)
           && AT(uint64_t, a, env_tcr_el1) == AT(uint64_t, b, env_tcr_el1);
}

static void set_line(Core *self)
{
    uint32_t *request = &AT(uint32_t, self->cpu, cpu_interrupt_request);
    *request = self->irq[self->current] ? *request | INTERRUPT_HARD : *request & ~(uint32_t)INTERRUPT_HARD;
}

/* Rebuild what the emulator derives from registers that were written behind its back. */
static void refresh(Core *self)
{
    if (self->stale[self->current]) {
        self->stale[self->current] = 0;
        self->wants_flush = 1;
        arm_rebuild_hflags(self->env);
        hw_breakpoint_update_all(self->cpu);
    }
    if (self->wants_flush) {
        self->wants_flush = 0;
        tlb_flush(self->cpu);
    }
}

/* The emulator keeps enabled breakpoints in a list of its own, the last vCPU's, and pointers into it at the end of the
 * state, which are stale in one that was swapped out. */
static void swap_breakpoints(Core *self, const char *before)
{
    static const char none[LISTED_SIZE];
    size_t listed = env_size - LISTED_SIZE;
    if (memcmp(before + listed, none, LISTED_SIZE) || memcmp(self->env + listed, none, LISTED_SIZE))
        hw_breakpoint_update_all(self->cpu);
}

static void swap(Core *self, Py_ssize_t vcpu)
{
    if (vcpu != self->current) {
        char *next = self->contexts[vcpu].buf;
        if (!same_regime(self->env, next))
            self->wants_flush = 1;
        memcpy(self->contexts[self->current].buf, self->env, env_size);
        memcpy(self->env, next, env_size);
        swap_breakpoints(self, self->contexts[self->current].buf);
        AT(uint64_t, self->env, env_exclusive_addr) = ~0ull; /* another vCPU ran: the exclusive monitor is clear */
        self->current = vcpu;
        set_line(self);
    }
    refresh(self);
}

/* The emulator sizes its TLB by use, but only when it is flushed, which many a kernel never does: let it grow soon, and
 * follow later. */
enum { FIRST_GROWTH = 1000000, LAST_GROWTH = 64000000 };

static void grow_tlb(Core *self)
{
    if (self->base >= self->grow_at) {
        self->wants_flush = 1;
        self->grow_interval = self->grow_interval ? self->grow_interval * 2 : FIRST_GROWTH;
        if (self->grow_interval > LAST_GROWTH)
            self->grow_interval = LAST_GROWTH;
        self->grow_at = self->base + self->grow_interval;
    }
}

/* Until the budget is spent, a callback stops it, or (1) the vCPU waits; -1 with a Python error. */
static int run_emulator(Core *self)
{
    int error;
    self->count->block_end = 0;
    self->wanted = self->part = self->halt = 0;
    do {
        self->part = self->wanted;
        if (self->part) { /* once more from the same block, of which only so much is to be executed */
            AT(uint32_t, self->cpu, cpu_cflags_next_tb) = (uint32_t)self->part;
            self->wanted = 0;
        }
        error = uc_emu_start(self->uc, pc_of(self), 0, 0, 0);
    } while (self->wanted && !error && !self->error_type);
    if (self->error_type) {
        PyErr_Restore(self->error_type, self->error_value, self->error_traceback);
        self->error_type = self->error_value = self->error_traceback = NULL;
        return -1;
    }
    if (error) {
        PyErr_Format(PyExc_AssertionError, "the emulator stopped with error %d at 0x%lx", error, (unsigned long)pc_of(self));
        return -1;
    }
    return AT(uint32_t, self->cpu, cpu_halted) && !self->irq[self->current];
}

static PyObject *Core_run(Core *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "run takes (vcpu, budget)");
    Py_ssize_t vcpu = PyLong_AsSsize_t(args[0]);
    int64_t budget = PyLong_AsLongLong(args[1]);
    if (PyErr_Occurred())
        return NULL;
    CHECK_VCPU(self, vcpu);
    if (self->running)
        return PyErr_Format(PyExc_RuntimeError, "run called from a callback of a run");
    if (!self->uc)
        return PyErr_Format(PyExc_RuntimeError, "run called on a closed engine");
    self->watched = self->debugging || self->rests[vcpu].count;
    self->granted = self->count->budget = budget;
    self->shift = 0;
    self->stop = STOP_BUDGET;
    if (budget <= 0 && !self->rests[vcpu].count)
        return PyLong_FromLong(STOP_BUDGET);
    grow_tlb(self);
    swap(self, vcpu);
    self->awaits_block = 0;
    hold(self);
    self->running = 1;
    int waits = run_emulator(self);
    self->running = 0;
    if (waits < 0)
        return NULL;
    if (self->halt)
        self->stop = STOP_HALTED;
    else if (waits && self->stop == STOP_BUDGET)
        self->stop = STOP_WFI;
    return PyLong_FromLong(self->stop);
}

static PyObject *Core_set_irq(Core *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "set_irq takes (vcpu, level)");
    Py_ssize_t vcpu = PyLong_AsSsize_t(args[0]);
    int level = PyObject_IsTrue(args[1]);
    if (PyErr_Occurred())
        return NULL;
    CHECK_VCPU(self, vcpu);
    self->irq[vcpu] = (uint8_t)level;
    if (vcpu == self->current && self->cpu)
        set_line(self);
    Py_RETURN_NONE;
}

static PyObject *Core_request_stop(Core *self, PyObject *Py_UNUSED(ignored))
{
    stop(self, STOP_REQUESTED);
    Py_RETURN_NONE;
}

static PyObject *Core_shorten(Core *self, PyObject *budget)
{
    int64_t most = PyLong_AsLongLong(budget);
    if (most == -1 && PyErr_Occurred())
        return NULL;
    shorten(self, most < 0 ? 0 : most);
    Py_RETURN_NONE;
}

/* A vCPU's registers were written from outside. */
static PyObject *Core_touch(Core *self, PyObject *argument)
{
    Py_ssize_t vcpu = PyLong_AsSsize_t(argument);
    if (PyErr_Occurred())
        return NULL;
    CHECK_VCPU(self, vcpu);
    self->stale[vcpu] = 1;
    if (vcpu == self->current && self->running) {
        refresh(self);
        hold(self);
    }
    Py_RETURN_NONE;
}

static PyObject *Core_flush(Core *self, PyObject *Py_UNUSED(ignored))
{
    if (self->cpu)
        tlb_flush(self->cpu);
    Py_RETURN_NONE;
}

/* The CPU state of the vCPU that is swapped in, too, into its context. */
static PyObject *Core_store(Core *self, PyObject *Py_UNUSED(ignored))
{
    if (self->uc)
        memcpy(self->contexts[self->current].buf, self->env, env_size);
    Py_RETURN_NONE;
}

/* reload(current, lines): the contexts hold another state now. */
static PyObject *Core_reload(Core *self, PyObject *args)
{
    Py_ssize_t current;
    Py_buffer lines;
    if (!PyArg_ParseTuple(args, "ny*", &current, &lines))
        return NULL;
    int fits = current >= 0 && current < self->vcpus && lines.len == self->vcpus && self->uc && !self->running;
    if (fits) {
        memcpy(self->irq, lines.buf, (size_t)lines.len);
        memset(self->stale, 1, (size_t)self->vcpus);
        self->current = current;
        memcpy(self->env, self->contexts[current].buf, env_size);
        hw_breakpoint_update_all(self->cpu);
        set_line(self);
    }
    PyBuffer_Release(&lines);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "a state must be of the same engine, which must not run");
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- life */

static int Core_init(Core *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"uc", "contexts", "on_call", "on_undefined", "on_fetch_fault", "on_unmapped", NULL};
    unsigned long long uc;
    PyObject *contexts, *on[4];
    if (!configured) {
        PyErr_SetString(PyExc_RuntimeError, "configure() comes first");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "KO!OOOO", names, &uc, &PyList_Type, &contexts, &on[0], &on[1], &on[2], &on[3]))
        return -1;
    Py_ssize_t wanted = PyList_GET_SIZE(contexts);
    if (self->contexts || wanted < 1) {
        PyErr_SetString(PyExc_ValueError, "a core is made once, for at least one vCPU");
        return -1;
    }
    self->count = &self->last_count;
    self->contexts = PyMem_Calloc((size_t)wanted, sizeof(Py_buffer));
    self->irq = PyMem_Calloc((size_t)wanted, 1);
    self->stale = PyMem_Calloc((size_t)wanted, 1);
    self->rests = PyMem_Calloc((size_t)wanted, sizeof(Rest));
    if (!self->contexts || !self->irq || !self->stale || !self->rests) {
        PyErr_NoMemory();
        return -1;
    }
    for (; self->vcpus < wanted; self->vcpus++) {
        Py_buffer *context = &self->contexts[self->vcpus];
        if (PyObject_GetBuffer(PyList_GET_ITEM(contexts, self->vcpus), context, PyBUF_WRITABLE) < 0)
            return -1;
        if ((size_t)context->len < env_size) {
            PyBuffer_Release(context);
            PyErr_SetString(PyExc_ValueError, "a context is too small");
            return -1;
        }
    }
    self->uc = (char *)(uintptr_t)uc;
    self->cpu = AT(char *, self->uc, uc_cpu);
    self->env = AT(char *, self->cpu, cpu_env);
    self->count = (Count *)self->env - 1;
    AT(uint8_t, self->uc, uc_no_exit_request) = 1; /* stop between blocks only: faster, and no store is made twice */
    count_blocks(self);
    silence_pmu(self);
    self->on_call = Py_NewRef(on[0]);
    self->on_undefined = Py_NewRef(on[1]);
    self->on_fetch_fault = Py_NewRef(on[2]);
    self->on_unmapped = Py_NewRef(on[3]);
    self->call_link = -1;
    self->halt_after = -1;
    self->pass = self->pass_call = NOWHERE;
    return 0;
}

static int Core_traverse(Core *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->on_catch);
    Py_VISIT(self->calls);
    Py_VISIT(self->callers);
    Py_VISIT(self->on_call);
    Py_VISIT(self->on_undefined);
    Py_VISIT(self->on_fetch_fault);
    Py_VISIT(self->on_unmapped);
    Py_VISIT(self->readers);
    Py_VISIT(self->writers);
    for (Py_ssize_t i = 0; i < self->device_count; i++) {
        Py_VISIT(self->devices[i].read);
        Py_VISIT(self->devices[i].write);
    }
    return 0;
}

static int Core_clear(Core *self)
{
    drop_devices(self);
    drop_debugging(self);
    Py_CLEAR(self->calls);
    Py_CLEAR(self->argument_counts);
    Py_CLEAR(self->callers);
    Py_CLEAR(self->on_call);
    Py_CLEAR(self->on_undefined);
    Py_CLEAR(self->on_fetch_fault);
    Py_CLEAR(self->on_unmapped);
    Py_CLEAR(self->readers);
    Py_CLEAR(self->writers);
    return 0;
}

/* The emulator goes: keep its CPU state where the swapped-out vCPUs are, and let everything of Python's go. */
static PyObject *Core_close(Core *self, PyObject *Py_UNUSED(ignored))
{
    if (self->running)
        return PyErr_Format(PyExc_RuntimeError, "close called from a callback of a run");
    forget_blocks(self);
    if (self->uc) {
        memcpy(self->contexts[self->current].buf, self->env, env_size);
        self->last_count = *self->count;
        self->count = &self->last_count;
        self->uc = self->cpu = NULL;
        self->env = self->contexts[self->current].buf;
        Core_clear(self);
    }
    Py_RETURN_NONE;
}

static void Core_dealloc(Core *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    forget_blocks(self); /* an engine that nobody closed: what comes to its place in memory must not find itself listed */
    Core_clear(self);
    drop_windows(self);
    drop_coverage(self);
    for (Py_ssize_t i = 0; i < self->vcpus; i++)
        PyBuffer_Release(&self->contexts[i]);
    PyMem_Free(self->contexts);
    PyMem_Free(self->irq);
    PyMem_Free(self->stale);
    PyMem_Free(self->rests);
    PyMem_Free(self->slots);
    PyMem_Free(self->trapped);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

/* ---------------------------------------------------------------- what Python sees */

static PyObject *Core_get_retired(Core *self, void *Py_UNUSED(closure)) { return PyLong_FromLongLong(retired(self)); }

static PyObject *Core_get_lines(Core *self, void *Py_UNUSED(closure))
{
    return PyBytes_FromStringAndSize((char *)self->irq, self->vcpus);
}

static PyObject *Core_get_left(Core *self, void *Py_UNUSED(closure)) { return PyLong_FromLongLong(left(self)); }

static PyObject *Core_get_now(Core *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(self->base + (uint64_t)retired(self));
}

static PyObject *Core_get_first(Core *self, void *Py_UNUSED(closure))
{
    return Py_BuildValue("KKKK", (unsigned long long)self->first[0], (unsigned long long)self->first[1],
                         (unsigned long long)self->first[2], (unsigned long long)self->first[3]);
}

static PyGetSetDef getset[] = {
    {"retired", (getter)Core_get_retired, NULL, "instructions charged by the last run, or by this one so far", NULL},
    {"now", (getter)Core_get_now, NULL, "base + retired", NULL},
    {"lines", (getter)Core_get_lines, NULL, "per vCPU, its IRQ line", NULL},
    {"left", (getter)Core_get_left, NULL, "what of the last run's budget is left; below 0: so much of a block more", NULL},
    {"rests", (getter)Core_get_rests, (setter)Core_set_rests, "per vCPU (pc, count): what of a block is let in already", NULL},
    {"first_exception", (getter)Core_get_first, NULL, "(number, syndrome, ELR, FAR) of the exception that a loop began with", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"base", T_ULONGLONG, offsetof(Core, base), 0, "instructions before this run"},
    {"stage2", T_ULONGLONG, offsetof(Core, stage2), 0, "the host address of the stage 2 tables"},
    {"current", T_PYSSIZET, offsetof(Core, current), READONLY, "the vCPU that is swapped in"},
    {"halt", T_INT, offsetof(Core, halt), READONLY, "why the last run halted, a bit each: HALT_*"},
    {"halt_after", T_LONGLONG, offsetof(Core, halt_after), 0, "halt when so many instructions of a run have retired; -1: never"},
    {"pass_once", T_ULONGLONG, offsetof(Core, pass), 0, "an address at which nothing halts the first time; all ones: none"},
    {"running", T_INT, offsetof(Core, running), READONLY, "whether run() is on the stack"},
    {NULL, 0, 0, 0, NULL},
};

#define FAST(function) (PyCFunction)(void (*)(void))function

static PyMethodDef methods[] = {
    {"run", FAST(Core_run), METH_FASTCALL, "run(vcpu, budget) -> why it stopped"},
    {"set_irq", FAST(Core_set_irq), METH_FASTCALL, "set_irq(vcpu, level)"},
    {"request_stop", (PyCFunction)Core_request_stop, METH_NOARGS, "stop at the next block"},
    {"shorten", (PyCFunction)Core_shorten, METH_O, "leave at most this much budget"},
    {"complete", (PyCFunction)Core_complete, METH_VARARGS, "complete(vcpu, results): results of a call that blocked"},
    {"touch", (PyCFunction)Core_touch, METH_O, "this vCPU's registers were written from outside"},
    {"flush", (PyCFunction)Core_flush, METH_NOARGS, "drop all cached translations of addresses"},
    {"store", (PyCFunction)Core_store, METH_NOARGS, "bring every context up to date"},
    {"reload", (PyCFunction)Core_reload, METH_VARARGS, "reload(current, lines): take the state of the contexts"},
    {"close", (PyCFunction)Core_close, METH_NOARGS, "the emulator is about to be freed"},
    {"debug", (PyCFunction)Core_debug, METH_VARARGS, "debug(on, breakpoints, on_catch): look at every block, or no longer"},
    {"halt_at_access", (PyCFunction)Core_halt_at_access, METH_NOARGS, "from on_unmapped: halt in front of this access"},
    {"forget_rest", (PyCFunction)Core_forget_rest, METH_O, "forget_rest(vcpu): it goes elsewhere"},
    {"set_calls", (PyCFunction)Core_set_calls, METH_VARARGS, "the hypercall table and its register convention"},
    {"set_devices", (PyCFunction)Core_set_devices, METH_O, "[(base, size, read, write), ...]"},
    {"set_registers", (PyCFunction)Core_set_registers, METH_VARARGS, "readers and writers by vCPU and slot"},
    {"replace", (PyCFunction)Core_replace, METH_VARARGS, "put a slot in the place of the emulator's own register"},
    {"add_window", (PyCFunction)Core_add_window, METH_VARARGS, "memory that the guest will see: host address, bytes, physical address, RAM number"},
    {"next_block", (PyCFunction)Core_next_block, METH_NOARGS, "the code of the next block, by us and by the emulator"},
    {"walks", (PyCFunction)Core_walks, METH_VARARGS, "a translation by us and by the emulator: address, access, regime"},
    {"note_code", (PyCFunction)Core_note_code, METH_O, "the guest fetched from this page for the first time"},
    {"invalidate", (PyCFunction)Core_invalidate, METH_VARARGS, "forget what was translated: host address, bytes"},
    {"obey", (PyCFunction)Core_obey, METH_VARARGS, "carry out an instruction cache maintenance operation; False if there is none"},
    {"cover", (PyCFunction)Core_cover, METH_NOARGS, "note the blocks that a vCPU arrives at"},
    {"covered", (PyCFunction)Core_covered, METH_NOARGS, "the blocks that were arrived at, and whether those are all"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "One emulator's run loop."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, Core_init},
    {Py_tp_dealloc, Core_dealloc},
    {Py_tp_traverse, Core_traverse},
    {Py_tp_clear, Core_clear},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, getset},
    {0, NULL},
};

PyType_Spec Core_spec = {
    "gunyah_emu.cpu._accelerator.Core", sizeof(Core), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
