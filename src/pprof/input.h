/* SPDX-License-Identifier: MIT */
/*
 * The content of a profile while it is being read: its fields one after another, its
 * strings, and the words for what is wrong with them. Everything lies in one arena,
 * except what goes into the snapshot; both together are held against the budget of
 * fetch.h.
 */
#ifndef TMI_PPROF_INPUT_H
#define TMI_PPROF_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "pprof/scratch.h"
#include "pprof/wire.h"
#include "profile.pb-c.h"
#include "view/service.h"
#include "view/snapshot.h"

struct tmi_input {
    struct tm_snapshot *s; /* what is being built; strings go there */
    struct tmi_arena arena;
    struct tmi_scratch scratch;
    struct tmi_error *error;
    uint8_t *bytes;
    size_t len, budget;
    size_t at; /* the field in work; messages name it */
    struct tmi_string *strings;
    size_t string_count, string_room;
};

/* Reads the file. 0 or a negative errno. The end is due in any case. */
int tmi_input_begin(struct tmi_input *in, const char *path, struct tm_snapshot *s,
                    struct tmi_error *error);
void tmi_input_end(struct tmi_input *in);

/* Calls `take` for every field in turn, until one returns an error; that or 0. */
typedef int tmi_input_take(void *context, const struct tmi_field *field);
int tmi_input_walk(struct tmi_input *in, tmi_input_take *take, void *context);

/* 0, or the error of a message that is larger than any sound one. */
int tmi_input_check_size(struct tmi_input *in, const struct tmi_field *field);

/* One field as a Profile with just that in it, which lives until the next one. */
int tmi_input_unpack(struct tmi_input *in, const struct tmi_field *field,
                     Perftools__Profiles__Profile **out);

/* Makes a field the next string of the table. */
int tmi_input_add_string(struct tmi_input *in, const struct tmi_field *field);

/* The snapshot's copy of a string of the table. */
int tmi_input_text(struct tmi_input *in, int64_t index, const char **out);

/* Makes messages name the place of a string, of which there is the text. */
void tmi_input_point_at(struct tmi_input *in, int64_t index);

/* `column` with room for one more item, perhaps moved; NULL without memory. */
void *tmi_input_widen(struct tmi_input *in, void *column, size_t item_bytes, size_t count,
                      size_t *room);

/* These put a line into the error and return -ENOMEM or -EBADMSG. */
int tmi_input_no_memory(struct tmi_input *in);
int tmi_input_damaged(struct tmi_input *in, const char *what);
int tmi_input_damaged_number(struct tmi_input *in, const char *what, uint64_t number);

#endif
