/* SPDX-License-Identifier: MIT */
/*
 * base/lock.c: one word, 0 free, else an even number of the thread that holds it, made odd
 * when somebody may be waiting. Each atomic block is one instruction of the source.
 * futex_wait compares and goes to sleep as one step; a wake wakes one sleeper, if there is
 * any.
 * Holds: at most one inside; nobody sleeps for ever (spin looks for invalid end states).
 */
#define THREADS 3

byte word;
byte inside;
byte asleep; /* a bit for each thread */

inline futex_wait(me, expected)
{
    atomic {
        if
        :: word == (expected) -> asleep = asleep | (1 << me)
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
    bit swapped;
    byte own = 2 * (me + 1);
    byte round = 0;
    do
    :: round < 2 ->
        round++;
        atomic { old = word; if :: old == 0 -> word = own :: else fi }
        if
        :: old == 0
        :: else ->
            do
            :: atomic { old = word; if :: old == 0 -> word = own | 1 :: else fi }
                if
                :: old == 0 -> break
                :: old % 2 == 1 -> futex_wait(me, old)
                :: else ->
                    atomic {
                        swapped = (word == old);
                        if :: swapped -> word = old | 1 :: else fi
                    }
                    if
                    :: swapped -> futex_wait(me, old | 1)
                    :: else
                    fi
                fi
            od
        fi;
        inside++;
        assert(inside == 1);
        assert((word & ~1) == own); /* is_own() */
        inside--;
        atomic { old = word; word = 0 }
        if
        :: old % 2 == 1 -> futex_wake()
        :: else
        fi
    :: else -> break
    od
}

init
{
    atomic { run thread(0); run thread(1); run thread(2) }
}
