/* SPDX-License-Identifier: MIT */
/*
 * base/lock.c: one word, 0 free, 1 held, 2 held and somebody may be waiting. Each line of
 * an atomic block is one instruction of the source. futex_wait compares and goes to sleep
 * as one step; a wake wakes one sleeper, if there is any.
 * Holds: at most one inside; nobody sleeps for ever (spin looks for invalid end states).
 */
#define THREADS 3

byte word;
byte inside;
byte asleep; /* a bit for each thread */

inline futex_wait(me)
{
    atomic {
        if
        :: word == 2 -> asleep = asleep | (1 << me)
        :: else
        fi
    }
    (asleep & (1 << me)) == 0
}

inline futex_wake()
{
    atomic {
        if
        :: (asleep & 1) != 0 -> asleep = asleep & ~1
        :: (asleep & 2) != 0 -> asleep = asleep & ~2
        :: (asleep & 4) != 0 -> asleep = asleep & ~4
        :: asleep == 0
        fi
    }
}

proctype thread(byte me)
{
    byte old;
    byte round = 0;
    do
    :: round < 2 ->
        round++;
        atomic { old = word; if :: old == 0 -> word = 1 :: else fi }
        if
        :: old == 0
        :: else ->
            do
            :: atomic { old = word; word = 2 }
                if
                :: old == 0 -> break
                :: else -> futex_wait(me)
                fi
            od
        fi;
        inside++;
        assert(inside == 1);
        inside--;
        atomic { old = word; word = 0 }
        if
        :: old == 2 -> futex_wake()
        :: else
        fi
    :: else -> break
    od
}

init
{
    atomic { run thread(0); run thread(1); run thread(2) }
}
