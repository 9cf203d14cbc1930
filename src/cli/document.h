/* SPDX-License-Identifier: MIT */
/*
 * What is made from the tables of commands and options when tmalloc is built: manual page
 * and completions. Each is printed to stdout.
 */
#ifndef TMI_DOCUMENT_H
#define TMI_DOCUMENT_H

void tmi_document_man(void);
void tmi_document_bash(void);
void tmi_document_zsh(void);

#endif
