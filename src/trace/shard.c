/* SPDX-License-Identifier: MIT */
/*
 * See trace/shard.h. Chunks are cut from pages mapped in growing pieces; those of an
 * epoch that is over, and copies for a cut that is over, go to a free list and are used
 * again. Directory and rows that became too short are left mapped, because a reader may
 * be in them: all of them together are no larger than the last ones.
 */
#include "trace/shard.h"

#include <string.h>

#include "base/sys.h"
#include "heap/block.h"
#include "trace/domain.h"
#include "trace/memory.h"
#include "trace/peak.h"
#include "trace/split.h"

#define FIRST_ROWS       64u
#define ROOM_BYTES       ((size_t)32 << 10)
#define CHUNK_BYTES      (TMI_SHARD_CHUNK * sizeof(struct tmi_cell))
#define FIRST_STACK_ROOM 512u

uint32_t tmi_shard_generation;

_Static_assert(offsetof(struct tmi_shard, by_caller) == TMI_CACHE_LINE, "one hot line");

/* What is kept of a chunk that did not exist, and of one for which there was no memory.
 */
static const struct tmi_cell nothing_yet[TMI_SHARD_CHUNK];
static const struct tmi_cell not_kept[1];

struct tmi_shard *tmi_shard_new(void)
{
    struct tmi_shard *shard = tmi_memory_map(sizeof *shard);
    if (shard != NULL) {
        tmi_laststack_init(&shard->last);
        shard->age = 1;
    }
    return shard;
}

static void free_chunk(struct tmi_shard *shard, struct tmi_cell *chunk)
{
    *(void **)chunk = shard->free_chunks;
    shard->free_chunks = chunk;
}

/* Its content is anything. Of what is mapped anew, the bound may forbid it. */
static struct tmi_cell *new_chunk(struct tmi_shard *shard, bool granted)
{
    void *chunk = shard->free_chunks;
    if (chunk != NULL) {
        shard->free_chunks = *(void **)chunk;
        return chunk;
    }
    if (shard->room_bytes < CHUNK_BYTES) {
        if (!granted && !tmi_memory_allows(ROOM_BYTES)) {
            return NULL;
        }
        shard->room = tmi_memory_map(ROOM_BYTES);
        shard->room_bytes = shard->room == NULL ? 0 : ROOM_BYTES;
        if (shard->room != NULL && shard->rooms++ != 0) { /* it will fill this one, too */
            tmi_sys_touch(shard->room, ROOM_BYTES);
        }
    }
    if (shard->room != NULL) {
        chunk = shard->room;
        shard->room += CHUNK_BYTES;
        shard->room_bytes -= CHUNK_BYTES;
    }
    return chunk;
}

/* Whatever is kept for a cut is free again, and the shard past that of number `number`.
 */
static void pass(struct tmi_shard *shard, enum tmi_cut cut, uint64_t number)
{
    if (shard->past[cut] != 0) {
        tmi_store_relaxed(&shard->past[cut], 0);
        tmi_release_fence();
        for (uint32_t i = 0; i < shard->rows_len; i++) {
            const struct tmi_cell *kept = shard->rows[i].kept[cut];
            if (kept != NULL) {
                tmi_store_relaxed(&shard->rows[i].kept[cut], NULL);
                if (kept != nothing_yet && kept != not_kept) {
                    free_chunk(shard, (struct tmi_cell *)kept);
                }
            }
        }
    }
    tmi_store_release(&shard->past[cut], number);
}

/* While a program grows, all is forgotten after every few that were learned: not all is
 * emptied then. */
static void forget_taught(struct tmi_quick_site *sites, size_t bytes, uint64_t *taught)
{
    for (; *taught != 0; *taught &= *taught - 1) {
        size_t part = (size_t)__builtin_ctzll(*taught);
        memset((char *)sites + bytes / 64 * part, 0, bytes / 64);
    }
}

