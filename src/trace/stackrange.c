/* SPDX-License-Identifier: MIT */
/*
 * See trace/stackrange.h. Main's stack ends a little above what the kernel put there
 * before the program began, and nothing else lies as close below as the limit allows it
 * to grow. A larger limit than FARTHEST is not believed: deeper frames are asked for.
 */
#include "trace/stackrange.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#include "base/bits.h"
#include "base/sys.h"

#define NO_PAGE  1
#define FARTHEST ((uintptr_t)128 << 20)

static struct tmi_stackrange of_main(void)
{
    uintptr_t name = (uintptr_t)getauxval(AT_EXECFN);
    uintptr_t random = (uintptr_t)getauxval(AT_RANDOM);
    uintptr_t high = tmi_align_up(name > random ? name : random, tmi_sys_page_bytes());
    struct rlimit limit;
    uintptr_t most = FARTHEST;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < most) {
        most = (uintptr_t)limit.rlim_cur;
    }
    return (struct tmi_stackrange){high > most ? high - most : 0, high};
}

static bool is_readable(uintptr_t address)
{
    return tmi_sys_is_readable((const void *)(address & ~(sizeof(uintptr_t) - 1)));
}

/* Extend a range that ends where the stack does down to the page of `place`. */
static void extend(struct tmi_stackrange *own, uintptr_t place)
{
    uintptr_t page = tmi_sys_page_bytes();
    uintptr_t low = place & ~(page - 1);
    if (place >= own->low || own->low - place > FARTHEST) {
        return;
    }
    for (uintptr_t at = low; at < own->low; at += page) {
        if (!is_readable(at)) {
            return;
        }
    }
    own->low = low;
}

struct tmi_stackwalk tmi_stackwalk_from(struct tmi_stackrange *own, uintptr_t place)
{
    if (own->high == 0) {
        uintptr_t top = (uintptr_t)pthread_self();
        struct tmi_stackrange range = of_main();
        bool on_main = place >= range.low && place < range.high;
        *own = on_main ? range : (struct tmi_stackrange){top, top};
    }
    extend(own, place);
    bool is_own = place >= own->low && place < own->high;
    return (struct tmi_stackwalk){place, is_own ? own->high : 0, NO_PAGE};
}

bool tmi_stackwalk_may_read(struct tmi_stackwalk *walk, uintptr_t address)
{
    size_t two_words = 2 * sizeof(uintptr_t);
    if (walk->high != 0) {
        return address >= walk->low && address <= walk->high - two_words;
    }
    if (address > UINTPTR_MAX - two_words) {
        return false;
    }
    for (size_t i = 0; i < 2; i++) {
        uintptr_t at = address + i * sizeof(uintptr_t);
        uintptr_t page = at & ~(uintptr_t)(tmi_sys_page_bytes() - 1);
        if (page != walk->page) {
            if (!is_readable(at)) {
                return false;
            }
            walk->page = page;
        }
    }
    return true;
}
