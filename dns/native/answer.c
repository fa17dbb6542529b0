/* From a query's octets to its answer's. */
#include "native.h"

#include <string.h>

enum {
    HEAD = 12,
    OPT_SIZE = 11,
    PLAIN_SIZE = 512, /* what a client without EDNS takes (RFC 1035 section 4.2.1) */
    RD = 0x0100,
    TC = 0x0200,
    CODE_NXDOMAIN = 3,
    IN = 1,
    FIRST_META = 251, /* IXFR, AXFR, MAILB, MAILA and ANY, which Python answers */
    LAST_META = 255,
};

struct question {
    const uint8_t *start; /* of name, type and class, as they were sent */
    size_t size;
    char text[MOST_NAME]; /* the name in small letters, as the table has it */
    size_t text_size;
    uint16_t type;
    uint16_t rd;
    bool edns;
    uint8_t dnssec; /* the DO bit, which is sent back (RFC 3225 section 3) */
    size_t most;    /* octets that the client takes */
};

static const uint8_t small[256] = {
#define S1(c) (c) >= 'A' && (c) <= 'Z' ? (c) + 32 : (c)
#define S4(c) S1(c), S1((c) + 1), S1((c) + 2), S1((c) + 3)
#define S16(c) S4(c), S4((c) + 4), S4((c) + 8), S4((c) + 12)
#define S64(c) S16(c), S16((c) + 16), S16((c) + 32), S16((c) + 48)
    S64(0), S64(64), S64(128), S64(192)};

/* Read a name without pointers; return where it ends, NULL for what Python should look at. */
static const uint8_t *read_name(struct question *question, const uint8_t *at, const uint8_t *end)
{
    size_t size = 0;
    while (at < end && *at) {
        size_t label = *at++;
        if (label > 63 || (size_t)(end - at) < label || size + label + 1 > MOST_NAME - 1)
            return NULL;
        for (size_t i = 0; i < label; i++) {
            uint8_t letter = small[at[i]];
            if (letter == '.')
                return NULL;
            question->text[size++] = (char)letter;
        }
        question->text[size++] = '.';
        at += label;
    }
    question->text_size = size;
    return at < end ? at + 1 : NULL;
}

/* Tell whether this is asked as nearly all ask: one question, no flag but RD counts, no option. */
static bool read_question(struct question *question, const uint8_t *query, size_t size)
{
    const uint8_t *end = query + size;
    if (size < HEAD || query[2] & 0xFE || memcmp(query + 4, "\0\1\0\0\0\0\0", 7) || query[11] > 1)
        return false;
    const uint8_t *at = read_name(question, query + HEAD, end);
    if (!at || end - at < 4 || get16(at + 2) != IN)
        return false;
    question->start = query + HEAD;
    question->size = (size_t)(at + 4 - question->start);
    question->type = get16(at);
    question->rd = query[2] & 1 ? RD : 0;
    question->edns = query[11];
    question->dnssec = 0;
    question->most = PLAIN_SIZE;
    at += 4;
    if (question->edns) {
        /* The root, OPT, size, extended code, version 0, flags, no options (RFC 6891). */
        if (end - at != OPT_SIZE || memcmp(at, "\0\0\x29", 3) || at[6] || at[9] || at[10])
            return false;
        if (get16(at + 3) > PLAIN_SIZE)
            question->most = get16(at + 3);
        question->dnssec = at[7] & 0x80;
        return true;
    }
    return at == end;
}

/* Begin an answer; the records go to where this points. */
static uint8_t *begun(const struct question *question, const uint8_t *query, uint16_t flags,
                      const uint16_t counts[3], uint8_t *out)
{
    memcpy(out, query, 2);
    uint8_t *to = put16(out + 2, flags | question->rd);
    to = put16(to, 1);
    to = put16(to, counts[0]);
    to = put16(to, counts[1]);
    to = put16(to, counts[2] + question->edns);
    memcpy(to, question->start, question->size);
    return to + question->size;
}

static size_t ended(const struct table *table, const struct question *question, uint8_t *to,
                    const uint8_t *out)
{
    if (question->edns) {
        memcpy(to, "\0\0\x29", 3);
        put16(to + 3, table->udp_size);
        memset(to + 5, 0, 6);
        to[7] = question->dnssec;
        to += OPT_SIZE;
    }
    return (size_t)(to - out);
}

