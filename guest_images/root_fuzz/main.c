// SPDX-License-Identifier: BSD-3-Clause
// Random hypercalls by a root VM, in every encoding.

#include <child.h>
#include <root.h>
#include <stdio.h>

#include "fuzz.h"

#define FIRST_CREATE 0x02
#define LAST_CREATE 0x0b
#define CREATE_VIRTIO 0x48
#define COPY 0x23
#define SMCCC_HYPERCALL 0xc6008000u

volatile struct fuzz_parameters fuzz_parameters = {.seed = 1, .count = 20000};
volatile struct fuzz_results fuzz_results;

// hvc #0x6000 + n; ret: eight bytes each.
extern const char native_calls[], smccc_calls[];
__asm__(".pushsection .text.calls, \"ax\"\n"
        ".balign 8\n"
        "native_calls:\n"
        ".set number, 0\n"
        ".rept 0x80\n"
        "hvc #0x6000 + number\n"
        "ret\n"
        ".set number, number + 1\n"
        ".endr\n"
        "smccc_calls:\n"
        "hvc #0\n"
        "ret\n"
        "smc #0\n"
        "ret\n"
        ".popsection");

__attribute__((naked, noinline)) static void call_with(uint64_t x[8], const char *instruction)
{
    __asm__ volatile("stp x29, x30, [sp, #-32]!\n\t"
                     "str x19, [sp, #16]\n\t"
                     "mov x19, x0\n\t"
                     "mov x16, x1\n\t"
                     "ldp x0, x1, [x19]\n\t"
                     "ldp x2, x3, [x19, #16]\n\t"
                     "ldp x4, x5, [x19, #32]\n\t"
                     "ldp x6, x7, [x19, #48]\n\t"
                     "blr x16\n\t"
                     "stp x0, x1, [x19]\n\t"
                     "stp x2, x3, [x19, #16]\n\t"
                     "stp x4, x5, [x19, #32]\n\t"
                     "stp x6, x7, [x19, #48]\n\t"
                     "ldr x19, [sp, #16]\n\t"
                     "ldp x29, x30, [sp], #32\n\t"
                     "ret");
}

void make_call(enum conduit conduit, uint32_t number, uint64_t x[8])
{
    call_with(x, conduit == NATIVE ? native_calls + 8 * number : smccc_calls + (conduit == SMCCC_SMC ? 8 : 0));
}

uint64_t random64(void)
{
    // splitmix64
    static uint64_t state;
    if (!state)
        state = fuzz_parameters.seed * 2 + 1;
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t random_below(uint64_t limit)
{
    return random64() % limit;
}

static uint64_t random_function(uint32_t number)
{
    switch (random_below(8)) {
    case 0: // PSCI, TRNG, Arm architecture, standard hypervisor
        return (uint64_t[]){0x84000000, 0xc4000000, 0x80000000, 0x86000000}[random_below(4)] + random_below(0x70);
    case 1:
        return random64();
    default:
        return SMCCC_HYPERCALL | number;
    }
}

// The calls that bring a new object to life.  Left to chance, hardly a vCPU would ever run.
static const struct {
    char type;
    uint8_t calls[9];
} lives[] = {
    {'C', {0x25, 0x0c}},
    {'A', {0x2e, 0x0c, 0x60, 0x62}},
    {'M', {0x31, 0x0c, 0x2b, 0x5a, 0x30}},
    {'M', {0x32, 0x0c, 0x2b, 0x2d, 0x61}}, // derived
    {'D', {0x0c, 0x10}},
    {'Q', {0x21, 0x0c, 0x18}},
    {'V', {0x28, 0x67, 0x0c}},
    {'G', {0x0c}},
    {'X', {0x49, 0x0c, 0x4a, 0x5e, 0x5f}},
    {'T', {0x34, 0x2a, 0x3e, 0x29, 0x3c, 0x0c, 0x5c, 0x38, 0x65}},
};

static struct {
    const uint8_t *calls;
    uint32_t left;
    char type;
    uint64_t id;
} life;

static void begin_life(char type, uint64_t id)
{
    for (uint32_t n = 0; n < sizeof lives / sizeof lives[0]; n++) {
        if (lives[n].type == type && (life.id != id || random_below(2))) {
            life.calls = lives[n].calls;
            life.left = sizeof lives[n].calls;
            life.type = type;
            life.id = id;
        }
    }
}

static uint32_t choose_call(uint64_t x[8])
{
    if (life.left && *life.calls && random_below(4)) {
        uint32_t number = *life.calls++;
        life.left--;
        choose_arguments_for(number, life.type, life.id, x);
        return number;
    }
    uint32_t number = (uint32_t)random_below(CALL_NUMBERS);
    choose_arguments(number, x);
    return number;
}

// One call; its number, and whether it succeeded.
static bool call_once(uint32_t *number, uint64_t *digest)
{
    uint64_t x[8], arguments[8];
    enum conduit conduit = random_below(4) ? NATIVE : 1 + random_below(2);
    *number = choose_call(x);
    if (conduit != NATIVE) {
        for (int n = 7; n; n--)
            x[n] = x[n - 1];
        x[0] = random_function(*number);
    }
    for (int n = 0; n < 8; n++)
        arguments[n] = conduit == NATIVE ? x[n] : x[(n + 1) % 8];
    bool is_hypercall = conduit == NATIVE || x[0] == (SMCCC_HYPERCALL | *number);
    make_call(conduit, *number, x);
    for (int n = 0; n < 8; n++)
        *digest = (*digest ^ x[n]) * 0x100000001b3;
    bool succeeded = is_hypercall && x[0] == GUNYAH_OK;
    bool creates = (*number >= FIRST_CREATE && *number <= LAST_CREATE) || *number == CREATE_VIRTIO || *number == COPY;
    if (succeeded)
        remember_arguments(*number, arguments);
    if (succeeded && creates)
        begin_life(pool_add(*number, x[1]), x[1]);
    return succeeded;
}

int main(void)
{
    static uint32_t successes[CALL_NUMBERS];
    uint64_t digest = 0xcbf29ce484222325;
    uint32_t number;
    pool_open();
    for (uint64_t made = 0; made < fuzz_parameters.count; made++) {
        bool success = call_once(&number, &digest);
        fuzz_results.succeeded += success;
        fuzz_results.kinds += success && !successes[number]++;
    }
    fuzz_results.digest = digest;
    printf("seed %lu: %lu calls\n", fuzz_parameters.seed, fuzz_parameters.count);
    return 0;
}
