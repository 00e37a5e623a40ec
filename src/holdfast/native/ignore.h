/* Ignore patterns with the meaning that git gives them (gitignore(5)); see ignore.c. */
#ifndef HOLDFAST_IGNORE_H
#define HOLDFAST_IGNORE_H

#include <stddef.h>
#include <stdint.h>

struct ignore;

enum { IGNORE_NOT = -1, IGNORE_EXHAUSTED = -2 };

/* The number of the rule that leaves out what is at `path` (its last name starts at `name`), when nothing above it is
 * left out; else IGNORE_NOT; IGNORE_EXHAUSTED when matching takes more time than any reasonable patterns do. */
int32_t holdfast_ignore_decide(struct ignore *set, const char *path, size_t size, size_t name, int is_folder);

#endif
