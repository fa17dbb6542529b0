/*
 * A table under change, and beside it what it may say.
 *
 * One thread changes; others ask. Of each thing that changes (what is known of a name, whether a
 * zone has it, what the zone says no with) there is a history: a change begins, is made, and is
 * done. An answer may tell of any version from the last one that was done when the question was
 * asked to the last one that had begun when it was answered. All records carry the version they
 * are of, so that an answer made of two would be seen. Services name others of their zone as
 * targets, and what goes along may be of another version for each of these.
 */
#ifndef MODEL_H
#define MODEL_H

#include "check.h"

#include <pthread.h>
#include <semaphore.h>

#ifndef READERS
#define READERS 3 /* threads at most */
#endif

enum {
    ZONES = 3,
    NAMES = 24, /* that are asked for, the apexes among them */
    BLOCKS = 12, /* of names that come and go together, so that slots are too few */
    BLOCK = 48,
    VERSIONS = 1024, /* that are kept */
    DATA = 8,        /* octets: which, shape, version, number of the record */
    RECORD = HEADER + DATA,
    SIBLINGS = NAMES / ZONES, /* names of one zone */
    TYPES = 3,
    MOST_SLOTS = 4 * (NAMES + BLOCKS * BLOCK),
};

/* Zones, the longest apex first: one inside another, and a mirror of the latter. */
enum { INNER, MIRROR, OUTER };

/* What is known of a name; UNKNOWN, ABSENT and SILENT are where histories begin. */
enum { UNKNOWN, EMPTY, ADDRESSES, SERVICES, TOO_MANY, SHAPES };
enum { ABSENT, PRESENT };
enum { SILENT, SAYS_NO };

struct history {
    _Atomic uint32_t begun, done;
    _Atomic uint32_t states[VERSIONS];
};

struct span {
    struct history *of;
    uint32_t from, to;
};

struct name {
    char text[16];
    uint8_t size, zone, before; /* octets before the apex */
    struct packet queries[TYPES];
};

struct model {
    struct table *table;
    uint64_t tables; /* that had its place before */
    struct name names[NAMES];
    struct history entries[NAMES], marks[ZONES][SIBLINGS], denials[ZONES];
    bool blocks[BLOCKS];
    struct reader *readers[READERS]; /* who may have the table; NULL for none */
    struct counts counts;
};

/* A name that was asked for, and what may be said of it. */
struct look {
    size_t which, type;
    struct span entries[SIBLINGS], mark, denial; /* of all that may be targets, itself among them */
};

static const char *const apexes[ZONES] = {"in.mesos.", "mirror.x.", "mesos."};
static const uint8_t bases[ZONES] = {INNER, OUTER, OUTER};
static const uint16_t types[TYPES] = {A, AAAA, SRV};

/* Histories. */

static uint32_t begin_change(struct history *history, uint32_t state)
{
    uint32_t version = history->begun + 1;
    history->states[version % VERSIONS] = state;
    history->begun = version;
    return version;
}

static uint32_t state_of(struct history *history)
{
    return history->states[history->begun % VERSIONS];
}

static struct span asked_of(struct history *history)
{
    return (struct span){history, history->done, 0};
}

/* Whether there were so many changes meanwhile that it is not known what may be seen. */
static bool is_lost(const struct span *span)
{
    return span->of->begun - span->from >= VERSIONS;
}

static bool may_be(const struct span *span, uint32_t state)
{
    for (uint32_t version = span->from; version <= span->to; version++)
        if (span->of->states[version % VERSIONS] == state)
            return true;
    return is_lost(span);
}

static bool may_be_version(const struct span *span, uint32_t version, uint32_t state)
{
    return version >= span->from && version <= span->to &&
           (span->of->states[version % VERSIONS] == state || is_lost(span));
}

static const struct span *entry_of_look(const struct look *look)
{
    return &look->entries[look->which / ZONES];
}

static struct history *mark_of(struct model *model, size_t which)
{
    return &model->marks[bases[model->names[which].zone]][which / ZONES];
}

/* What is said of a name in some version. */

static void put_data(uint8_t *record, uint16_t type, size_t which, uint32_t shape, uint32_t version,
                     size_t number)
{
    put_record(record, type, DATA, (uint8_t)number);
    record[HEADER] = (uint8_t)which;
    record[HEADER + 1] = (uint8_t)shape;
    memcpy(record + HEADER + 2, &version, sizeof version);
}

