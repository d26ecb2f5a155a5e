/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks, reported in the Test Anything Protocol: a line each, the reasons of a failed one below it as comments. */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One check of several fields: any number of tap_expect(), then tap_report(), which says whether all of them held.
 * The format names the check: the section of the manual, then what it promises.
 */
void tap_expect(const char *field, uint64_t is, uint64_t must_be);
void tap_report(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One check of one value. */
void tap_equal(uint64_t is, uint64_t must_be, const char *format, ...) __attribute__((format(printf, 3, 4)));
void tap_true(bool condition, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the plan and the totals, and ends the VM with status 0 if all checks held, else 1. */
_Noreturn void tap_finish(const char *name);

#endif
