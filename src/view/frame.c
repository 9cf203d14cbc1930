/* SPDX-License-Identifier: MIT */
/*
 * What is shown where something is not known: a file that is not known is the module's,
 * and then there is no line either, for a line number without its file means nothing.
 * Only when the module is not known as well is the file "<unknown>". These are
 * tracemalloc's words for a frame that it knows nothing of. In a snapshot made by hand,
 * and in statistics, an empty name is a name: what is not known was spelled out there.
 */
#include "view/frame.h"

#include <string.h>

/* What stands for the name of a file that is not known. */
static const char *unknown_file(const struct tm_snapshot *s, const struct tmi_location *l)
{
    bool named = l->module != TMI_NO_MODULE && s->modules[l->module].name[0] != '\0';
    return named ? s->modules[l->module].name : TMI_UNKNOWN_FILE;
}

bool tmi_frame_unknown(const struct tm_snapshot *s, uint32_t location)
{
    const struct tmi_location *l = &s->locations[location];
    if (l->nlines != 1) {
        return l->nlines == 0;
    }
    const struct tmi_line *line = &s->lines[l->first_line];
    return line->lineno == 0 && line->function[0] == '\0' &&
           strcmp(line->filename, unknown_file(s, l)) == 0;
}

void tmi_frame_get(const struct tm_snapshot *s, uint32_t location, uint32_t i,
                   tm_frame_t *out)
{
    const struct tmi_location *l = &s->locations[location];
    *out = (tm_frame_t){.filename = unknown_file(s, l),
                        .function = "",
                        .module =
                            l->module != TMI_NO_MODULE ? s->modules[l->module].name : "",
                        .address = (uintptr_t)l->address};
    if (i < l->nlines) {
        const struct tmi_line *line = &s->lines[l->first_line + i];
        out->function = line->function;
        if (line->filename[0] != '\0' || s->empty_is_name) {
            out->filename = line->filename;
            out->lineno = line->lineno;
        }
    }
}
