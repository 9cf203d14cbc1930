/* SPDX-License-Identifier: MIT */
/* For the C compiler to chew on: sorting, a hash table, floating point, inlining. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char key[24];
    double weight;
    struct entry *next;
};

static struct entry *table[1024];

static uint32_t hash(const char *key)
{
    uint32_t h = 2166136261u;
    for (; *key != '\0'; key++) {
        h = (h ^ (unsigned char)*key) * 16777619u;
    }
    return h % 1024;
}

static inline double blend(double a, double b, double t)
{
    return a * cos(t) + b * sin(t);
}

static struct entry *find(const char *key)
{
    struct entry *e = table[hash(key)];
    while (e != NULL && strcmp(e->key, key) != 0) {
        e = e->next;
    }
    return e;
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a;
    const struct entry *y = *(struct entry *const *)b;
    return (x->weight > y->weight) - (x->weight < y->weight);
}

int main(void)
{
    struct entry **all = calloc(5000, sizeof *all);
    for (int i = 0; i < 5000; i++) {
        struct entry *e = malloc(sizeof *e);
        snprintf(e->key, sizeof e->key, "entry %d", i);
        e->weight = blend(i, 5000 - i, i / 100.0);
        e->next = table[hash(e->key)];
        table[hash(e->key)] = e;
        all[i] = e;
    }
    qsort(all, 5000, sizeof *all, compare);
    printf("%s %.3f %s\n", all[0]->key, all[4999]->weight, find("entry 77")->key);
    return 0;
}
