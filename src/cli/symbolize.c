/* SPDX-License-Identifier: MIT */
/*
 * tmalloc symbolize: a snapshot file with the lines in it.
 *
 *     FILE -> load -> look symbols up -> count what is known -> write -> OUT or FILE
 *
 * What the file has already is kept as it is, and what is not to be had here is left
 * open, for a machine that has it: so files can be symbolized in turns, and twice is as
 * once.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "base/compiler.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/snapfile.h"
#include "view/frame.h"
#include "view/snapshot.h"

struct symbolize_options {
    const char *output;
};

static const struct tmi_args_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = TMI_ARGS_TEXT,
     .value = "FILE",
     .help = "write to FILE and leave the original as it is",
     .offset = offsetof(struct symbolize_options, output)},
};

/* One line about what the file will show elsewhere. */
static void tell_known(const tm_snapshot_t *s, const char *path)
{
    uint32_t with_line = 0;
    uint32_t with_function = 0;
    for (uint32_t i = 0; i < s->location_count; i++) {
        tm_frame_t frame;
        tmi_frame_get(s, i, 0, &frame);
        with_line += frame.lineno != 0;
        with_function += frame.lineno == 0 && frame.function[0] != '\0';
    }
    uint32_t unknown = s->location_count - with_line - with_function;
    fprintf(stderr,
            "tmalloc: %s: of %" PRIu32 " code addresses %" PRIu32 " have a line, %" PRIu32
            " a function without line, %" PRIu32 " neither\n",
            path, s->location_count, with_line, with_function, unknown);
}

static int run_symbolize(int argc, char **argv)
{
    struct symbolize_options chosen = {NULL};
    struct tmi_args args;
    int status;
    if (!tmi_args_accept(&tmi_command_symbolize, argc, argv, &chosen, &args, &status)) {
        return status;
    }
    const char *path = chosen.output != NULL ? chosen.output : args.operands[0];
    tm_snapshot_t *snapshot = tmi_snapfile_open(args.operands[0]);
    if (snapshot == NULL) {
        return TMI_EXIT_FAILURE;
    }
    bool written = tmi_snapfile_write(snapshot, path);
    if (written) {
        tell_known(snapshot, path);
    }
    tm_snapshot_free(snapshot);
    return written ? TMI_EXIT_OK : TMI_EXIT_FAILURE;
}

const struct tmi_command tmi_command_symbolize = {
    .name = "symbolize",
    .summary = "Put files, lines and functions into a snapshot",
    .operands = "FILE",
    .details =
        "Afterwards the file can be read where the programs and libraries are not, and\n"
        "without their debug info, by tmalloc and by every other reader of pprof. It is\n"
        "replaced unless --output names another. Inlined calls are frames of their own.\n"
        "What cannot be looked up here is left open, for a machine where it can; a line\n"
        "on stderr says of each file why. Lines that the snapshot has stay as they "
        "are.\n",
    .examples = "tmalloc symbolize old.pb.gz\n"
                "tmalloc symbolize --output elsewhere.pb.gz new.pb.gz\n",
    .options = options,
    .option_count = TMI_ARRAY_LEN(options),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_symbolize,
};
