# SPDX-License-Identifier: MIT
#
# awk -v out=DIR -f man3.awk HEADER...: a manual page for each function of the public
# headers, and one for each header, out of their comments, which are the manual.
#
#     comment, declarations of functions, blank line -> tm_FIRST.3, links tm_OTHER.3
#     first comment of a header, all its types       -> tmalloc.3, tmalloc_snapshot.3, ...
#
# A comment is kept as it is written: lines are filled by the reader, lines that stand
# further in are shown as they stand, and what follows "Errors:" is a section. DIR/pages
# lists what was made.

function roff(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    if (text ~ /^[.']/) {
        text = "\\&" text
    }
    return text
}

# `words` between backquotes are typewriter's in the headers; bold here.
function prose(text,    parts, n, i, line) {
    n = split(roff(text), parts, "`")
    line = parts[1]
    for (i = 2; i <= n; i++) {
        line = line (i % 2 == 0 ? "\\fB" : "\\fR") parts[i]
    }
    if (n % 2 == 0) {
        line = line "\\fR"
    }
    return line ~ /^[.']/ ? "\\&" line : line
}

# `lines` of a comment, without its frame.
function put_comment(page, comment,    lines, n, i, line, shown, at) {
    n = split(comment, lines, "\n")
    shown = 0
    for (i = 1; i <= n; i++) {
        line = lines[i]
        if ((line ~ /^  /) != shown && line != "") {
            shown = !shown
            print shown ? ".PP\n.nf" : ".fi\n.PP" > page
        }
        at = index(line, "Errors: ")
        if (line == "") {
            print shown ? "" : ".PP" > page
        } else if (shown) {
            print roff(line) > page
        } else if (at > 0) {
            if (at > 1) {
                print prose(substr(line, 1, at - 1)) > page
            }
            print ".SH ERRORS" > page
            print prose(substr(line, at + 8)) > page
        } else {
            print prose(line) > page
        }
    }
    if (shown) {
        print ".fi" > page
    }
}

# The first sentence, or what it says before it goes into detail, as the NAME wants it.
function summary(comment,    text, end) {
    text = comment
    gsub(/\n/, " ", text)
    gsub(/`/, "", text)
    sub(/,? as in   .*/, "", text)
    if (match(text, /[.:;](  *|$)| \(/)) {
        text = substr(text, 1, RSTART - 1)
    }
    if (length(text) > 70 && match(text, /, /)) {
        text = substr(text, 1, RSTART - 1)
    }
    return tolower(substr(text, 1, 1)) substr(text, 2)
}

function begin_page(name, title, include,    page) {
    page = out "/" name ".3"
    print ".\\\" Made from <" include "> by docs/man3.awk." > page
    print ".TH " toupper(name) " 3 \"\" \"tmalloc\" \"Library Functions Manual\"" > page
    print ".nh\n.ad l\n.SH NAME" > page
    print title > page
    print name ".3" > (out "/pages")
    return page
}

function end_page(page) {
    print ".SH SEE ALSO" > page
    print (page == out "/tmalloc.3" ? "" : ".BR tmalloc (3),\n") \
        (page == out "/tmalloc_snapshot.3" ? "" : ".BR tmalloc_snapshot (3),\n") \
        ".BR tmalloc (1)" > page
    close(page)
}

function put_synopsis(page, code) {
    gsub(/TM_API |TM_NODISCARD /, "", code)
    gsub(/TM_NODISCARD\n/, "", code)
    print ".SH SYNOPSIS\n.nf" > page
    print ".B #include <" include ">\n.PP" > page
    print roff(code) > page
    print ".fi" > page
}

# Names of the functions that `code` declares, separated by blanks.
function declared(code,    names) {
    while (match(code, /tm_[a-z_0-9]+\(/)) {
        names = names (names == "" ? "" : " ") substr(code, RSTART, RLENGTH - 1)
        code = substr(code, RSTART + RLENGTH)
        sub(/^[^;]*;/, "", code)
    }
    return names
}

function function_page(    names, n, i, page, list) {
    n = split(declared(code), names, " ")
    list = names[1]
    for (i = 2; i <= n; i++) {
        list = list ", " names[i]
    }
    page = begin_page(names[1], list " \\- " roff(summary(comment)), include)
    put_synopsis(page, code)
    print ".SH DESCRIPTION" > page
    put_comment(page, comment)
    end_page(page)
    for (i = 2; i <= n; i++) {
        print ".so man3/" names[1] ".3" > (out "/" names[i] ".3")
        close(out "/" names[i] ".3")
        print names[i] ".3" > (out "/pages")
    }
    functions = functions (functions == "" ? "" : " ") declared(code)
}

function header_page(    names, n, i, name, page) {
    if (functions == "") {
        return
    }
    name = include
    sub(/\.h$/, "", name)
    gsub("/", "_", name)
    page = begin_page(name, name " \\- " roff(purpose), include)
    print ".SH SYNOPSIS\n.nf\n.B #include <" include ">\n.PP\nLink with \\fB\\-ltmalloc\\fR." > page
    print ".fi\n.SH DESCRIPTION" > page
    put_comment(page, essay)
    print ".SH TYPES\n.nf" > page
    print roff(types) > page
    print ".fi\n.SH FUNCTIONS" > page
    n = split(functions, names, " ")
    for (i = 1; i <= n; i++) {
        print ".BR " names[i] " (3)" (i < n ? "," : "") > page
    }
    end_page(page)
}

# A comment and the code under it, up to a blank line, are complete.
function settle() {
    if (code ~ /(^|\n)TM_API /) {
        if (comment == "") {
            print include ": no comment: " code > "/dev/stderr"
            failed = 1
        }
        function_page()
    } else if (code ~ /^(typedef|#define TM_)/) {
        types = types (types == "" ? "" : "\n\n") raw code
    } else if (code == "" && essay == "") {
        essay = comment
        purpose = essay
        sub(/\n\n.*/, "", purpose)
        gsub(/\n/, " ", purpose)
        sub(/^[^:]*: /, "", purpose)
        purpose = summary(purpose)
    }
    comment = code = raw = ""
}

function begin_header() {
    include = FILENAME
    sub(/^.*include\//, "", include)
    essay = purpose = types = functions = comment = code = raw = ""
    depth = 0
}

FNR == 1 {
    if (NR > 1) {
        header_page()
    }
    begin_header()
    next
}

# Whole comments, before any code of theirs.
in_comment || (code == "" && /^\/\*/) {
    if (!in_comment) {
        comment = raw = ""
        in_comment = 1
    }
    raw = raw $0 "\n"
    line = $0
    ends = sub(/ *\*\/$/, "", line)
    sub(/^(\/\*| \*) ?/, "", line)
    comment = comment (comment == "" ? "" : "\n") line
    if (ends) {
        in_comment = 0
        sub(/\n$/, "", comment)
        if (comment ~ /^----/) {
            comment = raw = ""
        } else if (essay == "") {
            settle()
        }
    }
    next
}

/^#ifdef __cplusplus/ { skipped = 1 }
skipped { skipped = !/^#endif/; next }
/^#(include|ifndef|endif|define TMALLOC_)/ { next }
/^$/ && depth == 0 { settle(); next }
{
    code = code (code == "" ? "" : "\n") $0
    depth += gsub(/\{/, "{") - gsub(/\}/, "}")
}

END {
    header_page()
    exit failed
}
