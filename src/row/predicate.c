/* Predicates as texts: parsing them, and what can be said of one without a change. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "row/predicate_term.h"

static const char *const op_names[] = {"eq",   "neq",   "lt", "lte",   "gt",     "gte",       "in",
                                       "like", "ilike", "is", "match", "imatch", "isdistinct"};
#define OP_NAMES "eq neq lt lte gt gte in like ilike is match imatch isdistinct"

/* Where the run that starts at `at` ends: at the first `stop` outside of quotes and parentheses.
 * Inside quotes a backslash takes the next byte as it is. */
static enum result find_end(struct str text, size_t at, char stop, size_t *end, struct err *err)
{
    unsigned depth = 0;
    bool quoted = false;

    for (; at < text.len; at++) {
        char c = text.data[at];

        if (c == '\\' && quoted && at + 1 < text.len)
            at++;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (c == stop && depth == 0)
            break;
    }
    *end = at;
    if (quoted)
        return err_set(err, "a double quote is not closed; inside quotes write \\\" for one");
    if (depth > 0)
        return err_set(err, "a parenthesis is not closed; put such a value in double quotes");
    return OK;
}

/* A value all in double quotes loses them, and the backslashes before quotes and backslashes. */
static char *unquote(struct str s)
{
    char *out;
    size_t len = 0;

    if (s.len < 2 || s.data[0] != '"' || s.data[s.len - 1] != '"')
        return str_dup(s);
    out = mem_alloc(s.len);
    for (size_t i = 1; i < s.len - 1; i++) {
        if (s.data[i] == '\\' && i + 1 < s.len - 1)
            i++;
        out[len++] = s.data[i];
    }
    return out;
}

static void add_operand(struct term *term, struct str text)
{
    size_t at = term->operand_count++;

    term->texts = mem_grow(term->texts, term->operand_count, sizeof(*term->texts));
    term->operands = mem_grow(term->operands, term->operand_count, sizeof(*term->operands));
    term->texts[at] = unquote(text);
    operand_init(&term->operands[at], str_c(term->texts[at]));
}

static enum result parse_list(struct term *term, struct str value, struct err *err)
{
    struct str inside;
    size_t at = 0, end;

    if (value.len < 2 || value.data[0] != '(' || value.data[value.len - 1] != ')')
        return err_set(err, "in takes a list in parentheses: in.(a,b,\"c,d\")");
    inside = str_from(value.data + 1, value.len - 2);
    if (str_trim(inside).len == 0)
        return OK;
    for (;; at = end + 1) {
        if (find_end(inside, at, ',', &end, err) != OK)
            return FAILED;
        if (term->operand_count == PREDICATE_MAX_IN)
            return err_set(err, "in takes at most %d values", PREDICATE_MAX_IN);
        add_operand(term, str_trim(str_from(inside.data + at, end - at)));
        if (end == inside.len)
            return OK;
    }
}

static enum result parse_is(struct term *term, struct str value, struct err *err)
{
    if (str_eq_nocase(value, STR("null")) || str_eq_nocase(value, STR("unknown")))
        term->is = IS_NULL;
    else if (str_eq_nocase(value, STR("true")))
        term->is = IS_TRUE;
    else if (str_eq_nocase(value, STR("false")))
        term->is = IS_FALSE;
    else if (str_eq_nocase(value, STR("changed")))
        term->is = IS_CHANGED;
    else
        return err_set(err, "is takes null, true, false, unknown or changed");
    if (term->is == IS_CHANGED && term->old)
        return err_set(err, "is.changed compares both rows: write it without old.");
    return OK;
}

static enum result parse_pattern(struct term *term, struct str value, struct err *err)
{
    bool regex = term->op == OP_MATCH || term->op == OP_IMATCH;
    char *text = unquote(value);
    enum result result =
        pattern_new(str_c(text), regex ? PATTERN_REGEX : PATTERN_LIKE,
                    term->op == OP_ILIKE || term->op == OP_IMATCH, &term->pattern, err);

    free(text);
    return result;
}

static enum result parse_value(struct term *term, struct str value, struct err *err)
{
    switch (term->op) {
    case OP_IN:
        return parse_list(term, value, err);
    case OP_IS:
        return parse_is(term, value, err);
    case OP_LIKE:
    case OP_ILIKE:
    case OP_MATCH:
    case OP_IMATCH:
        return parse_pattern(term, value, err);
    case OP_ISDISTINCT:
        if (!str_eq_nocase(value, STR("null"))) /* without an operand: distinct from NULL */
            add_operand(term, value);
        return OK;
    case OP_EQ:
    case OP_NEQ:
    case OP_LT:
    case OP_LTE:
    case OP_GT:
    case OP_GTE:
        add_operand(term, value);
        return OK;
    }
    return OK;
}

static bool find_op(struct str name, enum op *op)
{
    for (size_t i = 0; i < sizeof(op_names) / sizeof(*op_names); i++) {
        if (str_eq(name, str_c(op_names[i]))) {
            *op = (enum op)i;
            return true;
        }
    }
    return false;
}

static enum result parse_condition(struct term *term, struct str text, struct err *err)
{
    struct str op, value;

