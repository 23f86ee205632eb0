/* What clients would be sent, compared with what SELECT returns: random tables, policies, grants,
 * roles, claims and rows, and random DDL in between.
 *
 *   rls_property DATABASE_URL [TABLES]
 *
 * The database has pgherald's functions. Roles prop_* are made where they are missing, and left.
 * PGHERALD_PROPERTY_SEED repeats a run. The last line is "N passed, N failed"; a case is a row and
 * a session. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "conditions.h"
#include "embedded.h"
#include "pg/sync.h"
#include "realtime/waiting.h"

#include <jansson.h> /* after base/json.h */

#define SESSIONS 7
#define ROWS 8
#define SECRET "an-example-secret-of-at-least-32-bytes"
#define MAX_FAILURES 20

static const char *const roles[] = {"prop_a", "prop_b", "prop_c", "prop_by"};
static const char *const session_roles[] = {"prop_a", "prop_a", "prop_a", "prop_b",
                                            "prop_b", "prop_c", "prop_by"};

/* How a session sees a row. */
enum sight { HIDDEN, VISIBLE, FAILS };

struct run {
    struct pg_sync *pg;
    struct random random;
    uint64_t seed;
    struct config config;
    struct stats stats;
    struct core core;
    struct policies *policies;
    struct types *types;
    struct buf sql;
    /* of the table under way */
    char table[32];
    struct buf story; /* the DDL so far, to be shown with a failure */
    struct columns_of columns;
    struct channel *channels[SESSIONS];
    enum sight expected[ROWS][SESSIONS];
    /* counts */
    size_t passed, failed, by_memory, by_index, asked, visible;
    size_t tables, kept_prints, lenient;
    bool beyond; /* the table's policies go beyond what is judged in memory */
    size_t asked_within, cases_within;
};

static _Noreturn void die(const struct run *run, const char *what)
{
    fprintf(stderr, "seed %" PRIu64 ", %s: %s\n%s\n", run->seed, run->table, what,
            buf_str(&run->story).data);
    exit(1);
}

/* Runs what is in run->sql, or dies. */
static struct pg_rows *query(struct run *run)
{
    struct pg_rows *rows;
    struct err err;

    if (pg_sync_run(run->pg, buf_str(&run->sql).data, NULL, 0, &rows, &err) != OK) {
        fprintf(stderr, "%s\n", buf_str(&run->sql).data);
        die(run, err.message);
    }
    buf_clear(&run->sql);
    return rows;
}

static void execute(struct run *run)
{
    pg_rows_free(query(run));
}

/* The same, for what may fail: random DDL is not always DDL. */
static bool attempt(struct run *run)
{
    struct err err;
    bool done = pg_sync_run(run->pg, buf_str(&run->sql).data, NULL, 0, NULL, &err) == OK;

    if (done) {
        buf_add_str(&run->story, buf_str(&run->sql));
        buf_add_c(&run->story, ";\n");
    }
    buf_clear(&run->sql);
    return done;
}

/* The world around the tables */

static void reset_roles(struct run *run)
{
    static const char *const statements[] = {"create role prop_group", "create role prop_a",
                                             "create role prop_b", "create role prop_c noinherit",
                                             "create role prop_by bypassrls"};

    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        buf_add_c(&run->sql, statements[i]);
        attempt(run);
    }
    buf_add_c(&run->sql,
              "alter role prop_a nobypassrls inherit; alter role prop_b nobypassrls inherit;"
              "alter role prop_c nobypassrls noinherit; alter role prop_by bypassrls;"
              "grant prop_group to prop_a, prop_c; revoke prop_group from prop_b;"
              "grant usage on schema public to prop_a, prop_b, prop_c, prop_by, prop_group");
    execute(run);
    buf_clear(&run->story);
}

