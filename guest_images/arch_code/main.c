// SPDX-License-Identifier: BSD-3-Clause
// Code that changes: written, patched and moved by one CPU for itself and for others, with the maintenance that the
// architecture asks for (Arm ARM B2.4.4): clean the data cache to the point of unification, invalidate the instruction
// cache, and synchronize the context of whoever executes.

#include <gic.h>
#include <mmu.h>
#include <remote.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <tap.h>
#include <trap.h>

#define ARM "Arm ARM "
#define CPUS 4
#define PAGES 4
#define WORDS (PAGE_SIZE / 4)

#define MMU_WRITE_EXECUTE ((uint64_t)(3ul << 8 | 1ul << 2)) /* EL1: read, write, execute */

#define RET 0xd65f03c0u
#define NOP 0xd503201fu
#define MOV_W0(value) (0x52800000u | (uint32_t)(value) << 5)
#define ADD_W0(value) (0x11000000u | (uint32_t)(value) << 10)
#define BRANCH(words) (0x14000000u | ((uint32_t)(words) & 0x3ffffff))

typedef uint32_t function(void);
static uint32_t code[PAGES][WORDS] __attribute__((aligned(PAGE_SIZE)));
extern char __text_start[], __text_end[];

static function *at(const uint32_t *word)
{
    return (function *)(uintptr_t)word;
}

// Makes what was written visible to instruction fetches of every CPU.
static void publish(const uint32_t *start, size_t words)
{
    uint64_t type = read_sysreg(ctr_el0);
    uint64_t data_line = 4ul << (type >> 16 & 15), instruction_line = 4ul << (type & 15);
    uintptr_t first = (uintptr_t)start, last = first + words * 4;
    for (uintptr_t address = first & ~(data_line - 1); address < last; address += data_line)
        __asm__ volatile("dc cvau, %0" ::"r"(address) : "memory");
    __asm__ volatile("dsb ish" ::: "memory");
    for (uintptr_t address = first & ~(instruction_line - 1); address < last; address += instruction_line)
        __asm__ volatile("ic ivau, %0" ::"r"(address) : "memory");
    __asm__ volatile("dsb ish\n\tisb" ::: "memory");
}

static void patch(uint32_t *word, uint32_t instruction)
{
    *(volatile uint32_t *)word = instruction;
    publish(word, 1);
}

static void write_function(uint32_t *where, uint32_t value)
{
    where[0] = MOV_W0(value);
    where[1] = RET;
    publish(where, 2);
}

static void test_patching(void)
{
    write_function(code[0], 1);
    tap_equal(at(code[0])(), 1, ARM "B2.4.4 code that was just written is executed");
    write_function(code[0], 2);
    tap_equal(at(code[0])(), 2, ARM "B2.4.4 code that was executed before is executed as it was written since");

    uint32_t wrong = 0;
    for (uint32_t n = 0; n < 500; n++) {
        patch(code[0], MOV_W0(n));
        wrong += at(code[0])() != n;
    }
    tap_equal(wrong, 0, ARM "B2.4.4 an instruction patched 500 times is each time the new one");

    // The second of three instructions in a straight line, so that what is around it stays.
    static const uint32_t straight[] = {MOV_W0(100), ADD_W0(1), ADD_W0(10), RET};
    memcpy(code[0], straight, sizeof straight);
    publish(code[0], 4);
    tap_expect("before", at(code[0])(), 111);
    patch(&code[0][1], ADD_W0(2));
    tap_expect("patched", at(code[0])(), 112);
    patch(&code[0][2], RET);
    tap_expect("cut short", at(code[0])(), 102);
    patch(&code[0][0], NOP);
    patch(&code[0][1], MOV_W0(7));
    tap_expect("replaced", at(code[0])(), 7);
    tap_report(ARM "B2.4.4 instructions in the middle of others");

    wrong = 0;
    for (uint32_t n = 0; n < WORDS - 1; n++)
        code[1][n] = NOP;
    code[1][WORDS - 1] = RET;
    publish(code[1], WORDS);
    at(code[1])();
    for (uint32_t n = 0; n < WORDS - 2; n += 37) {
        patch(&code[1][n], MOV_W0(n));
        wrong += at(code[1])() != n;
        patch(&code[1][n], NOP);
    }
    tap_equal(wrong, 0, ARM "B2.4.4 each of many places in a page");
}

