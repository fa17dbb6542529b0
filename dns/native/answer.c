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
    TYPE_A = 1,
    TYPE_AAAA = 28,
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

/* A target, and where its name was written first. */
struct target {
    struct entry *entry;
    const uint8_t *name;
};

static const uint8_t *starts_of(const struct entry *entry, const struct rrset *rrset)
{
    return (const uint8_t *)entry + rrset->starts;
}

static const uint8_t *records_of(const struct entry *entry, const struct rrset *rrset)
{
    return starts_of(entry, rrset) + rrset->count * sizeof(uint16_t);
}

/*
 * Find the entries of all targets; return whether they are there. Their names have the room that
 * they were taught with, even if one of them is another with the same hash.
 */
static bool find_targets(struct table *table, const struct entry *entry, const struct rrset *rrset,
                         struct target targets[])
{
    uint64_t hashes[MOST_TARGETS];
    if (!rrset->has_targets)
        return true;
    memcpy(hashes, records_of(entry, rrset) + rrset->held, rrset->count * sizeof *hashes);
    /* In rounds, so that the memory of many is on its way at once. */
    for (size_t at = 0; at < rrset->count; at++)
        table_fetch_slot(table, hashes[at]);
    for (size_t at = 0; at < rrset->count; at++)
        table_fetch_entry(table, hashes[at]);
    size_t size = rrset->held;
    for (size_t at = 0; at < rrset->count; at++) {
        struct entry *target = table_target(table, hashes[at]);
        if (!target || target->zone != entry->zone)
            return false;
        targets[at].entry = target;
        size += target->text_size + 1u;
    }
    return size == rrset->size;
}

/* The record that comes first (RFC 1794); the next one does the next time. */
static uint16_t turn(struct rrset *rrset)
{
    uint16_t first = atomic_load_explicit(&rrset->turn, memory_order_relaxed);
    uint16_t next = (uint16_t)(first + 1);
    if (rrset->count > 1)
        atomic_store_explicit(&rrset->turn, next < rrset->count ? next : 0, memory_order_relaxed);
    return first;
}

/* Write the name of an entry. */
static uint8_t *put_name(uint8_t *to, const struct entry *entry)
{
    uint8_t *end = copied(to + 1, &entry->rrsets[entry->count], entry->text_size) - 1, *dot;
    for (; to < end; to = dot) {
        dot = memchr(to + 1, '.', (size_t)(end - to));
        *to = (uint8_t)(dot - to - 1);
    }
    *to = 0;
    return to + 1;
}

/* Write all records, the first one in turn. */
static uint8_t *put_records(uint8_t *to, const struct entry *entry, struct rrset *rrset,
                            struct target targets[])
{
    const uint8_t *starts = starts_of(entry, rrset), *records = records_of(entry, rrset);
    uint16_t first = turn(rrset);
    if (!rrset->has_targets) {
        uint16_t start = get16(starts + first * sizeof start);
        to = copied(to, records + start, rrset->size - start);
        return copied(to, records, start);
    }
    for (size_t round = 0; round < rrset->count; round++) {
        size_t at = (first + round) % rrset->count;
        uint16_t start = get16(starts + at * sizeof start), end = rrset->held;
        if (at + 1 < rrset->count)
            end = get16(starts + (at + 1) * sizeof start);
        to = copied(to, records + start, (size_t)(end - start));
        targets[at].name = to;
        to = put_name(to, targets[at].entry);
    }
    return to;
}

/* By the hash: a change may have come between the two, which then have different entries. */
static bool is_repeated(const struct target targets[], size_t at)
{
    for (size_t earlier = 0; earlier < at; earlier++)
        if (targets[earlier].entry->hash == targets[at].entry->hash)
            return true;
    return false;
}

/* Write an rrset of a target, whose name ends in the apex of the question; NULL without room. */
static uint8_t *put_addresses(uint8_t *to, const uint8_t *end, const struct target *target,
                              const struct rrset *rrset, size_t before, uint16_t apex)
{
    const uint8_t *starts = starts_of(target->entry, rrset);
    const uint8_t *records = records_of(target->entry, rrset);
    if (rrset->size == TOO_BIG || (size_t)(end - to) < rrset->size + rrset->count * before)
        return NULL;
    for (size_t at = 0; at < rrset->count; at++) {
        uint16_t start = get16(starts + at * sizeof start), stop = rrset->held;
        if (at + 1 < rrset->count)
            stop = get16(starts + (at + 1) * sizeof start);
        to = put16(copied(to, target->name, before), apex);
        to = copied(to, records + start + 2, (size_t)(stop - start) - 2);
    }
    return to;
}

/*
 * Write the addresses of all targets (RFC 2782), and count them. Help that doesn't fit is left out,
 * and that is no truncation (RFC 2181 section 9).
 */
static uint8_t *put_extra(uint8_t *to, const uint8_t *end, const struct question *question,
                          const struct table *table, const struct rrset *rrset, uint8_t zone,
                          const struct target targets[], uint16_t *counted)
{
    uint8_t apex_size = table->zones[zone].apex_size, *begin = to;
    uint16_t apex = (uint16_t)(0xC000 | (HEAD + question->text_size - apex_size));
    for (size_t at = 0; rrset->has_targets && at < rrset->count; at++) {
        const struct entry *entry = targets[at].entry;
        if (is_repeated(targets, at))
            continue;
        for (size_t one = 0; one < entry->count; one++) {
            const struct rrset *found = &entry->rrsets[one];
            if (found->type != TYPE_A && found->type != TYPE_AAAA)
                continue;
            to = put_addresses(to, end, &targets[at], found, entry->text_size - apex_size, apex);
            if (!to) {
                *counted = 0;
                return begin;
            }
            *counted += found->count;
        }
    }
    return to;
}

/* Octets left beside head, question and OPT. */
static size_t room(const struct table *table, const struct question *question)
{
    size_t most = question->most < table->udp_size ? question->most : table->udp_size;
    return most - HEAD - question->size - (question->edns ? OPT_SIZE : 0);
}

static size_t found(const struct question *question, struct table *table, struct counts *counts,
                    const struct entry *entry, struct rrset *rrset, uint8_t *out)
{
    struct target targets[MOST_TARGETS];
    size_t left = room(table, question);
    uint16_t records[] = {rrset->count, 0, 0};
    if (rrset->size > left) {
        /* Without its records an answer is of use only as a sign to come by TCP. */
        uint8_t *to = begun(question, table->flags | TC, (uint16_t[]){0, 0, 0}, out);
        return counted(counts, question, TRUNCATED, ended(table, question, to, out));
    }
    if (rrset->size == ASK_PYTHON || !find_targets(table, entry, rrset, targets))
        return 0;
    uint8_t *to = begun(question, table->flags, records, out);
    const uint8_t *end = to + left;
    to = put_records(to, entry, rrset, targets);
    to = put_extra(to, end, question, table, rrset, entry->zone, targets, &records[2]);
    put16(out + 10, records[2] + question->edns);
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
