#include "facts.h"
#include "policy/policy.h"

#define UID_EQUALS(column) N_COMPARE(2972, N_COLUMN(column, 2950), N_UID)
#define OWN UID_EQUALS(2)
#define PUBLIC N_COLUMN(5, 16)
#define OPAQUE N_CALL(16388, 2950, "<>")

#define ANN "{\"sub\":\"" UUID_1 "\"}"
#define BOB "{\"sub\":\"" UUID_2 "\"}"
#define NOBODY "{\"role\":\"anon\"}"
#define STRANGER "{\"sub\":\"auth0|1\"}"

/* A row of the table of facts.h. Columns that are not named are NULL. */
struct row {
    const char *u, *v, *t, *b, *n, *i8, *m, *at, *uu, *u2;
};

static struct column column(const char *name, uint32_t type, const char *value)
{
    return (struct column){.name = str_c(name),
                           .type = type,
                           .form = value ? VALUE_ESCAPED : VALUE_NULL,
                           .value = str_c(value)};
}

static size_t write_row(struct column out[16], const struct row *row)
{
    size_t count = 0;

    out[count++] = column("id", 23, "1");
    out[count++] = column("u", 2950, row->u);
    out[count++] = column("v", 1043, row->v);
    out[count++] = column("t", 25, row->t);
    out[count++] = column("b", 16, row->b);
    out[count++] = column("n", 1700, row->n);
    out[count++] = column("i8", 20, row->i8);
    out[count++] = column("m", OID_MOOD, row->m);
    out[count++] = column("at", 1184, row->at);
    out[count++] = column("uu", OID_UID, row->uu);
    out[count++] = column("u2", 2950, row->u2);
    return count;
}

static enum policy_verdict judge_columns(const struct policy *policy, struct columns columns,
                                         const char *claims)
{
    struct policy_session *session = policy_bind(policy, str_c(claims));
    struct policy_row row;
    enum policy_verdict verdict;

    policy_row_init(&row, policy, columns, (struct columns){0});
    verdict = policy_judge(policy, &row, session);
    policy_row_fini(&row);
    policy_session_free(session);
    return verdict;
}

static enum policy_verdict judge_clauses(struct policy_clause *clauses, size_t count,
                                         const struct row *row, const char *claims)
{
    const struct policy_facts facts = fixture_facts(clauses, count);
    struct policy *policy = policy_compile(&facts);
    struct column columns[16];
    enum policy_verdict verdict =
        judge_columns(policy, (struct columns){columns, write_row(columns, row)}, claims);

    policy_free(policy);
    return verdict;
}

static enum policy_verdict judge_one(const char *qual, const struct row *row, const char *claims)
{
    struct policy_clause clause = {.permissive = true, .qual = str_c(qual)};

    return judge_clauses(&clause, 1, row, claims);
}

enum { YES = POLICY_YES, NO = POLICY_NO, RAISES = POLICY_RAISES, ASK = POLICY_ASK };

