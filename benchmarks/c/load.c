/* The load: lines out, the same lines back, over N connections of loopback TCP.
 *
 *   load PORT CONNECTIONS WINDOW SIZE WARM_MS MEASURE_MS FLOOD
 *
 * Each connection keeps WINDOW lines of SIZE bytes in flight: as many new lines leave, in one
 * write, as replies were read. Every byte that comes back is compared with what was sent.
 * FLOOD 1 adds a connection that sends empty lines as fast as they are taken and drops what
 * comes back; it is not counted.
 *
 * After WARM_MS it waits until nothing is in flight, prints "warm" and waits for a line on its
 * input; so whoever started it reads the server's CPU clock while the server rests. Then it
 * measures for MEASURE_MS, waits again until nothing is in flight, and prints one JSON line.
 * load_fallback.py speaks the same, for machines without a compiler.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536
#define STEPS 64                  /* buckets per power of two: a percentile is right to 1/64 */
#define STALL_NS 10000000000ULL   /* no reply for this long ends the run with an error */

struct connection {
    int fd;
    int in_flight;
    int oldest;                   /* index of the oldest unanswered line in sent_at */
    uint64_t received;
    uint64_t *sent_at;
};

static struct connection *connections;
static int count, window, size, epoll, flood_fd = -1;
static char *lines;               /* the same line again and again, CHUNK + size bytes of it */
static char incoming[CHUNK], empty_lines[CHUNK];
static uint64_t histogram[64 * STEPS], messages, in_flight, longest;
static int sending;

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static int bucket_of(uint64_t ns) {
    if (ns < STEPS) return (int)ns;
    int power = 63 - __builtin_clzll(ns);             /* at least 6 */
    return (power - 5) * STEPS + (int)((ns >> (power - 6)) & (STEPS - 1));
}

static double bucket_middle(int bucket) {
    if (bucket < STEPS) return bucket;
    int power = bucket / STEPS + 5;
    double width = (double)(1ULL << (power - 6));
    return (STEPS + bucket % STEPS + 0.5) * width;
}

static double percentile(double part) {
    uint64_t seen = 0, wanted = (uint64_t)(part * (double)messages);
    for (int bucket = 0; bucket < 64 * STEPS; bucket++) {
        seen += histogram[bucket];
        if (seen > wanted) {
            double middle = bucket_middle(bucket);
            return middle < (double)longest ? middle : (double)longest;
        }
    }
    return (double)longest;
}

static int dial(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("cannot connect to port %d: %s", port, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void watch(int fd, uint32_t events, int index) {
    struct epoll_event event = {.events = events, .data.u32 = (uint32_t)index};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl: %s", strerror(errno));
}

static void send_lines(struct connection *c, int n, uint64_t now) {
    for (int i = 0; i < n; i++)
        c->sent_at[(c->oldest + c->in_flight + i) % window] = now;
    c->in_flight += n;
    in_flight += (uint64_t)n;
    ssize_t sent = send(c->fd, lines, (size_t)n * (size_t)size, MSG_NOSIGNAL);
    if (sent < 0) fail("send: %s", strerror(errno));
    if (sent != (ssize_t)n * size) fail("only %zd bytes of %d lines were sent", sent, n);
}

static void take_replies(struct connection *c) {
    ssize_t got = recv(c->fd, incoming, CHUNK, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) fail("recv: %s", strerror(errno));
    if (got == 0) fail("the server closed a connection");
    if (memcmp(incoming, lines + c->received % (uint64_t)size, (size_t)got))
        fail("a reply is not the line that was sent");
    uint64_t now = now_ns(), before = c->received / (uint64_t)size;
    c->received += (uint64_t)got;
    int done = (int)(c->received / (uint64_t)size - before);
    if (done > c->in_flight) fail("more replies than lines sent");
    for (int i = 0; i < done; i++) {
        uint64_t took = now - c->sent_at[c->oldest];
        c->oldest = (c->oldest + 1) % window;
        histogram[bucket_of(took)]++;
        if (took > longest) longest = took;
    }
    c->in_flight -= done;
    in_flight -= (uint64_t)done;
    messages += (uint64_t)done;
    if (sending && done) send_lines(c, done, now);
}

static void flood(uint32_t events) {
    if (events & EPOLLIN && recv(flood_fd, incoming, CHUNK, MSG_DONTWAIT) == 0)
        fail("the server closed the flooding connection");
    if (events & EPOLLOUT) send(flood_fd, empty_lines, CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Send for `duration`, then wait for what is in flight. Returns the nanoseconds it all took. */
static uint64_t run(uint64_t duration) {
    uint64_t begin = now_ns(), now = begin, last = begin, seen = 0;
    struct epoll_event events[256];
    memset(histogram, 0, sizeof histogram);
    messages = longest = 0;
    sending = 1;
    for (int i = 0; i < count; i++) send_lines(&connections[i], window, now_ns());
    while (in_flight) {
        int n = epoll_wait(epoll, events, 256, 100);
        if (n < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < n; i++) {
            if ((int)events[i].data.u32 == count) flood(events[i].events);
            else take_replies(&connections[events[i].data.u32]);
        }
        now = now_ns();
        if (now - begin >= duration) sending = 0;
        if (messages != seen) last = now;
        seen = messages;
        if (now - last > STALL_NS) fail("no reply for %d s", (int)(STALL_NS / 1000000000ULL));
    }
    return now - begin;
}

static int number(const char *text, int least, int most) {
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || value < least || value > most) fail("%s is not in %d..%d", text, least, most);
    return (int)value;
}

int main(int argc, char **argv) {
    if (argc != 8) fail("PORT CONNECTIONS WINDOW SIZE WARM_MS MEASURE_MS FLOOD");
    int port = number(argv[1], 1, 65535);
    count = number(argv[2], 1, 100000);
    window = number(argv[3], 1, 1024);
    size = number(argv[4], 1, 60000);
    if (window * size > CHUNK) fail("%d lines of %d bytes are over %d", window, size, CHUNK);
    int warm = number(argv[5], 1, 600000), measure = number(argv[6], 1, 600000);

    lines = malloc(CHUNK + (size_t)size);
    connections = calloc((size_t)count, sizeof *connections);
    epoll = epoll_create1(0);
    if (!lines || !connections || epoll < 0) fail("out of memory or descriptors");
    for (int i = 0; i < CHUNK + size; i++)
        lines[i] = i % size == size - 1 ? '\n' : (char)('a' + i % size % 26);
    memset(empty_lines, '\n', CHUNK);

    for (int i = 0; i < count; i++) {
        connections[i].fd = dial(port);
        connections[i].sent_at = calloc((size_t)window, sizeof(uint64_t));
        if (!connections[i].sent_at) fail("out of memory");
        watch(connections[i].fd, EPOLLIN, i);
    }
    if (number(argv[7], 0, 1)) {
        flood_fd = dial(port);
        watch(flood_fd, EPOLLIN | EPOLLOUT, count);
    }

    run((uint64_t)warm * 1000000ULL);
    puts("warm");
    fflush(stdout);
    while (getchar() != '\n')
        if (feof(stdin)) return 1;
    double seconds = (double)run((uint64_t)measure * 1000000ULL) / 1e9;
    printf("{\"messages\": %llu, \"seconds\": %.6f, \"p50\": %.0f, \"p99\": %.0f, \"max\": %llu}\n",
           (unsigned long long)messages, seconds, percentile(0.50), percentile(0.99),
           (unsigned long long)longest);
    return 0;
}