static void create_world(struct run *run)
{
    reset_roles(run);
    buf_add_c(
        &run->sql,
        "create type prop_mood as enum ('sad', 'ok', 'it''s \"fine\"');"
        "create domain prop_uid as uuid;"
        "create collation prop_ci (provider = icu, locale = 'und-u-ks-level2', deterministic = "
        "false);"
        "create table prop_members (member uuid);"
        "insert into prop_members values ('aaaaaaaa-0000-4000-8000-000000000001');"
        "grant select on prop_members to prop_a, prop_b, prop_c, prop_by;"
        "create function prop_user() returns uuid language sql stable as $$ "
        "select nullif(coalesce(current_setting('request.jwt.claim.sub', true), "
        "(current_setting('request.jwt.claims', true)::jsonb ->> 'sub')), '')::uuid $$;"
        "create function prop_somebody() returns uuid language sql stable as $$ "
        "select 'aaaaaaaa-0000-4000-8000-000000000001'::uuid $$;"
        "create function prop_word() returns text language sql stable as $$ select 'a' $$;"
        "create function prop_sub_text() returns text language sql stable as $$ "
        "select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), "
        "(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$;"
        "create function prop_allows(u uuid) returns boolean language sql stable as $$ "
        "select exists (select from public.prop_members m where m.member = u) $$;"
        "create function auth.email() returns text language sql stable as $$ "
        "select coalesce(nullif(current_setting('request.jwt.claim.email', true), ''), "
        "(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'))::text $$;"
        "grant usage on schema auth to prop_a, prop_b, prop_c, prop_by");
    execute(run);
}

static void create_policy(struct run *run, const char *verb, size_t number)
{
    static const char *const grantees[] = {
        "public", "public", "public", "prop_a", "prop_group", "prop_b, prop_c", "prop_a, prop_by"};
    const char *const commands[] = {"", " for select", " for select", " for all",
                                    random_one_in(&run->random, 4) ? " for update" : ""};
    struct random *r = &run->random;

    buf_addf(&run->sql, "%s policy p%zu on %s", verb, number, run->table);
    if (strcmp(verb, "create") == 0)
        buf_addf(&run->sql, "%s%s", random_one_in(r, 4) ? " as restrictive" : "",
                 RANDOM_OF(r, commands));
    buf_addf(&run->sql, " to %s using (", RANDOM_OF(r, grantees));
    if (random_one_in(r, 3))
        write_usual(&run->sql, r);
    else
        write_condition(&run->sql, r, &run->columns, run->beyond, 2);
    buf_add_c(&run->sql, ")");
    attempt(run);
}

static void write_grant(struct run *run)
{
    static const char *const grantees[] = {"prop_a", "prop_b", "prop_c", "prop_group", "public"};
    struct random *r = &run->random;
    const char *to = RANDOM_OF(r, grantees);
    const struct kind *kind = run->columns.kinds[random_below(r, run->columns.count)];

    if (random_one_in(r, 4))
        buf_addf(&run->sql, "grant select (id, %s) on %s to %s", kind_column(kind), run->table, to);
    else
        buf_addf(&run->sql, "grant select on %s to %s", run->table, to);
}

static void create_table(struct run *run)
{
    struct random *r = &run->random;

    snprintf(run->table, sizeof(run->table), "prop_%zu", run->tables++);
    run->beyond = random_one_in(r, 3);
    choose_columns(r, &run->columns);
    buf_addf(&run->sql, "create table %s (id int primary key", run->table);
    for (size_t i = 0; i < run->columns.count; i++) {
        buf_add_c(&run->sql, ", ");
        write_definition(&run->sql, run->columns.kinds[i]);
    }
    buf_add_c(&run->sql, ")");
    if (!attempt(run))
        die(run, "the table could not be made");
    if (!random_one_in(r, 10)) {
        buf_addf(&run->sql, "alter table %s enable row level security", run->table);
        attempt(run);
    }
    buf_addf(&run->sql, "grant select on %s to prop_by, prop_group", run->table);
    attempt(run);
    for (size_t i = random_below(r, 4); i > 0; i--) {
        write_grant(run);
        attempt(run);
    }
    for (size_t i = random_one_in(r, 8) ? 0 : 1 + random_below(r, 3); i > 0; i--)
        create_policy(run, "create", i);
    if (random_one_in(r, 8)) {
        buf_addf(&run->sql, "alter table %s owner to prop_a", run->table);
        attempt(run);
    }
    if (random_one_in(r, 8)) {
        buf_addf(&run->sql, "alter table %s force row level security", run->table);
        attempt(run);
    }
}

