/* Counting in translated code: what a block does for the budget, without a call.
 *
 * With a hook Unicorn starts each block with two calls: of the hook, and of its check for a request to stop.  Where blocks
 * are five instructions long these cost a third of the time, and the hook's list of blocks grows for ever.  So there is no
 * hook: a block takes its length from the budget by itself, and leaves when nothing was left, by an exit that the emulator
 * puts at the end of each block for that:
 *
 *         budget -= length;  block_end = end;  if (budget <= -length) goto special;
 *         what the guest's instructions do
 *     special:
 *         to the emulator's main loop, which asks on_special, checks for interrupts and begins the block once more
 *
 * Not to ask and come back here makes the code much cheaper to generate.  The budget is the only way to stop a guest between
 * two blocks, so the check for a request is left out.  Whoever wants to see every block makes the budget look spent
 * (`hold`), and lets a single one in (`let_in`).
 *
 * A jump that cannot be chained looks its target up by a call, and that is ours too (next_block).
 *
 * Three functions of Unicorn's translator lead here first, by the library's table of function addresses, for the whole
 * process; translator_loop translates a block, and calls the two others meanwhile.  They pass on what is not about a block
 * of ours.
 */
#include "core.h"

enum { CONDITION_LE = 10 };      /* TCGCond */
enum { TYPE_I32, TYPE_I64 };     /* TCGType */
enum { EXIT_REQUESTED = 3 };     /* TB_EXIT_REQUESTED */
enum { CACHE_BITS = 6, CACHE_PAGE = 0xfc0, CACHE_IN_PAGE = 0x3f }; /* TB_JMP_* with pages of 4 KiB */
enum { SINGLE_STEPS = 1 << 30 }; /* TBFLAG_ANY */
#define USUAL_KIND 0xff000000u   /* cflags: no CPU cluster, all instructions that fit */
enum { LABEL_PRESENT = 1 };      /* TCGLabel */

/* From the emulator's CPU state. */
#define BUDGET ((uint64_t)offsetof(Count, budget) - sizeof(Count))
#define BLOCK_END ((uint64_t)offsetof(Count, block_end) - sizeof(Count))

/* The block of ours that is being translated.  We hold the interpreter's lock; somebody else's emulator in another thread
 * has another context. */
static struct {
    char *context, *special;
    char *length, *limit, *end; /* the operations that load them, which are not known before the whole block is */
    Core *core;
    uint64_t address;
    int begun, only_tells; /* it counts already; a call is not to be made, only a function to be made known */
} block;

static Core *first_core; /* of those whose blocks count */

static uintptr_t constant(uint64_t value) { return (uintptr_t)block.context + tcg_const_i64(block.context, (int64_t)value); }

static uintptr_t temporary(int type) { return (uintptr_t)tcg_temp_new_internal(block.context, type, 0); }

/* Load a number that is not known yet.  Returns the operation. */
static char *load_later(uintptr_t temporary, unsigned operation)
{
    char *made = tcg_emit_op(block.context, operation);
    AT(uint64_t, made, operation_arguments) = temporary;
    return made;
}

static void known_now(char *operation, uint64_t value) { AT(uint64_t, operation, operation_arguments + 8) = value; }

/* Call a function of ours.  Unicorn must have been told of it, which wants to call it as a hook at once: not yet. */
static void generate_call_of(void *function, int *known, void *result, int count, void **arguments)
{
    char hook[128] = {0}; /* struct hook, of which only the function is looked at */
    if (!*known) {
        AT(void *, hook, hook_callback) = function;
        block.only_tells = *known = 1;
        uc_add_inline_hook(block.core->uc, hook, arguments, count);
        block.only_tells = 0;
    }
    tcg_gen_callN(block.context, function, result, count, arguments);
}

static void generate_notice_by(void (*function)(Core *, uint64_t), int *known)
{
    void *arguments[] = {(void *)constant((uint64_t)block.core), (void *)constant(block.address)};
    generate_call_of((void *)function, known, NULL, 2, arguments);
}

/* The code of the block that is next, if it is in the emulator's cache of blocks and is a usual one; NULL: ask the emulator. */
static const void *cached_block(char *env)
{
    uint64_t pc = AT(uint64_t, env, env_pc), mixed = pc ^ pc >> CACHE_BITS;
    uint64_t place = (mixed >> CACHE_BITS & CACHE_PAGE) | (mixed & CACHE_IN_PAGE);
    uint32_t flags = AT(uint32_t, env, env_hflags);
    char *found = AT(char *, env - cpu_state, cpu_block_cache + place * sizeof(char *));
    if (found && AT(uint64_t, found, block_address) == pc && AT(uint32_t, found, block_flags) == flags
        && AT(uint32_t, found, block_kind) == USUAL_KIND && !(flags & SINGLE_STEPS) && !AT(uint32_t, env, env_btype))
        return AT(void *, found, block_code);
    return NULL;
}

