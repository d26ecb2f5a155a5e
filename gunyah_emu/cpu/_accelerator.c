/* The fast way's hot path: counts blocks, answers guest exceptions and hands hypercalls to Python.
 *
 * Unicorn calls two hooks here.  on_block runs at the start of every translated block and keeps the budget; on_interrupt runs at
 * every exception of the guest and decides who answers it: the hypercall table, a system register, a device, or the guest itself
 * (by the emulator's own architectural exception entry).
 *
 * What is private to a Unicorn build comes in as data: configure() receives structure offsets and function addresses from door.py,
 * which has checked them.  This file includes no header of Unicorn or QEMU and links against neither.
 *
 * The interpreter lock is held throughout run(): the guest runs in bounded slices, and a callback costs no lock traffic.
 *
 * Accounting.  A block is charged in full when it starts.  An exception in its middle gives back what did not run, so `retired` is
 * exact whenever Python can see it; the trapping instruction itself counts as retired.  An exception outside a block (a fetch that
 * aborts) costs one, so that a guest that does nothing but fault still spends its budget.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <structmember.h>

/* ------------------------------------------------------------------ what door.py tells us */

#define OFFSETS(X)                                                                                                                  \
    X(uc_cpu) X(uc_no_exit_request) X(cpu_env) X(cpu_interrupt_request) X(cpu_halted) X(cpu_exception_index) X(cpu_registers)                         \
    X(env_x) X(env_pc) X(env_pstate) X(env_btype) X(env_syndrome) X(env_vaddress) X(env_target_el) X(env_hpfar_el2)                  \
    X(env_cpacr_el1) X(env_vttbr_el2) X(env_sctlr_el1) X(env_ttbr0_el1) X(env_ttbr1_el1) X(env_tcr_el1) X(env_exclusive_addr) X(env_size)                              \
    X(register_type) X(register_opaque) X(register_accessfn) X(register_readfn) X(register_writefn)

#define FUNCTIONS(X)                                                                                                                \
    X(int, uc_emu_start, (void *, uint64_t, uint64_t, uint64_t, size_t))                                                             \
    X(int, uc_emu_stop, (void *))                                                                                                    \
    X(int, uc_vmem_read, (void *, uint64_t, uint32_t, void *, size_t))                                                                                                    \
    X(void, arm_cpu_do_interrupt, (void *))                                                                                          \
    X(void, arm_rebuild_hflags, (void *))                                                                                            \
    X(char *, get_arm_cp_reginfo, (void *, uint32_t))                                                                                \
    X(uint32_t, arm_mmu_idx, (void *))                                                                                               \
    X(char *, tlb_vaddr_to_host, (void *, uint64_t, int, uint32_t))                                                                  \
    X(void, tb_invalidate_phys_range, (void *, uint64_t, uint64_t))                                                                  \
    X(void, tlb_flush, (void *))

#define DECLARE_OFFSET(name) static size_t name;
OFFSETS(DECLARE_OFFSET)
#define DECLARE_FUNCTION(result, name, arguments) static result(*name) arguments;
FUNCTIONS(DECLARE_FUNCTION)
static uint64_t stage2_tables;
static int configured;

#define AT(type, base, offset) (*(type *)((char *)(base) + (offset)))

/* QEMU's exception numbers, its request bits, and the architecture's constants (Arm ARM D17.2.37, ESR_EL1). */
enum { EXCP_UDEF = 1, EXCP_SVC = 2, EXCP_PREFETCH_ABORT = 3, EXCP_DATA_ABORT = 4, EXCP_HVC = 11, EXCP_SMC = 13 };
enum { INTERRUPT_HARD = 2, FETCHABLE = 4, ACCESS_TRAP_EL2 = 3, RAISES_EXCEPTION = 0x8000 };
enum { REGISTER_SPECIAL = 0xf01, ENDS_NO_BLOCK = 8, DATA_LOAD = 0, MMU_INDEX = 15 };
enum { EC_SYSTEM_REGISTER = 0x18, EC_SVE = 0x19, EC_INSTRUCTION_ABORT = 0x20, EC_DATA_ABORT = 0x24 };
enum { ISS_WNR = 1 << 6, ISS_S1PTW = 1 << 7, ISS_SF = 1 << 15, ISS_SSE = 1 << 21, ISS_ISV = 1 << 24, SYNC_EXTERNAL = 0x10 };
#define IL (1u << 25)

/* Why run() returned: the values of engine.Stop. */
enum { STOP_BUDGET = 0, STOP_WFI = 1, STOP_REQUESTED = 2, STOP_EXCEPTION_LOOP = 3 };

typedef struct {
    uint64_t base, size;
    PyObject *read, *write;
} Device;

/* Memory of the guest's: where it is in ours, and its number in the emulator's list of RAM, by which translated blocks are known. */
typedef struct {
    char *host;
    uint64_t size, ram;
    uint64_t *marks; /* by page: what its contents were when its code was last known to be good, 0: unknown */
} Window;

