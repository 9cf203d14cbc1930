/* SPDX-License-Identifier: MIT */
/*
 * Modules against what others say of them: the kernel's map of this process, readelf, and
 * the loader. Libraries for loading and unloading are compiled here and now.
 */
#include "trace/module.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"

/* The line of /proc/self/maps that `pc` lies in. */
static void from_kernel(uintptr_t pc, uintptr_t *start, uint64_t *offset, char *path)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[PATH_MAX + 100];
    bool found = false;
    while (!found && fgets(line, sizeof line, maps) != NULL) {
        uintptr_t end;
        path[0] = '\0';
        sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %" SCNx64 " %*s %*s %[^\n]", start,
               &end, offset, path);
        found = pc >= *start && pc < end;
    }
    fclose(maps);
    cr_assert(found);
}

static void expect_as_kernel_says(uintptr_t pc)
{
    uintptr_t start;
    uint64_t offset;
    char path[PATH_MAX + 100];
    from_kernel(pc, &start, &offset, path);
    uint32_t id = tmi_module_find(pc);
    cr_assert_neq(id, 0);
    const struct tmi_module_record *m = tmi_module_get(id);
    cr_assert_eq(m->start, start);
    cr_assert_eq(m->offset, offset);
    cr_assert_leq(m->start, pc);
    cr_assert_gt(m->limit, pc);
    char wanted[PATH_MAX];
    char resolved[PATH_MAX];
    cr_assert_not_null(realpath(path, wanted));
    cr_assert_not_null(realpath(m->path, resolved), "%s", m->path);
    cr_assert_str_eq(resolved, wanted);
    cr_assert_eq(tmi_module_find(pc), id, "the answer stays");
}

static uintptr_t in_libc(void)
{
    return (uintptr_t)dlsym(RTLD_DEFAULT, "puts");
}

Test(module, own_text_and_libc_are_where_the_kernel_has_them)
{
    expect_as_kernel_says((uintptr_t)expect_as_kernel_says);
    expect_as_kernel_says(in_libc());
    cr_assert_neq(tmi_module_find(in_libc()),
                  tmi_module_find((uintptr_t)expect_as_kernel_says));
    cr_assert_eq(tmi_module_count(), 2);
}

/* readelf -n prints `    Build ID: HEX`. */
static void expect_build_id_of_readelf(uintptr_t pc)
{
    const struct tmi_module_record *m = tmi_module_get(tmi_module_find(pc));
    char text[PATH_MAX + 64];
    snprintf(text, sizeof text, "readelf -n '%s' | sed -n 's/.*Build ID: //p'", m->path);
    FILE *readelf = popen(text, "r");
    char wanted[100] = "";
    cr_assert_not_null(fgets(wanted, sizeof wanted, readelf), "%s", text);
    pclose(readelf);
    wanted[strcspn(wanted, "\n")] = '\0';
    char hex[2 * TMI_BUILD_ID_MOST + 1] = "";
    for (uint32_t i = 0; i < m->build_id_bytes; i++) {
        snprintf(hex + 2 * i, 3, "%02x", m->build_id[i]);
    }
    cr_assert_str_eq(hex, wanted, "%s", m->path);
    cr_assert_geq(m->build_id_bytes, 8);
}

Test(module, build_ids_are_those_of_readelf)
{
    expect_build_id_of_readelf((uintptr_t)tmi_module_find);
    expect_build_id_of_readelf(in_libc());
}

static char written_to[64];

Test(module, what_is_not_code_has_none)
{
    char on_stack[16];
    cr_assert_eq(tmi_module_find(0), 0);
    cr_assert_eq(tmi_module_find(UINTPTR_MAX), 0);
    cr_assert_eq(tmi_module_find((uintptr_t)on_stack), 0);
    cr_assert_eq(tmi_module_find((uintptr_t)written_to), 0,
                 "data of a module is no code");
    void *jit =
        mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_eq(tmi_module_find((uintptr_t)jit), 0);
    cr_assert_eq(tmi_module_count(), 0);
}

