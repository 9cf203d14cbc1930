/* SPDX-License-Identifier: MIT */
/*
 * Domains, resources that are not malloc's, and the peak, while calls fail. What must
 * hold: a resource that could not be tracked has changed nothing, a domain holds what its
 * blocks and resources add up to, and a peak that is told is the whole of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "inject.h"

#define RESOURCES 300
#define BLOCK     5000

/* A block made while the domain was to be in force; *counts: whether it is in its sum. */
static void *make_in(tm_domain_t domain, bool *counts)
{
    EXPECT(tm_domain_set(domain) == 0);
    void *block = malloc(BLOCK);
    tm_domain_t was = tm_domain_set(0);
    EXPECT(was == domain || (was == 0 && faults_hit() > 0));
    EXPECT(block != NULL || faults_hit() > 0);
    faults_switch(false);
    *counts = block != NULL && was == domain && tm_get_object_traceback(block) != NULL;
    faults_switch(true);
    return block;
}

static size_t track_all(tm_domain_t domain)
{
    size_t sum = 0;
    for (uintptr_t i = 1; i <= RESOURCES; i++) {
        int err = tm_track(domain, i, 10 * i);
        EXPECT(err == 0 || (err == -ENOMEM && faults_hit() > 0));
        sum += err == 0 ? 10 * i : 0;
    }
    return sum;
}

void use_domains(void)
{
    tm_domain_t domain = tm_domain_register("cache");
    EXPECT(domain != 0 || (errno == ENOMEM && faults_hit() > 0));
    EXPECT(domain == 0 || strcmp(tm_domain_name(domain), "cache") == 0);
    size_t before = tm_get_domain_memory(domain).current;
    bool counts;
    void *block = make_in(domain, &counts);
    size_t sum = track_all(domain) + (counts ? BLOCK : 0);
    if (domain == 0 && block != NULL && !counts) {
        before =
            tm_get_domain_memory(domain).current - sum; /* it is of domain 0 anyway */
    }
    EXPECT(tm_get_domain_memory(domain).current == before + sum);
    EXPECT(tm_get_domain_memory(domain).peak >= before + sum);
    for (uintptr_t i = 1; i <= RESOURCES; i++) {
        EXPECT(tm_untrack(domain, i) == 0);
    }
    free(block);
    EXPECT(tm_get_domain_memory(domain).current == before);
}

/* With one thread: at most what the peak was, and 99.5 % of it at least. */
void use_peak(void)
{
    size_t peak = tm_get_traced_memory().peak;
    tm_snapshot_t *s = tm_take_peak_snapshot();
    EXPECT(s != NULL || (errno == ENOMEM && faults_hit() > 0));
    if (s != NULL) {
        size_t sum = sum_of(s).size;
        EXPECT(sum <= peak);
        EXPECT(sum >= peak - peak / 200);
    }
    tm_snapshot_free(s);
}
