/* The yardstick: as little as a line echo can do. One thread, epoll, one read and one write
 * per wake-up of a connection; it does look for the line endings.
 *
 *   epoll_echo PORT      0 lets the system choose; prints "ready PORT"
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 65536
#define EVENTS 256

struct connection {
    int fd;
    size_t held;                  /* bytes of `rest`: a line not yet whole, or not yet taken */
    size_t unsent;                /* so many of them are whole lines that wait for the peer */
    char *rest;
};

static char buffer[2 * CHUNK];

static void die(const char *what) {
    fprintf(stderr, "epoll_echo: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void forget(struct connection *c) {
    close(c->fd);
    free(c->rest);
    free(c);
}

static void keep(struct connection *c, const char *data, size_t held, size_t unsent) {
    if (held) {
        char *rest = malloc(held);
        if (!rest) die("malloc");
        memcpy(rest, data, held);
        free(c->rest);
        c->rest = rest;
    } else {
        free(c->rest);
        c->rest = NULL;
    }
    c->held = held;
    c->unsent = unsent;
}

static void await(int epoll, struct connection *c) {
    struct epoll_event event = {.events = c->unsent ? EPOLLOUT : EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void serve(int epoll, struct connection *c) {
    size_t held = c->held, whole = c->unsent, was_waiting = c->unsent;
    if (held) memcpy(buffer, c->rest, held);
    if (!was_waiting) {
        if (held > CHUNK) {                      /* a line past the bound */
            forget(c);
            return;
        }
        ssize_t got = recv(c->fd, buffer + held, CHUNK, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            forget(c);
            return;
        }
        held += (size_t)got;
        for (char *end; (end = memchr(buffer + whole, '\n', held - whole)) != NULL;)
            whole = (size_t)(end - buffer) + 1;
    }
    size_t out = 0;
    if (whole) {
        ssize_t sent = send(c->fd, buffer, whole, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            forget(c);
            return;
        }
        out = sent < 0 ? 0 : (size_t)sent;
    }
    if (c->held || held > out) keep(c, buffer + out, held - out, whole - out);
    if (was_waiting || c->unsent) await(epoll, c);
}

int main(int argc, char **argv) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, length) < 0) die("bind");
    if (listen(listener, 1024) < 0) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);

    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) {
                serve(epoll, events[i].data.ptr);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            struct connection *c = fd < 0 ? NULL : calloc(1, sizeof *c);
            if (!c) continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            c->fd = fd;
            event.events = EPOLLIN;
            event.data.ptr = c;
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
