#include "unit.h"

#include "base/buf.h"
#include "row/predicate.h"

enum { BOOL = 16, INT8 = 20, TEXT = 25, TIMESTAMPTZ = 1184, NUMERIC = 1700, UUID = 2950 };

static struct types *types;

static int make_types(void **state)
{
    static const struct type list[] = {
        {.oid = BOOL, .kind = TYPE_BOOL, .name = STR("bool")},
        {.oid = INT8, .kind = TYPE_NUMBER, .name = STR("int8")},
        {.oid = NUMERIC, .kind = TYPE_NUMBER, .name = STR("numeric")},
        {.oid = TEXT, .kind = TYPE_STRING, .name = STR("text")},
        {.oid = UUID, .kind = TYPE_STRING, .name = STR("uuid")},
        {.oid = TIMESTAMPTZ, .kind = TYPE_TIMESTAMPTZ, .name = STR("timestamptz")},
    };

    (void)state;
    types = types_new();
    for
        EACH(struct type, t, list)
    types_add(types, t);
    types_seal(types);
    return 0;
}

static int drop_types(void **state)
{
    (void)state;
    types_unref(types);
    return 0;
}

static const struct column now[] = {
    {STR("id"), UUID, VALUE_ESCAPED, STR("00112233-4455-6677-8899-aabbccddeeff")},
    {STR("status"), TEXT, VALUE_ESCAPED, STR("failed")},
    {STR("title"), TEXT, VALUE_ESCAPED, STR("a, \\\"b\\\" (c)\\n\\u00e9")},
    {STR("path"), TEXT, VALUE_TEXT, STR("C:\\new")},
    {STR("progress"), INT8, VALUE_LITERAL, STR("9007199254740993")},
    {STR("amount"), NUMERIC, VALUE_LITERAL, STR("100.00")},
    {STR("done"), BOOL, VALUE_LITERAL, STR("false")},
    {STR("at"), TIMESTAMPTZ, VALUE_ESCAPED, STR("2026-01-01 12:00:00+00")},
    {STR("nothing"), TEXT, VALUE_NULL, {0}},
    {STR("empty"), TEXT, VALUE_ESCAPED, {"", 0}},
    {STR("My Col"), TEXT, VALUE_ESCAPED, STR("x")},
    {STR("strange"), 99999, VALUE_ESCAPED, STR("x")},
    {STR("lost"), NUMERIC, VALUE_LOST, {0}},
};
static const struct column before[] = {
    {STR("id"), UUID, VALUE_ESCAPED, STR("00112233-4455-6677-8899-aabbccddeeff")},
    {STR("status"), TEXT, VALUE_ESCAPED, STR("running")},
    {STR("nothing"), TEXT, VALUE_NULL, {0}},
};
static const struct change update = {
    .kind = CHANGE_UPDATE, .record = {now, COUNT(now)}, .identity = {before, COUNT(before)}};

