/* What is said: records and no, as much as fits, from what was taught last. */
#include "cases.h"

/* The calls of calloc that succeed before one fails; none does for less than none. */
static int memory = -1;

void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t many, size_t size)
{
    if (!memory)
        return NULL;
    memory -= memory > 0;
    return __real_calloc(many, size);
}

static void records_take_turns(void)
{
    struct packet answer = said("web.mesos.", A);
    size_t begin = question_end(&answer);
    uint8_t first = answer.octets[begin + HEADER];
    CHECK(first >= 1 && first <= 3);
    for (int turn = 0; turn < 7; turn++) {
        for (int record = 0; record < 3; record++) {
            uint8_t which = answer.octets[begin + (size_t)record * 16 + HEADER];
            CHECK(which == (first - 1 + turn + record) % 3 + 1);
        }
        answer = said("web.mesos.", A);
    }
}

static void turns_begin_anywhere(void)
{
    int begun[3] = {0};
    for (int time = 0; time < 300; time++) {
        CHECK(teach_sized("web.mesos.", A, 3, 16));
        struct packet answer = said("web.mesos.", A);
        begun[answer.octets[question_end(&answer) + HEADER] - 1]++;
    }
    CHECK(begun[0] > 50 && begun[1] > 50 && begun[2] > 50);
}

static void an_answer_fills_its_room_to_the_octet(void)
{
    static const uint16_t sizes[] = {512, 513, 1232, 4096};
    for (size_t which = 0; which < 4; which++)
        for (uint16_t edns = 0; edns < 2; edns++) {
            uint16_t size = sizes[which], most = edns ? size : 512;
            struct packet query = edns ? asked_with("full.mesos.", A, size)
                                       : asked("full.mesos.", A);
            CHECK(teach_sized("full.mesos.", A, 1, room("full.mesos.", most, edns)));
            struct packet answer = check_said(query, QR | AA | RD, 1, 0, edns);
            CHECK(answer.size == most);
            CHECK(teach_sized("full.mesos.", A, 1, room("full.mesos.", most, edns) + 1));
            check_said(query, QR | AA | RD | TC, 0, 0, edns);
        }
}

static void clients_say_how_much_they_take(void)
{
    CHECK(teach_sized("full.mesos.", A, 1, room("full.mesos.", 512, true)));
    for (uint16_t size = 0; size < 512; size += 73) /* less counts as 512 (RFC 6891) */
        check_said(asked_with("full.mesos.", A, size), QR | AA | RD, 1, 0, 1);
    CHECK(teach_sized("full.mesos.", A, 1, room("full.mesos.", 1000, true)));
    check_said(asked_with("full.mesos.", A, 999), QR | AA | RD | TC, 0, 0, 1);
    check_said(asked_with("full.mesos.", A, 1000), QR | AA | RD, 1, 0, 1);
    check_said(asked_with("full.mesos.", A, UINT16_MAX), QR | AA | RD, 1, 0, 1);
}

static void nothing_is_longer_than_the_server_sends(void)
{
    end();
    begin(1232);
    CHECK(teach_sized("full.mesos.", A, 1, room("full.mesos.", 1232, true)));
    check_said(asked_with("full.mesos.", A, UINT16_MAX), QR | AA | RD, 1, 0, 1);
    CHECK(teach_sized("full.mesos.", A, 1, room("full.mesos.", 1232, true) + 1));
    check_said(asked_with("full.mesos.", A, UINT16_MAX), QR | AA | RD | TC, 0, 0, 1);
}

static void what_no_answer_has_room_for_takes_no_memory(void)
{
    size_t before = table->size;
    CHECK(teach_sized("full.mesos.", A, 512, 16));
    CHECK(table->size - before < 100);
    check_said(asked("full.mesos.", A), QR | AA | RD | TC, 0, 0, 0);
    check_said(asked_with("full.mesos.", A, 4096), QR | AA | RD | TC, 0, 0, 1);
}

static void no_is_said_with_the_start_of_the_zone(void)
{
    check_no("one.mesos.", 0, "mesos.", 22);
    check_no("_tcp.web.mesos.", 0, "mesos.", 22);
    check_no("none.mesos.", NAME_ERROR, "mesos.", 22);
    check_no("a.b.c.none.mesos.", NAME_ERROR, "mesos.", 22);
    check_no("web.web.mesos.", NAME_ERROR, "mesos.", 22);
    check_no("mesos.", NAME_ERROR, "mesos.", 22); /* until it is marked */
    mark(OUTER, "");
    check_passed(asked("mesos.", A));
}

static void names_that_are_there_but_not_known_are_passed_up(void)
{
    check_passed(asked("later.mesos.", A));
    CHECK(table_remove(table, OUTER, "later.", 6));
    check_no("later.mesos.", NAME_ERROR, "mesos.", 22);
    CHECK(!table_remove(table, OUTER, "later.", 6));
}

