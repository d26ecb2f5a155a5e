// SPDX-License-Identifier: BSD-3-Clause

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// Where the characters go: the console when there is no buffer.  Counts on past the buffer's end, as C asks.
struct sink {
    char *buffer;
    size_t size;
    size_t count;
};

static void emit(struct sink *sink, char character)
{
    if (!sink->buffer)
        putchar(character);
    else if (sink->count + 1 < sink->size)
        sink->buffer[sink->count] = character;
    sink->count++;
}

struct specification {
    bool left;
    bool zeros;
    size_t width;
};

static void emit_field(struct sink *sink, const struct specification *field, const char *sign, const char *text,
                       size_t length)
{
    size_t used = strlen(sign) + length;
    size_t padding = field->width > used ? field->width - used : 0;
    if (!field->left && !field->zeros)
        for (; padding; padding--)
            emit(sink, ' ');
    while (*sign)
        emit(sink, *sign++);
    if (!field->left)
        for (; padding; padding--)
            emit(sink, '0');
    while (length--)
        emit(sink, *text++);
    for (; padding; padding--)
        emit(sink, ' ');
}

static void emit_number(struct sink *sink, const struct specification *field, const char *sign, uint64_t value,
                        unsigned base, bool upper)
{
    char digits[20];
    size_t first = sizeof digits;
    do {
        unsigned digit = value % base;
        digits[--first] = (char)(digit < 10 ? '0' + digit : (upper ? 'A' : 'a') + digit - 10);
        value /= base;
    } while (value);
    emit_field(sink, field, sign, digits + first, sizeof digits - first);
}

static void emit_all(struct sink *sink, const char *format, va_list arguments)
{
    for (; *format; format++) {
        if (*format != '%') {
            emit(sink, *format);
            continue;
        }
        struct specification field = {0};
        for (format++; *format == '-' || *format == '0'; format++)
            *(*format == '-' ? &field.left : &field.zeros) = true;
        for (; *format >= '0' && *format <= '9'; format++)
            field.width = field.width * 10 + (size_t)(*format - '0');
        bool wide = *format == 'p';
        for (; *format == 'l' || *format == 'z'; format++)
            wide = true;

        switch (*format) {
        case 'd':
        case 'i': {
            int64_t value = wide ? va_arg(arguments, int64_t) : va_arg(arguments, int);
            emit_number(sink, &field, value < 0 ? "-" : "", value < 0 ? -(uint64_t)value : (uint64_t)value, 10, false);
            break;
        }
        case 'u':
        case 'x':
        case 'X':
        case 'p': {
            uint64_t value = wide ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            emit_number(sink, &field, *format == 'p' ? "0x" : "", value, *format == 'u' ? 10 : 16, *format == 'X');
            break;
        }
        case 's': {
            const char *text = va_arg(arguments, const char *);
            field.zeros = false;
            emit_field(sink, &field, "", text, strlen(text));
            break;
        }
        case 'c': {
            char character = (char)va_arg(arguments, int);
            emit_field(sink, &field, "", &character, 1);
            break;
        }
        case '\0':
            return;
        default:
            emit(sink, *format);
        }
    }
}

int vprintf(const char *format, va_list arguments)
{
    struct sink console = {0};
    emit_all(&console, format, arguments);
    return (int)console.count;
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
{
    char nothing;
    struct sink memory = {size ? buffer : &nothing, size ? size : 1, 0};
    emit_all(&memory, format, arguments);
    memory.buffer[memory.count < memory.size ? memory.count : memory.size - 1] = '\0';
    return (int)memory.count;
}

int printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int count = vprintf(format, arguments);
    va_end(arguments);
    return count;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(buffer, size, format, arguments);
    va_end(arguments);
    return count;
}
