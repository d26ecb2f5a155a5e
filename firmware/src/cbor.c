// SPDX-License-Identifier: BSD-3-Clause

#include <cbor.h>
#include <string.h>

#define SIMPLE_FALSE 20
#define SIMPLE_TRUE 21

// Reads an item's head and goes behind it; behind the whole item for all but bytes, texts and what holds other items.
static bool read_head(struct cbor *cursor, enum cbor_type *type, uint64_t *value)
{
    if (cursor->at >= cursor->end)
        return false;
    uint8_t initial = *cursor->at++;
    uint8_t information = initial & 31;
    *type = initial >> 5;
    *value = information;
    if (information < 24)
        return true;
    if (information > 27) // reserved, or an indefinite length
        return false;
    uint64_t size = 1ul << (information - 24);
    if ((uint64_t)(cursor->end - cursor->at) < size)
        return false;
    *value = 0;
    while (size--)
        *value = *value << 8 | *cursor->at++;
    return true;
}

// No recursion: how deep the items nest is not ours to say.
static bool skip(struct cbor *cursor)
{
    for (uint64_t items = 1; items; items--) {
        enum cbor_type type;
        uint64_t value;
        if (!read_head(cursor, &type, &value))
            return false;
        uint64_t left = (uint64_t)(cursor->end - cursor->at); // every item takes a byte, so more cannot follow
        switch (type) {
        case CBOR_BYTES:
        case CBOR_TEXT:
            if (value > left)
                return false;
            cursor->at += value;
            break;
        case CBOR_ARRAY:
        case CBOR_MAP:
            if (value > left)
                return false;
            items += type == CBOR_MAP ? 2 * value : value;
            break;
        case CBOR_TAG:
            items++;
            break;
        default:
            break;
        }
    }
    return true;
}

static bool is_text(struct cbor item, const char *text)
{
    enum cbor_type type;
    uint64_t size;
    return read_head(&item, &type, &size) && type == CBOR_TEXT && size == strlen(text) &&
           size <= (uint64_t)(item.end - item.at) && memcmp(item.at, text, size) == 0;
}

bool cbor_map_get(struct cbor map, const char *key, struct cbor *value)
{
    enum cbor_type type;
    uint64_t pairs;
    if (!read_head(&map, &type, &pairs) || type != CBOR_MAP)
        return false;
    for (; pairs; pairs--) {
        bool found = is_text(map, key);
        if (!skip(&map))
            return false;
        *value = map;
        if (found)
            return skip(&map); // a broken value is no value
        if (!skip(&map))
            return false;
    }
    return false;
}

bool cbor_array_get(struct cbor array, uint64_t n, struct cbor *element)
{
    enum cbor_type type;
    uint64_t count;
    if (!read_head(&array, &type, &count) || type != CBOR_ARRAY || n >= count)
        return false;
    while (n--)
        if (!skip(&array))
            return false;
    *element = array;
    return skip(&array);
}

bool cbor_number(struct cbor item, uint64_t *number)
{
    enum cbor_type type;
    if (!read_head(&item, &type, number))
        return false;
    if (type == CBOR_SIMPLE && (*number == SIMPLE_FALSE || *number == SIMPLE_TRUE)) {
        *number -= SIMPLE_FALSE;
        return true;
    }
    return type == CBOR_UNSIGNED;
}
