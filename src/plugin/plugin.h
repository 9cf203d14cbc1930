/* SPDX-License-Identifier: MIT */
/*
 * The plug-in, tmalloc-plugin.so: what a traced process loads when it first writes or
 * reads a file, or asks for symbols, so that programs which never do are spared libdw,
 * protobuf-c, zlib and the C++ runtime. It carries a copy of the analysis (view, pprof,
 * symbol) of its own and shares with the runtime nothing but the structs of
 * view/snapshot.h, by address:
 *
 *     libtmalloc.so --- dlopen, dlsym("tmi_plugin") ---> tmi_plugin.service
 *          |                                                   |
 *          '-------------- struct tm_snapshot * ---------------'
 *
 * Both therefore have to be of one build. Its one exported symbol is that below.
 */
#ifndef TMI_PLUGIN_H
#define TMI_PLUGIN_H

#include <stdint.h>

#include "tmalloc/attr.h"
#include "view/service.h"
#include "view/snapshot.h"

#define TMI_PLUGIN_FILE   "tmalloc-plugin.so"
#define TMI_PLUGIN_SYMBOL "tmi_plugin"

/*
 * Which plug-in fits: to be raised with every change of meaning in view/service.h or
 * view/snapshot.h. The sizes catch most of what is forgotten.
 */
#define TMI_PLUGIN_ABI                                                                   \
    (UINT32_C(1) << 24 | (uint32_t)sizeof(struct tm_snapshot) << 12 |                    \
     (uint32_t)(sizeof(struct tmi_trace) + sizeof(struct tmi_location) +                 \
                sizeof(struct tmi_line) + sizeof(struct tmi_module)))

struct tmi_plugin {
    uint32_t abi; /* TMI_PLUGIN_ABI of the build; to be looked at before all else */
    struct tmi_service service;
};

TM_API extern const struct tmi_plugin tmi_plugin;

#endif
