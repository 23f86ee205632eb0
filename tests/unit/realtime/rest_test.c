#include "realtime/rest.h"
#include "world.h"

#define JOIN                                                                                       \
    "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"presence\":{\"enabled\":false}}}]"
#define HEARS(event, payload)                                                                      \
    "[null,null,\"realtime:r\",\"broadcast\",{\"type\":\"broadcast\",\"event\":\"" event           \
    "\",\"payload\":" payload "}]"

static void check_answer(const char *says, struct answer *answer, unsigned status, const char *body)
{
    struct str text =
        answer->body ? str_from((char *)frame_payload(answer->body), answer->body->len) : STR("");

    if (answer->status != status)
        fail_msg("%s: %u for %u: %.*s", says, answer->status, status, STR_ARG(text));
    check_text(says, text, body);
    answer_fini(answer);
}

static struct answer post(struct world *w, const char *role, const char *body)
{
    struct admission caller = {.token = token_of(w, role, 60)};
    struct later *later = NULL;
    const struct request request = {.core = &w->core,
                                    .body = str_c(body),
                                    .caller = &caller,
                                    .now = {.ms = 1000},
                                    .later = &later};
    struct answer answer = {0};

    rest_broadcast(&request, &answer);
    assert_null(later);
    token_free(caller.token);
    return answer;
}

static struct answer post_one(struct world *w, const char *role, const char *path, const char *type,
                              const char *query, struct str body)
{
    struct admission caller = {.token = token_of(w, role, 60)};
    const struct request request = {.core = &w->core,
                                    .parts = {str_c(path)},
                                    .query = str_c(query),
                                    .content_type = str_c(type),
                                    .body = body,
                                    .caller = &caller,
                                    .now = {.ms = 1000}};
    struct answer answer = {0};

    rest_broadcast_one(&request, &answer);
    token_free(caller.token);
    return answer;
}

static void test_batch(void **state)
{
    static const struct {
        const char *says, *body;
        unsigned status;
        const char *answer, *heard; /* NULL: nothing */
    } rows[] = {
        {"a message", "{\"messages\":[{\"topic\":\"r\",\"event\":\"e\",\"payload\":{\"n\":1.50}}]}",
         202, "", HEARS("e", "{\"n\":1.50}")},
        {"to a topic where nobody is",
         "{\"messages\":[{\"topic\":\"x\",\"event\":\"e\",\"payload\":{},\"private\":false}]}", 202,
         "", NULL},
        {"escapes", "{\"messages\":[{\"topic\":\"\\u0072\",\"event\":\"e\\n\",\"payload\":{}}]}",
         202, "", HEARS("e\\n", "{}")},
        {"what we do not know",
         "{\"x\":1,\"messages\":[{\"id\":7,\"topic\":\"r\",\"event\":\"e\",\"payload\":{},"
         "\"private\":\"false\"}]}",
         202, "", HEARS("e", "{}")},
        {"no messages", "{\"messages\":[]}", 202, "", NULL},
        {"no JSON", "{", 400, "{\"error\":\"BadRequest\",\"message\":\"The body is not JSON\"}",
         NULL},
        {"no body", "", 400, "{\"error\":\"BadRequest\",\"message\":\"The body is not JSON\"}",
         NULL},
        {"another body", "{}", 422, "{\"errors\":{\"messages\":[\"can't be blank\"]}}", NULL},
        {"an array", "[]", 422, "{\"errors\":{\"messages\":[\"can't be blank\"]}}", NULL},
        {"messages that are none", "{\"messages\":{}}", 422,
         "{\"errors\":{\"messages\":[\"is invalid\"]}}", NULL},
        {"one is bad: none is sent",
         "{\"messages\":[{\"topic\":\"r\"},{\"payload\":{}},{\"topic\":\"r\",\"event\":\"e\","
         "\"payload\":{}},5]}",
         422,
         "{\"errors\":{\"messages\":[{\"event\":[\"can't be blank\"],\"payload\":[\"can't be "
         "blank\"]},{"
         "\"topic\":[\"can't be blank\"],\"event\":[\"can't be blank\"]},{},{\"topic\":[\"can't be "
         "blank\"],\"event\":[\"can't be blank\"],\"payload\":[\"can't be blank\"]}]}}",
         NULL},
        {"of the wrong kinds",
         "{\"messages\":[{\"topic\":1,\"event\":\"\\u0000\",\"payload\":[],\"private\":2}]}", 422,
         "{\"errors\":{\"messages\":[{\"topic\":[\"is invalid\"],\"event\":[\"is "
         "invalid\"],\"payload\":["
         "\"is invalid\"],\"private\":[\"is invalid\"]}]}}",
         NULL},
        {"nulls and empty texts",
         "{\"messages\":[{\"topic\":\"\",\"event\":null,\"payload\":null,\"private\":null}]}", 422,
         "{\"errors\":{\"messages\":[{\"topic\":[\"can't be blank\"],\"event\":[\"can't be "
         "blank\"],"
         "\"payload\":[\"can't be blank\"]}]}}",
         NULL},
        {"private, where nobody can say who may",
         "{\"messages\":[{\"topic\":\"r\",\"event\":\"e\",\"payload\":{},\"private\":true}]}", 503,
         "{\"error\":\"UnableToSetPolicies\",\"message\":\"Nobody can say who may write to the "
         "topic\"}",
         NULL},
    };
    struct world *w = *state;

    say(w->client, JOIN);
    drop_all(w->client);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer answer = post(w, "anon", rows[i].body);

        check_answer(rows[i].says, &answer, rows[i].status, rows[i].answer);
        if (rows[i].heard)
            expect(rows[i].says, w->client, rows[i].heard);
        expect(rows[i].says, w->client, NULL);
    }
}

