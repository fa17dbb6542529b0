/*
 * The thread and its sockets, in a network of their own: its loopback has the addresses fd00::1,
 * fd00::2 and fe80::1, too.
 */
#include "model.h"

#include "server.c" /* for what is static there */

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/un.h>
#include <sys/wait.h>

enum {
    PATIENCE = 60000, /* milliseconds, for what comes at once */
    CLIENTS = 2,
    SERVERS = 2,
    WINDOW = 16,
    ROUNDS = 400,
};

/* A server on a socket of its own. */
static struct table *table;
static struct server *server;
static int listening, up, down;

/* Sockets. */

static socklen_t address_from(const char *text, uint16_t port, struct sockaddr_storage *address)
{
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        return sizeof *four;
    }
    CHECK(inet_pton(AF_INET6, text, &six->sin6_addr) == 1);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    if (IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr))
        six->sin6_scope_id = if_nametoindex("lo");
    return sizeof *six;
}

static int bound(const char *text, uint16_t port)
{
    struct sockaddr_storage address;
    socklen_t size = address_from(text, port, &address);
    int on = 1, off = 0, made = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(made >= 0 && !setsockopt(made, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
    if (!strcmp(text, "0.0.0.0"))
        CHECK(!setsockopt(made, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
    if (!strcmp(text, "::")) {
        CHECK(!setsockopt(made, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on));
        CHECK(!setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off));
    }
    CHECK(!bind(made, (struct sockaddr *)&address, size));
    return made;
}

static uint16_t port_of(int bound_socket)
{
    struct sockaddr_in6 address;
    socklen_t size = sizeof address;
    CHECK(!getsockname(bound_socket, (struct sockaddr *)&address, &size));
    return ntohs(address.sin6_port); /* which is where that of IPv4 is */
}

/* A client takes answers only from the address that it asks. */
static int client_of(const char *text, uint16_t port)
{
    struct sockaddr_storage address;
    socklen_t size = address_from(text, port, &address);
    int made = socket(address.ss_family, SOCK_DGRAM, 0);
    CHECK(made >= 0 && !connect(made, (struct sockaddr *)&address, size));
    return made;
}

static void send_packet(int client, const struct packet *packet)
{
    CHECK(send(client, packet->octets, packet->size, 0) == (ssize_t)packet->size);
}

static struct packet received(int from)
{
    struct packet packet = {0};
    struct pollfd ready = {from, POLLIN, 0};
    CHECK(poll(&ready, 1, PATIENCE) == 1);
    ssize_t size = recv(from, packet.octets, sizeof packet.octets, 0);
    CHECK(size >= 0);
    packet.size = (size_t)size;
    return packet;
}

/* Cases. */

static void start(void)
{
    server = server_start(table, listening, up, "native");
    CHECK(server);
}

/* Return what it counted, which is all there only then. */
static struct counts stop(void)
{
    server_stop(server);
    struct counts counts = server_reader(server)->counts;
    server_free(server);
    return counts;
}

static void begin(const char *address)
{
    static const char record[] = "\xC0\x0C\0\1\0\1\0\0\0\x3C\0\4\12\0\0\1";
    struct octets records[] = {{record, 16}, {record, 16}};
    struct given given = {A, 2, records, NULL};
    int both[2];
    table = new_table(0);
    CHECK(table_teach(table, "web.mesos.", 10, OUTER, &given, 1));
    CHECK(!socketpair(AF_UNIX, SOCK_DGRAM, 0, both));
    up = both[0];
    down = both[1];
    listening = bound(address, 0);
    start();
}

static void end(void)
{
    stop();
    table_free(table);
    close(listening);
    close(up);
    close(down);
}

static void check_answered(int client)
{
    struct packet query = asked("web.mesos.", A);
    send_packet(client, &query);
    struct packet answer = received(client);
    walk(&answer);
    CHECK(at(&answer, 0) == at(&query, 0) && at(&answer, 6) == 2);
}

/* Want a query to come up as it is: sizes of client and control, these, and the query. */
static struct packet check_passed(int client, const struct packet *query)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    struct packet whole = received(down);
    CHECK(!getsockname(client, (struct sockaddr *)&address, &size));
    size_t control = whole.octets[1], most = MOST_PACKET - 2 - control - whole.octets[0];
    CHECK(whole.octets[0] >= size);
    if (whole.octets[0] == size) /* IPv4 comes mapped to a socket for both */
        CHECK(!memcmp(whole.octets + 2, &address, size));
    CHECK(whole.size == 2u + whole.octets[0] + control + (query->size < most ? query->size : most));
    CHECK(!memcmp(whole.octets + 2 + whole.octets[0] + control, query->octets,
                  query->size < most ? query->size : most));
    return whole;
}

static void what_is_known_is_answered(void)
{
    int client = client_of("127.0.0.1", port_of(listening));
    for (int time = 0; time < 10; time++)
        check_answered(client);
    close(client);
}

static void what_is_not_known_is_passed_up(void)
{
    int client = client_of("127.0.0.1", port_of(listening));
    struct packet query = asked("later.mesos.", A);
    send_packet(client, &query);
    CHECK(check_passed(client, &query).octets[1] == 0);
    for (size_t size = 0; size < MOST_PACKET; size = size * 2 + 1) {
        query.size = size;
        send_packet(client, &query);
        check_passed(client, &query);
    }
    check_answered(client);
    struct counts counts = stop();
    CHECK(counts.passed == 1 + 13 && counts.overflow == 0);
    CHECK(counts.queries[A][ANSWERED] == 1);
    start();
    close(client);
}

static void no_more_than_a_packet_is_read(void)
{
    static uint8_t longer[MOST_PACKET + 100];
    uint8_t whole[2 * MOST_PACKET];
    int client = client_of("127.0.0.1", port_of(listening));
    CHECK(send(client, longer, sizeof longer, 0) == sizeof longer);
    CHECK(recv(down, whole, sizeof whole, 0) == 2 + sizeof(struct sockaddr_in) + MOST_PACKET);
    check_answered(client);
    close(client);
}

static void clients_over_their_limit_are_passed_up(void)
{
    int client = client_of("127.0.0.1", port_of(listening));
    struct packet query = asked("web.mesos.", A);
    stop();
    table->interval = NANOSECONDS / 3;
    for (size_t bucket = 0; bucket < BUCKETS; bucket++)
        table->until[bucket] = UINT64_MAX / 2; /* nothing is left for years */
    start();
    send_packet(client, &query);
    check_passed(client, &query);
    stop();
    memcpy(table->exempt[0].address, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\0", 16);
    table->exempt[0].bits = 104;
    table->exempt_count = 1;
    start();
    check_answered(client);
    close(client);
}

static void answers_come_from_the_address_that_was_asked(void)
{
    static const char *const sockets[] = {"0.0.0.0", "::"};
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "127.77.7.7", "::1",
                                            "fd00::1",   "fd00::2",   "fe80::1"};
    for (size_t which = 0; which < 2; which++) {
        end();
        begin(sockets[which]);
        for (size_t address = 0; address < (which ? 7 : 3); address++) {
            int client = client_of(addresses[address], port_of(listening));
            struct packet query = asked("later.mesos.", A);
            check_answered(client);
            send_packet(client, &query);
            struct packet whole = check_passed(client, &query);
            struct sockaddr_storage here;
            struct cmsghdr control;
            address_from(addresses[address], 0, &here);
            CHECK(whole.octets[1] >= sizeof control);
            memcpy(&control, whole.octets + 2 + whole.octets[0], sizeof control);
            uint8_t *data = whole.octets + 2 + whole.octets[0] + CMSG_LEN(0);
            if (control.cmsg_level == IPPROTO_IP) /* struct in_pktinfo */
                CHECK(!memcmp(data + 4, &((struct sockaddr_in *)&here)->sin_addr, 4));
            else if (here.ss_family == AF_INET) /* struct in6_pktinfo, the address mapped */
                CHECK(!memcmp(data + 12, &((struct sockaddr_in *)&here)->sin_addr, 4));
            else
                CHECK(!memcmp(data, &((struct sockaddr_in6 *)&here)->sin6_addr, 16));
            close(client);
        }
    }
}

static void an_answer_from_a_link_leaves_by_it(void)
{
    struct sockaddr_storage here, there;
    end();
    begin("::");
    int client = socket(AF_INET6, SOCK_DGRAM, 0); /* its own address says nothing of a link */
    CHECK(!bind(client, (struct sockaddr *)&here, address_from("fd00::1", 0, &here)));
    socklen_t size = address_from("fe80::1", port_of(listening), &there);
    CHECK(!connect(client, (struct sockaddr *)&there, size));
    check_answered(client);
    close(client);
}

static void what_else_the_kernel_tells_is_not_sent_back(void)
{
    int on = 1, client = client_of("127.0.0.1", port_of(listening));
    CHECK(!setsockopt(listening, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on));
    check_answered(client);
    close(client);
}

static void many_at_once_are_all_answered(void)
{
    enum { MANY = 150 };
    int client = client_of("127.0.0.1", port_of(listening));
    uint64_t timed = 0;
    bool seen[MANY] = {0};
    for (uint16_t number = 0; number < MANY; number++) {
        struct packet query = asked("web.mesos.", A);
        put16(query.octets, number);
        send_packet(client, &query);
    }
    for (int number = 0; number < MANY; number++) {
        struct packet answer = received(client);
        CHECK(at(&answer, 0) < MANY && !seen[at(&answer, 0)]);
        seen[at(&answer, 0)] = true;
    }
    struct counts counts = stop();
    for (int bucket = 0; bucket <= BOUNDS; bucket++)
        timed += counts.durations[bucket];
    CHECK(timed == MANY && counts.queries[A][ANSWERED] == MANY && counts.nanoseconds > 0);
    start();
    close(client);
}

/* What was passed or lost so far. */
static uint64_t unanswered(void)
{
    struct counts *counts = &server_reader(server)->counts;
    return counts->passed + counts->overflow;
}

static void what_finds_no_room_is_counted_and_lost(void)
{
    struct packet query = asked("later.mesos.", A);
    int client = client_of("127.0.0.1", port_of(listening));
    uint64_t sent = 0;
    for (query.size = MOST_PACKET; !server_reader(server)->counts.overflow; sent++) {
        CHECK(sent < 10000);
        send_packet(client, &query);
        while (unanswered() <= sent)
            sched_yield();
    }
    check_answered(client);
    close(down); /* Python is gone */
    send_packet(client, &query);
    check_answered(client);
    struct counts counts = stop();
    CHECK(counts.overflow == 2 && counts.passed == sent - 1);
    down = dup(up);
    start();
    close(client);
}

static void an_answer_that_can_not_be_sent_keeps_no_other_back(void)
{
    int clients[3];
    struct sockaddr_in to[3];
    socklen_t size = sizeof *to;
    stop();
    struct server *still = calloc(1, sizeof *still);
    CHECK(still);
    lay_out(still);
    still->socket = listening;
    for (int number = 0; number < 3; number++) {
        clients[number] = bound("127.0.0.1", 0);
        CHECK(!getsockname(clients[number], (struct sockaddr *)&to[number], &size));
        still->out[number].msg_hdr.msg_name = &to[number];
        still->out[number].msg_hdr.msg_namelen = sizeof *to;
        still->out_parts[number].iov_len = 1;
    }
    to[1].sin_port = 0; /* as a forged query may have it */
    send_all(still, 3);
    CHECK(received(clients[0]).size == 1 && received(clients[2]).size == 1);
    CHECK(recv(clients[1], to, sizeof to, MSG_DONTWAIT) < 0 && errno == EAGAIN);
    for (int number = 0; number < 3; number++)
        close(clients[number]);
    free(still);
    start();
}

static void what_waits_is_answered_by_who_comes_next(void)
{
    int client = client_of("127.0.0.1", port_of(listening));
    struct packet query = asked("web.mesos.", A);
    stop();
    send_packet(client, &query);
    start();
    CHECK(received(client).size);
    close(client);
}

static void descriptors_may_be_closed_by_who_gave_them(void)
{
    int client = client_of("127.0.0.1", port_of(listening));
    int before[] = {listening, up};
    listening = dup(listening);
    up = dup(up);
    close(before[0]);
    close(before[1]);
    check_answered(client);
    struct packet query = asked("later.mesos.", A);
    send_packet(client, &query);
    check_passed(client, &query);
    close(client);
}

static void another_table_is_used_at_once(void)
{
    int client = client_of("127.0.0.1", port_of(listening));
    struct table *empty = new_table(1), *full = table;
    for (int time = 0; time < 100; time++) {
        struct packet query = asked("web.mesos.", A);
        server_use(server, empty);
        send_packet(client, &query);
        check_passed(client, &query);
        server_use(server, full);
        check_answered(client);
    }
    server_use(server, empty);
    table_free(full);
    table = empty;
    close(client);
}

static void a_child_stops_nothing_of_its_parent(void)
{
    int client = client_of("127.0.0.1", port_of(listening)), status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (!child) {
        atomic_store(&server->reader.inside, 1); /* as if it came while the thread answered */
        server_use(server, table);
        server_stop(server);
        server_free(server);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    struct pollfd wake = {server->wake, POLLIN, 0};
    CHECK(poll(&wake, 1, 0) == 0);
    check_answered(client);
    close(client);
}

static void only_sockets_of_the_internet_are_taken(void)
{
    int file = open("/dev/null", O_RDONLY), pipes[2];
    int refused[] = {-1, file, down, socket(AF_INET, SOCK_STREAM, 0), socket(AF_UNIX, SOCK_DGRAM, 0)};
    int why[] = {EBADF, ENOTSOCK, ESOCKTNOSUPPORT, ESOCKTNOSUPPORT, ESOCKTNOSUPPORT};
    for (size_t which = 0; which < 5; which++) {
        CHECK(!server_start(table, refused[which], up, "refused"));
        CHECK(errno == why[which]);
    }
    CHECK(!server_start(table, listening, -1, "refused") && errno == EBADF);
    CHECK(!pipe(pipes)); /* that nothing was left open: the lowest numbers are free again */
    CHECK(pipes[1] == refused[4] + 2);
    close(pipes[0]);
    close(pipes[1]);
    close(file);
    close(refused[3]);
    close(refused[4]);
}

static void it_starts_and_stops_at_any_time(void)
{
    int client = client_of("127.0.0.1", port_of(listening));
    struct packet query = asked("web.mesos.", A), answer;
    for (int time = 0; time < 200; time++) {
        for (int number = 0; number < time % 5; number++)
            send_packet(client, &query);
        stop();
        start();
        for (int number = 0; number < time % 5; number++) {
            answer = received(client);
            CHECK(at(&answer, 6) == 2);
        }
    }
    close(client);
}

/* A flood, while all changes. */

static struct model model;

struct served {
    struct server *server;
    int socket, up, down;
    pthread_t above;
};

struct client {
    pthread_t thread;
    uint16_t port;
    uint64_t chance, passed;
    atomic_bool ended;
};

/* In the place of Python: send each query back, without flags, until one octet comes. */
static void *answer_above(void *given)
{
    struct served *served = given;
    for (;;) {
        struct packet whole = received(served->down);
        if (whole.size == 1)
            return NULL;
        uint8_t *query = whole.octets + 2 + whole.octets[0];
        put16(query + 2, 0);
        CHECK(sendto(served->socket, query, whole.size - 2 - whole.octets[0], 0,
                     (struct sockaddr *)(whole.octets + 2), whole.octets[0]) > 0);
    }
}

static void ask_some(struct client *client)
{
    struct look looks[WINDOW];
    int from = client_of("127.0.0.1", client->port);
    for (uint16_t number = 0; number < WINDOW; number++) {
        looks[number] = begin_look(&model, next(&client->chance) % NAMES,
                                   next(&client->chance) & 1);
        struct packet query = model.names[looks[number].which].queries[looks[number].type];
        put16(query.octets, number);
        send_packet(from, &query);
    }
    for (int left = WINDOW; left; left--) {
        struct packet answer = received(from);
        uint16_t number = at(&answer, 0);
        CHECK(number < WINDOW);
        if (at(&answer, 2)) {
            walk(&answer);
        } else {
            answer.size = 0;
            client->passed++;
        }
        end_look(&model, &looks[number], &answer);
    }
    close(from);
}

static void *flood(void *given)
{
    struct client *client = given;
    for (int round = 0; round < ROUNDS; round++)
        ask_some(client);
    client->ended = true;
    return NULL;
}

static void start_served(struct served *served, size_t which)
{
    served->server = server_start(model.table, served->socket, served->up, "flooded");
    CHECK(served->server);
    model.readers[which] = server_reader(served->server);
}

static void stop_served(struct served *served, size_t which, uint64_t *answered, uint64_t *passed)
{
    struct counts *counts = &server_reader(served->server)->counts;
    server_stop(served->server);
    for (int type = 0; type < 256; type++)
        for (int outcome = 0; outcome < OUTCOMES; outcome++)
            *answered += counts->queries[type][outcome];
    *passed += counts->passed;
    CHECK(!counts->overflow);
    server_free(served->server);
    model.readers[which] = NULL;
}

static void a_flood_is_answered_while_all_changes(void)
{
    struct served servers[SERVERS];
    static struct client clients[CLIENTS];
    uint64_t chance = 3, answered = 0, passed = 0, seen = 0;
    uint16_t port = 0;
    begin_model(&model);
    for (size_t which = 0; which < SERVERS; which++) {
        struct served *served = &servers[which];
        int both[2];
        served->socket = bound("127.0.0.1", port);
        port = port_of(served->socket);
        CHECK(!socketpair(AF_UNIX, SOCK_DGRAM, 0, both));
        served->up = both[0];
        served->down = both[1];
        start_served(served, which);
        CHECK(!pthread_create(&served->above, NULL, answer_above, served));
    }
    for (size_t which = 0; which < CLIENTS; which++) {
        clients[which].port = port;
        clients[which].chance = which;
        CHECK(!pthread_create(&clients[which].thread, NULL, flood, &clients[which]));
    }
    for (uint64_t time = 1; !clients[0].ended || !clients[1].ended; time++) {
        change(&model, (uint8_t)next(&chance), (uint8_t)next(&chance), (uint8_t)next(&chance));
        if (time % 256 == 0)
            change_table(&model);
        if (time % 1024 == 0) {
            size_t which = time / 1024 % SERVERS;
            stop_served(&servers[which], which, &answered, &passed);
            start_served(&servers[which], which);
        }
    }
    for (size_t which = 0; which < CLIENTS; which++) {
        CHECK(!pthread_join(clients[which].thread, NULL));
        seen += clients[which].passed;
    }
    for (size_t which = 0; which < SERVERS; which++) {
        struct served *served = &servers[which];
        stop_served(served, which, &answered, &passed);
        CHECK(send(served->up, "", 1, 0) == 1 && !pthread_join(served->above, NULL));
        close(served->socket);
        close(served->up);
        close(served->down);
    }
    CHECK(passed == seen && answered + passed == CLIENTS * ROUNDS * WINDOW);
    settle(&model);
    table_free(model.table);
}

int main(void)
{
    static void (*const cases[])(void) = {
        what_is_known_is_answered,
        what_is_not_known_is_passed_up,
        no_more_than_a_packet_is_read,
        clients_over_their_limit_are_passed_up,
        answers_come_from_the_address_that_was_asked,
        an_answer_from_a_link_leaves_by_it,
        what_else_the_kernel_tells_is_not_sent_back,
        many_at_once_are_all_answered,
        what_finds_no_room_is_counted_and_lost,
        an_answer_that_can_not_be_sent_keeps_no_other_back,
        what_waits_is_answered_by_who_comes_next,
        descriptors_may_be_closed_by_who_gave_them,
        another_table_is_used_at_once,
        a_child_stops_nothing_of_its_parent,
        only_sockets_of_the_internet_are_taken,
        it_starts_and_stops_at_any_time,
        a_flood_is_answered_while_all_changes,
    };
    for (size_t which = 0; which < sizeof cases / sizeof *cases; which++) {
        begin("127.0.0.1");
        cases[which]();
        end();
    }
    printf("%zu cases\n", sizeof cases / sizeof *cases);
}
