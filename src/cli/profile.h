/* SPDX-License-Identifier: MIT */
/*
 * Profiles: for each function (file, line, module) of a snapshot what it allocated
 * itself, and what with all that it calls, in every number that a trace has.
 */
#ifndef TMI_PROFILE_H
#define TMI_PROFILE_H

#include "base/arena.h"
#include "view/key.h"
#include "view/snapshot.h"

struct tmi_profile_row {
    const struct tmi_key *key;
    uint64_t flat[TMI_VALUE_COUNT]; /* of stacks whose newest frame it is */
    uint64_t cum[TMI_VALUE_COUNT];  /* of stacks in which it stands, once each */
};

struct tmi_profile {
    struct tmi_arena arena; /* all of this */
    struct tmi_keys keys;
    struct tmi_profile_row *rows;
    uint32_t count; /* of rows; all that have any number */
    uint64_t total[TMI_VALUE_COUNT];
};

/*
 * Of all traces of `s`, also those without live blocks. `by`: TM_KEY_FUNCTION, _LINENO,
 * _FILENAME or _MODULE. 0 or a negative errno; to be released either way.
 */
int tmi_profile_make(struct tmi_profile *profile, const struct tm_snapshot *s,
                     tm_key_t by);
void tmi_profile_release(struct tmi_profile *profile);

/* The biggest first: by that value, flat or cumulative; equal ones by the other, then in
 * the order of their names. 0 or -ENOMEM. */
int tmi_profile_sort(struct tmi_profile *profile, enum tmi_value value, bool by_cum);

#endif
