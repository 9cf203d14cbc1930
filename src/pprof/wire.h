/* SPDX-License-Identifier: MIT */
/*
 * The outermost layer of protobuf's wire format: where each field of a message begins and
 * ends. What is inside a field is protobuf-c's business.
 */
#ifndef TMI_PPROF_WIRE_H
#define TMI_PPROF_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tmi_wire {
    const uint8_t *bytes;
    size_t len;
    size_t at; /* where the next field begins */
};

/* A field with its tag; by itself a message with just that field. */
struct tmi_field {
    uint32_t number;
    uint32_t type;  /* as the format numbers them */
    size_t start;   /* offset in the message */
    size_t bytes;   /* tag, length and content */
    size_t content; /* offset of what follows tag and length */
    uint64_t value; /* of a varint, else 0 */
};

#define TMI_WIRE_VARINT           0
#define TMI_WIRE_LENGTH_DELIMITED 2

/* 1 and the next field, 0 at the end, or -EBADMSG; wire->at is then where it went wrong.
 */
int tmi_wire_next(struct tmi_wire *wire, struct tmi_field *field);

/* A varint that is longer than two bytes. */
bool tmi_wire_long_varint(struct tmi_wire *wire, uint64_t *value);

/* The varint at wire->at, which moves behind it; false when there is no sound one. */
static inline bool tmi_wire_varint(struct tmi_wire *wire, uint64_t *value)
{
    const uint8_t *bytes = wire->bytes + wire->at;
    size_t left = wire->len - wire->at;
    if (left > 0 && bytes[0] < 0x80) {
        *value = bytes[0];
        wire->at++;
        return true;
    }
    if (left > 1 && bytes[1] < 0x80) {
        *value = (bytes[0] & 0x7Fu) | (uint64_t)bytes[1] << 7;
        wire->at += 2;
        return true;
    }
    return tmi_wire_long_varint(wire, value);
}

#endif
