/* SPDX-License-Identifier: MIT */
/*
 * Linker names back into the programmer's.
 *
 * C++ is left to the C++ runtime's own __cxa_demangle. Rust's older names are C++ names
 * that end in a hash, and write what C++ names cannot hold between dollar signs:
 *
 *     _ZN49_$LT$T$u20$as$u20$a..b..C$GT$4next17h0123456789abcdefE
 *       C++:   _$LT$T$u20$as$u20$a..b..C$GT$::next::h0123456789abcdef
 *       shown: <T as a::b::C>::next
 *
 * What is hung on the end of a name is not part of it: a copy that the optimiser made
 * (f.constprop.0, f.part.1.cold) and the version of a library's symbol
 * (memcpy@@GLIBC_2.14). Whatever is not understood is left as it stands: a name is never
 * guessed. Rust's newer names (_R...) are no C++ names and stay mangled. Pure functions,
 * no state.
 */
#include "symbol/demangle.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* From the C++ ABI; declared here because <cxxabi.h> is for C++ only. */
extern char *__cxa_demangle(const char *name, char *text, size_t *len, int *status);

#define HASH_LEN 19 /* "::h" and 16 digits */

static const struct escape {
    const char *text;
    char meaning;
} escapes[] = {
    {"$SP$", '@'}, {"$BP$", '*'}, {"$RF$", '&'}, {"$LT$", '<'},
    {"$GT$", '>'}, {"$LP$", '('}, {"$RP$", ')'}, {"$C$", ','},
};

static const char *const clones[] = {
    ".cold", ".constprop", ".isra", ".llvm", ".localalias", ".lto_priv", ".part",
};

static bool ends_in_rust_hash(const char *text, size_t len)
{
    if (len <= HASH_LEN || memcmp(text + len - HASH_LEN, "::h", 3) != 0) {
        return false;
    }
    return strspn(text + len - 16, "0123456789abcdef") == 16;
}

/* "$u7e$" is the character 0x7e; only printable ASCII is written so. */
static size_t unescape_code(const char *in, char *out)
{
    char *end;
    if (strncmp(in, "$u", 2) != 0 || strspn(in + 2, "0123456789abcdef") == 0) {
        return 0;
    }
    unsigned long code = strtoul(in + 2, &end, 16);
    if (*end != '$' || code < 0x20 || code > 0x7e) {
        return 0;
    }
    *out = (char)code;
    return (size_t)(end + 1 - in);
}

/* The length of the escape at `in`, its meaning in *out; 0 when there is none. */
static size_t unescape(const char *in, char *out)
{
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        size_t len = strlen(escapes[i].text);
        if (strncmp(in, escapes[i].text, len) == 0) {
            *out = escapes[i].meaning;
            return len;
        }
    }
    return unescape_code(in, out);
}

/* In place: no escape is shorter than what it means. */
static void unescape_rust(char *text)
{
    char *out = text;
    for (const char *in = text; *in != '\0';) {
        bool word_start = out == text || out[-1] == ':';
        size_t len = unescape(in, out);
        if (len > 0) {
            out++;
            in += len;
        } else if (in[0] == '.' && in[1] == '.') {
            *out++ = ':';
            *out++ = ':';
            in += 2;
        } else if (in[0] == '_' && in[1] == '$' && word_start) {
            in++; /* put there because a name cannot begin with a dollar sign */
        } else {
            *out++ = *in++;
        }
    }
    *out = '\0';
}

/* The length of name[0..len) without a final ".3". */
static size_t without_number(const char *name, size_t len)
{
    size_t at = len;
    while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9') {
        at--;
    }
    return at < len && at > 1 && name[at - 1] == '.' ? at - 1 : len;
}

/* The length of name[0..len) without a final ".cold" or ".part.3" or the like. */
static size_t without_clone(const char *name, size_t len)
{
    size_t end = without_number(name, len);
    for (size_t i = 0; i < sizeof(clones) / sizeof(clones[0]); i++) {
        size_t n = strlen(clones[i]);
        if (end > n && memcmp(name + end - n, clones[i], n) == 0) {
            return end - n;
        }
    }
    return len;
}

/* The length of what the programmer has written of `name`. */
static size_t written_length(const char *name)
{
    size_t len = strcspn(name, "@"), shorter;
    while ((shorter = without_clone(name, len)) < len) {
        len = shorter;
    }
    return len > 0 ? len : strlen(name);
}

char *tmi_demangle(const char *name)
{
    char *plain = strndup(name, written_length(name));
    /* __cxa_demangle takes "i" for a mangled "int", so that not all may be asked for. */
    if (plain == NULL || strncmp(plain, "_Z", 2) != 0) {
        return plain;
    }
    char *text = __cxa_demangle(plain, NULL, NULL, NULL);
    if (text == NULL) {
        return plain;
    }
    free(plain);
    size_t len = strlen(text);
    if (ends_in_rust_hash(text, len)) {
        text[len - HASH_LEN] = '\0';
        unescape_rust(text);
    }
    return text;
}