// The code patches what comes right after it, in a loop: the block that runs is the block that changes.
static void test_own_block(void)
{
    uint32_t result;
    __asm__ volatile("    mov   w9, #0\n"
                     "    adr   x10, 2f\n"
                     "1:  ldr   w11, [x10]\n"
                     "    add   w11, w11, #0x20\n" // the next immediate
                     "    str   w11, [x10]\n"
                     "    dc    cvau, x10\n"
                     "    dsb   ish\n"
                     "    ic    ivau, x10\n"
                     "    dsb   ish\n"
                     "    isb\n"
                     "2:  mov   w12, #0\n"
                     "    add   w9, w9, w12\n"
                     "    cmp   w12, #10\n"
                     "    b.ne  1b\n"
                     "    mov   %w0, w9\n"
                     : "=r"(result)
                     :
                     : "x9", "x10", "x11", "x12", "cc", "memory");
    tap_equal(result, 55, ARM "B2.4.4 code that patches the instruction behind its ISB");
}

static void test_borders(void)
{
    uint32_t *last = &code[1][WORDS - 1];
    last[0] = MOV_W0(3);
    last[1] = ADD_W0(4);
    last[2] = RET;
    publish(last, 3);
    tap_expect("before", at(last)(), 7);
    patch(&last[1], ADD_W0(5));
    tap_expect("second page patched", at(last)(), 8);
    patch(&last[0], MOV_W0(20));
    tap_expect("first page patched", at(last)(), 25);
    tap_report(ARM "B2.4.4 a function across two pages");

    write_function(code[0], 11);
    write_function(code[2], 22);
    tap_expect("before", at(code[0])(), 11);
    memcpy(code[0], code[2], 8);
    publish(code[0], 2);
    tap_expect("copied", at(code[0])(), 22);
    tap_report(ARM "B2.4.4 code that memcpy() moves");

    // Data next to code that runs: no maintenance, and neither is disturbed.
    write_function(code[0], 1);
    volatile uint32_t *data = &code[0][16];
    uint32_t wrong = 0;
    *data = 0;
    for (uint32_t n = 1; n <= 1000; n++) {
        *data += at(code[0])();
        wrong += *data != n;
    }
    tap_equal(wrong, 0, ARM "B2.4.4 data in the page of the code that writes it");
}

// The same page at two addresses: written through one, executed through the other.
#define ALIAS 0x7000000000ul

static void test_aliases(void)
{
    uint64_t *top = (uint64_t *)(read_sysreg(ttbr0_el1) & 0xfffffffff000);
    static uint64_t level2[512] __attribute__((aligned(PAGE_SIZE))), level3[512] __attribute__((aligned(PAGE_SIZE)));
    uint32_t *alias = (uint32_t *)ALIAS;
    level3[0] = (uintptr_t)code[3] | 1ul << 10 | 3ul << 8 | 1ul << 7 | 1ul << 2 | 3; // read-only, executable
    level2[0] = (uintptr_t)level3 | 3;
    top[ALIAS >> 30] = (uintptr_t)level2 | 3;
    __asm__ volatile("dsb ishst\n\tisb" ::: "memory");

    uintptr_t page = (uintptr_t)code[3];
    mmu_map(page, page + PAGE_SIZE, MMU_READ_WRITE);
    uint32_t wrong = 0;
    for (uint32_t n = 0; n < 200; n++) {
        write_function(code[3], n);
        wrong += at(alias)() != n;
    }
    tap_equal(wrong, 0, ARM "B2.4.4 code written through one mapping and executed through another");

    // What was data becomes code: the same address, other permissions.
    write_function(code[3], 77);
    mmu_map(page, page + PAGE_SIZE, MMU_CODE);
    tap_expect("after data became code", at(code[3])(), 77);
    mmu_map(page, page + PAGE_SIZE, MMU_READ_WRITE);
    write_function(code[3], 78);
    mmu_map(page, page + PAGE_SIZE, MMU_CODE);
    tap_expect("again", at(code[3])(), 78);
    tap_report(ARM "B2.4.4 a page that is now data, now code");
    mmu_map(page, page + PAGE_SIZE, MMU_WRITE_EXECUTE);

    // Another page at the same address: only the TLB need be told.
    write_function(code[2], 5);
    write_function(code[3], 6);
    tap_expect("one page", at(alias)(), 6);
    level3[0] = 0;
    __asm__ volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tisb" ::: "memory");
    level3[0] = (uintptr_t)code[2] | 1ul << 10 | 3ul << 8 | 1ul << 7 | 1ul << 2 | 3;
    __asm__ volatile("dsb ishst\n\tic ialluis\n\tdsb ish\n\tisb" ::: "memory");
    tap_expect("another page", at(alias)(), 5);
    tap_report(ARM "D8.15 another page of code at the same address");
}

// Across CPUs.

static volatile uint32_t turn, results[CPUS];
static volatile bool stop;

static void wait_for_turn(uint32_t value)
{
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != value)
        relax();
}

