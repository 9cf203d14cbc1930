// SPDX-License-Identifier: MIT
// See library.h. The vector's doubles are allocated by the standard library's own code.
#include "library.h"

#include <vector>

namespace
{
class shelf
{
  public:
    void *add(int bytes)
    {
        char *p = new char[bytes]; // mark: array
        total += bytes;
        p[0] = static_cast<char>(total);
        return p;
    }

  private:
    int total = 0;
};

shelf everything;
} // namespace

extern "C" void *library_array(int bytes)
{
    return everything.add(bytes); // mark: caller of array
}

extern "C" void *library_vector(int n)
{
    auto *v = new std::vector<double>; // mark: vector
    v->reserve(n);                     // mark: doubles
    return v;
}
