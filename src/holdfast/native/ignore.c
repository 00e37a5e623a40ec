/* Ignore patterns, with the meaning that git gives them: https://git-scm.com/docs/gitignore, in its finest points as
 * git's own matcher has them (what is literal in front of the first wildcard is compared first and taken off, so that
 * `a**` + `/b` means what it means there). tests/sources/directory/test_ignore.py compares with git itself.
 *
 * Patterns come from hostile people. So matching is a run of a small automaton over the text: its time is at most
 * (length of the pattern) x (length of the text), never exponential; and the sum of it over a walk is limited too.
 * Rules are compiled once. A literal name and `*.ext`, which nearly all rules are, need no automaton.
 */
#define _GNU_SOURCE
#include "ignore.h"
#include "paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATTERN_BYTES_MAX 1024 /* as holdfast.sources.directory.ignore has it */
#define STATE_WORDS (PATTERN_BYTES_MAX / 64 + 1)
/* Steps of automata that a walk may take: a start, and some for each entry. Fifty rules with several wildcards each take
 * about 1000 for an entry; a step takes 2 ns or so. */
#define STEPS_FREE 200000000u
#define STEPS_PER_ENTRY 5000u

enum { CHAR, ANY, SET, STAR, DEEP, SKIP };

/* STAR: any bytes but `/`. DEEP: any bytes. SKIP: goes on behind it, or three tokens on (behind DEEP and `/`). */
struct token { uint8_t kind, byte; uint16_t set; };

struct rule {
    const char *text; /* without `!`, a leading and the trailing slash; in the set's own copy */
    size_t size;
    size_t literal; /* number of its first bytes without a wildcard */
    uint8_t is_negative, folders_only, by_name, is_ending;
    uint8_t can_match;
    struct token *tokens;
    size_t count;
    uint64_t (*sets)[4];
    char *tail; /* the end of every match */
    size_t tail_size;
};

struct ignore {
    size_t count;
    char *texts;
    uint64_t steps, steps_max;
    struct rule rules[];
};

static int is_special(unsigned char c)
{
    return c == '*' || c == '?' || c == '[' || c == '\\';
}

static int in_class(const char *name, size_t size, int c)
{
    static const char *const names[] = { "alnum", "alpha", "blank", "cntrl", "digit", "graph",
                                         "lower", "print", "punct", "space", "upper", "xdigit" };
    int lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z', digit = c >= '0' && c <= '9';
    int graph = c > 32 && c < 127;
    int space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    int hex = digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    int is_in[] = { lower || upper || digit, lower || upper, c == ' ' || c == '\t', c < 32 || c == 127, digit, graph,
                    lower, graph || c == ' ', graph && !lower && !upper && !digit, space, upper, hex };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == size && !memcmp(names[i], name, size))
            return is_in[i];
    return -1;
}

static void add(uint64_t *set, int c)
{
    set[c >> 6] |= (uint64_t)1 << (c & 63);
}

/* Compile a bracket expression at `p`, behind its `[`. Return its end (at the `]`), or NULL if it can never match. */
static const unsigned char *parse_set(const unsigned char *p, uint64_t *set)
{
    int is_negative = *p == '!' || *p == '^', before = 0;
    if (is_negative)
        p++;
    do {
        int c = *p;
        if (!c)
            return NULL;
        if (c == '\\') {
            if (!(c = *++p))
                return NULL;
            add(set, c);
        } else if (c == '-' && before && p[1] && p[1] != ']') {
            if ((c = *++p) == '\\' && !(c = *++p))
                return NULL;
            for (int i = before; i <= c; i++)
                add(set, i);
            c = 0;
        } else if (c == '[' && p[1] == ':') {
            const unsigned char *end = p + 2;
            while (*end && *end != ']')
                end++;
            if (!*end)
                return NULL;
            if (end - p < 3 || end[-1] != ':')
                add(set, '['); /* no class after all: an ordinary byte */
            else {
                size_t size = (size_t)(end - p) - 3;
                if (in_class((const char *)p + 2, size, 0) < 0)
                    return NULL;
                for (int i = 1; i < 128; i++)
                    if (in_class((const char *)p + 2, size, i))
                        add(set, i);
                p = end;
                c = 0;
            }
        } else
            add(set, c);
        before = c;
    } while (*++p != ']');
    for (int i = 0; is_negative && i < 4; i++)
        set[i] = ~set[i];
    return p;
}

/* Find the end of every match: most texts are refused by it, without a run. Return 0, or -ENOMEM. */
static int find_tail(struct rule *rule)
{
    size_t first = rule->count;
    while (first && rule->tokens[first - 1].kind == CHAR && !(first > 2 && rule->tokens[first - 3].kind == SKIP))
        first--; /* the slash behind a SKIP may be skipped */
    rule->tail_size = rule->count - first;
    if (!(rule->tail = malloc(rule->tail_size + 1)))
        return -ENOMEM;
    for (size_t i = first; i < rule->count; i++)
        rule->tail[i - first] = (char)rule->tokens[i].byte;
    return 0;
}

