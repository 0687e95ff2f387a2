/*
 * The floor: what one core must spend to put one finished WebSocket frame into every client's socket.
 *
 * It accepts, answers handshakes, ignores what clients send, and for each byte on its standard input writes the time
 * into the frame and send()s it to every client. Nothing is parsed, looked up or encoded for a client.
 *
 * floor PORT PAYLOAD_FILE        Build: cc -O2 -o floor floor.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "handshake.h"

enum { CLIENTS = 65536, EVENTS = 512, REQUEST = 16384 };

struct client {
  int fd;
  char *request; /* until it has been answered */
  size_t size, sent;
  bool open, waiting;
};

static struct client *clients[CLIENTS];
static int count, poller;
static char *frame, *stamp;
static size_t frame_size;

static void watch(struct client *one, uint32_t events, int how) {
  struct epoll_event event = {.events = events, .data.ptr = one};
  epoll_ctl(poller, how, one->fd, &event);
}

static void end(struct client *one) {
  close(one->fd);
  one->open = false;
  one->fd = -1;
}

static void push(struct client *one) {
  while (one->sent < frame_size) {
    ssize_t taken = send(one->fd, frame + one->sent, frame_size - one->sent, MSG_NOSIGNAL);
    if (taken < 0 && errno == EAGAIN) {
      if (!one->waiting) one->waiting = true, watch(one, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
      return;
    }
    if (taken < 0) { end(one); return; }
    one->sent += (size_t)taken;
  }
  if (one->waiting) one->waiting = false, watch(one, EPOLLIN, EPOLL_CTL_MOD);
}

static void broadcast(void) {
  struct timespec time;
  char digits[20];
  clock_gettime(CLOCK_MONOTONIC, &time);
  snprintf(digits, sizeof digits, "%019lld", time.tv_sec * 1000000000LL + time.tv_nsec);
  memcpy(stamp, digits, 19);
  for (int i = 0; i < count; i++)
    if (clients[i]->open) clients[i]->sent = 0, push(clients[i]);
}

static void answer(struct client *one) {
  char *key = strcasestr(one->request, "sec-websocket-key:"), accept[29], reply[200];
  if (!key) { end(one); return; }
  key += 18 + strspn(key + 18, " ");
  answer_to_key(key, accept);
  int size = snprintf(reply, sizeof reply, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                           "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
  if (send(one->fd, reply, (size_t)size, MSG_NOSIGNAL) != size || count == CLIENTS) { end(one); return; }
  free(one->request);
  one->request = NULL;
  one->open = true, one->sent = frame_size;
  clients[count++] = one;
}

static void readable(struct client *one) {
  static char junk[65536];
  char *into = one->open ? junk : one->request + one->size;
  ssize_t got = recv(one->fd, into, one->open ? sizeof junk : REQUEST - 1 - one->size, 0);
  if (got <= 0) { if (got == 0 || errno != EAGAIN) end(one); return; }
  if (one->open) return;
  one->size += (size_t)got;
  one->request[one->size] = 0;
  if (strstr(one->request, "\r\n\r\n")) answer(one);
}

static void welcome(int listener) {
  int yes = 1;
  for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
    struct client *one = calloc(1, sizeof *one);
    one->fd = fd;
    one->request = malloc(REQUEST);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    watch(one, EPOLLIN, EPOLL_CTL_ADD);
  }
}

static void read_frame(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) { perror(path); exit(1); }
  fseek(file, 0, SEEK_END);
  size_t size = (size_t)ftell(file), head = size < 126 ? 2 : size < 65536 ? 4 : 10;
  rewind(file);
  frame = malloc(frame_size = head + size);
  frame[0] = (char)0x81;
  frame[1] = (char)(head == 2 ? size : head == 4 ? 126 : 127);
  for (size_t i = 2; i < head; i++) frame[i] = (char)(size >> 8 * (head - 1 - i));
  if (fread(frame + head, 1, size, file) != size) exit(1);
  fclose(file);
  char *mark = memmem(frame, frame_size, "?t=", 3);
  if (!mark) { fprintf(stderr, "floor: %s has no time stamp\n", path); exit(1); }
  stamp = mark + 3;
}

int main(int words, char **word) {
  if (words != 3) return 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  read_frame(word[2]);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(word[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) { perror("floor"); return 1; }
  poller = epoll_create1(0);
  struct client door = {.fd = listener}, ticks = {.fd = 0};
  watch(&door, EPOLLIN, EPOLL_CTL_ADD);
  watch(&ticks, EPOLLIN, EPOLL_CTL_ADD);
  for (;;) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < ready; i++) {
      struct client *one = events[i].data.ptr;
      char byte;
      if (one == &door) welcome(listener);
      else if (one == &ticks) { if (read(0, &byte, 1) != 1) return 0; broadcast(); }
      else {
        if (one->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(one);
        if (one->open && one->waiting && events[i].events & EPOLLOUT) push(one);
      }
    }
  }
}