static void a_mirror_has_the_names_of_its_zone(void)
{
    check_passed(asked("web.mirror.x.", A));
    check_no("none.mirror.x.", NAME_ERROR, "mirror.x.", 23);
    CHECK(table_teach(table, "web.mirror.x.", 13, MIRROR, NULL, 0));
    check_no("web.mirror.x.", 0, "mirror.x.", 23);
}

static void a_zone_inside_another_has_its_own_names(void)
{
    check_passed(asked("none.in.mesos.", AAAA)); /* it has nothing to say no with */
    check_passed(asked("in.mesos.", AAAA));
    CHECK(deny(INNER, 24));
    check_no("none.in.mesos.", NAME_ERROR, "in.mesos.", 24);
    check_no("in.mesos.", NAME_ERROR, "in.mesos.", 24);
    check_no("notin.mesos.", NAME_ERROR, "mesos.", 22);
    mark(OUTER, "web.in."); /* in the outer zone, where nobody looks for it */
    check_no("web.in.mesos.", NAME_ERROR, "in.mesos.", 24);
    mark(INNER, "web.");
    check_passed(asked("web.in.mesos.", AAAA));
}

static void without_the_start_of_a_zone_no_is_not_said(void)
{
    CHECK(table_deny(table, OUTER, NULL, 0));
    check_passed(asked("none.mesos.", A));
    check_passed(asked("one.mesos.", AAAA));
    check_said(asked("one.mesos.", A), QR | AA | RD, 1, 0, 0);
    CHECK(deny(OUTER, 22));
    check_no("none.mesos.", NAME_ERROR, "mesos.", 22);
}

static void no_that_does_not_fit_is_passed_up(void)
{
    uint16_t most = (uint16_t)(room("none.mesos.", 512, false) - HEADER);
    CHECK(deny(OUTER, most));
    CHECK(check_said(asked("none.mesos.", A), QR | AA | RD | NAME_ERROR, 0, 1, 0).size == 512);
    CHECK(deny(OUTER, most + 1));
    check_passed(asked("none.mesos.", A));
    check_passed(asked("many.mesos.", A));
    check_said(asked_with("none.mesos.", A, 1232), QR | AA | RD | NAME_ERROR, 0, 1, 1);
}

static void what_is_taught_takes_the_place_of_what_was(void)
{
    for (uint16_t number = 1; number < 100; number++) {
        CHECK(teach_sized("one.mesos.", A, number % 7 + 1, 16));
        CHECK(teach_sized("two.mesos.", AAAA, number % 5 + 1, 28));
        check_said(asked("one.mesos.", A), QR | AA | RD, number % 7 + 1, 0, 0);
        check_said(asked("two.mesos.", AAAA), QR | AA | RD, number % 5 + 1, 0, 0);
        check_said(asked("two.mesos.", A), QR | AA | RD, 0, 1, 0);
        CHECK(table_knows(table, "two.mesos.", 10));
        CHECK(table_forget(table, "two.mesos.", 10));
        CHECK(!table_forget(table, "two.mesos.", 10));
        CHECK(!table_knows(table, "two.mesos.", 10));
        check_no("two.mesos.", NAME_ERROR, "mesos.", 22);
    }
}

static void a_name_may_have_many_types(void)
{
    static const uint8_t record[28] = "\xC0\x0C";
    struct octets one[] = {{record, 16}, {record, 28}};
    struct given given[MOST_TYPES];
    for (uint16_t type = 0; type < MOST_TYPES; type++)
        given[type] = (struct given){type, 1 + type % 2, one, NULL};
    CHECK(table_teach(table, "all.mesos.", 10, OUTER, given, MOST_TYPES));
    for (uint16_t type = 0; type < MOST_TYPES; type++) {
        struct packet query = asked("all.mesos.", type), answer = {0};
        struct question question;
        CHECK(question_read(&question, table, query.octets, query.size));
        answer.size = question_answer(&question, table, &counts, answer.octets);
        CHECK(answer.size == query.size + (type % 2 ? 16 + 28 : 16));
    }
}

static void queries_are_counted_by_type_and_outcome(void)
{
    CHECK(teach_sized("full.mesos.", A, 100, 16));
    for (int time = 0; time < 3; time++) {
        said("one.mesos.", A);
        said("full.mesos.", A);
        said("one.mesos.", AAAA);
        said("one.mesos.", 65);
        said("one.mesos.", 256); /* with all others above 255 */
        said("one.mesos.", UINT16_MAX);
        said("none.mesos.", SRV);
        said("later.mesos.", SRV);
    }
    CHECK(counts.queries[A][ANSWERED] == 3);
    CHECK(counts.queries[A][TRUNCATED] == 3);
    CHECK(counts.queries[AAAA][NODATA] == 3);
    CHECK(counts.queries[65][NODATA] == 3);
    CHECK(counts.queries[0][NODATA] == 6);
    CHECK(counts.queries[SRV][NXDOMAIN] == 3);
    uint64_t all = 0;
    for (int type = 0; type < 256; type++)
        for (int outcome = 0; outcome < OUTCOMES; outcome++)
            all += counts.queries[type][outcome];
    CHECK(all == 21);
}

