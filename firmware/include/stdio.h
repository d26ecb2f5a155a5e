/* SPDX-License-Identifier: BSD-3-Clause */
/* Output on the PL011.  No lock: with several CPUs, let one of them print. */
#ifndef STDIO_H
#define STDIO_H

#include <stdarg.h>
#include <stddef.h>

int putchar(int character);
int puts(const char *text);

/* %c %s %d %i %u %x %X %p %%, with '-', '0', a width, and the lengths l, ll and z. */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int vprintf(const char *format, va_list arguments);
int snprintf(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments);

#endif
