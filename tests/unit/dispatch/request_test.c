#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include <string.h>

#include "dispatch/headers.h"
#include "dispatch/request.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

static const struct row {
    const char *says;
    const char *id, *url, *secret, *headers;
    const char *lines; /* joined with |; NULL: refused */
    const char *error;
} rows[] = {
    {"the vector of Standard Webhooks", "msg_p5jXN8AQM9LWM0D4loKWxJek", "https://example.com/",
     SECRET, "{}",
     "content-type: application/json|webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek|"
     "webhook-timestamp: 1614265330|"
     "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=|",
     NULL},
    {"with headers of its own", "msg_p5jXN8AQM9LWM0D4loKWxJek", "https://example.com/", SECRET,
     "{\"X-A\":\"1\",\"Content-Type\":\"application/cloudevents+json\"}",
     "X-A: 1|Content-Type: application/cloudevents+json|webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek|"
     "webhook-timestamp: 1614265330|"
     "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=|",
     NULL},
    {"a URL with credentials", "m", "https://u:p@example.com/", SECRET, "{}", NULL, "credentials"},
    {"no URL", "m", "", SECRET, "{}", NULL, "http"},
    {"a secret that is none", "m", "https://example.com/", "hunter2", "{}", NULL, "the secret"},
    {"headers that are none", "m", "https://example.com/", SECRET, "[]", NULL, "headers"},
    {"a header that is ours", "m", "https://example.com/", SECRET, "{\"webhook-id\":\"x\"}", NULL,
     "must not"},
    {"an id that would end the header", "m\r\nx: y", "https://example.com/", SECRET, "{}", NULL,
     "message id"},
    {"an id with a space", "m m", "https://example.com/", SECRET, "{}", NULL, "message id"},
    {"an id with a point", "m.m", "https://example.com/", SECRET, "{}", NULL, "message id"},
    {"an empty id", "", "https://example.com/", SECRET, "{}", NULL, "message id"},
};

static struct delivery *delivery_of(const struct row *row)
{
    const struct str field[DELIVERY_FIELDS] = {
        [DELIVERY_MESSAGE_ID] = str_c(row->id),
        [DELIVERY_URL] = str_c(row->url),
        [DELIVERY_SECRETS] = str_c(row->secret),
        [DELIVERY_HEADERS] = str_c(row->headers),
        [DELIVERY_PAYLOAD] = STR("{\"test\": 2432232314}"),
    };

    return delivery_new(field);
}

static void builds_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct delivery *delivery = delivery_of(r);
        struct err err = {""};
        struct buf headers;
        enum result result;

        buf_init(&headers, HEADERS_BYTES_MAX);
        result = request_build(delivery, 1614265330, &headers, &err);
        if ((result == OK) != (r->lines != NULL))
            fail_msg("%s: %s", r->says, err.message);
        if (r->error && !strstr(err.message, r->error))
            fail_msg("%s: says %s", r->says, err.message);
        for (size_t at = 0; at < headers.len; at++)
            if (headers.data[at] == '\0')
                headers.data[at] = '|';
        if (r->lines && strcmp(headers.data, r->lines) != 0)
            fail_msg("%s: %s", r->says, headers.data);
        buf_fini(&headers);
        delivery_free(delivery);
    }
}

static void tells_replays_and_tests(void **state)
{
    const struct str origins[] = {STR("change"), STR("replay"), STR("test")};

    (void)state;
    for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
        struct delivery *delivery = delivery_of(&rows[0]);
        struct err err = {""};
        struct buf headers;

        buf_init(&headers, HEADERS_BYTES_MAX);
        delivery->field[DELIVERY_ORIGIN] = origins[i];
        assert_int_equal(request_build(delivery, 1614265330, &headers, &err), OK);
        assert_int_equal(headers_have(buf_str(&headers), STR("webhook-replay")),
                         str_eq(origins[i], STR("replay")));
        assert_int_equal(headers_have(buf_str(&headers), STR("webhook-test")),
                         str_eq(origins[i], STR("test")));
        buf_fini(&headers);
        delivery_free(delivery);
    }
}

static void refuses_headers_beyond_the_bound(void **state)
{
    struct delivery *delivery = delivery_of(&rows[0]);
    struct err err = {""};
    struct buf headers;

    (void)state;
    buf_init(&headers, 100);
    assert_int_equal(request_build(delivery, 1614265330, &headers, &err), FAILED);
    buf_fini(&headers);
    delivery_free(delivery);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_requests),
        cmocka_unit_test(tells_replays_and_tests),
        cmocka_unit_test(refuses_headers_beyond_the_bound),
    };

    return cmocka_run_group_tests_name("dispatch/request", tests, NULL, NULL);
}
