/* SPDX-License-Identifier: MIT */
/*
 * trace/cut.h and trace/shard.c: snapshots by cuts. Each thread allocates and frees; a
 * block allocated by one may be freed by another. A thread looks at the turn before each
 * operation, keeps its counts for a cut that it is past before it first changes them, and
 * is neither stopped nor waited for. The reader makes a cut, reads every shard, ends it,
 * and does so again.
 *
 * Holds: what is read is a state that the process could have been in: no shard's counts
 * are those of another cut, and never were more blocks freed than allocated, in sum.
 */
#define THREADS 2
#ifndef ROUNDS
#define ROUNDS 1 /* 2 in make check-long */
#endif
#define CUTS 2
#define NONE    255

byte turn;
byte number; /* of the cut; 0: none */
byte blocks; /* allocated, and not yet freed by anybody */

byte past[THREADS];
byte allocs[THREADS]; /* live counts */
byte frees[THREADS];
byte kept_allocs[THREADS]; /* NONE: nothing is kept */
byte kept_frees[THREADS];

/* tmi_shard_look */
inline look(me)
{
    seen = turn;
    if
    :: seen != mine ->
        found = number;
        if
        :: found != past[me] && found <= seen ->
            if
            :: past[me] != 0 ->
                past[me] = 0;
                kept_allocs[me] = NONE
            :: else
            fi;
            past[me] = found;
            known = false
        :: else
        fi;
        mine = seen
    :: else
    fi
}

/* The first change after a look: tmi_shard_new_cell, keep */
inline keep(me)
{
    if
    :: !known ->
        if
        :: past[me] != 0 && kept_allocs[me] == NONE ->
            if
            :: past[me] == number ->
                atomic { kept_allocs[me] = allocs[me]; kept_frees[me] = frees[me] }
            :: else
            fi
        :: else
        fi;
        known = true
    :: else
    fi
}

proctype thread(byte me)
{
    byte mine = 0;
    byte seen;
    byte found;
    bool known = false;
    byte round = 0;
    bool got;
    do
    :: atomic { round < ROUNDS -> round++ }
        look(me);
        keep(me);
        atomic { allocs[me]++; blocks++ }
        atomic {
            if
            :: blocks > 0 -> blocks--; got = true
            :: got = false
            fi
        }
        if
        :: got ->
            look(me);
            keep(me);
            frees[me]++
        :: else
        fi
    :: else -> break
    od
}

/* kept_of: is there a copy for this cut? */
inline kept_of(who)
{
    is_kept = false;
    if
    :: past[who] == number ->
        if
        :: kept_allocs[who] != NONE -> is_kept = true
        :: else
        fi
    :: else
    fi
}

proctype reader()
{
    byte round = 0;
    byte who;
    byte all_allocs;
    byte all_frees;
    byte room_allocs;
    byte room_frees;
    bool is_kept;
    do
    :: atomic { round < CUTS -> round++ }
        number = turn + 1;
        atomic { turn = turn + 1; who = 0; all_allocs = 0; all_frees = 0 }
        do
        :: who < THREADS ->
            kept_of(who);
            if
            :: !is_kept ->
                room_allocs = allocs[who];
                room_frees = frees[who];
                kept_of(who);
            :: else
            fi;
            if
            :: is_kept ->
                atomic { room_allocs = kept_allocs[who]; room_frees = kept_frees[who] }
            :: else
            fi;
            atomic {
                all_allocs = all_allocs + room_allocs;
                all_frees = all_frees + room_frees;
                room_allocs = 0;
                room_frees = 0;
                is_kept = false;
                who++
            }
        :: else -> break
        od;
        assert(all_frees <= all_allocs);
        number = 0
    :: else -> break
    od
}

init
{
    byte i = 0;
    atomic {
        do
        :: i < THREADS -> kept_allocs[i] = NONE; i++
        :: else -> break
        od;
        run thread(0);
        run thread(1);
        run reader()
    }
}
