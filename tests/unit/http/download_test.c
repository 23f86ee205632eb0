#include "unit.h"

#include <netinet/in.h>
#include <stdio.h>

#include "http/download.h"

#define MAX_BODY 1000

/* A server on the same loop, that answers every connection with the same bytes and hangs up. */
struct server {
    uv_loop_t loop;
    uv_tcp_t listener;
    struct str answer;
    char request[4096];
    char url[128];
    /* what came of the download */
    int answered;
    struct buf body;
    struct err failure;
};

struct peer {
    uv_tcp_t socket;
    uv_write_t write;
    struct server *server;
    bool answered;
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_written(uv_write_t *write, int status)
{
    struct peer *peer = write->data;

    (void)status;
    uv_close((uv_handle_t *)&peer->socket, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct peer *peer = handle->data;

    (void)size;
    *buf = uv_buf_init(peer->server->request, sizeof(peer->server->request) - 1);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct peer *peer = stream->data;
    uv_buf_t answer = uv_buf_init((char *)(uintptr_t)peer->server->answer.data,
                                  (unsigned)peer->server->answer.len);

    if (got > 0)
        buf->base[got] = '\0';
    if (peer->answered)
        return;
    peer->answered = true;
    peer->write.data = peer;
    uv_read_stop(stream);
    uv_write(&peer->write, stream, &answer, 1, on_written);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct peer *peer = calloc(1, sizeof(*peer));

    (void)status;
    peer->server = listener->data;
    uv_tcp_init(listener->loop, &peer->socket);
    peer->socket.data = peer;
    uv_accept(listener, (uv_stream_t *)&peer->socket);
    uv_read_start((uv_stream_t *)&peer->socket, on_alloc, on_read);
}

static int set_up(void **state)
{
    struct server *server = calloc(1, sizeof(*server));
    struct sockaddr_in address;
    int len = sizeof(address);

    uv_loop_init(&server->loop);
    uv_tcp_init(&server->loop, &server->listener);
    server->listener.data = server;
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0);
    assert_int_equal(uv_listen((uv_stream_t *)&server->listener, 8, on_connection), 0);
    uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &len);
    uv_unref((uv_handle_t *)&server->listener); /* the loop ends with the download */
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u/keys?x=1",
             ntohs(address.sin_port));
    buf_init(&server->body, MAX_BODY);
    *state = server;
    return 0;
}

static int tear_down(void **state)
{
    struct server *server = *state;

    uv_close((uv_handle_t *)&server->listener, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&server->loop), 0);
    buf_fini(&server->body);
    free(server);
    return 0;
}

static void on_download(void *arg, struct str body, const struct err *failure)
{
    struct server *server = arg;

    server->answered++;
    buf_clear(&server->body);
    buf_add_str(&server->body, body);
    server->failure = failure ? *failure : (struct err){0};
}

static struct download *make(struct server *server)
{
    const struct download_options options = {server->url, "", MAX_BODY};
    struct download *download;
    struct err err;

    if (download_new(&server->loop, &options, on_download, server, &download, &err) != OK)
        fail_msg("%s", err.message);
    return download;
}

static void get(struct server *server, struct download *download, struct str answer)
{
    struct err err;

    server->answer = answer;
    server->answered = 0;
    assert_int_equal(download_start(download, &err), OK);
    assert_true(download_is_busy(download));
    assert_int_equal(download_start(download, &err), OK); /* one at a time */
    uv_run(&server->loop, UV_RUN_DEFAULT);
    assert_false(download_is_busy(download));
    assert_int_equal(server->answered, 1);
}

#define HEAD "HTTP/1.1 200 OK\r\n"