/* Compile `text`, which ends with a zero. 0; 1 when it can never match; -ENOMEM. */
static int compile(struct rule *rule, const char *text, int is_path)
{
    size_t size = strlen(text), brackets = 0;
    for (const char *c = text; *c; c++)
        brackets += *c == '[';
    rule->tokens = calloc(size + 1, sizeof *rule->tokens);
    rule->sets = calloc(brackets + 1, sizeof *rule->sets);
    if (!rule->tokens || !rule->sets)
        return -ENOMEM;
    size_t sets = 0;
    const unsigned char *start = (const unsigned char *)text;
    for (const unsigned char *p = start; *p; p++) {
        struct token *t = rule->tokens + rule->count++;
        if (*p == '\\') {
            if (!*++p)
                return 1;
            t->kind = CHAR;
            t->byte = *p;
        } else if (*p == '?')
            t->kind = ANY;
        else if (*p == '[') {
            t->kind = SET;
            t->set = (uint16_t)sets;
            if (!(p = parse_set(p + 1, rule->sets[sets])))
                return 1;
            rule->sets[sets++]['/' >> 6] &= ~((uint64_t)1 << ('/' & 63)); /* a slash is matched by a slash alone */
        } else if (*p == '*') {
            const unsigned char *first = p;
            while (p[1] == '*')
                p++;
            t->kind = STAR;
            if (is_path && p > first && (first == start || first[-1] == '/')
                && (!p[1] || p[1] == '/' || (p[1] == '\\' && p[2] == '/'))) {
                if (p[1] == '/') {
                    t->kind = SKIP;
                    t = rule->tokens + rule->count++;
                }
                t->kind = DEEP;
            }
        } else {
            t->kind = CHAR;
            t->byte = *p;
        }
    }
    return find_tail(rule);
}

/* Return 1 if the rule's automaton accepts the whole text. The states it may be in are the bits of a set, gone through
 * from low to high, so that a state that is entered without a byte (behind a star) is still met. */
static int run(struct ignore *set, const struct rule *rule, const unsigned char *text, size_t size)
{
    if (size < rule->tail_size || memcmp(text + size - rule->tail_size, rule->tail, rule->tail_size))
        return 0;
    uint64_t now[STATE_WORDS], next[STATE_WORDS];
    size_t words = rule->count / 64 + 1;
    memset(now, 0, words * sizeof *now);
    now[0] = 1;
    for (size_t at = 0; at <= size; at++) {
        int c = at < size ? text[at] : -1;
        uint64_t any = 0;
        memset(next, 0, words * sizeof *next);
        for (size_t w = 0; w < words; w++) {
            while (now[w]) {
                size_t i = w * 64 + (size_t)__builtin_ctzll(now[w]);
                now[w] &= now[w] - 1;
                set->steps++;
                if (i == rule->count) {
                    if (c < 0)
                        return 1;
                    continue;
                }
                const struct token *t = rule->tokens + i;
                int takes = 0;
                size_t to = i;
                switch (t->kind) {
                case CHAR: takes = c == t->byte; to = i + 1; break;
                case ANY: takes = c >= 0 && c != '/'; to = i + 1; break;
                case SET: takes = c >= 0 && (rule->sets[t->set][c >> 6] >> (c & 63) & 1); to = i + 1; break;
                case SKIP: now[(i + 3) / 64] |= (uint64_t)1 << ((i + 3) & 63); break;
                case STAR: takes = c >= 0 && c != '/'; break;
                case DEEP: takes = c >= 0; break;
                }
                if (t->kind >= STAR)
                    now[(i + 1) / 64] |= (uint64_t)1 << ((i + 1) & 63);
                if (takes) {
                    next[to / 64] |= (uint64_t)1 << (to & 63);
                    any = 1;
                }
            }
        }
        if (!any)
            return 0;
        memcpy(now, next, words * sizeof *now);
    }
    return 0;
}

/* One line of a file of patterns, which is not a comment and has no trailing space. 0, or -ENOMEM. */
static int parse_rule(struct rule *rule, char *text)
{
    size_t size = strlen(text), literal = 0;
    if (*text == '!') {
        rule->is_negative = 1;
        text++;
        size--;
    }
    while (literal < size && !is_special((unsigned char)text[literal]))
        literal++;
    rule->is_ending = *text == '*' && !text[1 + strcspn(text + 1, "*?[\\")];
    if (size && text[size - 1] == '/') {
        rule->folders_only = 1;
        text[--size] = 0;
    }
    if (literal > size)
        literal = size;
    rule->by_name = !memchr(text, '/', size);
    if (!rule->by_name && *text == '/') {
        text++;
        size--;
        literal--;
    }
    rule->text = text;
    rule->size = size;
    rule->literal = literal;
    rule->can_match = size > 0;
    if (!size || literal == size || (rule->by_name && rule->is_ending))
        return 0;
    int rc = rule->by_name ? compile(rule, text, 0) : compile(rule, text + literal, 1);
    if (rc > 0)
        rule->can_match = 0;
    return rc < 0 ? rc : 0;
}

