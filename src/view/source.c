/* SPDX-License-Identifier: MIT */
/*
 * A file is read whole, checked, and indexed by line once; a recursion that shows the
 * same line sixty thousand times then costs sixty thousand look-ups.
 *
 *     text    [BOM] int main(void)\n {\n ...
 *     starts        ^              ^    ^        starts[lines] = end of the text
 *
 * Universal newlines: \n, \r\n and a lone \r end a line, and nothing else does. A file is
 * not shown when it is not a regular one, when it holds a NUL, or when it is larger than
 * SHOWN_BYTES (generated code of that size is not for reading). It is read, not mapped:
 * somebody else may truncate it meanwhile.
 */
#include "view/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "view/utf8.h"

#define SHOWN_BYTES ((size_t)64 << 20)

struct tmi_source_file {
    struct tmi_source_file *next; /* latest used first */
    const char *name;
    const char *text;
    uint32_t *starts; /* of the lines; one more for the end */
    uint32_t lines;   /* 0 when nothing of it can be shown */
};

static int read_all(int fd, char *text, size_t room, size_t *len)
{
    *len = 0;
    while (*len < room) {
        ssize_t n = read(fd, text + *len, room - *len);
        if (n == 0) {
            return 0;
        }
        if (n > 0) {
            *len += (size_t)n;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

/* The file's bytes; *len 0 when it cannot be read. Only -ENOMEM is an error here. */
static int load_text(struct tmi_source *source, const char *name, char **text,
                     size_t *len)
{
    *len = 0;
    /* O_NONBLOCK: a pipe of that name must not stop us. */
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return 0;
    }
    struct stat st;
    int err = 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (uint64_t)st.st_size <= SHOWN_BYTES) {
        *text = tmi_arena_alloc(&source->arena, (size_t)st.st_size);
        if (*text == NULL) {
            err = -ENOMEM;
        } else if (read_all(fd, *text, (size_t)st.st_size, len) != 0) {
            *len = 0;
        }
    }
    close(fd);
    return err;
}

static bool is_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t c;
        size_t n = tmi_utf8_decode(text + i, len - i, &c);
        if (n == 0 || c == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

/* Offset behind the line that begins at `i`, its ending included. */
static size_t line_end(const char *text, size_t len, size_t i)
{
    while (i < len && text[i] != '\n' && text[i] != '\r') {
        i++;
    }
    if (i + 1 < len && text[i] == '\r' && text[i + 1] == '\n') {
        return i + 2;
    }
    return i < len ? i + 1 : len;
}

static int index_lines(struct tmi_source *source, struct tmi_source_file *file,
                       const char *text, size_t len)
{
    uint32_t lines = 0;
    for (size_t i = 0; i < len; i = line_end(text, len, i)) {
        lines++;
    }
    uint32_t *starts = tmi_arena_alloc(&source->arena, (lines + 1) * sizeof *starts);
    if (starts == NULL) {
        return -ENOMEM;
    }
    size_t at = 0;
    for (uint32_t k = 0; k <= lines; k++) {
        starts[k] = (uint32_t)at;
        at = line_end(text, len, at);
    }
    file->text = text;
    file->starts = starts;
    file->lines = lines;
    return 0;
}

static int open_file(struct tmi_source *source, const char *name,
                     struct tmi_source_file **out)
{
    struct tmi_source_file *file = tmi_arena_alloc(&source->arena, sizeof *file);
    if (file == NULL) {
        return -ENOMEM;
    }
    file->name = tmi_arena_text(&source->arena, name, strlen(name));
    char *text = NULL;
    size_t len = 0;
    int err = file->name == NULL ? -ENOMEM : load_text(source, name, &text, &len);
    if (err == 0 && len > 0 && is_text(text, len)) {
        size_t bom = len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        err = index_lines(source, file, text + bom, len - bom);
    }
    if (err == 0) {
        file->next = source->files;
        source->files = file;
        *out = file;
    }
    return err;
}

static struct tmi_source_file *find_file(struct tmi_source *source, const char *name)
{
    for (struct tmi_source_file **at = &source->files; *at != NULL; at = &(*at)->next) {
        struct tmi_source_file *file = *at;
        if (strcmp(file->name, name) == 0) {
            *at = file->next;
            file->next = source->files;
            source->files = file;
            return file;
        }
    }
    return NULL;
}

static void strip(const char **line, size_t *len)
{
    const char *p = *line;
    const char *end = p + *len;
    uint32_t c = 0;
    while (p < end) {
        size_t n = tmi_utf8_decode(p, (size_t)(end - p), &c);
        if (!tmi_utf8_is_space(c)) {
            break;
        }
        p += n;
    }
    while (end > p) {
        const char *last = end - 1;
        while (last > p && ((unsigned char)*last & 0xC0) == 0x80) {
            last--;
        }
        tmi_utf8_decode(last, (size_t)(end - last), &c);
        if (!tmi_utf8_is_space(c)) {
            break;
        }
        end = last;
    }
    *line = p;
    *len = (size_t)(end - p);
}

/* "<unknown>", "<stdin>" and the like name no file. */
static bool names_no_file(const char *name)
{
    size_t len = strlen(name);
    return len == 0 || (name[0] == '<' && name[len - 1] == '>');
}

int tmi_source_line(struct tmi_source *source, const char *filename, uint32_t lineno,
                    const char **line, size_t *len)
{
    *line = "";
    *len = 0;
    if (lineno == 0 || names_no_file(filename)) {
        return 0;
    }
    struct tmi_source_file *file = find_file(source, filename);
    if (file == NULL) {
        int err = open_file(source, filename, &file);
        if (err != 0) {
            return err;
        }
    }
    if (lineno <= file->lines) {
        *line = file->text + file->starts[lineno - 1];
        *len = file->starts[lineno] - file->starts[lineno - 1];
        strip(line, len);
    }
    return 0;
}

void tmi_source_close(struct tmi_source *source)
{
    tmi_arena_release(&source->arena);
    source->files = NULL;
}
