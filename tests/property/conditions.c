#include "conditions.h"

#include <string.h>

#define MAX_LIST 4

/* What a value can be compared with. */
enum family { UUID, TEXT, NUMBER, BOOL, DATE, TIMESTAMP, TIMESTAMPTZ, MOOD, OTHER };

struct kind {
    const char *column, *type;
    enum family family;
    const char *const *values;
    bool beyond; /* comparing it is beyond the grammar */
};

#define ANN "'aaaaaaaa-0000-4000-8000-000000000001'"
#define BOB "'bbbbbbbb-0000-4000-8000-000000000002'"
#define EVE "'eeeeeeee-0000-4000-8000-00000000000e'"

static const char *const uuids[] = {ANN, BOB, EVE, NULL};
static const char *const texts[] = {
    "'a'",        "'b'",    "''",  "'A'", "'a '", "E'qu\"o\\\\te\\n'",
    "'\xc3\xa4'", "'true'", "'1'", ANN,   NULL};
static const char *const cases[] = {"'a'", "'A'", NULL};
static const char *const integers[] = {"0", "1", "2", "-1", "32767", NULL};
static const char *const bigs[] = {"0", "1", "2", "9007199254740993", "-9223372036854775808", NULL};
static const char *const numerics[] = {
    "0",     "1",          "1.0",   "1.50", "-0.001", "12345678901234567890.5",
    "'NaN'", "'Infinity'", "1e-30", NULL};
static const char *const bools[] = {"true", "false", NULL};
static const char *const dates[] = {"'2026-01-01'",    "'2026-01-02'", "'infinity'",
                                    "'0044-03-15 BC'", "'1969-12-31'", NULL};
static const char *const timestamps[] = {"'2026-01-01'",        "'2026-01-01 00:00:00.000001'",
                                         "'2026-01-01 12:30'",  "'-infinity'",
                                         "'12026-01-01 12:30'", NULL};
static const char *const timestamptzs[] = {"'2026-01-01+00'",       "'2026-01-01 02:00+02'",
                                           "'2026-01-01 12:30+00'", "'infinity'",
                                           "'1066-10-14 09:00+00'", NULL};
static const char *const moods[] = {"'sad'", "'ok'", "'it''s \"fine\"'", NULL};
static const char *const jsons[] = {"'{\"a\": 1}'", "'null'", "'[1]'", NULL};
static const char *const floats[] = {"0.1", "1", "'NaN'", NULL};
static const char *const arrays[] = {"array[" ANN "::uuid]", "array[" BOB "::uuid, null]", "'{}'",
                                     NULL};

static const struct kind kinds[] = {
    {"u", "uuid", UUID, uuids, false},
    {"\"Own Er\"", "uuid", UUID, uuids, false},
    {"du", "prop_uid", UUID, uuids, false},
    {"t", "text", TEXT, texts, false},
    {"v", "varchar(40)", TEXT, texts, false},
    {"c", "text collate \"C\"", TEXT, texts, false},
    {"ci", "text collate prop_ci", TEXT, cases, false},
    {"ci2", "varchar(9) collate prop_ci", TEXT, cases, false},
    {"de", "text collate \"de-x-icu\"", TEXT, texts, false},
    {"ch", "char(4)", OTHER, (const char *const[]){"'a'", "'b'", NULL}, true},
    {"i2", "smallint", NUMBER, integers, false},
    {"i4", "integer", NUMBER, integers, false},
    {"i8", "bigint", NUMBER, bigs, false},
    {"n", "numeric", NUMBER, numerics, false},
    {"nn", "numeric(6,2) not null default 1", NUMBER,
     (const char *const[]){"0", "1", "1.50", "'NaN'", NULL}, false},
    {"b", "boolean", BOOL, bools, false},
    {"b2", "boolean not null default false", BOOL, bools, false},
    {"d", "date", DATE, dates, false},
    {"ts", "timestamp", TIMESTAMP, timestamps, false},
    {"tz", "timestamptz", TIMESTAMPTZ, timestamptzs, false},
    {"m", "prop_mood", MOOD, moods, false},
    {"j", "jsonb", OTHER, jsons, true},
    {"f", "float8", OTHER, floats, true},
    {"ua", "uuid[]", OTHER, arrays, true},
};

