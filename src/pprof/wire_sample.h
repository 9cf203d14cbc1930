/* SPDX-License-Identifier: MIT */
/*
 * A Sample of the file, taken apart.
 */
#ifndef TMI_PPROF_WIRE_SAMPLE_H
#define TMI_PPROF_WIRE_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "pprof/input.h"

/* Numbers of strings, or a number; 0 where there is none. */
struct tmi_wire_label {
    int64_t key, str, num;
};

/* Zeroed at first. The arrays lie in the input's arena and serve all samples in turn. */
struct tmi_wire_sample {
    uint64_t *ids;    /* of locations */
    uint64_t *values; /* of what are int64 in the file */
    struct tmi_wire_label *labels;
    size_t id_count, id_room;
    size_t value_count, value_room;
    size_t label_count, label_room;
};

/* Fills `sample` from a field of the Profile: 0, or an error as tmi_input_unpack(). */
int tmi_wire_sample_read(struct tmi_wire_sample *sample, struct tmi_input *in,
                         const struct tmi_field *field);

#endif
