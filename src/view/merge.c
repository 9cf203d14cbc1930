/* SPDX-License-Identifier: MIT */
/*
 * Trace by trace: its locations as those of the result (merge_place.c), its domain as one
 * of the result's, and then the trace that is the same, which grows, or a new one.
 *
 * Which number a domain will have is known only when all are known, as those without a
 * name keep theirs: until the end traces have the index of their domain instead.
 */
#include "view/merge.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/sys.h"
#include "view/merge_place.h"

/* ---- domains ----------------------------------------------------------------------- */

static int64_t add_domain(struct tmi_merge *m, tm_domain_t number, const char *name)
{
    if (m->domain_count == m->domain_room) {
        uint32_t room = m->domain_room == 0 ? 16 : 2 * m->domain_room;
        void *wider =
            tmi_arena_grow(&m->arena, m->domains, m->domain_room * sizeof *m->domains,
                           room * sizeof *m->domains);
        if (wider == NULL) {
            return -ENOMEM;
        }
        m->domains = wider;
        m->domain_room = room;
    }
    m->domains[m->domain_count] = (struct tmi_merge_domain){number, name};
    return m->domain_count++;
}

/* The index of a domain, known by its name (interned; NULL: none) or number. */
static int64_t find_domain(struct tmi_merge *m, tm_domain_t number, const char *name)
{
    /* The default domain is that of every process, whatever it is called. */
    bool by_name = name != NULL && number != 0;
    struct tmi_map *map = by_name ? &m->named : &m->numbered;
    uint64_t key = by_name ? (uintptr_t)name : number;
    int64_t known = tmi_map_get(map, key);
    if (known < 0) {
        known = add_domain(m, number, name);
        known = known < 0 ? known : tmi_map_put(map, key, (uint32_t)known);
    }
    if (known >= 0 && m->domains[known].name == NULL) {
        m->domains[known].name = name;
    }
    return known;
}

