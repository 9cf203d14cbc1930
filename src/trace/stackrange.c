/* SPDX-License-Identifier: MIT */
/*
 * See trace/stackrange.h. Main's stack ends a little above what the kernel put there
 * before the program began, and nothing else lies as close below as the limit allows it
 * to grow. A larger limit than FARTHEST is not believed: deeper frames are asked for page
 * by page.
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

struct tmi_stackrange tmi_stackrange_find(void)
{
    struct tmi_stackrange range = of_main();
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    pthread_attr_t attr;
    if ((here < range.low || here >= range.high) &&
        pthread_getattr_np(pthread_self(), &attr) == 0) {
        void *low;
        size_t bytes;
        if (pthread_attr_getstack(&attr, &low, &bytes) == 0) {
            range = (struct tmi_stackrange){(uintptr_t)low, (uintptr_t)low + bytes};
        }
        pthread_attr_destroy(&attr);
    }
    return range;
}

struct tmi_stackwalk tmi_stackwalk_from(const struct tmi_stackrange *own, uintptr_t place)
{
    struct tmi_stackwalk walk = {place, own->high, NO_PAGE};
    if (place < own->low || place >= own->high) {
        walk.high = 0;
    }
    return walk;
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
            if (!tmi_sys_is_readable((const void *)at)) {
                return false;
            }
            walk->page = page;
        }
    }
    return true;
}
