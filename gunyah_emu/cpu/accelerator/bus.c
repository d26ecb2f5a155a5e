/* Stage 2: device accesses are performed and stepped over, pages become executable, and nothing is an external abort. */
#include "core.h"

static Device *find_device(Core *self, uint64_t ipa)
{
    Py_ssize_t i = self->last_device;
    if (i < self->device_count && ipa - self->devices[i].base < self->devices[i].size)
        return &self->devices[i];
    for (i = 0; i < self->device_count; i++)
        if (ipa - self->devices[i].base < self->devices[i].size) {
            self->last_device = i;
            return &self->devices[i];
        }
    return NULL;
}

/* Call read(offset, size) or write(offset, size, value). */
static PyObject *call_device(PyObject *function, uint64_t offset, unsigned size, const uint64_t *value)
{
    PyObject *stack[4] = {NULL, PyLong_FromUnsignedLongLong(offset), PyLong_FromLong((long)size),
                          value ? PyLong_FromUnsignedLongLong(*value) : NULL};
    size_t count = value ? 3 : 2;
    PyObject *result = NULL;
    Py_INCREF(function); /* it may unmap its own device */
    if (stack[1] && stack[2] && (!value || stack[3]))
        result = PyObject_Vectorcall(function, stack + 1, count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_DECREF(function);
    for (size_t i = 1; i <= count; i++)
        Py_XDECREF(stack[i]);
    return result;
}

/* Perform an access.  1: done; 0: the device says abort; -1: a Python error, which is kept. */
static int device_read(Core *self, Device *device, uint64_t offset, unsigned size, uint32_t iss)
{
    unsigned target = iss >> 16 & 31;
    uint64_t value = 0;
    PyObject *result = call_device(device->read, offset, size, NULL);
    int done = result == Py_None ? 0 : result && as_u64(result, &value, "a device's value") == 0 ? 1 : -1;
    Py_XDECREF(result);
    if (done > 0 && target != 31) {
        if (size < 8) {
            value &= (1ull << size * 8) - 1;
            if (iss & ISS_SSE && value >> (size * 8 - 1))
                value |= ~0ull << size * 8;
        }
        xregs(self)[target] = iss & ISS_SF ? value : (uint32_t)value;
    }
    return done;
}

static int device_write(Core *self, Device *device, uint64_t offset, unsigned size, uint32_t iss)
{
    unsigned target = iss >> 16 & 31;
    uint64_t value = target == 31 ? 0 : xregs(self)[target];
    if (size < 8)
        value &= (1ull << size * 8) - 1;
    PyObject *result = call_device(device->write, offset, size, &value);
    int done = result ? result != Py_False : -1;
    Py_XDECREF(result);
    return done;
}

/* The emulator says ISV for pre- and post-indexed accesses too, which the architecture excludes (D17.2.37): nobody could
 * step over one and be sure of its base register. */
static int writes_back(uint32_t instruction) { return (instruction & 0x3b200400) == 0x38000400; }

static uint64_t faulting_ipa(Core *self)
{
    return AT(uint64_t, self->env, env_hpfar_el2) >> 4 << 12 | (AT(uint64_t, self->env, env_vaddress) & 0xfff);
}

enum { DONE = 1 };

/* A callback that raises leaves the guest in front of the access, which the next run makes again. */
void stage2_data_abort(Core *self, uint32_t syndrome)
{
    uint64_t far = AT(uint64_t, self->env, env_vaddress), ipa = faulting_ipa(self), status = SYNC_EXTERNAL;
    unsigned size = 1u << (syndrome >> 22 & 3);
    int is_write = (syndrome & ISS_WNR) != 0;
    Device *device = syndrome & ISS_S1PTW ? NULL : find_device(self, ipa);
    if (device && syndrome & ISS_ISV && !writes_back(instruction_at(self, pc_of(self)))) {
        uint64_t offset = ipa - device->base;
        int done = (is_write ? device_write : device_read)(self, device, offset, size, syndrome);
        if (done > 0)
            step_over(self);
        else if (done < 0)
            fail(self);
        if (done)
            return;
    }
    PyObject *result = PyObject_CallFunction(self->on_unmapped, "nKKIi", self->current, (unsigned long long)ipa,
                                             (unsigned long long)far, (unsigned)(syndrome & ISS), device != NULL);
    if (!result || as_u64(result, &status, "a fault status") < 0) {
        fail(self);
    } else if (status == DONE) {
        step_over(self);
    } else if (status == 0) {
        self->count->budget += 1; /* something appeared there: the access is made again, and charged then */
    } else {
        AT(uint64_t, self->env, env_vaddress) = far;
        deliver_external_abort(self, EXCP_DATA_ABORT, (uint32_t)status | (is_write ? ISS_WNR : 0));
    }
    Py_XDECREF(result);
}

void stage2_instruction_abort(Core *self, uint32_t syndrome)
{
    uint64_t far = AT(uint64_t, self->env, env_vaddress), ipa = faulting_ipa(self), status = 0;
    PyObject *result = PyObject_CallFunction(self->on_fetch_fault, "nKKI", self->current, (unsigned long long)ipa,
                                             (unsigned long long)far, (unsigned)(syndrome & ISS));
    if (!result || as_u64(result, &status, "a fault status") < 0)
        fail(self);
    Py_XDECREF(result);
    if (status == 0)
        return; /* the page has become executable: the guest fetches again and never knew */
    self->count->block_end = 0;
    settle(self, 0);
    AT(uint64_t, self->env, env_vaddress) = far;
    deliver_external_abort(self, EXCP_PREFETCH_ABORT, (uint32_t)status);
}

/* ---------------------------------------------------------------- set-up */

void drop_devices(Core *self)
{
    Device *old = self->devices;
    Py_ssize_t count = self->device_count;
    self->devices = NULL;
    self->device_count = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_DECREF(old[i].read);
        Py_DECREF(old[i].write);
    }
    PyMem_Free(old);
}

/* set_devices([(base, size, read, write), ...]) */
PyObject *Core_set_devices(Core *self, PyObject *list)
{
    if (!PyList_Check(list))
        return PyErr_Format(PyExc_TypeError, "set_devices takes a list");
    Py_ssize_t count = PyList_GET_SIZE(list);
    Device *devices = PyMem_Calloc((size_t)count + 1, sizeof(Device));
    if (!devices)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        unsigned long long base, size;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(list, i), "KKOO", &base, &size, &devices[i].read, &devices[i].write)) {
            PyMem_Free(devices);
            return NULL;
        }
        devices[i].base = base;
        devices[i].size = size;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_INCREF(devices[i].read);
        Py_INCREF(devices[i].write);
    }
    drop_devices(self);
    self->devices = devices;
    self->device_count = count;
    self->last_device = 0;
    Py_RETURN_NONE;
}

/* fill_descriptors(buffer, index, first, count): count 8-byte translation table descriptors, 4 KiB apart. */
PyObject *fill_descriptors(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer buffer;
    Py_ssize_t index, count;
    unsigned long long first;
    if (!PyArg_ParseTuple(args, "w*nKn", &buffer, &index, &first, &count))
        return NULL;
    if (index < 0 || count < 0 || index + count > buffer.len / 8) {
        PyBuffer_Release(&buffer);
        return PyErr_Format(PyExc_IndexError, "descriptors outside the table");
    }
    uint64_t *table = (uint64_t *)buffer.buf + index;
    for (Py_ssize_t i = 0; i < count; i++)
        table[i] = first + ((uint64_t)i << 12);
    PyBuffer_Release(&buffer);
    Py_RETURN_NONE;
}
