/*
 * The load generator: WebSocket clients that wait for broadcasts, in one thread.
 *
 * It opens N connections to 127.0.0.1, each asking for the next line of a file of request targets, and then sets the
 * pace: it writes one newline to the tick descriptor, which makes the publisher publish; waits until every client
 * holds the message, or gives up; and writes the next. So every server is measured at the rate that it sustains,
 * without a backlog. At the end it prints one JSON object; all times are from CLOCK_MONOTONIC, which every process of
 * the machine shares.
 *
 * A message tells when it was published: 19 digits of nanoseconds after "?t=", in its first HEAD bytes. Whatever stands
 * behind those is dropped within the kernel (MSG_TRUNC), so that the generator is not the bottleneck; its own CPU time
 * is in the report. Messages compressed without context are inflated as far as the time stamp; those compressed with
 * context must be inflated whole. Where a publisher cannot write the time into its message, -k names a field that every
 * broadcast changes: then the time of publishing is when the generator asked for it.
 *
 * Build: cc -O2 -o load load.c -lz
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "handshake.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum { HEAD = 1536, READ = 4096, REPLY = 2048, EVENTS = 512 };
typedef int64_t ns;

static const char *usage =
    "load -p PORT -f TARGETS -n CLIENTS -t TICK_FD [options]\n"
    "  -f FILE   request targets, one a line; client i takes line i modulo their number\n"
    "  -s N      spread the clients over N source addresses from 127.0.0.2 on (32)\n"
    "  -c N      handshakes under way at a time (100)\n"
    "  -1        the server sends a first message to who connects: wait for it\n"
    "  -z        offer permessage-deflate as browsers do\n"
    "  -S        the targets answer with server-sent events, each a chunk of its own\n"
    "  -x N      the first N clients never read, and have a small receive buffer\n"
    "  -P PIDS   server processes, comma-separated: CPU and memory, descendants included\n"
    "  -w MS     broadcasts before measuring: at least one, then until so much time has passed (300)\n"
    "  -d MS     measure for so long, at least one broadcast (1500)\n"
    "  -i MS     least time between two broadcasts (0)\n"
    "  -o MS     give up on a broadcast after (20000)\n"
    "  -e MS     rest before measuring memory (300), or until SIGUSR1\n"
    "  -O MS     give up connecting after (90000)\n"
    "  -k TEXT   a message belongs to a new broadcast when what follows TEXT, up to the next comma, has changed\n";

static int port, total, tick_fd = -1, sources = 32, at_once = 100, mutes;
static bool wants_first, offers_deflate, wants_events;
static double warm_ms = 300, measure_ms = 1500, pace_ms, patience_ms = 20000, rest_ms = 300, opening_ms = 90000;
static volatile sig_atomic_t rested;
static const char *pids = "", *changing;
static char **targets;
static int target_count;

/* --- clients -------------------------------------------------------------------------------------------------------- */

enum phase { CONNECTING, SHAKING, OPEN, MUTE, GONE };

struct client {
  int fd, number;
  enum phase phase;
  bool final, compressed, fresh; /* of the frame; of the message; whether messages are compressed without context */
  uint8_t opcode, frame_head[14];
  int frame_head_size, reply_size, head_size;
  uint64_t left; /* payload bytes of the frame still to come */
  bool in_frame;
  char *reply, answer[29];
  char head[HEAD]; /* the message's beginning, or a control frame's payload */
  z_stream *inflating;
  unsigned tick;   /* the last broadcast it holds */
  bool served;     /* has had a message */
  uint64_t value;  /* with -k: a hash of the field */
};

static struct client *clients;
static int poller, open_now, pending, refused, lost, served, mutes_gone;
static ns mute_gone_at;
static const char *first_trouble = "";
static char scratch[1 << 18];

/* --- what is measured ----------------------------------------------------------------------------------------------- */

static unsigned tick;
static ns ticked_at, tick_stamp, tick_last;
static int holding; /* clients that hold the broadcast under way */
static bool measuring;
static uint32_t *latencies; /* microseconds */
static size_t latency_count, latency_room;
static uint64_t payload_bytes, strays;

