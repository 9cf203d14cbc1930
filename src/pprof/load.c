/* SPDX-License-Identifier: MIT */
/*
 * A profile's fields come in any order and refer to each other by id, so the content is
 * walked several times, each time for fields that need only earlier ones:
 *
 *     outline    strings, sample types, comments, time (outline.c)
 *     tables     mappings and functions         -> modules
 *     locations  id -> mapping, lines           -> locations, lines
 *     samples    ids -> locations; labels       -> traces
 *
 * Nothing is believed: every id, index and number is checked; a wrong one ends the
 * reading with the offset of its field in the uncompressed content. Ids are any 64-bit
 * numbers and are found through maps. Values may add up to anything: whoever sums them
 * stops at the largest number.
 *
 * Addresses: pprof's is that of the call, ours that of the instruction after it, so 1 is
 * added, whoever wrote the file. A sample without location gets an unknown one.
 */
#include "pprof/load.h"

#include <errno.h>
#include <string.h>

#include "pprof/columns.h"
#include "pprof/failure.h"
#include "pprof/ids.h"
#include "pprof/input.h"
#include "pprof/outline.h"
#include "pprof/wire_sample.h"
#include "profile.pb-c.h"
#include "view/map.h"

#define TOTAL_NFRAME_MOST 65535

typedef Perftools__Profiles__Profile Profile;
typedef Perftools__Profiles__Mapping Mapping;
typedef Perftools__Profiles__Location Location;
typedef Perftools__Profiles__Function Function;

/* Numbers of Profile's fields. */
enum { SAMPLE = 2, MAPPING = 3, LOCATION = 4, FUNCTION = 5 };

struct function {
    const char *name;
    const char *filename;
};

struct load {
    struct tmi_input in;
    struct tm_snapshot *s;
    struct function *functions;
    size_t function_count, function_room;
    struct tmi_ids function_ids, mapping_ids, location_ids;
    struct tmi_map domains;
    struct tmi_wire_sample sample; /* the one in work */
    struct tmi_columns columns;
    uint32_t *frames; /* of one sample */
    size_t frame_room;
    int64_t unknown_location; /* -1 until needed */
    struct {
        const char *domain, *domain_name, *total_nframe;
    } keys;
};

/* Gives an id its position; ids are unique and not 0. */
static int learn_id(struct load *l, struct tmi_ids *ids, uint64_t id, uint32_t position)
{
    if (id == 0) {
        return tmi_input_damaged(&l->in, "id 0");
    }
    if (tmi_ids_get(ids, id) >= 0) {
        return tmi_input_damaged_number(&l->in, "second use of id", id);
    }
    return tmi_ids_put(ids, id, position) < 0 ? tmi_input_no_memory(&l->in) : 0;
}