static void judges(void **state)
{
    static const struct row {
        const char *says, *text;
        bool matches;
    } rows[] = {
        {"no condition always holds", "", true},
        {"nor does white space ask anything", "  ", true},
        {"equal", "status=eq.failed", true},
        {"not equal", "status=eq.done", false},
        {"neq", "status=neq.done", true},
        {"neq of the same", "status=neq.failed", false},
        {"not.eq", "status=not.eq.done", true},
        {"not.neq", "status=not.neq.done", false},
        {"every term has to hold", "status=eq.failed,done=eq.true", false},
        {"and then it does", "status=eq.failed,done=eq.false", true},
        {"white space before a term", "status=eq.failed, done=eq.false", true},
        {"a value may hold dots and equals signs", "status=eq.a.b=c", false},

        {"bigints are exact beyond 2^53", "progress=eq.9007199254740992", false},
        {"and the same", "progress=eq.9007199254740993", true},
        {"lt", "progress=lt.9007199254740994", true},
        {"lte of the same", "progress=lte.9007199254740993", true},
        {"lt of the same", "progress=lt.9007199254740993", false},
        {"gt by one", "progress=gt.9007199254740992", true},
        {"gte of more", "progress=gte.9007199254740994", false},
        {"numerics by value and not by text", "amount=eq.100", true},
        {"with an exponent", "amount=eq.1e2", true},
        {"below NaN", "amount=lt.NaN", true},
        {"below infinity", "amount=lt.Infinity", true},
        {"above minus infinity", "amount=gt.-Infinity", true},
        {"a number is not below a word", "amount=lt.abc", false},
        {"nor is it not below it", "amount=not.lt.abc", false},
        {"nor different", "amount=neq.abc", false},

        {"booleans by meaning", "done=eq.f", true},
        {"is.false", "done=is.false", true},
        {"is.true", "done=is.true", false},
        {"not.is.true", "done=not.is.true", true},
        {"is.null of a value", "done=is.null", false},
        {"not.is.null of a value", "done=not.is.null", true},
        {"instants in another zone", "at=eq.2026-01-01T13:00:00+01:00", true},
        {"a date", "at=gte.2026-01-01", true},
        {"uuids in capitals", "id=eq.00112233-4455-6677-8899-AABBCCDDEEFF", true},

        {"NULL equals nothing", "nothing=eq.", false},
        {"and is not different from anything", "nothing=neq.x", false},
        {"nor with not", "nothing=not.eq.x", false},
        {"nor in a list", "nothing=not.in.(x)", false},
        {"nor like", "nothing=not.like.x", false},
        {"what is lost is not null", "lost=is.null", false},
        {"and nothing else is claimed of it", "lost=not.is.null", false},
        {"neither more nor less", "lost=not.gt.5", false},
        {"it is null", "nothing=is.null", true},
        {"it is unknown", "nothing=is.unknown", true},
        {"it is not true", "nothing=not.is.true", true},
        {"it is distinct from a value", "nothing=isdistinct.x", true},
        {"and not from NULL", "nothing=isdistinct.null", false},
        {"a value is", "status=isdistinct.null", true},
        {"distinct from another", "status=isdistinct.done", true},
        {"not distinct from itself", "status=not.isdistinct.failed", true},
        {"an empty text is no NULL", "empty=is.null", false},
        {"it equals an empty text", "empty=eq.", true},
        {"quoted too", "empty=eq.\"\"", true},

        {"a column that is not there does not match", "absent=eq.x", false},
        {"nor with not", "absent=not.eq.x", false},
        {"nor is it null", "absent=is.null", false},
        {"nor not null", "absent=not.is.null", false},
        {"nor distinct", "absent=isdistinct.x", false},

        {"the old value", "old.status=eq.running", true},
        {"a change of a value", "status=eq.failed,old.status=isdistinct.failed", true},
        {"it is another value than before", "status=is.changed", true},
        {"also in capitals", "status=is.CHANGED", true},
        {"it is not the same", "status=not.is.changed", false},
        {"the same value", "id=is.changed", false},
        {"that is the same", "id=not.is.changed", true},
        {"NULL before and after", "nothing=is.changed", false},
        {"not known from before", "title=is.changed", false},
        {"nor that it is the same", "title=not.is.changed", false},
        {"changed to something", "status=is.changed,status=eq.failed", true},
        {"an old column that is not there", "old.title=is.null", false},

        {"in", "status=in.(done,failed)", true},
        {"not in", "status=not.in.(done,running)", true},
        {"not in, but it is", "status=not.in.(done,failed)", false},
        {"an empty list", "status=in.()", false},
        {"everything is not in an empty list", "status=not.in.()", true},
        {"white space in a list", "status=in.( done , failed )", true},
        {"numbers in a list by value", "amount=in.(1,1e2)", true},
        {"quoted values", "status=in.(\"a,b\",\"failed\")", true},
        {"a word among numbers leaves not.in unknown", "amount=not.in.(1,abc)", false},
        {"but in still finds its match", "amount=in.(abc,100)", true},

        {"escapes of the stream are undone", "title=eq.\"a, \\\"b\\\" (c)\n\xc3\xa9\"", true},
        {"text that is not escaped keeps its backslash", "path=eq.C:\\new", true},
        {"like with quotes around", "title=like.\"a, %\"", true},
        {"like with a star", "status=like.*ail*", true},
        {"ilike", "status=ilike.FAIL%", true},
        {"not like", "status=not.like.done%", true},
        {"match", "status=match.^f.*d$", true},
        {"match within a value with commas in parentheses", "status=match.(x,y|failed)", true},
        {"imatch", "status=imatch.FAILED", true},
        {"like works on numbers too", "amount=like.100%", true},

        {"a closing parenthesis alone is text", "status=neq.a),done=eq.false", true},
        {"an escaped quote does not end the quotes", "title=neq.\"a\\\",b\"", true},
        {"a name in quotes", "\"My Col\"=eq.x", true},
        {"an unknown type is text", "strange=eq.x", true},
        {"a quote inside a value keeps its comma", "title=eq.x\"a,b\"", false},
    };
    struct err err = {""};

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct predicate *p;

            if (predicate_parse(str_c(r->text), &p, &err) != OK)
                fail_msg("%s: %s", r->says, err.message);
            CHECK(predicate_matches(p, &update, types) == r->matches, r->says);
            predicate_free(p);
        }
}