/* Names that had to be unescaped stay where they are, however many follow. */
static void test_many(void **state)
{
    struct world *w = *state;
    struct answer answer;
    struct buf body;

    w->config.realtime_client_buffer_bytes = 1 << 20;
    say(w->client, JOIN);
    drop_all(w->client);
    buf_init(&body, 1 << 20);
    buf_add_c(&body, "{\"messages\":[");
    for (int i = 0; i < 500; i++)
        buf_addf(&body,
                 "%s{\"topic\":\"\\u0072\",\"event\":\"\\u0065 number %d, which has a long name\","
                 "\"payload\":{}}",
                 i ? "," : "", i);
    buf_add_c(&body, "]}");
    answer = post(w, "anon", body.data);
    check_answer("many", &answer, 202, "");
    assert_int_equal(w->client->outbox.count, 500);
    expect("the first", w->client, HEARS("e number 0, which has a long name", "{}"));
    buf_fini(&body);
}

static void test_size(void **state)
{
    struct world *w = *state;
    char body[2000];
    struct answer answer;

    for (int digits = 990; digits < 1200; digits += 100) {
        snprintf(body, sizeof(body),
                 "{\"messages\":[{\"topic\":\"r\",\"event\":\"e\",\"payload\":{\"n\":\"%0*d\"}}]}",
                 digits, 0);
        answer = post(w, "anon", body);
        check_answer("the payload counts", &answer, digits == 990 ? 202 : 422,
                     digits == 990 ? ""
                                   : "{\"errors\":{\"messages\":[{\"payload\":[\"Payload size "
                                     "exceeds the limit\"]}]}}");
    }
}

static void test_private(void **state)
{
    struct world *w = *state;
    struct client *page = new_client(w, PHOENIX_V2, "service_role");
    struct answer answer;

    say(page, "[\"1\",\"1\",\"realtime:pgherald:activity\",\"phx_join\",{\"config\":{\"private\":"
              "true}}]");
    drop_all(page);
    answer = post(w, "service_role",
                  "{\"messages\":[{\"topic\":\"pgherald:activity\",\"event\":\"e\",\"payload\":{},"
                  "\"private\":true}]}");
    check_answer("who bypasses policies may", &answer, 202, "");
    expect_start("and is heard", page, "[null,null,\"realtime:pgherald:activity\",\"broadcast\"");
    answer =
        post(w, "anon",
             "{\"messages\":[{\"topic\":\"pgherald:activity\",\"event\":\"e\",\"payload\":{}}]}");
    check_answer("in public there is another room", &answer, 202, "");
    expect("where nobody is", page, NULL);
}

/* The questions that a request puts, answered by hand. */
static struct {
    char *topic;
    rights_cb *cb;
    void *arg;
} asked[8];
static size_t asked_count;

static void keep(void *arg, struct session *session, struct str topic, rights_cb *cb, void *cb_arg)
{
    (void)arg;
    (void)session;
    asked[asked_count].topic = str_dup(topic);
    asked[asked_count].cb = cb;
    asked[asked_count++].arg = cb_arg;
}