static ns now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void give_up_client(struct client *one, const char *why) {
  if (one->phase == CONNECTING || one->phase == SHAKING) refused++, pending--;
  else if (one->phase == MUTE) mutes_gone++, mute_gone_at = now();
  else if (one->phase == OPEN) lost++, open_now--, holding -= tick && one->tick == tick;
  if (!*first_trouble && one->phase != MUTE) first_trouble = strdup(why);
  close(one->fd);
  one->phase = GONE;
}

static void watch(struct client *one, uint32_t events, int how) {
  struct epoll_event event = {.events = events, .data.ptr = one};
  epoll_ctl(poller, how, one->fd, &event);
}

static ns stamp_in(const char *text, size_t size) {
  const char *mark = memmem(text, size, "?t=", 3);
  if (!mark || mark + 22 > text + size) return 0;
  ns value = 0;
  for (int i = 3; i < 22; i++) {
    if (!isdigit((unsigned char)mark[i])) return 0;
    value = value * 10 + (mark[i] - '0');
  }
  return value;
}

/* When the message was published; 0 for one that belongs to no broadcast. */
static ns published(struct client *one) {
  if (!changing) return stamp_in(one->head, (size_t)one->head_size);
  const char *end = one->head + one->head_size, *at = memmem(one->head, (size_t)one->head_size, changing, strlen(changing));
  if (!at) return 0;
  uint64_t value = 14695981039346656037u; /* FNV-1a */
  for (at += strlen(changing); at < end && *at != ','; at++) value = (value ^ (uint8_t)*at) * 1099511628211u;
  bool known = value == one->value;
  one->value = value;
  return known ? 0 : ticked_at;
}

static void remember(ns latency) {
  if (latency_count == latency_room) latencies = realloc(latencies, (latency_room = 2 * latency_room + 65536) * 4);
  latencies[latency_count++] = (uint32_t)(latency / 1000);
}

static void message_ended(struct client *one) {
  ns stamp = published(one), at = now();
  if (!one->served) one->served = true, served++;
  if (!stamp || stamp < ticked_at || one->tick == tick || !tick) { strays += measuring; return; }
  one->tick = tick;
  holding++;
  tick_stamp = stamp, tick_last = at;
  if (measuring) remember(at - stamp);
}

/* --- frames --------------------------------------------------------------------------------------------------------- */

static void send_control(struct client *one, uint8_t opcode, const char *payload, int size) {
  uint8_t frame[6 + 125] = {(uint8_t)(0x80 | opcode), (uint8_t)(0x80 | size)}; /* the mask is four zeros */
  memcpy(frame + 6, payload, (size_t)size);
  if (send(one->fd, frame, 6 + (size_t)size, MSG_NOSIGNAL) < 0 && errno != EAGAIN) give_up_client(one, strerror(errno));
}

static void keep(struct client *one, const char *bytes, size_t size) {
  size_t room = HEAD - (size_t)one->head_size, part = size < room ? size : room;
  memcpy(one->head + one->head_size, bytes, part);
  one->head_size += (int)part;
}

static void inflate_into_head(struct client *one, const char *bytes, size_t size) {
  if (one->fresh && one->head_size == HEAD) return;
  z_stream *stream = one->inflating;
  stream->next_in = (Bytef *)bytes, stream->avail_in = (uInt)size;
  do {
    static char plain[1 << 16];
    stream->next_out = (Bytef *)plain;
    stream->avail_out = one->fresh ? HEAD : sizeof plain;
    uInt room = stream->avail_out;
    int said = inflate(stream, Z_SYNC_FLUSH);
    if (said != Z_OK && said != Z_BUF_ERROR) { give_up_client(one, "does not inflate"); return; }
    keep(one, plain, room - stream->avail_out);
    if (one->fresh && one->head_size == HEAD) return;
  } while (stream->avail_out == 0);
}

static void frame_ended(struct client *one) {
  one->in_frame = false;
  one->frame_head_size = 0;
  if (one->opcode == 8) give_up_client(one, "closed by the server");
  else if (one->opcode == 9) send_control(one, 10, one->head, one->head_size), one->head_size = 0;
  else if (one->opcode < 8 && one->final) {
    if (one->compressed) {
      inflate_into_head(one, "\0\0\377\377", 4);
      if (one->fresh) inflateReset(one->inflating);
    }
    if (one->phase == OPEN) message_ended(one);
    one->head_size = 0;
  }
}

