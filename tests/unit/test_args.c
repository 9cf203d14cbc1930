/* SPDX-License-Identifier: MIT */
/*
 * Tables of options against command lines: what is set, what is left over, and the exact
 * line that a user reads when something is wrong. Every expected text is written down
 * here from what the header promises.
 */
#include "cli/args.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

struct values {
    bool loud;
    long count;
    long left_alone;
    int colour;
    const char *file;
};

#define FIELD(name) offsetof(struct values, name)

static const struct tmi_args_option options[] = {
    {.name = "loud",
     .letter = 'l',
     .kind = TMI_ARGS_FLAG,
     .help = "say more",
     .offset = FIELD(loud)},
    {.name = "count",
     .letter = 'n',
     .kind = TMI_ARGS_NUMBER,
     .value = "N",
     .preset = "25",
     .help = "how many",
     .min = 1,
     .max = 65535,
     .offset = FIELD(count)},
    {.name = "left-alone",
     .kind = TMI_ARGS_NUMBER,
     .value = "N",
     .help = "as many words as fit on one line of eighty columns, and below it those "
             "that do not",
     .min = 0,
     .max = LONG_MAX,
     .offset = FIELD(left_alone)},
    {.name = "colour",
     .letter = 'c',
     .kind = TMI_ARGS_CHOICE,
     .value = "red|green|dark-blue",
     .preset = "green",
     .help = "of the paint",
     .offset = FIELD(colour)},
    {.name = "file",
     .letter = 'o',
     .kind = TMI_ARGS_TEXT,
     .value = "FILE",
     .help = "where to",
     .offset = FIELD(file)},
};

static const struct tmi_command paint = {.name = "paint",
                                         .summary = "Paint a wall",
                                         .operands = "WALL",
                                         .details = "Dries in an hour.\n",
                                         .options = options,
                                         .option_count = TMI_ARRAY_LEN(options),
                                         .min_operands = 1,
                                         .max_operands = 1};

static struct values values;
static struct tmi_args args;

/* Parses `line`, words separated by single spaces, as the command's argv. */
static int parse(const struct tmi_command *command, const char *line)
{
    static char *argv[32];
    int argc = 0;
    char *rest = strdup(line);
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    values = (struct values){.left_alone = -1};
    return tmi_args_parse(command, argc, argv, &values, &args);
}

static void expect_refusal(const char *line, const char *text)
{
    cr_expect_eq(parse(&paint, line), -EINVAL, "'%s' was accepted", line);
    cr_expect_str_eq(args.error, text);
}

Test(args, presets_hold_where_nothing_is_given)
{
    cr_assert_eq(parse(&paint, "paint wall"), 0);
    cr_expect_not(values.loud);
    cr_expect_eq(values.count, 25);
    cr_expect_eq(values.left_alone, -1);
    cr_expect_eq(values.colour, 1);
    cr_expect_null(values.file);
    cr_expect_eq(args.operand_count, 1);
    cr_expect_str_eq(args.operands[0], "wall");
}

Test(args, every_way_to_write_an_option)
{
    static const char *const lines[] = {
        "paint -l -n 7 -c dark-blue -o out wall",
        "paint -ln7 -cdark-blue -oout wall",
        "paint --loud --count 7 --colour dark-blue --file out wall",
        "paint --loud --count=7 --colour=dark-blue --file=out wall",
        "paint --lou --cou=7 --col=dark-blue --fi=out wall",
        "paint wall -l -n 7 -c dark-blue -o out"};
    for (size_t i = 0; i < TMI_ARRAY_LEN(lines); i++) {
        cr_assert_eq(parse(&paint, lines[i]), 0, "%s: %s", lines[i], args.error);
        cr_expect(values.loud, "%s", lines[i]);
        cr_expect_eq(values.count, 7, "%s", lines[i]);
        cr_expect_eq(values.colour, 2, "%s", lines[i]);
        cr_expect_str_eq(values.file, "out", "%s", lines[i]);
        cr_expect_str_eq(args.operands[0], "wall", "%s", lines[i]);
    }
}

Test(args, the_last_one_of_several_counts)
{
    cr_assert_eq(parse(&paint, "paint -n 3 --colour red -n 4 --colour green wall"), 0);
    cr_expect_eq(values.count, 4);
    cr_expect_eq(values.colour, 1);
}

