/* What a webhook's endpoint answers, byte by byte; a byte 0x1e lets what stands before it arrive on
 * its own, 0x1d is between the answers to one call and to the next. It goes through curl to what is
 * made of it: an attempt that can be recorded whatever the endpoint says, and a next one that is
 * not put off for longer than the schedule allows. */
#include "fuzz.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "dispatch/attempt.h"
#include "dispatch/pace.h"
#include "dispatch/report.h"

#define BETWEEN '\x1e'
#define NEXT_CALL '\x1d'
#define KEEP_BYTES 256
#define TIMEOUT_MS 200
#define MAX_OUT ((size_t)1 << 16)
#define LONGEST_ASKED_PAUSE_MS 3600000 /* of an endpoint, as dispatch/pace.c has it */

struct heard {
    bool done;
    struct str input;
};

static uv_loop_t loop;
static struct sender *sender;
static int listener = -1;
static char url[64];

static void record(const struct delivery *delivery, struct str input)
{
    struct buf out;

    buf_init(&out, MAX_OUT);
    report_add_json(&out, delivery, 5000);
    buf_add_char(&out, ']');
    REQUIRE(buf_ok(&out) && json_is_jsonb(buf_str(&out)), input);
    buf_fini(&out);
}

static void judge(const struct sender_answer *answer, struct str input)
{
    const struct breaker_settings settings = {0};
    struct str field[DELIVERY_FIELDS] = {{0}};
    struct delivery *delivery;
    struct pace pace;

    field[DELIVERY_ID] = STR("1");
    delivery = delivery_new(field);
    buf_init(&delivery->attempt.response, KEEP_BYTES);
    delivery->max_retries = 5;
    attempt_judge(delivery, answer, 0x12345678);
    REQUIRE(delivery->attempt.decision.delay_ms <= SCHEDULE_LONGEST_MS, input);
    REQUIRE(!answer->error == answer->complete, input);
    record(delivery, input);
    pace_init(&pace, 4);
    (void)pace_learn(&pace, &settings, 1000, answer->complete ? answer->status_code : 0,
                     answer->retry_after_s, answer->duration_ms);
    REQUIRE(pace.paused_until_ms <= 1000 + LONGEST_ASKED_PAUSE_MS, input);
    delivery_free(delivery);
}

static void on_answer(void *arg, void *request_arg, const struct sender_answer *answer)
{
    struct heard *heard = request_arg;

    (void)arg;
    heard->done = true;
    REQUIRE(answer->body.len <= KEEP_BYTES, heard->input);
    REQUIRE(answer->status_code >= 0 && answer->status_code <= 999, heard->input);
    REQUIRE(!answer->complete || answer->status_code > 0, heard->input);
    judge(answer, heard->input);
}

static void start(void)
{
    const struct sender_options options = {
        .max_requests = 1, .allow_private = true, .keep_bytes = KEEP_BYTES, .ca_file = ""};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    struct err err;

    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    REQUIRE(listener >= 0 && bind(listener, (struct sockaddr *)&address, len) == 0 &&
                listen(listener, 16) == 0 &&
                getsockname(listener, (struct sockaddr *)&address, &len) == 0,
            STR("a socket to listen on"));
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(address.sin_port));
    uv_loop_init(&loop);
    if (sender_new(&loop, &options, on_answer, NULL, &sender, &err) != OK)
        REQUIRE(false, str_c(err.message));
}

/* The endpoint: hears the request out, then says its parts, with a turn of the loop after each. */
static void answer(int fd, struct str bytes, const struct heard *heard)
{
    char request[4096];
    struct str part;

    for (int i = 0; i < 100 && read(fd, request, sizeof(request)) < 0 && errno == EAGAIN; i++)
        uv_run(&loop, UV_RUN_ONCE);
    while (bytes.len > 0 && !heard->done) {
        str_split(bytes, BETWEEN, &part, &bytes);
        if (part.len > 0 && send(fd, part.data, part.len, MSG_NOSIGNAL) < 0)
            break;
        uv_run(&loop, UV_RUN_NOWAIT);
    }
}

/* -1: there was none, as the connection of the last call was used again, and is closed by now. */
static int wait_for_call(const struct heard *heard)
{
    int fd = -1;

    while (fd < 0 && !heard->done) {
        uv_run(&loop, UV_RUN_NOWAIT);
        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            usleep(200); /* timers of the loop are milliseconds */
    }
    return fd;
}

static void call(struct heard *heard)
{
    const struct sender_request request = {
        .url = url, .body = STR("{}"), .timeout_ms = TIMEOUT_MS, .headers = STR("x: y\0")};
    struct err err = {0};
    int fd;

    heard->done = false;
    REQUIRE(sender_send(sender, &request, heard, &err) == OK, str_c(err.message));
    fd = wait_for_call(heard);
    if (fd >= 0) {
        answer(fd, heard->input, heard);
        close(fd);
    }
    while (!heard->done)
        uv_run(&loop, UV_RUN_ONCE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = input_text(data, size);
    struct heard heard;
    bool more;

    if (!sender)
        start();
    do {
        more = str_split(rest, NEXT_CALL, &heard.input, &rest);
        call(&heard);
    } while (more);
    return 0;
}