static void test_conditions(void **state)
{
    static const struct {
        const char *says, *qual;
        struct row row;
        const char *claims;
        int wanted;
    } rows[] = {
        {"one's own row", OWN, {.u = UUID_1}, ANN, YES},
        {"somebody else's", OWN, {.u = UUID_2}, ANN, NO},
        {"nobody's", OWN, {.u = NULL}, ANN, NO},
        {"nobody is not NULL", OWN, {.u = NULL}, NOBODY, NO},
        {"in a subselect",
         N_COMPARE(2972, N_COLUMN(2, 2950), N_SELECT(N_UID)),
         {.u = UUID_1},
         ANN,
         YES},
        {"a subselect that may be empty",
         N_COMPARE(2972, N_COLUMN(2, 2950), N_SELECT_FROM(N_FALSE, N_UID)),
         {.u = UUID_1},
         ANN,
         ASK},
        {"a condition in a subselect",
         N_SELECT(N_COMPARE(2972, N_UID, N_UUID_1)),
         {.u = NULL},
         ANN,
         YES},
        {"a user that is no uuid", OWN, {.u = UUID_1}, STRANGER, RAISES},
        {"... for whom it does not matter",
         N_BOOL("and", OWN " " N_FALSE),
         {.u = UUID_1},
         STRANGER,
         NO},
        {"... for whom it might",
         N_BOOL("or", PUBLIC " " OWN),
         {.u = UUID_1, .b = "true"},
         STRANGER,
         ASK},
        {"a constant", N_COMPARE(2972, N_COLUMN(2, 2950), N_UUID_1), {.u = UUID_1}, NOBODY, YES},
        {"a NULL", N_COMPARE(2972, N_UID, N_NULL(2950)), {.u = UUID_1}, STRANGER, NO},
        {"a NULL is unknown, whatever fails beside it",
         N_TEST(4, N_COMPARE(2972, N_UID, N_NULL(2950))),
         {.u = UUID_1},
         STRANGER,
         YES},
        {"everybody's", N_TRUE, {.u = UUID_1}, NOBODY, YES},
        {"everybody's, whatever the claims", N_TRUE, {.u = UUID_1}, "not json", YES},
        {"a claim",
         N_COMPARE(98, N_COLUMN(4, 25), N_CLAIM(N_TEXT_A)),
         {.t = "x"},
         "{\"a\":\"x\"}",
         YES},
        {"a claim that is not there",
         N_COMPARE(98, N_COLUMN(4, 25), N_CLAIM(N_TEXT_A)),
         {.t = "x"},
         ANN,
         NO},
        {"a claim that is a number",
         N_COMPARE(98, N_COLUMN(4, 25), N_CLAIM(N_TEXT_A)),
         {.t = "12"},
         "{\"a\":12}",
         YES},
        {"a claim that is a fraction",
         N_COMPARE(98, N_COLUMN(4, 25), N_CLAIM(N_TEXT_A)),
         {.t = "1.50"},
         "{\"a\":1.50}",
         ASK},
        {"a claim that is a list",
         N_COMPARE(98, N_COLUMN(4, 25), N_CLAIM(N_TEXT_A)),
         {.t = "x"},
         "{\"a\":[1]}",
         ASK},
        {"a claim that is there twice",
         N_COMPARE(98, N_COLUMN(4, 25), N_CLAIM(N_TEXT_A)),
         {.t = "x"},
         "{\"a\":\"y\",\"a\":\"x\"}",
         ASK},
        {"a claim as a number",
         N_COMPARE(416, N_COLUMN(7, 20), N_CAST(23, N_CLAIM(N_TEXT_A))),
         {.i8 = "12"},
         "{\"a\":\"12\"}",
         YES},
        {"a claim that is no number",
         N_COMPARE(416, N_COLUMN(7, 20), N_CAST(23, N_CLAIM(N_TEXT_A))),
         {.i8 = "12"},
         "{\"a\":\"x\"}",
         ASK},
        {"a flag in the claims", N_CAST(16, N_CLAIM(N_TEXT_A)), {.u = NULL}, "{\"a\":true}", YES},
        {"a flag that is off", N_CAST(16, N_CLAIM(N_TEXT_A)), {.u = NULL}, "{\"a\":\"false\"}", NO},
        {"a column as text",
         N_COMPARE(98, N_CAST(25, N_COLUMN(2, 2950)), N_CLAIM(N_TEXT_A)),
         {.u = UUID_1},
         "{\"a\":\"" UUID_1 "\"}",
         YES},
        {"the same in capitals",
         N_COMPARE(98, N_CAST(25, N_COLUMN(2, 2950)), N_CLAIM(N_TEXT_A)),
         {.u = UUID_1},
         "{\"a\":\"AAAAAAAA-0000-4000-8000-000000000001\"}",
         NO},
        {"an instant as text, which depends on the session",
         N_COMPARE(98, N_CAST(25, N_COLUMN(9, 1184)), N_TEXT_A),
         {.at = "2026-01-01 00:00:00+00"},
         ANN,
         ASK},
        {"varchar as text",
         N_COMPARE(98, N_RELABEL(25, N_COLUMN(3, 1043)), N_TEXT_A),
         {.v = "a"},
         ANN,
         YES},
        {"blanks count",
         N_COMPARE(98, N_RELABEL(25, N_COLUMN(3, 1043)), N_TEXT_A),
         {.v = "a "},
         ANN,
         NO},
        {"escapes in the stream",
         N_COMPARE(531, N_COLUMN(4, 25), N_TEXT_A),
         {.t = "\\u0061"},
         ANN,
         NO},
        {"a domain",
         N_COMPARE(2972, N_RELABEL(2950, N_COLUMN(12, 16394)), N_UID),
         {.uu = UUID_1},
         ANN,
         YES},
        {"a type that is nobody's, as text",
         N_COMPARE(98, N_RELABEL(25, N_COLUMN(13, 16400)), N_TEXT_A),
         {.u = NULL},
         ANN,
         ASK},
        {"a collation of equals",
         N_OPERATOR("OPEXPR", 98, 16, 16500, N_COLUMN(4, 25) " " N_TEXT_A),
         {.t = "a"},
         ANN,
         ASK},
        {"a collation that is not known",
         N_OPERATOR("OPEXPR", 98, 16, 0, N_COLUMN(4, 25) " " N_TEXT_A),
         {.t = "a"},
         ANN,
         ASK},
        {"the order of texts", N_COMPARE(664, N_COLUMN(4, 25), N_TEXT_A), {.t = "a"}, ANN, ASK},
        {"a list",
         N_LIST("true", 98, N_COLUMN(4, 25), N_ARRAY(1009, 25, N_TEXT_A " " N_TEXT_EMPTY)),
         {.t = ""},
         ANN,
         YES},
        {"not in a list",
         N_LIST("false", 531, N_COLUMN(4, 25), N_ARRAY(1009, 25, N_TEXT_A " " N_TEXT_EMPTY)),
         {.t = ""},
         ANN,
         NO},
        {"not in a list with a NULL",
         N_LIST("false", 531, N_COLUMN(4, 25), N_ARRAY(1009, 25, N_TEXT_A " " N_NULL(25))),
         {.t = "x"},
         ANN,
         NO},
        {"a list of users",
         N_LIST("true", 2972, N_COLUMN(2, 2950), N_ARRAY(2951, 2950, N_UUID_1 " " N_UID)),
         {.u = UUID_2},
         BOB,
         YES},
        {"a list out of the row",
         N_LIST("true", 2972, N_UID, N_COLUMN(13, 16400)),
         {.u = UUID_1},
         ANN,
         ASK},
        {"a flag", PUBLIC, {.b = "true"}, ANN, YES},
        {"a flag that is NULL", PUBLIC, {.b = NULL}, ANN, NO},
        {"not a flag", N_BOOL("not", PUBLIC), {.b = "false"}, ANN, YES},
        {"not NULL", N_BOOL("not", PUBLIC), {.b = NULL}, ANN, NO},
        {"is not true", N_TEST(1, PUBLIC), {.b = NULL}, ANN, YES},
        {"a flag or false",
         "{COALESCEEXPR :coalescetype 16 :coalescecollid 0 :args (" PUBLIC " " N_TRUE
         ") :location 1}",
         {.b = NULL},
         ANN,
         YES},
        {"is NULL", N_IS_NULL(N_COLUMN(4, 25)), {.t = NULL}, ANN, YES},
        {"a type of nobody's is NULL", N_IS_NULL(N_COLUMN(13, 16400)), {.t = NULL}, ANN, ASK},
        {"distinct from a user", N_DISTINCT(2972, N_COLUMN(2, 2950), N_UID), {.u = NULL}, ANN, YES},
        {"a label",
         N_COMPARE(3516, N_COLUMN(8, 16389), N_CONST(16389, 4, "7 64 0 0 0 0 0 0")),
         {.m = "ok"},
         ANN,
         YES},
        {"another label",
         N_COMPARE(3516, N_COLUMN(8, 16389), N_CONST(16389, 4, "7 64 0 0 0 0 0 0")),
         {.m = "sad"},
         ANN,
         NO},
        {"a label that was renamed meanwhile",
         N_COMPARE(3517, N_COLUMN(8, 16389), N_CONST(16389, 4, "7 64 0 0 0 0 0 0")),
         {.m = "fine"},
         ANN,
         ASK},
        {"the text of a label that was renamed meanwhile",
         N_COMPARE(98, N_CAST(25, N_COLUMN(8, 16389)), N_TEXT_A),
         {.m = "a"},
         ANN,
         ASK},
        {"a number",
         N_COMPARE(1756, N_COLUMN(6, 1700), N_CALL(1740, 1700, "(" N_INT(5) ")")),
         {.n = "5.01"},
         ANN,
         YES},
        {"NULL of numeric may be NaN", N_IS_NULL(N_COLUMN(6, 1700)), {.n = NULL}, ANN, ASK},
        {"... which is more than any number",
         N_COMPARE(1756, N_COLUMN(6, 1700), N_CALL(1740, 1700, "(" N_INT(5) ")")),
         {.n = NULL},
         ANN,
         ASK},
        {"... but equal to none",
         N_COMPARE(1752, N_COLUMN(6, 1700), N_CALL(1740, 1700, "(" N_INT(5) ")")),
         {.n = NULL},
         ANN,
         NO},
        {"... and beside another condition that holds",
         N_BOOL("or", N_TRUE
                " " N_COMPARE(1752, N_COLUMN(6, 1700), N_CALL(1740, 1700, "(" N_INT(5) ")"))),
         {.n = NULL},
         ANN,
         YES},
        {"... which does not matter",
         N_BOOL("and", N_FALSE " " N_IS_NULL(N_COLUMN(6, 1700))),
         {.n = NULL},
         ANN,
         NO},
        {"an instant",
         N_COMPARE(1324, N_COLUMN(9, 1184), N_CONST(1184, 8, "0 96 -62 -122 7 62 2 0")),
         {.at = "2020-01-01 00:00:00.000001+00"},
         ANN,
         YES},
        {"an instant before Christ",
         N_COMPARE(1324, N_COLUMN(9, 1184), N_CONST(1184, 8, "0 96 -62 -122 7 62 2 0")),
         {.at = "0044-03-15 00:00:00+00 BC"},
         ANN,
         ASK},
        {"a function that is not known",
         N_COMPARE(2972, N_COLUMN(2, 2950), OPAQUE),
         {.u = UUID_1},
         ANN,
         ASK},
        {"... on somebody else's row",
         N_BOOL("and", OWN " " N_COMPARE(2972, N_COLUMN(2, 2950), OPAQUE)),
         {.u = UUID_2},
         ANN,
         NO},
        {"... on one's own",
         N_BOOL("and", OWN " " N_COMPARE(2972, N_COLUMN(2, 2950), OPAQUE)),
         {.u = UUID_1},
         ANN,
         ASK},
        {"... or on one's own",
         N_BOOL("or", OWN " " N_COMPARE(2972, N_COLUMN(2, 2950), OPAQUE)),
         {.u = UUID_1},
         ANN,
         ASK},
        {"a column of another table",
         N_IS_NULL("{VAR :varno 1 :varattno 4 :vartype 25 :vartypmod -1 :varcollid 100 "
                   ":varlevelsup 1 :varnosyn 1 :varattnosyn 4 :location 1}"),
         {.t = NULL},
         ANN,
         ASK},
        {"the row as a whole", N_IS_NULL(N_COLUMN(0, 16395)), {.t = NULL}, ANN, ASK},
        {"a system column", N_IS_NULL(N_COLUMN(-1, 27)), {.t = NULL}, ANN, ASK},
        {"a column that is another's by now", N_IS_NULL(N_COLUMN(4, 23)), {.t = NULL}, ANN, ASK},
        {"fields of later versions that say nothing",
         N_IS_NULL(
             "{VAR :varno 1 :varattno 4 :vartype 25 :vartypmod -1 :varcollid 100 :varnullingrels "
             "(b) :varlevelsup 0 :varreturningtype 0 :varnosyn 1 :varattnosyn 4 :location 1}"),
         {.t = NULL},
         ANN,
         YES},
        {"fields of later versions that say something",
         N_IS_NULL("{VAR :varno 1 :varattno 4 :vartype 25 :vartypmod -1 :varcollid 100 "
                   ":varnullingrels (b 2) :varlevelsup 0 :varnosyn 1 :varattnosyn 4 :location 1}"),
         {.t = NULL},
         ANN,
         ASK},
        {"a node of nobody's", "{CASEEXPR :args <>}", {.t = NULL}, ANN, ASK},
        {"no tree at all", "true", {.t = NULL}, ANN, ASK},
        {"a broken tree", "{CONST", {.t = NULL}, ANN, ASK},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int got = judge_one(rows[i].qual, &rows[i].row, rows[i].claims);

        if (got != rows[i].wanted)
            fail_msg("%s: %d, wanted %d", rows[i].says, got, rows[i].wanted);
    }
}