Test(args, numbers_at_the_ends_of_their_range)
{
    cr_assert_eq(parse(&paint, "paint -n 1 --left-alone 0 wall"), 0);
    cr_expect_eq(values.count, 1);
    cr_expect_eq(values.left_alone, 0);
    cr_assert_eq(parse(&paint, "paint -n 65535 --left-alone 9223372036854775807 wall"),
                 0);
    cr_expect_eq(values.count, 65535);
    cr_expect_eq(values.left_alone, LONG_MAX);
}

Test(args, numbers_that_are_none)
{
    static const char *const words[] = {"0",   "65536", "-1", "abc",
                                        "12x", "0x10",  "",   "99999999999999999999"};
    for (size_t i = 0; i < TMI_ARRAY_LEN(words); i++) {
        char line[64];
        char text[128];
        snprintf(line, sizeof(line), "paint --count=%s wall", words[i]);
        snprintf(text, sizeof(text),
                 "--count: expected a number from 1 to 65535, not '%s'", words[i]);
        expect_refusal(line, text);
    }
    expect_refusal("paint --left-alone=-1 wall",
                   "--left-alone: expected a number from 0 on, not '-1'");
}

Test(args, choices_that_are_none)
{
    expect_refusal("paint --colour=blue wall",
                   "--colour: expected red|green|dark-blue, not 'blue'");
    expect_refusal("paint --colour=gree wall",
                   "--colour: expected red|green|dark-blue, not 'gree'");
    expect_refusal("paint --colour= wall",
                   "--colour: expected red|green|dark-blue, not ''");
    expect_refusal("paint -o  wall", "--file: expected FILE, not an empty text");
}

Test(args, options_that_are_none)
{
    expect_refusal("paint --cuont=3 wall",
                   "unknown option '--cuont'; did you mean '--count'?");
    expect_refusal("paint --zebra wall",
                   "unknown option '--zebra'; 'tmalloc paint --help' lists them");
    expect_refusal("paint -z wall",
                   "unknown option '-z'; 'tmalloc paint --help' lists them");
    expect_refusal("paint --co=3 wall", "'--co' is short for more than one option");
    expect_refusal("paint wall --count", "--count needs a value: N");
    expect_refusal("paint wall -o", "--file needs a value: FILE");
    expect_refusal("paint --loud=yes wall", "--loud takes no value");
    expect_refusal("paint --help=yes wall", "--help takes no value");
}

Test(args, operands_too_few_or_too_many)
{
    expect_refusal("paint -l", "WALL is missing; usage: tmalloc paint [OPTION]... WALL");
    expect_refusal("paint wall floor", "expected only WALL, not also 'floor'");
}

Test(args, a_double_dash_ends_the_options)
{
    cr_assert_eq(parse(&paint, "paint -l -- --count"), 0);
    cr_expect(values.loud);
    cr_expect_str_eq(args.operands[0], "--count");
}

Test(args, a_command_line_behind_the_options_is_left_alone)
{
    struct tmi_command start = paint;
    start.options_first = true;
    start.max_operands = INT_MAX;
    cr_assert_eq(parse(&start, "start -n 3 prog -l --count=9 --nonsense"), 0);
    cr_expect_eq(values.count, 3);
    cr_expect_not(values.loud);
    cr_assert_eq(args.operand_count, 4);
    cr_expect_str_eq(args.operands[0], "prog");
    cr_expect_str_eq(args.operands[3], "--nonsense");
    cr_expect_null(args.operands[4]);
    cr_assert_eq(parse(&start, "start -- -n"), 0);
    cr_expect_str_eq(args.operands[0], "-n");
}

Test(args, help_needs_nothing_else)
{
    cr_assert_eq(parse(&paint, "paint --help"), 0);
    cr_expect(args.help);
    cr_assert_eq(parse(&paint, "paint -h --nonsense"), 0);
    cr_expect(args.help);
}

