/* Many WebSocket clients in one process, for make bench: light enough that the server is what is
 * measured. All of them connect to one address, say hello, and count what arrives.
 *
 *   listeners HOST PORT PATH CLIENTS [HELLOS SUBSCRIBED]
 *
 * HELLOS is a file of text frames, a line each; a client sends one of them, in turn, once it is
 * connected. SUBSCRIBED is what the frame holds that makes it count as ready; without these two the
 * handshake is enough. Commands on stdin, a line each, answered by a line of JSON:
 *
 *   ready         once every client is
 *   expect N MS   once N frames with a time stamp have arrived in all, or after MS milliseconds
 *
 * A frame counts if it holds @@<microseconds since 1970>@@, the moment it was sent at its source.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES (256 * 1024)
#define STAMP_DIGITS 16

enum state { STATE_HANDSHAKE, STATE_JOINING, STATE_READY, STATE_GONE };

struct listener {
    int fd;
    enum state state;
    char *rest; /* an incomplete frame from the last read */
    size_t rest_len;
};

struct bench {
    struct sockaddr_in address;
    const char *host, *path, *subscribed;
    char **hellos;
    int hello_count;
    struct listener *listeners;
    int count, ready, gone, epoll;
    uint64_t frames, bytes, first_us, last_us, sent_us;
    uint32_t *delays_us; /* one a frame that is expected */
    uint64_t expected;
    char data[READ_BYTES * 2];
};

