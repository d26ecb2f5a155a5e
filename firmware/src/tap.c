// SPDX-License-Identifier: BSD-3-Clause

#include <semihosting.h>
#include <stdarg.h>
#include <stdio.h>
#include <tap.h>

#define MAX_MISTAKES 4

// What was expected in vain since the last report; the first few are enough to see why.
static struct {
    const char *field;
    uint64_t is;
    uint64_t must_be;
} mistakes[MAX_MISTAKES];
static unsigned mistake_count;

static unsigned checks, failures;

void tap_expect(const char *field, uint64_t is, uint64_t must_be)
{
    if (is == must_be)
        return;
    if (mistake_count < MAX_MISTAKES) {
        mistakes[mistake_count].field = field;
        mistakes[mistake_count].is = is;
        mistakes[mistake_count].must_be = must_be;
    }
    mistake_count++;
}

static void report(const char *format, va_list arguments)
{
    checks++;
    failures += mistake_count != 0;
    printf("%sok %u - ", mistake_count ? "not " : "", checks);
    vprintf(format, arguments);
    putchar('\n');
    for (unsigned n = 0; n < mistake_count && n < MAX_MISTAKES; n++)
        printf("# %s must be 0x%lx, it is 0x%lx\n", mistakes[n].field, mistakes[n].must_be, mistakes[n].is);
    mistake_count = 0;
}

void tap_report(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    report(format, arguments);
    va_end(arguments);
}

void tap_equal(uint64_t is, uint64_t must_be, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tap_expect("it", is, must_be);
    report(format, arguments);
    va_end(arguments);
}

void tap_true(bool condition, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tap_expect("the condition", condition, true);
    report(format, arguments);
    va_end(arguments);
}

void tap_finish(const char *name)
{
    printf("1..%u\n# %s: %u checks, %u failed\n", checks, name, checks, failures);
    semihosting_exit(failures ? 1 : 0);
}
