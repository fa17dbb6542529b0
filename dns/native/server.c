/* A thread that reads one socket, answers what is known, and passes the rest up. */
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 64, /* packets of one system call */
    /* Of buffers; not a power of two, as their beginnings would share few lines of the cache. */
    STRIDE = MOST_PACKET + 320,
    CONTROL = CMSG_SPACE(sizeof(struct in6_pktinfo)),
    BUSY = 4,    /* packets at once that show that more are to come soon */
    NAP = 50000, /* nanoseconds; the kernel's slack may double them */
    NICE = 10,   /* before all else that the process does */
};

/* Nanoseconds, the upper ends of a histogram's buckets; Python has the same. */
static const uint64_t bounds[BOUNDS] = {
    5000,    10000,   20000,   50000,    100000,   200000,   500000,    1000000,
    2000000, 5000000, 10000000, 20000000, 50000000, 100000000, 1000000000};

struct server {
    struct reader reader;
    pthread_t thread;
    pid_t process;        /* that has the thread: a child of fork(2) has none */
    int socket, up, wake; /* of our own, so that no one else closes them under the thread */
    atomic_bool stopping;
    struct mmsghdr in[BATCH], out[BATCH];
    struct iovec in_parts[BATCH], out_parts[BATCH];
    struct sockaddr_in6 clients[BATCH];
    _Alignas(struct cmsghdr) uint8_t controls[BATCH][CONTROL];
    struct question questions[BATCH];
    uint8_t queries[BATCH][STRIDE], answers[BATCH][STRIDE];
};

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}

/* Limits: of a client that has one, so many answers are sent here, and Python decides on the rest. */