#define P(node)                                                                                    \
    {                                                                                              \
        .permissive = true, .qual = STR(node)                                                      \
    }
#define R(node)                                                                                    \
    {                                                                                              \
        .permissive = false, .qual = STR(node)                                                     \
    }

static void test_clauses(void **state)
{
    static struct {
        const char *says;
        struct policy_clause clauses[3];
        size_t count;
        struct row row;
        int wanted;
    } rows[] = {
        {"no policy at all", {P("")}, 0, {.u = UUID_1}, NO},
        {"one permissive of two", {P(OWN), P(N_FALSE)}, 2, {.u = UUID_1}, YES},
        {"none of two", {P(OWN), P(N_FALSE)}, 2, {.u = UUID_2}, NO},
        {"a restrictive one alone permits nothing", {R(N_TRUE)}, 1, {.u = UUID_1}, NO},
        {"permitted and not restricted", {P(N_TRUE), R(OWN)}, 2, {.u = UUID_1}, YES},
        {"permitted but restricted", {R(OWN), P(N_TRUE)}, 2, {.u = UUID_2}, NO},
        {"restricted by NULL", {P(N_TRUE), R(OWN)}, 2, {.u = NULL}, NO},
        {"all restrictions count",
         {P(N_TRUE), R(OWN), R(PUBLIC)},
         3,
         {.u = UUID_1, .b = "false"},
         NO},
        {"a restriction that is not understood", {P(OWN), R("{X}")}, 2, {.u = UUID_1}, ASK},
        {"... of what is not permitted", {P(OWN), R("{X}")}, 2, {.u = UUID_2}, NO},
        {"a permission that is not understood", {P(OWN), P("{X}")}, 2, {.u = UUID_1}, ASK},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int got = judge_clauses(rows[i].clauses, rows[i].count, &rows[i].row, ANN);

        if (got != rows[i].wanted)
            fail_msg("%s: %d, wanted %d", rows[i].says, got, rows[i].wanted);
    }
}

