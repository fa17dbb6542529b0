/* The table of known answers: written by one thread, read by others without locks. */
#include "native.h"

#include <sched.h>
#include <stdlib.h>

enum { FREE = 0, GONE = 1, LEAST_SLOTS = 16 };

/* Epochs: see "Ownership" in native.h. Both are of the whole process. */
static _Atomic uint64_t epoch = 1;
static struct reader *readers;

/* A hash whose collisions can't be looked for without the key: SipHash-1-3. */

#define TURN(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define ROUND                                                                                      \
    do {                                                                                           \
        v0 += v1, v1 = TURN(v1, 13) ^ v0, v0 = TURN(v0, 32);                                       \
        v2 += v3, v3 = TURN(v3, 16) ^ v2;                                                          \
        v0 += v3, v3 = TURN(v3, 21) ^ v0;                                                          \
        v2 += v1, v1 = TURN(v1, 17) ^ v2, v2 = TURN(v2, 32);                                       \
    } while (0)

uint64_t table_hash(const struct table *table, uint8_t of, const void *octets, size_t size)
{
    const uint8_t *at = octets, *end = at + (size & ~(size_t)7);
    uint64_t first = table->key[0], second = table->key[1] ^ of;
    uint64_t v0 = first ^ 0x736f6d6570736575, v1 = second ^ 0x646f72616e646f6d;
    uint64_t v2 = first ^ 0x6c7967656e657261, v3 = second ^ 0x7465646279746573;
    uint64_t word, last = (uint64_t)size << 56;
    for (; at < end; at += 8) {
        memcpy(&word, at, 8);
        v3 ^= word;
        ROUND;
        v0 ^= word;
    }
    for (size_t rest = 0; rest < (size & 7); rest++)
        last |= (uint64_t)at[rest] << (8 * rest);
    v3 ^= last;
    ROUND;
    v0 ^= last;
    v2 ^= 0xff;
    ROUND;
    ROUND;
    ROUND;
    word = v0 ^ v1 ^ v2 ^ v3;
    return word > GONE ? word : word + 2; /* what stands for a slot's state is no hash */
}

/* Memory. */

static void *allocated(struct table *table, size_t size)
{
    struct block *block = calloc(1, size);
    if (block) {
        block->size = size;
        table->size += size;
    }
    return block;
}

static void freed(struct table *table, struct block *block)
{
    table->size -= block->size;
    free(block);
}

/* Take what no new reader can see any more. */
static void retire(struct table *table, void *taken)
{
    struct block *block = taken;
    if (!block)
        return;
    block->retired = atomic_fetch_add(&epoch, 1);
    *table->last = block;
    table->last = &block->next;
}

void table_reclaim(struct table *table)
{
    uint64_t oldest = UINT64_MAX;
    for (struct reader *reader = readers; reader; reader = reader->next) {
        uint64_t inside = atomic_load(&reader->inside);
        if (inside && inside < oldest)
            oldest = inside;
    }
    while (table->retired && table->retired->retired < oldest) {
        struct block *block = table->retired;
        table->retired = block->next;
        freed(table, block);
    }
    if (!table->retired)
        table->last = &table->retired;
}

void reader_join(struct reader *reader)
{
    reader->next = readers;
    readers = reader;
}

void reader_part(struct reader *reader)
{
    struct reader **at = &readers;
    while (*at != reader)
        at = &(*at)->next;
    *at = reader->next;
}

void reader_await(struct reader *reader)
{
    uint64_t inside, now = atomic_fetch_add(&epoch, 1);
    while ((inside = atomic_load(&reader->inside)) && inside <= now)
        sched_yield();
}

struct table *enter(struct reader *reader)
{
    atomic_store(&reader->inside, atomic_load(&epoch));
    return atomic_load(&reader->table);
}

void leave(struct reader *reader)
{
    atomic_store_explicit(&reader->inside, 0, memory_order_release);
}

/* Slots: of entries by their own hash, of names the hashes themselves. */

static struct entry *entry_of(uint64_t value)
{
    return (struct entry *)(uintptr_t)value;
}

static struct slots *slots_new(struct table *table, size_t live)
{
    size_t size = LEAST_SLOTS;
    while (size < live * 2)
        size *= 2;
    struct slots *slots = allocated(table, sizeof *slots + size * sizeof slots->at[0]);
    if (slots)
        slots->mask = size - 1;
    return slots;
}

static void slots_put(struct slots *slots, uint64_t hash, uint64_t value)
{
    size_t at = hash & slots->mask;
    while (atomic_load_explicit(&slots->at[at], memory_order_relaxed) != FREE)
        at = (at + 1) & slots->mask;
    slots->used++;
    slots->live++;
    atomic_store(&slots->at[at], value);
}

