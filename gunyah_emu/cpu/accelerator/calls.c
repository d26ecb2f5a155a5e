/* Hypercalls: HVC to a callable of the table, its results by the native convention; everything else to the handler. */
#include "core.h"

#define MOST 8 /* arguments, and results */

/* Write results by the table's convention.  Returns -1 with a Python error when they are not what an entry may return. */
static int write_results(Core *self, char *env, PyObject *results)
{
    uint64_t values[MOST];
    Py_ssize_t count = 1;
    if (PyTuple_Check(results)) {
        count = PyTuple_GET_SIZE(results);
        if (count > self->call_results) {
            PyErr_Format(PyExc_ValueError, "a hypercall may return %d results at most, not %zd", self->call_results, count);
            return -1;
        }
        for (Py_ssize_t i = 0; i < count; i++)
            if (as_u64(PyTuple_GET_ITEM(results, i), &values[i], "a hypercall's result") < 0)
                return -1;
    } else if (as_u64(results, &values[0], "a hypercall's result") < 0) {
        return -1;
    }
    uint64_t *x = &AT(uint64_t, env, env_x);
    for (int i = 0; i < self->call_results; i++)
        x[i] = i < count ? values[i] : 0;
    for (int i = 0; i < 31; i++)
        if (self->call_cleared >> i & 1)
            x[i] = 0;
    if (self->call_link >= 0)
        x[self->call_link] = AT(uint64_t, env, env_pc);
    return 0;
}

static void hypercall(Core *self, PyObject *entry, Py_ssize_t count)
{
    PyObject *stack[MOST + 2], *results = NULL; /* a place for vectorcall's own use, the caller, the arguments */
    Py_ssize_t made = 1;
    uint64_t *x = xregs(self);
    stack[1] = PyList_GET_ITEM(self->callers, self->current);
    Py_INCREF(entry);
    Py_INCREF(stack[1]);
    for (; made <= count; made++)
        if (!(stack[made + 1] = PyLong_FromUnsignedLongLong(x[made - 1])))
            break;
    if (made > count)
        results = PyObject_Vectorcall(entry, stack + 1, (size_t)(count + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    for (Py_ssize_t i = 1; i <= made; i++)
        Py_DECREF(stack[i]);
    Py_DECREF(entry);
    if (results == Py_None)
        stop(self, STOP_REQUESTED); /* blocked: whoever wakes it writes the results */
    else if (!results || write_results(self, self->env, results) < 0)
        fail(self);
    Py_XDECREF(results);
}

void call(Core *self, uint32_t number)
{
    uint32_t immediate = AT(uint32_t, self->env, env_syndrome) & 0xffff;
    if (self->on_catch && halts_at_call(self, number, immediate))
        return;
    if (number == EXCP_HVC && self->calls && immediate >= self->call_base) {
        unsigned long index = immediate - self->call_base;
        if (index < (unsigned long)PyList_GET_SIZE(self->calls) && PyList_GET_SIZE(self->callers) > self->current) {
            PyObject *entry = PyList_GET_ITEM(self->calls, (Py_ssize_t)index);
            if (entry != Py_None && index < (unsigned long)PyBytes_GET_SIZE(self->argument_counts)) {
                hypercall(self, entry, ((uint8_t *)PyBytes_AS_STRING(self->argument_counts))[index]);
                return;
            }
        }
    }
    PyObject *result = PyObject_CallFunction(self->on_call, "niI", self->current, number == EXCP_SMC, immediate);
    if (!result)
        fail(self);
    Py_XDECREF(result);
}

PyObject *Core_complete(Core *self, PyObject *args)
{
    Py_ssize_t vcpu;
    PyObject *results;
    if (!PyArg_ParseTuple(args, "nO", &vcpu, &results))
        return NULL;
    CHECK_VCPU(self, vcpu);
    if (write_results(self, vcpu == self->current ? self->env : self->contexts[vcpu].buf, results) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *Core_set_calls(Core *self, PyObject *args)
{
    PyObject *calls, *counts, *callers;
    unsigned long base, cleared;
    int results, link;
    if (!PyArg_ParseTuple(args, "O!SO!kiki", &PyList_Type, &calls, &counts, &PyList_Type, &callers, &base, &results, &cleared, &link))
        return NULL;
    if (PyBytes_GET_SIZE(counts) < PyList_GET_SIZE(calls) || PyList_GET_SIZE(callers) < self->vcpus || results < 1
        || results > MOST || link > 30)
        return PyErr_Format(PyExc_ValueError, "a call table needs an argument count per call, a caller per vCPU, 1..8 results");
    for (Py_ssize_t i = 0; i < PyBytes_GET_SIZE(counts); i++)
        if ((uint8_t)PyBytes_AS_STRING(counts)[i] > MOST)
            return PyErr_Format(PyExc_ValueError, "a hypercall takes 8 arguments at most");
    Py_XSETREF(self->calls, Py_NewRef(calls));
    Py_XSETREF(self->argument_counts, Py_NewRef(counts));
    Py_XSETREF(self->callers, Py_NewRef(callers));
    self->call_base = base;
    self->call_results = results;
    self->call_cleared = cleared;
    self->call_link = link;
    Py_RETURN_NONE;
}
