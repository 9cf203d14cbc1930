/* SPDX-License-Identifier: MIT */
/* See trace/callsite.h. */
#include "trace/callsite.h"

/* How long `call *...` is whose second byte is `modrm` and whose third may be `sib`; 0:
 * it is no near call. */
static size_t length_of(uint8_t modrm, uint8_t sib)
{
    uint8_t mod = modrm >> 6;
    uint8_t rm = modrm & 7;
    if ((modrm >> 3 & 7) != 2) {
        return 0;
    }
    if (mod == 3) {
        return 2;
    }
    bool has_sib = rm == 4;
    bool has_long = mod == 2 || (mod == 0 && (rm == 5 || (has_sib && (sib & 7) == 5)));
    return 2u + has_sib + (has_long ? 4u : mod == 1);
}

bool tmi_callsite_ends_at(const uint8_t *end, size_t bytes)
{
    if (bytes >= 5 && end[-5] == 0xe8) {
        return true;
    }
    for (size_t n = 2; n <= TMI_CALLSITE_MOST && n <= bytes; n++) {
        const uint8_t *call = end - n;
        if (call[0] == 0xff && length_of(call[1], n > 2 ? call[2] : 0) == n) {
            return true;
        }
    }
    return false;
}