static uint32_t version_in(const uint8_t *record)
{
    uint32_t version;
    memcpy(&version, record + HEADER + 2, sizeof version);
    return version;
}

static uint16_t records_in(uint32_t version)
{
    return (uint16_t)(version % 5 + 1);
}

/* The target of a record of a service, by its place in the zone; of some two have the same. */
static size_t target_in(size_t which, uint32_t version, size_t number)
{
    return (which / ZONES + version / 5 + number / 2) % SIBLINGS;
}

static size_t sibling(size_t which, size_t place)
{
    return place * ZONES + which % ZONES;
}

/* A record of a service, without the name of its target. */
static void put_service(uint8_t *record, const struct name *target, size_t which, uint32_t version,
                        size_t number)
{
    put_data(record, SRV, which, SERVICES, version, number);
    put16(record + HEADER - 2, (uint16_t)(DATA + target->size + 1));
}

static void teach(struct table *table, const struct name names[], size_t which, uint32_t shape,
                  uint32_t version)
{
    static const size_t counts[SHAPES] = {[ADDRESSES] = 2, [SERVICES] = TYPES, [TOO_MANY] = 1};
    static uint8_t records[TYPES][100][RECORD];
    static struct octets each[TYPES][100], targets[100];
    const struct name *name = &names[which];
    struct given given[TYPES];
    uint16_t many = shape == TOO_MANY ? 100 : records_in(version);
    for (size_t type = 0; type < counts[shape]; type++) {
        for (size_t number = 0; number < many; number++) {
            const struct name *to = &names[sibling(which, target_in(which, version, number))];
            put_data(records[type][number], types[type], which, shape, version, number);
            if (types[type] == SRV)
                put_service(records[type][number], to, which, version, number);
            each[type][number] = (struct octets){records[type][number], RECORD};
            targets[number] = (struct octets){to->text, to->size};
        }
        given[type] = (struct given){types[type], many, each[type],
                                     types[type] == SRV ? targets : NULL};
    }
    CHECK(table_teach(table, name->text, name->size, name->zone, given, counts[shape]));
}

static void deny(struct table *table, uint8_t zone, uint32_t version)
{
    uint8_t record[RECORD];
    put_data(record, SOA, zone, SAYS_NO, version, 0);
    CHECK(table_deny(table, zone, record + 2, RECORD - 2));
}

static void mark(struct table *table, uint8_t base, const char *text, size_t size, bool there)
{
    if (table_has(table, base, text, size) != there)
        CHECK(there ? table_add(table, base, text, size) : table_remove(table, base, text, size));
}

static void set_block(struct table *table, size_t block, bool there)
{
    char text[32];
    for (size_t number = 0; number < BLOCK; number++) {
        size_t size = (size_t)sprintf(text, "b%zu-%zu.mesos.", block, number);
        mark(table, OUTER, text, size - strlen("mesos."), there);
        CHECK(there ? table_teach(table, text, size, OUTER, NULL, 0)
                    : table_forget(table, text, size));
    }
}

/* Changes. */

static void change_entry(struct model *model, size_t which, uint32_t shape)
{
    struct history *history = &model->entries[which];
    const struct name *name = &model->names[which];
    uint32_t before = state_of(history), version = begin_change(history, shape);
    if (shape == UNKNOWN)
        CHECK(table_forget(model->table, name->text, name->size) == (before != UNKNOWN));
    else
        teach(model->table, model->names, which, shape, version);
    history->done = version;
}

static void change_mark(struct model *model, size_t which, bool there)
{
    struct history *history = mark_of(model, which);
    const struct name *name = &model->names[which];
    uint32_t version = begin_change(history, there);
    mark(model->table, bases[name->zone], name->text, name->before, there);
    history->done = version;
}

static void change_denial(struct model *model, uint8_t zone, bool says)
{
    struct history *history = &model->denials[zone];
    uint32_t version = begin_change(history, says);
    if (says)
        deny(model->table, zone, version);
    else
        CHECK(table_deny(model->table, zone, NULL, 0));
    history->done = version;
}

static void change_block(struct model *model, size_t block)
{
    model->blocks[block] = !model->blocks[block];
    set_block(model->table, block, model->blocks[block]);
}

