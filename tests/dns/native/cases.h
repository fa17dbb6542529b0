/* A table that knows a name of each kind, for cases; and what it says. */
#ifndef CASES_H
#define CASES_H

#include "check.h"

/* Zones, the longest apex first: one inside another, and a mirror of the latter. */
enum { INNER, MIRROR, OUTER };

static struct table *table;
static struct counts counts;

/* Making the table. */

/* Of a name, in place of all else: so many records of so many octets. */
static inline bool teach_sized(const char *name, uint16_t type, uint16_t number, uint16_t size)
{
    static uint8_t records[512][MOST_PACKET];
    static struct octets each[512];
    CHECK(number <= 512 && size >= HEADER);
    for (uint16_t which = 0; which < number; which++) {
        put_record(records[which], type, size - HEADER, (uint8_t)(which + 1));
        each[which] = (struct octets){records[which], size};
    }
    struct given given = {type, number, each, NULL};
    return table_teach(table, name, strlen(name), OUTER, &given, 1);
}

/* A zone's SOA record behind its owner, with so many octets of data. */
static inline bool deny(uint8_t zone, uint16_t rdata)
{
    uint8_t record[HEADER + MOST_PACKET];
    size_t size = put_record(record, SOA, rdata, zone);
    return table_deny(table, zone, record + 2, size - 2);
}

static inline void add_zone(const char *apex, uint8_t base)
{
    struct zone *zone = &table->zones[table->zone_count++];
    memcpy(zone->apex, apex, strlen(apex));
    zone->apex_size = (uint8_t)strlen(apex);
    zone->base = base;
}

/* Names of a zone are marked by what stands before the apex. */
static inline void mark(uint8_t zone, const char *before)
{
    CHECK(!table_has(table, zone, before, strlen(before)));
    CHECK(table_add(table, zone, before, strlen(before)));
}

static inline void begin(uint16_t udp_size)
{
    const uint64_t key[2] = {7, 11};
    table = table_new(key);
    CHECK(table);
    table->flags = QR | AA;
    table->udp_size = udp_size;
    add_zone("in.mesos.", INNER);
    add_zone("mirror.x.", OUTER);
    add_zone("mesos.", OUTER);
    CHECK(deny(OUTER, 22) && deny(MIRROR, 23));
    CHECK(teach_sized("web.mesos.", A, 3, 16));
    CHECK(teach_sized("one.mesos.", A, 1, 16));
    CHECK(table_teach(table, "_tcp.web.mesos.", 15, OUTER, NULL, 0)); /* with names below only */
    mark(OUTER, "web.");
    mark(OUTER, "_tcp.web.");
    mark(OUTER, "later."); /* which nobody has asked Python for */
    memset(&counts, 0, sizeof counts);
}

static inline void end(void)
{
    table_free(table);
}

/* Asking it. */

static inline struct packet said_to(struct packet query)
{
    return answer_to(table, &counts, &query);
}

static inline struct packet said(const char *name, uint16_t type)
{
    return said_to(asked(name, type));
}

static inline void check_passed(struct packet query)
{
    CHECK(!said_to(query).size);
}

/* An answer of some flags and section counts, to this query. */
static inline struct packet check_said(struct packet query, uint16_t flags, uint16_t answers,
                                       uint16_t authority, uint16_t additional)
{
    struct packet answer = said_to(query);
    size_t question = question_end(&query);
    CHECK(answer.size);
    CHECK(at(&answer, 0) == at(&query, 0));
    CHECK(at(&answer, 2) == flags);
    CHECK(at(&answer, 4) == 1);
    CHECK(at(&answer, 6) == answers);
    CHECK(at(&answer, 8) == authority);
    CHECK(at(&answer, 10) == additional);
    CHECK(!memcmp(answer.octets + HEADER, query.octets + HEADER, question - HEADER));
    return answer;
}

/* A name with so many octets, its labels' lengths and the root counted; in the zone mesos. */
static inline const char *name_of(size_t octets)
{
    static char name[512];
    size_t size = 0, before = octets - 1 - strlen("mesos.");
    while (size < before) {
        size_t label = before - size > 64 ? 63 : before - size - 1;
        if (before - size - label - 1 == 1) /* would leave a label without letters */
            label--;
        memset(name + size, 'n', label);
        size += label;
        name[size++] = '.';
    }
    strcpy(name + size, "mesos.");
    return name;
}

/* Octets that are left for records. */
static inline uint16_t room(const char *name, uint16_t size, bool edns)
{
    return (uint16_t)(size - asked(name, A).size - (edns ? OPT_OCTETS : 0));
}

/* No, with the SOA record of the zone under this apex. */
static inline void check_no(const char *name, uint16_t code, const char *apex, uint16_t rdata)
{
    struct packet query = asked(name, AAAA), owner = {0};
    struct packet answer = check_said(query, QR | AA | RD | code, 0, 1, 0);
    size_t begin = question_end(&query), pointer = at(&answer, begin) & 0x3FFFu;
    put_name(&owner, apex);
    CHECK(pointer + owner.size == begin - 4); /* to the end of the question's name */
    CHECK(!memcmp(answer.octets + pointer, owner.octets, owner.size));
    CHECK(at(&answer, begin + 2) == SOA);
    CHECK(at(&answer, begin + 10) == rdata);
}

/* Each with a table of its own. */
static inline void try_all(void (*const cases[])(void), size_t number)
{
    for (size_t which = 0; which < number; which++) {
        begin(MOST_PACKET);
        cases[which]();
        end();
    }
    printf("%zu cases\n", number);
}

#endif