/* From the numbers of a source to indices: of all that have a name. */
static int number_named(struct tmi_merge *m, const struct tm_snapshot *s,
                        struct tmi_map *domains)
{
    for (uint32_t i = 0; i < s->domain_count; i++) {
        const char *name =
            tmi_snapshot_text(m->to, s->domains[i].name, strlen(s->domains[i].name));
        if (name == NULL) {
            return -ENOMEM;
        }
        int64_t known =
            find_domain(m, s->domains[i].domain, name[0] == '\0' ? NULL : name);
        if (known < 0 ||
            tmi_map_put(domains, s->domains[i].domain, (uint32_t)known) < 0) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int64_t domain_of(struct tmi_merge *m, struct tmi_map *domains, tm_domain_t number)
{
    int64_t known = tmi_map_get(domains, number);
    if (known < 0) {
        known = find_domain(m, number, NULL);
        known = known < 0 ? known : tmi_map_put(domains, number, (uint32_t)known);
    }
    return known;
}

/* Gives the domains with a name numbers of their own, their first ones if they are free.
 */
static int settle_domains(struct tmi_merge *m)
{
    tm_domain_t next = 1;
    for (uint32_t i = 0; i < m->domain_count; i++) {
        struct tmi_merge_domain *domain = &m->domains[i];
        if (domain->name == NULL) {
            continue;
        }
        int64_t holder =
            domain->number == 0 ? i : tmi_map_put(&m->numbered, domain->number, i);
        for (; holder >= 0 && holder != i; next++) {
            domain->number = next;
            holder = tmi_map_put(&m->numbered, next, i);
        }
        if (holder < 0 ||
            tmi_snapshot_add_domain(m->to, domain->number, domain->name) != 0) {
            return -ENOMEM;
        }
    }
    for (size_t i = 0; i < m->to->trace_count; i++) {
        m->to->traces[i].domain = m->domains[m->to->traces[i].domain].number;
    }
    return 0;
}

/* ---- traces ------------------------------------------------------------------------ */

static bool is_same(const struct tm_snapshot *s, int64_t i, const struct tmi_trace *trace,
                    const uint32_t *frames)
{
    const struct tmi_trace *known = &s->traces[i];
    const struct tm_traceback *tb = &known->traceback;
    return known->domain == trace->domain && tb->nframes == trace->traceback.nframes &&
           tb->total_nframe == trace->traceback.total_nframe &&
           memcmp(s->frames + tb->first_frame, frames, tb->nframes * sizeof *frames) == 0;
}

static uint64_t hash_trace(uint64_t seed, const struct tmi_trace *trace,
                           const uint32_t *frames)
{
    const struct tm_traceback *tb = &trace->traceback;
    uint64_t hash = tmi_hash_pair(seed, (uint64_t)trace->domain << 32 | tb->total_nframe);
    for (uint32_t i = 0; i < tb->nframes; i++) {
        hash = tmi_hash_pair(hash, frames[i]);
    }
    return hash;
}

/* `trace` has the domain's index, and its frames are in `frames`. */
static int put_trace(struct tmi_merge *m, const struct tmi_trace *trace,
                     const uint32_t *frames)
{
    struct tm_snapshot *to = m->to;
    uint64_t hash = hash_trace(m->seed, trace, frames);
    for (;; hash = tmi_hash_u64(hash + 1)) {
        int64_t known = tmi_map_get(&m->traces, hash);
        if (known >= 0 && !is_same(to, known, trace, frames)) {
            continue;
        }
        if (known >= 0) {
            for (int i = 0; i < TMI_VALUE_COUNT; i++) {
                tmi_add_up(&to->traces[known].values[i], trace->values[i]);
            }
            return 0;
        }
        if (to->trace_count >= UINT32_MAX ||
            tmi_map_put(&m->traces, hash, (uint32_t)to->trace_count) < 0) {
            return -ENOMEM;
        }
        return tmi_snapshot_add_trace(to, trace->domain, trace->values, frames,
                                      trace->traceback.nframes,
                                      trace->traceback.total_nframe);
    }
}

static int add_trace(struct tmi_merge *m, struct tmi_merge_source *source,
                     struct tmi_map *domains, size_t i, uint32_t *frames)
{
    struct tmi_trace trace = source->s->traces[i];
    const uint32_t *from = source->s->frames + trace.traceback.first_frame;
    for (uint32_t k = 0; k < trace.traceback.nframes; k++) {
        int64_t location = tmi_merge_place(m, source, from[k]);
        if (location < 0) {
            return (int)location;
        }
        frames[k] = (uint32_t)location;
    }
    int64_t domain = domain_of(m, domains, trace.domain);
    if (domain < 0) {
        return (int)domain;
    }
    trace.domain = (tm_domain_t)domain;
    return put_trace(m, &trace, frames);
}

static int add_traces(struct tmi_merge *m, struct tmi_merge_source *source)
{
    const struct tm_snapshot *s = source->s;
    uint32_t longest = 0;
    for (size_t i = 0; i < s->trace_count; i++) {
        uint32_t nframes = s->traces[i].traceback.nframes;
        longest = nframes > longest ? nframes : longest;
    }
    uint32_t *frames = tmi_arena_alloc(&source->arena, longest * sizeof *frames);
    struct tmi_map domains;
    tmi_map_init(&domains, &source->arena);
    int err = frames == NULL ? -ENOMEM : number_named(m, s, &domains);
    for (size_t i = 0; i < s->trace_count && err == 0; i++) {
        err = add_trace(m, source, &domains, i, frames);
    }
    return err;
}

/* ---- the whole --------------------------------------------------------------------- */

/* Adds a command to the list, unless it stands there or there is no more room. */
static int add_command(struct tmi_merge *m, const char *command)
{
    static const char BETWEEN[] = " + ";
    const char *text = tmi_snapshot_text(m->to, command, strlen(command));
    if (text == NULL) {
        return -ENOMEM;
    }
    bool known = text[0] == '\0' || tmi_map_get(&m->commands, (uintptr_t)text) >= 0;
    size_t used = strlen(m->command);
    size_t between = used == 0 ? 0 : sizeof BETWEEN - 1;
    size_t len = strlen(text);
    if (known || used + between + len >= sizeof m->command) {
        return 0;
    }
    memcpy(m->command + used, BETWEEN, between);
    memcpy(m->command + used + between, text, len + 1);
    return tmi_map_put(&m->commands, (uintptr_t)text, 0) < 0 ? -ENOMEM : 0;
}

static int add_about(struct tmi_merge *m, const struct tmi_snapshot_about *from)
{
    struct tmi_snapshot_about *to = &m->to->about;
    bool first = to->processes == 0;
    const char *kind = tmi_snapshot_text(m->to, from->kind, strlen(from->kind));
    if (kind == NULL) {
        return -ENOMEM;
    }
    to->kind = first || to->kind == kind ? kind : tmi_snapshot_text(m->to, "", 0);
    to->pid = first ? from->pid : 0;
    uint64_t processes =
        (uint64_t)to->processes + (from->processes == 0 ? 1 : from->processes);
    to->processes = processes < INT32_MAX ? (uint32_t)processes : INT32_MAX;
    if (from->traceback_limit > to->traceback_limit) {
        to->traceback_limit = from->traceback_limit;
    }
    if (to->time_nanos == 0 ||
        (from->time_nanos != 0 && from->time_nanos < to->time_nanos)) {
        to->time_nanos = from->time_nanos;
    }
    to->period = from->period > to->period ? from->period : to->period;
    tmi_add_up(&to->current, from->current);
    tmi_add_up(&to->peak, from->peak);
    tmi_add_up(&to->overhead, from->overhead);
    tmi_add_up(&to->by_libgcc, from->by_libgcc);
    tmi_add_up(&to->guessed, from->guessed);
    return add_command(m, from->command);
}

int tmi_merge_begin(struct tmi_merge *m)
{
    *m = (struct tmi_merge){.to = tmi_snapshot_create(0), .seed = tmi_sys_random()};
    if (m->to == NULL) {
        return -ENOMEM;
    }
    m->to->empty_is_name = true;
    tmi_map_init(&m->modules, &m->arena);
    tmi_map_init(&m->locations, &m->arena);
    tmi_map_init(&m->traces, &m->arena);
    tmi_map_init(&m->named, &m->arena);
    tmi_map_init(&m->numbered, &m->arena);
    tmi_map_init(&m->commands, &m->arena);
    return 0;
}

int tmi_merge_add(struct tmi_merge *m, const struct tm_snapshot *s)
{
    struct tmi_merge_source source = {.s = s};
    bool held = tmi_snapshot_hold_symbols(s);
    int err = tmi_merge_place_begin(&source);
    err = err != 0 ? err : add_about(m, &s->about);
    err = err != 0 ? err : add_traces(m, &source);
    if (held) {
        tmi_snapshot_release_symbols(s, false);
    }
    tmi_arena_release(&source.arena);
    return err;
}

struct tm_snapshot *tmi_merge_end(struct tmi_merge *m)
{
    struct tm_snapshot *to = m->to;
    int err = settle_domains(m);
    to->about.command = tmi_snapshot_text(to, m->command, strlen(m->command));
    if (err != 0 || to->about.command == NULL) {
        tmi_merge_abandon(m);
        return NULL;
    }
    if (to->about.traceback_limit == 0) {
        to->about.traceback_limit = 1;
    }
    tmi_snapshot_finish(to);
    tmi_arena_release(&m->arena);
    return to;
}

void tmi_merge_abandon(struct tmi_merge *m)
{
    tm_snapshot_free(m->to);
    tmi_arena_release(&m->arena);
}
