/* Predicates tried on changes, in the logic of SQL: a term holds, does not, or is unknown. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "row/predicate_term.h"
#include "row/value.h"

/* What a term says of a value; UNKNOWN is SQL's, and what cannot be compared. */
enum verdict { NO, YES, UNKNOWN };

static enum verdict verdict(bool yes)
{
    return yes ? YES : NO;
}

static enum verdict judge_order(enum op op, int order)
{
    switch (op) {
    case OP_EQ:
        return verdict(order == 0);
    case OP_NEQ:
    case OP_ISDISTINCT:
        return verdict(order != 0);
    case OP_LT:
        return verdict(order < 0);
    case OP_LTE:
        return verdict(order <= 0);
    case OP_GT:
        return verdict(order > 0);
    case OP_GTE:
        return verdict(order >= 0);
    case OP_IN:
    case OP_LIKE:
    case OP_ILIKE:
    case OP_IS:
    case OP_MATCH:
    case OP_IMATCH:
        break;
    }
    return UNKNOWN;
}

static enum verdict judge_in(const struct term *term, struct str text, bool literal,
                             const struct type *type)
{
    enum verdict none = NO;
    int order;

    for (size_t i = 0; i < term->operand_count; i++) {
        if (!operand_compare(text, literal, type, &term->operands[i], &order))
            none = UNKNOWN;
        else if (order == 0)
            return YES;
    }
    return none;
}

static enum verdict judge_text(const struct term *term, struct str text, bool literal,
                               const struct type *type)
{
    bool boolean;
    int order;

    switch (term->op) {
    case OP_LIKE:
    case OP_ILIKE:
    case OP_MATCH:
    case OP_IMATCH:
        return verdict(pattern_matches(term->pattern, text));
    case OP_IN:
        return judge_in(term, text, literal, type);
    case OP_IS:
        if (term->is == IS_NULL)
            return NO;
        return bool_parse(text, &boolean) ? verdict(boolean == (term->is == IS_TRUE)) : UNKNOWN;
    case OP_EQ:
    case OP_NEQ:
    case OP_LT:
    case OP_LTE:
    case OP_GT:
    case OP_GTE:
    case OP_ISDISTINCT:
        if (term->operand_count == 0) /* isdistinct.null */
            return YES;
        if (!operand_compare(text, literal, type, &term->operands[0], &order))
            return UNKNOWN;
        return judge_order(term->op, order);
    }
    return UNKNOWN;
}

/* `is` and `isdistinct` know NULL, the other operators do not. */
static enum verdict judge_null(const struct term *term)
{
    if (term->op == OP_IS)
        return verdict(term->is == IS_NULL);
    if (term->op == OP_ISDISTINCT)
        return verdict(term->operand_count > 0);
    return UNKNOWN;
}

static bool has_backslash(struct str s)
{
    return s.len > 0 && memchr(s.data, '\\', s.len);
}

static enum verdict judge_column(const struct term *term, const struct column *column,
                                 const struct types *types)
{
    const struct type *type = types ? types_find(types, column->type) : NULL;
    bool literal = column->form == VALUE_LITERAL;
    enum verdict result;
    struct buf plain;

    if (column->form == VALUE_NULL)
        return judge_null(term);
    if (column->form == VALUE_LOST)
        return UNKNOWN;
    if (column->form != VALUE_ESCAPED || !has_backslash(column->value))
        return judge_text(term, column->value, literal, type);
    buf_init(&plain, column->value.len);
    result = json_unescape(&plain, column->value) && buf_ok(&plain)
                 ? judge_text(term, buf_str(&plain), literal, type)
                 : UNKNOWN;
    buf_fini(&plain);
    return result;
}

/* Only an UPDATE changes a column, and only an old row that has it can tell. */
static enum verdict judge_changed(const struct change *change, struct str name)
{
    const struct column *old = columns_find(change->identity, name);
    const struct column *now = change_current(change, name);

    if (change->kind != CHANGE_UPDATE || !old || !now)
        return UNKNOWN;
    return verdict(!value_same(old, now));
}

static enum verdict judge_term(const struct term *term, const struct change *change,
                               const struct types *types)
{
    struct str name = str_c(term->column);
    const struct column *column =
        term->old ? columns_find(change->identity, name) : change_current(change, name);

    if (term->op == OP_IS && term->is == IS_CHANGED)
        return judge_changed(change, name);
    /* what is not known is not claimed, not even by `is` */
    return column ? judge_column(term, column, types) : UNKNOWN;
}

static bool term_matches(const struct term *term, const struct change *change,
                         const struct types *types)
{
    enum verdict result = judge_term(term, change, types);

    return result != UNKNOWN && (result == YES) != term->negated;
}

bool predicate_matches(const struct predicate *p, const struct change *change,
                       const struct types *types)
{
    for (size_t i = 0; i < p->count; i++)
        if (!term_matches(&p->terms[i], change, types))
            return false;
    return true;
}
