/* SPDX-License-Identifier: MIT */
/* The shared library of known.c, written in C++. */
#ifndef KNOWN_LIBRARY_H
#define KNOWN_LIBRARY_H

#ifdef __cplusplus
extern "C" {
#endif

/* A block of so many bytes, from new. */
void *library_array(int bytes);

/* A vector of so many doubles, itself from new. */
void *library_vector(int n);

#ifdef __cplusplus
}
#endif
#endif
