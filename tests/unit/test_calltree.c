/* SPDX-License-Identifier: MIT */
/*
 * Call trees of stacks that are written down as text, drawn as text: a line a node,
 * `SIZE/COUNT self SIZE NAME`, indented by depth. Every expected tree was drawn by hand.
 */
#include "cli/calltree.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/prune.h"
#include "support/literal.h"
#include "view/service.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

static struct tm_snapshot *s;
static struct tmi_calltree tree;

static void make(tm_key_t by, bool inverted, bool by_count)
{
    tmi_snapshot_finish(s);
    cr_assert_eq(tmi_calltree_make(&tree, s, by, inverted, by_count), 0);
}

static const char *name_of(uint32_t node)
{
    uint32_t id = tree.nodes[node].id;
    return id == TMI_CALLTREE_CUT ? "(cut)" : tree.keys.keys[id].filename;
}

static void expect_shown(const bool *shown, const char *expected)
{
    char *text = NULL;
    size_t len = 0;
    uint32_t depth = 0;
    FILE *out = open_memstream(&text, &len);
    for (uint32_t i = 0;
         (i = tmi_calltree_next(&tree, i, shown == NULL || shown[i], &depth)) != 0;) {
        if (shown == NULL || shown[i]) {
            const struct tmi_calltree_node *node = &tree.nodes[i];
            fprintf(out, "%*s%d/%d self %d %s\n", (int)(2 * depth - 2), "",
                    (int)node->size, (int)node->count, (int)node->self_size, name_of(i));
        }
    }
    fclose(out);
    cr_expect_eq(depth, 0);
    cr_expect_str_eq(text, expected, "got:\n%s", text);
    free(text);
}

static void expect(const char *expected)
{
    expect_shown(NULL, expected);
}

static void example(void)
{
    s = literal_snapshot(25);
    literal_trace(s, 0, 60, 1, "1:main 2:parse 3:node");
    literal_trace(s, 0, 10, 4, "1:main 2:parse");
    literal_trace(s, 0, 25, 2, "1:main 4:load 3:node");
    literal_trace(s, 0, 5, 9, "5:thread 4:load");
}

Test(calltree, what_stacks_have_in_common_is_one_path)
{
    example();
    make(TM_KEY_FILENAME, false, false);
    cr_expect_eq(tree.nodes[0].size, 100);
    cr_expect_eq(tree.nodes[0].count, 16);
    expect("95/7 self 0 main\n"
           "  70/5 self 10 parse\n"
           "    60/1 self 60 node\n"
           "  25/2 self 0 load\n"
           "    25/2 self 25 node\n"
           "5/9 self 0 thread\n"
           "  5/9 self 5 load\n");
}

Test(calltree, inverted_it_begins_with_who_allocated)
{
    example();
    make(TM_KEY_FILENAME, true, false);
    expect("85/3 self 0 node\n"
           "  60/1 self 0 parse\n"
           "    60/1 self 60 main\n"
           "  25/2 self 0 load\n"
           "    25/2 self 25 main\n"
           "10/4 self 0 parse\n"
           "  10/4 self 10 main\n"
           "5/9 self 0 load\n"
           "  5/9 self 5 thread\n");
}

Test(calltree, by_count_the_most_blocks_come_first)
{
    example();
    make(TM_KEY_FILENAME, false, true);
    expect("5/9 self 0 thread\n"
           "  5/9 self 5 load\n"
           "95/7 self 0 main\n"
           "  70/5 self 10 parse\n"
           "    60/1 self 60 node\n"
           "  25/2 self 0 load\n"
           "    25/2 self 25 node\n");
}

Test(calltree, recursion_counts_once)
{
    s = literal_snapshot(25);
    literal_trace(s, 0, 8, 1, "1:main 2:f 3:f 4:f");
    literal_trace(s, 0, 2, 1, "1:main 2:f 5:g 2:f 5:g 2:f");
    make(TM_KEY_FILENAME, false, false);
    expect("10/2 self 0 main\n"
           "  10/2 self 8 f\n"
           "    2/1 self 0 g\n"
           "      2/1 self 0 f\n"
           "        2/1 self 0 g\n"
           "          2/1 self 2 f\n");
}

