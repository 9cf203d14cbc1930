// SPDX-License-Identifier: MIT
// Two forms of operator new, of whatever libstdc++ this is linked with.
extern "C" void *new_by_cxx(bool array)
{
    return array ? static_cast<void *>(new char[40])
                 : static_cast<void *>(new long double);
}
