/* SPDX-License-Identifier: BSD-3-Clause */
/* What both echo guests do with what is typed; they differ in how they read it. */
#ifndef LINES_H
#define LINES_H

#include <stdio.h>
#include <string.h>
#include <system.h>

#define END_OF_INPUT (-1)
#define LINE_MAX 255

static inline uint64_t checksum_of(uint64_t checksum, const char *text)
{
    while (*text)
        checksum = checksum * 31 + (uint8_t)*text++;
    return checksum;
}

/* Reads a line without its end, and shows it as it is typed; characters that have no picture show as ^A.  False: the
 * input has ended. */
static inline int read_line(int (*read_character)(void), char *line)
{
    uint32_t length = 0;
    for (;;) {
        int character = read_character();
        if (character == END_OF_INPUT)
            return 0;
        if (character == '\r' || character == '\n')
            break;
        if (character < ' ')
            printf("^%c", character + '@');
        else
            putchar(character);
        if (length < LINE_MAX)
            line[length++] = (char)character;
    }
    putchar('\n');
    line[length] = 0;
    return 1;
}

/* Until the input ends or the line is "quit". */
static inline int echo_lines(int (*read_character)(void), void (*sleep)(uint32_t milliseconds))
{
    char line[LINE_MAX + 1];
    uint64_t checksum = 0;
    uint32_t lines = 0;
    for (;;) {
        printf("> ");
        if (!read_line(read_character, line)) {
            printf("end of input\n");
            break;
        }
        if (strcmp(line, "quit") == 0)
            break;
        if (strcmp(line, "sleep") == 0)
            sleep(300);
        checksum = checksum_of(checksum, line);
        lines++;
        printf("you typed: %s\n", line);
    }
    printf("%u lines, checksum %016lx\n", lines, checksum);
    return 0;
}

#endif
