/* SPDX-License-Identifier: MIT */
/*
 * A program that does one wrong thing to a block, and then goes on with its work:
 * damage.sh runs it with the name of the wrong thing. Work that goes wrong afterwards is
 * exit status 3, a mistake of this program's own is 2, and it writes nothing itself but
 * to say so.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SIZE                                                                             \
    48 /* with its header a whole size of mimalloc's: nothing between neighbours */
#define BLOCK (SIZE + 16)
#define TRIES 100000

static void give_up(int status, const char *why)
{
    fprintf(stderr, "damage: %s\n", why);
    exit(status);
}

/* The report has to name these two. */
__attribute__((noinline)) static char *make_left(size_t size)
{
    char *p = malloc(size);
    memset(p, 'L', size);
    return p;
}

__attribute__((noinline)) static char *make_right(size_t size)
{
    char *p = malloc(size);
    memset(p, 'R', size);
    return p;
}

__attribute__((noinline)) static char *make_aligned(size_t align)
{
    char *p = memalign(align, SIZE);
    memset(p, 'A', SIZE);
    return p;
}

static void expect_whole(const char *p, char with)
{
    for (size_t i = 0; i < SIZE; i++) {
        if (p[i] != with) {
            give_up(3, "a block has changed");
        }
    }
}

static void expect_refused(void *result)
{
    if (result != NULL || errno != EINVAL) {
        give_up(3, "realloc of a bad pointer gave something");
    }
}

/* Two live blocks, the second right behind the first. */
static void make_neighbours(char **left, char **right)
{
    for (int i = 0; i < TRIES; i++) {
        *left = make_left(SIZE);
        *right = make_right(SIZE);
        if (*right == *left + BLOCK) {
            return;
        }
    }
    give_up(2, "no two blocks are neighbours");
}

static void free_twice(void)
{
    char *p = make_left(SIZE);
    free(p);
    free(p);
}

/* Of so many bytes that the memory is gone after the first free; however it was made. */
static void free_huge_twice(void)
{
    const size_t huge = (size_t)100 << 20;
    void *blocks[] = {malloc(huge), calloc(huge, 1), realloc(malloc(1), huge),
                      realloc(malloc(huge), 2 * huge), memalign(64, huge)};
    for (int i = 0; i < 5; i++) {
        memset(blocks[i], 1, 100);
        free(blocks[i]);
        free(blocks[i]);
    }
}

static void *free_it(void *p)
{
    free(p);
    return NULL;
}

static void free_in_thread_too(void)
{
    char *p = make_left(SIZE);
    pthread_t thread;
    if (pthread_create(&thread, NULL, free_it, p) != 0) {
        give_up(2, "no thread");
    }
    pthread_join(thread, NULL);
    free(p);
}

/* C++'s deletes with a size and an alignment that are not the block's. */
void _ZdlPvm(void *, size_t) __attribute__((weak));
void _ZdlPvSt11align_val_t(void *, size_t) __attribute__((weak));

static void delete_with_wrong_size(void)
{
    if (_ZdlPvm == NULL) {
        give_up(77, "no operator delete");
    }
    _ZdlPvm(make_left(SIZE), 2 * SIZE);
    _ZdlPvm(make_left(5000), 1);
}

static void delete_with_wrong_alignment(void)
{
    if (_ZdlPvSt11align_val_t == NULL) {
        give_up(77, "no operator delete");
    }
    _ZdlPvSt11align_val_t(make_left(SIZE), 1024);
    _ZdlPvm(make_aligned(1024), SIZE);
}

static void free_aligned_twice(void)
{
    char *p = make_aligned(4096);
    free(p);
    free(p);
}

/* The block was given to somebody else in between, who freed it too. */
static void free_after_other(void)
{
    char *p = make_left(SIZE);
    free(p);
    for (int i = 0; i < TRIES; i++) {
        char *q = make_right(SIZE);
        if (q == p) {
            free(q);
            free(p);
            return;
        }
    }
    give_up(2, "the block did not come again");
}

/* Its memory became the inside of larger blocks. */
static void free_after_reuse(void)
{
    static char *small[4000];
    for (int i = 0; i < 4000; i++) {
        small[i] = make_left(SIZE);
    }
    for (int i = 0; i < 4000; i++) {
        free(small[i]);
    }
    for (int i = 0; i < 2000; i++) {
        char *large = make_right(4000);
        for (int s = 0; s < 4000; s++) {
            if (small[s] > large && small[s] < large + 4000) {
                free(small[s]);
                return;
            }
        }
    }
    give_up(2, "the memory was not used again");
}

static void free_stack(void)
{
    char local[64] __attribute__((aligned(16)));
    memset(local, 0, sizeof local);
    free(local + 32);
}

static void free_global(void)
{
    static char global[8192] __attribute__((aligned(4096)));
    free(global);
    free(global + 64);
}

static void free_inside(void)
{
    char *p = make_left(SIZE);
    free(p + 16);
    expect_whole(p, 'L');
    free(p);
}

static void free_crooked(void)
{
    char *p = make_left(SIZE);
    free(p + 5);
    expect_whole(p, 'L');
    free(p);
}

static void free_inside_aligned(void)
{
    char *p = make_aligned(1024);
    free(p + 32);
    expect_whole(p, 'A');
    free(p);
}

static void free_inside_huge(void)
{
    char *p = make_left((size_t)2 << 20);
    free(p + ((size_t)1 << 19));
    free(p);
}

