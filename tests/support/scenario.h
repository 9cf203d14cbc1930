/* SPDX-License-Identifier: MIT */
/*
 * Parts of a test that need a process of their own: other TMALLOC_ variables, an end of
 * the process to look at, nobody else's threads. The test program runs itself again, and
 * before main of that second process a constructor calls the scenario that is named in
 * its environment and ends with its result.
 */
#ifndef TEST_SCENARIO_H
#define TEST_SCENARIO_H

struct scenario {
    const char *name;
    int (*run)(const char *argument); /* 0: passed; the exit status */
};

/* Every test program that uses this has its table; the last name is NULL. */
extern const struct scenario scenarios[];

struct outcome {
    int status;      /* as exit() had it, or 1000 + the signal's number */
    char text[8192]; /* what it wrote to stderr */
};

/*
 * Run a scenario with `variables` (NAME=VALUE, ended by NULL; may be NULL itself) and
 * nothing else that is tmalloc's in its environment.
 */
void scenario_run(struct outcome *outcome, const char *name, const char *argument,
                  const char *const *variables);

/* The same, and the test fails unless it ends with 0. */
void scenario_expect(const char *name, const char *argument,
                     const char *const *variables);

/* For scenarios: says what went wrong, on stderr; returns 1. */
int scenario_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
