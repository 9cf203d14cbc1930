/* SPDX-License-Identifier: MIT */
/*
 * A file is one Profile message. It is never whole in memory: messages that are written
 * one after another merge, the repeated fields of the later ones being appended, so each
 * sample, location, function and mapping is packed as a Profile with just that in it.
 *
 *     head (types, comments, time) | mapping ... | function ... location ... | sample ...
 * | string table, which is complete only now
 *
 * Ids are positions plus one. Symbols are held still from the first location to the last:
 * another thread may be about to look them up. Values above 2^63 - 1 do not exist in the
 * format and are cut. An error is noticed once at the end; packing on is harmless.
 */
#include "pprof/dump.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "pprof/deflate.h"
#include "pprof/failure.h"
#include "pprof/names.h"
#include "pprof/newfile.h"
#include "profile.pb-c.h"
#include "view/frame.h"
#include "view/map.h"
#include "view/text.h"

#define COMMENTS_MOST 12
#define LABELS_MOST   3

typedef Perftools__Profiles__Profile Profile;
typedef Perftools__Profiles__ValueType ValueType;
typedef Perftools__Profiles__Mapping Mapping;
typedef Perftools__Profiles__Location Location;
typedef Perftools__Profiles__Line Line;
typedef Perftools__Profiles__Function Function;
typedef Perftools__Profiles__Sample Sample;
typedef Perftools__Profiles__Label Label;

static const struct {
    const char *type;
    const char *unit;
} COLUMNS[TMI_VALUE_COUNT] = {
    [TMI_INUSE_BLOCKS] = {"inuse_objects", "count"},
    [TMI_INUSE_BYTES] = {"inuse_space", "bytes"},
    [TMI_ALLOC_BLOCKS] = {"alloc_objects", "count"},
    [TMI_ALLOC_BYTES] = {"alloc_space", "bytes"},
    [TMI_TEMPORARY_BLOCKS] = {"temporary_objects", "count"},
};

struct dump {
    const struct tm_snapshot *s;
    struct tmi_arena arena;
    struct tmi_deflate out;
    struct tmi_names names;
    struct tmi_map functions; /* name << 32 | file -> position */
    struct tmi_map domains;   /* domain -> index of its name */
    uint32_t function_count;
    int error;
};

static void put(struct dump *d, const Profile *part)
{
    protobuf_c_message_pack_to_buffer(&part->base, &d->out.sink);
}

