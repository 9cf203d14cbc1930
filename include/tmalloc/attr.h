/* SPDX-License-Identifier: MIT */
/*
 * Attributes used by tmalloc's public headers, one short macro per fact. Compilers that
 * do not know an attribute see nothing; the functions are the same.
 */
#ifndef TMALLOC_ATTR_H
#define TMALLOC_ATTR_H

#define TM_VERSION_MAJOR 0
#define TM_VERSION_MINOR 1
#define TM_VERSION_PATCH 0

#if defined(__GNUC__)
#define TM_API       __attribute__((visibility("default")))
#define TM_NODISCARD __attribute__((warn_unused_result))
#define TM_PURE      __attribute__((pure))
#else
#define TM_API
#define TM_NODISCARD
#define TM_PURE
#endif

#endif
