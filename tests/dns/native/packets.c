/* The packet path: each kind of query, to a table that knows a name of each kind. */
#include "check.h"

/* Zones, the longest apex first: one inside another, and a mirror of the latter. */
enum { INNER, MIRROR, OUTER };

static struct table *table;
static struct counts counts;

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

/* Making the table. */

static bool teach_sized(const char *name, uint16_t type, uint16_t number, uint16_t size,
                        uint16_t extra)
{
    static uint8_t records[512][MOST_PACKET];
    static struct octets each[512];
    static uint8_t more[UINT16_MAX + 64];
    CHECK(number <= 512 && size >= HEADER);
    for (uint16_t which = 0; which < number; which++) {
        put_record(records[which], type, size - HEADER, (uint8_t)(which + 1));
        each[which] = (struct octets){records[which], size};
    }
    if (extra)
        put_record(more, A, extra - HEADER, 0xEE);
    struct given given = {type, number, extra > 0, each, {more, extra}};
    return table_teach(table, name, strlen(name), OUTER, &given, 1);
}

/* A zone's SOA record behind its owner, with so many octets of data. */
static bool deny(uint8_t zone, uint16_t rdata)
{
    uint8_t record[HEADER + MOST_PACKET];
    size_t size = put_record(record, SOA, rdata, zone);
    return table_deny(table, zone, record + 2, size - 2);
}

static void add_zone(const char *apex, uint8_t base)
{
    struct zone *zone = &table->zones[table->zone_count++];
    memcpy(zone->apex, apex, strlen(apex));
    zone->apex_size = (uint8_t)strlen(apex);
    zone->base = base;
}

/* Names of a zone are marked by what stands before the apex. */
static void mark(uint8_t zone, const char *before)
{
    CHECK(!table_has(table, zone, before, strlen(before)));
    CHECK(table_add(table, zone, before, strlen(before)));
}

static void begin(uint16_t udp_size)
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
    CHECK(teach_sized("web.mesos.", A, 3, 16, 0));
    CHECK(teach_sized("one.mesos.", A, 1, 16, 0));
    CHECK(table_teach(table, "_tcp.web.mesos.", 15, OUTER, NULL, 0)); /* with names below only */
    mark(OUTER, "web.");
    mark(OUTER, "_tcp.web.");
    mark(OUTER, "later."); /* which nobody has asked Python for */
    memset(&counts, 0, sizeof counts);
}

static void end(void)
{
    table_free(table);
}

/* Asking it. */

static struct packet said_to(struct packet query)
{
    return answer_to(table, &counts, &query);
}

static struct packet said(const char *name, uint16_t type)
{
    return said_to(asked(name, type));
}

static void check_passed(struct packet query)
{
    CHECK(!said_to(query).size);
}

