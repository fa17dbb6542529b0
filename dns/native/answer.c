/* From a query's octets to its answer's. */
#include "native.h"

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

static uint8_t small(uint8_t letter)
{
    return letter >= 'A' && letter <= 'Z' ? letter + ('a' - 'A') : letter;
}

/* Read a name without pointers; return where it ends, NULL for what Python should look at. */
static const uint8_t *read_name(struct question *question, const uint8_t *at, const uint8_t *end)
{
    size_t size = 0;
    while (at < end && *at) {
        size_t label = *at++;
        if (label > 63 || (size_t)(end - at) < label || size + label + 1 > MOST_NAME - 1)
            return NULL;
        for (size_t i = 0; i < label; i++) {
            uint8_t letter = small(at[i]);
            if (letter == '.')
                return NULL;
            question->text[size++] = (char)letter;
        }
        question->text[size++] = '.';
        at += label;
    }
    question->text_size = (uint8_t)size;
    return at < end ? at + 1 : NULL;
}

/* Read what is asked as nearly all ask: one question, no flag but RD counts, no option. */
bool question_read(struct question *question, const struct table *table, const uint8_t *query,
                   size_t size)
{
    const uint8_t *end = query + size;
    if (size < HEAD || query[2] & 0xFE || memcmp(query + 4, "\0\1\0\0\0\0\0", 7) || query[11] > 1)
        return false;
    const uint8_t *at = read_name(question, query + HEAD, end);
    if (!at || end - at < 4 || get16(at + 2) != IN)
        return false;
    question->query = query;
    question->size = (size_t)(at + 4 - query) - HEAD;
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
    } else if (at != end) {
        return false;
    }
    question->hash = table_hash(table, OF_ENTRIES, question->text, question->text_size);
    return question->type < FIRST_META || question->type > LAST_META;
}

/* Begin an answer; the records go to where this points. */
static uint8_t *begun(const struct question *question, uint16_t flags, const uint16_t counts[3],
                      uint8_t *out)
{
    memcpy(out, question->query, 2);
    uint8_t *to = put16(out + 2, flags | question->rd);
    to = put16(to, 1);
    to = put16(to, counts[0]);
    to = put16(to, counts[1]);
    to = put16(to, counts[2] + question->edns);
    memcpy(to, question->query + HEAD, question->size);
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

/* The records of an rrset, beginning with the next one in turn (RFC 1794), and what goes along. */
static uint8_t *turned(uint8_t *to, const struct entry *entry, struct rrset *rrset, bool extra)
{
    const uint8_t *starts = (const uint8_t *)entry + rrset->starts;
    const uint8_t *records = starts + rrset->count * sizeof(uint16_t);
    uint16_t start = 0;
    if (rrset->count > 1) {
        uint16_t turn = atomic_load_explicit(&rrset->turn, memory_order_relaxed);
        uint16_t next = (uint16_t)(turn + 1);
        atomic_store_explicit(&rrset->turn, next < rrset->count ? next : 0, memory_order_relaxed);
        start = get16(starts + turn * sizeof start);
    }
    to = copied(to, records + start, rrset->size - start);
    to = copied(to, records, start);
    return copied(to, records + rrset->size, extra ? rrset->extra_size : 0);
}

/* Octets left beside head, question and OPT. */
static size_t room(const struct table *table, const struct question *question)
{
    size_t most = question->most < table->udp_size ? question->most : table->udp_size;
    return most - HEAD - question->size - (question->edns ? OPT_SIZE : 0);
}

static size_t found(const struct question *question, const struct table *table,
                    struct counts *counts, struct entry *entry, struct rrset *rrset, uint8_t *out)
{
    size_t left = room(table, question);
    if (rrset->size > left) {
        /* Without its records an answer is of use only as a sign to come by TCP. */
        uint8_t *to = begun(question, table->flags | TC, (uint16_t[]){0, 0, 0}, out);
        return counted(counts, question, TRUNCATED, ended(table, question, to, out));
    }
    /* Extra help that doesn't fit is no truncation (RFC 2181 section 9). */
    bool extra = rrset->extra_size <= left - rrset->size;
    uint16_t records[] = {rrset->count, 0, extra ? rrset->extra_count : 0};
    uint8_t *to = begun(question, table->flags, records, out);
    to = turned(to, entry, rrset, extra);
    return counted(counts, question, ANSWERED, ended(table, question, to, out));
}

/* Say no, with the zone's SOA record (RFC 2308 section 2). */
static size_t denied(const struct question *question, const struct table *table,
                     struct counts *counts, const struct zone *zone, enum outcome outcome,
                     uint8_t *out)
{
    const struct denial *denial = atomic_load(&zone->denial);
    if (!denial || denial->size + 2u > room(table, question))
        return 0;
    uint16_t flags = table->flags | (outcome == NXDOMAIN ? CODE_NXDOMAIN : 0);
    uint8_t *to = begun(question, flags, (uint16_t[]){0, 1, 0}, out);
    to = put16(to, (uint16_t)(0xC000 | (HEAD + question->text_size - zone->apex_size)));
    to = copied(to, denial->record, denial->size);
    return counted(counts, question, outcome, ended(table, question, to, out));
}

size_t question_answer(const struct question *question, struct table *table, struct counts *counts,
                       uint8_t *out)
{
    const char *text = question->text;
    size_t size = question->text_size;
    struct entry *entry = table_find(table, question->hash, text, size);
    if (entry) {
        for (size_t at = 0; at < entry->count; at++)
            if (entry->rrsets[at].type == question->type)
                return found(question, table, counts, entry, &entry->rrsets[at], out);
        return denied(question, table, counts, &table->zones[entry->zone], NODATA, out);
    }
    int index = table_zone(table, text, size);
    if (index < 0)
        return 0;
    const struct zone *zone = &table->zones[index];
    if (table_has(table, zone->base, text, size - zone->apex_size))
        return 0;
    return denied(question, table, counts, zone, NXDOMAIN, out);
}