static const char *one_of(struct random *r, const char *const *values)
{
    size_t count = 0;

    while (values[count])
        count++;
    return values[random_below(r, count)];
}

void choose_columns(struct random *r, struct columns_of *out)
{
    out->count = 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (i == 0 || !random_one_in(r, 3))
            out->kinds[out->count++] = &kinds[i];
}

void write_definition(struct buf *out, const struct kind *kind)
{
    buf_addf(out, "%s %s", kind->column, kind->type);
}

const char *kind_column(const struct kind *kind)
{
    return kind->column;
}

void write_value(struct buf *out, struct random *r, const struct kind *kind)
{
    if (!strstr(kind->type, "not null") && random_one_in(r, 4))
        buf_add_c(out, "null");
    else
        buf_add_c(out, one_of(r, kind->values));
}

/* Half of them of the first few, which are what policies mostly look at. */
static const struct kind *choose(struct random *r, const struct columns_of *columns, bool beyond)
{
    for (;;) {
        size_t of = columns->count > 3 && random_one_in(r, 2) ? 3 : columns->count;
        const struct kind *kind = columns->kinds[random_below(r, of)];

        if (beyond || !kind->beyond)
            return kind;
    }
}

static const struct kind *choose_of(struct random *r, const struct columns_of *columns,
                                    enum family family)
{
    for (int i = 0; i < 50; i++) {
        const struct kind *kind = choose(r, columns, false);

        if (kind->family == family)
            return kind;
    }
    return NULL;
}

/* An expression over the claims; NULL where there is none of that family. */
static const char *claim_of(struct random *r, enum family family)
{
    static const char *const uuid[] = {
        "auth.uid()",
        "auth.uid()",
        "(select auth.uid())",
        "(auth.jwt() ->> 'owner')::uuid",
        "(select (auth.jwt() ->> 'sub')::uuid)",
        "nullif(auth.jwt() ->> 'owner', '')::uuid",
        "(current_setting('request.jwt.claims', true)::json ->> 'sub')::uuid",
        "(nullif(current_setting('request.jwt.claims', true), '')::jsonb #>> '{app,owner}')::uuid",
        "coalesce((auth.jwt() ->> 'owner')::uuid, auth.uid())",
        "nullif(current_setting('request.jwt.claim.sub', true), '')::uuid",
        "prop_user()",
    };
    static const char *const text[] = {
        "auth.role()",
        "(auth.jwt() ->> 'team')",
        "(auth.jwt() -> 'app' ->> 'team')",
        "(auth.jwt() #>> '{app,team}')",
        "(select auth.jwt() -> 'app' ->> 'team')",
        "coalesce(auth.jwt() ->> 'team', 'a')",
        "nullif(auth.jwt() ->> 'team', 'b')",
        "(current_setting('request.jwt.claims')::json ->> 'team')",
        "(auth.jwt() ->> 'admin')",
        "(auth.jwt() ->> 'org')",
        "auth.uid()::text",
    };
    static const char *const number[] = {
        "(auth.jwt() ->> 'org')::integer",
        "(auth.jwt() ->> 'org')::bigint",
        "(auth.jwt() ->> 'org')::numeric",
        "(select (auth.jwt() -> 'app' ->> 'org')::smallint)",
        "coalesce((auth.jwt() ->> 'org')::integer, 1)",
    };
    static const char *const boolean[] = {
        "(auth.jwt() ->> 'admin')::boolean",
        "(select (auth.jwt() -> 'app' ->> 'admin')::boolean)",
        "coalesce((auth.jwt() ->> 'admin')::boolean, false)",
    };

    switch (family) {
    case UUID:
        return RANDOM_OF(r, uuid);
    case TEXT:
        return RANDOM_OF(r, text);
    case NUMBER:
        return RANDOM_OF(r, number);
    case BOOL:
        return RANDOM_OF(r, boolean);
    case DATE:
    case TIMESTAMP:
    case TIMESTAMPTZ:
    case MOOD:
    case OTHER:
        break;
    }
    return NULL;
}

