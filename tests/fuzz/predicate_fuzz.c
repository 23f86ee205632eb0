/* A condition, as a browser may send it: the first line. The rest is the value of the column `t`,
 * and whether it holds is asked for rows of several types. */
#include "fuzz.h"

#include "catalog.h"
#include "row/predicate.h"

static void try_row(const struct predicate *p, const struct types *types, enum change_kind kind,
                    enum value_form form, struct str text)
{
    const struct column columns[] = {
        {STR("t"), OID_TEXT, form, text},
        {STR("n"), OID_NUMERIC, VALUE_LITERAL, STR("12.50")},
        {STR("b"), OID_BOOL, VALUE_LITERAL, STR("true")},
        {STR("at"), OID_TIMESTAMPTZ, VALUE_ESCAPED, STR("2026-11-23 03:48:41.5+00")},
        {STR("u"), OID_UUID, VALUE_ESCAPED, STR("7d9f0b7e-1111-4222-8333-444455556666")},
        {STR("none"), OID_TEXT, VALUE_NULL, STR("")},
        {STR("i"), OID_INT8, form, text},
    };
    const struct columns row = {columns, sizeof(columns) / sizeof(columns[0])}, none = {0};
    const struct change change = {.kind = kind,
                                  .schema = STR("public"),
                                  .table = STR("t"),
                                  .record = kind == CHANGE_DELETE ? none : row,
                                  .identity = kind == CHANGE_INSERT ? none : row};

    (void)predicate_matches(p, &change, types);
}

/* What is no number equals none. */
static void try_misfit(const struct predicate *p, const struct types *types, struct str condition)
{
    struct str operand, column, value;

    for (size_t n = 0; n < predicate_count(p); n++) {
        REQUIRE(predicate_column(p, n).len > 0, condition);
        (void)predicate_is_misfit(p, n, types_find(types, OID_UUID), &operand);
        (void)predicate_is_misfit(p, n, types_find(types, OID_TIMESTAMPTZ), &operand);
    }
    if (predicate_is_equality(p, &column, &value) &&
        predicate_is_misfit(p, 0, types_find(types, OID_NUMERIC), &operand)) {
        const struct column number = {column, OID_NUMERIC, VALUE_LITERAL, STR("12.50")};
        const struct change change = {.kind = CHANGE_INSERT, .record = {&number, 1}};

        REQUIRE(!predicate_matches(p, &change, types), condition);
        REQUIRE(str_eq(operand, value), condition);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct types *types;
    struct str condition, value, column, operand;
    struct predicate *p;
    struct err err;

    if (!types)
        types = fixture_types();
    str_split(input_text(data, size), '\n', &condition, &value);
    if (predicate_parse(condition, &p, &err) != OK) {
        REQUIRE(p == NULL, condition);
        return 0;
    }
    if (predicate_is_equality(p, &column, &operand))
        REQUIRE(column.len > 0 && column.len + operand.len < condition.len, condition);
    try_misfit(p, types, condition);
    try_row(p, types, CHANGE_INSERT, VALUE_TEXT, value);
    try_row(p, types, CHANGE_UPDATE, VALUE_ESCAPED, value);
    try_row(p, types, CHANGE_DELETE, VALUE_LITERAL, value);
    predicate_free(p);
    return 0;
}
