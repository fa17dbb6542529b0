/*
 * A table under change, and beside it what it may say.
 *
 * One thread changes; others ask. Of each thing that changes (what is known of a name, whether a
 * zone has it, what the zone says no with) there is a history: a change begins, is made, and is
 * done. An answer may tell of any version from the last one that was done when the question was
 * asked to the last one that had begun when it was answered. All records carry the version they
 * are of, so that an answer made of two would be seen.
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
    struct packet queries[2];   /* for A and SRV */
};

struct model {
    struct table *table;
    uint64_t tables; /* that had its place before */
    struct name names[NAMES];
    struct history entries[NAMES], marks[ZONES][NAMES / ZONES], denials[ZONES];
    bool blocks[BLOCKS];
    struct reader *readers[READERS]; /* who may have the table; NULL for none */
    struct counts counts;
};

/* A name that was asked for, and what may be said of it. */
struct look {
    size_t which;
    int type;
    struct span entry, mark, denial;
};

static const char *const apexes[ZONES] = {"in.mesos.", "mirror.x.", "mesos."};
static const uint8_t bases[ZONES] = {INNER, OUTER, OUTER};
static const uint16_t types[2] = {A, SRV};

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

static void teach(struct table *table, const struct name *name, size_t which, uint32_t shape,
                  uint32_t version)
{
    static uint8_t records[2][100][RECORD], extra[RECORD];
    static struct octets each[2][100];
    struct given given[2];
    uint16_t many = shape == TOO_MANY ? 100 : records_in(version);
    for (int type = 0; type < 2; type++) {
        for (size_t number = 0; number < many; number++) {
            put_data(records[type][number], types[type], which, shape, version, number);
            each[type][number] = (struct octets){records[type][number], RECORD};
        }
        put_data(extra, A, which, shape, version, 0);
        given[type] = (struct given){
            types[type], many, (uint16_t)type, each[type], {extra, type ? RECORD : 0}};
    }
    size_t count = shape == EMPTY ? 0 : shape == SERVICES ? 2 : 1;
    CHECK(table_teach(table, name->text, name->size, name->zone, given, count));
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
        teach(model->table, name, which, shape, version);
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
            teach(table, name, which, state_of(entry), entry->begun);
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

/* Want an answer of records to be of one version, whole, and in turn. */
static void judge_records(const struct packet *answer, size_t which, int type, struct span *entry)
{
    const uint8_t *records = answer->octets + question_end(answer);
    uint32_t version = version_in(records);
    uint8_t shape = records[HEADER + 1], first = records[RECORD - 1];
    uint16_t many = records_in(version);
    CHECK(shape == SERVICES || (shape == ADDRESSES && types[type] == A));
    CHECK(may_be_version(entry, version, shape));
    CHECK(at(answer, 6) == many && at(answer, 10) == type && first < many);
    for (size_t number = 0; number < many; number++) {
        uint8_t whole[RECORD];
        put_data(whole, types[type], which, shape, version, (first + number) % many);
        CHECK(!memcmp(records + number * RECORD, whole, RECORD));
    }
    if (type) {
        uint8_t whole[RECORD];
        put_data(whole, A, which, shape, version, 0);
        CHECK(!memcmp(records + many * RECORD, whole, RECORD));
    }
}

/* Want "no" to be said with what the zone has for that. */
static void judge_denial(const struct packet *answer, uint8_t zone, struct span *denial)
{
    const uint8_t *record = answer->octets + question_end(answer);
    uint8_t whole[RECORD];
    size_t apex = question_end(answer) - 4 - strlen(apexes[zone]) - 1;
    put_data(whole, SOA, zone, SAYS_NO, version_in(record), 0);
    put16(whole, (uint16_t)(0xC000 | apex));
    CHECK(!memcmp(record, whole, RECORD));
    CHECK(may_be_version(denial, version_in(record), SAYS_NO));
}

static struct look begin_look(struct model *model, size_t which, int type)
{
    return (struct look){which, type, asked_of(&model->entries[which]),
                         asked_of(mark_of(model, which)),
                         asked_of(&model->denials[model->names[which].zone])};
}

/* Want what was said since to have been true meanwhile; of no octets where Python was asked. */
static void end_look(struct model *model, struct look *look, const struct packet *answer)
{
    struct span *entry = &look->entry, *there = &look->mark, *denial = &look->denial;
    uint16_t type = types[look->type];
    entry->to = entry->of->begun;
    there->to = there->of->begun;
    denial->to = denial->of->begun;
    if (!answer->size) {
        CHECK((may_be(entry, UNKNOWN) && may_be(there, PRESENT)) || may_be(denial, SILENT));
        return;
    }
    uint16_t flags = at(answer, 2);
    CHECK((flags & ~(TC | NAME_ERROR)) == (QR | AA | RD));
    if (flags & TC) {
        CHECK(may_be(entry, TOO_MANY) && type == A);
        CHECK(answer->size == question_end(answer));
    } else if (flags & NAME_ERROR) {
        CHECK(may_be(entry, UNKNOWN) && may_be(there, ABSENT));
        judge_denial(answer, model->names[look->which].zone, denial);
    } else if (at(answer, 8)) {
        CHECK(may_be(entry, EMPTY) ||
              (type == SRV && (may_be(entry, ADDRESSES) || may_be(entry, TOO_MANY))));
        judge_denial(answer, model->names[look->which].zone, denial);
    } else {
        judge_records(answer, look->which, look->type, entry);
    }
}

static void look_up(struct model *model, struct table *table, struct counts *counts, size_t which,
                    int type)
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
        name->queries[0] = asked(name->text, A);
        name->queries[1] = asked(name->text, SRV);
        name->queries[1].octets[HEADER + 1] ^= 0x20;
    }
}

/* While nobody else asks: want all to be as it should, and the table to know its size. */
static void settle(struct model *model)
{
    struct table *table = model->table;
    char text[32];
    for (size_t which = 0; which < NAMES; which++)
        for (int type = 0; type < 2; type++)
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
                    next(&asker->chance) & 1);
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
