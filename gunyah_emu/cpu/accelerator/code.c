/* Translated code: which pages have any, and how the guest says that it has written new code.
 *
 * The emulator notices a store to code through the address at which the code runs, but not every store through another one.
 * The architecture has the guest say when it has written code (Arm ARM B2.7.4.2); the emulator takes that for no-ops, and we
 * obey.  To invalidate everything would cost a kernel, which does it some ten times while it boots, a tenth of its boot; so
 * pages whose contents have not changed since the last time keep their translations.
 */
#include "core.h"

enum { CACHE_LINE = 64, PAGE = 4096 };                   /* CTR_EL0.IminLine of every model; what we map */
enum { DATA_LOAD = 0, MMU_INDEX = 15 };                  /* MMUAccessType, ARM_MMU_IDX_COREIDX_MASK */
enum { TYPE_SPECIAL = 0xf01, TYPE_SUPPRESS_TB_END = 8 }; /* ARMCPRegInfo.type */

/* What a page holds, as a number that is not 0. */
static uint64_t page_mark(const char *host)
{
    const uint64_t *words = (const uint64_t *)host;
    uint64_t lanes[4] = {1, 2, 3, 4};
    for (int i = 0; i < PAGE / 8; i += 4)
        for (int lane = 0; lane < 4; lane++) {
            lanes[lane] = (lanes[lane] ^ words[i + lane]) * 0x9e3779b97f4a7c15ull;
            lanes[lane] ^= lanes[lane] >> 29;
        }
    return (lanes[0] ^ lanes[1] * 3 ^ lanes[2] * 5 ^ lanes[3] * 7) | 1;
}

static Window *find_window(Core *self, const char *host)
{
    for (Py_ssize_t i = 0; i < self->window_count; i++)
        if ((uint64_t)(host - self->windows[i].host) < self->windows[i].size)
            return &self->windows[i];
    return NULL;
}

/* IC IVAU */
static void invalidate_line(void *env, const void *info, uint64_t va)
{
    Core *self = AT(Slot *, info, register_opaque)->core;
    char *host = tlb_vaddr_to_host(env, va & -(uint64_t)CACHE_LINE, DATA_LOAD, arm_mmu_idx(env) & MMU_INDEX);
    Window *window = host ? find_window(self, host) : NULL;
    if (window) {
        uint64_t offset = (uint64_t)(host - window->host);
        window->marks[offset / PAGE] = 0;
        tb_invalidate_phys_range(self->uc, window->ram + offset, window->ram + offset + CACHE_LINE);
    }
}

/* IC IALLU, IC IALLUIS */
static void invalidate_all(void *Py_UNUSED(env), const void *info, uint64_t Py_UNUSED(value))
{
    Core *self = AT(Slot *, info, register_opaque)->core;
    for (Py_ssize_t i = 0; i < self->code_count; i++) {
        Window *window = &self->windows[self->code[i].window];
        uint64_t page = self->code[i].page, mark = page_mark(window->host + page * PAGE);
        if (window->marks[page] != mark) {
            window->marks[page] = mark;
            tb_invalidate_phys_range(self->uc, window->ram + page * PAGE, window->ram + (page + 1) * PAGE);
        }
    }
}

void drop_windows(Core *self)
{
    for (Py_ssize_t i = 0; i < self->window_count; i++)
        free(self->windows[i].marks);
    PyMem_Free(self->windows);
    PyMem_Free(self->code);
    self->windows = NULL;
    self->code = NULL;
    self->window_count = self->code_count = self->code_room = 0;
}

/* add_window(host, size, physical, ram): memory that the guest will see. */
PyObject *Core_add_window(Core *self, PyObject *args)
{
    unsigned long long host, size, physical, ram;
    if (!PyArg_ParseTuple(args, "KKKK", &host, &size, &physical, &ram))
        return NULL;
    Window *windows = PyMem_Realloc(self->windows, (size_t)(self->window_count + 1) * sizeof *windows);
    if (!windows)
        return PyErr_NoMemory();
    self->windows = windows;
    uint64_t *marks = calloc(size / PAGE, sizeof *marks); /* large, and zero without being touched */
    if (!marks)
        return PyErr_NoMemory();
    windows[self->window_count++] = (Window){(char *)(uintptr_t)host, size, physical, ram, marks};
    Py_RETURN_NONE;
}

/* note_code(host): the guest fetched for the first time from the page at this address of ours. */
PyObject *Core_note_code(Core *self, PyObject *address)
{
    char *host = PyLong_AsVoidPtr(address);
    if (PyErr_Occurred())
        return NULL;
    if (self->code_count == self->code_room) {
        Py_ssize_t room = self->code_room ? self->code_room * 2 : 1024;
        CodePage *pages = PyMem_Realloc(self->code, (size_t)room * sizeof *pages);
        if (!pages)
            return PyErr_NoMemory();
        self->code = pages;
        self->code_room = room;
    }
    Window *window = find_window(self, host);
    if (window) {
        uint64_t page = (uint64_t)(host - window->host) / PAGE;
        window->marks[page] = page_mark(host);
        self->code[self->code_count++] = (CodePage){window - self->windows, page};
    }
    Py_RETURN_NONE;
}

/* invalidate(host, size): the host wrote into guest memory at this address of ours. */
PyObject *Core_invalidate(Core *self, PyObject *args)
{
    unsigned long long host, size;
    if (!PyArg_ParseTuple(args, "KK", &host, &size))
        return NULL;
    Window *window = self->uc ? find_window(self, (char *)(uintptr_t)host) : NULL;
    if (window && size) {
        uint64_t offset = (uint64_t)((char *)(uintptr_t)host - window->host);
        tb_invalidate_phys_range(self->uc, window->ram + offset, window->ram + offset + size);
    }
    Py_RETURN_NONE;
}

/* obey(key, by_line): the emulator's instruction cache maintenance is no no-op any more.  False: it has none. */
PyObject *Core_obey(Core *self, PyObject *args)
{
    unsigned key;
    int by_line;
    if (!PyArg_ParseTuple(args, "Ip", &key, &by_line))
        return NULL;
    char *info = get_arm_cp_reginfo(AT(void *, self->cpu, cpu_registers), key);
    if (!info)
        Py_RETURN_FALSE;
    AT(Slot *, info, register_opaque) = &self->slots[0];
    AT(void *, info, register_writefn) = by_line ? (void *)invalidate_line : (void *)invalidate_all;
    /* The block goes on, as with a no-op and as in the portable way: it is the ISB which the guest needs anyhow that ends it. */
    AT(int, info, register_type) = (AT(int, info, register_type) & ~TYPE_SPECIAL) | TYPE_SUPPRESS_TB_END;
    Py_RETURN_TRUE;
}
