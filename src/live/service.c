/* SPDX-License-Identifier: MIT */
/*
 * tmi_service() in a traced process: the plug-in, loaded when first asked for. Each of
 * its functions runs under the thread's guard, so that what libdw, protobuf-c and zlib
 * allocate is neither traced nor counted.
 *
 * The plug-in is looked for beside libtmalloc.so (as the build leaves it), in tmalloc/
 * below that (as an installed tree that was moved has it), and where it was installed to.
 * In a setuid program only the last one counts. Locking: none; two threads that load it
 * at once get the same object from the loader.
 */
#include "view/service.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/report.h"
#include "base/sys.h"
#include "plugin/plugin.h"
#include "trace/module.h"
#include "trace/thread.h"

static const struct tmi_plugin
    *plugin; /* atomic; the release pairs with the acquire below */

static int guarded_dump(const struct tm_snapshot *s, const char *path,
                        struct tmi_error *e)
{
    struct tmi_shard *entered = tmi_guard_enter();
    int err = plugin->service.dump(s, path, e);
    tmi_guard_leave(entered);
    return err;
}

static int guarded_load(const char *path, struct tm_snapshot **out, struct tmi_error *e)
{
    struct tmi_shard *entered = tmi_guard_enter();
    int err = plugin->service.load(path, out, e);
    tmi_guard_leave(entered);
    return err;
}

static int guarded_resolve(struct tm_snapshot *s)
{
    struct tmi_shard *entered = tmi_guard_enter();
    int err = plugin->service.resolve(s);
    tmi_guard_leave(entered);
    return err;
}

static const struct tmi_service guarded = {
    .dump = guarded_dump,
    .load = guarded_load,
    .resolve = guarded_resolve,
};

/* Why the plug-in is not to be had. */
struct reason {
    char text[TMI_REPORT_BYTES];
    bool is_of_file; /* one that is there and does not fit, not just of another place */
};

static void keep_reason(struct reason *reason, const char *path, const char *why)
{
    if (!reason->is_of_file && why != NULL) {
        struct tmi_writer w = tmi_writer_on(reason->text, sizeof reason->text);
        tmi_put_text(&w, why);
        reason->is_of_file = access(path, F_OK) == 0;
    }
}

static const struct tmi_plugin *open_plugin(const char *path, struct reason *reason)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        keep_reason(reason, path, dlerror());
        return NULL;
    }
    const struct tmi_plugin *found = dlsym(library, TMI_PLUGIN_SYMBOL);
    if (found == NULL || found->abi != TMI_PLUGIN_ABI) {
        keep_reason(reason, path,
                    "it is of another version than libtmalloc.so: install both anew");
        found = NULL;
    }
    return found; /* the library stays loaded, fit or not */
}

/* Opens the plug-in in `below` relative to the folder of libtmalloc.so. */
static const struct tmi_plugin *open_beside(const char *below, struct reason *reason)
{
    const char *own = tmi_module_own_path();
    const char *slash = strrchr(own, '/');
    char path[1024];
    struct tmi_writer w = tmi_writer_on(path, sizeof path);
    for (const char *c = own; slash != NULL && c <= slash; c++) {
        tmi_put_char(&w, *c);
    }
    tmi_put_text(&w, below);
    return slash == NULL || w.lost ? NULL : open_plugin(path, reason);
}

/* A failure is told once: whoever asks again is told by the error that he gets. */
static const struct tmi_plugin *find_plugin(void)
{
    static uint32_t told; /* atomic */
    struct reason reason = {"", false};
    const struct tmi_plugin *found = NULL;
    if (!tmi_sys_is_secure()) {
        found = open_beside(TMI_PLUGIN_FILE, &reason);
        if (found == NULL) {
            found = open_beside("tmalloc/" TMI_PLUGIN_FILE, &reason);
        }
    }
    if (found == NULL) {
        found = open_plugin(TM_PKGLIBDIR "/" TMI_PLUGIN_FILE, &reason);
    }
    if (found == NULL && tmi_exchange_acquire(&told, 1) == 0) {
        tmi_report_text("cannot load ", TMI_PLUGIN_FILE ": ", reason.text);
    }
    return found;
}

const struct tmi_service *tmi_service(void)
{
    if (tmi_load_acquire(&plugin) == NULL) {
        struct tmi_shard *entered = tmi_guard_enter();
        int saved = errno;
        tmi_store_release(&plugin, find_plugin());
        errno = saved;
        tmi_guard_leave(entered);
    }
    return tmi_load_acquire(&plugin) == NULL ? NULL : &guarded;
}