typedef struct {
    Py_ssize_t window;
    uint64_t page;
} CodePage;

struct Core;
typedef struct {
    struct Core *core;
    Py_ssize_t index;
} Slot;

typedef struct Core {
    PyObject_HEAD
    char *uc, *cpu, *env;
    int64_t budget;     /* what is left of this run; the block hook stops in front of a block when nothing is */
    int64_t granted;    /* retired == granted - budget, whoever shortens the run */
    uint64_t block_end; /* where the running block ends; 0 when an exception has settled it */
    uint64_t base;      /* instructions before this run: the virtual clock */
    Py_ssize_t vcpus, current;
    int running, stop, wants_flush;
    uint8_t *irq, *stale; /* per vCPU: the IRQ line; whether a debugger changed registers behind the emulator's back */
    Py_buffer *contexts;
    PyObject *error_type, *error_value, *error_traceback;
    /* hypercalls */
    PyObject *calls, *argument_counts, *callers;
    unsigned long call_base;
    uint64_t call_cleared; /* bit n: xn is zeroed beside the results */
    int call_results, call_link;
    /* everything else that Python answers */
    PyObject *on_call, *on_undefined, *on_stage2_fault, *on_unmapped;
    PyObject *readers, *writers; /* per vCPU a list, by slot */
    Slot *slots;
    uint8_t *trapped; /* slot + 1 by encoding (op0[0] op1 crn crm op2), 0: not ours */
    Device *devices;
    Py_ssize_t device_count, last_device;
    Window *windows;
    Py_ssize_t window_count;
    CodePage *code;
    Py_ssize_t code_count, code_room;
    uint64_t grow_at, grow_interval;
    /* the exception that a later loop began with: number, syndrome, ELR, FAR, and where it led */
    uint64_t first[4], first_vector;
    int64_t first_budget;
} Core;

/* ------------------------------------------------------------------ small things */

static inline uint64_t *xregs(Core *self) { return &AT(uint64_t, self->env, env_x); }
static inline uint64_t pc_of(Core *self) { return AT(uint64_t, self->env, env_pc); }
static inline unsigned current_el(Core *self) { return (AT(uint32_t, self->env, env_pstate) >> 2) & 3; }

/* Leave at most `left` of the budget, without changing what has been retired. */
static void shorten(Core *self, int64_t left)
{
    if (self->budget > left) {
        self->granted -= self->budget - left;
        self->budget = left;
    }
}

static void stop(Core *self, int reason)
{
    if (self->stop < reason)
        self->stop = reason;
    shorten(self, 0);
}

/* Keep a callback's exception for run() to raise; the first one wins. */
static void fail(Core *self)
{
    if (self->error_type)
        PyErr_Clear();
    else
        PyErr_Fetch(&self->error_type, &self->error_value, &self->error_traceback);
    stop(self, STOP_REQUESTED);
}

/* Give back the part of the running block that lies at and behind next_pc. */
static void settle(Core *self, uint64_t next_pc)
{
    if (self->block_end) {
        uint64_t rest = (self->block_end - next_pc) >> 2;
        if (rest <= 1024)
            self->budget += (int64_t)rest;
        self->block_end = 0;
    } else {
        self->budget -= 1;
    }
}

/* A callback's unsigned 64-bit result.  On a wrong type or range: -1 and a Python error. */
static int as_u64(PyObject *object, uint64_t *value, const char *what)
{
    if (!PyLong_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be an int or None, not %.100R", what, object);
        return -1;
    }
    *value = PyLong_AsUnsignedLongLong(object);
    return (*value == (uint64_t)-1 && PyErr_Occurred()) ? -1 : 0;
}

/* ------------------------------------------------------------------ hooks: blocks and exceptions */

static void on_block(void *uc, uint64_t address, uint32_t size, void *user)
{
    Core *self = user;
    if (__builtin_expect(self->budget <= 0, 0)) {
        uc_emu_stop(uc); /* takes effect in front of this block, which is therefore not charged */
        return;
    }
    self->budget -= size >> 2;
    self->block_end = address + size;
}

/* Let the guest take the exception that is described in env. */
static void deliver(Core *self, uint32_t number)
{
    char *env = self->env;
    uint64_t from = pc_of(self);
    AT(int32_t, self->cpu, cpu_exception_index) = (int32_t)number;
    arm_cpu_do_interrupt(self->cpu);
    uint64_t vector = pc_of(self);
    int itself = from == vector; /* the first instruction of the vector faults into itself: nothing but another vCPU could end it */
    if (!itself || self->first_vector != from || self->granted - self->budget - self->first_budget > 2) {
        self->first[0] = number;
        self->first[1] = AT(uint32_t, env, env_syndrome);
        self->first[2] = from;
        self->first[3] = number == EXCP_PREFETCH_ABORT || number == EXCP_DATA_ABORT ? AT(uint64_t, env, env_vaddress) : 0;
    }
    if (!itself) {
        self->first_vector = vector;
        self->first_budget = self->granted - self->budget;
    } else {
        stop(self, STOP_EXCEPTION_LOOP);
    }
}

