/* SPDX-License-Identifier: MIT */
/*
 * Headers: what a pointer is, for pointers of every kind, and the search for the block
 * that a stray pointer belongs to.
 */
#include "heap/block.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../support/random.h"

static void *make(size_t size)
{
    tmi_block_init();
    return tmi_block_seal(tmi_backend_alloc(size + sizeof(struct tmi_block)), size, 3,
                          77);
}

static void *make_in_no_domain(size_t size)
{
    tmi_block_init();
    return tmi_block_seal(tmi_backend_alloc(size + sizeof(struct tmi_block)), size, 0,
                          77);
}

static char *make_aligned(size_t size, size_t align)
{
    tmi_block_init();
    char *base = tmi_backend_alloc(tmi_block_aligned_request(size, align));
    char *user = tmi_block_aligned_user(base, align);
    tmi_block_seal_aligned(user, (size_t)(user - base), size, 5, 99);
    return user;
}

Test(block, the_secret_is_drawn_once)
{
    tmi_block_init();
    uint64_t drawn = tmi_block_secret;
    cr_assert_eq(drawn & 1, 1);
    tmi_block_init();
    cr_assert_eq(tmi_block_secret, drawn);
}

Test(block, a_live_block)
{
    for (size_t size = 0; size < 5000; size += 13) {
        char *p = make(size);
        const struct tmi_block *block = tmi_block_of(p);
        cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_LIVE);
        cr_assert_eq(tmi_block_size(block), size);
        cr_assert_eq(tmi_block_domain(block), 3);
        cr_assert_eq(tmi_block_trace(p, TMI_BLOCK_LIVE), 77);
        cr_assert_eq(tmi_block_base(p, TMI_BLOCK_LIVE), (void *)block);
        cr_assert_geq(tmi_block_usable(p, TMI_BLOCK_LIVE), size);
        memset(p, 0xFF, tmi_block_usable(p, TMI_BLOCK_LIVE));
        cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_LIVE);
    }
}

Test(block, fields_at_their_largest)
{
    tmi_block_init();
    void *base = tmi_backend_alloc(64);
    const size_t most = ((size_t)1 << TMI_BLOCK_SIZE_BITS) - 1;
    void *p = tmi_block_seal(base, most, 65535, UINT32_MAX);
    cr_assert_eq(tmi_block_size(tmi_block_of(p)), most);
    cr_assert_eq(tmi_block_domain(tmi_block_of(p)), 65535);
    cr_assert_eq(tmi_block_trace(p, TMI_BLOCK_LIVE), UINT32_MAX);
    cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_LIVE);
}

Test(block, an_aligned_block)
{
    for (size_t align = 32; align <= (size_t)4 << 20; align *= 2) {
        for (size_t size = 0; size < 300; size += 37) {
            char *p = make_aligned(size, align);
            cr_assert_eq((uintptr_t)p % align, 0);
            cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_LIVE_ALIGNED);
            cr_assert_eq(tmi_block_size(tmi_block_of(p)), size);
            cr_assert_eq(tmi_block_domain(tmi_block_of(p)), 5);
            size_t usable = tmi_block_usable(p, TMI_BLOCK_LIVE_ALIGNED);
            cr_assert_geq(usable, size);
            memset(p, 0xEE, usable);
            cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_LIVE_ALIGNED);
            tmi_backend_release(tmi_block_base(p, TMI_BLOCK_LIVE_ALIGNED));
        }
    }
}

Test(block, requests_that_are_too_large)
{
    cr_assert_eq(tmi_block_aligned_request(SIZE_MAX, 32), 0);
    cr_assert_eq(tmi_block_aligned_request(SIZE_MAX - 40, 32), 0);
    cr_assert_eq(tmi_block_aligned_request(PTRDIFF_MAX, 32), 0);
    cr_assert_eq(tmi_block_aligned_request(16, (size_t)1 << 63), 0);
    cr_assert_geq(tmi_block_aligned_request(100, 64), 100 + 64 + 32 - 16);
}

Test(block, a_freed_block)
{
    char *p = make(100);
    tmi_block_unseal(tmi_block_of(p), tmi_block_tag_of(77));
    cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_FREED);
    cr_assert_eq(tmi_block_trace(p, TMI_BLOCK_FREED), 77,
                 "for the report of a second free");
    tmi_block_unseal(tmi_block_of(p), 0);
    cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_FREED);
    cr_assert_eq(tmi_block_trace(p, TMI_BLOCK_FREED), 0, "it was not traced");
    char *a = make_aligned(100, 4096);
    cr_assert_eq(tmi_block_trace(a, TMI_BLOCK_LIVE_ALIGNED), 99);
    tmi_block_unseal(tmi_block_of(a), tmi_block_tag_of(99));
    cr_assert_eq(tmi_block_classify(a), TMI_BLOCK_FREED);
    cr_assert_eq(tmi_block_trace(a, TMI_BLOCK_FREED), 99);
}