Test(args, help_is_made_from_the_table)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    tmi_args_help(&paint, out);
    fclose(out);
    cr_expect_str_eq(
        text,
        "Usage: tmalloc paint [OPTION]... WALL\n"
        "Paint a wall.\n"
        "\n"
        "Options:\n"
        "  -l, --loud              say more\n"
        "  -n, --count N           how many (default: 25)\n"
        "      --left-alone N      as many words as fit on one line of eighty columns,\n"
        "                          and below it those that do not\n"
        "  -c, --colour red|green|dark-blue\n"
        "                          of the paint (default: green)\n"
        "  -o, --file FILE         where to\n"
        "  -h, --help              this text\n"
        "\n"
        "Dries in an hour.\n");
    free(text);
}

/* ---- options that commands share ----------------------------------------------------
 */

struct brush {
    struct tmi_args_list hairs;
    long width;
};

struct brushed {
    long coats;
    struct brush brush;
};

static const struct tmi_args_option brush_rows[] = {
    {.name = "hair",
     .letter = 'i',
     .kind = TMI_ARGS_LIST,
     .value = "KIND",
     .help = "of a brush",
     .offset = offsetof(struct brush, hairs)},
    {.name = "width",
     .kind = TMI_ARGS_NUMBER,
     .value = "MM",
     .preset = "50",
     .help = "of a brush",
     .min = 1,
     .max = 500,
     .offset = offsetof(struct brush, width)},
    {0},
};

static const struct tmi_args_option coat_rows[] = {
    {.name = "coats",
     .letter = 'n',
     .kind = TMI_ARGS_NUMBER,
     .value = "N",
     .preset = "2",
     .help = "how many",
     .min = 1,
     .max = 9,
     .offset = offsetof(struct brushed, coats)},
};

static const struct tmi_args_set sets[] = {{brush_rows, offsetof(struct brushed, brush)},
                                           {0}};

static const struct tmi_command varnish = {.name = "varnish",
                                           .summary = "Varnish a door",
                                           .operands = "DOOR",
                                           .options = coat_rows,
                                           .option_count = TMI_ARRAY_LEN(coat_rows),
                                           .shared = sets,
                                           .min_operands = 1,
                                           .max_operands = 1};

static int brush(const char *line, struct brushed *brushed)
{
    static char *argv[32];
    int argc = 0;
    char *rest = strdup(line);
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    *brushed = (struct brushed){0};
    return tmi_args_parse(&varnish, argc, argv, brushed, &args);
}

Test(args, shared_rows_fill_their_own_part_of_the_struct)
{
    struct brushed brushed;
    cr_assert_eq(brush("varnish door", &brushed), 0, "%s", args.error);
    cr_expect_eq(brushed.coats, 2);
    cr_expect_eq(brushed.brush.width, 50);
    cr_expect_eq(brushed.brush.hairs.count, 0);
    cr_assert_eq(brush("varnish -n 3 --width=7 door", &brushed), 0, "%s", args.error);
    cr_expect_eq(brushed.coats, 3);
    cr_expect_eq(brushed.brush.width, 7);
    cr_expect_eq(brush("varnish --width=0 door", &brushed), -EINVAL);
    cr_expect_str_eq(args.error, "--width: expected a number from 1 to 500, not '0'");
    cr_expect_eq(brush("varnish --widht=9 door", &brushed), -EINVAL);
    cr_expect_str_eq(args.error, "unknown option '--widht'; did you mean '--width'?");
}

Test(args, a_list_keeps_each_text_that_was_given)
{
    struct brushed brushed;
    cr_assert_eq(brush("varnish -i hog --hair=ox -ipig door --hair hog", &brushed), 0);
    static const char *const given[] = {"hog", "ox", "pig", "hog"};
    cr_assert_eq(brushed.brush.hairs.count, TMI_ARRAY_LEN(given));
    for (size_t i = 0; i < TMI_ARRAY_LEN(given); i++) {
        cr_expect_str_eq(brushed.brush.hairs.items[i], given[i]);
    }
    cr_expect_eq(brush("varnish door --hair", &brushed), -EINVAL);
    cr_expect_str_eq(args.error, "--hair needs a value: KIND");
}

Test(args, help_has_shared_options_behind_the_commands_own)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    tmi_args_help(&varnish, out);
    fclose(out);
    const char *own = strstr(text, "-n, --coats N");
    const char *shared = strstr(text, "-i, --hair KIND");
    cr_assert(own != NULL && shared != NULL, "%s", text);
    cr_expect_lt((void *)own, (void *)shared);
    cr_expect_not_null(strstr(text, "--width MM"));
    free(text);
}
