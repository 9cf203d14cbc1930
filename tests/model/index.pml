/* SPDX-License-Identifier: MIT */
/*
 * trace/index.c, on which locations and sites stand: readers without a lock, writers with
 * one; a full table is superseded by a larger one, and emptied; forgetting empties the
 * current one slot by slot. A key hashes to key % slots; here a table is at most half full.
 *
 * Holds: a key that is found is that key; what was added is found; and no key gets a
 * second id between two forgettings, whichever of two threads comes first.
 */
#define KEYS 3

byte keys[8];      /* id -> key; ids from 1 */
byte count;
byte small[2];     /* the first table */
byte large[4];     /* the one that supersedes it */
bool is_large;     /* which of them is current */
byte used;
bool locked;
byte id_of[4];     /* the truth since the last forgetting: key -> id */
byte forgot;       /* how often */

inline slot_of(tab_large, at) {
    if
    :: tab_large -> slot = large[at]
    :: else -> slot = small[at]
    fi
}

/* find(): what is not found in a table that was superseded is looked for once more */
inline find(key)
{
    probe(key);
    if
    :: found == 0 && in_large != is_large -> probe(key)
    :: else
    fi
}

/* probe(): in `found` the id, or 0; `at` is the slot. A table is chosen once. */
inline probe(key)
{
    in_large = is_large;
    if
    :: in_large -> at = key % 4
    :: else -> at = key % 2
    fi;
    do
    :: slot_of(in_large, at);
        found = slot;
        if
        :: found == 0 -> break
        :: else ->
            if
            :: keys[found] == key -> break
            :: else ->
                if
                :: in_large -> at = (at + 1) % 4
                :: else -> at = (at + 1) % 2
                fi
            fi
        fi
    od
}

inline put(value)
{
    if
    :: in_large -> large[at] = value
    :: else -> small[at] = value
    fi
}

/* make_room(): only from 2 to 4 slots here */
inline make_room()
{
    if
    :: !is_large && 2 * (used + 1) > 2 ->
        i = 0;
        do
        :: i < 2 ->
            if
            :: small[i] != 0 ->
                at = keys[small[i]] % 4;
                do
                :: large[at] != 0 -> at = (at + 1) % 4
                :: else -> break
                od;
                large[at] = small[i]
            :: else
            fi;
            i++
        :: else -> break
        od;
        is_large = true;
        small[1] = 0;
        small[0] = 0
    :: else
    fi
}

proctype thread(byte one; byte two)
{
    byte key = one;
    byte found;
    byte slot;
    byte at;
    byte i;
    byte epoch;
    byte known;
    bool in_large;
    byte round = 0;
    do
    :: round < 2 ->
        round++;
        atomic { epoch = forgot; known = id_of[key] }
        find(key);
        assert(found != 0 || known == 0 || forgot != epoch);
        if
        :: found == 0 ->
            atomic { !locked -> locked = true }
            epoch = forgot;
            probe(key);
            if
            :: found == 0 && (is_large && 2 * (used + 1) <= 4 || !is_large) ->
                make_room();
                keys[count + 1] = key;
                count++;
                used++;
                found = count;
                i = found;
                probe(key);
                assert(found == 0);
                assert(id_of[key] == 0);
                put(i);
                id_of[key] = i;
                found = i
            :: else
            fi;
            locked = false
        :: else
        fi;
        if
        :: found != 0 ->
            assert(keys[found] == key);
            assert(forgot != epoch || id_of[key] == 0 || id_of[key] == found)
        :: else
        fi;
        key = two
    :: else -> break
    od
}

proctype forgetter()
{
    byte i = 0;
    atomic { !locked -> locked = true }
    atomic { forgot++; id_of[1] = 0; id_of[2] = 0; id_of[3] = 0 }
    do
    :: i < 4 ->
        if
        :: is_large -> large[i] = 0
        :: !is_large && i < 2 -> small[i] = 0
        :: else
        fi;
        i++
    :: else -> break
    od;
    used = 0;
    locked = false
}

init
{
    atomic { run thread(1, 3); run thread(3, 2); run forgetter() }
}
