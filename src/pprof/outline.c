/* SPDX-License-Identifier: MIT */
/*
 * The string table may be the last field of the file, so what refers to it is collected
 * as numbers and looked up when the walk is over. The fields taken here are few and
 * small; all others are passed over by their length.
 */
#include "pprof/outline.h"

#include <errno.h>
#include <string.h>

#include "pprof/comment.h"
#include "pprof/failure.h"

/* Numbers of Profile's fields. */
enum {
    SAMPLE_TYPE = 1,
    STRING_TABLE = 6,
    TIME_NANOS = 9,
    PERIOD_TYPE = 11,
    PERIOD = 12,
    COMMENT = 13,
    DEFAULT_SAMPLE_TYPE = 14
};

struct outline {
    struct tmi_input *in;
    struct tmi_columns *columns;
    int64_t *types; /* numbers of strings, as all here */
    size_t type_count, type_room;
    int64_t *comments;
    size_t comment_count, comment_room;
    int64_t default_type;
    int64_t period, period_unit;
};

static int append(struct outline *o, int64_t **list, size_t *count, size_t *room,
                  int64_t value)
{
    void *grown = tmi_input_widen(o->in, *list, sizeof **list, *count, room);
    if (grown == NULL) {
        return tmi_input_no_memory(o->in);
    }
    *list = grown;
    (*list)[(*count)++] = value;
    return 0;
}

static int take_field(void *context, const struct tmi_field *field)
{
    struct outline *o = context;
    Perftools__Profiles__Profile *p;
    switch (field->number) {
    case STRING_TABLE:
        return tmi_input_add_string(o->in, field);
    case SAMPLE_TYPE:
    case TIME_NANOS:
    case PERIOD_TYPE:
    case PERIOD:
    case COMMENT:
    case DEFAULT_SAMPLE_TYPE:
        break;
    default:
        return 0;
    }
    int err = tmi_input_unpack(o->in, field, &p);
    for (size_t i = 0; err == 0 && i < p->n_sample_type; i++) {
        err =
            append(o, &o->types, &o->type_count, &o->type_room, p->sample_type[i]->type);
    }
    for (size_t i = 0; err == 0 && i < p->n_comment; i++) {
        err = append(o, &o->comments, &o->comment_count, &o->comment_room, p->comment[i]);
    }
    if (err == 0 && field->number == TIME_NANOS) {
        o->in->s->about.time_nanos = p->time_nanos;
    }
    if (err == 0 && field->number == PERIOD_TYPE && p->period_type != NULL) {
        o->period_unit = p->period_type->unit;
    }
    if (err == 0 && field->number == PERIOD) {
        o->period = p->period;
    }
    if (err == 0 && field->number == DEFAULT_SAMPLE_TYPE) {
        o->default_type = p->default_sample_type;
    }
    return err;
}

static int choose_columns(struct outline *o)
{
    const char **names = tmi_arena_alloc(&o->in->arena, o->type_count * sizeof *names);
    const char *preferred;
    int err = names == NULL ? tmi_input_no_memory(o->in)
                            : tmi_input_text(o->in, o->default_type, &preferred);
    for (size_t i = 0; err == 0 && i < o->type_count; i++) {
        err = tmi_input_text(o->in, o->types[i], &names[i]);
    }
    if (err == 0) {
        tmi_columns_choose(o->columns, names, o->type_count, preferred);
    }
    return err;
}

/* Of a period that is not one of bytes nothing is kept, as of one that is no number. */
static int apply_period(struct outline *o)
{
    const char *unit;
    int err = tmi_input_text(o->in, o->period_unit, &unit);
    if (err == 0 && o->period > 0 && strcmp(unit, "bytes") == 0) {
        o->in->s->about.period = (uint64_t)o->period;
    }
    return err;
}

static int apply_comment(struct outline *o, int64_t index)
{
    const char *text;
    int err = tmi_input_text(o->in, index, &text);
    if (err != 0) {
        return err;
    }
    err = tmi_comment_apply(o->in->s, text);
    if (err == -EBADMSG) {
        tmi_input_point_at(o->in, index);
        return tmi_pprof_fail(o->in->error, err,
                              "byte %zu of the content: malformed comment: %.100s",
                              o->in->at, text);
    }
    return err == 0 ? 0 : tmi_input_no_memory(o->in);
}

/* What can be said when every field was seen once. */
static int settle(struct outline *o)
{
    const char *first;
    if (tmi_input_text(o->in, 0, &first) != 0 || first[0] != '\0') {
        return tmi_pprof_fail(o->in->error, -EBADMSG,
                              "no string table that begins with an empty string");
    }
    if (o->type_count == 0) {
        return tmi_pprof_fail(o->in->error, -EBADMSG, "no sample types");
    }
    int err = choose_columns(o);
    err = err != 0 ? err : apply_period(o);
    for (size_t i = 0; err == 0 && i < o->comment_count; i++) {
        err = apply_comment(o, o->comments[i]);
    }
    return err;
}

int tmi_outline_read(struct tmi_input *in, struct tmi_columns *columns)
{
    struct outline outline = {.in = in, .columns = columns};
    int err = tmi_input_walk(in, take_field, &outline);
    return err == 0 ? settle(&outline) : err;
}
