#include "row/pattern.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

/* libc keeps a state for each new combination that a text leads to. After so many bytes of text the
 * expression is compiled anew, which bounds them. */
#define RECOMPILE_AFTER (1024 * 1024)

struct pattern {
    enum pattern_kind kind;
    bool ignore_case;
    char *text; /* LIKE: as it was given; else translated for libc */
    size_t len;
    regex_t regex;
    bool compiled;
    size_t scanned;
    struct buf subject; /* libc wants a NUL behind the text */
};

/* ---------------------------------------------------------------- LIKE */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_any(char c)
{
    return c == '%' || c == '*';
}

static size_t character_end(struct str s, size_t at)
{
    at++;
    while (at < s.len && ((unsigned char)s.data[at] & 0xc0) == 0x80)
        at++;
    return at;
}

/* One element of the pattern that is no `%` against one character. */
static bool like_one(struct str p, size_t *at_p, struct str s, size_t *at_s, bool fold)
{
    char c = p.data[*at_p];

    if (c == '_') {
        ++*at_p;
        *at_s = character_end(s, *at_s);
        return true;
    }
    if (c == '\\')
        c = p.data[++*at_p]; /* pattern_new() saw that there is one */
    if (c != s.data[*at_s] && (!fold || lower(c) != lower(s.data[*at_s])))
        return false;
    ++*at_p;
    ++*at_s;
    return true;
}

/* Upon a mismatch only the last `%` has to take one character more: those before it took the least
 * that was possible. */
static bool like_matches(struct str p, struct str s, bool fold)
{
    size_t at_p = 0, at_s = 0, any = SIZE_MAX, resume = 0;

    for (size_t steps = 0; at_s < s.len; steps++) {
        if (steps > PATTERN_MAX_STEPS)
            return false;
        if (at_p < p.len && is_any(p.data[at_p])) {
            any = ++at_p;
            resume = at_s;
        } else if (at_p == p.len || !like_one(p, &at_p, s, &at_s, fold)) {
            if (any == SIZE_MAX)
                return false;
            resume = character_end(s, resume);
            at_p = any;
            at_s = resume;
        }
    }
    while (at_p < p.len && is_any(p.data[at_p]))
        at_p++;
    return at_p == p.len;
}

static enum result check_like(struct str text, struct err *err)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\\' && ++i == text.len)
            return err_set(err, "the pattern must not end with a backslash");
    return OK;
}

/* ---------------------------------------------------------------- regular expressions */

/* What PostgreSQL's escapes are for libc; within brackets they are another text. */
static const struct escape {
    char letter;
    const char *outside;
    const char *inside;
} escapes[] = {
    {'d', "[0-9]", "0-9"},
    {'D', "[^0-9]", NULL},
    {'w', "[[:alnum:]_]", "[:alnum:]_"},
    {'W', "[^[:alnum:]_]", NULL},
    {'s', "[[:space:]]", "[:space:]"},
    {'S', "[^[:space:]]", NULL},
    {'y', "\\b", NULL},
    {'Y', "\\B", NULL},
    {'m', "\\<", NULL},
    {'M', "\\>", NULL},
    {'A', "^", NULL},
    {'Z', "$", NULL},
    {'n', "\n", "\n"},
    {'r', "\r", "\r"},
    {'t', "\t", "\t"},
};

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

static enum result add_escape(struct buf *out, char letter, bool in_brackets, struct err *err)
{
    for (size_t i = 0; i < sizeof(escapes) / sizeof(*escapes); i++) {
        const char *text = in_brackets ? escapes[i].inside : escapes[i].outside;

        if (escapes[i].letter == letter && text) {
            buf_add_c(out, text);
            return OK;
        }
    }
    if (is_alnum(letter))
        return err_set(err, "\\%c is not known%s; allowed: %s", letter,
                       in_brackets ? " within brackets" : "",
                       in_brackets ? "\\d \\w \\s \\n \\r \\t"
                                   : "\\d \\D \\w \\W \\s \\S \\y \\Y \\m \\M \\A \\Z \\n \\r \\t");
    if (in_brackets && (letter == ']' || letter == '^' || letter == '-' || letter == '['))
        return err_set(err, "\\%c is not known within brackets: a ] goes first, a - last", letter);
    if (!in_brackets)
        buf_add_char(out, '\\');
    buf_add_char(out, letter);
    return OK;
}

/* A class such as [:alpha:] inside brackets passes whole; returns its length or 0. */
static size_t class_length(struct str rest)
{
    if (rest.len < 4 || rest.data[0] != '[' || !strchr(":.=", rest.data[1]))
        return 0;
    for (size_t i = 2; i + 1 < rest.len; i++)
        if (rest.data[i] == rest.data[1] && rest.data[i + 1] == ']')
            return i + 2;
    return 0;
}