static const char *type_of(enum family family)
{
    static const char *const types[] = {"uuid",      "text",        "numeric",   "boolean", "date",
                                        "timestamp", "timestamptz", "prop_mood", ""};

    return types[family];
}

/* A side of a comparison of that family. */
static void write_side(struct buf *out, struct random *r, const struct columns_of *columns,
                       const struct kind *like)
{
    const char *claim = random_one_in(r, 2) ? claim_of(r, like->family) : NULL;
    const struct kind *other = random_one_in(r, 5) ? choose_of(r, columns, like->family) : NULL;

    if (claim)
        buf_add_c(out, claim);
    else if (other)
        buf_add_c(out, other->column);
    else if (random_one_in(r, 12))
        buf_add_c(out, "null");
    else
        buf_add_c(out, one_of(r, like->values));
}

static void write_comparison(struct buf *out, struct random *r, const struct columns_of *columns)
{
    static const char *const ordered[] = {"=", "=", "=", "<>", "<", "<=", ">", ">="};
    static const char *const equality[] = {"=", "=", "=", "<>"};
    const struct kind *kind = choose(r, columns, false);
    /* the order of texts and labels is PostgreSQL's to know */
    bool has_order = (kind->family != TEXT && kind->family != MOOD) || random_one_in(r, 10);

    buf_add_c(out, kind->column);
    buf_addf(out, " %s ", has_order ? RANDOM_OF(r, ordered) : RANDOM_OF(r, equality));
    write_side(out, r, columns, kind);
}

static void write_list(struct buf *out, struct random *r, const struct columns_of *columns,
                       const struct kind *kind)
{
    size_t count = 1 + random_below(r, MAX_LIST);

    for (size_t i = 0; i < count; i++) {
        buf_add_c(out, i ? ", " : "");
        write_side(out, r, columns, kind);
    }
}

static void write_membership(struct buf *out, struct random *r, const struct columns_of *columns)
{
    static const char *const empty[] = {"= any", "<> all", "<> any", "= all"};
    const struct kind *kind = choose(r, columns, false);

    buf_add_c(out, kind->column);
    switch (random_below(r, 7)) {
    case 0:
        buf_addf(out, " %s ('{}'::%s[])", RANDOM_OF(r, empty), type_of(kind->family));
        return;
    case 1:
        if (kind->family == UUID || kind->family == NUMBER) {
            buf_addf(out, " %s (%s)", RANDOM_OF(r, empty),
                     kind->family == UUID ? "'{aaaaaaaa-0000-4000-8000-000000000001,NULL}'"
                                          : "'{NULL,1,NULL,2}'");
            return;
        }
        break;
    case 2:
        buf_addf(out, " %s (array[", RANDOM_OF(r, empty));
        write_list(out, r, columns, kind);
        buf_addf(out, "]::%s[])", type_of(kind->family));
        return;
    default:
        break;
    }
    buf_add_c(out, random_one_in(r, 2) ? " in (" : " not in (");
    write_list(out, r, columns, kind);
    buf_add_c(out, ")");
}

static void write_distinct(struct buf *out, struct random *r, const struct columns_of *columns)
{
    const struct kind *kind = choose(r, columns, false);

    buf_addf(out, "%s is %sdistinct from ", kind->column, random_one_in(r, 2) ? "not " : "");
    write_side(out, r, columns, kind);
}

static void write_truth(struct buf *out, struct random *r, const struct columns_of *columns)
{
    static const char *const tests[] = {"",
                                        " is true",
                                        " is not true",
                                        " is false",
                                        " is not false",
                                        " is unknown",
                                        " is not unknown"};
    const struct kind *kind = choose_of(r, columns, BOOL);

    if (kind && random_one_in(r, 3))
        buf_addf(out, "coalesce(%s, %s)", kind->column, random_one_in(r, 2) ? "false" : "true");
    else if (kind && !random_one_in(r, 4))
        buf_addf(out, "(%s)%s", kind->column, RANDOM_OF(r, tests));
    else
        buf_addf(out, "(%s)%s", claim_of(r, BOOL), RANDOM_OF(r, tests));
}

