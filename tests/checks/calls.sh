#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What runs inside malloc calls nothing that may allocate, and the command is not linked
# with the library that it looks at.
. "${srcdir:-.}/tests/checks/common.sh"

# What allocates, or takes a lock that a caller of malloc may hold. __tls_get_addr is there
# since libc's grows its table with malloc: thread variables have to be initial-exec.
allocating=$(tr -d ' \n' <<'EOF'
malloc|calloc|realloc|reallocarray|free|cfree|memalign|aligned_alloc|posix_memalign|valloc
|strn?dup|getline|getdelim|v?as?printf|v?[fsd]n?printf|vsnprintf|printf|puts|f?put[cs]
|fwrite|fopen|fdopen|fflush|strerror|perror|syslog|setlocale|opendir|qsort|backtrace
|getpwuid|getpwnam|dlopen|dlclose|dlsym|pthread_create|pthread_setspecific|__tls_get_addr
EOF
)

# OBJECT NAME: calls of these that are right where they are.
# A thread's own key is set under the guard, with which the allocation is served untraced;
# the C++ runtime is looked up when an exception is due anyway; malloc_info writes to a
# stream that is its caller's.
excused='
trace/thread pthread_setspecific
entry/cxx dlopen
entry/cxx dlsym
entry/cxx dlclose
entry/inquiry fwrite
'

# `LAYER/OBJECT NAME` for each call of something that allocates. nm -A prints lines
# `FILE: U NAME`, and libtool may prefix an object with the library that it is for.
allocating_calls()
{
    for layer in base heap trace entry; do
        objects=$(ls "$builddir/src/$layer"/.libs/*.o || true)
        [ -n "$objects" ] || echo "src/$layer: no objects to look at"
        # shellcheck disable=SC2086
        nm -A -u $objects |
            sed -nE "s#^.*/(lib[a-z_]*_la-)?([a-z0-9_]+)\.o: +U ($allocating)(@.*)?\$#$layer/\2 \3#p"
    done
}

# Those that are not excused.
wrong_calls()
{
    allocating_calls | while read -r call; do
        printf '%s' "$excused" | grep -qxF "$call" || echo "$call: may allocate"
    done
}

linked_with_us()
{
    command=$builddir/.libs/tmalloc
    [ -e "$command" ] || command=$builddir/tmalloc
    [ -e "$command" ] || echo 'tmalloc: not built'
    readelf -d "$command" | grep -E 'NEEDED.*libtmalloc' || true
}

findings=$(wrong_calls; linked_with_us)
verdict "$findings" 'see the lists in tests/checks/calls.sh'