static void decide(size_t at, bool may)
{
    static const struct err why = {"InitializingProjectConnection: later"};
    const struct channel_rights rights = {.may_send_broadcast = may};

    asked[at].cb(asked[at].arg, asked[at].topic[0] == '?' ? NULL : &rights, &why);
    free(asked[at].topic);
}

static void yes(void *arg, struct session *session, struct str topic, rights_cb *cb, void *cb_arg)
{
    (void)arg;
    (void)session;
    (void)topic;
    cb(cb_arg, &(struct channel_rights){.may_send_broadcast = true}, NULL);
}

#define PRIVATE(topic) "{\"topic\":\"" topic "\",\"event\":\"e\",\"payload\":{},\"private\":true}"
#define PUBLIC "{\"topic\":\"r\",\"event\":\"e\",\"payload\":{}}"

static int woken;

static void wake(void *arg)
{
    (void)arg;
    woken++;
}

static void test_asking(void **state)
{
    static const struct {
        const char *says, *second;
        bool may[2];
        unsigned status;
        const char *answer;
    } rows[] = {
        {"he may", "b", {true, true}, 202, ""},
        {"he may not write to one of them: none is sent",
         "b",
         {true, false},
         403,
         "{\"error\":\"Unauthorized\",\"message\":\"You do not have permissions to write to this "
         "Channel topic: b\"}"},
        {"nobody can say",
         "?",
         {false, true},
         503,
         "{\"error\":\"InitializingProjectConnection\",\"message\":\"later\"}"},
    };
    struct world *w = *state;

    say(w->client, JOIN);
    drop_all(w->client);
    w->core.ask_rights = keep;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct admission caller = {.token = token_of(w, "anon", 60)};
        struct later *later = NULL;
        struct request request = {
            .core = &w->core, .caller = &caller, .now = {.ms = 1000 + 1000 * i}, .later = &later};
        struct answer answer = {0};
        char body[1000];

        snprintf(body, sizeof(body),
                 "{\"messages\":[" PRIVATE("a") "," PUBLIC "," PRIVATE("%s") "]}", rows[i].second);
        request.body = str_c(body);
        asked_count = 0;
        rest_broadcast(&request, &answer);
        assert_int_equal(asked_count, 2);
        assert_non_null(later);
        assert_int_equal(answer.status, 0);
        later->wake = wake;
        woken = 0;
        decide(1, rows[i].may[1]);
        assert_int_equal(woken, 0);
        expect("nothing is sent before everything is known", w->client, NULL);
        decide(0, rows[i].may[0]);
        assert_int_equal(woken, 1);
        assert_null(later);
        check_answer(rows[i].says, &answer, rows[i].status, rows[i].answer);
        if (rows[i].status == 202)
            expect(rows[i].says, w->client, HEARS("e", "{}"));
        expect(rows[i].says, w->client, NULL);
        token_free(caller.token);
    }
}

static void test_hang_up(void **state)
{
    struct world *w = *state;
    struct admission caller = {.token = token_of(w, "anon", 60)};
    struct later *later = NULL;
    char *body = strdup("{\"messages\":[" PRIVATE("a") "," PUBLIC "]}");
    const struct request request = {.core = &w->core,
                                    .body = str_c(body),
                                    .caller = &caller,
                                    .now = {.ms = 1000},
                                    .later = &later};
    struct answer answer = {0};

    say(w->client, JOIN);
    drop_all(w->client);
    w->core.ask_rights = keep;
    asked_count = 0;
    rest_broadcast(&request, &answer);
    later_hang_up(later);
    free(body);
    token_free(caller.token);
    decide(0, true);
    expect("who does not wait for the answer sends nothing", w->client, NULL);
    assert_int_equal(answer.status, 0);
    w->core.ask_rights = yes;
    answer = post(w, "anon", "{\"messages\":[" PRIVATE("a") "," PUBLIC "]}");
    check_answer("an answer that is there at once", &answer, 202, "");
    drop_all(w->client);
}

