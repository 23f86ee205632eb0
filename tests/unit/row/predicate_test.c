#include "unit.h"

#include "base/buf.h"
#include "catalog.h"
#include "row/predicate.h"

static void refuses(void **state)
{
    static const struct row {
        const char *says, *text, *error;
    } rows[] = {
        {"a comma at the end", "a=eq.1,", "term 2 of the condition, \"\": it is empty"},
        {"two commas", "a=eq.1,,b=eq.2", "term 2"},
        {"a comma in a value that is not quoted", "title=like.a,%", "term 2"},
        {"no equals sign", "status", "there is no ="},
        {"no operator", "status=failed", "comes an operator"},
        {"an unknown one", "status=equals.failed", "unknown operator \"equals\"; allowed: eq neq"},
        {"operators in capitals", "status=EQ.failed", "unknown operator"},
        {"not twice", "status=not.not.eq.x", "unknown operator \"not\""},
        {"not alone", "status=not.eq", "comes an operator"},
        {"no column", "=eq.1", "name of a column is missing"},
        {"changed of the old row", "old.status=is.changed", "without old."},
        {"no column behind old", "old.=eq.1", "name of a column is missing"},
        {"another prefix", "new.status=eq.1", "of prefixes there is only \"old.\""},
        {"a path", "data->>x=eq.1", "put an unusual name in double quotes"},
        {"an empty quoted name", "\"\"=eq.1", "name of a column is empty"},
        {"a quote not closed", "a=eq.\"x", "double quote is not closed"},
        {"in the second term", "a=eq.1,b=eq.\"x", "term 2 of the condition: a double quote"},
        {"a parenthesis not closed", "a=in.(1,2", "parenthesis is not closed"},
        {"in without parentheses", "a=in.1", "in takes a list in parentheses"},
        {"is of something else", "a=is.nul", "is takes null, true, false, unknown or changed"},
        {"a bad expression", "a=match.[", "bracket is not closed"},
        {"a bad pattern", "a=like.x\\", "must not end with a backslash"},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct err err = {""};
            struct predicate *p;

            CHECK(predicate_parse(str_c(r->text), &p, &err) == FAILED, r->says);
            CHECK(p == NULL, r->says);
            if (!strstr(err.message, r->error))
                fail_msg("%s: the message is \"%s\"", r->says, err.message);
        }
}

/* `count` times `item`, between `head` and `tail`, with commas. */
static enum result parse_many(const char *head, const char *item, unsigned count, const char *tail)
{
    struct predicate *p;
    enum result result;
    struct buf text;
    struct err err;

    buf_init(&text, 1024 * 1024);
    buf_add_c(&text, head);
    for (unsigned i = 0; i < count; i++)
        buf_addf(&text, "%s%s", i > 0 ? "," : "", item);
    buf_add_c(&text, tail);
    result = predicate_parse(buf_str(&text), &p, &err);
    predicate_free(p);
    buf_fini(&text);
    return result;
}

static void has_limits(void **state)
{
    struct predicate *p;
    struct err err;

    (void)state;
    CHECK(parse_many("", "a=eq.1", PREDICATE_MAX_TERMS, "") == OK, "the most terms");
    CHECK(parse_many("", "a=eq.1", PREDICATE_MAX_TERMS + 1, "") == FAILED, "one more");
    CHECK(parse_many("a=in.(", "1", PREDICATE_MAX_IN, ")") == OK, "the longest list");
    CHECK(parse_many("a=in.(", "1", PREDICATE_MAX_IN + 1, ")") == FAILED, "one more");
    CHECK(parse_many("a=eq.", "xxxxxxxxxxxxxxxx", PREDICATE_MAX_BYTES / 16, "") == FAILED,
          "too many bytes");
    CHECK(predicate_parse(str_from("a=eq.\0", 6), &p, &err) == FAILED, "a NUL byte");
    predicate_free(NULL);
}

static void knows_equalities(void **state)
{
    static const struct row {
        const char *says, *text;
        const char *value; /* NULL: none */
    } rows[] = {
        {"one equality", "user_id=eq.42", "42"},
        {"quotes are gone", "user_id=eq.\"4,2\"", "4,2"},
        {"two terms", "user_id=eq.42,a=eq.1", NULL},
        {"another operator", "user_id=neq.42", NULL},
        {"not", "user_id=not.eq.42", NULL},
        {"the old row", "old.user_id=eq.42", NULL},
        {"none", "", NULL},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct str column, value;
            struct predicate *p;
            struct err err;

            assert_int_equal(predicate_parse(str_c(r->text), &p, &err), OK);
            CHECK(predicate_is_equality(p, &column, &value) == (r->value != NULL), r->says);
            if (r->value) {
                CHECK_STR(column, STR("user_id"), r->says);
                CHECK_STR(value, str_c(r->value), r->says);
            }
            predicate_free(p);
        }
}

static void knows_misfits(void **state)
{
    static const struct row {
        const char *says, *text;
        uint32_t type;
        const char *operand; /* NULL: it fits */
    } rows[] = {
        {"a number", "a=eq.-1.5e3", OID_INT8, NULL},
        {"a word is none", "a=eq.undefined", OID_INT8, "undefined"},
        {"nor is nothing", "a=gt.", OID_NUMERIC, ""},
        {"one of a list", "a=not.in.(1,2,x)", OID_INT8, "x"},
        {"a uuid", "a=eq.00112233-4455-6677-8899-AABBCCDDEEFF", OID_UUID, NULL},
        {"cut short", "a=eq.00112233-4455-6677-8899-aabbccddeef", OID_UUID,
         "00112233-4455-6677-8899-aabbccddeef"},
        {"a boolean", "a=neq.off", OID_BOOL, NULL},
        {"none", "a=neq.2", OID_BOOL, "2"},
        {"a time", "a=lt.2026-01-01T00:00:00Z", OID_TIMESTAMPTZ, NULL},
        {"the end of time", "a=lt.infinity", OID_TIMESTAMPTZ, NULL},
        {"before Christ", "a=eq.0044-03-15 12:00:00+00 BC", OID_TIMESTAMPTZ, NULL},
        {"no time", "a=lt.now", OID_TIMESTAMPTZ, "now"},
        {"text is anything", "a=eq.undefined", OID_TEXT, NULL},
        {"is has no operand", "a=is.null", OID_UUID, NULL},
        {"nor has distinct from null", "a=isdistinct.null", OID_UUID, NULL},
        {"nor have patterns", "a=like.x%", OID_INT8, NULL},
    };
    struct types *types = fixture_types();

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct str operand;
            struct predicate *p;
            struct err err;

            assert_int_equal(predicate_parse(str_c(r->text), &p, &err), OK);
            CHECK(predicate_count(p) == 1, r->says);
            CHECK_STR(predicate_column(p, 0), STR("a"), r->says);
            CHECK(predicate_is_misfit(p, 0, types_find(types, r->type), &operand) ==
                      (r->operand != NULL),
                  r->says);
            if (r->operand)
                CHECK_STR(operand, str_c(r->operand), r->says);
            predicate_free(p);
        }
    types_unref(types);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),
        cmocka_unit_test(has_limits),
        cmocka_unit_test(knows_equalities),
        cmocka_unit_test(knows_misfits),
    };

    return cmocka_run_group_tests_name("row/predicate", tests, NULL, NULL);
}
