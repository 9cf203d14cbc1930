/* SPDX-License-Identifier: MIT */
/*
 * Rules against readelf's: for each row of each function of some large files, the rule at
 * the row's first, middle and last address must say what `readelf --debug-dump=frames-
 * interp` prints. For rows that it prints as "exp" the expression comes from
 * `--debug-dump=frames`. The files are mapped as the loader would, but only to be read.
 *
 *     000000000003c060 FDE cie=00000000 pc=A..B      a function
 *        LOC           CFA      rbp   ra             columns differ from one to the next
 *     000000000003c060 rsp+8    u     c-8            a row: from here to the next
 */
#include <criterion/criterion.h>
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace/cfi.h"

#define ROWS_MOST    65536
#define COLUMNS_MOST 40
#define LINE_BYTES   1024

struct mapped {
    struct tmi_cfi_image image;
    uintptr_t bias;
    char *memory;
    size_t bytes;
};

/* The segment with the tables, at the right distances from where nothing may be read. */
static void map_segment(struct mapped *m, int fd, const Elf64_Phdr *h)
{
    size_t skipped = h->p_vaddr % 4096;
    void *at = (void *)(m->bias + h->p_vaddr - skipped);
    void *got = mmap(at, h->p_filesz + skipped, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd,
                     (off_t)(h->p_offset - skipped));
    cr_assert_eq(got, at);
}