Test(block, freed_blocks_stay_recognisable_in_the_allocator)
{
    char *blocks[200];
    for (int i = 0; i < 200; i++) {
        blocks[i] = make(48);
    }
    for (int i = 0; i < 200; i++) {
        tmi_block_unseal(tmi_block_of(blocks[i]), tmi_block_tag_of((uint32_t)i));
        tmi_backend_release(tmi_block_of(blocks[i]));
    }
    for (int i = 0; i < 200; i++) {
        cr_assert_eq(tmi_block_classify(blocks[i]), TMI_BLOCK_FREED, "block %d", i);
        cr_assert_eq(tmi_block_trace(blocks[i], TMI_BLOCK_FREED), (uint32_t)i);
    }
}

/* What memory is filled with must not look like a block that was freed. */
Test(block, patterns_are_no_freed_blocks)
{
    void *p = make(48);
    struct tmi_block *block = tmi_block_of(p);
    for (unsigned byte = 0; byte < 256; byte++) {
        memset(&block->seal, (int)byte, sizeof block->seal);
        cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_UNKNOWN, "filled with %u", byte);
    }
}

/* What somebody wrote over one half of the header leaves the id to be found. */
Test(block, the_id_in_a_damaged_header)
{
    const uint64_t words[] = {0, UINT64_MAX, UINT64_C(0x4141414141414141), 1};
    const size_t sizes[] = {0, 1, 24, 100, 1000, 5000, 70000, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t j = 0; j < sizeof words / sizeof *words; j++) {
            char *p = make_in_no_domain(sizes[i]);
            struct tmi_block *block = tmi_block_of(p);
            block->size_domain = words[j]; /* from the block below */
            cr_assert_eq(tmi_block_guess_trace(p), 77, "size %zu", sizes[i]);
            block->size_domain = sizes[i];
            memset(p - 4, (int)words[j], 4); /* from this block, to its left */
            cr_assert_eq(tmi_block_guess_trace(p), 77, "size %zu", sizes[i]);
        }
    }
}

/* An untraced block's seal is the hash alone: that, too, must not be made by accident. */
Test(block, one_damaged_bit_of_a_block_that_is_not_traced_is_seen)
{
    tmi_block_init();
    void *p = tmi_block_seal(tmi_backend_alloc(64), 48, 0, 0);
    unsigned char *header = (unsigned char *)tmi_block_of(p);
    cr_assert_eq(tmi_block_tag(tmi_block_of(p)), 0);
    for (unsigned bit = 0; bit < 128; bit++) {
        header[bit / 8] ^= (unsigned char)(1u << bit % 8);
        cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_UNKNOWN, "bit %u", bit);
        header[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_LIVE);
}

/* Each bit of the header: size, domain, trace id, check. */
Test(block, one_damaged_bit_is_seen)
{
    char *p = make(100);
    char *a = make_aligned(100, 256);
    for (unsigned bit = 0; bit < 128; bit++) {
        unsigned char mask = (unsigned char)(1u << bit % 8);
        ((unsigned char *)tmi_block_of(p))[bit / 8] ^= mask;
        cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_UNKNOWN, "bit %u", bit);
        ((unsigned char *)tmi_block_of(p))[bit / 8] ^= mask;
        ((unsigned char *)tmi_block_of(a))[bit / 8] ^= mask;
        cr_assert_eq(tmi_block_classify(a), TMI_BLOCK_UNKNOWN, "aligned, bit %u", bit);
        ((unsigned char *)tmi_block_of(a))[bit / 8] ^= mask;
    }
    for (unsigned bit = 0; bit < 64; bit++) { /* the distance */
        unsigned char mask = (unsigned char)(1u << bit % 8);
        ((unsigned char *)tmi_block_of(a) - 16)[bit / 8] ^= mask;
        cr_assert_eq(tmi_block_classify(a), TMI_BLOCK_UNKNOWN, "distance, bit %u", bit);
        ((unsigned char *)tmi_block_of(a) - 16)[bit / 8] ^= mask;
    }
    cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_LIVE);
    cr_assert_eq(tmi_block_classify(a), TMI_BLOCK_LIVE_ALIGNED);
}

static char global[4096];

Test(block, pointers_that_are_no_blocks)
{
    char local[256] = "";
    tmi_block_init();
    cr_assert_eq(tmi_block_classify(NULL), TMI_BLOCK_UNKNOWN);
    cr_assert_eq(tmi_block_classify((void *)16), TMI_BLOCK_UNKNOWN);
    char *p = make(1000);
    for (int i = 1; i < 1000; i++) {
        cr_assert_eq(tmi_block_classify(p + i), TMI_BLOCK_UNKNOWN, "interior %d", i);
    }
    for (int i = 16; i < 256; i++) {
        cr_assert_eq(tmi_block_classify(local + i), TMI_BLOCK_UNKNOWN);
        cr_assert_eq(tmi_block_classify(global + 8 * i), TMI_BLOCK_UNKNOWN);
    }
    cr_assert_eq(tmi_block_classify(&"a constant"[0]), TMI_BLOCK_UNKNOWN);
}