    term->negated = str_starts(text, STR("not."));
    if (term->negated)
        text = str_from(text.data + 4, text.len - 4);
    if (!str_split(text, '.', &op, &value))
        return err_set(err, "after = comes an operator, a dot and a value, such as eq.1; "
                            "operators: " OP_NAMES);
    if (!find_op(op, &term->op))
        return err_set(err, "unknown operator \"%.*s\"; allowed: " OP_NAMES,
                       op.len > 40 ? 40 : (int)op.len, op.data);
    return parse_value(term, value, err);
}

static enum result parse_column(struct term *term, struct str name, struct err *err)
{
    name = str_trim(name);
    if (str_starts(name, STR("old."))) {
        term->old = true;
        name = str_from(name.data + 4, name.len - 4);
    }
    if (name.len == 0)
        return err_set(err, "the name of a column is missing before =");
    if (name.data[0] != '"') {
        for (size_t i = 0; i < name.len; i++)
            if (strchr(".>()\"", name.data[i]))
                return err_set(err,
                               "\"%c\" is not allowed in the name of a column; put an unusual "
                               "name in double quotes (of prefixes there is only \"old.\")",
                               name.data[i]);
    }
    term->column = unquote(name);
    if (term->column[0] == '\0')
        return err_set(err, "the name of a column is empty");
    return OK;
}

static enum result parse_term(struct term *term, struct str text, struct err *err)
{
    size_t equals;

    if (str_trim(text).len == 0)
        return err_set(err, "it is empty; terms are separated by one comma");
    if (find_end(text, 0, '=', &equals, err) != OK)
        return FAILED;
    if (equals == text.len)
        return err_set(err,
                       "there is no =; a term is column=operator.value, such as status=eq.failed");
    if (parse_column(term, str_from(text.data, equals), err) != OK)
        return FAILED;
    return parse_condition(term, str_from(text.data + equals + 1, text.len - equals - 1), err);
}

static struct term *add_term(struct predicate *p)
{
    p->terms = mem_grow(p->terms, p->count + 1, sizeof(*p->terms));
    p->terms[p->count] = (struct term){0};
    return &p->terms[p->count++];
}

static enum result parse_terms(struct predicate *p, struct str text, struct err *err)
{
    size_t at = 0, end;

    if (text.len > PREDICATE_MAX_BYTES)
        return err_set(err, "a condition has at most %d bytes, this one %zu", PREDICATE_MAX_BYTES,
                       text.len);
    if (text.len > 0 && memchr(text.data, '\0', text.len))
        return err_set(err, "a condition cannot hold a NUL byte");
    if (str_trim(text).len == 0)
        return OK;
    for (;; at = end + 1) {
        struct str one;

        if (p->count == PREDICATE_MAX_TERMS)
            return err_set(err, "a condition has at most %d terms", PREDICATE_MAX_TERMS);
        if (find_end(text, at, ',', &end, err) != OK)
            return err_context(err, "term %zu of the condition", p->count + 1);
        one = str_from(text.data + at, end - at);
        if (parse_term(add_term(p), one, err) != OK)
            return err_context(err, "term %zu of the condition, \"%.*s\"", p->count,
                               one.len > 80 ? 80 : (int)one.len, one.data);
        if (end == text.len)
            return OK;
    }
}

enum result predicate_parse(struct str text, struct predicate **out, struct err *err)
{
    struct predicate *p = mem_alloc(sizeof(*p));

    *out = NULL;
    if (parse_terms(p, text, err) != OK) {
        predicate_free(p);
        return FAILED;
    }
    *out = p;
    return OK;
}

void predicate_free(struct predicate *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++) {
        struct term *term = &p->terms[i];

        for (size_t j = 0; j < term->operand_count; j++)
            free(term->texts[j]);
        free(term->texts);
        free(term->operands);
        free(term->column);
        pattern_free(term->pattern);
    }
    free(p->terms);
    free(p);
}

bool predicate_asks_for(const struct predicate *p, bool (*is_meant)(void *arg, struct str column),
                        void *arg, struct str *column)
{
    for (size_t i = 0; i < p->count; i++) {
        *column = str_c(p->terms[i].column);
        if (is_meant(arg, *column))
            return true;
    }
    return false;
}

size_t predicate_count(const struct predicate *p)
{
    return p->count;
}

struct str predicate_column(const struct predicate *p, size_t n)
{
    return str_c(p->terms[n].column);
}

bool predicate_is_misfit(const struct predicate *p, size_t n, const struct type *type,
                         struct str *operand)
{
    const struct term *term = &p->terms[n];

    for (size_t i = 0; i < term->operand_count; i++) {
        *operand = term->operands[i].text;
        if (!operand_fits(&term->operands[i], type))
            return true;
    }
    return false;
}

bool predicate_is_equality(const struct predicate *p, struct str *column, struct str *value)
{
    const struct term *only = p->terms;

    if (p->count != 1 || only->op != OP_EQ || only->negated || only->old)
        return false;
    *column = str_c(only->column);
    *value = only->operands[0].text;
    return true;
}
