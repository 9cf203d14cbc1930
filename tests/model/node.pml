/* SPDX-License-Identifier: MIT */
/*
 * trace/node.c: children in a digital tree that is read without a lock and grown under
 * one. The root's children are looked for by three threads that come with the same keys,
 * each in another order; a key is two bits, the lower one decides at the first child, the higher
 * one below. Before the first node the root stands in a chunk of its own, which makes way
 * for the real one: what is linked is linked there, and who still sees the old one asks
 * again.
 *
 * Holds: what is found is the key's node; what was added is found by whoever comes later;
 * no key gets two nodes.
 */
#define NODES 5

byte location[NODES];
byte child[2];        /* the root's first child: in the chunk of its own, in the real one */
byte next[10];        /* of node n: 2 * n, 2 * n + 1 */
byte count;
bool is_real;         /* is the real chunk in the table? */
bool locked;
byte id_of[4];        /* the truth: key -> id */

/* tmi_node_find(), and place_of() under the lock: in `id`, and where it would be linked */
inline find(key)
{
    if
    :: is_real -> id = child[1]
    :: else -> id = child[0]
    fi;
    bits = key;
    place = 255; /* at the root */
    do
    :: id == 0 || location[id] == key -> break
    :: else ->
        place = 2 * id + (bits & 1);
        id = next[place];
        bits = bits >> 1
    od
}

proctype thread(byte one; byte two; byte three)
{
    byte key = one;
    byte id;
    byte bits;
    byte place;
    byte known;
    byte new;
    byte turn = 0;
    do
    :: turn < 3 ->
        known = id_of[key];
        find(key);
        assert(known == 0 || id == known);
        if
        :: id == 0 ->
            atomic { !locked -> locked = true }
            if
            :: !is_real -> is_real = true
            :: else
            fi;
            find(key);
            if
            :: id == 0 ->
                new = count + 1;
                location[new] = key;
                count = new;
                assert(id_of[key] == 0);
                d_step {
                    if
                    :: place == 255 -> child[1] = new
                    :: else -> next[place] = new
                    fi;
                    id_of[key] = new
                }
                id = new
            :: else
            fi;
            locked = false
        :: else
        fi;
        assert(location[id] == key && id_of[key] == id);
        turn++;
        if
        :: turn == 1 -> key = two
        :: else -> key = three
        fi
    :: else -> break
    od
}

init
{
    atomic { run thread(1, 3, 2); run thread(3, 1, 2); run thread(2, 3, 1) }
}