/* A header copied to another place is no header there. */
Test(block, a_header_belongs_to_its_address)
{
    char *p = make(64);
    char *q = make(640);
    for (int at = 16; at < 600; at += 16) {
        memcpy(q + at - 16, tmi_block_of(p), 16);
        cr_assert_eq(tmi_block_classify(q + at), TMI_BLOCK_UNKNOWN, "at %d", at);
    }
}

/* Nothing is mapped before a page: what is asked must not fault. */
Test(block, the_first_bytes_of_a_mapping)
{
    tmi_block_init();
    char *pages =
        mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(pages, MAP_FAILED);
    cr_assert_eq(mprotect(pages, 4096, PROT_NONE), 0);
    char *page = pages + 4096;
    cr_assert_not(tmi_block_may_look(page));
    cr_assert(tmi_block_may_look(page + 16));
    cr_assert_eq(tmi_block_classify(page), TMI_BLOCK_UNKNOWN);
    cr_assert_eq(tmi_block_classify(page + 16), TMI_BLOCK_UNKNOWN);
    cr_assert_eq(tmi_block_classify(page + 32), TMI_BLOCK_UNKNOWN);
    enum tmi_block_state state;
    cr_assert_null(tmi_block_search_below(page + 100, 1 << 20, &state));
    cr_assert_null(tmi_block_search_below(page, 1 << 20, &state));
}

/* Blocks that mimalloc's own map of addresses does not have: 1 GiB and more. */
Test(block, a_huge_block_is_a_block)
{
    const size_t huge = (size_t)1 << 30;
    char *p = make(huge);
    cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_LIVE);
    cr_assert_geq(tmi_block_usable(p, TMI_BLOCK_LIVE), huge);
    char *a = make_aligned(huge, 4096);
    cr_assert_eq(tmi_block_classify(a), TMI_BLOCK_LIVE_ALIGNED);
    cr_assert_geq(tmi_block_usable(a, TMI_BLOCK_LIVE_ALIGNED), huge);
}

/* mimalloc moves on to new addresses, and above 20 TiB its map has none of them. */
Test(block, high_addresses_are_no_foreign_ones)
{
    int unknown_to_mimalloc = 0;
    for (int i = 0; i < 40000; i++) {
        size_t size = (size_t)900 << 20;
        char *base = tmi_backend_alloc(size + 4096 + 64);
        char *p = tmi_block_aligned_user(base, 4096);
        tmi_block_init();
        tmi_block_seal_aligned(p, (size_t)(p - base), size, 0, 0);
        unknown_to_mimalloc += !tmi_backend_owns(p);
        enum tmi_block_state state = tmi_block_classify(p);
        tmi_backend_release(base);
        cr_assert_eq(state, TMI_BLOCK_LIVE_ALIGNED, "round %d: %p", i, (void *)p);
    }
    cr_log_info("%d of 40000 blocks lay above mimalloc's map", unknown_to_mimalloc);
}

Test(block, the_block_below_is_found)
{
    char *p = make(1000);
    enum tmi_block_state state;
    for (size_t i = 1; i <= 1000; i += 3) {
        state = TMI_BLOCK_UNKNOWN;
        cr_assert_eq(tmi_block_search_below(p + i, 1 << 20, &state), (void *)p);
        cr_assert_eq(state, TMI_BLOCK_LIVE);
    }
    char *a = make_aligned(1000, 64);
    for (size_t i = 1; i <= 1000; i += 3) {
        cr_assert_eq(tmi_block_search_below(a + i, 1 << 20, &state), (void *)a);
        cr_assert_eq(state, TMI_BLOCK_LIVE_ALIGNED);
    }
    cr_assert_null(tmi_block_search_below(p + 900, 500, &state), "out of reach");
    tmi_block_unseal(tmi_block_of(p), 0);
    cr_assert_neq(tmi_block_search_below(p + 900, 1 << 20, &state), (void *)p);
}

Test(block, alignment_of_every_request)
{
    uint64_t random = 4;
    for (int i = 0; i < 20000; i++) {
        size_t align = (size_t)32 << random_below(&random, 12);
        size_t size = random_below(&random, 5000);
        char *p = make_aligned(size, align);
        char *base = tmi_block_base(p, TMI_BLOCK_LIVE_ALIGNED);
        cr_assert_eq((uintptr_t)p % align, 0);
        cr_assert_leq(p + size, base + tmi_backend_usable(base));
        cr_assert_geq(p - base, 32);
        tmi_block_unseal(tmi_block_of(p), 0);
        tmi_backend_release(base);
    }
}
