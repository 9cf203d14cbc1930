/* SPDX-License-Identifier: MIT */
/*
 * The content is kept whole and uncompressed, since its parts refer to each other in any
 * order, and strings are read where they lie. A field with its tag is a Profile of its
 * own, which protobuf-c unpacks into scratch memory that the next one reuses; so a
 * message may be as large as MESSAGE_MOST and no larger.
 *
 * What is built from a file can be larger than the file, by a factor that is bounded:
 * about twenty for a file of nothing but tiny samples. The budget is looked at after each
 * field. A string that nothing refers to is never copied.
 */
#include "pprof/input.h"

#include <errno.h>

#include "pprof/failure.h"
#include "pprof/fetch.h"

/* 65535 frames with ids of ten bytes, and labels. */
#define MESSAGE_MOST ((size_t)1 << 20)
#define FIRST_ROOM   64

struct tmi_string {
    const uint8_t *bytes;
    size_t len;
    const char *text; /* the snapshot's copy, once it was asked for */
};

int tmi_input_no_memory(struct tmi_input *in)
{
    return tmi_pprof_fail(in->error, -ENOMEM, "not enough memory");
}

int tmi_input_damaged(struct tmi_input *in, const char *what)
{
    return tmi_pprof_fail(in->error, -EBADMSG, "byte %zu of the content: %s", in->at,
                          what);
}

int tmi_input_damaged_number(struct tmi_input *in, const char *what, uint64_t number)
{
    return tmi_pprof_fail(in->error, -EBADMSG, "byte %zu of the content: %s %llu", in->at,
                          what, (unsigned long long)number);
}

static int check_budget(struct tmi_input *in)
{
    size_t used = in->arena.total_bytes + in->s->arena.total_bytes;
    if (used > in->budget) {
        return tmi_fetch_fail_budget(in->error, in->budget);
    }
    return 0;
}

void *tmi_input_widen(struct tmi_input *in, void *column, size_t item_bytes, size_t count,
                      size_t *room)
{
    if (count < *room) {
        return column;
    }
    size_t wider = *room == 0 ? FIRST_ROOM : 2 * *room;
    void *grown =
        tmi_arena_grow(&in->arena, column, *room * item_bytes, wider * item_bytes);
    *room = grown == NULL ? *room : wider;
    return grown;
}

int tmi_input_text(struct tmi_input *in, int64_t index, const char **out)
{
    if (index < 0 || (uint64_t)index >= in->string_count) {
        return tmi_input_damaged_number(in, "no such string:", (uint64_t)index);
    }
    struct tmi_string *string = &in->strings[index];
    if (string->text == NULL) {
        string->text = tmi_snapshot_text(in->s, (const char *)string->bytes, string->len);
    }
    *out = string->text;
    return string->text == NULL ? tmi_input_no_memory(in) : 0;
}

void tmi_input_point_at(struct tmi_input *in, int64_t index)
{
    in->at = (size_t)(in->strings[index].bytes - in->bytes);
}

int tmi_input_check_size(struct tmi_input *in, const struct tmi_field *field)
{
    return field->bytes <= MESSAGE_MOST
               ? 0
               : tmi_input_damaged_number(in, "a single message of bytes:", field->bytes);
}

int tmi_input_unpack(struct tmi_input *in, const struct tmi_field *field,
                     Perftools__Profiles__Profile **out)
{
    tmi_scratch_reset(&in->scratch);
    int err = tmi_input_check_size(in, field);
    if (err != 0) {
        return err;
    }
    *out = perftools__profiles__profile__unpack(&in->scratch.allocator, field->bytes,
                                                in->bytes + field->start);
    if (*out == NULL && in->scratch.failed) {
        return tmi_input_no_memory(in);
    }
    return *out == NULL ? tmi_input_damaged(in, "malformed message") : 0;
}

int tmi_input_add_string(struct tmi_input *in, const struct tmi_field *field)
{
    void *grown = tmi_input_widen(in, in->strings, sizeof *in->strings, in->string_count,
                                  &in->string_room);
    if (field->type != TMI_WIRE_LENGTH_DELIMITED) {
        return tmi_input_damaged(in, "malformed string");
    }
    if (grown == NULL) {
        return tmi_input_no_memory(in);
    }
    in->strings = grown;
    in->strings[in->string_count++] =
        (struct tmi_string){.bytes = in->bytes + field->content,
                            .len = field->start + field->bytes - field->content};
    return 0;
}

int tmi_input_walk(struct tmi_input *in, tmi_input_take *take, void *context)
{
    struct tmi_wire wire = {.bytes = in->bytes, .len = in->len};
    struct tmi_field field;
    for (;;) {
        in->at = wire.at;
        int more = tmi_wire_next(&wire, &field);
        if (more < 0) {
            return tmi_input_damaged(in, "no protobuf field, or one that is cut off");
        }
        if (more == 0) {
            return 0;
        }
        int err = take(context, &field);
        err = err != 0 ? err : check_budget(in);
        if (err != 0) {
            return err;
        }
    }
}

int tmi_input_begin(struct tmi_input *in, const char *path, struct tm_snapshot *s,
                    struct tmi_error *error)
{
    *in = (struct tmi_input){.s = s, .error = error, .budget = tmi_fetch_budget(path)};
    if (tmi_scratch_begin(&in->scratch, &in->arena) != 0) {
        return tmi_input_no_memory(in);
    }
    int err = tmi_fetch(path, in->budget, &in->arena, &in->bytes, &in->len, error);
    if (err == 0 && in->len == 0) {
        err = tmi_pprof_fail(error, -EBADMSG, "the file is empty");
    }
    return err;
}

void tmi_input_end(struct tmi_input *in)
{
    tmi_scratch_reset(&in->scratch);
    tmi_arena_release(&in->arena);
}
