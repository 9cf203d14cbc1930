/* SPDX-License-Identifier: MIT */
/*
 * The outermost layer of protobuf's wire format: where each field of a message begins and
 * ends. What is inside a field is protobuf-c's business.
 */
#ifndef TMI_PPROF_WIRE_H
#define TMI_PPROF_WIRE_H

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
};

#define TMI_WIRE_LENGTH_DELIMITED 2

/* 1 and the next field, 0 at the end, or -EBADMSG; wire->at is then where it went wrong.
 */
int tmi_wire_next(struct tmi_wire *wire, struct tmi_field *field);

#endif
