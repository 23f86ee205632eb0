#include "access.h"
#include "realtime/waiting.h"
#include "world.h"

/* A row, those who bound it, and what they are told, where policies are judged in memory. */

#define ANN "aaaaaaaa-0000-4000-8000-000000000001"
#define BOB "bbbbbbbb-0000-4000-8000-000000000002"
#define STRANGER "auth0|1"

#define COLUMNS(id, u, public)                                                                     \
    "[{\"name\":\"id\",\"typeoid\":23,\"value\":" id "},{\"name\":\"u\",\"typeoid\":2950,"         \
    "\"value\":" u "},{\"name\":\"public\",\"typeoid\":16,\"value\":" public "}]"
#define ROW_OF(action, parts)                                                                      \
    "{\"action\":\"" action "\",\"schema\":\"public\",\"table\":\"t\"," parts                      \
    ",\"pk\":[{\"name\":\"id\",\"typeoid\":23}]}"
#define INSERTED(u, public) ROW_OF("I", "\"columns\":" COLUMNS("1", u, public))
#define UPDATED(old, new) ROW_OF("U", "\"columns\":" new ",\"identity\":" old)
#define DELETED(old) ROW_OF("D", "\"identity\":" old)
#define KEY_ONLY "[{\"name\":\"id\",\"typeoid\":23,\"value\":1}]"
#define ANNS "\"" ANN "\""
#define BOBS "\"" BOB "\""

static void join_as(struct client *client, const char *sub, const char *bindings)
{
    struct token token = {.role = (char *)(uintptr_t) "authenticated"};
    char text[512];

    snprintf(text, sizeof(text),
             "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"postgres_changes\":%s}}]",
             bindings);
    say(client, text);
    drop_all(client);
    snprintf(text, sizeof(text), "{\"sub\":\"%s\"}", sub);
    token.claims = text;
    token.claims_len = strlen(text);
    channel_set_session(client->channels, session_get(&client->core->sessions, &token));
}

static struct event *row_event(const char *message)
{
    struct decoder *decoder = decoder_new_wal2json();
    struct types *types = fixture_types();
    struct change change = fixture_read(decoder, message);
    struct event *event = event_new_row(&change, 10, 1, 100, types);

    types_unref(types);
    decoder_free(decoder);
    return event;
}

/* Learns what the facts say of every role that follows the table. */
static struct policies *learned(const struct world *w, const char *facts)
{
    struct policies *policies = policies_new();

    policies_begin(policies);
    assert_true(policies_want(policies, w->core.hub, STR("public"), STR("t")));
    policies_learn(policies, 0, STR("print"), str_c(facts));
    return policies;
}

static struct waiting *match(struct world *w, const char *facts, const char *message)
{
    struct policies *policies = learned(w, facts);
    struct event *event = row_event(message);
    struct waiting *waiting = waiting_new(event);

    waiting_match(waiting, &w->core, policies);
    policies_free(policies);
    msg_unref(&event->msg);
    return waiting;
}