static void write_casts(struct buf *out, struct random *r, const struct columns_of *columns)
{
    const struct kind *kind = choose(r, columns, false);

    if (kind->family == UUID)
        buf_addf(out, "%s::text = %s", kind->column,
                 random_one_in(r, 2) ? "(auth.jwt() ->> 'sub')" : "auth.uid()::text");
    else if (kind->family == MOOD)
        buf_addf(out, "%s::text in ('sad', auth.jwt() ->> 'team')", kind->column);
    else if (kind->family == BOOL)
        buf_addf(out, "%s::text = (auth.jwt() ->> 'admin')", kind->column);
    else if (strcmp(kind->type, "integer") == 0 || strcmp(kind->type, "bigint") == 0)
        buf_addf(out, "%s::text = (auth.jwt() ->> 'org')", kind->column);
    else
        buf_addf(out, "%s is %snull", kind->column, random_one_in(r, 2) ? "not " : "");
}

/* Of the claims alone. */
static void write_claim_condition(struct buf *out, struct random *r)
{
    static const char *const all[] = {"auth.role() = 'authenticated'",
                                      "(auth.jwt() ->> 'team') = 'a'",
                                      "(select auth.jwt() -> 'app' ->> 'team') in ('a', 'b')",
                                      "auth.uid() is not null",
                                      "(auth.jwt() ->> 'sub') is null",
                                      "(select auth.role() <> 'prop_b')",
                                      "(auth.jwt() ->> 'org')::int > 1",
                                      "true",
                                      "false",
                                      "null::boolean",
                                      "auth.uid() = " ANN,
                                      "current_setting('request.jwt.claim.sub', true) is null"};

    buf_add_c(out, RANDOM_OF(r, all));
}

static void write_beyond(struct buf *out, struct random *r, const struct columns_of *columns)
{
    static const char *const all[] = {
        "exists (select from prop_members m where m.member = auth.uid())",
        "exists (select from prop_members m where m.member = u)",
        "u in (select member from prop_members)",
        "u = (select member from prop_members order by member limit 1)",
        "u = prop_somebody()",
        "t = prop_word()",
        "t = prop_sub_text()",
        "lower(auth.jwt() ->> 'team') = 'a'",
        "prop_allows(u)",
        "auth.jwt() -> 'app' ? 'team'",
        "id % 2 = 0",
        "10 / (id - 3) > 0",
        "current_user = 'prop_a'",
        "now() > '2020-01-01'",
        "case when u is null then true else false end",
        "(select auth.uid() where false) is null",
        "(auth.jwt() -> 'team')::text = '\"a\"'",
        "auth.uid() = any (array(select member from prop_members))",
        "coalesce(u, auth.uid()) = auth.uid()",
        "u || '' = auth.uid()::text",
    };
    const struct kind *kind = choose(r, columns, true);

    switch (random_below(r, 4)) {
    case 0:
        buf_addf(out, "%s %s %s", kind->column,
                 kind->family == OTHER ? "="
                 : random_one_in(r, 2) ? ">"
                                       : "<=",
                 one_of(r, kind->values));
        return;
    case 1:
        buf_addf(out, "%s = %s", kind->column, one_of(r, kind->values));
        return;
    default:
        buf_add_c(out, RANDOM_OF(r, all));
        return;
    }
}

static void write_leaf(struct buf *out, struct random *r, const struct columns_of *columns,
                       bool beyond)
{
    if (beyond && random_one_in(r, 3)) {
        write_beyond(out, r, columns);
        return;
    }
    switch (random_below(r, 10)) {
    case 0:
    case 1:
        write_membership(out, r, columns);
        return;
    case 2:
        write_distinct(out, r, columns);
        return;
    case 3:
        write_truth(out, r, columns);
        return;
    case 4:
        write_casts(out, r, columns);
        return;
    case 5:
        write_claim_condition(out, r);
        return;
    default:
        write_comparison(out, r, columns);
        return;
    }
}