static void insert_rows(struct run *run)
{
    buf_addf(&run->sql, "insert into %s values ", run->table);
    for (int row = 1; row <= ROWS; row++) {
        buf_addf(&run->sql, "%s(%d", row > 1 ? "," : "", row);
        for (size_t i = 0; i < run->columns.count; i++) {
            buf_add_c(&run->sql, ", ");
            write_value(&run->sql, &run->random, run->columns.kinds[i]);
        }
        buf_add_c(&run->sql, ")");
    }
    execute(run);
}

/* Anything that may change who reads what. */
static void change_something(struct run *run)
{
    struct random *r = &run->random;
    const char *table = run->table, *role = RANDOM_OF(r, roles);
    struct buf *sql = &run->sql;
    const struct kind *kind = run->columns.kinds[random_below(r, run->columns.count)];

    switch (random_below(r, 22)) {
    case 18:
    case 19:
    case 0:
        create_policy(run, "alter", 1 + random_below(r, 3));
        return;
    case 1:
        create_policy(run, "create", 4 + random_below(r, 3));
        return;
    case 2:
        buf_addf(sql, "drop policy p%zu on %s", 1 + random_below(r, 3), table);
        break;
    case 3:
        buf_addf(sql, "revoke select on %s from %s", table, role);
        break;
    case 4:
        write_grant(run);
        break;
    case 5:
        buf_addf(sql, "revoke select (%s) on %s from %s", kind_column(kind), table, role);
        break;
    case 6:
        buf_addf(sql, "alter table %s %s row level security", table,
                 random_one_in(r, 2) ? "disable" : "enable");
        break;
    case 7:
        buf_addf(sql, "alter table %s %sforce row level security", table,
                 random_one_in(r, 2) ? "" : "no ");
        break;
    case 8:
        buf_addf(sql, "alter role %s %sbypassrls", role, random_one_in(r, 2) ? "" : "no");
        break;
    case 9:
        buf_addf(sql, "grant prop_group to %s", role);
        break;
    case 10:
        buf_addf(sql, "revoke prop_group from %s", role);
        break;
    case 11:
        buf_addf(sql, "alter role %s %sinherit", role, random_one_in(r, 2) ? "" : "no");
        break;
    case 12:
        buf_addf(sql, "alter table %s owner to %s", table, random_one_in(r, 2) ? role : "postgres");
        break;
    case 13:
        buf_addf(sql, "alter table %s add column extra%d int default 1", table,
                 (int)random_below(r, 1000));
        break;
    case 14:
        buf_addf(sql, "revoke execute on function auth.uid() from public");
        break;
    case 15:
    case 20:
    case 21:
        buf_addf(sql, "create or replace function auth.uid() returns uuid language sql stable as "
                      "$$ select 'bbbbbbbb-0000-4000-8000-000000000002'::uuid $$");
        break;
    case 16:
        buf_addf(sql, "alter type prop_mood rename value 'ok' to 'ko'");
        break;
    default:
        buf_addf(sql,
                 "alter table %s rename to %s_old; create table %s (like %s_old including "
                 "all); insert into %s select * from %s_old; grant select on %s to prop_a; "
                 "drop table %s_old cascade",
                 table, table, table, table, table, table, table, table);
        break;
    }
    attempt(run);
}

/* What a table's round may have done to everybody. */
static void restore_world(struct run *run)
{
    buf_addf(&run->sql, "drop table %s cascade", run->table);
    execute(run);
    buf_add_c(&run->sql, "alter type prop_mood rename value 'ko' to 'ok'");
    attempt(run);
    buf_add_c(&run->sql,
              "grant execute on function auth.uid() to public;"
              "create or replace function auth.uid() returns uuid language sql stable as $$ "
              "select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), "
              "(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid "
              "$$");
    execute(run);
    reset_roles(run);
}

/* Sessions */

