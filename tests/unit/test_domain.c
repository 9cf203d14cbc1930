/* SPDX-License-Identifier: MIT */
/*
 * The registry of domains: numbers and slots go together both ways, and totals belong to
 * an epoch whenever the domain came.
 */
#include "trace/domain.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../support/random.h"

Test(domain, zero_needs_nothing)
{
    cr_assert_eq(tmi_domain_find(0), 0);
    cr_assert_eq(tmi_domain_adopt(0), 0);
    cr_assert_eq(tmi_domain_number(0), 0);
    cr_assert_null(tmi_domain_name(0));
    cr_assert_eq(tmi_domain_last(), 0);
    tmi_totals_flush(tmi_domain_totals(0), 0, 5, 6);
    cr_assert_eq(tmi_totals_current(tmi_domain_totals(0)), 5);
}

Test(domain, slots_in_the_order_of_arrival)
{
    static const uint32_t numbers[] = {7, UINT32_MAX, 1, 1u << 31, 65536};
    for (uint32_t i = 0; i < 5; i++) {
        cr_assert_eq(tmi_domain_find(numbers[i]), TMI_DOMAIN_NONE);
        cr_assert_eq(tmi_domain_adopt(numbers[i]), i + 1);
        cr_assert_eq(tmi_domain_adopt(numbers[i]), i + 1);
        cr_assert_eq(tmi_domain_find(numbers[i]), i + 1);
        cr_assert_eq(tmi_domain_number(i + 1), numbers[i]);
        cr_assert_null(tmi_domain_name(i + 1));
        cr_assert_eq(tmi_domain_last(), i + 1);
    }
}

Test(domain, names_and_numbers_side_by_side)
{
    cr_assert_eq(tmi_domain_adopt(1), 1);
    cr_assert_eq(tmi_domain_adopt(3), 2);
    cr_assert_eq(tmi_domain_register("a"), 2);
    cr_assert_eq(tmi_domain_register("b"), 4);
    cr_assert_eq(tmi_domain_register("a"), 2);
    cr_assert_str_eq(tmi_domain_name(tmi_domain_find(2)), "a");
    cr_assert_str_eq(tmi_domain_name(tmi_domain_find(4)), "b");
    cr_assert_null(tmi_domain_name(tmi_domain_find(3)));
    cr_assert_eq(tmi_domain_register(""), -EINVAL);
    cr_assert_eq(tmi_domain_register(NULL), -EINVAL);
}

/* 65,535 domains, every third of them with a name, and no more. */
Test(domain, all_that_there_can_be)
{
    char name[TMI_DOMAIN_NAME_BYTES + 2];
    memset(name, 'x', sizeof name);
    for (uint32_t slot = 1; slot <= TMI_DOMAIN_MOST; slot++) {
        if (slot % 3 == 0) {
            int n = snprintf(name, sizeof name, "%u", slot);
            name[n] = 'x'; /* names of many lengths */
            name[n + (int)(slot % 200)] = '\0';
            cr_assert_eq(tmi_domain_register(name), slot);
        } else {
            cr_assert_eq(tmi_domain_adopt(slot), slot);
        }
        memset(name, 'x', sizeof name);
    }
    cr_assert_eq(tmi_domain_adopt(TMI_DOMAIN_MOST + 1), -ENOSPC);
    cr_assert_eq(tmi_domain_register("another"), -ENOSPC);
    cr_assert_eq(tmi_domain_find(TMI_DOMAIN_MOST + 1), TMI_DOMAIN_NONE);
    for (uint32_t slot = 3; slot <= TMI_DOMAIN_MOST; slot += 3) {
        char begin[16];
        snprintf(begin, sizeof begin, "%u", slot);
        const char *told = tmi_domain_name(slot);
        cr_assert_eq(strncmp(told, begin, strlen(begin)), 0);
        cr_assert_eq(strlen(told), strlen(begin) + slot % 200);
        cr_assert_eq(tmi_domain_register(told), slot);
    }
}

Test(domain, totals_are_of_the_epoch)
{
    tmi_domain_adopt(10);
    tmi_domain_begin(5);
    tmi_domain_adopt(11); /* in the middle of it */
    for (uint32_t slot = 0; slot <= 2; slot++) {
        struct tmi_totals *totals = tmi_domain_totals(slot);
        tmi_totals_flush(totals, 5, 100 + slot, 200);
        cr_assert_eq(tmi_totals_current(totals), 100 + slot);
    }
    tmi_domain_begin(6);
    for (uint32_t slot = 0; slot <= 2; slot++) {
        struct tmi_totals *totals = tmi_domain_totals(slot);
        tmi_totals_flush(totals, 5, 1000, 2000);
        cr_assert_eq(tmi_totals_current(totals), 0);
        cr_assert_eq(tmi_totals_peak(totals), 0);
    }
}