static void payload_came(struct client *one, const char *bytes, size_t size) {
  one->left -= size;
  if (measuring && one->opcode < 8) payload_bytes += size;
  if (!bytes) return;
  if (one->compressed && one->opcode < 8) inflate_into_head(one, bytes, size);
  else keep(one, bytes, size);
}

/* One more byte of a chunk's head (RFC 9112, section 7.1); true when it is whole. The chunk ends with two bytes more. */
static bool chunk_head_came(struct client *one, uint8_t byte) {
  if (byte != '\n') {
    if (one->frame_head_size < 13) one->frame_head[one->frame_head_size++] = byte;
    return false;
  }
  one->frame_head[one->frame_head_size] = 0;
  one->left = strtoull((char *)one->frame_head, NULL, 16) + 2;
  one->final = true, one->opcode = 1, one->head_size = 0;
  if (one->left == 2) give_up_client(one, "ended by the server");
  return one->in_frame = true;
}

/* One more byte of a frame's head; true when it is whole. */
static bool head_came(struct client *one, uint8_t byte) {
  if (wants_events) return chunk_head_came(one, byte);
  uint8_t *head = one->frame_head;
  head[one->frame_head_size++] = byte;
  if (one->frame_head_size < 2) return false;
  int length = head[1] & 127, extra = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (one->frame_head_size < 2 + extra) return false;
  one->left = extra ? 0 : (uint64_t)length;
  for (int i = 0; i < extra; i++) one->left = one->left << 8 | head[2 + i];
  one->final = head[0] >> 7;
  one->opcode = head[0] & 15;
  if (one->opcode == 1 || one->opcode == 2) one->compressed = head[0] >> 6 & 1, one->head_size = 0;
  if (one->compressed && !one->inflating) give_up_client(one, "compressed without being asked");
  if (head[1] & 128) give_up_client(one, "the server masked a frame");
  if (one->opcode >= 8 && one->left > 125) give_up_client(one, "the control frame is too long");
  return one->in_frame = true;
}

static void bytes_came(struct client *one, const char *bytes, size_t size) {
  while (one->phase == OPEN && size) {
    if (!one->in_frame) {
      bool whole = head_came(one, (uint8_t)*bytes);
      bytes++, size--;
      if (whole && !one->left && one->phase == OPEN) frame_ended(one);
      continue;
    }
    size_t part = one->left < size ? (size_t)one->left : size;
    payload_came(one, bytes, part);
    bytes += part, size -= part;
    if (one->phase == OPEN && !one->left) frame_ended(one);
  }
}

/* --- the handshake -------------------------------------------------------------------------------------------------- */