static void open_sessions(struct run *run)
{
    struct buf claims;

    buf_init(&claims, 65536);
    for (size_t i = 0; i < SESSIONS; i++) {
        struct channel *channel = mem_alloc(sizeof(*channel));
        struct token token = {.role = (char *)(uintptr_t)session_roles[i]};
        json_t *object = json_pack("{s:s}", "table", run->table);
        struct binding *binding;
        struct err err;

        buf_clear(&claims);
        write_claims(&claims, &run->random);
        token.claims = claims.data;
        token.claims_len = claims.len;
        channel->refs = 1;
        channel->topic = str_dup(STR("realtime:x"));
        channel->session = session_get(&run->core.sessions, &token);
        if (binding_read(object, &binding, &err) != OK)
            die(run, err.message);
        json_decref(object);
        channel->bindings = mem_array(1, sizeof(struct binding *));
        channel->bindings[0] = binding;
        channel->binding_count = 1;
        binding->channel = channel;
        hub_add(run->core.hub, binding, channel->session);
        run->channels[i] = channel;
    }
    buf_fini(&claims);
}

static void close_sessions(struct run *run)
{
    for (size_t i = 0; i < SESSIONS; i++) {
        hub_remove(run->core.hub, run->channels[i]->bindings[0]);
        channel_unref(run->channels[i]);
    }
}

/* What PostgreSQL says */

static void add_literal(struct buf *out, struct str text)
{
    buf_add_c(out, "E'");
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\'' || text.data[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, text.data[i]);
    }
    buf_add_char(out, '\'');
}

static enum sight select_row(struct run *run, const struct session *session, size_t row)
{
    struct pg_rows *rows;
    enum sight sight;
    struct err err;

    buf_addf(&run->sql, "set local role %s; select set_config('request.jwt.claims', ",
             session->role);
    add_literal(&run->sql, str_from(session->claims, session->claims_len));
    buf_addf(&run->sql, ", true); select id from %s where id = %zu", run->table, row + 1);
    if (pg_sync_run(run->pg, buf_str(&run->sql).data, NULL, 0, &rows, &err) != OK)
        sight = strcmp(pg_sync_refusal(run->pg)->sqlstate, "42501") == 0 ? HIDDEN : FAILS;
    else
        sight = pg_rows_count(rows) > 0 ? VISIBLE : HIDDEN;
    pg_rows_free(rows);
    buf_clear(&run->sql);
    return sight;
}

static void select_all(struct run *run)
{
    for (size_t row = 0; row < ROWS; row++)
        for (size_t i = 0; i < SESSIONS; i++)
            run->expected[row][i] = select_row(run, run->channels[i]->session, row);
}

/* What we say */

static void learn(struct run *run)
{
    const char *params[1];
    struct pg_rows *rows;
    struct err err;

    policies_begin(run->policies);
    policies_want(run->policies, run->core.hub, STR("public"), str_c(run->table));
    params[0] = policies_question(run->policies).data;
    if (pg_sync_run(run->pg, sql_realtime_policies, params, 1, &rows, &err) != OK)
        die(run, err.message);
    run->kept_prints += pg_rows_count(rows) == 1;
    policies_set_snapshot(run->policies, str_c(pg_rows_text(rows, 0, 1)));
    for (size_t i = 1; i < pg_rows_count(rows); i++)
        policies_learn(run->policies, (size_t)pg_rows_number(rows, i, 0),
                       pg_rows_is_null(rows, i, 1) ? str_from(NULL, 0)
                                                   : str_c(pg_rows_text(rows, i, 1)),
                       str_c(pg_rows_text(rows, i, 2)));
    if (!policies_hold(run->policies, 0))
        die(run, "nothing can be said, though nobody else is there");
    pg_rows_free(rows);
}

/* The row as wal2json writes it: numbers and booleans bare, and no NaN. */
static void read_column(struct column *column, const struct pg_rows *names,
                        const struct pg_rows *rows, size_t row, size_t at, struct buf *room)
{
    const char *text = pg_rows_text(rows, row, at);
    uint32_t type = (uint32_t)pg_rows_number(names, at, 1);
    bool is_numeric =
        type == 20 || type == 21 || type == 23 || type == 700 || type == 701 || type == 1700;
    bool is_lost = is_numeric && (strstr(text, "NaN") || strstr(text, "Infinity"));

    *column = (struct column){.name = str_c(pg_rows_text(names, at, 0)), .type = type};
    column->form = VALUE_NULL;
    if (pg_rows_is_null(rows, row, at) || is_lost)
        return;
    column->form = is_numeric || type == 16 ? VALUE_LITERAL : VALUE_ESCAPED;
    column->value = str_c(text);
    if (column->form == VALUE_ESCAPED) {
        size_t start = room->len;

        json_add_escaped(room, str_c(text));
        column->value = str_from(room->data + start, room->len - start);
    }
}