/* In the place of helper_lookup_tb_ptr: every jump to an address in a register or in another page comes here. */
static const void *next_block(void *env)
{
    const void *code = cached_block(env);
    return code ? code : helper_lookup_tb_ptr(env);
}

/* next_block(): what we and what the emulator would jump to now. */
PyObject *Core_next_block(Core *self, PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("KK", (unsigned long long)cached_block(self->env), (unsigned long long)helper_lookup_tb_ptr(self->env));
}

static void begin(void)
{
    char *context = block.context;
    block.begun = 1;
    if (block.core->seen)
        await_block(block.core);
    if (block.address & 3) { /* it will never run */
        generate_notice_by(on_misaligned, &block.core->knows_on_misaligned);
        return;
    }
    uintptr_t env = (uintptr_t)context + AT(uint64_t, context, translator_env);
    uintptr_t left = temporary(TYPE_I64), length = temporary(TYPE_I64), limit = temporary(TYPE_I64), end = temporary(TYPE_I32);
    block.special = gen_new_label(context);
    block.length = load_later(length, operation_movi_i64);
    block.limit = load_later(limit, operation_movi_i64);
    block.end = load_later(end, operation_movi_i32);
    tcg_gen_op3(context, operation_ld_i64, left, env, BUDGET);
    tcg_gen_op3(context, operation_sub_i64, left, left, length);
    tcg_gen_op3(context, operation_st_i64, left, env, BUDGET);
    tcg_gen_op3(context, operation_st_i32, end, env, BLOCK_END);
    tcg_gen_brcond_i64(context, CONDITION_LE, left - (uintptr_t)context, limit - (uintptr_t)context, block.special);
}

void generate_call(void *context, void *function, void *result, int count, void **arguments)
{
    if (context != block.context) {
        tcg_gen_callN(context, function, result, count, arguments);
    } else if (block.only_tells) {
        return;
    } else if (!block.begun && function == (void *)helper_check_exit_request) {
        begin();
    } else if (function == (void *)helper_lookup_tb_ptr) {
        generate_call_of((void *)next_block, &block.core->knows_next_block, result, count, arguments);
    } else {
        tcg_gen_callN(context, function, result, count, arguments);
        if (function == (void *)helper_exception_return)
            generate_notice_by(on_return, &block.core->knows_on_return);
        else if (function == (void *)helper_msr_i_daifclear)
            generate_notice_by(on_unmask, &block.core->knows_on_unmask);
    }
}

void generate_exit(void *context, const void *translation, unsigned exit)
{
    if (context == block.context && exit == EXIT_REQUESTED && block.length) {
        AT(uint32_t, block.special, 0) |= LABEL_PRESENT;
        tcg_gen_op1(context, operation_set_label, (uintptr_t)block.special);
    }
    tcg_gen_exit_tb(context, translation, exit);
}

static Core *core_of(void *cpu)
{
    Core *core = NULL;
    if (AT(uint8_t, AT(char *, cpu, cpu_uc), uc_no_exit_request)) /* else it cannot be ours */
        for (core = first_core; core && core->cpu != cpu; core = core->next)
            ;
    return core;
}

void translate(void *operations, void *state, void *cpu, void *translation, int most)
{
    Core *core = core_of(cpu);
    if (core) {
        block.context = AT(char *, core->uc, uc_translator);
        block.core = core;
        block.address = AT(uint64_t, translation, block_address);
        block.length = NULL;
        block.begun = 0;
    }
    translator_loop(operations, state, cpu, translation, most); /* does not return when the guest cannot fetch */
    if (core && block.length) {
        uint64_t end = AT(uint64_t, state, translation_next);
        known_now(block.length, (end - block.address) >> 2);
        known_now(block.limit, -((end - block.address) >> 2));
        known_now(block.end, (uint32_t)end | 1);
    }
    if (core)
        block.context = NULL;
}

/* The engine whose CPU state this is. */
Core *core_with(void *env)
{
    Core *core = first_core;
    while (core && core->env != env)
        core = core->next;
    return core;
}

/* A block has left by its special exit.  The emulator wants to know where the guest is: in front of it. */
static void on_special(void *cpu, const void *translation)
{
    Core *core = core_of(cpu);
    AT(uint64_t, core->env, env_pc) = AT(uint64_t, translation, block_address);
    on_block(core, pc_of(core));
}

/* Let the blocks of an engine count, until it is closed. */
void count_blocks(Core *self)
{
    AT(void *, self->cpu, cpu_synchronize) = (void *)on_special;
    self->next = first_core;
    first_core = self;
}

void forget_blocks(Core *self)
{
    for (Core **link = &first_core; *link; link = &(*link)->next)
        if (*link == self) {
            *link = self->next;
            break;
        }
    if (block.core == self)
        block.context = NULL;
}