static bool map_file(const char *path, struct mapped *m)
{
    int fd = open(path, O_RDONLY);
    Elf64_Ehdr elf;
    Elf64_Phdr headers[32];
    if (fd < 0) {
        return false;
    }
    cr_assert_eq(pread(fd, &elf, sizeof elf, 0), sizeof elf);
    size_t bytes = elf.e_phnum * sizeof *headers;
    cr_assert_leq(bytes, sizeof headers);
    cr_assert_eq(pread(fd, headers, bytes, (off_t)elf.e_phoff), (ssize_t)bytes);
    uintptr_t low = UINTPTR_MAX;
    uintptr_t high = 0;
    for (size_t i = 0; i < elf.e_phnum; i++) {
        if (headers[i].p_type == PT_LOAD) {
            uintptr_t end = headers[i].p_vaddr + headers[i].p_memsz;
            low = headers[i].p_vaddr < low ? headers[i].p_vaddr & ~4095ul : low;
            high = end > high ? end : high;
        }
    }
    m->bytes = high - low;
    m->memory = mmap(NULL, m->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(m->memory, MAP_FAILED);
    m->bias = (uintptr_t)m->memory - low;
    for (size_t i = 0; i < elf.e_phnum; i++) {
        if (headers[i].p_type == PT_GNU_EH_FRAME) {
            m->image.eh_frame_hdr = m->bias + headers[i].p_vaddr;
        }
    }
    for (size_t i = 0; i < elf.e_phnum; i++) {
        uintptr_t from = m->bias + headers[i].p_vaddr;
        if (headers[i].p_type == PT_LOAD && from <= m->image.eh_frame_hdr &&
            m->image.eh_frame_hdr < from + headers[i].p_filesz) {
            map_segment(m, fd, &headers[i]);
            m->image.start = from;
            m->image.end = from + headers[i].p_filesz;
        }
    }
    close(fd);
    return m->image.start != 0;
}

/* ---- what readelf says ---------------------------------------------------------- */

/* CFA expressions of the file's functions, and the offset n of those for *(rbp + n). */
static struct expression {
    uintptr_t begin;
    bool deref;
    int offset;
} * expressions;
static size_t expression_count;

static FILE *run_readelf(const char *what, const char *path)
{
    char command[LINE_BYTES];
    snprintf(command, sizeof command, "LC_ALL=C readelf --debug-dump=%s '%s' 2>/dev/null",
             what, path);
    FILE *readelf = popen(command, "r");
    cr_assert_not_null(readelf);
    return readelf;
}

static bool begins_function(const char *line, uintptr_t *begin, uintptr_t *end)
{
    const char *pc = strstr(line, " FDE cie=");
    pc = pc == NULL ? NULL : strstr(pc, " pc=");
    return pc != NULL && sscanf(pc, " pc=%" SCNxPTR "..%" SCNxPTR, begin, end) == 2;
}

static void read_expressions(const char *path)
{
    FILE *readelf = run_readelf("frames", path);
    char line[LINE_BYTES];
    uintptr_t begin = 0;
    uintptr_t end;
    expression_count = 0;
    while (fgets(line, sizeof line, readelf) != NULL) {
        begins_function(line, &begin, &end);
        const char *at = strstr(line, "DW_CFA_def_cfa_expression (");
        if (at != NULL) {
            size_t bytes = (expression_count + 1) * sizeof *expressions;
            expressions = realloc(expressions, bytes);
            struct expression *e = &expressions[expression_count++];
            int read = 0;
            int n = sscanf(
                at, "DW_CFA_def_cfa_expression (DW_OP_breg6 (rbp): %d; DW_OP_deref)%n",
                &e->offset, &read);
            e->begin = begin;
            e->deref = n == 1 && read != 0;
        }
    }
    pclose(readelf); /* 1 also for a mere warning */
}

/* The only expression of the function, if it has one that is ours. */
static const struct expression *expression_of(uintptr_t begin)
{
    for (size_t i = 0; i < expression_count; i++) {
        if (expressions[i].begin == begin && expressions[i].deref) {
            return &expressions[i];
        }
    }
    return NULL;
}

struct row {
    uintptr_t at;
    char cfa[16], rbp[16], rsp[16], ra[16];
};

static struct cie {
    unsigned long id;
    bool is_signal;
    struct row row;
} cies[1024];
static size_t cie_count;

static struct {
    uintptr_t begin, end;
    unsigned long cie;
    struct row rows[ROWS_MOST];
    size_t count;
} function;

static const struct cie *find_cie(unsigned long id)
{
    size_t i = cie_count;
    while (i > 0 && cies[i - 1].id != id) {
        i--;
    }
    cr_assert_gt(i, 0, "no CIE %lx", id);
    return &cies[i - 1];
}

/* Words of a line but for names in brackets, as in `r9 (r9)`; how many. */
static size_t split(char *line, char *words[COLUMNS_MOST])
{
    size_t n = 0;
    for (char *w = strtok(line, " \n"); w != NULL && n < COLUMNS_MOST;
         w = strtok(NULL, " \n")) {
        words[n] = w;
        n += *w != '(';
    }
    return n;
}

static void set_column(struct row *row, const char *column, const char *value)
{
    char *to = strcmp(column, "CFA") == 0   ? row->cfa
               : strcmp(column, "rbp") == 0 ? row->rbp
               : strcmp(column, "rsp") == 0 ? row->rsp
               : strcmp(column, "ra") == 0  ? row->ra
                                            : NULL;
    if (to != NULL) {
        snprintf(to, sizeof row->cfa, "%s", value);
    }
}

/* ---- the comparison ------------------------------------------------------------- */

static struct tmi_rule rule_of_row(const struct row *row, bool is_signal,
                                   const struct expression *e)
{
    const struct tmi_rule other = {TMI_RULE_OTHER, 0, 0};
    struct tmi_rule rule = {TMI_RULE_OTHER, 0, 0};
    bool same_rsp = row->rsp[0] == '\0' || row->rsp[0] == 'u' || row->rsp[0] == 's';
    bool same_rbp = row->rbp[0] == '\0' || row->rbp[0] == 'u' || row->rbp[0] == 's';
    if (is_signal) { /* libc has one, and that is the kernel's */
        rule.kind = TMI_RULE_SIGNAL;
        return rule;
    }
    if (strcmp(row->ra, "u") == 0) {
        rule.kind = TMI_RULE_END;
        return rule;
    }
    if (strcmp(row->ra, "c-8") != 0 || !same_rsp) {
        return other;
    }
    if (sscanf(row->cfa, "rsp+%d", &rule.cfa_offset) == 1) {
        rule.kind = TMI_RULE_RSP;
    } else if (sscanf(row->cfa, "rbp+%d", &rule.cfa_offset) == 1) {
        rule.kind = TMI_RULE_RBP;
    } else if (strcmp(row->cfa, "exp") == 0 && e != NULL) {
        rule.kind = TMI_RULE_DEREF;
        rule.cfa_offset = e->offset;
    } else {
        return other;
    }
    if (same_rbp || sscanf(row->rbp, "c%d", &rule.rbp_offset) == 1) {
        return rule;
    }
    rule.rbp_offset = 1;
    return rule.kind == TMI_RULE_DEREF && strcmp(row->rbp, "exp") == 0 ? rule : other;
}

static size_t compared[TMI_RULE_OTHER + 1];

static struct tmi_cfi_reader kept; /* for the whole file */

static void compare(const struct mapped *m, uintptr_t pc, struct tmi_rule wanted)
{
    struct tmi_cfi_reader fresh = {0};
    compared[wanted.kind]++;
    for (int i = 0; i < 2; i++) {
        struct tmi_rule got =
            tmi_cfi_rule(i == 0 ? &fresh : &kept, &m->image, m->bias + pc);
        cr_assert(got.kind == wanted.kind && got.cfa_offset == wanted.cfa_offset &&
                      got.rbp_offset == wanted.rbp_offset,
                  "%lx: kind %d, CFA %d, rbp %d; readelf: %d, %d, %d", (unsigned long)pc,
                  got.kind, got.cfa_offset, got.rbp_offset, wanted.kind,
                  wanted.cfa_offset, wanted.rbp_offset);
    }
}

/* The function is complete. One without rows of its own has that of its CIE. */
static void compare_function(const struct mapped *m)
{
    if (function.end <= function.begin) {
        return;
    }
    const struct cie *cie = find_cie(function.cie);
    if (function.count == 0) {
        function.rows[0] = cie->row;
        function.rows[0].at = function.begin;
        function.count = 1;
    }
    const struct expression *e = expression_of(function.begin);
    for (size_t i = 0; i < function.count; i++) {
        uintptr_t from = function.rows[i].at;
        uintptr_t to = i + 1 < function.count ? function.rows[i + 1].at : function.end;
        if (from < to) { /* `pc` is where a call returns to: one behind the call */
            struct tmi_rule wanted = rule_of_row(&function.rows[i], cie->is_signal, e);
            compare(m, from + 1, wanted);
            compare(m, from + (to - from + 1) / 2, wanted);
            compare(m, to, wanted);
        }
    }
}

static char columns_line[LINE_BYTES];
static char *columns[COLUMNS_MOST];
static size_t width;

static void begin_cie(const char *line)
{
    cr_assert_lt(cie_count, sizeof cies / sizeof *cies);
    struct cie cie = {.id = strtoul(line, NULL, 16)};
    cie.is_signal = strstr(line, "S\"") != NULL;
    cies[cie_count++] = cie;
}

static void begin_fde(const char *line)
{
    cr_assert(begins_function(line, &function.begin, &function.end), "%s", line);
    function.cie = strtoul(strstr(line, "cie=") + 4, NULL, 16);
    function.count = 0;
}

/* A row of the present CIE, or of the present FDE. */
static void add_row(char *line, bool of_cie)
{
    struct row row = {.at = strtoul(line, NULL, 16)};
    char *words[COLUMNS_MOST];
    cr_assert_eq(split(line, words), width);
    for (size_t i = 1; i < width; i++) {
        set_column(&row, columns[i], words[i]);
    }
    cr_assert_lt(function.count, ROWS_MOST);
    if (of_cie) {
        cies[cie_count - 1].row = row;
    } else {
        function.rows[function.count++] = row;
    }
}

/* Lines of the dump of .eh_frame; what else readelf prints is passed over. */
static void compare_lines(const struct mapped *m, FILE *readelf)
{
    char line[LINE_BYTES];
    bool ours = false;
    bool in_cie = false;
    while (fgets(line, sizeof line, readelf) != NULL) {
        if (strncmp(line, "Contents of", 11) == 0) {
            ours = strstr(line, " .eh_frame ") != NULL;
        } else if (ours && strstr(line, " CIE \"") != NULL) {
            compare_function(m);
            function.end = 0;
            begin_cie(line);
            in_cie = true;
        } else if (ours && strstr(line, " FDE cie=") != NULL) {
            compare_function(m);
            begin_fde(line);
            in_cie = false;
        } else if (ours && strstr(line, "  LOC  ") != NULL) {
            strcpy(columns_line, line);
            width = split(columns_line, columns);
        } else if (ours && strspn(line, "0123456789abcdef") == 16) {
            add_row(line, in_cie);
        }
    }
    compare_function(m);
}

static void compare_file(const char *path)
{
    struct mapped m = {0};
    if (!map_file(path, &m)) {
        return;
    }
    read_expressions(path);
    memset(compared, 0, sizeof compared);
    kept = (struct tmi_cfi_reader){0};
    cie_count = 0;
    function.end = 0;
    FILE *readelf = run_readelf("frames-interp", path);
    compare_lines(&m, readelf);
    pclose(readelf); /* 1 also for a mere warning */
    munmap(m.memory, m.bytes);
}

static const char *file_of(const char *command)
{
    static char path[LINE_BYTES];
    FILE *answer = popen(command, "r");
    path[0] = '\0';
    cr_assert_not_null(answer);
    if (fgets(path, sizeof path, answer) == NULL) {
        path[0] = '\0';
    }
    path[strcspn(path, "\n")] = '\0';
    pclose(answer);
    return path;
}

Test(cfi_readelf, libc)
{
    compare_file(file_of("gcc -print-file-name=libc.so.6"));
    cr_assert_gt(compared[TMI_RULE_RSP], 10000);
    cr_assert_gt(compared[TMI_RULE_RBP], 100);
    cr_assert_eq(compared[TMI_RULE_SIGNAL], 3, "__restore_rt");
    cr_assert_gt(compared[TMI_RULE_END], 0);
    cr_assert_gt(compared[TMI_RULE_OTHER], 0);
}

Test(cfi_readelf, libstdcxx)
{
    compare_file(file_of("g++ -print-file-name=libstdc++.so.6"));
    cr_assert_gt(compared[TMI_RULE_RSP], 10000);
}

/* Whatever is there of the largest. */
Test(cfi_readelf, programs)
{
    compare_file("/usr/bin/python3.11");
    compare_file("/usr/bin/redis-server");
    compare_file("/usr/lib/x86_64-linux-gnu/libcrypto.so.3");
    compare_file(file_of("gcc -print-prog-name=cc1"));
}

/* gcc's way to align a stack that it also has arguments on: CFA = *(rbp - 8). */
static const char realigned[] =
    "void use(void *, void *);\n"
    "void vector(int n, int a, int b, int c, int d, int e, int last, ...)\n"
    "{\n"
    "    __attribute__((aligned(64))) char wide[64];\n"
    "    use(wide, __builtin_alloca(n + last));\n"
    "    use(wide, __builtin_alloca(n));\n"
    "}\n";

Test(cfi_readelf, realigned_frames)
{
    char folder[] = "/tmp/tmalloc-cfi-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    char command[2 * LINE_BYTES];
    char path[LINE_BYTES];
    snprintf(path, sizeof path, "%s/realigned.so", folder);
    snprintf(command, sizeof command,
             "printf '%s' | gcc -O2 -fPIC -shared -x c -o %s - 2>&1", realigned, path);
    cr_assert_eq(system(command), 0);
    compare_file(path);
    cr_assert_gt(compared[TMI_RULE_DEREF], 0);
    unlink(path);
    rmdir(folder);
}