Test(calltree, inlined_calls_are_calls)
{
    s = literal_snapshot(25);
    literal_trace(s, 0, 7, 1, "1:main 2:inlined<3:outer");
    make(TM_KEY_FILENAME, false, false);
    expect("7/1 self 0 main\n"
           "  7/1 self 0 outer\n"
           "    7/1 self 7 inlined\n");
    make(TM_KEY_FILENAME, true, false);
    expect("7/1 self 0 inlined\n"
           "  7/1 self 0 outer\n"
           "    7/1 self 7 main\n");
}

Test(calltree, stacks_cut_off_have_no_root_of_their_own)
{
    s = literal_snapshot(2);
    uint32_t frames[] = {literal_location(s, "2:b"), literal_location(s, "1:a")};
    uint64_t values[TMI_VALUE_COUNT] = {[TMI_INUSE_BYTES] = 9, [TMI_INUSE_BLOCKS] = 3};
    cr_assert_eq(tmi_snapshot_add_trace(s, 0, values, frames, 2, 7), 0);
    literal_trace(s, 0, 1, 1, "1:a 3:c");
    make(TM_KEY_FILENAME, false, false);
    expect("9/3 self 0 (cut)\n"
           "  9/3 self 0 a\n"
           "    9/3 self 9 b\n"
           "1/1 self 0 a\n"
           "  1/1 self 1 c\n");
    make(TM_KEY_FILENAME, true, false);
    expect("9/3 self 0 b\n"
           "  9/3 self 9 a\n"
           "1/1 self 0 c\n"
           "  1/1 self 1 a\n");
}

Test(calltree, a_stack_as_deep_as_can_be)
{
    enum { DEEPEST = 65535 };
    static uint32_t frames[DEEPEST];
    s = literal_snapshot(DEEPEST);
    for (uint32_t i = 0; i < DEEPEST; i++) {
        frames[i] = literal_location(s, i % 2 == 0 ? "1:f" : "2:g");
    }
    uint64_t values[TMI_VALUE_COUNT] = {[TMI_INUSE_BYTES] = 1, [TMI_INUSE_BLOCKS] = 1};
    cr_assert_eq(tmi_snapshot_add_trace(s, 0, values, frames, DEEPEST, DEEPEST), 0);
    make(TM_KEY_FILENAME, false, false);
    cr_expect_eq(tree.count, DEEPEST + 1);
}

Test(calltree, nothing)
{
    s = literal_snapshot(25);
    make(TM_KEY_FUNCTION, false, false);
    cr_expect_eq(tree.count, 1);
    expect("");
}

/* ---- what is shown ------------------------------------------------------------------
 */

static void expect_pruned(struct tmi_prune prune, bool by_count, uint32_t count,
                          const char *expected)
{
    uint32_t shown_count;
    example();
    make(TM_KEY_FILENAME, false, by_count);
    bool *shown = tmi_prune_choose(&prune, &tree, by_count, &shown_count);
    cr_assert_not_null(shown);
    cr_expect(shown[0]);
    cr_expect_eq(shown_count, count);
    expect_shown(shown, expected);
    free(shown);
}

Test(calltree, pruned_by_share_depth_and_number)
{
    expect_pruned((struct tmi_prune){.min_percent = 25.1}, false, 4,
                  "95/7 self 0 main\n"
                  "  70/5 self 10 parse\n"
                  "    60/1 self 60 node\n");
    expect_pruned((struct tmi_prune){.min_percent = 25}, false, 6,
                  "95/7 self 0 main\n"
                  "  70/5 self 10 parse\n"
                  "    60/1 self 60 node\n"
                  "  25/2 self 0 load\n"
                  "    25/2 self 25 node\n");
    expect_pruned((struct tmi_prune){.depth = 1}, false, 3,
                  "95/7 self 0 main\n"
                  "5/9 self 0 thread\n");
    expect_pruned((struct tmi_prune){.most = 2}, false, 3,
                  "95/7 self 0 main\n"
                  "  70/5 self 10 parse\n");
    expect_pruned((struct tmi_prune){.most = 3, .depth = 2}, true, 4,
                  "5/9 self 0 thread\n"
                  "  5/9 self 5 load\n"
                  "95/7 self 0 main\n");
    expect_pruned((struct tmi_prune){.min_percent = 100}, false, 1, "");
}
