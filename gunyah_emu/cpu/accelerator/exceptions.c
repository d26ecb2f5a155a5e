/* Blocks and exceptions: who is asked about them, and what makes up for checks that Unicorn has lost. */
#include "core.h"

/* ---------------------------------------------------------------- blocks */

/* Let the guest take an exception instead of the block that was about to start. */
static void raise_at_block(Core *self, uint32_t syndrome)
{
    AT(int32_t, self->cpu, cpu_exception_index) = EXCP_UDEF;
    AT(uint32_t, self->env, env_syndrome) = syndrome;
    AT(uint32_t, self->env, env_target_el) = 1;
    cpu_loop_exit(self->cpu); /* to on_interrupt; does not return */
}

/* Raise what Unicorn does not, the Illegal Execution state exception and the PC alignment fault (Arm ARM D1.3.4): does not
 * return then. */
void check_block(Core *self, uint64_t address)
{
    if (is_illegal(self))
        raise_at_block(self, (uint32_t)EC_ILLEGAL_STATE << 26 | IL);
    if (address & 3)
        raise_at_block(self, (uint32_t)EC_PC_ALIGNMENT << 26 | IL);
}

/* In front of a block that the budget does not cover, or that a debugger or coverage looks at, or that must not run.  It has
 * counted itself, which is taken back: it will begin once more, if nothing stops it. */
void on_block(Core *self, uint64_t address)
{
    uint32_t size = (self->count->block_end & ~1u) - (uint32_t)address;
    self->count->budget += size >> 2;
    self->count->block_end = 0;
    if (self->awaits_block)
        covered_block(self, address, size);
    hold(self);
    if (self->watched)
        debugged_block(self, address, size);
    else if (left(self) <= 0)
        uc_emu_stop(self->uc);
    else
        check_block(self, address);
}

/* In front of a block that will never run. */
void on_misaligned(Core *self, uint64_t address)
{
    AT(uint64_t, self->env, env_pc) = address;
    self->count->block_end = 0;
    hold(self);
    if (self->watched)
        debugged_block(self, address, 4);
    else if (left(self) <= 0)
        uc_emu_stop(self->uc);
    else
        check_block(self, address);
    cpu_loop_exit(self->cpu);
}

/* Behind an ERET, which alone makes the execution state illegal. */
void on_return(Core *self, uint64_t Py_UNUSED(address)) { hold(self); }

/* Behind MSR DAIFClr, which the emulator does not take for a reason to step from here on. */
void on_unmask(Core *self, uint64_t Py_UNUSED(address))
{
    if (AT(uint64_t, self->env, env_mdscr_el1) & MDSCR_SS)
        arm_rebuild_hflags(self->env);
}

void no_change(void *Py_UNUSED(cpu), void *Py_UNUSED(user)) {}

/* Around each change of exception level the emulator turns its PMU's counters on and off, by the host's clock.  Our PMU is
 * another (identity.py). */
void silence_pmu(Core *self)
{
    char *before = AT(char *, self->cpu, cpu_before_el_change), *after = AT(char *, self->cpu, cpu_after_el_change);
    if (before && after) {
        AT(void *, before, hook_function) = (void *)no_change;
        AT(void *, after, hook_function) = (void *)no_change;
    }
}

/* Whether FP and SIMD instructions trap, and where to (CPACR_EL1.FPEN, Arm ARM D19.2.30).  Unicorn has cut this out of
 * QEMU: its function says "never".  door.py puts ours in its place; an emulator that is not ours, which has no stage 2
 * tables at our place, is answered as before. */
int floating_point_target_el(void *env, int el)
{
    unsigned enabled = AT(uint64_t, env, env_cpacr_el1) >> 20 & 3;
    if (AT(uint64_t, env, env_vttbr_el2) != stage2_tables || el > 1)
        return 0;
    return enabled == 3 || (enabled == 1 && el == 1) ? 0 : 1;
}

/* ---------------------------------------------------------------- what the guest takes itself */

static void describe_first(Core *self, uint32_t number, uint64_t from)
{
    self->first[0] = number;
    self->first[1] = AT(uint32_t, self->env, env_syndrome);
    self->first[2] = from;
    self->first[3] = number == EXCP_PREFETCH_ABORT || number == EXCP_DATA_ABORT ? AT(uint64_t, self->env, env_vaddress) : 0;
}

