// SPDX-License-Identifier: MIT
// A victim of the symbol tests: names as C++ has them.
#include "sites.h"

// Notes its own return address, and never in a tail call: they have none.
static NOINLINE void here(struct site *s)
{
    s->address = __builtin_return_address(0);
    STAY();
}

namespace shop
{

template <class T> struct Box {
    T value;
    NOINLINE void open(struct site *s, T add)
    {
        value += add;
        here(expect(s, 0, "shop::Box<int>::open(site*, int)", __LINE__));
        STAY();
    }
    NOINLINE ~Box();
    struct site *at;
};

template <class T> Box<T>::~Box()
{
    here(expect(at, 0, "shop::Box<int>::~Box()", __LINE__));
    STAY();
}

template <class T> NOINLINE T pack(struct site *s, T value)
{
    here(expect(s, 0, "long shop::pack<long>(site*, long)", __LINE__));
    STAY();
    return value;
}

namespace
{
NOINLINE void hidden(struct site *s)
{
    here(expect(s, 0, "shop::(anonymous namespace)::hidden(site*)", __LINE__));
    STAY();
}
} // namespace

NOINLINE void local(struct site *s)
{
    struct Inner {
        static NOINLINE void work(struct site *to)
        {
            here(expect(to, 0, "shop::local(site*)::Inner::work(site*)", __LINE__));
            STAY();
        }
    };
    Inner::work(s);
    STAY();
}

} // namespace shop

static int run(struct site *to)
{
    int n = 0;
    {
        shop::Box<int> box{1, &to[n++]};
        box.open(&to[n++], 2);
    }
    shop::pack<long>(&to[n++], 3);
    shop::hidden(&to[n++]);
    shop::local(&to[n++]);
    return n;
}

VICTIM_EXPORT const struct victim victim;
const struct victim victim = {__FILE__, run};