static size_t counted(struct counts *counts, const struct question *question, enum outcome outcome,
                      size_t size)
{
    count(&counts->queries[question->type < 256 ? question->type : 0][outcome], 1);
    return size;
}

static uint8_t *copied(uint8_t *to, const uint8_t *from, size_t size)
{
    memcpy(to, from, size);
    return to + size;
}

/* The records of an rrset, beginning with the next one in turn (RFC 1794). */
static uint8_t *turned(uint8_t *to, const struct entry *entry, struct rrset *rrset)
{
    const uint8_t *records = (const uint8_t *)entry + rrset->records;
    uint16_t start = 0;
    if (rrset->count > 1) {
        uint16_t turn = atomic_load_explicit(&rrset->turn, memory_order_relaxed);
        uint16_t next = turn + 1 < rrset->count ? turn + 1 : 0;
        atomic_store_explicit(&rrset->turn, next, memory_order_relaxed);
        memcpy(&start, (const uint8_t *)entry + rrset->starts + turn * sizeof start, sizeof start);
    }
    to = copied(to, records + start, rrset->size - start);
    return copied(to, records, start);
}

/* Octets left beside head, question and OPT. */
static size_t room(const struct table *table, const struct question *question)
{
    size_t most = question->most < table->udp_size ? question->most : table->udp_size;
    return most - HEAD - question->size - (question->edns ? OPT_SIZE : 0);
}

static size_t found(const struct table *table, struct counts *counts,
                    const struct question *question, const uint8_t *query, struct entry *entry,
                    struct rrset *rrset, uint8_t *out)
{
    size_t left = room(table, question);
    if (rrset->size > left) {
        /* Without its records an answer is of use only as a sign to come by TCP. */
        uint8_t *to = begun(question, query, table->flags | TC, (uint16_t[]){0, 0, 0}, out);
        return counted(counts, question, TRUNCATED, ended(table, question, to, out));
    }
    /* Extra help that doesn't fit is no truncation (RFC 2181 section 9). */
    bool extra = rrset->extra_size <= left - rrset->size;
    uint16_t records[] = {rrset->count, 0, extra ? rrset->extra_count : 0};
    uint8_t *to = begun(question, query, table->flags, records, out);
    to = turned(to, entry, rrset);
    if (extra)
        to = copied(to, (const uint8_t *)entry + rrset->records + rrset->size, rrset->extra_size);
    return counted(counts, question, ANSWERED, ended(table, question, to, out));
}

/* Say no, with the zone's SOA record (RFC 2308 section 2). */
static size_t denied(struct table *table, struct counts *counts, const struct question *question,
                     const uint8_t *query, const struct zone *zone, enum outcome outcome,
                     uint8_t *out)
{
    const struct denial *denial = atomic_load(&zone->denial);
    if (!denial || denial->size + 2u > room(table, question))
        return 0;
    uint16_t flags = table->flags | (outcome == NXDOMAIN ? CODE_NXDOMAIN : 0);
    uint8_t *to = begun(question, query, flags, (uint16_t[]){0, 1, 0}, out);
    to = put16(to, (uint16_t)(0xC000 | (HEAD + question->text_size - zone->apex_size)));
    to = copied(to, denial->record, denial->size);
    return counted(counts, question, outcome, ended(table, question, to, out));
}

size_t answer(struct table *table, struct counts *counts, const uint8_t *query, size_t size,
              uint8_t *out)
{
    struct question question;
    if (!read_question(&question, query, size) ||
        (question.type >= FIRST_META && question.type <= LAST_META))
        return 0;
    struct entry *entry = table_find(table, question.text, question.text_size);
    if (entry) {
        for (size_t at = 0; at < entry->count; at++)
            if (entry->rrsets[at].type == question.type)
                return found(table, counts, &question, query, entry, &entry->rrsets[at], out);
        return denied(table, counts, &question, query, &table->zones[entry->zone], NODATA, out);
    }
    int index = table_zone(table, question.text, question.text_size);
    if (index < 0)
        return 0;
    const struct zone *zone = &table->zones[index];
    if (table_has(table, zone->base, question.text, question.text_size - zone->apex_size))
        return 0;
    return denied(table, counts, &question, query, zone, NXDOMAIN, out);
}
