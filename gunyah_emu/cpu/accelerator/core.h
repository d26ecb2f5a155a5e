/* The fast way's hot path: counts blocks, answers guest exceptions and hands hypercalls to Python.
 *
 * Translated blocks keep the budget by themselves and call on_block when one must perhaps not run (blocks.c).  Unicorn
 * calls a hook, on_interrupt, at every exception of the guest, to decide who answers it: the hypercall table, a system
 * register, a device, or the guest itself, by the emulator's own architectural exception entry.
 *
 * What is private to a Unicorn build comes in as data: configure() receives structure offsets and function addresses from
 * door.py, which has checked them.  Nothing here includes a header of Unicorn or QEMU or links against either.
 *
 * The interpreter lock is held throughout run(): a guest runs in bounded slices, and a callback costs no lock traffic.
 *
 * Accounting.  A block is charged in full when it starts.  An exception in its middle gives back what did not run, so that
 * `retired` is exact whenever Python can see it; the trapping instruction itself counts as retired.  An exception outside
 * a block (a fetch that aborts) costs one, so that a guest that does nothing but fault still spends its budget.
 */
#ifndef GUNYAH_EMU_CORE_H
#define GUNYAH_EMU_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>

/* ---------------------------------------------------------------- what door.py tells us (layout.c) */

#define OFFSETS(X)                                                                                                   \
    X(uc_cpu) X(uc_no_exit_request) X(uc_translator) X(hook_callback) X(operation_arguments) X(translator_env)       \
    X(translation_next) X(block_address) X(block_flags) X(block_kind) X(block_code) X(cpu_uc) X(cpu_synchronize)     \
    X(cpu_block_cache) X(cpu_state) X(cpu_env) X(cpu_cflags_next_tb) X(cpu_interrupt_request) X(cpu_halted)          \
    X(cpu_exception_index) X(cpu_registers) X(cpu_before_el_change) X(cpu_after_el_change) X(hook_function)          \
    X(env_hflags) X(env_x) X(env_pc) X(env_pstate) X(env_btype) X(env_syndrome) X(env_vaddress) X(env_target_el)     \
    X(env_daif) X(env_far_el1) X(env_sctlr_el1) X(env_cpacr_el1) X(env_ttbr0_el1) X(env_ttbr1_el1)                   \
    X(env_tcr_el1) X(env_mdscr_el1) X(env_vttbr_el2) X(env_hpfar_el2) X(env_exclusive_addr) X(env_size)              \
    X(register_type) X(register_opaque) X(register_readfn) X(register_writefn)

#define FUNCTIONS(X)                                                                                                 \
    X(int, uc_emu_start, (void *, uint64_t, uint64_t, uint64_t, size_t))                                             \
    X(int, uc_emu_stop, (void *))                                                                                    \
    X(int, uc_vmem_read, (void *, uint64_t, uint32_t, void *, size_t))                                               \
    X(void, arm_cpu_do_interrupt, (void *))                                                                          \
    X(void, arm_rebuild_hflags, (void *))                                                                            \
    X(uint32_t, arm_mmu_idx, (void *))                                                                               \
    X(void, hw_breakpoint_update_all, (void *))                                                                      \
    X(void, cpu_loop_exit, (void *))                                                                                 \
    X(char *, get_arm_cp_reginfo, (void *, uint32_t))                                                                \
    X(void, tb_invalidate_phys_range, (void *, uint64_t, uint64_t))                                                  \
    X(void, tlb_flush, (void *))                                                                                     \
    X(int, get_phys_addr, (void *, uint64_t, int, int, uint64_t *, uint32_t *, int *, uint64_t *, void *, void *))   \
    X(char *, tlb_vaddr_to_host, (void *, uint64_t, int, uint32_t))                                                  \
    X(void, uc_add_inline_hook, (void *, void *, void **, int))                                                      \
    X(const void *, helper_lookup_tb_ptr, (void *))                                                                  \
    X(void, helper_check_exit_request, (void *, uint32_t))                                                           \
    X(void, helper_msr_i_daifclear, (void *, uint32_t))                                                              \
    X(void, helper_exception_return, (void *, uint64_t))                                                             \
    X(char *, gen_new_label, (void *))                                                                               \
    X(char *, tcg_temp_new_internal, (void *, int, int))                                                             \
    X(uint64_t, tcg_const_i64, (void *, int64_t))                                                                    \
    X(void, tcg_gen_op1, (void *, unsigned, uint64_t))                                                               \
    X(void, tcg_gen_op3, (void *, unsigned, uint64_t, uint64_t, uint64_t))                                           \
    X(char *, tcg_emit_op, (void *, unsigned))                                                                       \
    X(void, translator_loop, (void *, void *, void *, void *, int))                                                  \
    X(void, tcg_gen_brcond_i64, (void *, int, uint64_t, uint64_t, void *))                                           \
    X(void, tcg_gen_callN, (void *, void *, void *, int, void **))                                                   \
    X(void, tcg_gen_exit_tb, (void *, const void *, unsigned))