void holdfast_ignore_free(struct ignore *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++) {
        free(set->rules[i].tokens);
        free(set->rules[i].sets);
        free(set->rules[i].tail);
    }
    free(set->texts);
    free(set);
}

/* Compile `count` patterns, each ended by a zero, back to back in `texts` (`size` bytes). 0, or a negative errno. */
int holdfast_ignore_new(const char *texts, size_t size, size_t count, struct ignore **out)
{
    struct ignore *set = calloc(1, sizeof *set + count * sizeof *set->rules);
    if (!set)
        return -ENOMEM;
    *out = set;
    set->steps_max = STEPS_FREE;
    if (!(set->texts = malloc(size + 1)))
        return -ENOMEM;
    memcpy(set->texts, texts, size);
    set->texts[size] = 0;
    char *at = set->texts;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(at);
        if (length > PATTERN_BYTES_MAX)
            return -E2BIG;
        set->count++;
        int rc = parse_rule(&set->rules[i], at);
        if (rc)
            return rc;
        at += length + 1;
    }
    return 0;
}

/* Return 1 if a rule can match anything at all. */
int holdfast_ignore_can_match(const struct ignore *set, size_t number)
{
    return set->rules[number].can_match;
}

static int fits(struct ignore *set, const struct rule *rule, const char *text, size_t size)
{
    if (rule->by_name && rule->is_ending)
        return rule->size - 1 <= size && !memcmp(rule->text + 1, text + size - (rule->size - 1), rule->size - 1);
    if (rule->literal == rule->size)
        return rule->size == size && !memcmp(rule->text, text, size);
    if (rule->literal > size || memcmp(rule->text, text, rule->literal))
        return 0;
    if (rule->by_name)
        return run(set, rule, (const unsigned char *)text, size);
    return run(set, rule, (const unsigned char *)text + rule->literal, size - rule->literal);
}

int32_t holdfast_ignore_decide(struct ignore *set, const char *path, size_t size, size_t name, int is_folder)
{
    set->steps_max += STEPS_PER_ENTRY;
    if (!is_folder && size == 13 && !memcmp(path, ".backupignore", 13))
        return IGNORE_NOT; /* a restore must know what was left out */
    for (size_t i = set->count; i-- > 0;) {
        const struct rule *rule = &set->rules[i];
        if (!rule->can_match || (rule->folders_only && !is_folder))
            continue;
        if (rule->by_name ? fits(set, rule, path + name, size - name) : fits(set, rule, path, size))
            return rule->is_negative ? IGNORE_NOT : (int32_t)i;
        if (set->steps > set->steps_max)
            return IGNORE_EXHAUSTED;
    }
    return IGNORE_NOT;
}

/* For each of `count` entries of a walk, in its order (`paths.c`), what leaves it out: the number of the rule;
 * `-2 - number` when it lies in a folder that the rule leaves out; -1 for what stays. 0, -EOVERFLOW when matching takes too
 * long, or -ENOMEM. */
int holdfast_ignore_scan(struct ignore *set, const struct paths *paths, const uint8_t *kinds, int32_t *out)
{
    char *path = malloc(PATH_BYTES_MAX);
    if (!path)
        return -ENOMEM;
    int64_t top = -1;
    int rc = 0;
    for (int64_t i = 0; i < paths->count && !rc; i++) {
        if (top >= 0 && paths->parents[i] >= top) {
            out[i] = -2 - out[top];
            continue;
        }
        top = -1;
        size_t size = paths->lengths[i], at = size - paths->name_lengths[i];
        if (i && paths->parents[i] == paths->parents[i - 1])
            memcpy(path + at, paths->names + paths->name_starts[i], paths->name_lengths[i]);
        else
            holdfast_paths_expand(paths, i, i + 1, path);
        const char *slash = memrchr(path + at, '/', size - at);
        int is_folder = kinds[i] == 2;
        out[i] = holdfast_ignore_decide(set, path, size, slash ? (size_t)(slash - path) + 1 : at, is_folder);
        if (out[i] == IGNORE_EXHAUSTED)
            rc = -EOVERFLOW;
        else if (out[i] >= 0 && is_folder)
            top = i;
    }
    free(path);
    return rc;
}
