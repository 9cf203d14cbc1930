/* SPDX-License-Identifier: MIT */
/*
 * A tag is a varint, field number << 3 | type. Type 0 is followed by a varint, 1 by eight
 * bytes, 2 by a length and as many bytes, 5 by four bytes. Groups (3 and 4) went out of
 * use before profile.proto was written, so here they are damage. All sums are compared
 * with what is left, never added first.
 */
#include "pprof/wire.h"

#include <errno.h>
#include <stdbool.h>

#define VARINT_MOST       10
#define FIELD_NUMBER_MOST ((UINT64_C(1) << 29) - 1)

static bool read_varint(const struct tmi_wire *wire, size_t *at, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < VARINT_MOST && *at < wire->len; i++) {
        uint8_t byte = wire->bytes[(*at)++];
        *value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            return i < VARINT_MOST - 1 || byte <= 1;
        }
    }
    return false;
}

static bool skip_content(const struct tmi_wire *wire, struct tmi_field *field, size_t *at)
{
    uint64_t length;
    switch (field->type) {
    case 0:
        return read_varint(wire, at, &length);
    case 1:
        length = 8;
        break;
    case TMI_WIRE_LENGTH_DELIMITED:
        if (!read_varint(wire, at, &length)) {
            return false;
        }
        break;
    case 5:
        length = 4;
        break;
    default:
        return false;
    }
    field->content = *at;
    if (length > wire->len - *at) {
        return false;
    }
    *at += (size_t)length;
    return true;
}

int tmi_wire_next(struct tmi_wire *wire, struct tmi_field *field)
{
    if (wire->at == wire->len) {
        return 0;
    }
    size_t at = wire->at;
    uint64_t tag;
    if (!read_varint(wire, &at, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MOST) {
        return -EBADMSG;
    }
    *field = (struct tmi_field){.number = (uint32_t)(tag >> 3),
                                .type = (uint32_t)(tag & 7),
                                .start = wire->at,
                                .content = at};
    if (!skip_content(wire, field, &at)) {
        return -EBADMSG;
    }
    field->bytes = at - field->start;
    wire->at = at;
    return 1;
}