static void free_mapped(void)
{
    char *p =
        mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    free(p);
    free(p + 16);
    free(p + 4096);
}

/* What a member's address is when the pointer to the whole is NULL. */
static void free_null_page(void)
{
    free((void *)(uintptr_t)0x20);
    free((void *)(uintptr_t)0x11);
    free((void *)(uintptr_t)0xFF0);
    expect_refused(realloc((void *)(uintptr_t)0x20, 100));
}

/* A block of libc's own allocator. */
static void free_foreign(void)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    void *(*theirs)(size_t) = NULL;
    *(void **)&theirs = dlsym(libc, "malloc");
    free(theirs(100));
}

/*
 * Damage: each byte becomes another one, and not by the same change everywhere, since one
 * to both id and check would cancel out.
 */

/* `bytes` beyond the end of the left block, each of them other than it was. */
static void overflow(int bytes)
{
    char *left;
    char *right;
    make_neighbours(&left, &right);
    for (int i = 0; i < bytes; i++) {
        left[SIZE + i] ^= (char)(0x50 + i);
    }
    free(right);
    expect_whole(right, 'R');
    free(left);
}

static void underflow(int bytes)
{
    char *p = make_left(SIZE);
    for (int i = 1; i <= bytes; i++) {
        p[-i] ^= (char)(0x50 + i);
    }
    free(p);
    expect_whole(p, 'L');
}

static void underflow_aligned(int bytes)
{
    char *p = make_aligned(512);
    for (int i = 1; i <= bytes; i++) {
        p[-i] ^= (char)(0x50 + i);
    }
    free(p);
    expect_whole(p, 'A');
}

static void realloc_freed(void)
{
    char *p = make_left(SIZE);
    free(p);
    expect_refused(realloc(p, 100));
}

static void realloc_inside(void)
{
    char *p = make_left(SIZE);
    expect_refused(realloc(p + 16, 100));
    expect_whole(p, 'L');
    free(p);
}

static void realloc_damaged(void)
{
    char *p = make_left(SIZE);
    p[-1] ^= 1;
    expect_refused(realloc(p, 100));
    expect_whole(p, 'L');
}

static void size_of_stack(void)
{
    char local[64] __attribute__((aligned(16)));
    memset(local, 0, sizeof local);
    if (malloc_usable_size(local + 32) != 0) {
        give_up(3, "a local variable has a usable size");
    }
}

static void size_of_freed(void)
{
    char *p = make_left(SIZE);
    free(p);
    if (malloc_usable_size(p) != 0) {
        give_up(3, "a freed block has a usable size");
    }
}

static void nothing_wrong(void)
{
    free(NULL);
    free(realloc(make_left(SIZE), 0));
    free(make_aligned(32));
}

static const struct {
    const char *name;
    void (*run)(void);
} deeds[] = {
    {"none", nothing_wrong},
    {"twice", free_twice},
    {"twice-aligned", free_aligned_twice},
    {"twice-huge", free_huge_twice},
    {"twice-in-threads", free_in_thread_too},
    {"wrong-size", delete_with_wrong_size},
    {"wrong-alignment", delete_with_wrong_alignment},
    {"twice-after-other", free_after_other},
    {"twice-after-reuse", free_after_reuse},
    {"stack", free_stack},
    {"global", free_global},
    {"inside", free_inside},
    {"crooked", free_crooked},
    {"inside-aligned", free_inside_aligned},
    {"inside-huge", free_inside_huge},
    {"mapped", free_mapped},
    {"null-page", free_null_page},
    {"foreign", free_foreign},
    {"realloc-freed", realloc_freed},
    {"realloc-inside", realloc_inside},
    {"realloc-damaged", realloc_damaged},
    {"size-of-stack", size_of_stack},
    {"size-of-freed", size_of_freed},
};

static const struct {
    const char *name;
    void (*run)(int bytes);
} deeds_by_bytes[] = {
    {"overflow", overflow},
    {"underflow", underflow},
    {"underflow-aligned", underflow_aligned},
};

static void do_wrong(const char *name, int bytes)
{
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        if (strcmp(deeds[i].name, name) == 0) {
            deeds[i].run();
            return;
        }
    }
    for (size_t i = 0; i < sizeof deeds_by_bytes / sizeof *deeds_by_bytes; i++) {
        if (strcmp(deeds_by_bytes[i].name, name) == 0) {
            deeds_by_bytes[i].run(bytes);
            return;
        }
    }
    give_up(2, "no such deed");
}

/* Blocks of all sizes, filled and looked at again: mimalloc's memory is in order. */
static void go_on(void)
{
    enum { COUNT = 2000 };
    static unsigned char *blocks[COUNT];
    static size_t sizes[COUNT];
    uint32_t random = 1;
    for (int round = 0; round < 50000; round++) {
        random = random * 1664525 + 1013904223;
        size_t i = (random >> 8) % COUNT;
        for (size_t b = 0; b < sizes[i]; b += 16) {
            if (blocks[i][b] != (unsigned char)i) {
                give_up(3, "a block has changed");
            }
        }
        free(blocks[i]);
        sizes[i] = (random >> 20) % (round % 20 == 0 ? 4000 : 200);
        blocks[i] = malloc(sizes[i]);
        memset(blocks[i], (int)i, sizes[i]);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        give_up(2, "which deed?");
    }
    do_wrong(argv[1], argc > 2 ? atoi(argv[2]) : 0);
    go_on();
    return 0;
}