static void deliver_undefined(Core *self)
{
    AT(uint32_t, self->env, env_syndrome) = IL;
    AT(uint32_t, self->env, env_target_el) = 1;
    deliver(self, EXCP_UDEF);
}

/* A synchronous external abort: nothing answered at this address, or the device refused. */
static void deliver_external_abort(Core *self, uint32_t number, uint32_t iss)
{
    uint32_t ec = (number == EXCP_DATA_ABORT ? EC_DATA_ABORT : EC_INSTRUCTION_ABORT) + (current_el(self) ? 1 : 0);
    AT(uint32_t, self->env, env_syndrome) = ec << 26 | IL | iss;
    AT(uint32_t, self->env, env_target_el) = 1;
    deliver(self, number);
}

/* The trapped instruction has been performed: go on behind it. */
static void step_over(Core *self)
{
    AT(uint64_t, self->env, env_pc) += 4;
    AT(uint32_t, self->env, env_btype) = 0;
}

/* ------------------------------------------------------------------ hypercalls */

/* Write results by the native convention.  Returns -1 with a Python error when they are not what an entry may return. */
static int write_results(Core *self, char *env, PyObject *results)
{
    uint64_t values[8];
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
    PyObject *stack[10], *results = NULL;
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

static void call(Core *self, uint32_t number)
{
    uint32_t immediate = AT(uint32_t, self->env, env_syndrome) & 0xffff;
    if (number == EXCP_HVC && self->calls) {
        unsigned long index = immediate - self->call_base;
        if (immediate >= self->call_base && index < (unsigned long)PyList_GET_SIZE(self->calls)) {
            PyObject *entry = PyList_GET_ITEM(self->calls, (Py_ssize_t)index);
            if (entry != Py_None) {
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

/* ------------------------------------------------------------------ system registers */

/* Call a register's reader or writer.  1: done; 0: UNDEFINED; -1: a Python error, kept. */
static int access_register(Core *self, Py_ssize_t index, int is_read, uint64_t *value)
{
    PyObject *table = PyList_GET_ITEM(is_read ? self->readers : self->writers, self->current);
    PyObject *function = PyTuple_GET_ITEM(table, index), *result;
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

/* Registers that the emulator lacks: their access function sends every access to EL2, which is here. */
static int trap_to_el2(void *env, const void *info, int is_read)
{
    (void)env, (void)info, (void)is_read;
    return ACCESS_TRAP_EL2;
}

static void trapped_register(Core *self, uint32_t syndrome)
{
    /* ISS: op0[21:20] op2[19:17] op1[16:14] CRn[13:10] Rt[9:5] CRm[4:1] direction[0] (1 = read) */
    unsigned key = (syndrome >> 20 & 1) << 14 | (syndrome >> 14 & 7) << 11 | (syndrome >> 10 & 15) << 7 | (syndrome >> 1 & 15) << 3
                   | (syndrome >> 17 & 7);
    unsigned target = syndrome >> 5 & 31;
    int is_read = syndrome & 1;
    uint64_t value = 0;
    if (!is_read && target != 31)
        value = xregs(self)[target];
    int done = access_register(self, self->trapped[key] - 1, is_read, &value);
    if (done == 0) {
        deliver_undefined(self);
    } else {
        if (is_read && target != 31)
            xregs(self)[target] = value;
        step_over(self);
    }
}

/* Registers that the emulator has: replaced in place, and called in the middle of a block.  What of the block lies behind the
 * access is given back meanwhile, so that the callback sees the exact count. */
static int64_t give_back(Core *self)
{
    int64_t rest = self->block_end ? (int64_t)((self->block_end - (pc_of(self) + 4)) >> 2) : 0;
    self->budget += rest;
    return rest;
}

static uint64_t read_in_block(void *env, const void *info)
{
    Slot *slot = AT(Slot *, info, register_opaque);
    uint64_t value = 0;
    int64_t rest = give_back(slot->core);
    int done = access_register(slot->core, slot->index, 1, &value);
    slot->core->budget -= rest;
    (void)done, (void)env;
    return value;
}

static void write_in_block(void *env, const void *info, uint64_t value)
{
    Slot *slot = AT(Slot *, info, register_opaque);
    int64_t rest = give_back(slot->core);
    int done = access_register(slot->core, slot->index, 0, &value);
    slot->core->budget -= rest;
    (void)done, (void)env;
}

/* CNTVCT_EL0 and CNTPCT_EL0, read so often that they stay in C: 1 ns an instruction, 16 ns a tick (62.5 MHz). */
static uint64_t read_counter(void *env, const void *info)
{
    Core *self = AT(Slot *, info, register_opaque)->core;
    int64_t rest = give_back(self);
    uint64_t now = self->base + (uint64_t)(self->granted - self->budget);
    self->budget -= rest;
    (void)env;
    return now >> 4;
}

/* Whether FP and SIMD instructions trap, and where to (CPACR_EL1.FPEN, Arm ARM D19.2.30).  Unicorn has cut this out of QEMU: its
 * function says "never".  door.py puts ours in its place; an emulator that is not ours, which has no stage 2 tables at our place, is
 * answered as before. */
static int floating_point_target_el(void *env, int el)
{
    unsigned enabled = AT(uint64_t, env, env_cpacr_el1) >> 20 & 3;
    if (AT(uint64_t, env, env_vttbr_el2) != stage2_tables || el > 1)
        return 0;
    return enabled == 3 || (enabled == 1 && el == 1) ? 0 : 1;
}

/* ------------------------------------------------------------------ instruction cache maintenance
 *
 * The emulator notices a store to code through the address at which the code runs, but not every store through another one.  The
 * architecture has the guest say when it has written code (Arm ARM B2.7.4.2); the emulator takes that for no-ops, and we obey.  To
 * invalidate everything would cost a kernel, which does it some ten times while it boots, a tenth of its boot; so pages whose contents
 * have not changed since the last time keep their translations. */

enum { CACHE_LINE = 64, PAGE = 4096 }; /* CTR_EL0.IminLine of every model */

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

/* The guest fetched from a page for the first time. */
static int note_code(Core *self, char *host)
{
    if (self->code_count == self->code_room) {
        Py_ssize_t room = self->code_room ? self->code_room * 2 : 1024;
        CodePage *pages = PyMem_Realloc(self->code, (size_t)room * sizeof *pages);
        if (!pages)
            return -1;
        self->code = pages;
        self->code_room = room;
    }
    Window *window = find_window(self, host);
    if (window) {
        uint64_t page = (uint64_t)(host - window->host) / PAGE;
        window->marks[page] = page_mark(host);
        self->code[self->code_count++] = (CodePage){window - self->windows, page};
    }
    return 0;
}

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

static void invalidate_all(void *env, const void *info, uint64_t value)
{
    Core *self = AT(Slot *, info, register_opaque)->core;
    (void)env, (void)value;
    for (Py_ssize_t i = 0; i < self->code_count; i++) {
        Window *window = &self->windows[self->code[i].window];
        uint64_t page = self->code[i].page, mark = page_mark(window->host + page * PAGE);
        if (window->marks[page] != mark) {
            window->marks[page] = mark;
            tb_invalidate_phys_range(self->uc, window->ram + page * PAGE, window->ram + (page + 1) * PAGE);
        }
    }
}

/* ------------------------------------------------------------------ stage 2: devices, and what is not there */

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

static int device_read(Core *self, Device *device, uint64_t offset, unsigned size, uint32_t iss)
{
    PyObject *result = PyObject_CallFunction(device->read, "KI", (unsigned long long)offset, size);
    uint64_t value = 0;
    unsigned target = iss >> 16 & 31;
    int done = 1;
    if (result == Py_None)
        done = 0;
    else if (!result || as_u64(result, &value, "a device's value") < 0)
        done = -1;
    Py_XDECREF(result);
    if (done < 0)
        fail(self);
    if (done && target != 31) {
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
    int done = 1;
    if (size < 8)
        value &= (1ull << size * 8) - 1;
    PyObject *result = PyObject_CallFunction(device->write, "KIK", (unsigned long long)offset, size, (unsigned long long)value);
    if (result == Py_False) {
        done = 0;
    } else if (!result) {
        fail(self);
        done = -1;
    }
    Py_XDECREF(result);
    return done;
}

/* The emulator says ISV for pre- and post-indexed accesses too, which the architecture excludes (D17.2.37): nobody could step over one
 * and be sure of its base register. */
static int writes_back(Core *self)
{
    uint32_t instruction = 0;
    uc_vmem_read(self->uc, pc_of(self), FETCHABLE, &instruction, sizeof instruction);
    return (instruction & 0x3b200400) == 0x38000400;
}

static void stage2_data_abort(Core *self, uint32_t syndrome)
{
    uint64_t far = AT(uint64_t, self->env, env_vaddress);
    uint64_t ipa = AT(uint64_t, self->env, env_hpfar_el2) >> 4 << 12 | (far & 0xfff);
    unsigned size = 1u << (syndrome >> 22 & 3);
    int is_write = (syndrome & ISS_WNR) != 0;
    Device *device = syndrome & ISS_S1PTW ? NULL : find_device(self, ipa);
    settle(self, pc_of(self) + 4);
    if (device && syndrome & ISS_ISV && !writes_back(self)) {
        uint64_t offset = ipa - device->base;
        int done = is_write ? device_write(self, device, offset, size, syndrome) : device_read(self, device, offset, size, syndrome);
        if (done > 0)
            step_over(self);
        if (done) /* a callback that raised leaves the guest in front of the access */
            return;
    }
    PyObject *result = PyObject_CallFunction(self->on_unmapped, "nKKIi", self->current, (unsigned long long)ipa,
                                             (unsigned long long)far, (unsigned)(syndrome & 0x1ffffff), device != NULL);
    uint64_t walk_status = 0;
    int failed = !result || as_u64(result, &walk_status, "a fault status") < 0;
    Py_XDECREF(result);
    if (failed) {
        fail(self);
        return;
    }
    deliver_external_abort(self, EXCP_DATA_ABORT, (uint32_t)walk_status | (is_write ? ISS_WNR : 0));
}

static void stage2_instruction_abort(Core *self, uint32_t syndrome)
{
    uint64_t far = AT(uint64_t, self->env, env_vaddress);
    uint64_t ipa = AT(uint64_t, self->env, env_hpfar_el2) >> 4 << 12 | (far & 0xfff);
    PyObject *result = PyObject_CallFunction(self->on_stage2_fault, "nKKI", self->current, (unsigned long long)ipa,
                                             (unsigned long long)far, (unsigned)(syndrome & 0x1ffffff));
    uint64_t status = SYNC_EXTERNAL;
    if (!result || as_u64(result, &status, "a fault status") < 0) {
        fail(self);
        return;
    }
    Py_DECREF(result);
    if (status == 0) {
        return; /* the page has become executable: the guest fetches again and never knew */
    }
    self->block_end = 0;
    settle(self, far);
    deliver_external_abort(self, EXCP_PREFETCH_ABORT, (uint32_t)status);
}

/* ------------------------------------------------------------------ every exception of the guest */

/* Semihosting and unknown system registers look alike from here: Python reads the instruction.  1: it was performed. */
static int undefined_instruction(Core *self)
{
    PyObject *result = PyObject_CallFunction(self->on_undefined, "n", self->current);
    int handled = result ? PyObject_IsTrue(result) : -1;
    Py_XDECREF(result);
    if (handled < 0)
        fail(self);
    return handled;
}

static void on_interrupt(void *uc, uint32_t number, void *user)
{
    Core *self = user;
    uint32_t syndrome = AT(uint32_t, self->env, env_syndrome), target_el = AT(uint32_t, self->env, env_target_el);
    switch (number) {
    case EXCP_HVC:
    case EXCP_SMC:
        settle(self, pc_of(self));
        call(self, number);
        break;
    case EXCP_UDEF:
        settle(self, pc_of(self) + 4);
        if (target_el == 2 && syndrome >> 26 == EC_SYSTEM_REGISTER)
            trapped_register(self, syndrome);
        else if (syndrome >> 26 == EC_SVE) /* the ID registers say that there is none */
            deliver_undefined(self);
        else if (syndrome == IL && undefined_instruction(self))
            step_over(self);
        else
            deliver(self, number);
        break;
    case EXCP_DATA_ABORT:
        if (target_el == 2) {
            stage2_data_abort(self, syndrome);
        } else {
            settle(self, pc_of(self) + 4);
            deliver(self, number);
        }
        break;
    case EXCP_PREFETCH_ABORT:
        if (target_el == 2) {
            stage2_instruction_abort(self, syndrome);
        } else {
            self->block_end = 0;
            settle(self, 0);
            deliver(self, number);
        }
        break;
    default: /* SVC returns behind itself, BRK to itself */
        settle(self, number == EXCP_SVC ? pc_of(self) : pc_of(self) + 4);
        deliver(self, number);
        break;
    }
    if (self->budget <= 0)
        uc_emu_stop(uc);
}

static int Core_clear(Core *self);

/* ------------------------------------------------------------------ vCPUs */

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

/* The emulator sizes its TLB by use, but only when it is flushed, which many a kernel never does: let it grow soon, and follow later. */
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

static void swap(Core *self, Py_ssize_t vcpu)
{
    if (vcpu != self->current) {
        char *next = self->contexts[vcpu].buf;
        if (!same_regime(self->env, next))
            self->wants_flush = 1;
        memcpy(self->contexts[self->current].buf, self->env, env_size);
        memcpy(self->env, next, env_size);
        AT(uint64_t, self->env, env_exclusive_addr) = ~0ull; /* another vCPU ran: the exclusive monitor is clear */
        self->current = vcpu;
        set_line(self);
    }
    if (self->stale[vcpu]) {
        self->stale[vcpu] = 0;
        self->wants_flush = 1;
        arm_rebuild_hflags(self->env);
    }
    if (self->wants_flush) {
        self->wants_flush = 0;
        tlb_flush(self->cpu);
    }
}

#define CHECK_VCPU(self, vcpu)                                                                                                      \
    if ((vcpu) < 0 || (vcpu) >= (self)->vcpus)                                                                                       \
        return PyErr_Format(PyExc_IndexError, "vCPU must be 0..%zd, not %zd", (self)->vcpus - 1, (vcpu))

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
    self->granted = self->budget = budget;
    self->stop = STOP_BUDGET;
    if (budget <= 0)
        return PyLong_FromLong(STOP_BUDGET);
    grow_tlb(self);
    swap(self, vcpu);
    self->running = 1;
    self->block_end = 0;
    int error = uc_emu_start(self->uc, pc_of(self), 0, 0, 0);
    self->running = 0;
    if (self->error_type) {
        PyErr_Restore(self->error_type, self->error_value, self->error_traceback);
        self->error_type = self->error_value = self->error_traceback = NULL;
        return NULL;
    }
    if (error)
        return PyErr_Format(PyExc_AssertionError, "the emulator stopped with error %d at 0x%llx", error,
                            (unsigned long long)pc_of(self));
    if (self->stop == STOP_BUDGET && AT(uint32_t, self->cpu, cpu_halted) && !self->irq[vcpu])
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
    int64_t left = PyLong_AsLongLong(budget);
    if (PyErr_Occurred())
        return NULL;
    shorten(self, left < 0 ? 0 : left);
    Py_RETURN_NONE;
}

static PyObject *Core_complete(Core *self, PyObject *args)
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

/* A vCPU's registers were written from outside: rebuild what the emulator derives from them before it runs again. */
static PyObject *Core_touch(Core *self, PyObject *argument)
{
    Py_ssize_t vcpu = PyLong_AsSsize_t(argument);
    if (PyErr_Occurred())
        return NULL;
    CHECK_VCPU(self, vcpu);
    self->stale[vcpu] = 1;
    if (vcpu == self->current && self->running)
        swap(self, vcpu);
    Py_RETURN_NONE;
}

/* The emulator goes: keep its CPU state where the swapped-out vCPUs are, and let everything of Python's go. */
static PyObject *Core_close(Core *self, PyObject *Py_UNUSED(ignored))
{
    if (self->running)
        return PyErr_Format(PyExc_RuntimeError, "close called from a callback of a run");
    if (self->uc) {
        memcpy(self->contexts[self->current].buf, self->env, env_size);
        self->uc = self->cpu = NULL;
        self->env = self->contexts[self->current].buf;
        Core_clear(self);
    }
    Py_RETURN_NONE;
}

static PyObject *Core_flush(Core *self, PyObject *Py_UNUSED(ignored))
{
    if (self->cpu)
        tlb_flush(self->cpu);
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ set-up */

static PyObject *Core_set_calls(Core *self, PyObject *args)
{
    PyObject *calls, *counts, *callers;
    unsigned long base, long_cleared;
    int results, link;
    if (!PyArg_ParseTuple(args, "O!SO!kiki", &PyList_Type, &calls, &counts, &PyList_Type, &callers, &base, &results, &long_cleared,
                          &link))
        return NULL;
    if (PyBytes_GET_SIZE(counts) < PyList_GET_SIZE(calls) || PyList_GET_SIZE(callers) < self->vcpus || results < 1 || results > 8)
        return PyErr_Format(PyExc_ValueError, "a call table needs an argument count per call, a caller per vCPU, 1..8 results");
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(calls); i++)
        if ((uint8_t)PyBytes_AS_STRING(counts)[i] > 8)
            return PyErr_Format(PyExc_ValueError, "a hypercall takes 8 arguments at most");
    Py_XSETREF(self->calls, Py_NewRef(calls));
    Py_XSETREF(self->argument_counts, Py_NewRef(counts));
    Py_XSETREF(self->callers, Py_NewRef(callers));
    self->call_base = base;
    self->call_results = results;
    self->call_cleared = long_cleared;
    self->call_link = link;
    Py_RETURN_NONE;
}

static PyObject *Core_set_devices(Core *self, PyObject *list)
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
    Device *old = self->devices;
    Py_ssize_t old_count = self->device_count;
    self->devices = devices;
    self->device_count = count;
    self->last_device = 0;
    for (Py_ssize_t i = 0; i < old_count; i++) {
        Py_DECREF(old[i].read);
        Py_DECREF(old[i].write);
    }
    PyMem_Free(old);
    Py_RETURN_NONE;
}

/* add_window(host, size, ram): memory that the guest will see. */
static PyObject *Core_add_window(Core *self, PyObject *args)
{
    unsigned long long host, size, ram;
    if (!PyArg_ParseTuple(args, "KKK", &host, &size, &ram))
        return NULL;
    Window *windows = PyMem_Realloc(self->windows, (size_t)(self->window_count + 1) * sizeof *windows);
    if (!windows)
        return PyErr_NoMemory();
    self->windows = windows;
    uint64_t *marks = calloc(size / PAGE, sizeof *marks); /* large, and zero without being touched */
    if (!marks)
        return PyErr_NoMemory();
    windows[self->window_count++] = (Window){(char *)(uintptr_t)host, size, ram, marks};
    Py_RETURN_NONE;
}

/* note_code(host): the guest fetched for the first time from the page at this address of ours. */
static PyObject *Core_note_code(Core *self, PyObject *host)
{
    void *address = PyLong_AsVoidPtr(host);
    if (PyErr_Occurred())
        return NULL;
    if (note_code(self, address) < 0)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* set_registers(readers, writers, trapped): readers[vcpu][slot]; trapped: key -> slot. */
static PyObject *Core_set_registers(Core *self, PyObject *args)
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
static PyObject *Core_replace(Core *self, PyObject *args)
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
    AT(int, info, register_type) = (AT(int, info, register_type) & ~3) | RAISES_EXCEPTION;
    Py_RETURN_TRUE;
}

/* obey(key, by_line): the emulator's instruction cache maintenance is no no-op any more.  False: it has none. */
static PyObject *Core_obey(Core *self, PyObject *args)
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
    AT(int, info, register_type) = (AT(int, info, register_type) & ~REGISTER_SPECIAL) | ENDS_NO_BLOCK;
    Py_RETURN_TRUE;
}

static int Core_init(Core *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"uc", "contexts", "on_call", "on_undefined", "on_stage2_fault", "on_unmapped", NULL};
    unsigned long long uc;
    PyObject *contexts, *on[4];
    if (!configured) {
        PyErr_SetString(PyExc_RuntimeError, "configure() comes first");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "KO!OOOO", names, &uc, &PyList_Type, &contexts, &on[0], &on[1], &on[2], &on[3]))
        return -1;
    if (self->uc || PyList_GET_SIZE(contexts) < 1) {
        PyErr_SetString(PyExc_ValueError, "a core is made once, for at least one vCPU");
        return -1;
    }
    Py_ssize_t wanted = PyList_GET_SIZE(contexts);
    self->contexts = PyMem_Calloc((size_t)wanted, sizeof(Py_buffer));
    self->irq = PyMem_Calloc((size_t)wanted, 1);
    self->stale = PyMem_Calloc((size_t)wanted, 1);
    if (!self->contexts || !self->irq || !self->stale) {
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
    AT(uint8_t, self->uc, uc_no_exit_request) = 1;
    self->on_call = Py_NewRef(on[0]);
    self->on_undefined = Py_NewRef(on[1]);
    self->on_stage2_fault = Py_NewRef(on[2]);
    self->on_unmapped = Py_NewRef(on[3]);
    self->call_link = -1;
    return 0;
}

static int Core_traverse(Core *self, visitproc visit, void *arg)
{
    Py_VISIT(self->calls);
    Py_VISIT(self->callers);
    Py_VISIT(self->on_call);
    Py_VISIT(self->on_undefined);
    Py_VISIT(self->on_stage2_fault);
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
    Py_ssize_t count = self->device_count;
    self->device_count = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_CLEAR(self->devices[i].read);
        Py_CLEAR(self->devices[i].write);
    }
    Py_CLEAR(self->calls);
    Py_CLEAR(self->argument_counts);
    Py_CLEAR(self->callers);
    Py_CLEAR(self->on_call);
    Py_CLEAR(self->on_undefined);
    Py_CLEAR(self->on_stage2_fault);
    Py_CLEAR(self->on_unmapped);
    Py_CLEAR(self->readers);
    Py_CLEAR(self->writers);
    return 0;
}

static void Core_dealloc(Core *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Core_clear(self);
    for (Py_ssize_t i = 0; i < self->vcpus; i++)
        PyBuffer_Release(&self->contexts[i]);
    PyMem_Free(self->contexts);
    PyMem_Free(self->irq);
    PyMem_Free(self->stale);
    PyMem_Free(self->slots);
    PyMem_Free(self->trapped);
    PyMem_Free(self->devices);
    for (Py_ssize_t i = 0; i < self->window_count; i++)
        free(self->windows[i].marks);
    PyMem_Free(self->windows);
    PyMem_Free(self->code);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

static PyObject *Core_get_retired(Core *self, void *Py_UNUSED(closure)) { return PyLong_FromLongLong(self->granted - self->budget); }
static PyObject *Core_get_now(Core *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(self->base + (uint64_t)(self->granted - self->budget));
}
static PyObject *Core_get_first(Core *self, void *Py_UNUSED(closure))
{
    return Py_BuildValue("KKKK", (unsigned long long)self->first[0], (unsigned long long)self->first[1],
                         (unsigned long long)self->first[2], (unsigned long long)self->first[3]);
}

static PyGetSetDef Core_getset[] = {
    {"retired", (getter)Core_get_retired, NULL, "instructions charged by the last run, or by this one so far", NULL},
    {"now", (getter)Core_get_now, NULL, "base + retired", NULL},
    {"first_exception", (getter)Core_get_first, NULL, "(number, syndrome, ELR, FAR) of the exception that a loop began with", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef Core_members[] = {
    {"base", T_ULONGLONG, offsetof(Core, base), 0, "instructions before this run"},
    {"current", T_PYSSIZET, offsetof(Core, current), READONLY, "the vCPU that is swapped in"},
    {"running", T_INT, offsetof(Core, running), READONLY, "whether run() is on the stack"},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef Core_methods[] = {
    {"run", (PyCFunction)(void (*)(void))Core_run, METH_FASTCALL, "run(vcpu, budget) -> why it stopped"},
    {"set_irq", (PyCFunction)(void (*)(void))Core_set_irq, METH_FASTCALL, "set_irq(vcpu, level)"},
    {"request_stop", (PyCFunction)Core_request_stop, METH_NOARGS, "stop at the next block"},
    {"shorten", (PyCFunction)Core_shorten, METH_O, "leave at most this much budget"},
    {"complete", (PyCFunction)Core_complete, METH_VARARGS, "complete(vcpu, results): results of a call that blocked"},
    {"touch", (PyCFunction)Core_touch, METH_O, "this vCPU's registers were written from outside"},
    {"close", (PyCFunction)Core_close, METH_NOARGS, "the emulator is about to be freed"},
    {"flush", (PyCFunction)Core_flush, METH_NOARGS, "drop all cached translations of addresses"},
    {"set_calls", (PyCFunction)Core_set_calls, METH_VARARGS, "the hypercall table and its register convention"},
    {"set_devices", (PyCFunction)Core_set_devices, METH_O, "[(base, size, read, write), ...]"},
    {"set_registers", (PyCFunction)Core_set_registers, METH_VARARGS, "readers and writers by vCPU and slot"},
    {"add_window", (PyCFunction)Core_add_window, METH_VARARGS, "memory that the guest will see: host address, bytes, RAM number"},
    {"note_code", (PyCFunction)Core_note_code, METH_O, "the guest fetched from this page for the first time"},
    {"obey", (PyCFunction)Core_obey, METH_VARARGS, "carry out an instruction cache maintenance operation; False if there is none"},
    {"replace", (PyCFunction)Core_replace, METH_VARARGS, "put a slot in the place of the emulator's own register; False if it has none"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot Core_slots[] = {
    {Py_tp_new, PyType_GenericNew},   {Py_tp_init, Core_init},       {Py_tp_dealloc, Core_dealloc}, {Py_tp_traverse, Core_traverse},
    {Py_tp_clear, Core_clear},        {Py_tp_methods, Core_methods}, {Py_tp_members, Core_members}, {Py_tp_getset, Core_getset},
    {Py_tp_doc, "One emulator's run loop."}, {0, NULL},
};
static PyType_Spec Core_spec = {
    "gunyah_emu.cpu._accelerator.Core", sizeof(Core), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, Core_slots};

/* ------------------------------------------------------------------ the module */

static PyObject *configure(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *offsets, *functions, *value;
    unsigned long long tables;
    if (!PyArg_ParseTuple(args, "O!O!K", &PyDict_Type, &offsets, &PyDict_Type, &functions, &tables))
        return NULL;
    stage2_tables = tables;
#define TAKE_OFFSET(name)                                                                                                           \
    if (!(value = PyDict_GetItemString(offsets, #name)))                                                                             \
        return PyErr_Format(PyExc_KeyError, #name);                                                                                  \
    name = PyLong_AsSize_t(value);
    OFFSETS(TAKE_OFFSET)
#define TAKE_FUNCTION(result, name, arguments)                                                                                      \
    if (!(value = PyDict_GetItemString(functions, #name)))                                                                           \
        return PyErr_Format(PyExc_KeyError, #name);                                                                                  \
    name = (result(*) arguments)PyLong_AsVoidPtr(value);
    FUNCTIONS(TAKE_FUNCTION)
    if (PyErr_Occurred())
        return NULL;
    configured = 1;
    Py_RETURN_NONE;
}

/* fill_descriptors(buffer, index, first, count): count 8-byte translation table descriptors, 4 KiB apart. */
static PyObject *fill_descriptors(PyObject *Py_UNUSED(module), PyObject *args)
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

static PyMethodDef module_methods[] = {
    {"configure", configure, METH_VARARGS, "configure(offsets, functions, tables): what is private to the installed Unicorn, and where our tables are"},
    {"fill_descriptors", fill_descriptors, METH_VARARGS, "fill_descriptors(buffer, index, first, count)"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_accelerator", "The fast way's hot path.", -1, module_methods, NULL, NULL, NULL,
                             NULL};

PyMODINIT_FUNC PyInit__accelerator(void)
{
    PyObject *self = PyModule_Create(&module), *type = PyType_FromSpec(&Core_spec);
    if (!self || !type || PyModule_AddObjectRef(self, "Core", type) < 0)
        return NULL;
    Py_DECREF(type);
    const struct {
        const char *name;
        void *address;
    } hooks[] = {{"ON_BLOCK", (void *)on_block}, {"ON_INTERRUPT", (void *)on_interrupt}, {"TRAP_TO_EL2", (void *)trap_to_el2},
                 {"FLOATING_POINT_TARGET_EL", (void *)floating_point_target_el}};
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++)
        if (PyModule_AddObject(self, hooks[i].name, PyLong_FromVoidPtr(hooks[i].address)) < 0)
            return NULL;
    return self;
}
