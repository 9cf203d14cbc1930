/* SPDX-License-Identifier: MIT */
/*
 * Stacks that never were: an array of words is laid out as calls of made-up code would
 * leave it, frame by frame from the outermost inwards, so that the frames are known by
 * construction. The code is a few bytes with unwind rows of every kind; what stands in a
 * row returns to the label at its end.
 */
#ifndef MADEUP_H
#define MADEUP_H

#include <stddef.h>
#include <stdint.h>

#include "trace/laststack.h"

/* Return addresses; only the assembler has to know their long names. */
#define MADEUP_CODE(name) extern const char name[] __asm__("madeup_" #name)
MADEUP_CODE(rsp8);
MADEUP_CODE(rsp16);
MADEUP_CODE(rsp48);
MADEUP_CODE(rsp48_saved);
MADEUP_CODE(rbp16);
MADEUP_CODE(deref);
MADEUP_CODE(end);
MADEUP_CODE(rbx);
MADEUP_CODE(signal_return);

#define AREAS      3
#define AREA_WORDS 4096
#define DEEPEST    80

extern uintptr_t areas[AREAS][AREA_WORDS];
extern uint64_t seed; /* of what is random in them */

/* The stack as it was laid out: frames[n - 1] is the newest. */
struct madeup {
    struct tmi_state frames[DEEPEST];
    size_t n;
};
extern struct madeup model;

/* What rbp may hold in code that uses it for something else: numbers, old frames. */
uintptr_t some_rbp(void);

/* Lay out the frame of a call that returns to `code`, inside of `outer`. */
struct tmi_state lay_out(const char *code, const struct tmi_state *outer);

void push(const char *code);
void push_any(void);

/* The outermost frame: its code says so, or its return address is 0, or it has no module.
 */
void begin(unsigned area, unsigned how);

void write_word(uintptr_t address, uintptr_t value);

/* Does the node stand for the model's stack? */
void expect_model(uint32_t node);

/* From a function that was called there: its frame has rbp and the return address. What
 * lay there before lies there again afterwards. */
uint32_t capture_at(struct tmi_laststack *last, const struct tmi_state *now);

/* From the newest frame; it has to be the model's stack. */
void capture(struct tmi_laststack *last);

struct tmi_laststack *new_laststack(void);

#endif
