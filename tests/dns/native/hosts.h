/* Services, the hosts that are their targets, and what is to be said of them. */
#ifndef HOSTS_H
#define HOSTS_H

#include "cases.h"

/* A target and how many addresses of either kind it has. */
struct host {
    const char *name;
    uint16_t four, six;
};

/* Making them. */

static inline size_t put_address(uint8_t *to, bool six, uint16_t number)
{
    return put_record(to, six ? AAAA : A, six ? 16 : 4, (uint8_t)(number + 1));
}

static inline uint8_t zone_of(const char *name)
{
    int zone = table_zone(table, name, strlen(name));
    CHECK(zone >= 0);
    return (uint8_t)zone;
}

static inline void teach_host(struct host host)
{
    static uint8_t records[2][256][HEADER + 16];
    static struct octets each[2][256];
    struct given given[2];
    size_t count = 0;
    for (int six = 0; six < 2; six++) {
        uint16_t many = six ? host.six : host.four;
        for (uint16_t number = 0; number < many; number++)
            each[six][number] = (struct octets){
                records[six][number], put_address(records[six][number], six, number)};
        if (many)
            given[count++] = (struct given){six ? AAAA : A, many, each[six], NULL};
    }
    CHECK(table_teach(table, host.name, strlen(host.name), zone_of(host.name), given, count));
}

/* A record without the name that it ends in: of NS there is nothing before it. */
static inline size_t put_service(uint8_t *to, uint16_t type, size_t number, const char *target)
{
    size_t size = put_record(to, type, type == NS ? 0 : 6, (uint8_t)(number + 1));
    put16(to + HEADER - 2, (uint16_t)(size - HEADER + strlen(target) + 1));
    return size;
}

static inline void teach_service(const char *name, uint16_t type, const struct host hosts[],
                                 size_t number)
{
    static uint8_t records[MOST_TARGETS + 1][HEADER + 6];
    static struct octets each[MOST_TARGETS + 1], targets[MOST_TARGETS + 1];
    CHECK(number <= MOST_TARGETS + 1);
    for (size_t at = 0; at < number; at++) {
        each[at] = (struct octets){records[at],
                                   put_service(records[at], type, at, hosts[at].name)};
        targets[at] = (struct octets){hosts[at].name, strlen(hosts[at].name)};
    }
    struct given given = {type, (uint16_t)number, each, targets};
    CHECK(table_teach(table, name, strlen(name), zone_of(name), &given, 1));
}

/* Teach both. */
static inline void teach_all(const char *name, uint16_t type, const struct host hosts[],
                             size_t number)
{
    for (size_t at = 0; at < number; at++)
        teach_host(hosts[at]);
    teach_service(name, type, hosts, number);
}

/* What is said. */

/* Put all addresses of a host under its name, whose end is the apex in the question. */
static inline uint16_t put_addresses(struct packet *whole, struct host host)
{
    uint8_t record[HEADER + 16], apex_size = table->zones[zone_of(host.name)].apex_size;
    size_t apex = question_end(whole) - 5 - apex_size, before = strlen(host.name) - apex_size;
    for (uint16_t number = 0; number < host.four + host.six; number++) {
        bool six = number >= host.four;
        size_t size = put_address(record, six, six ? number - host.four : number);
        char labels[MOST_NAME] = "";
        memcpy(labels, host.name, before);
        put_name(whole, labels);
        whole->size--; /* no root */
        put_short(whole, (uint16_t)(0xC000 | apex));
        put(whole, record + 2, size - 2);
    }
    return host.four + host.six;
}

/* An answer that begins with one of the records, with addresses or without. */
static inline struct packet expected(const struct packet *query, uint16_t type,
                                     const struct host hosts[], size_t number, size_t first,
                                     bool along)
{
    uint8_t record[HEADER + 6];
    struct packet whole = {0};
    uint16_t extra = query->octets[11];
    put(&whole, query->octets, question_end(query));
    for (size_t round = 0; round < number; round++) {
        const char *target = hosts[(first + round) % number].name;
        put(&whole, record, put_service(record, type, (first + round) % number, target));
        put_name(&whole, target);
    }
    for (size_t at = 0, earlier; along && at < number; at++) {
        for (earlier = 0; strcmp(hosts[earlier].name, hosts[at].name);)
            earlier++;
        if (earlier == at) /* not sent yet */
            extra += put_addresses(&whole, hosts[at]);
    }
    if (query->octets[11])
        put(&whole, "\0\0\x29\x10\0\0\0\0\0\0\0", OPT_OCTETS);
    put16(whole.octets + 2, QR | AA | RD);
    put16(whole.octets + 6, (uint16_t)number);
    put16(whole.octets + 10, extra);
    return whole;
}

/* Want just this to be said, beginning anywhere; return with which record. */
static inline size_t check_services(struct packet query, uint16_t type, const struct host hosts[],
                                    size_t number, bool along)
{
    struct packet answer = said_to(query);
    for (size_t first = 0; first < number; first++) {
        struct packet whole = expected(&query, type, hosts, number, first, along);
        if (answer.size == whole.size && !memcmp(answer.octets, whole.octets, whole.size))
            return first;
    }
    failed(__FILE__, __LINE__, "no such answer");
}

#endif