/* An answer of some flags and section counts, to this query. */
static struct packet check_said(struct packet query, uint16_t flags, uint16_t answers,
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

/* Cases. */

static void a_known_name_is_answered_octet_for_octet(void)
{
    static const uint8_t whole[] = "id\x85\0\0\1\0\1\0\0\0\0"
                                   "\3one\5mesos\0\0\1\0\1"
                                   "\xC0\x0C\0\1\0\1\0\0\0\x3C\0\4\1\1\1\1";
    struct packet answer = said("one.mesos.", A);
    CHECK(answer.size == sizeof whole - 1);
    CHECK(!memcmp(answer.octets, whole, answer.size));
}

static void recursion_desired_is_echoed(void)
{
    struct packet query = asked("one.mesos.", A);
    check_said(query, QR | AA | RD, 1, 0, 0);
    query.octets[2] = 0;
    check_said(query, QR | AA, 1, 0, 0);
}

static void any_other_flag_before_it_is_passed_up(void)
{
    for (int bit = 1; bit < 8; bit++) { /* TC, AA, opcode, QR */
        struct packet query = asked("one.mesos.", A);
        query.octets[2] |= (uint8_t)(1 << bit);
        check_passed(query);
    }
}

static void flags_behind_it_mean_nothing_in_a_query(void)
{
    for (int flags = 0; flags < 256; flags++) { /* RA, Z, AD, CD, code */
        struct packet query = asked("one.mesos.", A);
        query.octets[3] = (uint8_t)flags;
        check_said(query, QR | AA | RD, 1, 0, 0);
    }
}

static void only_one_question_and_one_more_record_are_read(void)
{
    for (size_t octet = 4; octet < HEADER; octet++)
        for (int value = 0; value < 256; value++) {
            struct packet query = asked("one.mesos.", A);
            uint8_t before = query.octets[octet];
            query.octets[octet] = (uint8_t)value;
            if (value != before)
                check_passed(query); /* a record that is promised is not there */
            query = asked_with("one.mesos.", A, 1232);
            before = query.octets[octet];
            query.octets[octet] = (uint8_t)value;
            if (value != before)
                check_passed(query);
        }
}

static void a_query_cut_anywhere_is_passed_up(void)
{
    for (int edns = 0; edns < 2; edns++) {
        struct packet query = edns ? asked_with("one.mesos.", A, 1232) : asked("one.mesos.", A);
        while (query.size--)
            check_passed(query);
    }
}

static void what_stands_behind_a_query_is_passed_up(void)
{
    for (int edns = 0; edns < 2; edns++) {
        struct packet query = edns ? asked_with("one.mesos.", A, 1232) : asked("one.mesos.", A);
        put(&query, "", 1);
        check_passed(query);
        query.size = MOST_PACKET;
        check_passed(query);
    }
}

static void edns_is_answered_in_kind(void)
{
    struct packet query = asked_with("one.mesos.", A, 1232);
    struct packet answer = check_said(query, QR | AA | RD, 1, 0, 1);
    CHECK(!memcmp(answer.octets + answer.size - OPT_OCTETS, "\0\0\x29\x10\0\0\0\0\0\0\0", 11));
}

static void only_the_bit_do_comes_back(void)
{
    for (int flags = 0; flags < 256; flags++) {
        struct packet query = asked_with("one.mesos.", A, 1232);
        query.octets[query.size - 4] = (uint8_t)flags;
        query.octets[query.size - 3] = (uint8_t)flags;
        struct packet answer = check_said(query, QR | AA | RD, 1, 0, 1);
        CHECK(at(&answer, answer.size - 4) == (flags & 0x80) << 8);
    }
}

static void an_unusual_opt_is_passed_up(void)
{
    static const size_t behind[] = {11, 10, 9, 5, 2, 1}; /* owner, type, version, length */
    for (size_t which = 0; which < sizeof behind / sizeof *behind; which++)
        for (int value = 1; value < 256; value++) {
            struct packet query = asked_with("one.mesos.", A, 1232);
            query.octets[query.size - behind[which]] ^= (uint8_t)value;
            check_passed(query);
        }
    struct packet query = asked_with("one.mesos.", A, 1232);
    query.octets[query.size - 1] = 4;
    put(&query, "\0\3\0\0", 4); /* NSID */
    check_passed(query);
}

static void an_extended_code_means_nothing_in_a_query(void)
{
    struct packet query = asked_with("one.mesos.", A, 1232);
    query.octets[query.size - 6] = 0xFF;
    check_said(query, QR | AA | RD, 1, 0, 1);
}

static void a_label_has_63_octets_at_most(void)
{
    char name[80] = {0};
    memset(name, 'l', 63);
    strcpy(name + 63, ".mesos.");
    check_said(asked(name, A), QR | AA | RD | NAME_ERROR, 0, 1, 0);
    memset(name, 'l', 64);
    strcpy(name + 64, ".mesos.");
    check_passed(asked(name, A));
}

static void a_pointer_in_a_question_is_passed_up(void)
{
    for (int size = 64; size < 256; size++) {
        struct packet query = asked("one.mesos.", A);
        query.octets[HEADER] = (uint8_t)size;
        check_passed(query);
        query = asked("one.mesos.", A);
        query.octets[HEADER + 4] = (uint8_t)size;
        check_passed(query);
    }
}

/* A name with so many octets, its labels' lengths and the root counted; in the zone mesos. */
static const char *name_of(size_t octets)
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

static void a_name_has_255_octets_at_most(void)
{
    for (size_t octets = 240; octets < 300; octets++) {
        struct packet query = asked(name_of(octets), A);
        CHECK(query.size == HEADER + octets + 4);
        if (octets <= 255)
            check_said(query, QR | AA | RD | NAME_ERROR, 0, 1, 0);
        else
            check_passed(query);
    }
}

static void the_longest_name_can_be_known(void)
{
    const char *name = name_of(255);
    CHECK(strlen(name) == MOST_NAME - 1);
    CHECK(teach_sized(name, A, 2, 16, 0));
    check_said(asked(name, A), QR | AA | RD, 2, 0, 0);
}

static void a_dot_inside_a_label_is_passed_up(void)
{
    struct packet query = asked("one.mesos.", A);
    query.octets[HEADER + 2] = '.';
    check_passed(query);
    query = asked("web-mesos.", A); /* one label, whose text would be that of web.mesos. */
    query.octets[HEADER + 4] = '.';
    check_passed(query);
}

static void names_of_no_zone_are_passed_up(void)
{
    check_passed(asked("", A));
    check_passed(asked("example.", A));
    check_passed(asked("esos.", A));
    check_passed(asked("amesos.", A));
    check_passed(asked("mesos.example.", A));
}

static void other_classes_are_passed_up(void)
{
    for (uint16_t class = 0; class < 256; class++) {
        struct packet query = asked("one.mesos.", A);
        put16(query.octets + query.size - 2, class);
        if (class != 1)
            check_passed(query);
        put16(query.octets + query.size - 2, (uint16_t)(class << 8));
        check_passed(query);
    }
}

static void transfers_and_any_are_passed_up(void)
{
    for (uint16_t type = 0; type < 600; type++)
        if (type >= 251 && type <= ANY) {
            check_passed(asked("one.mesos.", type));
            check_passed(asked("none.mesos.", type));
        } else {
            check_said(asked("one.mesos.", type), QR | AA | RD, type == A, type != A, 0);
        }
}

static void the_case_of_a_question_is_echoed(void)
{
    for (int which = 0; which < 1 << 9; which++) {
        char name[] = "one.mesos.";
        for (int letter = 0; letter < 9; letter++)
            if (which & 1 << letter && name[letter] != '.')
                name[letter] -= 'a' - 'A';
        check_said(asked(name, A), QR | AA | RD, 1, 0, 0);
    }
}

static void only_letters_have_a_case(void)
{
    for (int octet = 0; octet < 256; octet++) {
        bool capital = octet >= 'A' && octet <= 'Z';
        char name[] = "x?.mesos.", other[] = "x?.mesos.";
        name[1] = (char)octet;
        other[1] = (char)(octet ^ 0x20);
        if (!octet || octet == 0x20 || octet == '.' || octet == ('.' ^ 0x20) || capital)
            continue;
        CHECK(teach_sized(name, A, 1, 16, 0));
        check_said(asked(name, A), QR | AA | RD, 1, 0, 0);
        bool letter = octet >= 'a' && octet <= 'z';
        check_said(asked(other, A), QR | AA | RD | (letter ? 0 : NAME_ERROR), letter, !letter, 0);
        CHECK(table_forget(table, name, strlen(name)));
    }
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
        CHECK(teach_sized("web.mesos.", A, 3, 16, 0));
        struct packet answer = said("web.mesos.", A);
        begun[answer.octets[question_end(&answer) + HEADER] - 1]++;
    }
    CHECK(begun[0] > 50 && begun[1] > 50 && begun[2] > 50);
}