static void forget_quick(struct tmi_shard *shard)
{
    forget_taught(shard->by_caller, sizeof shard->by_caller, &shard->callers_taught);
    forget_taught(shard->by_tag, sizeof shard->by_tag, &shard->tags_taught);
    shard->rest_cell = NULL;
    if (++shard->age > TMI_QUICK_AGE_MOST) { /* notes of the ages to come are void */
        shard->age = 1;
        tmi_laststack_forget(&shard->last);
    }
}

void tmi_shard_look_for_unloads(struct tmi_shard *shard)
{
    uint32_t present = tmi_load_relaxed(&tmi_shard_generation);
    if (TMI_LIKELY(shard->generation == present)) {
        return;
    }
    memset(shard->known, 0, sizeof shard->known);
    if (shard->split != NULL) {
        memset(shard->split->known, 0, sizeof shard->split->known);
    }
    tmi_laststack_drop(&shard->last);
    shard->generation = present;
}

/* A cut whose number is not yet the turn's is one that others cannot know of. */
void tmi_shard_look(struct tmi_shard *shard, uint64_t turn)
{
    bool any = false;
    if (turn == shard->looked) {
        return;
    }
    tmi_shard_look_for_unloads(shard);
    for (int i = 0; i < TMI_CUT_COUNT; i++) {
        uint64_t number = tmi_cut_number((enum tmi_cut)i);
        if (number != shard->past[i] && number <= turn) {
            pass(shard, (enum tmi_cut)i, number);
            any = any || number != 0;
        }
    }
    if (any && shard->directory != NULL) {
        memset(shard->directory, 0, shard->directory_len * sizeof *shard->directory);
    }
    forget_quick(shard);
    shard->turn = shard->turn == shard->looked ? turn : 0;
    shard->looked = turn;
    tmi_shard_flush(shard); /* the peak's limit may be another one now */
}

void tmi_shard_begin(struct tmi_shard *shard, tmi_stamp stamp, int64_t lease)
{
    tmi_store_relaxed(&shard->net, 0);
    shard->high = 0;
    shard->turn = 0;
    shard->looked = 0; /* it has to look */
    shard->trigger = tmi_peak_limit();
    for (int i = 0; i < TMI_CUT_COUNT; i++) {
        pass(shard, (enum tmi_cut)i, 0);
    }
    for (uint32_t i = 0; i < shard->rows_len; i++) {
        if (shard->rows[i].live != NULL) {
            free_chunk(shard, shard->rows[i].live);
            tmi_store_relaxed(&shard->rows[i].live, NULL);
        }
        shard->directory[i] = NULL;
    }
    memset(shard->known, 0, sizeof shard->known);
    forget_quick(shard); /* whose cells are in the chunks that are free now */
    shard->latest = NULL;
    shard->lease = lease;
    if (shard->split != NULL) {
        tmi_split_begin(shard);
    }
    tmi_store_release(&shard->stamp, stamp); /* readers: the counts are of this epoch */
}

/* Without a split all is domain 0's. Returns the process's bytes. */
static int64_t flush_whole(struct tmi_shard *shard)
{
    int64_t net = shard->net;
    int64_t high = shard->high;
    uint32_t epoch = tmi_stamp_epoch(shard->stamp);
    tmi_store_relaxed(&shard->net, 0);
    shard->high = 0;
    tmi_totals_flush(tmi_domain_totals(0), epoch, net, high);
    return tmi_totals_flush(&tmi_process_totals, epoch, net, high);
}

void tmi_shard_flush(struct tmi_shard *shard)
{
    int64_t current = shard->split == NULL ? flush_whole(shard) : tmi_split_flush(shard);
    shard->trigger = tmi_peak_limit() - current;
}

/* The trigger is from the latest flush: others may have freed since. */
TMI_COLD void tmi_shard_turns_down(struct tmi_shard *shard)
{
    tmi_shard_flush(shard);
    if (shard->trigger < 0) {
        tmi_peak_turned_down(shard);
    }
}

