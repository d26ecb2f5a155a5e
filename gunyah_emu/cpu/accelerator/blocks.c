/* Counting in translated code: what a block does for the budget, without a call.
 *
 * Unicorn starts each block with two calls: of its block hook, and of its check for a request to stop.  Where blocks are
 * five instructions long these cost a third of the time.  So a block takes its length from the budget by itself, and calls
 * on_block only when nothing was left, at its end, where that is in nobody's way:
 *
 *         left = budget;  budget = left - length;  block_end = ...;  if (left <= 0) goto special;
 *     go_on:
 *         what the guest's instructions do
 *     special:
 *         on_block(uc, address, 0, core)                 does not return when the block must not run
 *         goto go_on;
 *
 * The budget is the only way to stop a guest between two blocks, so the check for a request is left out.  Whoever wants to
 * see every block makes the budget look spent (`hold`).
 *
 * Three calls that Unicorn makes while it translates come here first: add_counter through a pointer of the engine;
 * generate_call and generate_exit through the library's table of function addresses, for the whole process.  They pass on
 * what is not about a block of ours.
 */
#include "core.h"

enum { CONDITION_ALWAYS = 1, CONDITION_LE = 10 }; /* TCGCond */
enum { TYPE_I64 = 1 };                            /* TCGType */
enum { EXIT_REQUESTED = 3 };                      /* TB_EXIT_REQUESTED, of the exit that ends each block's code */
enum { LABEL_PRESENT = 1 };                       /* TCGLabel */

/* The block of ours that is being translated.  We hold the interpreter's lock; an emulator of somebody else's in another
 * thread has another context. */
static struct {
    char *context, *special, *go_on;
    Core *core;
    uint64_t address;
    int awaits_check;
} block;

/* A temporary is known by its address to operations, and by its distance from the context to the emulator's functions. */
static uintptr_t constant(int64_t value) { return (uintptr_t)block.context + tcg_const_i64(block.context, value); }
static uintptr_t temporary(void) { return (uintptr_t)tcg_temp_new_internal(block.context, TYPE_I64, 0); }
static uint64_t distance(uintptr_t temporary) { return temporary - (uintptr_t)block.context; }

static char *set_label(char *label)
{
    AT(uint32_t, label, 0) |= LABEL_PRESENT;
    tcg_gen_op1(block.context, operation_set_label, (uintptr_t)label);
    return label;
}

/* Call a function of ours.  The first call of an engine goes through Unicorn, which makes the function known to it. */
static void generate_call_of(void (*function)(void *, uint64_t, uint32_t, void *), int *known)
{
    Core *core = block.core;
    void *arguments[] = {(void *)constant((int64_t)core->uc), (void *)constant((int64_t)block.address),
                         (void *)constant(0), (void *)constant((int64_t)core)};
    char hook[128] = {0}; /* struct hook, of which only the function is looked at */
    if (*known) {
        tcg_gen_callN(block.context, (void *)function, NULL, 4, arguments);
    } else {
        AT(void *, hook, hook_callback) = (void *)function;
        uc_add_inline_hook(core->uc, hook, arguments, 4);
        *known = 1;
    }
}

static void add_counter(void *uc, void *hook, void **arguments, int count)
{
    Core *core = AT(Core *, hook, hook_user);
    block.context = NULL; /* of a block whose translation a fault ended */
    if (AT(void *, hook, hook_callback) != (void *)on_block || pc_of(core) & 3) {
        uc_add_inline_hook(uc, hook, arguments, count); /* a misaligned block never runs: on_block says so */
        return;
    }
    char *context = AT(char *, uc, uc_translator);
    block.context = context;
    block.special = gen_new_label(context);
    block.go_on = gen_new_label(context);
    block.core = core;
    block.address = pc_of(core); /* a block is translated when it is next to run */
    block.awaits_check = 1;

    uintptr_t self = constant((int64_t)core), left = temporary(), length = temporary(), size = (uintptr_t)arguments[2];
    tcg_gen_op3(context, operation_ld_i64, left, self, offsetof(Core, budget));
    tcg_gen_extu_i32_i64(context, distance(length), distance(size));
    tcg_gen_shri_i64(context, distance(length), distance(length), 2);
    tcg_gen_op3(context, operation_sub_i64, length, left, length);
    tcg_gen_op3(context, operation_st_i64, length, self, offsetof(Core, budget));
    tcg_gen_addi_i32(context, distance(size), distance(size), (int32_t)(uint32_t)(block.address | 1));
    tcg_gen_op3(context, operation_st_i32, size, self, offsetof(Core, block_end));
    tcg_gen_brcondi_i64(context, CONDITION_LE, distance(left), 0, block.special);
    set_label(block.go_on);
}

void generate_call(void *context, void *function, void *result, int count, void **arguments)
{
    if (context == block.context && block.awaits_check && function == (void *)helper_check_exit_request) {
        block.awaits_check = 0;
        return;
    }
    tcg_gen_callN(context, function, result, count, arguments);
    if (context == block.context && function == (void *)helper_exception_return)
        generate_call_of(on_return, &block.core->knows_on_return);
}

void generate_exit(void *context, const void *translation, unsigned exit)
{
    if (context == block.context && exit == EXIT_REQUESTED) {
        set_label(block.special);
        generate_call_of(on_block, &block.core->knows_on_block);
        tcg_gen_brcondi_i64(context, CONDITION_ALWAYS, 0, 0, block.go_on);
        block.context = NULL;
    }
    tcg_gen_exit_tb(context, translation, exit);
}

/* Let the blocks of an engine count, from its first to its last. */
void count_blocks(Core *self) { AT(void *, self->uc, uc_add_hook) = (void *)add_counter; }

void forget_blocks(Core *self)
{
    if (block.core == self)
        block.context = NULL;
}