/* ---- tables ------------------------------------------------------------------------ */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Build ids that are no hexadecimal bytes (Go writes such) are not kept. */
static int read_build_id(struct load *l, const char *hex, struct tmi_module *module)
{
    size_t digits = strlen(hex);
    uint8_t *bytes = tmi_arena_alloc(&l->in.arena, digits / 2 + 1);
    if (bytes == NULL) {
        return tmi_input_no_memory(&l->in);
    }
    if (digits % 2 != 0 || digits / 2 > UINT32_MAX) {
        return 0;
    }
    for (size_t i = 0; i < digits / 2; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return 0;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    module->build_id = bytes;
    module->build_id_bytes = (uint32_t)(digits / 2);
    return 0;
}

static int take_mapping(struct load *l, const Mapping *mapping)
{
    struct tmi_module module = {.start = mapping->memory_start,
                                .limit = mapping->memory_limit,
                                .offset = mapping->file_offset};
    const char *build_id = "";
    int err = learn_id(l, &l->mapping_ids, mapping->id, l->s->module_count);
    err = err != 0 ? err : tmi_input_text(&l->in, mapping->filename, &module.name);
    err = err != 0 ? err : tmi_input_text(&l->in, mapping->build_id, &build_id);
    if (err == 0 && module.start > module.limit) {
        err = tmi_input_damaged(&l->in, "a mapping that ends before it begins");
    }
    err = err != 0 ? err : read_build_id(l, build_id, &module);
    if (err == 0 && tmi_snapshot_add_module(l->s, &module) < 0) {
        err = tmi_input_no_memory(&l->in);
    }
    return err;
}

static int take_function(struct load *l, const Function *function)
{
    void *grown = tmi_input_widen(&l->in, l->functions, sizeof *l->functions,
                                  l->function_count, &l->function_room);
    if (grown == NULL || l->function_count >= UINT32_MAX) {
        return tmi_input_no_memory(&l->in);
    }
    l->functions = grown;
    struct function *to = &l->functions[l->function_count];
    int err = learn_id(l, &l->function_ids, function->id, (uint32_t)l->function_count);
    err = err != 0 ? err : tmi_input_text(&l->in, function->name, &to->name);
    if (err == 0 && to->name[0] == '\0') {
        err = tmi_input_text(&l->in, function->system_name, &to->name);
    }
    err = err != 0 ? err : tmi_input_text(&l->in, function->filename, &to->filename);
    l->function_count += err == 0;
    return err;
}

static int take_tables(void *context, const struct tmi_field *field)
{
    struct load *l = context;
    Profile *p;
    if (field->number != MAPPING && field->number != FUNCTION) {
        return 0;
    }
    int err = tmi_input_unpack(&l->in, field, &p);
    for (size_t i = 0; err == 0 && i < p->n_mapping; i++) {
        err = take_mapping(l, p->mapping[i]);
    }
    for (size_t i = 0; err == 0 && i < p->n_function; i++) {
        err = take_function(l, p->function[i]);
    }
    return err;
}

/* ---- locations --------------------------------------------------------------------- */

static int take_lines(struct load *l, const Location *from, uint32_t location)
{
    struct tmi_line *lines =
        l->in.scratch.allocator.alloc(&l->in.scratch, from->n_line * sizeof *lines);
    if (lines == NULL) {
        return tmi_input_no_memory(&l->in);
    }
    for (size_t i = 0; i < from->n_line; i++) {
        int64_t lineno = from->line[i]->line;
        uint64_t id = from->line[i]->function_id;
        int64_t function = id == 0 ? 0 : tmi_ids_get(&l->function_ids, id);
        if (function < 0) {
            return tmi_input_damaged_number(&l->in, "no such function id:", id);
        }
        if (lineno < 0 || lineno > UINT32_MAX) {
            return tmi_input_damaged_number(&l->in, "impossible line", (uint64_t)lineno);
        }
        struct function none = {"", ""};
        const struct function *f = id == 0 ? &none : &l->functions[function];
        lines[i] = (struct tmi_line){f->filename, f->name, (uint32_t)lineno};
    }
    int err = tmi_snapshot_set_lines(l->s, location, lines, (uint32_t)from->n_line);
    return err == 0 ? 0 : tmi_input_no_memory(&l->in);
}

static int take_location(struct load *l, const Location *from)
{
    int64_t module = TMI_NO_MODULE;
    if (from->mapping_id != 0) {
        module = tmi_ids_get(&l->mapping_ids, from->mapping_id);
    }
    if (module < 0) {
        return tmi_input_damaged_number(&l->in, "no such mapping id:", from->mapping_id);
    }
    bool has_next = from->address != 0 && from->address != UINT64_MAX;
    uint64_t address = has_next ? from->address + 1 : from->address;
    int err = learn_id(l, &l->location_ids, from->id, l->s->location_count);
    if (err != 0) {
        return err;
    }
    int64_t location = tmi_snapshot_add_location(l->s, address, (uint32_t)module);
    return location < 0 ? tmi_input_no_memory(&l->in)
                        : take_lines(l, from, (uint32_t)location);
}

static int take_locations(void *context, const struct tmi_field *field)
{
    struct load *l = context;
    Profile *p;
    if (field->number != LOCATION) {
        return 0;
    }
    int err = tmi_input_unpack(&l->in, field, &p);
    for (size_t i = 0; err == 0 && i < p->n_location; i++) {
        err = take_location(l, p->location[i]);
    }
    return err;
}

/* ---- samples ----------------------------------------------------------------------- */

struct labels {
    tm_domain_t domain;
    uint32_t total_nframe;
    const char *domain_name; /* NULL when there is none */
};

static int take_label(struct load *l, const struct tmi_wire_label *from,
                      struct labels *labels)
{
    const char *key;
    int err = tmi_input_text(&l->in, from->key, &key);
    if (err != 0) {
        return err;
    }
    if (key == l->keys.domain_name) {
        return tmi_input_text(&l->in, from->str, &labels->domain_name);
    }
    if (key == l->keys.domain && from->str == 0) {
        if (from->num < 0 || from->num > UINT32_MAX) {
            return tmi_input_damaged_number(&l->in, "impossible domain",
                                            (uint64_t)from->num);
        }
        labels->domain = (tm_domain_t)from->num;
    } else if (key == l->keys.total_nframe && from->str == 0) {
        if (from->num < 0 || from->num > TOTAL_NFRAME_MOST) {
            return tmi_input_damaged_number(&l->in, "impossible total_nframe",
                                            (uint64_t)from->num);
        }
        labels->total_nframe = (uint32_t)from->num;
    }
    return 0;
}

static int take_labels(struct load *l, const struct tmi_wire_sample *from,
                       struct labels *labels)
{
    int err = 0;
    for (size_t i = 0; err == 0 && i < from->label_count; i++) {
        err = take_label(l, &from->labels[i], labels);
    }
    if (err != 0 || labels->domain_name == NULL || labels->domain_name[0] == '\0') {
        return err;
    }
    /* The first name that a domain has is the one that is kept. */
    uint32_t next = l->s->domain_count;
    int64_t position = tmi_map_put(&l->domains, labels->domain, next);
    if (position == next) {
        err = tmi_snapshot_add_domain(l->s, labels->domain, labels->domain_name);
    }
    return position < 0 || err != 0 ? tmi_input_no_memory(&l->in) : 0;
}

static int take_values(struct load *l, const struct tmi_wire_sample *from,
                       uint64_t values[TMI_VALUE_COUNT])
{
    if (from->value_count != l->columns.types) {
        return tmi_input_damaged_number(
            &l->in, "a sample with a wrong number of values:", from->value_count);
    }
    for (size_t i = 0; i < from->value_count; i++) {
        if (from->values[i] > INT64_MAX) {
            return tmi_input_damaged(
                &l->in, "a negative value, as in a difference of two profiles");
        }
    }
    tmi_columns_pick(&l->columns, from->values, values);
    return 0;
}

/* The one location of a sample that has none. */
static int use_unknown(struct load *l)
{
    if (l->unknown_location < 0) {
        l->unknown_location = tmi_snapshot_add_location(l->s, 0, TMI_NO_MODULE);
    }
    if (l->unknown_location < 0) {
        return tmi_input_no_memory(&l->in);
    }
    l->frames[0] = (uint32_t)l->unknown_location;
    return 0;
}

static int take_frames(struct load *l, const struct tmi_wire_sample *from,
                       uint32_t *count)
{
    size_t n = from->id_count;
    while (n >= l->frame_room) {
        void *grown = tmi_input_widen(&l->in, l->frames, sizeof *l->frames, l->frame_room,
                                      &l->frame_room);
        if (grown == NULL) {
            return tmi_input_no_memory(&l->in);
        }
        l->frames = grown;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t location = tmi_ids_get(&l->location_ids, from->ids[i]);
        if (location < 0) {
            return tmi_input_damaged_number(&l->in, "no such location id:", from->ids[i]);
        }
        l->frames[i] = (uint32_t)location;
    }
    *count = n == 0 ? 1 : (uint32_t)n;
    return n == 0 ? use_unknown(l) : 0;
}

static int take_sample(struct load *l, const struct tmi_wire_sample *from)
{
    struct labels labels = {0};
    uint64_t values[TMI_VALUE_COUNT];
    uint32_t n = 0;
    int err = take_values(l, from, values);
    err = err != 0 ? err : take_labels(l, from, &labels);
    err = err != 0 ? err : take_frames(l, from, &n);
    if (err == 0 && labels.total_nframe != 0 && labels.total_nframe < n) {
        err = tmi_input_damaged_number(&l->in, "more frames than the total_nframe",
                                       labels.total_nframe);
    }
    if (err == 0 && tmi_snapshot_add_trace(l->s, labels.domain, values, l->frames, n,
                                           labels.total_nframe) != 0) {
        err = tmi_input_no_memory(&l->in);
    }
    return err;
}

static int take_samples(void *context, const struct tmi_field *field)
{
    struct load *l = context;
    if (field->number != SAMPLE) {
        return 0;
    }
    int err = tmi_wire_sample_read(&l->sample, &l->in, field);
    return err == 0 ? take_sample(l, &l->sample) : err;
}

/* ---- the whole --------------------------------------------------------------------- */

static int begin(struct load *l)
{
    struct tm_snapshot *s = l->s;
    l->keys.domain = tmi_snapshot_text(s, "domain", strlen("domain"));
    l->keys.domain_name = tmi_snapshot_text(s, "domain_name", strlen("domain_name"));
    l->keys.total_nframe = tmi_snapshot_text(s, "total_nframe", strlen("total_nframe"));
    l->unknown_location = -1;
    tmi_ids_init(&l->function_ids, &l->in.arena);
    tmi_ids_init(&l->mapping_ids, &l->in.arena);
    tmi_ids_init(&l->location_ids, &l->in.arena);
    tmi_map_init(&l->domains, &l->in.arena);
    if (l->keys.domain == NULL || l->keys.domain_name == NULL ||
        l->keys.total_nframe == NULL) {
        return tmi_input_no_memory(&l->in);
    }
    return 0;
}

/* A file that does not tell its limit had at least that of its longest traceback. */
static void guess_limit(struct tm_snapshot *s)
{
    uint32_t longest = 1;
    for (size_t i = 0; i < s->trace_count; i++) {
        uint32_t n = s->traces[i].traceback.nframes;
        longest = n > longest ? n : longest;
    }
    if (s->about.traceback_limit == 0) {
        s->about.traceback_limit = (int)longest;
    }
}

static int read_profile(struct load *l)
{
    int err = begin(l);
    err = err != 0 ? err : tmi_outline_read(&l->in, &l->columns);
    err = err != 0 ? err : tmi_input_walk(&l->in, take_tables, l);
    err = err != 0 ? err : tmi_input_walk(&l->in, take_locations, l);
    return err != 0 ? err : tmi_input_walk(&l->in, take_samples, l);
}

int tmi_pprof_load(const char *path, struct tm_snapshot **out, struct tmi_error *error)
{
    *out = NULL;
    struct load l = {.s = tmi_snapshot_create(0)};
    if (l.s == NULL) {
        return tmi_pprof_fail(error, -ENOMEM, "not enough memory");
    }
    int err = tmi_input_begin(&l.in, path, l.s, error);
    err = err != 0 ? err : read_profile(&l);
    tmi_input_end(&l.in);
    if (err != 0) {
        tm_snapshot_free(l.s);
        return err;
    }
    guess_limit(l.s);
    tmi_snapshot_finish(l.s);
    *out = l.s;
    return 0;
}
