/* SPDX-License-Identifier: MIT */
/*
 * What a test writes to stderr, as text: the runtime writes with write(2), past stdio.
 *
 *     stderr_catch();
 *     ...
 *     const char *text = stderr_caught();      stderr is what it was again
 */
#ifndef TMI_TEST_STDERR_H
#define TMI_TEST_STDERR_H

void stderr_catch(void);

/* Everything written since, with a NUL behind; at most STDERR_MOST - 1 bytes of it. */
const char *stderr_caught(void);

#define STDERR_MOST 65536

#endif