static void executing_cpu(void *argument)
{
    for (uint32_t n = 1; n <= 10; n++) {
        wait_for_turn(2 * n - 1);
        __asm__ volatile("isb" ::: "memory"); // its own context synchronization; all else the writer has done
        results[cpu_index()] = at(code[0])();
        __atomic_store_n(&turn, 2 * n, __ATOMIC_RELEASE);
    }
}

static void test_other_cpu(void)
{
    uint32_t wrong = 0;
    turn = 0;
    remote_start(1, executing_cpu, NULL);
    for (uint32_t n = 1; n <= 10; n++) {
        write_function(code[0], n * 3);
        __atomic_store_n(&turn, 2 * n - 1, __ATOMIC_RELEASE);
        wait_for_turn(2 * n);
        wrong += results[1] != n * 3 || at(code[0])() != n * 3;
    }
    remote_wait(1);
    tap_equal(wrong, 0, ARM "B2.4.4 code written on one CPU and executed on another, after its ISB");
}

static void writing_cpu(void *argument)
{
    write_function(code[0], (uint32_t)(uintptr_t)argument);
}

static void test_written_elsewhere(void)
{
    uint32_t wrong = 0;
    for (uint32_t n = 1; n <= 6; n++) {
        remote_run(1 + n % 3, writing_cpu, (void *)(uintptr_t)(n + 100));
        __asm__ volatile("isb" ::: "memory");
        wrong += at(code[0])() != n + 100;
    }
    tap_equal(wrong, 0, ARM "B2.4.4 code written on other CPUs and executed here, after an ISB");
}

// A branch may be changed under a running CPU (B2.2.5): it sees the old or the new one, and nothing else.
static volatile uint32_t odd_results;

static void running_cpu(void *argument)
{
    uint32_t rounds = 0;
    while (!stop) {
        __asm__ volatile("isb" ::: "memory");
        uint32_t result = at(code[2])();
        odd_results += result != 1 && result != 2;
        results[cpu_index()] = result;
        __atomic_store_n(&turn, ++rounds, __ATOMIC_RELEASE);
    }
}

static void wait_for_rounds(uint32_t count)
{
    for (uint32_t before = turn; turn - before < count;)
        relax();
}

static void test_concurrent(void)
{
    static const uint32_t either[] = {BRANCH(3), MOV_W0(1), RET, MOV_W0(2), RET};
    memcpy(code[2], either, sizeof either);
    publish(code[2], 5);
    stop = false;
    turn = 0;
    remote_start(2, running_cpu, NULL);
    for (uint32_t n = 0; n < 10; n++) {
        *(volatile uint32_t *)&code[2][0] = n & 1 ? BRANCH(3) : NOP;
        publish(code[2], 1);
        wait_for_rounds(3);
    }
    stop = true;
    remote_wait(2);
    tap_equal(odd_results, 0, ARM "B2.2.5 a branch replaced by a NOP and back while another CPU executes it");
}

TRAP_PROBE(probe_patch, "str w1, [x0]\n\tdc cvau, x0\n\tdsb ish\n\tic ivau, x0\n\tdsb ish\n\tisb")
TRAP_PROBE(probe_run, "br x0")

// EL0 patches its own code, where SCTLR_EL1.UCI lets it maintain the caches.
static void test_el0(void)
{
    uintptr_t page = (uintptr_t)code[3];
    code[3][1] = 0xd41f5b41; // svc #0xfada
    write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) | 1 << 26 | 1 << 15);
    mmu_map(page, page + PAGE_SIZE, MMU_USER_CODE & ~(1ul << 7)); // EL0: read, write, execute
    uint32_t wrong = 0;
    for (uint32_t n = 0; n < 50; n++) {
        wrong += !trap_none(trap_at_el0(probe_patch, page, MOV_W0(n)));
        const struct exception_frame *frame = trap_at_el0(probe_run, page, 0);
        wrong += exception_class(frame) != EC_SVC || (frame->esr & 0xffff) != 0xfada || frame->x[0] != n;
    }
    tap_equal(wrong, 0, ARM "B2.4.4 EL0 patches its own code");
    mmu_map(page, page + PAGE_SIZE, MMU_WRITE_EXECUTE);
}

int main(void)
{
    mmu_enable();
    mmu_map((uintptr_t)__text_start, (uintptr_t)__text_end, MMU_USER_CODE & ~(1ul << 7) & ~(1ul << 6));
    mmu_map((uintptr_t)code, (uintptr_t)code + sizeof code, MMU_WRITE_EXECUTE);
    trap_init();
    test_patching();
    test_own_block();
    test_borders();
    test_aliases();
    test_other_cpu();
    test_written_elsewhere();
    test_concurrent();
    mmu_map((uintptr_t)__text_start, (uintptr_t)__text_end, MMU_USER_CODE);
    test_el0();
    tap_finish("arch_code");
}
