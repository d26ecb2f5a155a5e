/* What is private to the installed Unicorn, as door.py found it. */
#include "core.h"

#define DEFINE_OFFSET(name) size_t name;
OFFSETS(DEFINE_OFFSET)
#define DEFINE_FUNCTION(result, name, arguments) result(*name) arguments;
FUNCTIONS(DEFINE_FUNCTION)
#define DEFINE_OPERATION(name) unsigned operation_##name;
OPERATIONS(DEFINE_OPERATION)
uint64_t stage2_tables;
int configured;

PyObject *configure(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *offsets, *functions, *operations, *value;
    unsigned long long tables;
    if (!PyArg_ParseTuple(args, "O!O!O!K", &PyDict_Type, &offsets, &PyDict_Type, &functions, &PyDict_Type, &operations, &tables))
        return NULL;
#define TAKE_OFFSET(name)                                                                                            \
    if (!(value = PyDict_GetItemString(offsets, #name)))                                                             \
        return PyErr_Format(PyExc_KeyError, #name);                                                                  \
    name = PyLong_AsSize_t(value);
    OFFSETS(TAKE_OFFSET)
#define TAKE_FUNCTION(result, name, arguments)                                                                       \
    if (!(value = PyDict_GetItemString(functions, #name)))                                                           \
        return PyErr_Format(PyExc_KeyError, #name);                                                                  \
    name = (result(*) arguments)PyLong_AsVoidPtr(value);
    FUNCTIONS(TAKE_FUNCTION)
#define TAKE_OPERATION(name)                                                                                         \
    if (!(value = PyDict_GetItemString(operations, #name)))                                                          \
        return PyErr_Format(PyExc_KeyError, #name);                                                                  \
    operation_##name = (unsigned)PyLong_AsUnsignedLong(value);
    OPERATIONS(TAKE_OPERATION)
    if (PyErr_Occurred())
        return NULL;
    stage2_tables = tables;
    configured = 1;
    Py_RETURN_NONE;
}
