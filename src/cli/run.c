/* SPDX-License-Identifier: MIT */
/*
 * tmalloc run: start a program with tracing on, wait, say what it held.
 *
 *     parent: plan output -> fork ------------ wait ---- find the file -> summary -> exit
 *     child:                   \-> environment -> exec ... program ... writes the file
 *
 * The child tells the parent through a shared page what it found before exec: the mark of
 * a file that was there already, and why exec failed. To the outside `run` is
 * transparent: the program has our stdin, stdout and stderr; its exit status is ours, and
 * where it died of a signal, so do we. SIGINT and SIGQUIT come to both from the terminal
 * and are the program's business; SIGTERM and SIGHUP sent to us are passed on.
 *
 * Only the process that we start is traced: TMALLOC_RUN_PID is its pid, which stays the
 * same when a wrapper script execs the real program. A FILE with %p asks for all
 * descendants.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/preload.h"
#include "cli/signals.h"
#include "cli/summary.h"
#include "tmalloc.h"

enum { EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

struct run_options {
    long nframe;
    const char *output;
    const char *peak; /* NULL: none */
    bool quiet;
};

#define FIELD(name) offsetof(struct run_options, name)

static const struct tmi_args_option options[] = {
    {.name = "nframe",
     .letter = 'n',
     .kind = TMI_ARGS_NUMBER,
     .value = "N",
     .preset = "25",
     .help = "keep the N newest frames of a stack",
     .min = 1,
     .max = TM_MAX_NFRAME,
     .offset = FIELD(nframe)},
    {.name = "output",
     .letter = 'o',
     .kind = TMI_ARGS_TEXT,
     .value = "FILE",
     .help = "write the snapshot to FILE; %p in it is the process id, "
             "%e the program's name, %% a percent sign "
             "(default: tmalloc.NAME.PID.pb.gz)",
     .offset = FIELD(output)},
    {.name = "peak",
     .letter = 'p',
     .kind = TMI_ARGS_TEXT,
     .value = "FILE",
     .help = "write another snapshot to FILE: who held what at the peak; "
             "%p, %e and %% as above",
     .offset = FIELD(peak)},
    {.name = "no-summary",
     .letter = 'q',
     .kind = TMI_ARGS_FLAG,
     .help = "print nothing when all went well",
     .offset = FIELD(quiet)},
};

/* What the program is to write. */
struct plan {
    struct tmi_output at_exit;
    struct tmi_output peak; /* where asked for */
};

/* Shared with the child until it execs. */
struct page {
    struct tmi_output_mark before;      /* of a file that already has the name of ours */
    struct tmi_output_mark before_peak; /* and of the peak's */
    int exec_error;                     /* errno of exec; 0: the program runs */
};

static int set_number(const char *name, long number)
{
    char text[24];
    snprintf(text, sizeof(text), "%ld", number);
    return setenv(name, text, 1);
}

static bool for_every_process(const struct run_options *chosen, const struct plan *plan)
{
    return plan->at_exit.every_process &&
           (chosen->peak == NULL || plan->peak.every_process);
}

static int set_environment(const struct run_options *chosen, const struct plan *plan,
                           const char *library)
{
    int failed = set_number("TMALLOC", chosen->nframe) != 0;
    failed |= setenv("TMALLOC_DUMP", plan->at_exit.pattern, 1) != 0;
    if (chosen->peak != NULL) {
        failed |= setenv("TMALLOC_PEAK_DUMP", plan->peak.pattern, 1) != 0;
    }
    failed |= for_every_process(chosen, plan)
                  ? unsetenv("TMALLOC_RUN_PID") != 0
                  : set_number("TMALLOC_RUN_PID", getpid()) != 0;
    failed |= tmi_preload_set(library) != 0;
    return failed ? -ENOMEM : 0;
}

/* Does not return: becomes the program, or leaves why not in the page. */
static void become(char **command, const struct run_options *chosen,
                   const struct plan *plan, const char *library,
                   const struct tmi_signals *signals, struct page *page)
{
    char path[PATH_MAX];
    tmi_output_find(&plan->at_exit, getpid(), path, &page->before);
    if (chosen->peak != NULL) {
        tmi_output_find(&plan->peak, getpid(), path, &page->before_peak);
    }
    tmi_signals_release(signals);
    page->exec_error = -set_environment(chosen, plan, library);
    if (page->exec_error == 0) {
        execvp(command[0], command);
        page->exec_error = errno;
    }
    _exit(EXIT_NOT_FOUND);
}

/* ---- afterwards ------------------------------------------------------------------- */

static int explain_exec(const char *name, int error)
{
    if (error != ENOENT) {
        fprintf(stderr, "tmalloc run: %s: %s\n", name, strerror(error));
        return EXIT_NOT_EXECUTABLE;
    }
    if (strchr(name, '/') == NULL) {
        fprintf(stderr, "tmalloc run: %s: command not found\n", name);
    } else if (access(name, F_OK) == 0) {
        fprintf(stderr, "tmalloc run: %s: the interpreter that it names does not exist\n",
                name);
    } else {
        fprintf(stderr, "tmalloc run: %s: %s\n", name, strerror(error));
    }
    return EXIT_NOT_FOUND;
}