/* The emulator's numbers of the operations that blocks.c makes. */
#define OPERATIONS(X) X(set_label) X(movi_i32) X(movi_i64) X(ld_i64) X(st_i64) X(st_i32) X(sub_i64)

#define DECLARE_OFFSET(name) extern size_t name;
OFFSETS(DECLARE_OFFSET)
#define DECLARE_FUNCTION(result, name, arguments) extern result(*name) arguments;
FUNCTIONS(DECLARE_FUNCTION)
#define DECLARE_OPERATION(name) extern unsigned operation_##name;
OPERATIONS(DECLARE_OPERATION)
extern uint64_t stage2_tables; /* where our emulators' stage 2 tables are: what tells them from other people's */
extern int configured;

#define AT(type, base, offset) (*(type *)((char *)(base) + (offset)))

/* The emulator's numbers of exceptions and its flags. */
enum { EXCP_UDEF = 1, EXCP_SVC = 2, EXCP_PREFETCH_ABORT = 3, EXCP_DATA_ABORT = 4, EXCP_BKPT = 7, EXCP_HVC = 11, EXCP_SMC = 13 };
enum { INTERRUPT_HARD = 2, PROTECTION_EXECUTE = 4 };

/* Arm ARM D17.2.37, ESR_EL1. */
enum { EC_ILLEGAL_STATE = 0x0e, EC_BREAKPOINT = 0x30, EC_SOFTWARE_STEP = 0x32, EC_SYSTEM_REGISTER = 0x18, EC_SVE = 0x19, EC_INSTRUCTION_ABORT = 0x20,
       EC_PC_ALIGNMENT = 0x22, EC_DATA_ABORT = 0x24 };
enum { ISS_WNR = 1 << 6, ISS_S1PTW = 1 << 7, ISS_SF = 1 << 15, ISS_SSE = 1 << 21, ISS_ISV = 1 << 24, ISS = (1 << 25) - 1 };
enum { SYNC_EXTERNAL = 0x10 };
enum { LISTED_SIZE = 16 * 8 }; /* CPUARMState.cpu_breakpoint */
#define IL (1u << 25)
#define PSTATE_IL (1u << 20)
#define PSTATE_D (1u << 9)
#define MDSCR_SS 1
#define SHIFT ((int64_t)1 << 62)

/* Why run() returned: the values of engine.Stop. */
enum { STOP_BUDGET, STOP_WFI, STOP_REQUESTED, STOP_EXCEPTION_LOOP, STOP_HALTED };

/* ---------------------------------------------------------------- one emulator */

typedef struct {
    uint64_t base, size;
    PyObject *read, *write;
} Device;

/* Memory of the guest's: where it is in ours, in the emulator's physical memory, and in its list of RAM, by which it knows
 * translated blocks. */
typedef struct {
    char *host;
    uint64_t size, physical, ram;
    uint64_t *marks; /* by page: what it held when its code was last known to be good, 0: unknown */
} Window;

typedef struct {
    Py_ssize_t window;
    uint64_t page;
} CodePage;

/* What of a block is still to be executed that has been let in already: a debugger halted in its middle. */
typedef struct {
    uint64_t pc;
    int64_t count;
} Rest;

/* What translated blocks keep. */
typedef struct __attribute__((packed, aligned(4))) {
    uint32_t block_end; /* the low half of where the running block ends, plus 1; 0 when an exception has settled it */
    int64_t budget;     /* what is left of this run, less `shift`; a block that begins with none calls on_block */
} Count;

struct Core;
typedef struct {
    struct Core *core;
    Py_ssize_t index;
} Slot; /* what a replaced register of the emulator finds its way back by */