static void judges_the_row_that_a_delete_took(void **state)
{
    struct change gone = {.kind = CHANGE_DELETE, .identity = {before, COUNT(before)}};
    struct predicate *p;
    struct err err;

    (void)state;
    assert_int_equal(predicate_parse(STR("status=eq.running"), &p, &err), OK);
    CHECK(predicate_matches(p, &gone, types), "the row as it was");
    CHECK(!predicate_matches(p, &update, types), "after an UPDATE the new row counts");
    CHECK(predicate_matches(p, &gone, NULL), "without types it is text");
    predicate_free(p);
}

static void knows_a_change_of_updates_only(void **state)
{
    static const struct column whole[] = {
        {STR("status"), TEXT, VALUE_ESCAPED, STR("running")},
        {STR("big"), TEXT, VALUE_ESCAPED, STR("out of line")},
    };
    static const struct column touched[] = {{STR("status"), TEXT, VALUE_ESCAPED, STR("running")}};
    const struct change made = {.kind = CHANGE_INSERT, .record = {whole, 2}};
    const struct change gone = {.kind = CHANGE_DELETE, .identity = {whole, 2}};
    const struct change same = {
        .kind = CHANGE_UPDATE, .record = {touched, 1}, .identity = {whole, 2}};
    struct predicate *changed, *unchanged, *big;
    struct err err;

    (void)state;
    assert_int_equal(predicate_parse(STR("status=is.changed"), &changed, &err), OK);
    assert_int_equal(predicate_parse(STR("status=not.is.changed"), &unchanged, &err), OK);
    assert_int_equal(predicate_parse(STR("big=not.is.changed"), &big, &err), OK);
    CHECK(!predicate_matches(changed, &made, types), "an INSERT changes nothing");
    CHECK(!predicate_matches(unchanged, &made, types), "nor does it leave anything as it was");
    CHECK(!predicate_matches(changed, &gone, types), "neither does a DELETE");
    CHECK(!predicate_matches(unchanged, &gone, types), "neither does a DELETE");
    CHECK(!predicate_matches(changed, &same, types), "written again with the same value");
    CHECK(predicate_matches(big, &same, types), "a TOASTed value that was not written");
    predicate_free(changed);
    predicate_free(unchanged);
    predicate_free(big);
}

static void never_holds_for_a_misfit(void **state)
{
    static const char *const rows[] = {
        "id=eq.undefined", "id=neq.undefined", "id=not.eq.undefined", "id=isdistinct.undefined",
        "id=gt.",          "at=gt.now",        "at=lt.now",           "at=neq.now",
        "progress=neq.x",  "done=neq.maybe",   "amount=lt.",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct predicate *p;
        struct err err;

        assert_int_equal(predicate_parse(str_c(rows[i]), &p, &err), OK);
        CHECK(!predicate_matches(p, &update, types), rows[i]);
        predicate_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges),
        cmocka_unit_test(judges_the_row_that_a_delete_took),
        cmocka_unit_test(knows_a_change_of_updates_only),
        cmocka_unit_test(never_holds_for_a_misfit),
    };

    return cmocka_run_group_tests_name("row/predicate_match", tests, make_types, drop_types);
}
