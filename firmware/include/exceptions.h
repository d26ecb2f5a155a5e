/* SPDX-License-Identifier: BSD-3-Clause */
/* Exceptions taken to EL1 other than IRQs.  Unless a guest sets a handler, each is fatal: printed, and the VM exits. */
#ifndef EXCEPTIONS_H
#define EXCEPTIONS_H

#include <firmware.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exception_frame {
    uint64_t x[31];
    uint64_t elr;
    uint64_t spsr;
    uint64_t esr;
    uint64_t far;    /* means something for aborts and alignment faults only */
    uint64_t vector; /* VECTOR_CURRENT_SPX + VECTOR_SYNCHRONOUS and so on: offset in the table / 0x80 */
};

_Static_assert(offsetof(struct exception_frame, elr) == FRAME_ELR, "vectors.S stores ELR and SPSR there");
_Static_assert(offsetof(struct exception_frame, esr) == FRAME_ESR, "vectors.S stores ESR and FAR there");
_Static_assert(offsetof(struct exception_frame, vector) == FRAME_VECTOR, "vectors.S stores the vector there");
_Static_assert(sizeof(struct exception_frame) == FRAME_SIZE, "vectors.S makes room for one frame");

/* Exception classes: ESR_EL1[31:26] */
enum {
    EC_UNKNOWN = 0x00,
    EC_WFX = 0x01,
    EC_FP_TRAPPED = 0x07,
    EC_ILLEGAL_STATE = 0x0e,
    EC_SVC = 0x15,
    EC_SYSTEM_REGISTER = 0x18,
    EC_INSTRUCTION_ABORT_LOWER = 0x20,
    EC_INSTRUCTION_ABORT = 0x21,
    EC_PC_ALIGNMENT = 0x22,
    EC_DATA_ABORT_LOWER = 0x24,
    EC_DATA_ABORT = 0x25,
    EC_SP_ALIGNMENT = 0x26,
    EC_SERROR = 0x2f,
    EC_BRK = 0x3c,
};

static inline unsigned exception_class(const struct exception_frame *frame)
{
    return (frame->esr >> 26) & 0x3f;
}

const char *exception_class_name(unsigned exception_class);

/*
 * A handler returns true when it dealt with the exception: execution goes on at frame->elr, in the state of
 * frame->spsr, with the registers of the frame.  False: fatal.
 */
typedef bool (*exception_handler)(struct exception_frame *frame);
void exception_set_handler(exception_handler handler);

_Noreturn void exception_fatal(const struct exception_frame *frame);

/* Prints a message and ends the VM with EXIT_FATAL_ERROR. */
_Noreturn void fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