/* *at stands on `[`; copies up to and with its `]`. */
static enum result add_brackets(struct buf *out, struct str text, size_t *at, struct err *err)
{
    size_t i = *at, first;

    buf_add_char(out, text.data[i++]);
    if (i < text.len && text.data[i] == '^')
        buf_add_char(out, text.data[i++]);
    for (first = i; i < text.len; i++) {
        size_t class = class_length(str_from(text.data + i, text.len - i));

        if (class > 0) {
            buf_add(out, text.data + i, class);
            i += class - 1;
        } else if (text.data[i] == '\\' && i + 1 < text.len) {
            if (add_escape(out, text.data[++i], true, err) != OK)
                return FAILED;
        } else {
            buf_add_char(out, text.data[i]);
            if (text.data[i] == ']' && i > first) {
                *at = i + 1;
                return OK;
            }
        }
    }
    return err_set(err, "a bracket is not closed");
}

/* How large an expression gets in libc, which unrolls its repetitions: `a+` becomes `aa*`, so that
 * `((a+)+)+` doubles with each plus. */
struct sizing {
    size_t nodes[PATTERN_MAX_NESTING]; /* of each open group */
    size_t depth;
    size_t last; /* nodes of what a quantifier would repeat; 0: there is nothing */
    bool quantified;
};

static enum result check_nodes(const struct sizing *s, struct err *err)
{
    if (s->nodes[s->depth] > PATTERN_MAX_NODES)
        return err_set(err, "its repetitions make it larger than %d nodes", PATTERN_MAX_NODES);
    return OK;
}

static enum result size_atom(struct sizing *s, size_t nodes, struct err *err)
{
    s->last = nodes;
    s->quantified = false;
    s->nodes[s->depth] += nodes;
    return check_nodes(s, err);
}

static enum result size_repeat(struct sizing *s, size_t times, struct err *err)
{
    if (s->quantified)
        return err_set(err, "a quantifier cannot follow another");
    s->quantified = true;
    s->nodes[s->depth] += s->last * (times - 1);
    s->last *= times;
    return check_nodes(s, err);
}

static enum result size_open(struct sizing *s, struct err *err)
{
    if (s->depth + 1 == PATTERN_MAX_NESTING)
        return err_set(err, "its groups are nested deeper than %d", PATTERN_MAX_NESTING - 1);
    s->nodes[++s->depth] = 0;
    s->last = 0;
    s->quantified = false;
    return OK;
}

static enum result size_close(struct sizing *s, struct err *err)
{
    if (s->depth == 0) /* libc says what it thinks of it */
        return size_atom(s, 1, err);
    s->depth--;
    return size_atom(s, s->nodes[s->depth + 1] + 1, err);
}

/* libc unrolls {n,m}: nested ones multiply to gigabytes. `{n,}` is n times and a star. */
static enum result count_repeat(struct str rest, unsigned long *product, size_t *times,
                                struct err *err)
{
    unsigned long largest = 1, number = 0;

    for (size_t i = 1; i < rest.len && rest.data[i] != '}'; i++) {
        if (rest.data[i] >= '0' && rest.data[i] <= '9' && number <= PATTERN_MAX_REPEAT)
            number = number * 10 + (unsigned long)(rest.data[i] - '0');
        else if (rest.data[i] == ',')
            number = 0;
        largest = number > largest ? number : largest;
    }
    *product *= largest;
    *times = largest + 1;
    if (*product > PATTERN_MAX_REPEAT)
        return err_set(err, "its {n,m} repeat more than %d times in all", PATTERN_MAX_REPEAT);
    return OK;
}

/* A character that stands for itself or for something to do; not one of `[`, `\\` and `{`. */
static enum result size_character(struct sizing *s, char c, struct err *err)
{
    switch (c) {
    case '(':
        return size_open(s, err);
    case ')':
        return size_close(s, err);
    case '*':
    case '?':
        return size_repeat(s, 1, err);
    case '+':
        return size_repeat(s, 2, err);
    case '|':
        s->nodes[s->depth]++;
        s->last = 0;
        s->quantified = false;
        return check_nodes(s, err);
    default:
        return size_atom(s, 1, err);
    }
}