typedef struct Core {
    PyObject_HEAD
    char *uc, *cpu, *env;
    int64_t granted;    /* retired == granted - budget, whoever shortens the run */
    int64_t shift;      /* what budget and granted are below their meaning: not 0 lets on_block see every block */
    Count *count, last_count; /* in front of the emulator's CPU state, unused there; when that is gone, here */
    struct Core *next;  /* blocks.c, as the next line: the next engine; functions that the emulator has been told of */
    int knows_on_misaligned, knows_on_return, knows_next_block, knows_on_unmask;
    uint64_t base;      /* instructions before this run: the virtual clock */
    Py_ssize_t vcpus, current;
    int running, stop, wants_flush;
    uint64_t grow_at, grow_interval; /* when to let the emulator's TLB grow */
    /* debugging (debug.c) */
    int64_t halt_after; /* halt when so many instructions of this run have retired; -1: never */
    uint64_t pass;      /* the address at which no breakpoint and no caught call halts the first time; NOWHERE: none */
    uint64_t pass_call; /* the same, when that block has begun */
    uint64_t *breakpoints;
    Py_ssize_t breakpoint_count;
    Rest *rests;          /* per vCPU */
    Rest cut;             /* what of its block an exception came in front of, itself included */
    int64_t wanted, part; /* instructions of the block that is to be made next; of the one that begins now; 0: all */
    int debugging, halt;
    int watched;        /* this run shows debug.c every block */
    PyObject *on_catch; /* whether to halt in front of this call; NULL: no calls are caught */
    uint8_t *irq, *stale; /* per vCPU: the IRQ line; whether registers were changed behind the emulator's back */
    Py_buffer *contexts;
    PyObject *error_type, *error_value, *error_traceback;
    /* hypercalls (calls.c) */
    PyObject *calls, *argument_counts, *callers;
    unsigned long call_base;
    uint64_t call_cleared; /* bit n: xn is zeroed beside the results */
    int call_results, call_link;
    /* system registers (registers.c): per vCPU a row of callables, by slot */
    PyObject *readers, *writers;
    Slot *slots;
    uint8_t *trapped; /* slot + 1 by op0[0] op1 CRn CRm op2; 0: not ours */
    /* the bus (bus.c) */
    Device *devices;
    Py_ssize_t device_count, last_device;
    /* translated code (code.c) */
    Window *windows;
    CodePage *code;
    Py_ssize_t window_count, code_count, code_room, last_window;
    uint64_t stage2; /* where its tables are in our memory */
    /* coverage (coverage.c): the blocks that a vCPU arrived at; NULL: nobody asks */
    uint64_t *seen;
    size_t seen_room, seen_count;
    int seen_shift, seen_full, awaits_block;
    /* everything else that Python answers */
    PyObject *on_call, *on_undefined, *on_fetch_fault, *on_unmapped;
    /* the exception that a loop began with: number, syndrome, ELR, FAR, and where it led */
    uint64_t first[4], first_vector;
    int64_t first_retired;
} Core;

static inline uint64_t *xregs(Core *self) { return &AT(uint64_t, self->env, env_x); }
static inline uint64_t pc_of(Core *self) { return AT(uint64_t, self->env, env_pc); }
static inline unsigned current_el(Core *self) { return AT(uint32_t, self->env, env_pstate) >> 2 & 3; }
static inline int64_t retired(Core *self) { return self->granted - self->count->budget; }
static inline int64_t left(Core *self) { return self->count->budget + self->shift; }

/* Leave at most `most` of the budget, without changing what has been retired. */
static inline void shorten(Core *self, int64_t most)
{
    int64_t surplus = left(self) - most;
    if (surplus > 0) {
        self->granted -= surplus;
        self->count->budget -= surplus;
    }
}

static inline void stop(Core *self, int reason)
{
    if (self->stop < reason)
        self->stop = reason;
    shorten(self, 0);
}

static inline int is_illegal(Core *self) { return (AT(uint32_t, self->env, env_pstate) & PSTATE_IL) != 0; }

/* Let on_block see every block, or let blocks count by themselves again. */
static inline void hold(Core *self)
{
    int64_t shift = self->watched || self->awaits_block || is_illegal(self) ? SHIFT : 0;
    self->count->budget += self->shift - shift;
    self->granted += self->shift - shift;
    self->shift = shift;
}

/* Let the next block in, and see the one behind it. */
static inline void let_in(Core *self)
{
    int64_t shift = left(self) - 1;
    self->count->budget = 1;
    self->granted += self->shift - shift;
    self->shift = shift;
}

/* Give back the part of the running block that lies at and behind next_pc; outside a block, charge one. */
static inline void settle(Core *self, uint64_t next_pc)
{
    if (self->count->block_end) {
        uint32_t rest = (self->count->block_end - (uint32_t)next_pc) >> 2;
        if (rest <= 1024)
            self->count->budget += (int64_t)rest;
        self->count->block_end = 0;
    } else {
        self->count->budget -= 1;
    }
}

/* The trapped instruction has been performed: go on behind it. */
static inline void step_over(Core *self)
{
    AT(uint64_t, self->env, env_pc) += 4;
    AT(uint32_t, self->env, env_btype) = 0;
}

