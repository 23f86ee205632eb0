/* The bytes that a client sends on a connection: to `admin_listen` after an `a`, to `listen` after
 * any other byte. A byte 0x1e lets what stands before it arrive on its own. They go through
 * libwebsockets to our own reading of requests, headers, queries, bodies and WebSocket messages;
 * what comes back is answers, in which no line is of the client's making. */
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "realtime/internal.h"

#define BETWEEN '\x1e'
#define MAX_ANSWER ((size_t)1 << 20)
#define MAX_TURNS 64 /* of the loop, until an input has been dealt with */

static struct config config;
static struct stats stats;
static struct core core;
static struct server *server;
static uv_loop_t loop;

static void start(void)
{
    static char host[] = "127.0.0.1";
    struct err err;

    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    fuzz_config(&config);
    config.realtime_max_messages_per_second = 1000000;
    config.listen = config.admin_listen = (struct config_address){host, 0};
    fuzz_core(&core, &config, &stats);
    uv_loop_init(&loop);
    if (server_open(&loop, &core, 0, true, &server, &err) != OK)
        REQUIRE(false, str_c(err.message));
    server_all_open(2); /* what libwebsockets thinks of an input is of no interest */
}

/* Runs the loop until nothing more comes; < 0: the server has hung up. */
static int read_some(int fd, struct buf *answer)
{
    int idle = 0;

    for (int turn = 0; turn < MAX_TURNS && idle < 3; turn++) {
        char room[4096];
        ssize_t got;

        uv_run(&loop, UV_RUN_NOWAIT);
        got = read(fd, room, sizeof(room));
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return -1;
        idle = got > 0 ? 0 : idle + 1;
        if (got > 0)
            buf_add(answer, room, (size_t)got);
    }
    return 0;
}

static bool is_printable(struct str line)
{
    for (size_t i = 0; i < line.len; i++)
        if ((unsigned char)line.data[i] < ' ' && line.data[i] != '\t')
            return false;
    return true;
}

static bool is_our_header(struct str line)
{
    static const char *const names[] = {"server:",
                                        "content-type:",
                                        "content-length:",
                                        "cache-control:",
                                        "x-content-type-options:",
                                        "referrer-policy:",
                                        "content-security-policy:",
                                        "x-frame-options:",
                                        "cross-origin-opener-policy:",
                                        "access-control-",
                                        "connection:",
                                        "allow:",
                                        "www-authenticate:",
                                        "retry-after:",
                                        "ratelimit-",
                                        "upgrade:",
                                        "sec-websocket-accept:",
                                        "sec-websocket-protocol:",
                                        "sec-websocket-extensions:"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str name = str_c(names[i]);

        if (line.len >= name.len && str_eq_nocase(str_from(line.data, name.len), name))
            return true;
    }
    return false;
}

/* The head of the first answer: a status line and headers that we know. */
static void check_answer(struct str answer)
{
    struct str line, rest = answer;

    if (answer.len == 0)
        return;
    REQUIRE(str_starts(answer, STR("HTTP/1.")), answer);
    str_split(rest, '\n', &line, &rest);
    while (rest.len > 0) {
        bool more = str_split(rest, '\n', &line, &rest);

        if (line.len == 1 && line.data[0] == '\r')
            return;
        if (!more) /* cut off */
            return;
        REQUIRE(line.len > 1 && line.data[line.len - 1] == '\r', answer);
        line.len--;
        REQUIRE(is_printable(line) && is_our_header(line), answer);
    }
}

static void talk(int fd, struct str bytes, struct buf *answer)
{
    struct str part;

    while (bytes.len > 0) {
        str_split(bytes, BETWEEN, &part, &bytes);
        if (part.len > 0 && write(fd, part.data, part.len) < 0)
            return;
        if (read_some(fd, answer) < 0)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool admin = size > 0 && data[0] == 'a';
    struct buf answer;
    int ends[2];

    if (!server)
        start();
    if (size < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return 0;
    buf_init(&answer, MAX_ANSWER);
    if (!lws_adopt_socket_vhost(
            admin ? lws_get_vhost_by_name(server->context, "admin") : server->clients, ends[1]))
        REQUIRE(false, STR("the connection was not taken"));
    talk(ends[0], input_text(data + 1, size - 1), &answer);
    close(ends[0]);
    for (int i = 0; i < 8 && (i < 2 || core.clients); i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    check_answer(buf_str(&answer));
    REQUIRE(!core.clients, input_text(data, size));
    buf_fini(&answer);
    return 0;
}