static void die(const char *what)
{
    fprintf(stderr, "listeners: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void write_all(int fd, const void *data, size_t len)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = write(fd, p, len);
        struct pollfd poller = {fd, POLLOUT, 0};

        if (n < 0 && errno != EAGAIN)
            die("write");
        if (n < 0)
            poll(&poller, 1, 1000);
        p += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

/* A masked text frame (RFC 6455, 5.2); the mask of zeros leaves the payload as it is. */
static void send_text(int fd, const char *text)
{
    size_t len = strlen(text);
    unsigned char head[8] = {0x81};
    size_t head_len = 2;

    if (len < 126) {
        head[1] = (unsigned char)(0x80 | len);
    } else {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(len >> 8);
        head[3] = (unsigned char)len;
        head_len = 4;
    }
    memset(head + head_len, 0, 4);
    {
        unsigned char frame[8192];

        if (len + sizeof(head) + 4 > sizeof(frame))
            die("hello is too long");
        memcpy(frame, head, head_len);
        memset(frame + head_len, 0, 4);
        memcpy(frame + head_len + 4, text, len);
        write_all(fd, frame, head_len + 4 + len);
    }
}

static void connect_one(struct bench *bench, int number)
{
    struct listener *listener = &bench->listeners[number];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
    char request[16384];
    int one = 1;

    listener->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (listener->fd < 0 ||
        connect(listener->fd, (struct sockaddr *)&bench->address, sizeof(bench->address)) < 0)
        die("connect");
    setsockopt(listener->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    snprintf(request, sizeof(request),
             "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==\r\n\r\n",
             bench->path, bench->host);
    write_all(listener->fd, request, strlen(request));
    fcntl(listener->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(bench->epoll, EPOLL_CTL_ADD, listener->fd, &event) < 0)
        die("epoll");
}

static void become_ready(struct bench *bench, struct listener *listener)
{
    listener->state = STATE_READY;
    bench->ready++;
}

static void count_frame(struct bench *bench, const char *text, size_t len)
{
    const char *stamp = memmem(text, len, "@@", 2);
    uint64_t sent, now;

    if (!stamp || (size_t)(text + len - stamp) < STAMP_DIGITS + 4)
        return;
    sent = strtoull(stamp + 2, NULL, 10);
    now = now_us();
    if (bench->frames == 0)
        bench->first_us = now;
    if (bench->frames == 0 || sent < bench->sent_us)
        bench->sent_us = sent;
    bench->last_us = now;
    bench->bytes += len;
    if (bench->frames < bench->expected)
        bench->delays_us[bench->frames] = now > sent ? (uint32_t)(now - sent) : 0;
    bench->frames++;
}

static void take_frame(struct bench *bench, struct listener *listener, const char *text, size_t len)
{
    if (listener->state == STATE_JOINING &&
        memmem(text, len, bench->subscribed, strlen(bench->subscribed)))
        become_ready(bench, listener);
    else
        count_frame(bench, text, len);
}

/* Whoever is silent is pinged, and has gone if he does not answer. The mask is 0: the bytes are the same. */
static void answer_ping(int fd, const char *text, size_t len)
{
    char pong[6 + 125] = {(char)0x8a, (char)(0x80 | len)};

    memcpy(pong + 6, text, len);
    if (write(fd, pong, 6 + len) < 0 && errno != EAGAIN)
        perror("pong");
}

/* How many bytes of the data were whole frames. */
static size_t take_frames(struct bench *bench, struct listener *listener, const char *data,
                          size_t len)
{
    size_t at = 0;

    for (;;) {
        const unsigned char *p = (const unsigned char *)data + at;
        size_t left = len - at, head = 2, body;

        if (left < 2)
            return at;
        body = p[1] & 0x7f;
        if (body == 126) {
            if (left < 4)
                return at;
            body = (size_t)p[2] << 8 | p[3];
            head = 4;
        } else if (body == 127) {
            if (left < 10)
                return at;
            body = (size_t)p[6] << 24 | (size_t)p[7] << 16 | (size_t)p[8] << 8 | p[9];
            head = 10;
        }
        if (left < head + body)
            return at;
        if (p[0] == 0x89 && body <= 125)
            answer_ping(listener->fd, (const char *)p + head, body);
        else
            take_frame(bench, listener, (const char *)p + head, body);
        at += head + body;
    }
}

static size_t take_handshake(struct bench *bench, struct listener *listener, const char *data,
                             size_t len)
{
    const char *end = memmem(data, len, "\r\n\r\n", 4);

    if (!end)
        return 0;
    if (strncmp(data, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "listeners: refused: %.*s\n", (int)(end - data), data);
        exit(1);
    }
    listener->state = STATE_JOINING;
    if (bench->hello_count > 0)
        send_text(listener->fd, bench->hellos[(listener - bench->listeners) % bench->hello_count]);
    if (!bench->subscribed)
        become_ready(bench, listener);
    return (size_t)(end - data) + 4;
}

static void keep_rest(struct listener *listener, const char *data, size_t len)
{
    char *rest = NULL;

    if (len > 0) {
        rest = malloc(len);
        if (!rest)
            die("memory");
        memcpy(rest, data, len);
    }
    free(listener->rest);
    listener->rest = rest;
    listener->rest_len = len;
}

static void hear(struct bench *bench, struct listener *listener)
{
    char *data = bench->data;
    size_t len = listener->rest_len, taken = 0;
    ssize_t n;

    if (len > READ_BYTES)
        die("a frame is too long");
    if (len > 0)
        memcpy(data, listener->rest, len);
    n = read(listener->fd, data + len, READ_BYTES);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close(listener->fd);
        listener->state = STATE_GONE;
        bench->gone++;
        return;
    }
    len += (size_t)n;
    if (listener->state == STATE_HANDSHAKE)
        taken = take_handshake(bench, listener, data, len);
    if (listener->state != STATE_HANDSHAKE)
        taken += take_frames(bench, listener, data + taken, len - taken);
    keep_rest(listener, data + taken, len - taken);
}

static void turn(struct bench *bench, int wait_ms)
{
    struct epoll_event events[512];
    int n = epoll_wait(bench->epoll, events, 512, wait_ms);

    for (int i = 0; i < n; i++)
        hear(bench, events[i].data.ptr);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report(struct bench *bench)
{
    uint64_t n = bench->frames < bench->expected ? bench->frames : bench->expected;

    if (n > 0)
        qsort(bench->delays_us, n, sizeof(*bench->delays_us), by_size);
    printf("{\"frames\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"seconds\":%.6f,\"first_ms\":%.3f,\"p50_ms\":%.3f,"
           "\"p99_ms\":%.3f,\"max_ms\":%.3f,\"gone\":%d}\n",
           bench->frames, bench->bytes,
           bench->frames ? (double)(bench->last_us - bench->sent_us) / 1e6 : 0.0,
           bench->frames ? (double)(bench->first_us - bench->sent_us) / 1e3 : 0.0,
           n ? bench->delays_us[n / 2] / 1e3 : 0.0, n ? bench->delays_us[n * 99 / 100] / 1e3 : 0.0,
           n ? bench->delays_us[n - 1] / 1e3 : 0.0, bench->gone);
    fflush(stdout);
}

static void expect(struct bench *bench, uint64_t frames, uint64_t ms)
{
    uint64_t deadline = now_us() + ms * 1000;

    bench->frames = bench->bytes = 0;
    bench->expected = frames;
    free(bench->delays_us);
    bench->delays_us = calloc(frames ? frames : 1, sizeof(*bench->delays_us));
    if (!bench->delays_us)
        die("memory");
    puts("{\"armed\":true}");
    fflush(stdout);
    while (bench->frames < frames && now_us() < deadline && bench->gone < bench->count)
        turn(bench, 100);
    report(bench);
}

/* Commands come seldom: between them the sockets are read too, and pings answered. */
static bool next_command(struct bench *bench, char *line, int size)
{
    struct pollfd poller = {0, POLLIN, 0};

    while (poll(&poller, 1, 0) == 0)
        turn(bench, 20);
    return fgets(line, size, stdin) != NULL;
}

static void read_hellos(struct bench *bench, const char *name)
{
    FILE *file = fopen(name, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    if (!file)
        die(name);
    while ((len = getline(&line, &size, file)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        bench->hellos = realloc(bench->hellos, sizeof(char *) * (size_t)(bench->hello_count + 1));
        if (!bench->hellos)
            die("memory");
        bench->hellos[bench->hello_count++] = line;
        line = NULL;
    }
    fclose(file);
}

static void connect_all(struct bench *bench)
{
    for (int i = 0; i < bench->count; i++) {
        connect_one(bench, i);
        if (i % 64 == 63)
            turn(bench, 5);
    }
}

int main(int argc, char **argv)
{
    struct rlimit files = {65536, 65536};
    struct bench bench = {0};
    char line[256];

    if (argc < 5) {
        fputs("usage: listeners HOST PORT PATH CLIENTS [HELLOS SUBSCRIBED]\n", stderr);
        return 2;
    }
    (void)setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdin, NULL, _IONBF, 0);
    bench.host = argv[1];
    bench.path = argv[3];
    bench.count = atoi(argv[4]);
    bench.subscribed = argc > 6 ? argv[6] : NULL;
    if (argc > 6)
        read_hellos(&bench, argv[5]);
    bench.address.sin_family = AF_INET;
    bench.address.sin_port = htons((uint16_t)atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &bench.address.sin_addr);
    bench.listeners = calloc((size_t)bench.count, sizeof(*bench.listeners));
    bench.epoll = epoll_create1(0);
    connect_all(&bench);
    while (next_command(&bench, line, sizeof(line))) {
        uint64_t frames, ms;

        if (strcmp(line, "ready\n") == 0) {
            while (bench.ready < bench.count && bench.gone == 0)
                turn(&bench, 100);
            printf("{\"ready\":%d,\"gone\":%d}\n", bench.ready, bench.gone);
            fflush(stdout);
        } else if (sscanf(line, "expect %" SCNu64 " %" SCNu64, &frames, &ms) == 2) {
            expect(&bench, frames, ms);
        }
    }
    return 0;
}
