/* The native responder's packet path: what any octets are answered with by tables of all shapes. */
#include "check.h"

enum { INNER, OUTER, MIRROR, TABLES = 3 };

static const uint16_t sizes[TABLES] = {512, 1232, MOST_PACKET};
static struct table *tables[TABLES];
static struct counts counts;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_zone(struct table *table, const char *apex, uint8_t base)
{
    struct zone *zone = &table->zones[table->zone_count];
    uint8_t record[64];
    memcpy(zone->apex, apex, strlen(apex));
    zone->apex_size = (uint8_t)strlen(apex);
    zone->base = base;
    size_t octets = put_record(record, SOA, 30, 'S');
    CHECK(table_deny(table, (uint8_t)table->zone_count++, record + 2, octets - 2));
}

/* A name of one type: so many records of this size, and each ends in the target if there is one. */
static void add_name(struct table *table, const char *name, uint16_t type, uint16_t number,
                     uint16_t size, const char *target)
{
    static uint8_t record[MOST_PACKET];
    struct octets each[512], targets[512];
    put_record(record, type, size, 'r');
    if (target)
        put16(record + HEADER - 2, (uint16_t)(size + strlen(target) + 1));
    for (uint16_t which = 0; which < number; which++) {
        each[which] = (struct octets){record, HEADER + size};
        targets[which] = (struct octets){target, target ? strlen(target) : 0};
    }
    struct given given = {type, number, each, target ? targets : NULL};
    int zone = table_zone(table, name, strlen(name));
    CHECK(zone >= 0);
    CHECK(table_teach(table, name, strlen(name), (uint8_t)zone, &given, type > 0));
}

static void begin(void)
{
    char longest[MOST_NAME];
    memset(longest, 'n', sizeof longest);
    for (size_t label = 63; label < 248; label += 64)
        longest[label] = '.';
    strcpy(longest + 247, ".mesos.");
    for (size_t which = 0; which < TABLES; which++) {
        struct table *table = tables[which] = table_new((uint64_t[]){1, 2});
        CHECK(table);
        table->flags = QR | AA;
        table->udp_size = sizes[which];
        add_zone(table, "web.mesos.", INNER);
        add_zone(table, "mesos.", OUTER);
        add_zone(table, "x.", OUTER);
        CHECK(table_deny(table, INNER, NULL, 0));
        CHECK(table_add(table, OUTER, "nope.", 5));
        add_name(table, "many.mesos.", A, 100, 4, NULL);
        add_name(table, "far.mesos.", A, 500, 40, NULL);
        add_name(table, "text.mesos.", 16, 3, 150, NULL);
        add_name(table, "one.mesos.", AAAA, 1, 16, NULL);
        add_name(table, "_web._tcp.mesos.", SRV, 7, 6, "one.mesos.");
        add_name(table, "_many._tcp.mesos.", SRV, 1, 6, "many.mesos.");
        add_name(table, "_far._udp.mesos.", SRV, 1, 6, "far.mesos.");
        add_name(table, "_gone._udp.mesos.", SRV, 1, 6, "gone.mesos.");
        add_name(table, "_long._udp.mesos.", SRV, 3, 6, longest);
        add_name(table, "mesos.", NS, 2, 0, "one.mesos.");
        add_name(table, "ask.mesos.", SRV, 0, 0, NULL);
        add_name(table, "tcp.mesos.", 0, 0, 0, NULL);
        add_name(table, "a.b.web.mesos.", A, 1, 4, NULL);
        add_name(table, longest, A, 2, 4, NULL);
        add_name(table, "web.x.", A, 1, 4, NULL);
        add_name(table, "_web.x.", SRV, 2, 6, "web.x.");
    }
}

/* What a client takes: as its OPT record says, which is all that stands behind the question. */
static size_t taken(const struct packet *query)
{
    uint16_t size = query->octets[11] ? at(query, query->size - 8) : 0;
    return size < 512 ? 512 : size;
}

static void judge(const struct packet *query, const struct packet *answer, uint16_t udp_size)
{
    uint16_t flags = at(answer, 2), edns = query->octets[11];
    size_t question = question_end(query);
    CHECK(at(answer, 0) == at(query, 0));
    CHECK((flags & ~(TC | NAME_ERROR)) == (QR | AA | (at(query, 2) & RD)));
    CHECK(answer->size >= question && question + (edns ? OPT_OCTETS : 0u) == query->size);
    CHECK(!memcmp(answer->octets + HEADER, query->octets + HEADER, question - HEADER));
    CHECK(answer->size <= udp_size && answer->size <= taken(query));
    CHECK(at(answer, 10) >= edns);
    if (flags & TC)
        CHECK(!at(answer, 6) && !at(answer, 8) && at(answer, 10) == edns);
    else
        CHECK(!at(answer, 6) != !at(answer, 8));
    CHECK(at(answer, 6) == 0 || !(flags & NAME_ERROR));
    if (edns) {
        const uint8_t *opt = answer->octets + answer->size - OPT_OCTETS;
        CHECK(!memcmp(opt, "\0\0\x29", 3) && get16(opt + 3) == udp_size);
        CHECK(!memcmp(opt + 5, "\0\0", 2) && !memcmp(opt + 8, "\0\0\0", 3));
        CHECK(opt[7] == (query->octets[query->size - 4] & 0x80));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct packet query = {0};
    if (!tables[0])
        begin();
    put(&query, data, size < MOST_PACKET ? size : MOST_PACKET);
    for (size_t which = 0; which < TABLES; which++) {
        struct packet answer = answer_to(tables[which], &counts, &query); /* which is walked */
        if (answer.size)
            judge(&query, &answer, sizes[which]);
    }
    return 0;
}