/* Have room for one more: larger slots where they are two thirds full; what is gone stays behind. */
static bool slots_widen(struct table *table, struct slots *_Atomic *place, bool entries)
{
    struct slots *slots = atomic_load(place);
    if ((slots->used + 1) * 3 <= (slots->mask + 1) * 2)
        return true;
    struct slots *larger = slots_new(table, slots->live + 1);
    if (!larger)
        return false;
    for (size_t at = 0; at <= slots->mask; at++) {
        uint64_t found = atomic_load_explicit(&slots->at[at], memory_order_relaxed);
        if (found > GONE)
            slots_put(larger, entries ? entry_of(found)->hash : found, found);
    }
    atomic_store(place, larger);
    retire(table, slots);
    return true;
}

static void slots_drop(struct slots *slots, _Atomic uint64_t *at)
{
    atomic_store(at, GONE);
    slots->live--;
}

static _Atomic uint64_t *place_of_name(struct slots *slots, uint64_t hash)
{
    for (size_t at = hash & slots->mask;; at = (at + 1) & slots->mask) {
        uint64_t found = atomic_load(&slots->at[at]);
        if (found == hash)
            return &slots->at[at];
        if (found == FREE)
            return NULL;
    }
}

static _Atomic uint64_t *place_of_entry(struct slots *slots, uint64_t hash, const char *text,
                                        size_t size)
{
    for (size_t at = hash & slots->mask;; at = (at + 1) & slots->mask) {
        uint64_t found = atomic_load(&slots->at[at]);
        if (found == FREE)
            return NULL;
        if (found == GONE)
            continue;
        const struct entry *entry = entry_of(found);
        if (entry->hash == hash && entry->text_size == size &&
            !memcmp(&entry->rrsets[entry->count], text, size))
            return &slots->at[at];
    }
}

/* The table. */

struct table *table_new(const uint64_t key[2])
{
    struct table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    memcpy(table->key, key, sizeof table->key);
    table->size = sizeof *table;
    table->last = &table->retired;
    struct slots *entries = slots_new(table, 0), *names = slots_new(table, 0);
    if (!entries || !names) {
        free(entries);
        free(names);
        free(table);
        return NULL;
    }
    atomic_init(&table->entries, entries);
    atomic_init(&table->names, names);
    return table;
}

void table_free(struct table *table)
{
    struct slots *entries = atomic_load(&table->entries);
    for (size_t at = 0; at <= entries->mask; at++) {
        uint64_t found = atomic_load(&entries->at[at]);
        if (found > GONE)
            free(entry_of(found));
    }
    for (size_t at = 0; at < table->zone_count; at++)
        free(atomic_load(&table->zones[at].denial));
    while (table->retired) {
        struct block *block = table->retired;
        table->retired = block->next;
        free(block);
    }
    free(entries);
    free(atomic_load(&table->names));
    free(table);
}

static uint16_t chosen(struct table *table, uint16_t count)
{
    uint64_t number = table->chosen++;
    return (uint16_t)(table_hash(table, OF_TURNS, &number, sizeof number) % count);
}

/* Octets of all records in an answer; or what stands in their place (ASK_PYTHON, TOO_BIG). */
static size_t size_sent(const struct table *table, const struct given *given)
{
    size_t size = 0;
    for (size_t at = 0; at < given->count; at++)
        size += given->records[at].size + (given->targets ? given->targets[at].size + 1 : 0);
    bool fits = size <= table->udp_size && (!given->targets || given->count <= MOST_TARGETS);
    return fits ? size : TOO_BIG;
}

/* Octets that an rrset takes here; what no answer has room for takes none. */
static size_t size_held(const struct table *table, const struct given *given)
{
    size_t size = 0;
    if (size_sent(table, given) == TOO_BIG)
        return 0;
    for (size_t at = 0; at < given->count; at++)
        size += sizeof(uint16_t) + given->records[at].size + (given->targets ? sizeof(uint64_t) : 0);
    return size;
}

/* Fill in an rrset, with its octets from `to` on; return where these end. */
static uint8_t *filled(struct table *table, struct entry *entry, struct rrset *rrset,
                       const struct given *given, uint8_t *to)
{
    size_t start = 0;
    rrset->type = given->type;
    rrset->size = (uint16_t)size_sent(table, given);
    rrset->starts = (uint32_t)(to - (uint8_t *)entry);
    if (rrset->size == TOO_BIG || !given->count)
        return to;
    rrset->count = given->count;
    rrset->has_targets = given->targets != NULL;
    atomic_init(&rrset->turn, chosen(table, given->count));
    for (size_t at = 0; at < given->count; at++) {
        to = put16(to, (uint16_t)start);
        start += given->records[at].size;
    }
    rrset->held = (uint16_t)start;
    for (size_t at = 0; at < given->count; at++)
        to = copied(to, given->records[at].at, given->records[at].size);
    for (size_t at = 0; given->targets && at < given->count; at++) {
        const struct octets *target = &given->targets[at];
        uint64_t hash = table_hash(table, OF_ENTRIES, target->at, target->size);
        to = copied(to, &hash, sizeof hash);
    }
    return to;
}

