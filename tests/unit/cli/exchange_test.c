#include "unit.h"

#include "cli/exchange.h"

/* As STR(), where a constant is asked for. */
#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static void knows_credentials(void **state)
{
    static const struct row {
        const char *name;
        bool hidden;
    } rows[] = {
        {"Authorization", true}, {"X-API-Key", true},
        {"x-auth", true},        {"Set-Cookie", true},
        {"X-Hub-Token", true},   {"X-Client-Secret", true},
        {"X-Tenant", false},     {"webhook-signature", false},
        {"content-type", false}, {"", false},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
    CHECK(exchange_is_credential(str_c(r->name)) == r->hidden, r->name);
}

static void shows_urls_without_credentials(void **state)
{
    static const struct row {
        const char *url, *shown;
    } rows[] = {
        {"https://example.com/hook", "https://example.com/hook"},
        {"https://user:pass@example.com:8443/hook", "https://example.com:8443/hook"},
        {"https://example.com/hook?token=x", "https://example.com/hook?..."},
        {"https://example.com?a@b", "https://example.com?..."},
        {"https://example.com/a@b#c", "https://example.com/a@b?..."},
        {"https://example.com", "https://example.com"},
        {"nonsense", ""},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct buf out;

            buf_init(&out, 4096);
            exchange_add_url(&out, str_c(r->url));
            CHECK_STR(buf_str(&out), str_c(r->shown), r->url);
            buf_fini(&out);
        }
}

/* A whole exchange, as text. */
static void check_written(const char *says, const struct exchange *exchange, const char *wanted)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    exchange_write(&out, exchange);
    if (!str_eq(buf_str(&out), str_c(wanted)))
        fail_msg("%s\n   wanted: %s\n   got:    %.*s", says, wanted, STR_ARG(buf_str(&out)));
    buf_fini(&out);
}

static const struct sender_trace trace = {
    .request = TEXT("POST /h?t=1 HTTP/1.1\r\nHost: e\r\nAuthorization: Bearer x\r\n\r\n"),
    .response = TEXT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nX-A: \x1b[2J\r\n\r\n"),
    .address = TEXT("1.2.3.4"),
    .port = 443,
    .http_version = "1.1",
    .tls_version = TEXT("TLSv1.3"),
    .subject = TEXT("CN = e"),
    .issuer = TEXT("CN = ca"),
    .expires = TEXT("Jan 1"),
    .dns_us = 1000,
    .connect_us = 3000,
    .tls_us = 6000,
    .first_byte_us = 7500,
    .total_us = 8000,
};

static void writes_an_exchange(void **state)
{
    const struct sender_answer answer = {
        .status_code = 201, .complete = true, .body = STR("a\xff\x07\nb"), .trace = &trace};
    struct exchange exchange = {.webhook_id = "id",
                                .webhook_name = "name",
                                .url = "https://e/h?t=1",
                                .body = STR("{}"),
                                .answer = &answer,
                                .keep_bytes = 5};

    (void)state;
    check_written("all of it, with nothing that commands the terminal", &exchange,
                  "> POST /h?... HTTP/1.1\n> Host: e\n> Authorization: [hidden]\n>\n> {}\n\n"
                  "* connected to 1.2.3.4 port 443, HTTP/1.1\n"
                  "* TLSv1.3, certificate verified: CN = e, issued by CN = ca, until Jan 1\n"
                  "* dns 1.0 ms, connect 2.0 ms, tls 3.0 ms, first_byte 1.5 ms, total 8.0 ms\n\n"
                  "< HTTP/1.1 201 Created\n< X-A: ?[2J\n<\n< a??\n< b\n"
                  "  (the rest of the body is not kept)\n\nok: HTTP 201\n");
    exchange.show_all = true;
    exchange.keep_bytes = 100;
    check_written("on request, with credentials", &exchange,
                  "> POST /h?t=1 HTTP/1.1\n> Host: e\n> Authorization: Bearer x\n>\n> {}\n\n"
                  "* connected to 1.2.3.4 port 443, HTTP/1.1\n"
                  "* TLSv1.3, certificate verified: CN = e, issued by CN = ca, until Jan 1\n"
                  "* dns 1.0 ms, connect 2.0 ms, tls 3.0 ms, first_byte 1.5 ms, total 8.0 ms\n\n"
                  "< HTTP/1.1 201 Created\n< X-A: ?[2J\n<\n< a??\n< b\n\nok: HTTP 201\n");
}

static void writes_failures(void **state)
{
    static const struct sender_trace nothing = {.http_version = "", .total_us = 2000};
    static const struct sender_trace refused = {.http_version = "",
                                                .address = TEXT("::1"),
                                                .port = 443,
                                                .tls_version = TEXT("TLSv1.3"),
                                                .total_us = 2000};
    struct sender_answer answer = {.error = "DNS lookup: no such host", .trace = &nothing};
    struct exchange exchange = {.webhook_id = "id",
                                .webhook_name = "name",
                                .url = "https://u:p@e/h?t=1",
                                .headers = STR("x-empty;\0X-Key: k"),
                                .body = STR("{}"),
                                .answer = &answer,
                                .keep_bytes = 100};

    (void)state;
    check_written("it never came to a request", &exchange,
                  "> POST https://e/h?...\n> x-empty: \n> X-Key: [hidden]\n>\n> {}\n\n"
                  "* total 2.0 ms\n\n! DNS lookup: no such host\n");
    answer.trace = &refused;
    answer.error = "TLS handshake: certificate has expired";
    check_written("the certificate was refused", &exchange,
                  "> POST https://e/h?...\n> x-empty: \n> X-Key: [hidden]\n>\n> {}\n\n"
                  "* connected to ::1 port 443\n* TLSv1.3, certificate refused\n"
                  "* total 2.0 ms\n\n! TLS handshake: certificate has expired\n");
    exchange.answer = NULL;
    check_written("it was not to be sent", &exchange,
                  "> POST https://e/h?...\n> x-empty: \n> X-Key: [hidden]\n>\n> {}\n\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_credentials),
        cmocka_unit_test(shows_urls_without_credentials),
        cmocka_unit_test(writes_an_exchange),
        cmocka_unit_test(writes_failures),
    };

    return cmocka_run_group_tests_name("cli/exchange", tests, NULL, NULL);
}