static struct policy *compile_one(const char *qual, int *columns, size_t column_count)
{
    struct policy_clause clause = {
        .permissive = true, .qual = str_c(qual), .columns = columns, .column_count = column_count};
    const struct policy_facts facts = fixture_facts(&clause, 1);

    return policy_compile(&facts);
}

/* What the stream did not carry. */
static void test_missing(void **state)
{
    static const struct {
        const char *says;
        struct column columns[2];
        size_t count;
        bool lacks;
        int wanted;
    } rows[] = {
        {"all there", {{STR("u"), 2950, VALUE_ESCAPED, STR(UUID_1)}}, 1, false, YES},
        {"nothing there", {{STR("id"), 23, VALUE_LITERAL, STR("1")}}, 1, true, ASK},
        {"of another type by now", {{STR("u"), 25, VALUE_ESCAPED, STR(UUID_1)}}, 1, false, ASK},
        {"no uuid", {{STR("u"), 2950, VALUE_ESCAPED, STR("x")}}, 1, false, ASK},
        {"as plain text", {{STR("u"), 2950, VALUE_TEXT, STR(UUID_1)}}, 1, false, YES},
    };
    int u = 2;
    struct policy *policy = compile_one(OWN, &u, 1);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct columns columns = {rows[i].columns, rows[i].count}, none = {0};
        struct policy_row record, rest;

        CHECK((int)judge_columns(policy, columns, ANN) == rows[i].wanted, rows[i].says);
        policy_row_init(&record, policy, columns, none);
        policy_row_init(&rest, policy, none, columns);
        CHECK(record.lacks == rows[i].lacks && rest.lacks == rows[i].lacks, rows[i].says);
        policy_row_fini(&record);
        policy_row_fini(&rest);
    }
    policy_free(policy);
}