static void what_is_replaced_lasts_as_long_as_its_readers(void)
{
    static struct reader readers[2];
    size_t size = table->size;
    for (size_t reader = 0; reader < 2; reader++) {
        atomic_store(&readers[reader].table, table);
        reader_join(&readers[reader]);
    }
    enter(&readers[0]);
    enter(&readers[1]);
    CHECK(teach_sized("one.mesos.", A, 1, 16));
    leave(&readers[0]);
    table_reclaim(table);
    CHECK(table->size > size);
    enter(&readers[0]);
    CHECK(deny(OUTER, 22));
    leave(&readers[1]);
    enter(&readers[1]); /* it can't have what was replaced before */
    size_t both = table->size;
    table_reclaim(table);
    CHECK(table->size > size && table->size < both); /* the other has what was denied with */
    leave(&readers[0]);
    table_reclaim(table);
    CHECK(table->size == size);
    leave(&readers[1]);
    reader_part(&readers[0]);
    reader_part(&readers[1]);
}

static void without_memory_nothing_changes(void)
{
    const uint64_t key[2] = {0};
    for (memory = 0; memory < 3; memory++) {
        int some = memory;
        CHECK(!table_new(key));
        memory = some;
    }
    size_t size = table->size;
    memory = 0;
    CHECK(!teach_sized("one.mesos.", A, 2, 16) && !deny(OUTER, 30));
    CHECK(table->size == size);
    check_said(asked("one.mesos.", A), QR | AA | RD, 1, 0, 0);
    check_no("none.mesos.", NAME_ERROR, "mesos.", 22);
    /* Until larger slots are needed names go into those that are there. */
    char name[32];
    int number = 0;
    do
        sprintf(name, "n%d.", ++number);
    while (table_add(table, OUTER, name, strlen(name)));
    CHECK(number < 16 && !table_has(table, OUTER, name, strlen(name)));
    memory = -1;
    CHECK(table_add(table, OUTER, name, strlen(name)));
    CHECK(table_has(table, OUTER, name, strlen(name)));
    /* The same of entries: there is memory for larger slots, and none for what goes in. */
    for (int entries = 0; entries < 100; entries++) {
        sprintf(name, "n%d.mesos.", entries);
        memory = 0;
        CHECK(!teach_sized(name, A, 1, 16) && !table_knows(table, name, strlen(name)));
        memory = 1;
        bool kept = teach_sized(name, A, 1, 16);
        memory = -1;
        CHECK(kept == table_knows(table, name, strlen(name)));
        CHECK(kept || teach_sized(name, A, 1, 16));
    }
    check_said(asked("n0.mesos.", A), QR | AA | RD, 1, 0, 0);
    check_said(asked("n99.mesos.", A), QR | AA | RD, 1, 0, 0);
}

/* What CPython has of the same texts with a key of zeros (PYTHONHASHSEED=0). */
static void names_are_hashed_by_siphash_1_3(void)
{
    static const struct {
        const char *text;
        uint64_t hash;
    } known[] = {
        {"a", 0x407448d2b89b1813},
        {"seven77", 0xa6db6108ea1ca0c6},
        {"eight888", 0xde3012c86e77952f},
        {"nine99999", 0xc277005464d2dae5},
        {"sixteen-octets16", 0xd5a621ce658b13ac},
        {"web.marathon.mesos.", 0x530fd1996b813503},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.mesos.", 0x562e6ee4b2a99f3a},
    };
    static struct table zeros;
    for (size_t which = 0; which < sizeof known / sizeof *known; which++)
        CHECK(table_hash(&zeros, 0, known[which].text, strlen(known[which].text)) ==
              known[which].hash);
}

int main(void)
{
    static void (*const cases[])(void) = {
        records_take_turns,
        turns_begin_anywhere,
        an_answer_fills_its_room_to_the_octet,
        clients_say_how_much_they_take,
        nothing_is_longer_than_the_server_sends,
        what_no_answer_has_room_for_takes_no_memory,
        no_is_said_with_the_start_of_the_zone,
        names_that_are_there_but_not_known_are_passed_up,
        a_mirror_has_the_names_of_its_zone,
        a_zone_inside_another_has_its_own_names,
        without_the_start_of_a_zone_no_is_not_said,
        no_that_does_not_fit_is_passed_up,
        what_is_taught_takes_the_place_of_what_was,
        a_name_may_have_many_types,
        queries_are_counted_by_type_and_outcome,
        what_is_replaced_lasts_as_long_as_its_readers,
        without_memory_nothing_changes,
        names_are_hashed_by_siphash_1_3,
    };
    try_all(cases, sizeof cases / sizeof *cases);
}
