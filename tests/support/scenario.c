/* SPDX-License-Identifier: MIT */
/* See scenario.h. The second process is told by the variables SCENARIO and SCENARIO_FOR.
 */
#include "scenario.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define VARIABLES 32

__attribute__((constructor)) static void become_scenario(void)
{
    const char *name = getenv("SCENARIO");
    if (name == NULL) {
        return;
    }
    for (const struct scenario *s = scenarios; s->name != NULL; s++) {
        if (strcmp(s->name, name) == 0) {
            exit(s->run(getenv("SCENARIO_FOR")));
        }
    }
    exit(scenario_fail("no scenario %s", name));
}

int scenario_fail(const char *format, ...)
{
    char text[512];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    dprintf(STDERR_FILENO, "%s\n", text);
    return 1;
}

/* What the loader and the tests' scripts need, and nothing that steers a program. */
static int keep_variables(char **block)
{
    static const char *const kept[] = {
        "PATH=", "HOME=", "LD_LIBRARY_PATH=", "srcdir=", "builddir="};
    int n = 0;
    for (char **e = environ; *e != NULL; e++) {
        for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
            if (strncmp(*e, kept[i], strlen(kept[i])) == 0) {
                block[n++] = *e;
            }
        }
    }
    return n;
}

static void become(char *program, const char *name, const char *argument,
                   const char *const *variables)
{
    char scenario[128];
    char scenario_for[512];
    char *block[VARIABLES];
    int n = keep_variables(block);
    for (; variables != NULL && *variables != NULL && n < VARIABLES - 3; variables++) {
        block[n++] = (char *)*variables;
    }
    snprintf(scenario, sizeof scenario, "SCENARIO=%s", name);
    snprintf(scenario_for, sizeof scenario_for, "SCENARIO_FOR=%s", argument);
    block[n++] = scenario;
    block[n++] = scenario_for;
    block[n] = NULL;
    execve("/proc/self/exe", (char *[]){program, NULL}, block);
    _exit(127);
}

static void read_all(int fd, struct outcome *outcome)
{
    size_t n = 0;
    char rest[512];
    for (;;) {
        size_t room = sizeof outcome->text - 1 - n;
        ssize_t got =
            room > 0 ? read(fd, outcome->text + n, room) : read(fd, rest, sizeof rest);
        if (got <= 0) {
            break;
        }
        n += room > 0 ? (size_t)got : 0;
    }
    outcome->text[n] = '\0';
}

void scenario_run(struct outcome *outcome, const char *name, const char *argument,
                  const char *const *variables)
{
    int ends[2];
    int status;
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        become("scenario", name, argument, variables);
    }
    close(ends[1]);
    read_all(ends[0], outcome);
    close(ends[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    outcome->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

void scenario_expect(const char *name, const char *argument, const char *const *variables)
{
    struct outcome outcome;
    scenario_run(&outcome, name, argument, variables);
    cr_assert_eq(outcome.status, 0, "%s %s: status %d\n%s", name, argument,
                 outcome.status, outcome.text);
}