static void begin(struct client *one) {
  struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  from.sin_addr.s_addr = htonl(0x7F000002u + (unsigned)(one->number % sources));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int yes = 1, small = 4096;
  one->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  setsockopt(one->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
  if (one->number < mutes) setsockopt(one->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  if (bind(one->fd, (void *)&from, sizeof from)) { fprintf(stderr, "load: a source address cannot be bound\n"); exit(1); }
  one->phase = CONNECTING;
  pending++;
  watch(one, EPOLLOUT, EPOLL_CTL_ADD);
  if (connect(one->fd, (void *)&to, sizeof to) && errno != EINPROGRESS) give_up_client(one, strerror(errno));
}

static void ask(struct client *one) {
  static char request[65536];
  uint8_t random_bytes[16];
  char key[25];
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(one->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) { give_up_client(one, strerror(error)); return; }
  for (int i = 0; i < 16; i++) random_bytes[i] = (uint8_t)random();
  to_base64(random_bytes, 16, key);
  answer_to_key(key, one->answer);
  int length = wants_events
    ? snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: text/event-stream\r\n\r\n",
               targets[one->number % target_count], port)
    : snprintf(request, sizeof request,
      "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
      targets[one->number % target_count], port, key,
      offers_deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" : "");
  if (send(one->fd, request, (size_t)length, MSG_NOSIGNAL) != length) { give_up_client(one, "the request was not taken"); return; }
  one->phase = SHAKING;
  one->reply = malloc(REPLY + 1);
  watch(one, EPOLLIN, EPOLL_CTL_MOD);
}

static void negotiated(struct client *one, const char *line) {
  char *end = strstr(line + 2, "\r\n");
  if (end) *end = 0;
  if (strcasestr(line, "permessage-deflate")) {
    one->inflating = calloc(1, sizeof *one->inflating);
    inflateInit2(one->inflating, -15);
    one->fresh = strcasestr(line, "server_no_context_takeover") != NULL;
  }
  if (end) *end = '\r';
}

static void shaken(struct client *one) {
  pending--;
  if (one->number < mutes) {
    one->phase = MUTE;
    watch(one, EPOLLRDHUP, EPOLL_CTL_MOD);
    return;
  }
  one->phase = OPEN;
  open_now++;
}

static void reply_came(struct client *one, const char *bytes, size_t size) {
  size_t room = (size_t)(REPLY - one->reply_size), part = size < room ? size : room;
  memcpy(one->reply + one->reply_size, bytes, part);
  one->reply_size += (int)part;
  one->reply[one->reply_size] = 0;
  char *end = memmem(one->reply, (size_t)one->reply_size, "\r\n\r\n", 4);
  if (!end) { if (!(room - part)) give_up_client(one, "the handshake does not end"); return; }
  size_t head = (size_t)(end + 4 - one->reply), over = (size_t)one->reply_size - head;
  *end = 0;
  char *answer = strcasestr(one->reply, "\r\nsec-websocket-accept:");
  char *extensions = strcasestr(one->reply, "\r\nsec-websocket-extensions:");
  if (strncmp(one->reply, wants_events ? "HTTP/1.1 200" : "HTTP/1.1 101", 12)) { give_up_client(one, one->reply); return; }
  if (!wants_events && (!answer || strncmp(answer + 23 + strspn(answer + 23, " "), one->answer, 28))) {
    give_up_client(one, "the answer does not fit the key");
    return;
  }
  if (extensions) negotiated(one, extensions);
  shaken(one);
  free(one->reply);
  one->reply = NULL;
  /* What did not fit the reply's buffer, and what stands in it after the head, is one run at the end of `bytes`. */
  over += size - part;
  bytes_came(one, bytes + size - over, over);
}

/* --- the loop ------------------------------------------------------------------------------------------------------- */

static void readable(struct client *one) {
  bool skip = one->phase == OPEN && one->in_frame && one->opcode < 8 && one->head_size == HEAD &&
              (!one->compressed || one->fresh);
  bool whole = one->inflating && !one->fresh;
  size_t wanted = skip ? (one->left < (1 << 30) ? (size_t)one->left : 1 << 30) : whole ? sizeof scratch : READ;
  ssize_t got = recv(one->fd, scratch, wanted, skip ? MSG_TRUNC : 0);
  if (got == 0) { give_up_client(one, "ended by the server"); return; }
  if (got < 0) { if (errno != EAGAIN && errno != EINTR) give_up_client(one, strerror(errno)); return; }
  if (one->phase == SHAKING) reply_came(one, scratch, (size_t)got);
  else if (skip) {
    payload_came(one, NULL, (size_t)got);
    if (!one->left) frame_ended(one);
  } else {
    bytes_came(one, scratch, (size_t)got);
    if (one->phase == OPEN && one->in_frame && one->head_size == HEAD && got == (ssize_t)wanted) readable(one);
  }
}

static void turn(int wait_ms) {
  struct epoll_event events[EVENTS];
  int count = epoll_wait(poller, events, EVENTS, wait_ms);
  for (int i = 0; i < count; i++) {
    struct client *one = events[i].data.ptr;
    if (one->phase == CONNECTING) ask(one);
    else if (one->phase == MUTE) give_up_client(one, "");
    else if (one->phase != GONE) readable(one);
  }
}

static void rest(double ms) {
  for (ns end = now() + (ns)(ms * 1e6), left; !rested && (left = end - now()) > 0;) turn((int)(left / 1000000) + 1);
}

/* One broadcast; false when somebody did not get it in time. */
static bool broadcast(void) {
  tick++, holding = 0, ticked_at = now();
  if (write(tick_fd, "\n", 1) != 1) { fprintf(stderr, "load: the publisher has ended\n"); exit(1); }
  ns end = ticked_at + (ns)(patience_ms * 1e6);
  while (holding < open_now && now() < end) turn(50);
  if (ticked_at + (ns)(pace_ms * 1e6) > now()) rest((double)(ticked_at - now()) / 1e6 + pace_ms);
  return holding >= open_now && open_now > 0;
}

/* --- the server's processes ----------------------------------------------------------------------------------------- */

struct process { int pid, parent; double seconds; long kilobytes; bool ours; };

static int read_processes(struct process *all, int room) {
  int count = 0;
  DIR *folder = opendir("/proc");
  for (struct dirent *entry; folder && (entry = readdir(folder)) && count < room;) {
    char path[300], text[1024];
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
    FILE *file = fopen(path, "r");
    if (!file) continue;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    char *after_name = strrchr(text, ')');
    unsigned long user, system;
    long pages;
    struct process *one = &all[count];
    if (!after_name || sscanf(after_name + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %ld",
                              &one->parent, &user, &system, &pages) != 4) continue;
    one->pid = atoi(entry->d_name);
    one->seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    one->kilobytes = pages * (sysconf(_SC_PAGESIZE) / 1024);
    one->ours = false;
    count++;
  }
  if (folder) closedir(folder);
  return count;
}

/* CPU seconds and resident kilobytes of the server's processes and their descendants. */
static void account(double *seconds, long *kilobytes) {
  static struct process all[8192];
  int count = read_processes(all, 8192);
  for (char *at = (char *)pids; *at; at += *at == ',') {
    int pid = (int)strtol(at, &at, 10);
    for (int i = 0; i < count; i++) all[i].ours |= all[i].pid == pid;
    if (*at && *at != ',') break;
  }
  for (bool found = true; found;) {
    found = false;
    for (int i = 0; i < count; i++)
      for (int j = 0; j < count && !all[i].ours; j++)
        if (all[j].ours && all[j].pid == all[i].parent) all[i].ours = found = true;
  }
  *seconds = 0, *kilobytes = 0;
  for (int i = 0; i < count; i++)
    if (all[i].ours) *seconds += all[i].seconds, *kilobytes += all[i].kilobytes;
}

static double own_seconds(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* --- the run -------------------------------------------------------------------------------------------------------- */

static void read_targets(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) { perror(path); exit(1); }
  char *line = NULL;
  size_t room = 0;
  for (ssize_t size; (size = getline(&line, &room, file)) > 0;) {
    if (line[size - 1] == '\n') line[size - 1] = 0;
    targets = realloc(targets, sizeof *targets * (size_t)(target_count + 1));
    targets[target_count++] = strdup(line);
  }
  free(line);
  fclose(file);
  if (!target_count) { fprintf(stderr, "load: %s is empty\n", path); exit(1); }
}

static void read_options(int count, char **words) {
  for (int option; (option = getopt(count, words, "p:f:n:t:s:c:1zSx:P:w:d:i:o:e:O:k:")) != -1;) switch (option) {
    case 'p': port = atoi(optarg); break;
    case 'f': read_targets(optarg); break;
    case 'n': total = atoi(optarg); break;
    case 't': tick_fd = atoi(optarg); break;
    case 's': sources = atoi(optarg); break;
    case 'c': at_once = atoi(optarg); break;
    case '1': wants_first = true; break;
    case 'z': offers_deflate = true; break;
    case 'S': wants_events = true; break;
    case 'x': mutes = atoi(optarg); break;
    case 'P': pids = optarg; break;
    case 'w': warm_ms = atof(optarg); break;
    case 'd': measure_ms = atof(optarg); break;
    case 'i': pace_ms = atof(optarg); break;
    case 'o': patience_ms = atof(optarg); break;
    case 'e': rest_ms = atof(optarg); break;
    case 'O': opening_ms = atof(optarg); break;
    case 'k': changing = optarg; break;
    default: fputs(usage, stderr); exit(2);
  }
  if (!port || !target_count || total < 1 || tick_fd < 0 || sources < 1) { fputs(usage, stderr); exit(2); }
}

static int by_size(const void *one, const void *other) {
  uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
  return (a > b) - (a < b);
}

static double quantile_ms(uint32_t *sorted, size_t count, double share) {
  if (!count) return -1;
  size_t index = (size_t)((double)count * share);
  return sorted[index < count ? index : count - 1] / 1e3;
}

static void end_rest(int number) { (void)number; rested = 1; }

int main(int count, char **words) {
  read_options(count, words);
  signal(SIGUSR1, end_rest);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  srandom((unsigned)now());
  poller = epoll_create1(EPOLL_CLOEXEC);
  clients = calloc((size_t)total, sizeof *clients);

  double cpu_before, cpu_after;
  long empty_kb, idle_kb, busy_kb;
  account(&cpu_before, &empty_kb);
  ns began = now(), limit = began + (ns)(opening_ms * 1e6);
  for (int next = 0; (next < total || pending) && now() < limit;) {
    for (; next < total && pending < at_once; next++) clients[next].number = next, begin(&clients[next]);
    turn(50);
  }
  double connect_s = (double)(now() - began) / 1e9;
  while (wants_first && served < open_now && now() < limit) turn(50);
  double first_s = wants_first ? (double)(now() - began) / 1e9 : -1;
  rest(rest_ms);
  rested = 0;
  account(&cpu_before, &idle_kb);

  int timeouts = 0, ticks = 0;
  static uint32_t lasts[1 << 20];
  for (ns end = now() + (ns)(warm_ms * 1e6); open_now && !timeouts; ) {
    timeouts += !broadcast();
    if (now() >= end) break;
  }
  account(&cpu_before, &busy_kb);
  double own_before = own_seconds();
  ns from = now(), until = from + (ns)(measure_ms * 1e6);
  measuring = true;
  while (open_now && timeouts < 2 && ticks < 1 << 20) {
    if (broadcast()) lasts[ticks++] = (uint32_t)((tick_last - tick_stamp) / 1000);
    else timeouts++;
    if (now() >= until) break;
  }
  measuring = false;
  double seconds = (double)(now() - from) / 1e9, own = own_seconds() - own_before;
  account(&cpu_after, &busy_kb);
  qsort(latencies, latency_count, sizeof *latencies, by_size);
  qsort(lasts, (size_t)ticks, sizeof *lasts, by_size);
  double used = cpu_after - cpu_before, each = latency_count ? 1e6 / (double)latency_count : 0;
  printf("{\"clients\":%d,\"refused\":%d,\"lost\":%d,\"timeouts\":%d,\"trouble\":\"%.80s\",\"connect_s\":%.4f,\"first_s\":%.4f,"
         "\"seconds\":%.4f,\"broadcasts\":%d,\"deliveries\":%zu,\"strays\":%llu,\"frame_bytes\":%.1f,\"cpu_s\":%.3f,\"cpu_us\":%.4f,"
         "\"own_us\":%.4f,\"own_share\":%.4f,\"server_share\":%.4f,\"per_second\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"last_ms\":%.3f,"
         "\"worst_ms\":%.3f,\"empty_kb\":%ld,\"idle_kb\":%ld,\"busy_kb\":%ld,\"mutes_gone\":%d,\"mutes_gone_s\":%.3f}\n",
         open_now, refused, lost, timeouts, *first_trouble && !strpbrk(first_trouble, "\"\\\r\n") ? first_trouble : *first_trouble ? "refused" : "",
         connect_s, first_s, seconds, ticks, latency_count, (unsigned long long)strays,
         latency_count ? (double)payload_bytes / (double)latency_count : 0, used, used * each, own * each, own / seconds,
         used / seconds, (double)latency_count / seconds, quantile_ms(latencies, latency_count, .5),
         quantile_ms(latencies, latency_count, .99), quantile_ms(lasts, (size_t)ticks, .5),
         quantile_ms(lasts, (size_t)ticks, 1), empty_kb, idle_kb, busy_kb, mutes_gone,
         mutes_gone ? (double)(mute_gone_at - from) / 1e9 : -1);
  return 0;
}