static const struct row {
    const char *sentence;
    const char *answer;
    const char *body;    /* NULL: none */
    const char *failure; /* a part of it */
} rows[] = {
    {"a document", HEAD "Content-Length: 2\r\n\r\n{}", "{}", NULL},
    {"nothing", HEAD "Content-Length: 0\r\n\r\n", "", NULL},
    {"a document up to the end", HEAD "\r\n{}", "{}", NULL},
    {"in pieces", HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "{}",
     NULL},
    {"not found", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", NULL,
     "the answer has status 404 instead of 200"},
    {"no content", "HTTP/1.1 204 No Content\r\n\r\n", NULL, "status 204"},
    {"a redirect", "HTTP/1.1 302 Found\r\nLocation: /keys\r\nContent-Length: 0\r\n\r\n", NULL,
     "redirects are not followed"},
    {"a redirect to another scheme",
     "HTTP/1.1 301 Moved\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", NULL,
     "redirects are not followed"},
    {"half a document", HEAD "Content-Length: 10\r\n\r\n{}", NULL, "bytes remaining"},
    {"a hang-up", "", NULL, "Empty reply"},
    {"no HTTP", "SSH-2.0-OpenSSH\r\n", NULL, "HTTP/0.9"},
};

static void takes_good_answers_only(void **state)
{
    struct server *server = *state;
    struct download *download = make(server);

    for
        EACH(struct row, row, rows)
        {
            get(server, download, str_c(row->answer));
            if (row->body) {
                CHECK_STR(str_c(server->failure.message), STR(""), row->sentence);
                CHECK_STR(buf_str(&server->body), str_c(row->body), row->sentence);
            } else if (!strstr(server->failure.message, row->failure)) {
                fail_msg("%s: %s", row->sentence, server->failure.message);
            }
        }
    CHECK(strncmp(server->request, "GET /keys?x=1 HTTP/1.1\r\n", 24) == 0, server->request);
    download_close(download);
}

static void bounds_answers(void **state)
{
    struct server *server = *state;
    struct download *download = make(server);
    struct buf answer;

    buf_init(&answer, 1 << 20);
    for (int more = 0; more <= 1; more++) {
        buf_clear(&answer);
        buf_addf(&answer, HEAD "Content-Length: %d\r\n\r\n", MAX_BODY + more);
        for (int i = 0; i < MAX_BODY + more; i++)
            buf_add_char(&answer, 'x');
        get(server, download, buf_str(&answer));
        assert_string_equal(server->failure.message,
                            more ? "the answer is longer than 1000 bytes" : "");
        assert_int_equal(server->body.len, more ? 0 : MAX_BODY);
    }
    buf_clear(&answer);
    buf_add_c(&answer, HEAD);
    while (answer.len < 100000)
        buf_add_c(&answer, "x-header: and another one\r\n");
    buf_add_c(&answer, "\r\n{}");
    get(server, download, buf_str(&answer));
    assert_non_null(strstr(server->failure.message, "bytes of headers"));
    buf_fini(&answer);
    download_close(download);
}

/* Where nobody listens, and with authorities that are not there. */
static void says_what_fails(void **state)
{
    struct server *server = *state;
    struct download_options options = {"http://127.0.0.1:1/", "", MAX_BODY};
    struct download *download;
    struct err err;

    assert_int_equal(download_new(&server->loop, &options, on_download, server, &download, &err),
                     OK);
    get(server, download, STR(""));
    assert_non_null(strstr(server->failure.message, "Failed to connect"));
    download_close(download);
    options.ca_file = "/nonexistent/ca.pem";
    assert_int_equal(download_new(&server->loop, &options, on_download, server, &download, &err),
                     FAILED);
    assert_null(download);
    assert_string_equal(err.message, "the authorities in /nonexistent/ca.pem cannot be read");
}

/* No proxy of the environment is asked. */
static void ignores_the_environment(void **state)
{
    struct server *server = *state;
    struct download *download;

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    download = make(server);
    get(server, download, STR(HEAD "Content-Length: 2\r\n\r\n{}"));
    unsetenv("http_proxy");
    assert_string_equal(server->failure.message, "");
    download_close(download);
}

/* Closed while it is under way: no callback, and nothing is left on the loop. */
static void can_be_broken_off(void **state)
{
    struct server *server = *state;
    struct download *download = make(server);
    struct err err;

    server->answer = STR(HEAD "Content-Length: 2\r\n\r\n{}");
    assert_int_equal(download_start(download, &err), OK);
    uv_run(&server->loop, UV_RUN_NOWAIT);
    download_close(download);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    assert_int_equal(server->answered, 0);
    download_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_good_answers_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_what_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ignores_the_environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(can_be_broken_off, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