/* *at stands on `{`; copies up to and with its `}`. */
static enum result add_repeat(struct buf *out, struct str text, size_t *at, struct sizing *size,
                              unsigned long *product, struct err *err)
{
    struct str rest = str_from(text.data + *at, text.len - *at);
    struct str inside, behind;
    size_t times;

    if (!str_split(rest, '}', &inside, &behind))
        return err_set(err, "a brace is not closed");
    if (count_repeat(rest, product, &times, err) != OK || size_repeat(size, times, err) != OK)
        return FAILED;
    buf_add(out, rest.data, inside.len + 1);
    *at += inside.len + 1;
    return OK;
}

static enum result translate(struct buf *out, struct str text, struct err *err)
{
    struct sizing size = {0};
    unsigned long repeats = 1;
    size_t i = 0;

    while (i < text.len) {
        char c = text.data[i];

        if (c == '[') {
            if (add_brackets(out, text, &i, err) != OK || size_atom(&size, 1, err) != OK)
                return FAILED;
            continue;
        }
        if (c == '\\') {
            if (++i == text.len)
                return err_set(err, "the expression must not end with a backslash");
            if (add_escape(out, text.data[i++], false, err) != OK || size_atom(&size, 1, err) != OK)
                return FAILED;
            continue;
        }
        if (c == '{') {
            if (add_repeat(out, text, &i, &size, &repeats, err) != OK)
                return FAILED;
            continue;
        }
        if (c == '?' && size.quantified) { /* not greedy: it matches all the same */
            i++;
            continue;
        }
        if (c == '(' && i + 1 < text.len && text.data[i + 1] == '?')
            return err_set(err, "(? is not known: use plain groups");
        if (size_character(&size, c, err) != OK)
            return FAILED;
        buf_add_char(out, c);
        i++;
    }
    return OK;
}

static enum result compile(struct pattern *pattern, struct err *err)
{
    int flags = REG_EXTENDED | REG_NOSUB | (pattern->ignore_case ? REG_ICASE : 0);
    int code = regcomp(&pattern->regex, pattern->text, flags);
    char reason[128];

    pattern->scanned = 0;
    pattern->compiled = code == 0;
    if (code == 0)
        return OK;
    regerror(code, &pattern->regex, reason, sizeof(reason));
    return err_set(err, "%s", reason);
}

static bool regex_matches(struct pattern *pattern, struct str text)
{
    struct err ignored;

    if (text.len > PATTERN_MAX_SUBJECT || !pattern->compiled)
        return false;
    if (pattern->scanned > RECOMPILE_AFTER) {
        regfree(&pattern->regex);
        if (compile(pattern, &ignored) != OK)
            return false;
    }
    pattern->scanned += text.len;
    buf_clear(&pattern->subject);
    buf_add_str(&pattern->subject, text);
    return buf_ok(&pattern->subject) &&
           regexec(&pattern->regex, buf_str(&pattern->subject).data, 0, NULL, 0) == 0;
}

/* ---------------------------------------------------------------- both */

enum result pattern_new(struct str text, enum pattern_kind kind, bool ignore_case,
                        struct pattern **out, struct err *err)
{
    struct pattern *pattern;
    struct buf translated;
    enum result result;

    *out = NULL;
    if (text.len > PATTERN_MAX_BYTES)
        return err_set(err, "the pattern is longer than %d bytes", PATTERN_MAX_BYTES);
    if (text.len > 0 && memchr(text.data, '\0', text.len))
        return err_set(err, "the pattern holds a NUL byte");
    pattern = mem_alloc(sizeof(*pattern));
    pattern->kind = kind;
    pattern->ignore_case = ignore_case;
    buf_init(&pattern->subject, PATTERN_MAX_SUBJECT);
    buf_init(&translated, PATTERN_MAX_BYTES * 16);
    if (kind == PATTERN_LIKE) {
        buf_add_str(&translated, text);
        result = check_like(text, err);
    } else {
        result = translate(&translated, text, err);
    }
    pattern->text = str_dup(buf_str(&translated));
    pattern->len = translated.len;
    buf_fini(&translated);
    if (result == OK && kind == PATTERN_REGEX)
        result = compile(pattern, err);
    if (result == OK)
        *out = pattern;
    else
        pattern_free(pattern);
    return result;
}

void pattern_free(struct pattern *pattern)
{
    if (!pattern)
        return;
    if (pattern->compiled)
        regfree(&pattern->regex);
    buf_fini(&pattern->subject);
    free(pattern->text);
    free(pattern);
}

bool pattern_matches(struct pattern *pattern, struct str text)
{
    if (pattern->kind == PATTERN_LIKE)
        return like_matches(str_from(pattern->text, pattern->len), text, pattern->ignore_case);
    return regex_matches(pattern, text);
}