static void explain_no_file(const char *name, int status)
{
    const char *obstacle = tmi_preload_obstacle(name);
    fputs("tmalloc: no snapshot was written: ", stderr);
    if (obstacle != NULL) {
        fprintf(stderr, "%s %s\n", name, obstacle);
    } else if (WIFSIGNALED(status)) {
        fprintf(stderr, "%s was killed by signal %d (%s)\n", name, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    } else {
        fprintf(stderr,
                "unless a line above says why, %s ended by _exit or became a program "
                "into which nothing can be preloaded\n",
                name);
    }
}

/* The file that the program has written, if there is one that was not there before. */
static bool find_written(const struct tmi_output *output, pid_t child,
                         const struct tmi_output_mark *before, char path[PATH_MAX])
{
    struct tmi_output_mark mark;
    return tmi_output_find(output, child, path, &mark) && !tmi_output_same(&mark, before);
}

static void report(const char *name, const struct run_options *chosen,
                   const struct plan *plan, const struct page *page, pid_t child,
                   int status)
{
    char path[PATH_MAX];
    if (!find_written(&plan->at_exit, child, &page->before, path)) {
        explain_no_file(name, status);
    } else if (!chosen->quiet) {
        tmi_summary_print(stderr, path);
    }
    if (chosen->peak != NULL && !chosen->quiet &&
        find_written(&plan->peak, child, &page->before_peak, path)) {
        tmi_summary_print_peak(stderr, path);
    }
}

/* ---- the command ------------------------------------------------------------------ */

static int start_and_wait(char **command, const struct run_options *chosen,
                          const struct plan *plan, const char *library, struct page *page)
{
    struct tmi_signals signals;
    tmi_signals_take(&signals);
    pid_t child = fork();
    if (child == 0) {
        become(command, chosen, plan, library, &signals, page);
    }
    if (child < 0) {
        perror("tmalloc run: fork");
        return TMI_EXIT_FAILURE;
    }
    int status = 0;
    int failed = tmi_signals_wait(&signals, child, &status);
    tmi_signals_release(&signals);
    if (failed < 0) {
        fprintf(stderr, "tmalloc run: waitpid: %s\n", strerror(-failed));
        return TMI_EXIT_FAILURE;
    }
    if (page->exec_error != 0) {
        return explain_exec(command[0], page->exec_error);
    }
    report(command[0], chosen, plan, page, child, status);
    return WIFSIGNALED(status) ? tmi_signals_die(WTERMSIG(status)) : WEXITSTATUS(status);
}

/* 0, or 1 after saying why nothing can be written there. */
static int plan_output(struct tmi_output *output, const char *file, const char *program)
{
    int err = tmi_output_plan(output, file, program);
    if (err < 0) {
        fprintf(stderr, "tmalloc run: cannot write %s: %s\n",
                file != NULL ? file : "into this directory (see -o)",
                err == -EINVAL ? "it is not a regular file" : strerror(-err));
    }
    return err < 0;
}

static int run_run(int argc, char **argv)
{
    struct run_options chosen = {0};
    struct tmi_args args;
    struct plan plan;
    char library[PATH_MAX];
    char error[TMI_PRELOAD_ERROR];
    int status;
    if (!tmi_args_accept(&tmi_command_run, argc, argv, &chosen, &args, &status)) {
        return status;
    }
    if (tmi_preload_find(library, error) < 0) {
        fprintf(stderr, "tmalloc run: %s\n", error);
        return TMI_EXIT_FAILURE;
    }
    if (plan_output(&plan.at_exit, chosen.output, args.operands[0]) != 0 ||
        (chosen.peak != NULL &&
         plan_output(&plan.peak, chosen.peak, args.operands[0]) != 0)) {
        return TMI_EXIT_FAILURE;
    }
    struct page *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        perror("tmalloc run: mmap");
        return TMI_EXIT_FAILURE;
    }
    return start_and_wait(args.operands, &chosen, &plan, library, page);
}

const struct tmi_command tmi_command_run = {
    .name = "run",
    .summary = "Run a program with tracing on, and say what it held",
    .operands = "COMMAND [ARGUMENT]...",
    .details =
        "The snapshot is taken when the program exits. Its stdout is its own: the\n"
        "summary goes to stderr. Processes that the command starts are not traced,\n"
        "unless each FILE has %p in it; then each of them writes its own.\n"
        "Exit status: that of the command; 126 and 127 when it cannot be executed or\n"
        "found, 1 and 2 when nothing was started. A command that dies of a signal\n"
        "makes tmalloc die of the same.\n",
    .examples =
        "tmalloc run -- sort words.txt\n"
        "tmalloc run --nframe 10 -o old.pb.gz -- sort words.txt\n"
        "tmalloc run --peak peak.pb.gz -- sort words.txt\n"
        "tmalloc run -q -o %e.%p.pb.gz -- find . -name '*.txt' -exec sort {} ';'\n",
    .options = options,
    .option_count = TMI_ARRAY_LEN(options),
    .options_first = true,
    .min_operands = 1,
    .max_operands = INT_MAX,
    .run = run_run,
};