/* Now and then something is missing, as where a TOASTed value did not change. */
static struct event *event_of_row(struct run *run, const struct pg_rows *names,
                                  const struct pg_rows *rows, size_t row)
{
    static const struct str key[] = {STR("id")};
    struct column columns[MAX_COLUMNS + 8];
    struct change change = {.kind = CHANGE_INSERT,
                            .schema = STR("public"),
                            .table = str_c(run->table),
                            .key = key,
                            .key_count = 1};
    struct event *event;
    struct buf room;
    size_t count = 0;

    buf_init(&room, 1 << 20);
    buf_reserve(&room, 1 << 16); /* so that it stays where it is */
    for (size_t at = 0; at < pg_rows_count(names); at++)
        if (at == 0 || !random_one_in(&run->random, 40))
            read_column(&columns[count++], names, rows, row, at, &room);
    change.record = (struct columns){columns, count};
    event = event_new_row(&change, 1, row + 1, 100, run->types);
    buf_fini(&room);
    return event;
}

static struct pg_rows *column_names(struct run *run)
{
    buf_addf(&run->sql,
             "select attname, atttypid from pg_attribute where attrelid = '%s'::regclass and "
             "attnum > 0 and not attisdropped order by attnum",
             run->table);
    return query(run);
}

static struct pg_rows *row_texts(struct run *run, const struct pg_rows *names)
{
    buf_add_c(&run->sql, "select ");
    for (size_t i = 0; i < pg_rows_count(names); i++)
        buf_addf(&run->sql, "%s\"%s\"::text", i ? ", " : "", pg_rows_text(names, i, 0));
    buf_addf(&run->sql, " from %s order by id", run->table);
    return query(run);
}

static void ask(struct run *run, struct question *question)
{
    struct buf questions, sessions;
    struct pg_rows *rows;
    const char *params[2];
    size_t at = 0;
    struct err err;

    buf_init(&questions, 1 << 20);
    buf_init(&sessions, 1 << 20);
    question_write(&question, 1, &questions, &sessions);
    params[0] = questions.data;
    params[1] = sessions.data;
    if (pg_sync_run(run->pg, sql_realtime_visible, params, 2, &rows, &err) != OK)
        die(run, err.message);
    for (size_t i = 0; i < question->count; i++) {
        if (question->verdicts[i].state != VERDICT_ASK)
            continue;
        question->verdicts[i].state = pg_rows_is_true(rows, at, 2) ? VERDICT_YES : VERDICT_NO;
        question->verdicts[i].failed = !pg_rows_is_null(rows, at++, 6);
    }
    pg_rows_free(rows);
    buf_fini(&questions);
    buf_fini(&sessions);
}

static void fail(struct run *run, size_t row, size_t session, const char *what, const char *by)
{
    const struct session *s = run->channels[session]->session;

    run->failed++;
    fprintf(stderr, "---- seed %" PRIu64 ", %s, row %zu: %s (%s)\nrole %s, claims %s\n%s\n",
            run->seed, run->table, row + 1, what, by, s->role, s->claims,
            buf_str(&run->story).data);
    if (run->failed >= MAX_FAILURES)
        die(run, "too many failures");
}

/* The session's place, or SIZE_MAX where the index passed it by. */
static size_t place_of(const struct question *question, const struct session *session)
{
    for (size_t i = 0; i < question->count; i++)
        if (question->sessions[i] == session)
            return i;
    return SIZE_MAX;
}