static int64_t to_int64(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

/* ---- head -------------------------------------------------------------------------- */

static int64_t number_comment(struct dump *d, const char *prefix, uint64_t value)
{
    char digits[24];
    struct tmi_text text = {.out = digits, .room = sizeof digits};
    tmi_text_add_number(&text, value);
    tmi_text_end(&text);
    return tmi_names_number2(&d->names, prefix, digits);
}

static size_t fill_comments(struct dump *d, int64_t comments[COMMENTS_MOST])
{
    const struct tmi_snapshot_about *about = &d->s->about;
    size_t n = 0;
    uint64_t limit = about->traceback_limit > 0 ? (uint64_t)about->traceback_limit : 1;
    comments[n++] = number_comment(d, "tmalloc.traceback_limit=", limit);
    if (about->kind[0] != '\0') {
        comments[n++] = tmi_names_number2(&d->names, "tmalloc.kind=", about->kind);
    }
    comments[n++] = number_comment(d, "tmalloc.current=", about->current);
    comments[n++] = number_comment(d, "tmalloc.peak=", about->peak);
    comments[n++] = number_comment(d, "tmalloc.overhead=", about->overhead);
    if (about->by_libgcc > 0) {
        comments[n++] = number_comment(d, "tmalloc.stacks_by_libgcc=", about->by_libgcc);
    }
    if (about->guessed > 0) {
        comments[n++] = number_comment(d, "tmalloc.stacks_guessed=", about->guessed);
    }
    if (about->pid > 0) {
        comments[n++] = number_comment(d, "tmalloc.pid=", (uint64_t)about->pid);
    }
    if (about->processes > 1) {
        comments[n++] = number_comment(d, "tmalloc.processes=", about->processes);
    }
    if (d->s->empty_is_name) {
        comments[n++] = number_comment(d, "tmalloc.empty_is_name=", 1);
    }
    if (about->command[0] != '\0') {
        comments[n++] = tmi_names_number2(&d->names, "tmalloc.command=", about->command);
    }
    return n;
}

static void put_head(struct dump *d)
{
    ValueType types[TMI_VALUE_COUNT];
    ValueType *list[TMI_VALUE_COUNT];
    for (int i = 0; i < TMI_VALUE_COUNT; i++) {
        types[i] = (ValueType)PERFTOOLS__PROFILES__VALUE_TYPE__INIT;
        types[i].type = tmi_names_number(&d->names, COLUMNS[i].type);
        types[i].unit = tmi_names_number(&d->names, COLUMNS[i].unit);
        list[i] = &types[i];
    }
    ValueType period_type = PERFTOOLS__PROFILES__VALUE_TYPE__INIT;
    int64_t comments[COMMENTS_MOST];
    Profile head = PERFTOOLS__PROFILES__PROFILE__INIT;
    head.n_sample_type = TMI_VALUE_COUNT;
    head.sample_type = list;
    head.default_sample_type = types[TMI_INUSE_BYTES].type;
    head.n_comment = fill_comments(d, comments);
    head.comment = comments;
    head.time_nanos = d->s->about.time_nanos;
    if (d->s->about.period != 0) {
        period_type.type = tmi_names_number(&d->names, "space");
        period_type.unit = types[TMI_INUSE_BYTES].unit;
        head.period_type = &period_type;
        head.period = to_int64(d->s->about.period);
    }
    put(d, &head);
}

/* ---- mappings ---------------------------------------------------------------------- */

/*
 * How many lines a location has to tell of. Where nothing was found out, the file leaves
 * that open: on the next machine the symbols may be there.
 */
static uint32_t known_lines(const struct tm_snapshot *s, uint32_t location)
{
    return tmi_frame_unknown(s, location) ? 0 : s->locations[location].nlines;
}

/* Tells readers what need not be looked up again: what some location of it already has.
 */
static void mark_known(const struct tm_snapshot *s, Mapping *mappings)
{
    for (uint32_t i = 0; i < s->location_count; i++) {
        const struct tmi_location *l = &s->locations[i];
        uint32_t n = l->module == TMI_NO_MODULE ? 0 : known_lines(s, i);
        for (uint32_t k = 0; k < n; k++) {
            const struct tmi_line *line = &s->lines[l->first_line + k];
            Mapping *m = &mappings[l->module];
            m->has_functions |= line->function[0] != '\0';
            m->has_filenames |= line->filename[0] != '\0';
            m->has_line_numbers |= line->lineno != 0;
            m->has_inline_frames |= k > 0;
        }
    }
}

static int64_t build_id_number(struct dump *d, const struct tmi_module *module)
{
    char *hex = tmi_arena_alloc(&d->arena, 2 * (size_t)module->build_id_bytes + 1);
    if (hex == NULL) {
        d->error = -ENOMEM;
        return 0;
    }
    for (uint32_t i = 0; i < module->build_id_bytes; i++) {
        hex[2 * i] = "0123456789abcdef"[module->build_id[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[module->build_id[i] & 15];
    }
    return tmi_names_number(&d->names, hex);
}

static void put_mappings(struct dump *d)
{
    const struct tm_snapshot *s = d->s;
    Mapping *mappings = tmi_arena_alloc(&d->arena, s->module_count * sizeof *mappings);
    if (mappings == NULL) {
        d->error = -ENOMEM;
        return;
    }
    for (uint32_t i = 0; i < s->module_count; i++) {
        const struct tmi_module *module = &s->modules[i];
        mappings[i] = (Mapping)PERFTOOLS__PROFILES__MAPPING__INIT;
        mappings[i].id = (uint64_t)i + 1;
        mappings[i].memory_start = module->start;
        mappings[i].memory_limit = module->limit;
        mappings[i].file_offset = module->offset;
        mappings[i].filename = tmi_names_number(&d->names, module->name);
        mappings[i].build_id = build_id_number(d, module);
    }
    mark_known(s, mappings);
    for (uint32_t i = 0; i < s->module_count; i++) {
        Mapping *one = &mappings[i];
        Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
        part.n_mapping = 1;
        part.mapping = &one;
        put(d, &part);
    }
}

/* ---- locations --------------------------------------------------------------------- */

/* The id of the function of a line; written when it is new. */
static uint64_t function_id(struct dump *d, const struct tmi_line *line)
{
    int64_t name = tmi_names_number(&d->names, line->function);
    int64_t file = tmi_names_number(&d->names, line->filename);
    int64_t position = tmi_map_put(&d->functions, (uint64_t)name << 32 | (uint64_t)file,
                                   d->function_count);
    if (position < 0) {
        d->error = -ENOMEM;
        return 0;
    }
    if (position == d->function_count) {
        d->function_count++;
        Function function = PERFTOOLS__PROFILES__FUNCTION__INIT;
        function.id = d->function_count;
        function.name = name;
        function.filename = file;
        Function *one = &function;
        Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
        part.n_function = 1;
        part.function = &one;
        put(d, &part);
    }
    return (uint64_t)position + 1;
}

/* The most lines that one location has. */
static uint32_t most_lines(const struct tm_snapshot *s)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < s->location_count; i++) {
        most = s->locations[i].nlines > most ? s->locations[i].nlines : most;
    }
    return most;
}

static void put_location(struct dump *d, uint32_t i, Line *lines, Line **list)
{
    const struct tmi_location *l = &d->s->locations[i];
    uint32_t n = known_lines(d->s, i);
    for (uint32_t k = 0; k < n; k++) {
        const struct tmi_line *line = &d->s->lines[l->first_line + k];
        lines[k] = (Line)PERFTOOLS__PROFILES__LINE__INIT;
        lines[k].function_id = function_id(d, line);
        lines[k].line = line->lineno;
        list[k] = &lines[k];
    }
    Location location = PERFTOOLS__PROFILES__LOCATION__INIT;
    location.id = (uint64_t)i + 1;
    location.mapping_id = l->module == TMI_NO_MODULE ? 0 : (uint64_t)l->module + 1;
    /* Of the call, not of the instruction after it: what readers look up is this. */
    location.address = l->address == 0 ? 0 : l->address - 1;
    location.n_line = n;
    location.line = list;
    Location *one = &location;
    Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
    part.n_location = 1;
    part.location = &one;
    put(d, &part);
}

static void put_locations(struct dump *d)
{
    uint32_t most = most_lines(d->s);
    Line *lines = tmi_arena_alloc(&d->arena, most * sizeof *lines);
    Line **list = tmi_arena_alloc(&d->arena, most * sizeof *list);
    if (lines == NULL || list == NULL) {
        d->error = -ENOMEM;
        return;
    }
    tmi_map_init(&d->functions, &d->arena);
    for (uint32_t i = 0; i < d->s->location_count; i++) {
        put_location(d, i, lines, list);
    }
}

/* ---- samples ----------------------------------------------------------------------- */

static void find_domains(struct dump *d)
{
    tmi_map_init(&d->domains, &d->arena);
    for (uint32_t i = 0; i < d->s->domain_count; i++) {
        if (tmi_map_put(&d->domains, d->s->domains[i].domain, i) < 0) {
            d->error = -ENOMEM;
        }
    }
}

/* 0 is what an absent label means, so domain 0 and an unknown total have none. */
static size_t fill_labels(struct dump *d, const struct tmi_trace *trace,
                          Label labels[LABELS_MOST])
{
    size_t n = 0;
    if (trace->domain != 0) {
        labels[n] = (Label)PERFTOOLS__PROFILES__LABEL__INIT;
        labels[n].key = tmi_names_number(&d->names, "domain");
        labels[n++].num = trace->domain;
    }
    int64_t known = tmi_map_get(&d->domains, trace->domain);
    if (known >= 0 && d->s->domains[known].name[0] != '\0') {
        labels[n] = (Label)PERFTOOLS__PROFILES__LABEL__INIT;
        labels[n].key = tmi_names_number(&d->names, "domain_name");
        labels[n++].str = tmi_names_number(&d->names, d->s->domains[known].name);
    }
    if (trace->traceback.total_nframe != 0) {
        labels[n] = (Label)PERFTOOLS__PROFILES__LABEL__INIT;
        labels[n].key = tmi_names_number(&d->names, "total_nframe");
        labels[n++].num = trace->traceback.total_nframe;
    }
    return n;
}

static void put_sample(struct dump *d, const struct tmi_trace *trace, uint64_t *ids)
{
    const struct tm_traceback *tb = &trace->traceback;
    for (uint32_t i = 0; i < tb->nframes; i++) {
        ids[i] = (uint64_t)d->s->frames[tb->first_frame + i] + 1;
    }
    int64_t values[TMI_VALUE_COUNT];
    for (int i = 0; i < TMI_VALUE_COUNT; i++) {
        values[i] = to_int64(trace->values[i]);
    }
    Label labels[LABELS_MOST];
    Label *list[LABELS_MOST] = {&labels[0], &labels[1], &labels[2]};
    Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT;
    sample.n_location_id = tb->nframes;
    sample.location_id = ids;
    sample.n_value = TMI_VALUE_COUNT;
    sample.value = values;
    sample.n_label = fill_labels(d, trace, labels);
    sample.label = list;
    Sample *one = &sample;
    Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
    part.n_sample = 1;
    part.sample = &one;
    put(d, &part);
}

static void put_samples(struct dump *d)
{
    const struct tm_snapshot *s = d->s;
    uint32_t most = 0;
    for (size_t i = 0; i < s->trace_count; i++) {
        uint32_t n = s->traces[i].traceback.nframes;
        most = n > most ? n : most;
    }
    uint64_t *ids = tmi_arena_alloc(&d->arena, most * sizeof *ids);
    if (ids == NULL) {
        d->error = -ENOMEM;
        return;
    }
    find_domains(d);
    for (size_t i = 0; i < s->trace_count && d->out.error == 0; i++) {
        put_sample(d, &s->traces[i], ids);
    }
}

/* ---- the whole --------------------------------------------------------------------- */

static void put_names(struct dump *d)
{
    Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
    part.n_string_table = d->names.count;
    part.string_table = d->names.list;
    put(d, &part);
}

static int write_profile(struct dump *d, int fd)
{
    d->error = tmi_names_begin(&d->names);
    if (d->error == 0) {
        d->error = tmi_deflate_begin(&d->out, &d->arena, fd);
    }
    if (d->error == 0) {
        put_head(d);
        bool held = tmi_snapshot_hold_symbols(d->s);
        put_mappings(d);
        put_locations(d);
        if (held) {
            tmi_snapshot_release_symbols(d->s, false);
        }
        put_samples(d);
        put_names(d);
        int err = tmi_deflate_end(&d->out);
        d->error = d->error != 0 ? d->error : err;
        d->error = d->names.error != 0 ? d->names.error : d->error;
    }
    tmi_names_end(&d->names);
    tmi_arena_release(&d->arena);
    return d->error;
}

int tmi_pprof_dump(const struct tm_snapshot *s, const char *path, struct tmi_error *error)
{
    struct tmi_newfile file;
    int err = tmi_newfile_create(&file, path, error);
    if (err != 0) {
        return err;
    }
    struct dump d = {.s = s};
    err = write_profile(&d, file.fd);
    if (err != 0) {
        tmi_newfile_abandon(&file);
        return tmi_pprof_fail(error, err, "cannot write: %s", strerrordesc_np(-err));
    }
    return tmi_newfile_commit(&file, error);
}