static struct entry *entry_new(struct table *table, uint64_t hash, const char *text, size_t size,
                               uint8_t zone, const struct given *given, size_t count)
{
    size_t whole = offsetof(struct entry, rrsets) + count * sizeof(struct rrset) + size;
    for (size_t at = 0; at < count; at++)
        whole += size_held(table, &given[at]);
    struct entry *entry = allocated(table, whole);
    if (!entry)
        return NULL;
    entry->hash = hash;
    entry->text_size = (uint8_t)size;
    entry->zone = zone;
    entry->count = (uint16_t)count;
    uint8_t *to = copied((uint8_t *)&entry->rrsets[count], text, size);
    for (size_t at = 0; at < count; at++)
        to = filled(table, entry, &entry->rrsets[at], &given[at], to);
    return entry;
}

bool table_teach(struct table *table, const char *text, size_t size, uint8_t zone,
                 const struct given *given, size_t count)
{
    uint64_t hash = table_hash(table, OF_ENTRIES, text, size);
    _Atomic uint64_t *place = place_of_entry(atomic_load(&table->entries), hash, text, size);
    if (!place && !slots_widen(table, &table->entries, true))
        return false;
    struct entry *entry = entry_new(table, hash, text, size, zone, given, count);
    if (!entry)
        return false;
    uint64_t value = (uint64_t)(uintptr_t)entry;
    if (place)
        retire(table, entry_of(atomic_exchange(place, value)));
    else
        slots_put(atomic_load(&table->entries), hash, value);
    return true;
}

struct entry *table_find(struct table *table, uint64_t hash, const char *text, size_t size)
{
    _Atomic uint64_t *place = place_of_entry(atomic_load(&table->entries), hash, text, size);
    uint64_t found = place ? atomic_load(place) : GONE;
    return found > GONE ? entry_of(found) : NULL;
}

/* A hash is as good as the name: nobody without the key finds two names that have the same. */
struct entry *table_target(struct table *table, uint64_t hash)
{
    struct slots *slots = atomic_load(&table->entries);
    for (size_t at = hash & slots->mask;; at = (at + 1) & slots->mask) {
        uint64_t found = atomic_load(&slots->at[at]);
        if (found == FREE)
            return NULL;
        if (found != GONE && entry_of(found)->hash == hash)
            return entry_of(found);
    }
}

void table_fetch_slot(struct table *table, uint64_t hash)
{
    struct slots *slots = atomic_load(&table->entries);
    __builtin_prefetch((void *)&slots->at[hash & slots->mask]);
}

void table_fetch_entry(struct table *table, uint64_t hash)
{
    struct slots *slots = atomic_load(&table->entries);
    uint64_t found = atomic_load(&slots->at[hash & slots->mask]);
    __builtin_prefetch(entry_of(found));
    __builtin_prefetch(entry_of(found + 64));
}

bool table_knows(struct table *table, const char *text, size_t size)
{
    return table_find(table, table_hash(table, OF_ENTRIES, text, size), text, size);
}

bool table_forget(struct table *table, const char *text, size_t size)
{
    struct slots *slots = atomic_load(&table->entries);
    uint64_t hash = table_hash(table, OF_ENTRIES, text, size);
    _Atomic uint64_t *place = place_of_entry(slots, hash, text, size);
    if (!place)
        return false;
    struct entry *entry = entry_of(atomic_load(place));
    slots_drop(slots, place);
    retire(table, entry);
    return true;
}

bool table_deny(struct table *table, uint8_t zone, const void *record, size_t size)
{
    struct denial *denial = NULL;
    if (record) {
        denial = allocated(table, sizeof *denial + size);
        if (!denial)
            return false;
        denial->size = (uint16_t)size;
        memcpy(denial->record, record, size);
    }
    retire(table, atomic_exchange(&table->zones[zone].denial, denial));
    return true;
}

bool table_has(struct table *table, uint8_t base, const char *text, size_t size)
{
    return place_of_name(atomic_load(&table->names), table_hash(table, base, text, size));
}

bool table_add(struct table *table, uint8_t base, const char *text, size_t size)
{
    uint64_t hash = table_hash(table, base, text, size);
    if (!slots_widen(table, &table->names, false))
        return false;
    slots_put(atomic_load(&table->names), hash, hash);
    return true;
}

bool table_remove(struct table *table, uint8_t base, const char *text, size_t size)
{
    struct slots *slots = atomic_load(&table->names);
    _Atomic uint64_t *place = place_of_name(slots, table_hash(table, base, text, size));
    if (place)
        slots_drop(slots, place);
    return place != NULL;
}

int table_zone(const struct table *table, const char *text, size_t size)
{
    for (size_t at = 0; at < table->zone_count; at++) {
        const struct zone *zone = &table->zones[at];
        if (size < zone->apex_size)
            continue;
        const char *end = text + size - zone->apex_size;
        if ((end == text || end[-1] == '.') && !memcmp(end, zone->apex, zone->apex_size))
            return (int)at;
    }
    return -1;
}
