/* SPDX-License-Identifier: MIT */
/*
 * The plug-in's table. Everything else in it is the analysis as it stands, linked from
 * the convenience libraries, hidden but for this one symbol.
 *
 * The analysis itself asks tmi_service() for symbols (a file is written with them where
 * they are known): in here that is the same table, so the plug-in never loads another
 * one. The caller holds the thread's guard, so that what libdw and the others allocate is
 * not traced.
 */
#include "plugin/plugin.h"

#include "pprof/dump.h"
#include "pprof/load.h"
#include "symbol/symbol.h"

const struct tmi_plugin tmi_plugin = {
    .abi = TMI_PLUGIN_ABI,
    .service =
        {
            .dump = tmi_pprof_dump,
            .load = tmi_pprof_load,
            .resolve = tmi_symbol_resolve,
        },
};

const struct tmi_service *tmi_service(void)
{
    return &tmi_plugin.service;
}