/* A session that is not plain: somebody set the claims' settings by hand, or names are shadowed. */
static void test_not_plain(void **state)
{
    struct policy_clause clause = P(OWN);
    struct policy_facts facts = fixture_facts(&clause, 1);
    struct column columns[16];
    const struct row row = {.u = UUID_1};
    struct policy *policy;

    (void)state;
    facts.plain = false;
    policy = policy_compile(&facts);
    assert_false(policy_is_clear(policy));
    assert_int_equal(
        judge_columns(policy, (struct columns){columns, write_row(columns, &row)}, ANN),
        POLICY_ASK);
    policy_free(policy);
}

struct filing {
    enum policy_filing is;
    uint64_t key;
};

static struct filing file(const struct policy *policy, const char *claims, size_t key)
{
    struct policy_session *session = policy_bind(policy, str_c(claims));
    struct filing filing = {.key = 0};

    filing.is = policy_session_key(policy, session, key, &filing.key);
    policy_session_free(session);
    return filing;
}

static void test_filing(void **state)
{
    struct policy *policy = compile_one(OWN, NULL, 0);
    struct filing ann = file(policy, ANN, 0), bob = file(policy, BOB, 0);

    (void)state;
    assert_int_equal(policy_key_count(policy), 1);
    assert_true(policy_is_clear(policy));
    assert_int_equal(ann.is, POLICY_FILED);
    assert_true(ann.key != bob.key);
    assert_true(ann.key ==
                file(policy, "{\"sub\":\"AAAAAAAA-0000-4000-8000-000000000001\"}", 0).key);
    assert_int_equal(file(policy, NOBODY, 0).is, POLICY_NOWHERE);
    assert_int_equal(file(policy, STRANGER, 0).is, POLICY_ALWAYS);
    assert_int_equal(file(policy, "[", 0).is, POLICY_ALWAYS);
    policy_free(policy);
}