static struct table *new_table(uint64_t key)
{
    struct table *table = table_new((uint64_t[]){key, 1});
    CHECK(table);
    table->flags = QR | AA;
    table->udp_size = 1232;
    for (size_t zone = 0; zone < ZONES; zone++) {
        table->zones[zone].apex_size = (uint8_t)strlen(apexes[zone]);
        table->zones[zone].base = bases[zone];
        memcpy(table->zones[zone].apex, apexes[zone], strlen(apexes[zone]));
    }
    table->zone_count = ZONES;
    return table;
}

/* Have another table take the place, which says the same. */
static void change_table(struct model *model)
{
    struct table *table = new_table(++model->tables);
    for (size_t which = 0; which < NAMES; which++) {
        const struct name *name = &model->names[which];
        struct history *entry = &model->entries[which], *there = mark_of(model, which);
        if (state_of(entry) != UNKNOWN)
            teach(table, model->names, which, state_of(entry), entry->begun);
        mark(table, bases[name->zone], name->text, name->before, state_of(there) == PRESENT);
    }
    for (uint8_t zone = 0; zone < ZONES; zone++)
        if (state_of(&model->denials[zone]) == SAYS_NO)
            deny(table, zone, model->denials[zone].begun);
    for (size_t block = 0; block < BLOCKS; block++)
        if (model->blocks[block])
            set_block(table, block, true);
    for (size_t reader = 0; reader < READERS; reader++)
        if (model->readers[reader]) {
            atomic_store(&model->readers[reader]->table, table);
            reader_await(model->readers[reader]);
        }
    table_free(model->table);
    model->table = table;
}

/* Change something, as three octets say. */
static void change(struct model *model, uint8_t what, uint8_t which, uint8_t how)
{
    if (what < 150)
        change_entry(model, which % NAMES, how % SHAPES);
    else if (what < 220)
        change_mark(model, which % NAMES, how & 1);
    else if (what < 250)
        change_denial(model, which % ZONES, how & 3);
    else if (what < 255 || which)
        change_block(model, which % BLOCKS);
    else
        change_table(model);
    table_reclaim(model->table);
}

/* Questions. */

/* Put a target's addresses as they go along: of one version, whole, and as they were taught. */
static void put_addresses(struct packet *whole, const struct packet *answer,
                          const struct name *target, size_t which, const uint8_t *found)
{
    uint8_t record[RECORD];
    uint16_t apex = (uint16_t)(question_end(answer) - 5 - (size_t)(target->size - target->before));
    for (size_t type = 0; type < 2; type++)
        for (size_t number = 0; number < records_in(version_in(found)); number++) {
            put_data(record, types[type], which, found[HEADER + 1], version_in(found), number);
            if (target->before) {
                put(whole, (uint8_t[]){target->before - 1}, 1);
                put(whole, target->text, target->before - 1u);
            }
            put_short(whole, 0xC000 | apex);
            put(whole, record + 2, RECORD - 2);
        }
}

/* Put what is to go along with these services: their targets' addresses, each once, or none. */
static void put_extra(struct packet *whole, const struct packet *answer, const struct model *model,
                      const struct look *look, uint32_t version)
{
    bool seen[SIBLINGS] = {0}, none = at(answer, 10) == 1, may_be_empty = true, may_be_many = false;
    for (size_t number = 0; number < records_in(version); number++) {
        size_t place = target_in(look->which, version, number);
        size_t which = sibling(look->which, place);
        const struct name *target = &model->names[which];
        const struct span *span = &look->entries[place];
        const uint8_t *found = answer->octets + whole->size + target->before;
        if (seen[place])
            continue;
        seen[place] = true;
        may_be_empty &= may_be(span, EMPTY);
        may_be_many |= may_be(span, TOO_MANY);
        if (!none && found + RECORD < answer->octets + answer->size && found[HEADER] == which) {
            uint8_t shape = found[HEADER + 1];
            CHECK(shape == ADDRESSES || shape == SERVICES);
            CHECK(may_be_version(span, version_in(found), shape));
            put_addresses(whole, answer, target, which, found);
        } else {
            CHECK(none || may_be(span, EMPTY));
        }
    }
    CHECK(!none || may_be_empty || may_be_many);
}

