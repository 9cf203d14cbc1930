/* SPDX-License-Identifier: MIT */
/*
 * C++'s operator new and delete, all 20, in a program linked with libtmalloc. A plain
 * program: what does not hold is printed, and the exit status says so. The functions are
 * called by name, since a compiler may leave out a new-expression whose block is not
 * used.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <map>
#include <new>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include "tmalloc.h"

static int failures;

static void expect(bool holds, int line, const char *text)
{
    if (!holds) {
        std::printf("operators.cpp:%d: does not hold: %s\n", line, text);
        failures++;
    }
}
#define EXPECT(x) expect((x), __LINE__, #x)

static const std::size_t too_large[] = {SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX - 16,
                                        SIZE_MAX, SIZE_MAX / 2 - 4096};

static std::align_val_t aligned_to(std::size_t n)
{
    return static_cast<std::align_val_t>(n);
}

/* One row for each form of new, with the simplest delete that fits it. */
struct form {
    const char *name;
    void *(*make)(std::size_t size, std::size_t align);
    void (*drop)(void *p, std::size_t size, std::size_t align);
    bool throws;
    bool takes_align;
};

using size_type = std::size_t;
static const form forms[] = {
    {"_Znwm", [](size_type n, size_type) { return ::operator new(n); },
     [](void *p, size_type, size_type) { ::operator delete(p); }, true, false},
    {"_Znam", [](size_type n, size_type) { return ::operator new[](n); },
     [](void *p, size_type, size_type) { ::operator delete[](p); }, true, false},
    {"_Znwm", [](size_type n, size_type) { return ::operator new(n); },
     [](void *p, size_type n, size_type) { ::operator delete(p, n); }, true, false},
    {"_Znam", [](size_type n, size_type) { return ::operator new[](n); },
     [](void *p, size_type n, size_type) { ::operator delete[](p, n); }, true, false},
    {"_ZnwmRKSt9nothrow_t",
     [](size_type n, size_type) { return ::operator new(n, std::nothrow); },
     [](void *p, size_type, size_type) { ::operator delete(p, std::nothrow); }, false,
     false},
    {"_ZnamRKSt9nothrow_t",
     [](size_type n, size_type) { return ::operator new[](n, std::nothrow); },
     [](void *p, size_type, size_type) { ::operator delete[](p, std::nothrow); }, false,
     false},
    {"_ZnwmSt11align_val_t",
     [](size_type n, size_type a) { return ::operator new(n, aligned_to(a)); },
     [](void *p, size_type, size_type a) { ::operator delete(p, aligned_to(a)); }, true,
     true},
    {"_ZnamSt11align_val_t",
     [](size_type n, size_type a) { return ::operator new[](n, aligned_to(a)); },
     [](void *p, size_type, size_type a) { ::operator delete[](p, aligned_to(a)); }, true,
     true},
    {"_ZnwmSt11align_val_t",
     [](size_type n, size_type a) { return ::operator new(n, aligned_to(a)); },
     [](void *p, size_type n, size_type a) { ::operator delete(p, n, aligned_to(a)); },
     true, true},
    {"_ZnamSt11align_val_t",
     [](size_type n, size_type a) { return ::operator new[](n, aligned_to(a)); },
     [](void *p, size_type n, size_type a) { ::operator delete[](p, n, aligned_to(a)); },
     true, true},
    {"_ZnwmSt11align_val_tRKSt9nothrow_t",
     [](size_type n, size_type a) {
         return ::operator new(n, aligned_to(a), std::nothrow);
     },
     [](void *p, size_type, size_type a) {
         ::operator delete(p, aligned_to(a), std::nothrow);
     },
     false, true},
    {"_ZnamSt11align_val_tRKSt9nothrow_t",
     [](size_type n, size_type a) {
         return ::operator new[](n, aligned_to(a), std::nothrow);
     },
     [](void *p, size_type, size_type a) {
         ::operator delete[](p, aligned_to(a), std::nothrow);
     },
     false, true},
};

static const char *const deletes[] = {
    "_ZdlPv",
    "_ZdaPv",
    "_ZdlPvm",
    "_ZdaPvm",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdlPvSt11align_val_t",
    "_ZdaPvSt11align_val_t",
    "_ZdlPvmSt11align_val_t",
    "_ZdaPvmSt11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
};

static void expect_ours(const char *name)
{
    Dl_info where = {};
    void *function = dlsym(RTLD_DEFAULT, name);
    EXPECT(function != nullptr && dladdr(function, &where) != 0);
    EXPECT(where.dli_fname != nullptr && std::strstr(where.dli_fname, "libtmalloc.so"));
}

static void all_are_ours()
{
    for (const form &f : forms) {
        expect_ours(f.name);
    }
    for (const char *name : deletes) {
        expect_ours(name);
    }
}

static void blocks_are_aligned_and_whole()
{
    for (const form &f : forms) {
        size_type most = f.takes_align ? 4096 : 16;
        for (size_type align = f.takes_align ? 1 : 16; align <= most; align *= 2) {
            for (size_type size = 0; size < 20000; size += 1 + size / 3) {
                void *p = f.make(size, align);
                void *q = f.make(size, align);
                EXPECT(p != nullptr && p != q);
                EXPECT(reinterpret_cast<std::uintptr_t>(p) % align == 0);
                EXPECT(reinterpret_cast<std::uintptr_t>(p) % 16 == 0);
                EXPECT(malloc_usable_size(p) >= size);
                std::memset(p, 1, malloc_usable_size(p));
                std::memset(q, 2, malloc_usable_size(q));
                f.drop(p, size, align);
                f.drop(q, size, align);
            }
        }
        f.drop(nullptr, 0, 16);
    }
}