static bool grow_rows(struct tmi_shard *shard, uint32_t chunk, bool granted)
{
    uint32_t len = shard->rows_len == 0 ? FIRST_ROWS : shard->rows_len;
    while (len <= chunk) {
        len *= 2;
    }
    if (!granted &&
        !tmi_memory_allows(len * (sizeof *shard->directory + sizeof *shard->rows))) {
        return false;
    }
    struct tmi_cell **directory = tmi_memory_map(len * sizeof *directory);
    struct tmi_row *rows = tmi_memory_map(len * sizeof *rows);
    if (directory == NULL || rows == NULL) {
        if (directory != NULL) {
            tmi_memory_unmap(directory, len * sizeof *directory);
        }
        if (rows != NULL) {
            tmi_memory_unmap(rows, len * sizeof *rows);
        }
        return false;
    }
    if (shard->rows_len != 0) {
        memcpy(directory, shard->directory, shard->rows_len * sizeof *directory);
        memcpy(rows, shard->rows, shard->rows_len * sizeof *rows);
        tmi_memory_unmap(shard->directory, shard->rows_len * sizeof *directory);
    }
    shard->directory = directory;
    shard->directory_len = len;
    tmi_store_release(&shard->rows, rows);
    tmi_store_release(&shard->rows_len, len); /* never longer than the rows */
    return true;
}

/* Keep a row for the cuts that the shard is past and that somebody may still read. */
static void keep(struct tmi_shard *shard, struct tmi_row *row)
{
    for (int i = 0; i < TMI_CUT_COUNT; i++) {
        uint64_t number = shard->past[i];
        if (number == 0 || row->kept[i] != NULL ||
            number != tmi_cut_number((enum tmi_cut)i)) {
            continue;
        }
        const struct tmi_cell *kept = nothing_yet;
        if (row->live != NULL) {
            struct tmi_cell *copy = new_chunk(shard, false);
            kept = copy == NULL ? not_kept : memcpy(copy, row->live, CHUNK_BYTES);
        }
        tmi_store_release(&row->kept[i], kept);
    }
}

static void begin_chunk(struct tmi_cell *cells, uint32_t first)
{
    memset(cells, 0, CHUNK_BYTES);
    for (uint32_t i = 0; i < TMI_SHARD_CHUNK; i++) {
        cells[i].tag = tmi_block_tag_of(first + i);
    }
}

static struct tmi_cell *new_cell(struct tmi_shard *shard, uint32_t id, bool granted)
{
    uint32_t at = id - tmi_stamp_first(shard->stamp);
    uint32_t chunk = at / TMI_SHARD_CHUNK;
    if (chunk >= shard->rows_len && !grow_rows(shard, chunk, granted)) {
        return NULL;
    }
    struct tmi_row *row = &shard->rows[chunk];
    struct tmi_cell *live = row->live;
    if (live == NULL) {
        live = new_chunk(shard, granted);
        if (live == NULL) {
            return NULL;
        }
        begin_chunk(live, id - at % TMI_SHARD_CHUNK);
    }
    keep(shard, row);
    tmi_release_fence(); /* pairs with the acquire in copy_row() */
    tmi_store_release(&row->live, live);
    shard->directory[chunk] = live;
    return &live[at % TMI_SHARD_CHUNK];
}

TMI_COLD struct tmi_cell *tmi_shard_new_cell(struct tmi_shard *shard, uint32_t id)
{
    return new_cell(shard, id, false);
}

struct tmi_cell *tmi_shard_grant_cell(struct tmi_shard *shard, uint32_t id)
{
    return new_cell(shard, id, true);
}