/* Octets that are left for records. */
static uint16_t room(const char *name, uint16_t size, bool edns)
{
    return (uint16_t)(size - asked(name, A).size - (edns ? OPT_OCTETS : 0));
}

static void an_answer_fills_its_room_to_the_octet(void)
{
    static const uint16_t sizes[] = {512, 513, 1232, 4096};
    for (size_t which = 0; which < 4; which++)
        for (uint16_t edns = 0; edns < 2; edns++) {
            uint16_t size = sizes[which], most = edns ? size : 512;
            struct packet query = edns ? asked_with("full.mesos.", A, size)
                                       : asked("full.mesos.", A);
            CHECK(teach_sized("full.mesos.", A, 1, room("full.mesos.", most, edns), 0));
            struct packet answer = check_said(query, QR | AA | RD, 1, 0, edns);
            CHECK(answer.size == most);
            CHECK(teach_sized("full.mesos.", A, 1, room("full.mesos.", most, edns) + 1, 0));
            check_said(query, QR | AA | RD | TC, 0, 0, edns);
        }
}

static void what_goes_along_is_left_out_where_it_does_not_fit(void)
{
    static const uint16_t sizes[] = {512, 1232, 4096};
    for (size_t which = 0; which < 3; which++) {
        uint16_t left = room("full.mesos.", sizes[which], true);
        struct packet query = asked_with("full.mesos.", SRV, sizes[which]);
        CHECK(teach_sized("full.mesos.", SRV, 1, 40, left - 40));
        CHECK(check_said(query, QR | AA | RD, 1, 0, 2).size == sizes[which]);
        CHECK(teach_sized("full.mesos.", SRV, 1, 40, left - 39));
        check_said(query, QR | AA | RD, 1, 0, 1);
    }
    CHECK(teach_sized("full.mesos.", SRV, 2, 40, UINT16_MAX));
    check_said(asked_with("full.mesos.", SRV, 4096), QR | AA | RD, 2, 0, 1);
}

