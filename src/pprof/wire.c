/* SPDX-License-Identifier: MIT */
/*
 * A tag is a varint, field number << 3 | type. Type 0 is followed by a varint, 1 by eight
 * bytes, 2 by a length and as many bytes, 5 by four bytes. Groups (3 and 4) went out of
 * use before profile.proto was written, so here they are damage. All sums are compared
 * with what is left, never added first.
 */
#include "pprof/wire.h"

#include <errno.h>

#define VARINT_MOST       10
#define FIELD_NUMBER_MOST ((UINT64_C(1) << 29) - 1)

bool tmi_wire_long_varint(struct tmi_wire *wire, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < VARINT_MOST && wire->at < wire->len; i++) {
        uint8_t byte = wire->bytes[wire->at++];
        *value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            return i < VARINT_MOST - 1 || byte <= 1;
        }
    }
    return false;
}

static bool skip_content(struct tmi_wire *wire, struct tmi_field *field)
{
    uint64_t length;
    switch (field->type) {
    case TMI_WIRE_VARINT:
        return tmi_wire_varint(wire, &field->value);
    case 1:
        length = 8;
        break;
    case TMI_WIRE_LENGTH_DELIMITED:
        if (!tmi_wire_varint(wire, &length)) {
            return false;
        }
        break;
    case 5:
        length = 4;
        break;
    default:
        return false;
    }
    field->content = wire->at;
    if (length > wire->len - wire->at) {
        return false;
    }
    wire->at += (size_t)length;
    return true;
}

int tmi_wire_next(struct tmi_wire *wire, struct tmi_field *field)
{
    if (wire->at == wire->len) {
        return 0;
    }
    uint64_t tag;
    field->start = wire->at;
    if (!tmi_wire_varint(wire, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MOST) {
        return -EBADMSG;
    }
    field->number = (uint32_t)(tag >> 3);
    field->type = (uint32_t)(tag & 7);
    field->content = wire->at;
    field->value = 0;
    if (!skip_content(wire, field)) {
        return -EBADMSG;
    }
    field->bytes = wire->at - field->start;
    return 1;
}