static void address_of(const struct sockaddr_in6 *client, uint8_t address[16])
{
    if (client->sin6_family == AF_INET6) {
        memcpy(address, &client->sin6_addr, 16);
        return;
    }
    memcpy(address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
    memcpy(address + 12, &((const struct sockaddr_in *)client)->sin_addr, 4);
}

static bool is_mapped(const uint8_t address[16])
{
    return !memcmp(address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
}

static bool is_in(const uint8_t address[16], const struct network *network)
{
    uint8_t whole = network->bits / 8, rest = network->bits % 8;
    /* No IPv4 address is in a network of IPv6. */
    if (is_mapped(address) != (is_mapped(network->address) && network->bits >= 96))
        return false;
    return !memcmp(address, network->address, whole) &&
           (!rest || !((address[whole] ^ network->address[whole]) >> (8 - rest)));
}

static bool is_exempt(const struct table *table, const uint8_t address[16])
{
    for (size_t at = 0; at < table->exempt_count; at++)
        if (is_in(address, &table->exempt[at]))
            return true;
    return false;
}

/* Take one answer from what a client's network may have: the bucket of dns/limit.py (GCRA). */
static bool may_answer(struct table *table, const struct sockaddr_in6 *client, uint64_t time)
{
    uint8_t address[16];
    if (!table->interval)
        return true;
    address_of(client, address);
    if (is_exempt(table, address))
        return true;
    size_t network = is_mapped(address) ? 15 : 7; /* octets: /24 of IPv4, /56 of IPv6 */
    _Atomic uint64_t *until = &table->until[table_hash(table, OF_NETWORKS, address, network) % BUCKETS];
    uint64_t found = atomic_load(until), begin;
    do {
        begin = found > time ? found : time;
        if (begin - time + table->interval > NANOSECONDS)
            return false;
    } while (!atomic_compare_exchange_weak(until, &found, begin + table->interval));
    return true;
}

/* Have the answer leave from where its question came to, by what route it may. */
static void turn_back(struct msghdr *message)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    if (control && control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info, back = {0};
        memcpy(&info, CMSG_DATA(control), sizeof info);
        back.ipi_spec_dst = info.ipi_spec_dst;
        memcpy(CMSG_DATA(control), &back, sizeof back);
    } else if (control && control->cmsg_level == IPPROTO_IPV6 &&
               control->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;
        memcpy(&info, CMSG_DATA(control), sizeof info);
        if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
            info.ipi6_ifindex = 0;
        memcpy(CMSG_DATA(control), &info, sizeof info);
    } else {
        message->msg_controllen = 0;
    }
}

/* Pass a packet up: the sizes of address and control, both of them, and the packet. */
static bool pass(struct server *server, const struct mmsghdr *packet)
{
    const struct msghdr *head = &packet->msg_hdr;
    uint8_t sizes[2] = {(uint8_t)head->msg_namelen, (uint8_t)head->msg_controllen};
    struct iovec parts[] = {
        {sizes, sizeof sizes},
        {head->msg_name, head->msg_namelen},
        {head->msg_control, head->msg_controllen},
        {head->msg_iov->iov_base, packet->msg_len},
    };
    struct msghdr whole = {.msg_iov = parts, .msg_iovlen = 4};
    return sendmsg(server->up, &whole, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void send_all(struct server *server, unsigned int count)
{
    for (unsigned int sent = 0; sent < count;) {
        int more = sendmmsg(server->socket, server->out + sent, count - sent, MSG_DONTWAIT);
        /* What can't be sent is lost, as its client may be. */
        sent += more > 0 ? (unsigned int)more : 1;
    }
}

/* Answer a batch into `out`; return how many there are, and tell which have to be passed up. */
static unsigned int answer_all(struct server *server, unsigned int received, uint64_t time,
                               bool passed[BATCH])
{
    struct question *questions = server->questions;
    struct table *table = enter(&server->reader);
    /* In three rounds, so that the memory of many is on its way at once. */
    for (unsigned int at = 0; at < received; at++) {
        passed[at] = !question_read(&questions[at], table, server->queries[at],
                                    server->in[at].msg_len);
        if (!passed[at])
            table_fetch_slot(table, questions[at].hash);
    }
    for (unsigned int at = 0; at < received; at++)
        if (!passed[at])
            table_fetch_entry(table, questions[at].hash);
    unsigned int ready = 0;
    for (unsigned int at = 0; at < received; at++) {
        size_t size = 0;
        if (!passed[at] && may_answer(table, &server->clients[at], time))
            size = question_answer(&questions[at], table, &server->reader.counts,
                                   server->answers[ready]);
        passed[at] = !size;
        if (!size)
            continue;
        struct msghdr *in = &server->in[at].msg_hdr, *out = &server->out[ready].msg_hdr;
        server->out_parts[ready].iov_len = size;
        out->msg_name = in->msg_name;
        out->msg_namelen = in->msg_namelen;
        out->msg_control = in->msg_control;
        out->msg_controllen = in->msg_controllen;
        turn_back(out);
        ready++;
    }
    leave(&server->reader);
    return ready;
}

static void serve(struct server *server, unsigned int received)
{
    struct counts *counts = &server->reader.counts;
    bool passed[BATCH];
    uint64_t began = now();
    unsigned int ready = answer_all(server, received, began, passed);
    send_all(server, ready);
    for (unsigned int at = 0; at < received; at++)
        if (passed[at])
            count(pass(server, &server->in[at]) ? &counts->passed : &counts->overflow, 1);
    if (ready) {
        uint64_t spent = now() - began, bucket = 0;
        while (bucket < BOUNDS && bounds[bucket] < spent / ready)
            bucket++;
        count(&counts->durations[bucket], ready);
        count(&counts->nanoseconds, spent);
    }
}

static void *run(void *given)
{
    struct server *server = given;
    struct pollfd both[] = {{server->socket, POLLIN, 0}, {server->wake, POLLIN, 0}};
    /* Of this thread alone (sched(7)), where that is allowed: else one that reads a large state may
       have its turn first. */
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - NICE);
    while (!atomic_load_explicit(&server->stopping, memory_order_acquire)) {
        for (unsigned int at = 0; at < BATCH; at++) {
            server->in[at].msg_hdr.msg_namelen = sizeof server->clients[at];
            server->in[at].msg_hdr.msg_controllen = CONTROL;
        }
        int received = recvmmsg(server->socket, server->in, BATCH, MSG_DONTWAIT, NULL);
        if (received > 0) {
            serve(server, (unsigned int)received);
            /* Many are cheaper at once: system calls, and waking their clients (as NICs do). */
            if (received >= BUSY && received < BATCH)
                nanosleep(&(struct timespec){0, NAP}, NULL);
        } else { /* there is nothing, or the error of a packet sent before (udp(7)) */
            poll(both, 2, -1);
        }
    }
    return NULL;
}

/* Whether there is all that the thread needs, and the kernel lets us receive in batches. */
static bool is_ready(struct server *server)
{
    return server->socket >= 0 && server->up >= 0 && server->wake >= 0 &&
           (recvmmsg(server->socket, server->in, 1, MSG_PEEK | MSG_DONTWAIT, NULL) >= 0 ||
            errno == EAGAIN);
}

/* Have the buffers point to their memory. */
static void lay_out(struct server *server)
{
    for (unsigned int at = 0; at < BATCH; at++) {
        server->in_parts[at] = (struct iovec){server->queries[at], MOST_PACKET};
        server->out_parts[at] = (struct iovec){server->answers[at], 0};
        server->in[at].msg_hdr = (struct msghdr){.msg_name = &server->clients[at],
                                                 .msg_iov = &server->in_parts[at],
                                                 .msg_iovlen = 1,
                                                 .msg_control = server->controls[at]};
        server->out[at].msg_hdr.msg_iov = &server->out_parts[at];
        server->out[at].msg_hdr.msg_iovlen = 1;
    }
}

static void close_all(const struct server *server)
{
    close(server->socket);
    close(server->up);
    close(server->wake);
}

/* Whether what comes has addresses of the Internet, for which there is room. */
static bool is_udp(int socket)
{
    int domain = 0, type = 0;
    socklen_t size = sizeof(int);
    return !getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) &&
           !getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) &&
           (domain == AF_INET || domain == AF_INET6) && type == SOCK_DGRAM;
}

struct server *server_start(struct table *table, int socket, int up, const char *name)
{
    errno = ESOCKTNOSUPPORT;
    struct server *server = is_udp(socket) ? calloc(1, sizeof *server) : NULL;
    if (!server)
        return NULL;
    server->process = getpid();
    server->socket = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    server->up = fcntl(up, F_DUPFD_CLOEXEC, 0);
    server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    atomic_init(&server->reader.table, table);
    lay_out(server);
    /* Signals are for the interpreter's own thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    reader_join(&server->reader);
    int error = is_ready(server) ? pthread_create(&server->thread, NULL, run, server) : errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        close_all(server);
        server_free(server);
        errno = error;
        return NULL;
    }
    pthread_setname_np(server->thread, name);
    return server;
}

void server_use(struct server *server, struct table *table)
{
    atomic_store(&server->reader.table, table);
    if (server->process == getpid())
        reader_await(&server->reader);
}

struct reader *server_reader(struct server *server)
{
    return &server->reader;
}

void server_stop(struct server *server)
{
    uint64_t one = 1;
    if (server->process == getpid()) {
        atomic_store_explicit(&server->stopping, true, memory_order_release);
        while (write(server->wake, &one, sizeof one) < 0 && errno == EINTR)
            ;
        pthread_join(server->thread, NULL);
    }
    close_all(server);
}

void server_free(struct server *server)
{
    reader_part(&server->reader);
    free(server);
}
