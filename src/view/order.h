/* SPDX-License-Identifier: MIT */
/*
 * Sorting without malloc, which libc's qsort may call.
 */
#ifndef TMI_ORDER_H
#define TMI_ORDER_H

#include <stddef.h>
#include <stdint.h>

/* Negative when a comes before b, positive when behind, 0 when it does not matter. */
typedef int tmi_order_compare(const void *context, uint32_t a, uint32_t b);

/* Sorts `items`, stable; `scratch` has room for as many. */
void tmi_order_sort(uint32_t *items, uint32_t *scratch, size_t n,
                    tmi_order_compare *compare, const void *context);

#endif
