/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reader of CBOR (RFC 8949), as much of it as a root VM's configuration needs: definite lengths, integers, texts,
 * arrays, maps.  Nothing in the bytes is trusted: what is broken is not found, and nothing outside them is read.
 */
#ifndef CBOR_H
#define CBOR_H

#include <stdbool.h>
#include <stdint.h>

enum cbor_type {
    CBOR_UNSIGNED,
    CBOR_NEGATIVE, /* -1 - value */
    CBOR_BYTES,
    CBOR_TEXT,
    CBOR_ARRAY,
    CBOR_MAP,
    CBOR_TAG,
    CBOR_SIMPLE,
};

/* An item begins at `at`; nothing at or behind `end` belongs to it. */
struct cbor {
    const uint8_t *at;
    const uint8_t *end;
};

/* The value of a text key in a map, and an element of an array, counted from 0. */
bool cbor_map_get(struct cbor map, const char *key, struct cbor *value);
bool cbor_array_get(struct cbor array, uint64_t n, struct cbor *element);

/* Of an unsigned integer; a boolean is 0 or 1. */
bool cbor_number(struct cbor item, uint64_t *number);

#endif
