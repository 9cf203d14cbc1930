/* SPDX-License-Identifier: MIT */
/*
 * Calls that fail when they are told to. The program defines the functions of libc and of
 * mimalloc that tmalloc calls, so that every library of the process comes through here:
 *
 *     FAULT=KIND:FIRST:STEP    the FIRST-th call of that kind fails, and every STEP-th
 *                              after it; with STEP 0 only that one
 *
 *     mmap     mmap and mremap for tmalloc
 *     os       the same for mimalloc
 *     munmap   munmap for either
 *     alloc    mi_malloc, mi_zalloc, mi_realloc
 *     open     open, openat
 *     read     read, pread, fstat
 *     write    write, fsync, rename; not to stderr
 *     thread   pthread_create, keys of threads
 *     random   getrandom
 *
 * Libraries that do not bear it are spared failures of `alloc` and `os`: the dynamic
 * loader ends the process when it has no memory for a thread's variables, libdw when it
 * has none for a table, and GnuTLS, which libdw's libdebuginfod brings along, complains.
 */
#ifndef FAULTS_INJECT_H
#define FAULTS_INJECT_H

#include <stdbool.h>
#include <stdint.h>

/* How many calls have failed so far, in all threads. */
uint32_t faults_hit(void);

/* True when there were fewer calls than FIRST. */
bool faults_are_over(void);

/* While it is off, nothing fails and nothing is counted. On at the start. */
void faults_switch(bool on);

/* True when FAULT names this kind. */
bool faults_are(const char *kind);

#endif
