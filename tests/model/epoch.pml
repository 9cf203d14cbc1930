/* SPDX-License-Identifier: MIT */
/*
 * trace/totals.c and trace/shard.h: clearing beside threads that count. The stamp says
 * which epoch it is; a shard has the stamp for which it counts, and the process's total
 * carries its epoch in the same word, so that a flush that comes late misses.
 *
 * Holds, when all is quiet: the total and what the shards of this epoch have not flushed
 * are together what was counted in this epoch, nothing of the ones before.
 */
#define THREADS 2
#define ROUNDS  3
#define CLEARS  2

byte stamp = 1;
byte total_epoch = 1; /* these two are one word */
byte total;

byte shard_stamp[THREADS];
byte net[THREADS];
byte counted[4]; /* by epoch: the truth */
byte running = 3;

inline flush(me)
{
    epoch = shard_stamp[me];
    carried = net[me];
    net[me] = 0;
    do
    :: atomic { old_epoch = total_epoch; old = total }
        if
        :: old_epoch != epoch -> break
        :: else ->
            atomic {
                if
                :: total_epoch == old_epoch && total == old ->
                    total = old + carried;
                    done = true
                :: else -> done = false
                fi
            }
            if
            :: done -> break
            :: else
            fi
        fi
    od
}

proctype thread(byte me)
{
    byte seen;
    byte epoch;
    byte carried;
    byte old_epoch;
    byte old;
    bool done;
    byte round = 0;
    do
    :: round < ROUNDS ->
        round++;
        seen = stamp;
        if
        :: seen != shard_stamp[me] -> /* tmi_shard_begin */
            net[me] = 0;
            shard_stamp[me] = seen
        :: else
        fi;
        atomic { net[me]++; counted[shard_stamp[me]]++ }
        if
        :: net[me] > 1 -> flush(me)
        :: true
        fi
    :: else -> break
    od;
    running--
}

/* begin_epoch_locked: the total first */
proctype clearer()
{
    byte round = 0;
    do
    :: round < CLEARS ->
        round++;
        atomic { total_epoch = stamp + 1; total = 0 }
        stamp = stamp + 1
    :: else -> break
    od;
    running--
}

init
{
    byte sum;
    byte i = 0;
    atomic {
        shard_stamp[0] = 1;
        shard_stamp[1] = 1;
        run thread(0);
        run thread(1);
        run clearer()
    }
    running == 0;
    sum = total;
    do
    :: i < THREADS ->
        if
        :: shard_stamp[i] == stamp -> sum = sum + net[i]
        :: else
        fi;
        i++
    :: else -> break
    od;
    assert(total_epoch == stamp);
    assert(sum == counted[stamp])
}