static void compare(struct run *run, const struct question *question, const bool *was_open,
                    size_t row)
{
    for (size_t i = 0; i < SESSIONS; i++) {
        size_t place = place_of(question, run->channels[i]->session);
        bool found = place != SIZE_MAX, open = found && was_open[place];
        bool sent = found && question->verdicts[place].state == VERDICT_YES;
        enum sight expected = run->expected[row][i];
        const char *by = !found ? "by the index" : open ? "asked" : "in memory";

        run->by_index += !found;
        run->by_memory += found && !open;
        run->asked += open;
        run->visible += expected == VISIBLE;
        run->asked_within += open && !run->beyond;
        run->cases_within += !run->beyond;
        /* Which part of a policy is tried first, and so whether one that fails is tried at all, is
         * the planner's choice, and it chooses differently for a SELECT. */
        if (open &&
            (sent ? expected == FAILS : question->verdicts[place].failed && expected == VISIBLE))
            run->lenient++;
        else if (sent && expected != VISIBLE)
            fail(run, row, i, expected == FAILS ? "LEAK: a policy fails" : "LEAK", by);
        else if (!sent && expected == VISIBLE)
            fail(run, row, i, "MISS", by);
        else if (found && !open && question->verdicts[place].failed && expected != FAILS)
            fail(run, row, i, "an error that PostgreSQL does not raise", by);
        else
            run->passed++;
    }
}

static void check_row(struct run *run, struct event *event, size_t row)
{
    struct waiting *waiting = waiting_new(event);
    struct question *question = &waiting->question;
    bool was_open[SESSIONS];

    waiting_match(waiting, &run->core, run->policies);
    for (size_t i = 0; i < question->count; i++)
        was_open[i] = question->verdicts[i].state == VERDICT_ASK;
    if (question_open(question) > 0)
        ask(run, question);
    compare(run, question, was_open, row);
    waiting_free(waiting);
}

static void check_rows(struct run *run)
{
    struct pg_rows *names = column_names(run), *rows = row_texts(run, names);

    select_all(run);
    learn(run);
    for (size_t row = 0; row < pg_rows_count(rows); row++) {
        struct event *event = event_of_row(run, names, rows, row);

        check_row(run, event, row);
        msg_unref(&event->msg);
    }
    pg_rows_free(names);
    pg_rows_free(rows);
}

static void check_table(struct run *run)
{
    create_table(run);
    insert_rows(run);
    open_sessions(run);
    check_rows(run);
    check_rows(run); /* by what is known already */
    for (int i = 0; i < 2; i++) {
        change_something(run);
        check_rows(run);
    }
    close_sessions(run);
    restore_world(run);
}

static void report(const struct run *run)
{
    printf("seed %" PRIu64 ": %zu tables; %zu by the index, %zu in memory, %zu asked; %zu visible; "
           "%zu times nothing had changed; %zu asked, and one of the two fails\n",
           run->seed, run->tables, run->by_index, run->by_memory, run->asked, run->visible,
           run->kept_prints, run->lenient);
    printf("within the grammar %.1f %% had to be asked\n",
           100.0 * (double)run->asked_within / (double)(run->cases_within ? run->cases_within : 1));
    printf("%zu passed, %zu failed\n", run->passed, run->failed);
}

int main(int argc, char **argv)
{
    const char *seed = getenv("PGHERALD_PROPERTY_SEED");
    size_t tables = argc > 2 ? strtoul(argv[2], NULL, 10) : 40;
    static struct run run;
    struct err err;

    if (argc < 2 || pg_sync_open(argv[1], "pgherald property", &run.pg, &err) != OK) {
        fprintf(stderr, "%s\n",
                argc < 2 ? "usage: rls_property DATABASE_URL [TABLES]" : err.message);
        return 1;
    }
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    run.seed = seed ? strtoull(seed, NULL, 10) : (uint64_t)clock_now_us() % 1000000007;
    run.random.state = run.seed;
    run.config.jwt_secret = (char *)(uintptr_t)SECRET;
    core_init(&run.core, &run.config, &run.stats);
    run.policies = policies_new();
    run.types = types_new();
    buf_init(&run.sql, 1 << 20);
    buf_init(&run.story, 1 << 20);
    buf_add_c(&run.sql, "set search_path = public; set client_min_messages = error");
    execute(&run);
    create_world(&run);
    while (run.tables < tables)
        check_table(&run);
    report(&run);
    policies_free(run.policies);
    types_unref(run.types);
    core_fini(&run.core);
    pg_sync_close(run.pg);
    buf_fini(&run.sql);
    buf_fini(&run.story);
    /* were most cases asked, then nothing would have been tried */
    return run.failed > 0 || run.asked_within * 4 > run.cases_within;
}