/* Let the guest take the exception that is described in the emulator's state. */
void deliver(Core *self, uint32_t number)
{
    uint64_t from = pc_of(self);
    uint32_t syndrome = AT(uint32_t, self->env, env_syndrome);
    AT(int32_t, self->cpu, cpu_exception_index) = (int32_t)number;
    arm_cpu_do_interrupt(self->cpu);
    if (syndrome >> 26 == EC_PC_ALIGNMENT)
        AT(uint64_t, self->env, env_far_el1) = from; /* the emulator knows no such exception */
    uint64_t vector = pc_of(self);
    if (from != vector) {
        describe_first(self, number, from);
        self->first_vector = vector;
        self->first_retired = retired(self);
        return;
    }
    /* The first instruction of the vector faults into itself: nothing but another vCPU could end this.  Report the
     * exception that led there, when it is the one before. */
    if (self->first_vector != from || retired(self) - self->first_retired > 2)
        describe_first(self, number, from);
    stop(self, STOP_EXCEPTION_LOOP);
}

void deliver_undefined(Core *self)
{
    AT(uint32_t, self->env, env_syndrome) = IL;
    AT(uint32_t, self->env, env_target_el) = 1;
    deliver(self, EXCP_UDEF);
}

/* A synchronous external abort: nothing answered at this address, or the device refused. */
void deliver_external_abort(Core *self, uint32_t number, uint32_t iss)
{
    uint32_t ec = (number == EXCP_DATA_ABORT ? EC_DATA_ABORT : EC_INSTRUCTION_ABORT) + (current_el(self) ? 1 : 0);
    AT(uint32_t, self->env, env_syndrome) = ec << 26 | IL | iss;
    AT(uint32_t, self->env, env_target_el) = 1;
    deliver(self, number);
}

/* Semihosting and unknown system registers look alike from here: Python reads the instruction.  1: it was performed. */
static int performed_by_python(Core *self)
{
    PyObject *result = PyObject_CallFunction(self->on_undefined, "n", self->current);
    int performed = result ? PyObject_IsTrue(result) : -1;
    Py_XDECREF(result);
    if (performed < 0)
        fail(self);
    return performed;
}

static void undefined(Core *self)
{
    uint32_t syndrome = AT(uint32_t, self->env, env_syndrome), target_el = AT(uint32_t, self->env, env_target_el);
    if (target_el == 2 && syndrome >> 26 == EC_SYSTEM_REGISTER) {
        trapped_register(self, syndrome);
    } else if (syndrome >> 26 == EC_SOFTWARE_STEP + 1 && AT(uint64_t, self->env, env_daif) & PSTATE_D) {
        arm_rebuild_hflags(self->env); /* the step has masked debug exceptions: the emulator does not see that */
    } else if (syndrome >> 26 == EC_SVE) {
        deliver_undefined(self); /* the ID registers say that there is none */
    } else if (syndrome == 0) {
        /* MSR DAIFSet or DAIFClr at EL0 with SCTLR_EL1.UMA = 0: the emulator loses this syndrome on the way. */
        uint32_t instruction = instruction_at(self, pc_of(self));
        uint32_t op1 = instruction >> 16 & 7, crm = instruction >> 8 & 15, op2 = instruction >> 5 & 7;
        AT(uint32_t, self->env, env_syndrome) =
            (uint32_t)EC_SYSTEM_REGISTER << 26 | IL | op2 << 17 | op1 << 14 | 4 << 10 | 31 << 5 | crm << 1;
        deliver(self, EXCP_UDEF);
    } else {
        int performed = syndrome == IL ? performed_by_python(self) : 0;
        if (performed > 0)
            step_over(self);
        else if (performed == 0)
            deliver(self, EXCP_UDEF);
    } /* a handler that raised leaves the guest in front of the instruction */
}

void on_interrupt(void *uc, uint32_t number, void *user)
{
    Core *self = user;
    uint32_t target_el = AT(uint32_t, self->env, env_target_el);
    if (self->watched)
        cut_block(self, number);
    switch (number) {
    case EXCP_HVC:
    case EXCP_SMC:
        settle(self, pc_of(self));
        call(self, number);
        break;
    case EXCP_UDEF:
        settle(self, pc_of(self) + 4);
        undefined(self);
        break;
    case EXCP_DATA_ABORT:
        settle(self, pc_of(self) + 4);
        if (target_el == 2)
            stage2_data_abort(self, AT(uint32_t, self->env, env_syndrome));
        else
            deliver(self, number);
        break;
    case EXCP_PREFETCH_ABORT:
        if (target_el == 2) {
            stage2_instruction_abort(self, AT(uint32_t, self->env, env_syndrome));
        } else if (is_breakpoint(self)) {
            settle(self, pc_of(self));
            deliver(self, number);
        } else {
            self->count->block_end = 0;
            settle(self, 0);
            deliver(self, number);
        }
        break;
    case EXCP_SVC:
        settle(self, pc_of(self));
        deliver(self, number);
        break;
    case EXCP_BKPT:
        settle(self, pc_of(self) + 4);
        deliver(self, number);
        break;
    default:
        PyErr_Format(PyExc_AssertionError, "an exception that we do not know, %u, at 0x%lx", number, (unsigned long)pc_of(self));
        fail(self);
    }
    if (left(self) <= 0)
        uc_emu_stop(uc);
}
