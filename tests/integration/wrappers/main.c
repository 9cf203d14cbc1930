/* SPDX-License-Identifier: MIT */
/*
 * Who is the caller when one frame is kept? Each case allocates by way of a wrapper from
 * a function that lies in a linker section of its own, so that "the frame is in this
 * function" needs no symbols. For each case a line: its name, and `caller` when the frame
 * is in that function, `wrapper` when it is not.
 */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "tmalloc.h"

void *g_malloc(size_t bytes);
char *g_strdup(const char *text);
void *pool_get(size_t bytes);
void *new_by_cxx(bool array);

static void *__attribute__((noinline)) xmalloc(size_t bytes)
{
    void *volatile p = malloc(bytes);
    return p;
}

static char *__attribute__((noinline)) xstrdup(const char *text)
{
    char *copy = xmalloc(strlen(text) + 1);
    return strcpy(copy, text);
}

/* A frame that no rule on rsp and rbp alone can leave: rbx has its caller's. */
void *by_rbx(void *(*allocate)(size_t), size_t bytes);
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl by_rbx\n"
        ".type by_rbx, @function\n"
        "by_rbx:\n"
        ".cfi_startproc\n"
        "push %rbx\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset rbx, -16\n"
        "mov %rsp, %rbx\n"
        ".cfi_def_cfa rbx, 16\n"
        "sub $64, %rsp\n"
        "mov %rdi, %rax\n"
        "mov %rsi, %rdi\n"
        "call *%rax\n"
        "mov %rbx, %rsp\n"
        "pop %rbx\n"
        ".cfi_def_cfa rsp, 8\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size by_rbx, . - by_rbx\n");
#else
void *__attribute__((noinline)) by_rbx(void *(*allocate)(size_t), size_t bytes)
{
    void *volatile p = allocate(bytes);
    return p;
}
#endif

static FILE *lines;

/* CASE(name, expression): the function, which has the section "in_name" to itself. */
#define CASE(name, expression)                                                           \
    extern const char __start_in_##name[], __stop_in_##name[];                           \
    static void *__attribute__((noinline, section("in_" #name))) do_##name(void)         \
    {                                                                                    \
        void *volatile p = expression;                                                   \
        return p;                                                                        \
    }

CASE(direct, malloc(10))
CASE(strdup, strdup("strdup"))
CASE(strndup, strndup("strndup", 3))
CASE(wcsdup, wcsdup(L"wcsdup"))
CASE(realpath, realpath("/proc/self/../self", NULL))
CASE(getcwd, getcwd(NULL, 0))
CASE(fopen, fopen("/dev/null", "r"))
CASE(g_malloc, g_malloc(10))
CASE(g_strdup, g_strdup("g_strdup"))
CASE(new, new_by_cxx(false))
CASE(new_array, new_by_cxx(true))
CASE(xmalloc, xmalloc(10))
CASE(xstrdup, xstrdup("xstrdup"))
CASE(pool_get, pool_get(10))
CASE(by_rbx, by_rbx(pool_get, 10))

/* These write through a pointer: the call itself has to be in the section. */
extern const char __start_in_asprintf[], __stop_in_asprintf[];
static void *__attribute__((noinline, section("in_asprintf"))) do_asprintf(void)
{
    char *text = NULL;
    if (asprintf(&text, "%d and %s", 4711, "more") < 0) {
        return NULL;
    }
    return text;
}

extern const char __start_in_getline[], __stop_in_getline[];
static void *__attribute__((noinline, section("in_getline"))) do_getline(void)
{
    char *line = NULL;
    size_t room = 0;
    if (getline(&line, &room, lines) < 0) {
        return NULL;
    }
    return line;
}

static const struct row {
    const char *name;
    void *(*allocate)(void);
    const char *start, *stop;
} rows[] = {
#define ROW(name)                                                                        \
    {                                                                                    \
#name, do_##name, __start_in_##name, __stop_in_##name                            \
    }
    ROW(direct),   ROW(strdup),   ROW(strndup),   ROW(wcsdup),  ROW(asprintf),
    ROW(getline),  ROW(realpath), ROW(getcwd),    ROW(fopen),   ROW(g_malloc),
    ROW(g_strdup), ROW(new),      ROW(new_array), ROW(xmalloc), ROW(xstrdup),
    ROW(pool_get), ROW(by_rbx),
};

#define ROUNDS 3

/*
 * The first round resolves, in the second one some of it is remembered, in the third one
 * all of it: they have to say the same.
 */
static const char *verdict(const struct row *row)
{
    void *p = row->allocate();
    const tm_traceback_t *tb = p == NULL ? NULL : tm_get_object_traceback(p);
    uintptr_t at = tb == NULL ? 0 : tm_traceback_address(tb, tm_traceback_len(tb) - 1);
    bool inside = at > (uintptr_t)row->start && at <= (uintptr_t)row->stop;
    return tb == NULL ? "nothing" : inside ? "caller" : "wrapper";
}

static char text[4096];

static void *try_all(void *unused)
{
    const char *said[sizeof rows / sizeof *rows] = {NULL};
    lines = fopen("/proc/self/maps", "r");
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            const char *says = verdict(&rows[i]);
            said[i] = round == 0 || said[i] == says ? says : "this and that";
        }
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s %s\n", rows[i].name,
                 said[i]);
    }
    return unused;
}

/* main [NFRAME [thread | replaced-by FILE]]: FILE is renamed to this program. */
int main(int argc, char **argv)
{
    pthread_t id;
    if (argc > 3 && rename(argv[3], argv[0]) != 0) {
        return 1;
    }
    tm_start(argc > 1 ? atoi(argv[1]) : 1);
    if (argc == 3) {
        pthread_create(&id, NULL, try_all, NULL);
        pthread_join(id, NULL);
    } else {
        try_all(NULL);
    }
    tm_stop();
    fputs(text, stdout);
    return 0;
}