/* What is kept of a chunk for a cut; NULL: it has not changed since. */
static const struct tmi_cell *kept_of(struct tmi_shard *shard, enum tmi_cut cut,
                                      uint32_t chunk)
{
    const struct tmi_cell *kept = NULL;
    if (tmi_load_acquire(&shard->past[cut]) == tmi_cut_number(cut) &&
        chunk < tmi_load_acquire(&shard->rows_len)) {
        struct tmi_row *rows = tmi_load_acquire(&shard->rows);
        kept = tmi_load_acquire(&rows[chunk].kept[cut]);
    }
    return kept;
}

static void copy_cells(struct tmi_cell *to, const struct tmi_cell *from, uint32_t n)
{
    uint64_t *out = (uint64_t *)to;
    const uint64_t *in = (const uint64_t *)from;
    for (size_t i = 0; i < n * sizeof *to / sizeof *out; i++) {
        out[i] = tmi_load_relaxed(&in[i]);
    }
}

/*
 * Cells [within, within + n) of a chunk as they were at the cut. A kept copy does not
 * change while the cut lasts. Live cells are those of the cut if none has been kept when
 * they had been read.
 */
static const struct tmi_cell *read_chunk(struct tmi_shard *shard, enum tmi_cut cut,
                                         uint32_t chunk, struct tmi_cell *room,
                                         uint32_t within, uint32_t n)
{
    const struct tmi_cell *kept = kept_of(shard, cut, chunk);
    if (kept == NULL) {
        struct tmi_row *rows = tmi_load_acquire(&shard->rows);
        const struct tmi_cell *live = tmi_load_acquire(&rows[chunk].live);
        if (live == NULL) {
            return nothing_yet + within;
        }
        copy_cells(room, live + within, n);
        tmi_acquire_fence();
        kept = kept_of(shard, cut, chunk);
        if (kept == NULL) {
            return room;
        }
    }
    return kept == not_kept ? NULL : kept + within;
}

static void add_cells(struct tmi_cell *sums, const struct tmi_cell *cells, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        sums[i].alloc_bytes += cells[i].alloc_bytes;
        sums[i].alloc_blocks += cells[i].alloc_blocks;
        sums[i].free_bytes += cells[i].free_bytes;
        sums[i].free_blocks += cells[i].free_blocks;
        sums[i].temporary_blocks += cells[i].temporary_blocks;
    }
}

bool tmi_shard_read(struct tmi_shard *shard, enum tmi_cut cut, uint32_t first,
                    struct tmi_cell *sums, size_t n)
{
    uint32_t at = first - tmi_stamp_first(tmi_load_acquire(&shard->stamp));
    bool all_kept = true;
    while (n > 0 && at / TMI_SHARD_CHUNK < tmi_load_acquire(&shard->rows_len)) {
        struct tmi_cell room[TMI_SHARD_CHUNK];
        uint32_t within = at % TMI_SHARD_CHUNK;
        uint32_t here = TMI_SHARD_CHUNK - within;
        here = n < here ? (uint32_t)n : here;
        const struct tmi_cell *cells =
            read_chunk(shard, cut, at / TMI_SHARD_CHUNK, room, within, here);
        if (cells != NULL) {
            add_cells(sums, cells, here);
        }
        all_kept = all_kept && cells != NULL;
        at += here;
        sums += here;
        n -= here;
    }
    return all_kept;
}

bool tmi_shard_grow_stack(struct tmi_shard *shard, size_t frames)
{
    size_t room = shard->stack_room == 0 ? FIRST_STACK_ROOM : shard->stack_room;
    while (room < frames) {
        room *= 2;
    }
    if (room == shard->stack_room) {
        return true;
    }
    uintptr_t *stack = tmi_memory_map(room * sizeof *stack);
    if (stack == NULL) {
        return false;
    }
    if (shard->stack != NULL) {
        tmi_memory_unmap(shard->stack, shard->stack_room * sizeof *stack);
    }
    shard->stack = stack;
    shard->stack_room = room;
    return true;
}