Test(module, own_and_loader)
{
    tmi_module_init();
    cr_assert(tmi_module_is_own((uintptr_t)tmi_module_find));
    cr_assert_not(tmi_module_is_own(in_libc()));
    cr_assert_not(tmi_module_is_loader(in_libc()));
    void *in_loader = dlsym(RTLD_DEFAULT, "_dl_allocate_tls");
    cr_assert_not_null(in_loader);
    cr_assert(tmi_module_is_loader((uintptr_t)in_loader));
    cr_assert_eq(tmi_module_find((uintptr_t)tmi_module_own_path),
                 tmi_module_find((uintptr_t)tmi_module_find));
    cr_assert_str_eq(tmi_module_own_path(),
                     tmi_module_get(tmi_module_find((uintptr_t)tmi_module_find))->path);
}

static char folder[64];

/* A library FOLDER/NAME.so with the function `place`, and other text for another name. */
static void compile(const char *name, const char *flags)
{
    if (folder[0] == '\0') {
        strcpy(folder, "/tmp/tmalloc-module-XXXXXX");
        cr_assert_not_null(mkdtemp(folder));
    }
    const char *cc = getenv("CC");
    char command[1024];
    snprintf(command, sizeof command,
             "echo 'int place(void); int place(void) { return %d; }' | "
             "%s -shared -fPIC -x c -o %s/%s.so %s -",
             name[0], cc == NULL ? "cc" : cc, folder, name, flags);
    cr_assert_eq(system(command), 0, "%s", command);
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

static void *load(const char *name, uintptr_t *place)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s.so", folder, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(library, "%s", dlerror());
    *place = (uintptr_t)dlsym(library, "place");
    cr_assert_neq(*place, 0);
    return library;
}

/* What the loader frees it takes again: the second library comes where the first was. */
static void replace(const char *flags)
{
    compile("one", flags);
    compile("two", flags);
    uintptr_t place[2];
    void *library = load("one", &place[0]);
    expect_as_kernel_says(place[0]);
    uint32_t one = tmi_module_find(place[0]);
    struct tmi_module_record before = *tmi_module_get(one);
    dlclose(library);
    cr_assert_eq(tmi_module_find(place[0]), 0, "it is not there any more");

    library = load("two", &place[1]);
    cr_assert_eq(place[1], place[0], "the loader put it elsewhere: nothing was tested");
    uint32_t two = tmi_module_find(place[1]);
    cr_assert_neq(two, one);
    cr_assert_not_null(strstr(tmi_module_get(two)->path, "/two.so"));
    cr_assert_not_null(strstr(tmi_module_get(one)->path, "/one.so"));
    cr_assert_eq(memcmp(&before, tmi_module_get(one), sizeof before), 0,
                 "a record never changes");
    dlclose(library);

    library = load("one", &place[1]);
    uint32_t again = tmi_module_find(place[1]);
    cr_assert_not_null(strstr(tmi_module_get(again)->path, "/one.so"));
    cr_assert_neq(again, two);
    dlclose(library);
    remove_folder();
}

Test(module, another_library_at_the_same_address_is_another_module)
{
    replace("-Wl,--build-id=sha1");
}

Test(module, also_without_build_ids)
{
    replace("-Wl,--build-id=none");
}

Test(module, a_relative_path_becomes_absolute)
{
    compile("one", "");
    cr_assert_eq(chdir(folder), 0);
    void *library = dlopen("./one.so", RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(library);
    uint32_t id = tmi_module_find((uintptr_t)dlsym(library, "place"));
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(tmi_module_get(id)->path[0], '/');
    cr_assert_eq(access(tmi_module_get(id)->path, R_OK), 0, "%s",
                 tmi_module_get(id)->path);
    dlclose(library);
    remove_folder();
}

/* The same library over and over must not use up the records. */
Test(module, loading_again_makes_no_new_record)
{
    compile("one", "");
    uintptr_t place;
    for (int i = 0; i < 200; i++) {
        void *library = load("one", &place);
        cr_assert_neq(tmi_module_find(place), 0);
        dlclose(library);
    }
    cr_assert_leq(tmi_module_count(), 4);
    remove_folder();
}
