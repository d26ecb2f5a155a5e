/* The module: the type, the hooks' addresses, and what belongs to no emulator. */
#include "core.h"

static PyMethodDef methods[] = {
    {"configure", configure, METH_VARARGS,
     "configure(offsets, functions, operations, tables): what is private to the installed Unicorn, and where our tables are"},
    {"fill_descriptors", fill_descriptors, METH_VARARGS, "fill_descriptors(buffer, index, first, count)"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_accelerator", "The fast way's hot path.", -1, methods,
                             NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__accelerator(void)
{
    static const struct {
        const char *name;
        void *address;
    } hooks[] = {
        {"ON_INTERRUPT", (void *)on_interrupt},
        {"TRAP_TO_EL2", (void *)trap_to_el2},
        {"FLOATING_POINT_TARGET_EL", (void *)floating_point_target_el},
        {"GENERATE_CALL", (void *)generate_call},
        {"GENERATE_EXIT", (void *)generate_exit},
        {"WALK", (void *)walk},
        {"TRANSLATE", (void *)translate},
        {"NOTHING", (void *)no_change},
    };
    PyObject *self = PyModule_Create(&module), *type = PyType_FromSpec(&Core_spec);
    if (!self || !type || PyModule_AddObjectRef(self, "Core", type) < 0)
        goto failed;
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        PyObject *address = PyLong_FromVoidPtr(hooks[i].address);
        int added = PyModule_AddObjectRef(self, hooks[i].name, address);
        Py_XDECREF(address);
        if (added < 0)
            goto failed;
    }
    Py_DECREF(type);
    return self;
failed:
    Py_XDECREF(type);
    Py_XDECREF(self);
    return NULL;
}
