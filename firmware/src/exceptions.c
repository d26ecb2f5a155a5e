// SPDX-License-Identifier: BSD-3-Clause

#include <exceptions.h>
#include <semihosting.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const source_names[] = {"current EL with SP_EL0", "current EL with SP_ELx", "lower EL, AArch64",
                                           "lower EL, AArch32"};
static const char *const kind_names[] = {"synchronous", "IRQ", "FIQ", "SError"};

static exception_handler guest_handler;

const char *exception_class_name(unsigned exception_class)
{
    switch (exception_class) {
    case EC_UNKNOWN:
        return "undefined instruction";
    case EC_WFX:
        return "WFI or WFE trapped";
    case EC_FP_TRAPPED:
        return "floating point trapped";
    case EC_ILLEGAL_STATE:
        return "illegal execution state";
    case EC_SVC:
        return "SVC";
    case EC_SYSTEM_REGISTER:
        return "system register access trapped";
    case EC_INSTRUCTION_ABORT_LOWER:
        return "instruction abort from a lower EL";
    case EC_INSTRUCTION_ABORT:
        return "instruction abort";
    case EC_PC_ALIGNMENT:
        return "PC alignment fault";
    case EC_DATA_ABORT_LOWER:
        return "data abort from a lower EL";
    case EC_DATA_ABORT:
        return "data abort";
    case EC_SP_ALIGNMENT:
        return "SP alignment fault";
    case EC_SERROR:
        return "SError";
    case EC_BRK:
        return "BRK";
    default:
        return "other class";
    }
}

void exception_set_handler(exception_handler handler)
{
    guest_handler = handler;
}

void exception_fatal(const struct exception_frame *frame)
{
    // A second exception in here must not print for ever.
    static bool printing;
    if (!printing) {
        printing = true;
        printf("fatal exception: %s (%s, %s)\n", exception_class_name(exception_class(frame)),
               kind_names[frame->vector & 3], source_names[frame->vector >> 2 & 3]);
        printf("  ESR  0x%016lx  EC 0x%02x  ISS 0x%07lx\n", frame->esr, exception_class(frame), frame->esr & 0x1ffffff);
        printf("  ELR  0x%016lx  FAR 0x%016lx\n", frame->elr, frame->far);
        printf("  SPSR 0x%016lx  SP  0x%016lx\n", frame->spsr, (uint64_t)(uintptr_t)(frame + 1));
        for (unsigned n = 0; n < 31; n++)
            printf("  x%-2u 0x%016lx%s", n, frame->x[n], n % 3 == 2 || n == 30 ? "\n" : "");
    }
    semihosting_exit(EXIT_FATAL_EXCEPTION);
}

void exception_dispatch(struct exception_frame *frame)
{
    if (!guest_handler || !guest_handler(frame))
        exception_fatal(frame);
}

void fatal(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("fatal error: ");
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
    semihosting_exit(EXIT_FATAL_ERROR);
}
