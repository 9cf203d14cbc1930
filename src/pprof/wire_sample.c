/* SPDX-License-Identifier: MIT */
/*
 * A file is nearly all samples, and a sample nearly all varints, which protobuf-c takes
 * some eighty instructions each to unpack, allocating on the way. So
 * this one message is read by hand, and all others are protobuf-c's:
 *
 *     1 location_id   varints, in one field (packed) or a field each
 *     2 value         the same
 *     3 label         1 key, 2 str, 3 num, 4 unit, which nothing here needs
 *
 * Other numbers are later versions' and are passed over. What protobuf-c refuses is
 * refused here: a known number with a type that is not its, content that does not end
 * with the message.
 */
#include "pprof/wire_sample.h"

#include <errno.h>

enum { LOCATION_ID = 1, VALUE = 2, LABEL = 3 };
enum { KEY = 1, STR = 2, NUM = 3, NUM_UNIT = 4 };

static int malformed(struct tmi_input *in)
{
    return tmi_input_damaged(in, "malformed message");
}

/* `numbers` with room for `more` of them; all columns of numbers are of 64 bits. */
static uint64_t *reserve(struct tmi_input *in, uint64_t *numbers, size_t count,
                         size_t more, size_t *room)
{
    while (numbers == NULL || *room - count < more) {
        numbers = tmi_input_widen(in, numbers, sizeof *numbers, *room, room);
        if (numbers == NULL) {
            tmi_input_no_memory(in);
            return NULL;
        }
    }
    return numbers;
}

/* A number takes a byte at least, so that there are no more of them than bytes. */
static int append_packed(struct tmi_input *in, const struct tmi_wire *wire,
                         const struct tmi_field *field, uint64_t **numbers, size_t *count,
                         size_t *room)
{
    struct tmi_wire packed = {
        .bytes = wire->bytes, .len = field->start + field->bytes, .at = field->content};
    uint64_t *to = reserve(in, *numbers, *count, packed.len - packed.at, room);
    if (to == NULL) {
        return -ENOMEM;
    }
    *numbers = to;
    to += *count;
    while (packed.at < packed.len) {
        if (!tmi_wire_varint(&packed, to)) {
            return malformed(in);
        }
        to++;
    }
    *count = (size_t)(to - *numbers);
    return 0;
}

static int append_field(struct tmi_input *in, const struct tmi_wire *wire,
                        const struct tmi_field *field, uint64_t **numbers, size_t *count,
                        size_t *room)
{
    if (field->type == TMI_WIRE_LENGTH_DELIMITED) {
        return append_packed(in, wire, field, numbers, count, room);
    }
    if (field->type != TMI_WIRE_VARINT) {
        return malformed(in);
    }
    uint64_t *to = reserve(in, *numbers, *count, 1, room);
    if (to == NULL) {
        return -ENOMEM;
    }
    *numbers = to;
    to[(*count)++] = field->value;
    return 0;
}

static int append_label(struct tmi_wire_sample *sample, struct tmi_input *in,
                        const struct tmi_wire *wire, const struct tmi_field *field)
{
    void *grown = tmi_input_widen(in, sample->labels, sizeof *sample->labels,
                                  sample->label_count, &sample->label_room);
    if (grown == NULL) {
        return tmi_input_no_memory(in);
    }
    sample->labels = grown;
    struct tmi_wire_label *label = &sample->labels[sample->label_count++];
    *label = (struct tmi_wire_label){0};
    struct tmi_wire content = {
        .bytes = wire->bytes, .len = field->start + field->bytes, .at = field->content};
    struct tmi_field part;
    int more;
    while ((more = tmi_wire_next(&content, &part)) > 0) {
        int64_t *to = part.number == KEY   ? &label->key
                      : part.number == STR ? &label->str
                      : part.number == NUM ? &label->num
                                           : NULL;
        if (part.number <= NUM_UNIT && part.type != TMI_WIRE_VARINT) {
            return malformed(in);
        }
        if (to != NULL) {
            *to = (int64_t)part.value;
        }
    }
    return more < 0 ? malformed(in) : 0;
}

static int append_part(struct tmi_wire_sample *sample, struct tmi_input *in,
                       const struct tmi_wire *wire, const struct tmi_field *part)
{
    switch (part->number) {
    case LOCATION_ID:
        return append_field(in, wire, part, &sample->ids, &sample->id_count,
                            &sample->id_room);
    case VALUE:
        return append_field(in, wire, part, &sample->values, &sample->value_count,
                            &sample->value_room);
    case LABEL:
        return part->type == TMI_WIRE_LENGTH_DELIMITED
                   ? append_label(sample, in, wire, part)
                   : malformed(in);
    default:
        return 0;
    }
}

int tmi_wire_sample_read(struct tmi_wire_sample *sample, struct tmi_input *in,
                         const struct tmi_field *field)
{
    sample->id_count = sample->value_count = sample->label_count = 0;
    if (field->type != TMI_WIRE_LENGTH_DELIMITED) {
        return malformed(in);
    }
    int err = tmi_input_check_size(in, field);
    struct tmi_wire wire = {
        .bytes = in->bytes, .len = field->start + field->bytes, .at = field->content};
    struct tmi_field part;
    int more = 0;
    while (err == 0 && (more = tmi_wire_next(&wire, &part)) > 0) {
        err = append_part(sample, in, &wire, &part);
    }
    return err == 0 && more < 0 ? malformed(in) : err;
}