static void test_one(void **state)
{
    static const struct {
        const char *says, *path, *type, *query, *body;
        unsigned status;
        const char *answer, *heard;
    } rows[] = {
        {"JSON", "r/events/e", "application/json; charset=utf-8", "", " {\"n\":1} ", 202, "",
         HEARS("e", " {\"n\":1} ")},
        {"without a type", "r/events/e", "", "private=false", "[1]", 202, "", HEARS("e", "[1]")},
        {"without a body", "r/events/e", "", "", "", 202, "", HEARS("e", "{}")},
        {"no JSON", "r/events/e", "application/json", "", "x", 422,
         "{\"errors\":{\"messages\":[{\"payload\":[\"is invalid\"]}]}}", NULL},
        {"another type", "r/events/e", "text/plain", "", "x", 415,
         "{\"error\":\"Error\",\"message\":\"Unsupported Media Type. Use application/json or "
         "application/octet-stream\"}",
         NULL},
        {"private", "r/events/e", "", "private=true", "{}", 503,
         "{\"error\":\"UnableToSetPolicies\",\"message\":\"Nobody can say who may write to the "
         "topic\"}",
         NULL},
        {"no event", "r/events/", "", "", "{}", 404,
         "{\"error\":\"NotFound\",\"message\":\"POST .../api/broadcast/{topic}/events/{event}\"}",
         NULL},
        {"no topic", "events/e", "", "", "{}", 404,
         "{\"error\":\"NotFound\",\"message\":\"POST .../api/broadcast/{topic}/events/{event}\"}",
         NULL},
        {"no UTF-8", "r/events/\xff", "", "", "{}", 422,
         "{\"errors\":{\"messages\":[{\"event\":[\"is invalid\"]}]}}", NULL},
    };
    struct world *w = *state;
    struct answer answer;
    char path[600];

    say(w->client, JOIN);
    drop_all(w->client);
    for (size_t i = 0; i < COUNT(rows); i++) {
        answer =
            post_one(w, "anon", rows[i].path, rows[i].type, rows[i].query, str_c(rows[i].body));
        check_answer(rows[i].says, &answer, rows[i].status, rows[i].answer);
        if (rows[i].heard)
            expect(rows[i].says, w->client, rows[i].heard);
        expect(rows[i].says, w->client, NULL);
    }
    say(w->client,
        "[\"1\",\"1\",\"realtime:a/events/b\",\"phx_join\",{\"config\":{\"presence\":{\"enabled\":"
        "false}}}]");
    drop_all(w->client);
    answer = post_one(w, "anon", "a/events/b/events/e", "", "", STR("1"));
    check_answer("slashes in the topic", &answer, 202, "");
    expect(
        "slashes in the topic", w->client,
        "[null,null,\"realtime:a/events/b\",\"broadcast\",{\"type\":\"broadcast\",\"event\":\"e\","
        "\"payload\":1}]");
    answer = post_one(w, "anon", "r/events/e", "application/octet-stream", "", STR("\xff"));
    check_answer("bytes", &answer, 202, "");
    expect_binary("bytes", w->client, STR("\x04\x0a\x01\x00\x00realtime:re\xff"));
    snprintf(path, sizeof(path), "%0247d/events/%0256d", 0, 0);
    answer = post_one(w, "anon", path, "application/octet-stream", "", STR("x"));
    check_answer("names that no binary frame holds", &answer, 422,
                 "{\"errors\":{\"messages\":[{\"topic\":[\"is too long\"],\"event\":[\"is too "
                 "long\"]}]}}");
}

#define THREE "{\"messages\":[" ONE "," ONE "," ONE "]}"
#define ONE "{\"topic\":\"r\",\"event\":\"e\",\"payload\":{}}"

static void test_rate(void **state)
{
    struct world *w = *state;
    struct answer answer;

    w->config.realtime_max_messages_per_second = 5;
    answer = post(w, "anon", THREE);
    check_answer("within", &answer, 202, "");
    answer = post(w, "anon", THREE);
    assert_int_equal(answer.retry_after_s, 1);
    check_answer(
        "beyond", &answer, 429,
        "{\"error\":\"TooManyRequests\",\"message\":\"You have exceeded your rate limit\"}");
    answer = post_one(w, "anon", "r/events/e", "", "", STR("{}"));
    check_answer("a refused batch does not count", &answer, 202, "");
    answer = post(w, "authenticated", THREE);
    check_answer("somebody else has a rate of his own", &answer, 202, "");
    answer = post(w, "anon", "{\"messages\":[" ONE "," ONE "," ONE "," ONE "," ONE "," ONE "]}");
    check_answer(
        "more than ever can be", &answer, 429,
        "{\"error\":\"TooManyRequests\",\"message\":\"Too many messages to broadcast, please "
        "reduce the batch size\"}");
    assert_int_equal(stat_get(&w->stats.messages_limited_total), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_private, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_asking, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hang_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rate, set_up, tear_down),
    };

    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