/* Whether an instruction fetch ended in a hardware breakpoint of the guest's (EC 0x30 or 0x31), in its block's middle. */
static inline int is_breakpoint(Core *self) { return AT(uint32_t, self->env, env_syndrome) >> 27 == EC_BREAKPOINT >> 1; }

static inline uint32_t instruction_at(Core *self, uint64_t pc)
{
    uint32_t instruction = 0;
    uc_vmem_read(self->uc, pc, PROTECTION_EXECUTE, &instruction, sizeof instruction);
    return instruction;
}

#define CHECK_VCPU(self, vcpu)                                                                                       \
    if ((vcpu) < 0 || (vcpu) >= (self)->vcpus)                                                                       \
    return PyErr_Format(PyExc_IndexError, "vCPU must be 0..%zd, not %zd", (self)->vcpus - 1, (vcpu))

/* core.c */
void fail(Core *self);
int as_u64(PyObject *object, uint64_t *value, const char *what);
extern PyType_Spec Core_spec;

/* blocks.c */
void count_blocks(Core *self);
void forget_blocks(Core *self);
Core *core_with(void *env);
PyObject *Core_next_block(Core *self, PyObject *ignored);
void generate_call(void *context, void *function, void *result, int count, void **arguments);
void generate_exit(void *context, const void *translation, unsigned exit);
void translate(void *operations, void *state, void *cpu, void *translation, int most);

/* exceptions.c */
void on_block(Core *self, uint64_t address);
void on_misaligned(Core *self, uint64_t address);
void on_return(Core *self, uint64_t address);
void on_unmask(Core *self, uint64_t address);
void no_change(void *cpu, void *user);
void on_interrupt(void *uc, uint32_t number, void *user);
void check_block(Core *self, uint64_t address);
void silence_pmu(Core *self);
int floating_point_target_el(void *env, int el);
void deliver(Core *self, uint32_t number);
void deliver_undefined(Core *self);
void deliver_external_abort(Core *self, uint32_t number, uint32_t iss);

/* debug.c */
enum { HALT_COUNT = 1, HALT_BREAKPOINT = 2, HALT_CALL = 4, HALT_ACCESS = 8 };
#define NOWHERE (~0ull) /* no instruction is there */
void debugged_block(Core *self, uint64_t address, uint32_t size);
void cut_block(Core *self, uint32_t number);
int halts_at_call(Core *self, uint32_t number, uint32_t immediate);
PyObject *Core_debug(Core *self, PyObject *args);
PyObject *Core_get_rests(Core *self, void *closure);
int Core_set_rests(Core *self, PyObject *list, void *closure);
PyObject *Core_halt_at_access(Core *self, PyObject *ignored);
PyObject *Core_forget_rest(Core *self, PyObject *vcpu);
void drop_debugging(Core *self);

/* calls.c */
void call(Core *self, uint32_t number);
PyObject *Core_set_calls(Core *self, PyObject *args);
PyObject *Core_complete(Core *self, PyObject *args);

/* registers.c */
int trap_to_el2(void *env, const void *info, int is_read);
void trapped_register(Core *self, uint32_t syndrome);
PyObject *Core_set_registers(Core *self, PyObject *args);
PyObject *Core_replace(Core *self, PyObject *args);

/* bus.c */
void stage2_data_abort(Core *self, uint32_t syndrome);
void stage2_instruction_abort(Core *self, uint32_t syndrome);
PyObject *Core_set_devices(Core *self, PyObject *list);
void drop_devices(Core *self);
PyObject *fill_descriptors(PyObject *module, PyObject *args);

/* code.c */
PyObject *Core_add_window(Core *self, PyObject *args);
PyObject *Core_note_code(Core *self, PyObject *address);
PyObject *Core_invalidate(Core *self, PyObject *args);
PyObject *Core_obey(Core *self, PyObject *args);
void drop_windows(Core *self);

/* coverage.c */
void await_block(Core *self);
void covered_block(Core *self, uint64_t address, uint32_t size);
PyObject *Core_cover(Core *self, PyObject *ignored);
PyObject *Core_covered(Core *self, PyObject *ignored);
void drop_coverage(Core *self);

/* walk.c */
int walk(void *env, uint64_t va, int access, int regime, uint64_t *physical, uint32_t *attributes, int *permissions,
         uint64_t *size, void *fault, void *cache_attributes);
PyObject *Core_walks(Core *self, PyObject *args);

/* layout.c */
PyObject *configure(PyObject *module, PyObject *args);

#endif