/* Want an answer of records to be of one version, whole, and in turn, with what goes along. */
static void judge_records(const struct packet *answer, const struct model *model,
                          const struct look *look)
{
    uint8_t record[RECORD];
    struct packet whole = {0};
    put(&whole, answer->octets, question_end(answer));
    const uint8_t *found = answer->octets + whole.size;
    uint32_t version = version_in(found);
    uint8_t shape = found[HEADER + 1], first = found[RECORD - 1];
    uint16_t many = records_in(version), type = types[look->type];
    CHECK(shape == SERVICES || (shape == ADDRESSES && type != SRV));
    CHECK(may_be_version(entry_of_look(look), version, shape));
    CHECK(at(answer, 6) == many && first < many && (type == SRV || at(answer, 10) == 1));
    for (size_t round = 0; round < many; round++) {
        size_t number = (first + round) % many;
        const struct name *target =
            &model->names[sibling(look->which, target_in(look->which, version, number))];
        put_data(record, type, look->which, shape, version, number);
        if (type == SRV)
            put_service(record, target, look->which, version, number);
        put(&whole, record, RECORD);
        if (type == SRV)
            put_name(&whole, target->text);
    }
    if (type == SRV)
        put_extra(&whole, answer, model, look, version);
    put(&whole, "\0\0\x29\x04\xD0\0\0\0\0\0", OPT_OCTETS);
    CHECK(answer->size == whole.size && !memcmp(answer->octets, whole.octets, whole.size));
}

/* Want "no" to be said with what the zone has for that. */
static void judge_denial(const struct packet *answer, uint8_t zone, const struct span *denial)
{
    const uint8_t *record = answer->octets + question_end(answer);
    uint8_t whole[RECORD];
    size_t apex = question_end(answer) - 4 - strlen(apexes[zone]) - 1;
    put_data(whole, SOA, zone, SAYS_NO, version_in(record), 0);
    put16(whole, (uint16_t)(0xC000 | apex));
    CHECK(!memcmp(record, whole, RECORD));
    CHECK(may_be_version(denial, version_in(record), SAYS_NO));
}

static struct look begin_look(struct model *model, size_t which, size_t type)
{
    struct look look = {.which = which, .type = type, .mark = asked_of(mark_of(model, which)),
                        .denial = asked_of(&model->denials[model->names[which].zone])};
    for (size_t place = 0; place < SIBLINGS; place++)
        look.entries[place] = asked_of(&model->entries[sibling(which, place)]);
    return look;
}

/* Whether services may be there that name a target of which nothing is known. */
static bool may_lack_target(const struct look *look)
{
    const struct span *entry = entry_of_look(look);
    for (uint32_t version = entry->from; version <= entry->to; version++)
        for (size_t number = 0; number < records_in(version); number++)
            if (may_be_version(entry, version, SERVICES) &&
                may_be(&look->entries[target_in(look->which, version, number)], UNKNOWN))
                return true;
    return false;
}

/* Want what was said since to have been true meanwhile; of no octets where Python was asked. */
static void end_look(struct model *model, struct look *look, const struct packet *answer)
{
    struct span *there = &look->mark, *denial = &look->denial;
    const struct span *entry = entry_of_look(look);
    uint16_t type = types[look->type];
    for (size_t place = 0; place < SIBLINGS; place++)
        look->entries[place].to = look->entries[place].of->begun;
    there->to = there->of->begun;
    denial->to = denial->of->begun;
    if (!answer->size) {
        CHECK((may_be(entry, UNKNOWN) && may_be(there, PRESENT)) || may_be(denial, SILENT) ||
              (type == SRV && may_lack_target(look)));
        return;
    }
    uint16_t flags = at(answer, 2);
    CHECK((flags & ~(TC | NAME_ERROR)) == (QR | AA | RD));
    if (flags & TC) {
        CHECK(may_be(entry, TOO_MANY) && type == A);
        CHECK(answer->size == question_end(answer) + OPT_OCTETS);
    } else if (flags & NAME_ERROR) {
        CHECK(may_be(entry, UNKNOWN) && may_be(there, ABSENT));
        judge_denial(answer, model->names[look->which].zone, denial);
    } else if (at(answer, 8)) {
        CHECK(may_be(entry, EMPTY) || (type != A && may_be(entry, TOO_MANY)) ||
              (type == SRV && may_be(entry, ADDRESSES)));
        judge_denial(answer, model->names[look->which].zone, denial);
    } else {
        judge_records(answer, model, look);
    }
}

static void look_up(struct model *model, struct table *table, struct counts *counts, size_t which,
                    size_t type)
{
    struct look look = begin_look(model, which, type);
    struct packet answer = answer_to(table, counts, &model->names[which].queries[type]);
    end_look(model, &look, &answer);
}

