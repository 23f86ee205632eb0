/* The ceiling of fan-out: a server that does nothing but send() ready frames to each of its
 * clients, in a loop. No queue, no parsing, no reading. Tells its port, then takes commands on
 * stdin:
 *
 *   send MESSAGES BATCH    that many messages to every client, BATCH of them in one send()
 *
 * and answers each with a line. A message is FRAME_BYTES, with the time at which its batch was
 * made, as tests/bench/listeners.c looks for it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES 500
#define HEAD_BYTES 4 /* RFC 6455, 5.2: a length of 16 bits */
#define MAX_CLIENTS 20000
#define MAX_BATCH 64

struct sender {
    int listener;
    int clients[MAX_CLIENTS];
    size_t count;
    char batch[MAX_BATCH * (HEAD_BYTES + FRAME_BYTES)];
};

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "sender: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n < 0)
            die("send");
        data += n;
        len -= (size_t)n;
    }
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        die("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

/* A client's request fits into one packet, and whatever it says is welcome. */
static void take_client(struct sender *sender)
{
    static const char welcome[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\n\r\n";
    char request[16384];
    int fd = accept(sender->listener, NULL, NULL), one = 1;

    if (fd < 0 || sender->count == MAX_CLIENTS || read(fd, request, sizeof(request)) <= 0)
        die("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    send_all(fd, welcome, sizeof(welcome) - 1);
    sender->clients[sender->count++] = fd;
}

/* Returns its length. */
static size_t make_batch(struct sender *sender, size_t messages)
{
    struct timespec ts;
    char *at = sender->batch;

    clock_gettime(CLOCK_REALTIME, &ts);
    for (size_t i = 0; i < messages; i++, at += HEAD_BYTES + FRAME_BYTES) {
        int n;

        memset(at, 'x', HEAD_BYTES + FRAME_BYTES);
        memcpy(at, (unsigned char[]){0x81, 126, FRAME_BYTES >> 8, FRAME_BYTES & 255}, HEAD_BYTES);
        n = snprintf(at + HEAD_BYTES, FRAME_BYTES, "@@%lld@@",
                     (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
        at[HEAD_BYTES + n] = 'x';
    }
    return messages * (HEAD_BYTES + FRAME_BYTES);
}

static void send_messages(struct sender *sender, size_t messages, size_t batch)
{
    while (messages > 0) {
        size_t now = messages < batch ? messages : batch;
        size_t len = make_batch(sender, now);

        for (size_t i = 0; i < sender->count; i++)
            send_all(sender->clients[i], sender->batch, len);
        messages -= now;
    }
    puts("done");
    fflush(stdout);
}

int main(void)
{
    static struct sender sender;
    struct rlimit files = {65536, 65536};
    char line[128];

    (void)setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdin, NULL, _IONBF, 0);
    sender.listener = listen_anywhere();
    for (;;) {
        struct pollfd pollers[2] = {{0, POLLIN, 0}, {sender.listener, POLLIN, 0}};
        size_t messages, batch;

        if (poll(pollers, 2, -1) < 0)
            die("poll");
        if (pollers[1].revents)
            take_client(&sender);
        if (!pollers[0].revents)
            continue;
        if (!fgets(line, sizeof(line), stdin))
            return 0;
        if (sscanf(line, "send %zu %zu", &messages, &batch) != 2 || batch < 1 || batch > MAX_BATCH)
            die("command");
        send_messages(&sender, messages, batch);
    }
}