static void test_verdicts(void **state)
{
    static const struct {
        const char *says, *qual, *facts, *message;
        size_t recipients; /* of ann, bob and a stranger */
        size_t open;
        size_t hidden;
    } rows[] = {
        {"a row of ann's; the stranger's claims are useless", N_OWN, NULL, INSERTED(ANNS, "false"),
         2, 0, 0},
        {"everybody's, but who knows what the stranger's claims do",
         N_BOOL("or", N_OWN " " N_PUBLIC), NULL, INSERTED(ANNS, "true"), 3, 1, 0},
        {"everybody's", N_TRUE, NULL, INSERTED(ANNS, "false"), 3, 0, 0},
        {"nobody's", N_FALSE, NULL, INSERTED(ANNS, "false"), 0, 0, 3},
        {"what is not understood", "{X}", NULL, INSERTED(ANNS, "false"), 3, 3, 0},
        {"a table without policies", NULL, FACTS_ALL, INSERTED(ANNS, "false"), 3, 0, 0},
        {"a table that may not be read", NULL, FACTS_NONE, INSERTED(ANNS, "false"), 0, 0, 3},
        {"a table that is gone", NULL, "", INSERTED(ANNS, "false"), 0, 0, 0},
        {"a kind of change that is sent", NULL, FACTS_INSERTS, INSERTED(ANNS, "false"), 3, 0, 0},
        {"one that is not", NULL, FACTS_INSERTS,
         UPDATED(COLUMNS("1", ANNS, "false"), COLUMNS("1", BOBS, "false")), 0, 0, 0},
        {"facts that say nothing", NULL, "{}", INSERTED(ANNS, "false"), 3, 3, 0},
        {"a deleted row of which only the key came", N_OWN, NULL, DELETED(KEY_ONLY), 0, 0, 3},
        {"a deleted row of which all came", N_OWN, NULL, DELETED(COLUMNS("1", ANNS, "false")), 2, 0,
         0},
        {"a value that did not come", N_OWN, NULL, UPDATED(KEY_ONLY, KEY_ONLY), 3, 2, 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct world *w;
        struct client *bob, *stranger;
        struct waiting *waiting;
        char *facts = rows[i].qual ? judged_facts(rows[i].qual) : strdup(rows[i].facts);

        set_up(state);
        w = *state;
        bob = new_client(w, PHOENIX_V2, "authenticated");
        stranger = new_client(w, PHOENIX_V2, "authenticated");
        join_as(w->client, ANN, "[{\"table\":\"t\"}]");
        join_as(bob, BOB, "[{\"table\":\"t\"}]");
        join_as(stranger, STRANGER, "[{\"table\":\"t\"}]");
        for (int again = 0; again < 2; again++) { /* with and without an index */
            waiting = match(w, facts, rows[i].message);
            if (waiting->recipient_count != rows[i].recipients ||
                question_open(&waiting->question) != rows[i].open)
                fail_msg("%s: %zu recipients, %zu open", rows[i].says, waiting->recipient_count,
                         question_open(&waiting->question));
            waiting_free(waiting);
        }
        if (stat_get(&w->stats.rls_hidden_total) != 2 * rows[i].hidden)
            fail_msg("%s: %d hidden", rows[i].says, (int)stat_get(&w->stats.rls_hidden_total));
        tear_down(state);
        free(facts);
    }
}

/* Bindings on all tables find the same verdicts. */
static void test_wildcard(void **state)
{
    struct world *w = *state;
    struct client *bob = new_client(w, PHOENIX_V2, "authenticated");
    char *facts = judged_facts(N_OWN);
    struct waiting *waiting;

    join_as(w->client, ANN, "[{\"table\":\"*\"}]");
    join_as(bob, BOB, "[{\"schema\":\"*\",\"table\":\"t\"},{\"table\":\"t\"}]");
    waiting = match(w, facts, INSERTED(BOBS, "false"));
    assert_int_equal(waiting->recipient_count, 1);
    assert_ptr_equal(waiting->recipients[0].channel->client, bob);
    assert_int_equal(waiting->target_count, 2);
    assert_int_equal(question_open(&waiting->question), 0);
    waiting_free(waiting);
    free(facts);
}

static bool says(const struct frame *frame, const char *part)
{
    char *text = str_dup(str_from((char *)frame->bytes + FRAME_HEADROOM, frame->len));
    bool found = strstr(text, part);

    free(text);
    return found;
}

/* What ann is told. */
static void test_told(void **state)
{
    static const struct {
        const char *says, *qual, *bindings, *message, *type; /* NULL: nothing is told */
        bool left;
    } rows[] = {
        {"a row of hers", N_OWN, "[{\"table\":\"t\"}]", INSERTED(ANNS, "false"), "INSERT", false},
        {"a row of his", N_OWN, "[{\"table\":\"t\"}]", INSERTED(BOBS, "false"), NULL, false},
        {"a row that she gets", N_OWN, "[{\"table\":\"t\"}]",
         UPDATED(COLUMNS("1", BOBS, "false"), COLUMNS("1", ANNS, "false")), "UPDATE", false},
        {"a row that she gives away", N_OWN, "[{\"table\":\"t\"}]",
         UPDATED(COLUMNS("1", ANNS, "false"), COLUMNS("1", BOBS, "false")), "DELETE", true},
        {"... to somebody who asked for DELETE", N_OWN, "[{\"table\":\"t\",\"event\":\"DELETE\"}]",
         UPDATED(COLUMNS("1", ANNS, "false"), COLUMNS("1", BOBS, "false")), "DELETE", true},
        {"... to somebody who asked for UPDATE", N_OWN, "[{\"table\":\"t\",\"event\":\"UPDATE\"}]",
         UPDATED(COLUMNS("1", ANNS, "false"), COLUMNS("1", BOBS, "false")), NULL, false},
        {"a row that she keeps, to somebody who asked for DELETE", N_OWN,
         "[{\"table\":\"t\",\"event\":\"DELETE\"}]",
         UPDATED(COLUMNS("1", ANNS, "false"), COLUMNS("1", ANNS, "true")), NULL, false},
        {"a row that was never hers", N_OWN, "[{\"table\":\"t\"}]",
         UPDATED(COLUMNS("1", BOBS, "false"), COLUMNS("1", BOBS, "true")), NULL, false},
        {"a row that leaves the filter", N_OWN, "[{\"table\":\"t\",\"filter\":\"public=eq.true\"}]",
         UPDATED(COLUMNS("1", ANNS, "true"), COLUMNS("1", ANNS, "false")), "DELETE", true},
        {"a row that comes into it", N_OWN, "[{\"table\":\"t\",\"filter\":\"public=eq.true\"}]",
         UPDATED(COLUMNS("1", ANNS, "false"), COLUMNS("1", ANNS, "true")), "UPDATE", false},
        {"a row that was never in it", N_OWN, "[{\"table\":\"t\",\"filter\":\"public=eq.true\"}]",
         UPDATED(COLUMNS("1", ANNS, "false"), COLUMNS("2", ANNS, "false")), NULL, false},
        {"a row that leaves the filter of somebody who may not see it", N_OWN,
         "[{\"table\":\"t\",\"filter\":\"public=eq.true\"}]",
         UPDATED(COLUMNS("1", BOBS, "true"), COLUMNS("1", BOBS, "false")), NULL, false},
        {"it leaves the filter by a change of its key", N_TRUE,
         "[{\"table\":\"t\",\"filter\":\"id=eq.1\"}]",
         UPDATED(KEY_ONLY, COLUMNS("2", ANNS, "false")), "DELETE", true},
        {"what the old row was is not known", N_OWN, "[{\"table\":\"t\",\"filter\":\"id=eq.1\"}]",
         UPDATED(KEY_ONLY, COLUMNS("2", ANNS, "false")), NULL, false},
        {"a deleted row of hers", N_OWN, "[{\"table\":\"t\"}]", DELETED(COLUMNS("1", ANNS, "true")),
         "DELETE", false},
        {"a filter on a column that she may not read tells nothing", N_OWN,
         "[{\"table\":\"t\",\"filter\":\"secret=eq.x\"}]",
         ROW_OF("U",
                "\"columns\":[{\"name\":\"id\",\"typeoid\":23,\"value\":1},{\"name\":\"u\","
                "\"typeoid\":2950,\"value\":" ANNS
                "},{\"name\":\"public\",\"typeoid\":16,\"value\":true},{\"name\":\"secret\","
                "\"typeoid\":25,\"value\":\"y\"}],\"identity\":"
                "[{\"name\":\"id\",\"typeoid\":23,\"value\":1},{\"name\":\"u\",\"typeoid\":2950,"
                "\"value\":" ANNS "},{\"name\":\"public\",\"typeoid\":16,\"value\":true},{\"name\":"
                "\"secret\",\"typeoid\":25,\"value\":\"x\"}]"),
         NULL, false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char *facts = judged_facts(rows[i].qual), type[32];
        struct waiting *waiting;
        struct frame *frame;
        struct world *w;

        set_up(state);
        w = *state;
        join_as(w->client, ANN, rows[i].bindings);
        waiting = match(w, facts, rows[i].message);
        assert_int_equal(question_open(&waiting->question), 0);
        waiting_deliver(waiting, &w->core, 5000);
        waiting_free(waiting);
        frame = outbox_pop(&w->client->outbox);
        if (!frame != !rows[i].type)
            fail_msg("%s: %s", rows[i].says, frame ? "something came" : "nothing came");
        if (frame) {
            snprintf(type, sizeof(type), "\"type\":\"%s\"", rows[i].type);
            CHECK(says(frame, "\"postgres_changes\",{\"ids\":["), rows[i].says);
            CHECK(says(frame, type), rows[i].says);
            CHECK(says(frame, "\"left\":true") == rows[i].left, rows[i].says);
            CHECK(!rows[i].left || says(frame, "\"old_record\":{\"id\":1}"), rows[i].says);
        }
        frame_unref(frame);
        assert_null(outbox_pop(&w->client->outbox));
        tear_down(state);
        free(facts);
    }
}

/* A policy that fails for these claims is told, not more than once in a while. */
static void test_useless_claims(void **state)
{
    struct world *w = *state;
    char *facts = judged_facts(N_OWN);

    join_as(w->client, STRANGER, "[{\"table\":\"t\"}]");
    for (int i = 0; i < 3; i++) {
        struct waiting *waiting = match(w, facts, INSERTED(ANNS, "false"));

        waiting_deliver(waiting, &w->core, 5000);
        waiting_free(waiting);
    }
    expect(
        "the claims are useless", w->client,
        "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"A change of public.t was not sent: "
        "checking whether authenticated may read the row failed (SQLSTATE 22P02)\","
        "\"status\":\"error\",\"extension\":\"postgres_changes\",\"channel\":\"r\"}]");
    expect("once", w->client, NULL);
    assert_int_equal(stat_get(&w->stats.rls_errors_total), 3);
    free(facts);
}

/* With another token a channel is filed anew. */
static void test_new_session(void **state)
{
    struct world *w = *state;
    struct client *bob = new_client(w, PHOENIX_V2, "authenticated");
    struct token token = {.role = (char *)(uintptr_t) "authenticated",
                          .claims = (char *)(uintptr_t) "{\"sub\":\"" BOB "\"}"};
    char *facts = judged_facts(N_OWN);
    struct waiting *waiting;

    join_as(w->client, ANN, "[{\"table\":\"t\"}]");
    join_as(bob, BOB, "[{\"table\":\"t\"}]");
    waiting_free(match(w, facts, INSERTED(ANNS, "false")));
    token.claims_len = strlen(token.claims);
    channel_set_session(w->client->channels, session_get(&w->core.sessions, &token));
    waiting = match(w, facts, INSERTED(ANNS, "false"));
    assert_int_equal(waiting->recipient_count, 0);
    waiting_free(waiting);
    waiting = match(w, facts, INSERTED(BOBS, "false"));
    assert_int_equal(waiting->recipient_count, 2);
    assert_int_equal(waiting->question.count, 1);
    waiting_free(waiting);
    free(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test_setup_teardown(test_wildcard, set_up, tear_down),
        cmocka_unit_test(test_told),
        cmocka_unit_test_setup_teardown(test_useless_claims, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_new_session, set_up, tear_down),
    };

    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