void write_usual(struct buf *out, struct random *r)
{
    static const char *const all[] = {
        "u = auth.uid()",
        "auth.uid() = u",
        "(select auth.uid()) = u",
        "u = (select auth.uid()) or u is null",
        "u = prop_user()",
        "u = prop_somebody()",
        "auth.role() = 'authenticated' and auth.uid() = u",
        "auth.uid() is not null",
        "u in (auth.uid(), (auth.jwt() ->> 'owner')::uuid)",
        "(auth.jwt() ->> 'sub') = u::text",
        "not (u <> auth.uid())",
    };

    buf_add_c(out, RANDOM_OF(r, all));
}

void write_condition(struct buf *out, struct random *r, const struct columns_of *columns,
                     bool beyond, unsigned depth)
{
    size_t count = 2 + random_below(r, 2);

    if (depth == 0 || random_one_in(r, 3)) {
        write_leaf(out, r, columns, beyond);
        return;
    }
    if (random_one_in(r, 4)) {
        buf_add_c(out, "not (");
        write_condition(out, r, columns, beyond, depth - 1);
        buf_add_c(out, random_one_in(r, 4) ? ") is not true" : ")");
        return;
    }
    buf_add_c(out, "(");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_c(out, random_one_in(r, 2) ? ") and (" : ") or (");
        write_condition(out, r, columns, beyond, depth - 1);
    }
    buf_add_c(out, ")");
}

static void write_claim(struct buf *out, struct random *r, const char *name, const char *const *all)
{
    const char *value = one_of(r, all);

    if (*value)
        buf_addf(out, ",\"%s\":%s", name, value);
}

void write_claims(struct buf *out, struct random *r)
{
    static const char *const roles[] = {"\"authenticated\"", "\"prop_b\"", "\"a\"", NULL};
    static const char *const ids[] = {"\"aaaaaaaa-0000-4000-8000-000000000001\"",
                                      "\"aaaaaaaa-0000-4000-8000-000000000001\"",
                                      "\"bbbbbbbb-0000-4000-8000-000000000002\"",
                                      "\"BBBBBBBB-0000-4000-8000-000000000002\"",
                                      "\"{bbbbbbbb000040008000000000000002}\"",
                                      "\"auth0|12\"",
                                      "\"\"",
                                      "5",
                                      "null",
                                      "",
                                      NULL};
    static const char *const orgs[] = {
        "1",    "2", "\"1\"", "\" 1\"", "\"x\"", "1.0",     "\"\"", "1.5e0",
        "null", "",  "-1",    "0",      "{}",    "\"1.5\"", "true", "9007199254740993",
        NULL};
    static const char *const admins[] = {"true", "false", "\"true\"", "\"no\"", "\"maybe\"",
                                         "1",    "null",  "",         NULL};
    static const char *const teams[] = {
        "\"a\"", "\"b\"",      "\"\\u0061\"", "\"A\"",        "\"\"", "1", "null",
        "",      "{\"k\": 1}", "[\"a\"]",     "\"\xc3\xa4\"", "true", NULL};
    static const char *const apps[] = {"", "null", "\"a\"", "[]", NULL};

    buf_addf(out, "{\"role\":%s", one_of(r, roles));
    write_claim(out, r, "sub", ids);
    write_claim(out, r, "owner", ids);
    write_claim(out, r, "org", orgs);
    write_claim(out, r, "admin", admins);
    write_claim(out, r, "team", teams);
    if (random_one_in(r, 3)) {
        write_claim(out, r, "app", apps);
    } else {
        buf_add_c(out, ",\"app\":{\"x\":0");
        write_claim(out, r, "team", teams);
        write_claim(out, r, "owner", ids);
        write_claim(out, r, "org", orgs);
        write_claim(out, r, "admin", admins);
        buf_add_c(out, "}");
    }
    if (random_one_in(r, 15))
        buf_add_c(out, ",\"sub\":\"aaaaaaaa-0000-4000-8000-000000000001\"");
    buf_add_c(out, "}");
}