/* The whole. */

static void begin_model(struct model *model)
{
    memset(model, 0, sizeof *model);
    model->table = new_table(0);
    for (size_t which = 0; which < NAMES; which++) {
        struct name *name = &model->names[which];
        size_t number = which / ZONES;
        name->zone = (uint8_t)(which % ZONES);
        name->before = (uint8_t)(number ? sprintf(name->text, "n%zu.", number) : 0);
        strcpy(name->text + name->before, apexes[name->zone]);
        name->size = (uint8_t)strlen(name->text);
        for (size_t type = 0; type < TYPES; type++)
            name->queries[type] = asked_with(name->text, types[type], 1232);
        name->queries[1].octets[HEADER + 1] ^= 0x20;
    }
}

/* While nobody else asks: want all to be as it should, and the table to know its size. */
static void settle(struct model *model)
{
    struct table *table = model->table;
    char text[32];
    for (size_t which = 0; which < NAMES; which++)
        for (size_t type = 0; type < TYPES; type++)
            look_up(model, table, &model->counts, which, type);
    for (size_t block = 0; block < BLOCKS; block++)
        for (size_t number = 0; number < BLOCK; number++) {
            size_t size = (size_t)sprintf(text, "b%zu-%zu.mesos.", block, number);
            CHECK(table_knows(table, text, size) == model->blocks[block]);
            CHECK(table_has(table, OUTER, text, size - 6) == model->blocks[block]);
        }
    table_reclaim(table);
    CHECK(!table->retired);
    struct slots *entries = atomic_load(&table->entries), *names = atomic_load(&table->names);
    size_t size = sizeof *table + entries->block.size + names->block.size;
    for (size_t slot = 0; slot <= entries->mask; slot++) {
        uint64_t value = atomic_load(&entries->at[slot]);
        if (value > 1)
            size += ((struct block *)(uintptr_t)value)->size;
    }
    for (size_t zone = 0; zone < ZONES; zone++) {
        struct denial *denial = atomic_load(&table->zones[zone].denial);
        size += denial ? denial->block.size : 0;
    }
    CHECK(table->size == size);
    CHECK(entries->mask < MOST_SLOTS && names->mask < MOST_SLOTS);
}

/* Threads that ask a few times for each change, at their own pace. */

struct asker {
    struct model *model;
    struct reader reader;
    pthread_t thread;
    uint64_t chance;
    sem_t rounds;
    atomic_bool ended;
};

static inline void *ask(void *given)
{
    struct asker *asker = given;
    for (int left = 1; left || !asker->ended;) {
        while (sem_wait(&asker->rounds))
            ;
        CHECK(!sem_getvalue(&asker->rounds, &left));
        struct table *table = enter(&asker->reader);
        for (uint64_t looks = next(&asker->chance) % 8; looks; looks--)
            look_up(asker->model, table, &asker->reader.counts, next(&asker->chance) % NAMES,
                    next(&asker->chance) % TYPES);
        leave(&asker->reader);
    }
    return NULL;
}

static inline void begin_asking(struct model *model, struct asker askers[READERS])
{
    for (size_t reader = 0; reader < READERS; reader++) {
        struct asker *asker = &askers[reader];
        memset(asker, 0, sizeof *asker);
        asker->model = model;
        asker->chance = reader;
        atomic_store(&asker->reader.table, model->table);
        reader_join(&asker->reader);
        model->readers[reader] = &asker->reader;
        CHECK(!sem_init(&asker->rounds, 0, 0));
        CHECK(!pthread_create(&asker->thread, NULL, ask, asker));
    }
}

static inline void ask_more(struct asker askers[READERS])
{
    for (size_t reader = 0; reader < READERS; reader++)
        CHECK(!sem_post(&askers[reader].rounds));
}

static inline void end_asking(struct model *model, struct asker askers[READERS])
{
    for (size_t reader = 0; reader < READERS; reader++)
        askers[reader].ended = true;
    ask_more(askers);
    for (size_t reader = 0; reader < READERS; reader++) {
        CHECK(!pthread_join(askers[reader].thread, NULL));
        CHECK(!sem_destroy(&askers[reader].rounds));
        reader_part(&askers[reader].reader);
        model->readers[reader] = NULL;
    }
}

#endif