static void test_keys(void **state)
{
    static const struct {
        const char *says, *qual;
        struct row row;
        unsigned keys;
        bool found; /* the readers of the first of them are ANN's */
    } rows[] = {
        {"one's own", OWN, {.u = UUID_1}, 1, true},
        {"the claim in front", N_COMPARE(2972, N_UID, N_COLUMN(2, 2950)), {.u = UUID_1}, 1, true},
        {"nobody's row has no readers", OWN, {.u = NULL}, 1, false},
        {"one's own or public, and it is not",
         N_BOOL("or", OWN " " PUBLIC),
         {.u = UUID_1, .b = "false"},
         1,
         true},
        {"one's own or public, and it is",
         N_BOOL("or", OWN " " PUBLIC),
         {.u = UUID_1, .b = "true"},
         0,
         false},
        {"both of two",
         N_BOOL("and", OWN " " UID_EQUALS(14)),
         {.u = UUID_1, .u2 = UUID_1},
         1,
         true},
        {"either of two",
         N_BOOL("or", OWN " " UID_EQUALS(14)),
         {.u = UUID_1, .u2 = UUID_2},
         3,
         true},
        {"one's own, and what is not understood",
         N_BOOL("and", OWN " {X}"),
         {.u = UUID_1},
         1,
         true},
        {"one's own, or what is not understood", N_BOOL("or", OWN " {X}"), {.u = UUID_1}, 0, false},
        {"not one's own", N_BOOL("not", OWN), {.u = UUID_1}, 0, false},
        {"unequal", N_COMPARE(2973, N_COLUMN(2, 2950), N_UID), {.u = UUID_1}, 0, false},
        {"a claim alone", N_COMPARE(2972, N_UID, N_UUID_1), {.u = UUID_1}, 0, false},
        {"a column alone", N_COMPARE(2972, N_COLUMN(2, 2950), N_UUID_1), {.u = UUID_1}, 0, false},
        {"everybody's", N_TRUE, {.u = UUID_1}, 0, false},
        {"a value that is in doubt",
         N_COMPARE(2972, N_COLUMN(2, 2950), N_UID),
         {.u = "x"},
         0,
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct policy *policy = compile_one(rows[i].qual, NULL, 0);
        struct column columns[16];
        struct policy_row row;
        uint64_t key = 0;
        bool found;

        policy_row_init(&row, policy, (struct columns){columns, write_row(columns, &rows[i].row)},
                        (struct columns){0});
        if (policy_keys_for(policy, &row) != rows[i].keys)
            fail_msg("%s: %u", rows[i].says, policy_keys_for(policy, &row));
        found = rows[i].keys && policy_row_key(policy, &row, 0, &key);
        CHECK(found == rows[i].found, rows[i].says);
        CHECK(!found || key == file(policy, ANN, 0).key, rows[i].says);
        policy_row_fini(&row);
        policy_free(policy);
    }
}

static void test_too_many_keys(void **state)
{
    struct policy *policy =
        compile_one(N_BOOL("or", OWN " " UID_EQUALS(14) " " OWN " " OWN " " OWN " " OWN), NULL, 0);

    (void)state;
    assert_int_equal(policy_key_count(policy), POLICY_MAX_KEYS);
    policy_free(policy);
}

/* What the stream could not carry is neither NULL nor a value to compare. */
static void test_carried(void **state)
{
    struct column amount = column("n", 1700, NULL);

    (void)state;
    assert_false(policy_is_carried(&amount));
    amount.form = VALUE_LOST;
    assert_false(policy_is_carried(&amount));
    amount = column("n", 1700, "1");
    assert_true(policy_is_carried(&amount));
    amount = column("t", 25, NULL);
    assert_true(policy_is_carried(&amount));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_carried),   cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_clauses),   cmocka_unit_test(test_missing),
        cmocka_unit_test(test_not_plain), cmocka_unit_test(test_filing),
        cmocka_unit_test(test_keys),      cmocka_unit_test(test_too_many_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
