/*
 * Each change of the table, and between each two of its steps that others may see a reader that
 * comes, finds what there is, and stays until the change is done: it must find it still there. Its
 * coming, too, may be spread over any two of these places. For GCC.
 */
#include "check.h"

static void step(void);

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_exchange
#undef atomic_fetch_add

#define atomic_load_explicit(at, order) (step(), __atomic_load_n(at, order))
#define atomic_load(at) atomic_load_explicit(at, memory_order_seq_cst)
#define atomic_store(at, value) (step(), __atomic_store_n(at, value, memory_order_seq_cst))
#define atomic_exchange(at, value) (step(), __atomic_exchange_n(at, value, memory_order_seq_cst))
#define atomic_fetch_add(at, value) (step(), __atomic_fetch_add(at, value, memory_order_seq_cst))

#include "table.c"

static struct table *table;
static struct reader reader;

/* When the reader looks at the epoch, and when it says so and is inside; the steps so far. */
static size_t looks, comes, steps;
static bool begun, reading;
static uint64_t seen;

/* What it found: of the service, and of its target as its records name it. */
static struct entry *service, *target;
static struct block *found[3];

static void come(void)
{
    uint64_t hash = table_hash(table, OF_ENTRIES, "s.mesos.", 8);
    atomic_store(&reader.inside, seen);
    service = table_find(table, hash, "s.mesos.", 8);
    if (service) {
        const struct rrset *rrset = &service->rrsets[0];
        memcpy(&hash, (uint8_t *)service + rrset->starts + sizeof(uint16_t) + rrset->held,
               sizeof hash);
        target = table_target(table, hash);
    }
    found[0] = &atomic_load(&table->entries)->block;
    found[1] = &atomic_load(&table->names)->block;
    found[2] = &atomic_load(&table->zones[0].denial)->block;
}

/* Whether an entry is still the one of a name, all of it. */
static bool is_of(const struct entry *entry, const char *name)
{
    const uint8_t *octets = (const uint8_t *)entry;
    unsigned int sum = 0;
    for (size_t at = 0; at < entry->block.size; at++)
        sum += octets[at];
    return sum && entry->text_size == strlen(name) &&
           !memcmp(&entry->rrsets[entry->count], name, strlen(name));
}

static void step(void)
{
    if (!begun || reading)
        return;
    reading = true;
    if (steps == looks)
        seen = atomic_load(&epoch);
    if (steps == comes)
        come();
    steps++;
    reading = false;
}

static void teach(const char *name)
{
    static const uint8_t record[] = "\xC0\x0C\0\1\0\1\0\0\0\x3C\0\4\1\2\3\4";
    struct given given = {A, 1, &(struct octets){record, 16}, NULL};
    CHECK(table_teach(table, name, strlen(name), 0, &given, 1));
}

static void teach_service(void)
{
    static const uint8_t record[] = "\xC0\x0C\0\2\0\1\0\0\0\x3C\0\x09";
    struct given given = {NS, 1, &(struct octets){record, 12}, &(struct octets){"a.mesos.", 8}};
    CHECK(table_teach(table, "s.mesos.", 8, 0, &given, 1));
}

/* Until one more takes larger slots. */
static void fill_slots(void)
{
    char name[32];
    for (int number = 0; number < 9; number++) {
        sprintf(name, "n%d.mesos.", number);
        if (number) /* the service is there, too */
            teach(name);
        CHECK(table_add(table, 0, name, strlen(name) - 6));
    }
    CHECK(atomic_load(&table->entries)->mask == 15 && atomic_load(&table->names)->mask == 15);
}

/* Changes. */

static void another_target(void)
{
    teach("a.mesos.");
}

static void another_service(void)
{
    teach_service();
}

static void one_name_more(void)
{
    teach("b.mesos.");
    CHECK(atomic_load(&table->entries)->mask == 31);
}

static void one_target_less(void)
{
    CHECK(table_forget(table, "a.mesos.", 8));
}

static void one_service_less(void)
{
    CHECK(table_forget(table, "s.mesos.", 8));
}

static void another_denial(void)
{
    CHECK(table_deny(table, 0, "\0\6\0\1\0\0\0\0\0\0", 10));
}

static void one_mark_more(void)
{
    CHECK(table_add(table, 0, "b.", 2));
    CHECK(atomic_load(&table->names)->mask == 31);
}

static void one_mark_less(void)
{
    CHECK(table_remove(table, 0, "a.", 2));
}

/* Have the reader come at some step of a change; return whether there was such a step. */
static bool try(void (*change)(void))
{
    volatile size_t size = 0;
    table = table_new((uint64_t[]){1, 2});
    CHECK(table);
    memcpy(table->zones[0].apex, "mesos.", 6);
    table->zones[0].apex_size = 6;
    table->zone_count = 1;
    table->udp_size = 1232;
    another_denial();
    teach("a.mesos.");
    teach_service();
    CHECK(table_add(table, 0, "a.", 2));
    fill_slots();
    table_reclaim(table);
    reader_join(&reader);
    steps = 0;
    service = target = NULL;
    begun = true;
    change();
    table_reclaim(table);
    begun = false;
    bool came = steps > comes;
    for (size_t which = 0; came && which < 3; which++)
        size += found[which]->size;
    CHECK(!came || size > 3 * sizeof(struct block));
    CHECK(!came || (service ? is_of(service, "s.mesos.") : change == one_service_less));
    CHECK(!service || (target ? is_of(target, "a.mesos.") : change == one_target_less));
    leave(&reader);
    table_reclaim(table);
    CHECK(!table->retired);
    reader_part(&reader);
    table_free(table);
    return came;
}

int main(void)
{
    static void (*const changes[])(void) = {
        another_target, another_service, one_name_more,  one_target_less,
        one_service_less, another_denial, one_mark_more, one_mark_less,
    };
    size_t tried = 0;
    for (size_t which = 0; which < sizeof changes / sizeof *changes; which++)
        for (comes = 0, looks = 0; try(changes[which]); tried++)
            if (looks < comes)
                looks++;
            else
                comes++, looks = 0;
    printf("%zu times\n", tried);
    CHECK(tried > 1000);
}