static void clients_say_how_much_they_take(void)
{
    CHECK(teach_sized("full.mesos.", A, 1, room("full.mesos.", 512, true), 0));
    for (uint16_t size = 0; size < 512; size += 73) /* less counts as 512 (RFC 6891) */
        check_said(asked_with("full.mesos.", A, size), QR | AA | RD, 1, 0, 1);
    CHECK(teach_sized("full.mesos.", A, 1, room("full.mesos.", 1000, true), 0));
    check_said(asked_with("full.mesos.", A, 999), QR | AA | RD | TC, 0, 0, 1);
    check_said(asked_with("full.mesos.", A, 1000), QR | AA | RD, 1, 0, 1);
    check_said(asked_with("full.mesos.", A, UINT16_MAX), QR | AA | RD, 1, 0, 1);
}

static void nothing_is_longer_than_the_server_sends(void)
{
    end();
    begin(1232);
    CHECK(teach_sized("full.mesos.", A, 1, room("full.mesos.", 1232, true), 0));
    check_said(asked_with("full.mesos.", A, UINT16_MAX), QR | AA | RD, 1, 0, 1);
    CHECK(teach_sized("full.mesos.", A, 1, room("full.mesos.", 1232, true) + 1, 0));
    check_said(asked_with("full.mesos.", A, UINT16_MAX), QR | AA | RD | TC, 0, 0, 1);
}

static void what_no_answer_has_room_for_takes_no_memory(void)
{
    size_t before = table->size;
    CHECK(teach_sized("full.mesos.", SRV, 1, 16, UINT16_MAX));
    CHECK(table->size - before < 100);
    before = table->size;
    CHECK(teach_sized("full.mesos.", A, 512, 16, UINT16_MAX));
    CHECK(table->size - before < 100);
    check_said(asked("full.mesos.", A), QR | AA | RD | TC, 0, 0, 0);
    check_said(asked_with("full.mesos.", A, 4096), QR | AA | RD | TC, 0, 0, 1);
}

/* No, with the SOA record of the zone under this apex. */
static void check_no(const char *name, uint16_t code, const char *apex, uint16_t rdata)
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
        CHECK(teach_sized("one.mesos.", A, number % 7 + 1, 16, 0));
        CHECK(teach_sized("two.mesos.", AAAA, number % 5 + 1, 28, 0));
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
        given[type] = (struct given){type, 1 + type % 2, 0, one, {"", 0}};
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
    CHECK(teach_sized("full.mesos.", A, 100, 16, 0));
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
    CHECK(teach_sized("one.mesos.", A, 1, 16, 0));
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
    CHECK(!teach_sized("one.mesos.", A, 2, 16, 0) && !deny(OUTER, 30));
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
        CHECK(!teach_sized(name, A, 1, 16, 0) && !table_knows(table, name, strlen(name)));
        memory = 1;
        bool kept = teach_sized(name, A, 1, 16, 0);
        memory = -1;
        CHECK(kept == table_knows(table, name, strlen(name)));
        CHECK(kept || teach_sized(name, A, 1, 16, 0));
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
        a_known_name_is_answered_octet_for_octet,
        recursion_desired_is_echoed,
        any_other_flag_before_it_is_passed_up,
        flags_behind_it_mean_nothing_in_a_query,
        only_one_question_and_one_more_record_are_read,
        a_query_cut_anywhere_is_passed_up,
        what_stands_behind_a_query_is_passed_up,
        edns_is_answered_in_kind,
        only_the_bit_do_comes_back,
        an_unusual_opt_is_passed_up,
        an_extended_code_means_nothing_in_a_query,
        a_label_has_63_octets_at_most,
        a_pointer_in_a_question_is_passed_up,
        a_name_has_255_octets_at_most,
        the_longest_name_can_be_known,
        a_dot_inside_a_label_is_passed_up,
        names_of_no_zone_are_passed_up,
        other_classes_are_passed_up,
        transfers_and_any_are_passed_up,
        the_case_of_a_question_is_echoed,
        only_letters_have_a_case,
        records_take_turns,
        turns_begin_anywhere,
        an_answer_fills_its_room_to_the_octet,
        what_goes_along_is_left_out_where_it_does_not_fit,
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
    for (size_t which = 0; which < sizeof cases / sizeof *cases; which++) {
        begin(MOST_PACKET);
        cases[which]();
        end();
    }
    printf("%zu cases\n", sizeof cases / sizeof *cases);
}