static void families_mix()
{
    for (const form &f : forms) {
        void *p = f.make(100, 64);
        std::free(p);
        p = std::realloc(f.make(100, 64), 5000);
        f.drop(p, 5000, 64);
        for (const form &g : forms) {
            g.drop(f.make(300, 128), 300, 128);
        }
        f.drop(std::malloc(10), 10, 16);
    }
}

/* nullptr, or std::bad_alloc, as the form has it. */
static bool fails_properly(const form &f, size_type size, size_type align)
{
    try {
        return f.make(size, align) == nullptr && !f.throws;
    } catch (const std::bad_alloc &) {
        return f.throws;
    }
}

static void too_large_fails()
{
    for (const form &f : forms) {
        for (size_type size : too_large) {
            EXPECT(fails_properly(f, size, 64));
        }
    }
}

static void an_alignment_of_no_power_of_two_fails()
{
    for (const form &f : forms) {
        if (f.takes_align) {
            EXPECT(fails_properly(f, 100, 24));
            EXPECT(fails_properly(f, 100, 0));
            EXPECT(fails_properly(f, 100, 100));
        }
    }
}

static int calls;

static void remove_after_three()
{
    if (++calls == 3) {
        std::set_new_handler(nullptr);
    }
}

static void throw_bad_alloc()
{
    calls++;
    throw std::bad_alloc();
}

struct own_exception : std::bad_alloc {
};

static void throw_own()
{
    calls++;
    throw own_exception();
}

static void the_handler_is_called_until_it_is_gone()
{
    for (const form &f : forms) {
        calls = 0;
        std::set_new_handler(remove_after_three);
        EXPECT(fails_properly(f, SIZE_MAX / 2, 64));
        EXPECT(calls == 3);
        EXPECT(std::get_new_handler() == nullptr);
    }
}

static void a_handler_that_throws_ends_it()
{
    for (const form &f : forms) {
        calls = 0;
        std::set_new_handler(throw_bad_alloc);
        EXPECT(fails_properly(f, SIZE_MAX / 2, 64));
        EXPECT(calls == 1);
        calls = 0;
        std::set_new_handler(throw_own);
        bool own = false;
        try {
            EXPECT(f.make(SIZE_MAX / 2, 64) == nullptr && !f.throws);
        } catch (const own_exception &) {
            own = true;
        }
        EXPECT(own == f.throws);
        EXPECT(calls == 1);
    }
    std::set_new_handler(nullptr);
}

static rlimit generous;

/* The second call of the handler lifts the limit that makes new fail. */
static void lift_limit()
{
    if (++calls == 2) {
        setrlimit(RLIMIT_AS, &generous);
    }
}

static void a_handler_that_finds_memory_makes_new_succeed()
{
    getrlimit(RLIMIT_AS, &generous);
    const size_type size = static_cast<size_type>(400) << 20;
    for (const form &f : forms) {
        rlimit tight = generous;
        tight.rlim_cur = static_cast<rlim_t>(200) << 20;
        calls = 0;
        std::set_new_handler(lift_limit);
        setrlimit(RLIMIT_AS, &tight);
        void *p = f.make(size, 64);
        setrlimit(RLIMIT_AS, &generous);
        EXPECT(p != nullptr);
        EXPECT(calls == 2);
        f.drop(p, size, 64);
    }
    std::set_new_handler(nullptr);
}

/* The newest frame of a block from new is this program, not a library's operator new. */
static void the_caller_is_the_program()
{
    EXPECT(tm_start(1) == 0);
    for (const form &f : forms) {
        void *p = f.make(50, 32);
        const tm_traceback_t *tb = tm_get_object_traceback(p);
        EXPECT(tb != nullptr && tm_traceback_len(tb) == 1);
        Dl_info frame = {};
        Dl_info own = {};
        if (tb != nullptr) {
            dladdr(reinterpret_cast<void *>(tm_traceback_address(tb, 0)), &frame);
            dladdr(reinterpret_cast<void *>(expect), &own);
            EXPECT(frame.dli_fbase == own.dli_fbase);
        }
        f.drop(p, 50, 32);
    }
    EXPECT(tm_get_traced_memory().current == 0);
    tm_stop();
}

struct alignas(128) wide {
    char bytes[300];
};

static void churn(std::vector<std::string> *out)
{
    std::map<int, std::string> words;
    for (int i = 0; i < 5000; i++) {
        words[i * 7919 % 3001] = std::string(static_cast<size_type>(i % 200), 'x');
    }
    for (const auto &word : words) {
        out->push_back(word.second);
    }
    for (int i = 0; i < 100; i++) {
        wide *w = new wide[3];
        EXPECT(reinterpret_cast<std::uintptr_t>(w) % 128 == 0);
        delete[] w;
    }
}

/* Containers that one thread fills and another one frees. */
static void threads_share_containers()
{
    std::vector<std::vector<std::string>> results(4);
    std::vector<std::thread> threads;
    for (auto &result : results) {
        threads.emplace_back(churn, &result);
    }
    for (auto &thread : threads) {
        thread.join();
    }
    for (const auto &result : results) {
        EXPECT(result.size() == 3001);
    }
}

int main()
{
    bool traced = tm_is_tracing();
    all_are_ours();
    blocks_are_aligned_and_whole();
    families_mix();
    too_large_fails();
    an_alignment_of_no_power_of_two_fails();
    the_handler_is_called_until_it_is_gone();
    a_handler_that_throws_ends_it();
    threads_share_containers();
    if (!traced) {
        the_caller_is_the_program();
    }
    a_handler_that_finds_memory_makes_new_succeed();
    if (failures == 0) {
        std::printf("all hold\n");
    }
    return failures == 0 ? 0 : 1;
}
