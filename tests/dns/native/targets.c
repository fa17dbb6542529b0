/* Records that end in a target's name, and the target's addresses, which go along. */
#include "hosts.h"

static const struct host a = {"a.mesos.", 1, 0}, b = {"bb.mesos.", 2, 1}, c = {"c.c.mesos.", 0, 3};

static struct packet asked_service(void)
{
    return asked_with("_s.mesos.", SRV, MOST_PACKET);
}

static void a_service_is_answered_octet_for_octet(void)
{
    static const uint8_t whole[] =
        "id\x85\0\0\1\0\1\0\0\0\2"
        "\2_s\5mesos\0\0\x21\0\1"
        "\xC0\x0C\0\x21\0\1\0\0\0\x3C\0\x12\1\1\1\1\1\1\4host\5mesos\0"
        "\4host\xC0\x0F\0\1\0\1\0\0\0\x3C\0\4\1\1\1\1"
        "\4host\xC0\x0F\0\x1C\0\1\0\0\0\x3C\0\x10\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1";
    teach_all("_s.mesos.", SRV, &(struct host){"host.mesos.", 1, 1}, 1);
    struct packet answer = said("_s.mesos.", SRV);
    CHECK(answer.size == sizeof whole - 1);
    CHECK(!memcmp(answer.octets, whole, answer.size));
    CHECK(counts.queries[SRV][ANSWERED] == 1);
}

static void a_nameserver_stands_by_itself(void)
{
    static const uint8_t whole[] = "id\x85\0\0\1\0\1\0\0\0\1"
                                   "\5mesos\0\0\2\0\1"
                                   "\xC0\x0C\0\2\0\1\0\0\0\x3C\0\x0A\2ns\5mesos\0"
                                   "\2ns\xC0\x0C\0\1\0\1\0\0\0\x3C\0\4\1\1\1\1";
    teach_all("mesos.", NS, &(struct host){"ns.mesos.", 1, 0}, 1);
    struct packet answer = said("mesos.", NS);
    CHECK(answer.size == sizeof whole - 1);
    CHECK(!memcmp(answer.octets, whole, answer.size));
    teach_all("mesos.", NS, (struct host[]){a, b, c}, 3);
    check_services(asked("mesos.", NS), NS, (struct host[]){a, b, c}, 3, true);
}

static void services_take_turns_and_their_targets_do_not(void)
{
    const struct host hosts[] = {c, a, b};
    bool begun[3] = {0};
    teach_all("_s.mesos.", SRV, hosts, 3);
    size_t first = check_services(asked("_s.mesos.", SRV), SRV, hosts, 3, true);
    for (size_t turn = 1; turn < 8; turn++)
        CHECK(check_services(asked_service(), SRV, hosts, 3, true) == (first + turn) % 3);
    for (int time = 0; time < 100; time++) {
        teach_service("_s.mesos.", SRV, hosts, 3);
        begun[check_services(asked_service(), SRV, hosts, 3, true)] = true;
    }
    CHECK(begun[0] && begun[1] && begun[2]);
}

static void a_target_that_is_named_again_is_sent_once(void)
{
    const struct host hosts[] = {a, b, a, a, c, b};
    teach_all("_s.mesos.", SRV, hosts, 6);
    for (int turn = 0; turn < 7; turn++)
        check_services(asked_service(), SRV, hosts, 6, true);
}

static void a_service_may_be_its_own_target(void)
{
    const struct host self = {"a.mesos.", 0, 0};
    teach_service("a.mesos.", SRV, &self, 1);
    check_services(asked("a.mesos.", SRV), SRV, &self, 1, true);
}

static void the_case_of_a_question_is_that_of_the_apex_only(void)
{
    teach_all("_s.mesos.", SRV, &b, 1);
    check_services(asked("_S.mEsOS.", SRV), SRV, &b, 1, true);
}

static void without_one_of_its_targets_a_service_is_passed_up(void)
{
    const struct host hosts[] = {a, b, c};
    for (size_t which = 0; which < 3; which++) {
        teach_all("_s.mesos.", SRV, hosts, 3);
        size_t first = check_services(asked_service(), SRV, hosts, 3, true);
        CHECK(table_forget(table, hosts[which].name, strlen(hosts[which].name)));
        for (int time = 0; time < 2; time++) {
            check_passed(asked_service());
            check_passed(asked("_s.mesos.", SRV));
        }
        CHECK(counts.queries[SRV][ANSWERED] == 2 * which + 1);
        teach_host(hosts[which]);
        CHECK(check_services(asked_service(), SRV, hosts, 3, true) == (first + 1) % 3);
    }
}

static void a_target_that_is_taught_anew_is_sent_as_it_is_now(void)
{
    struct host hosts[] = {a, b};
    teach_all("_s.mesos.", SRV, hosts, 2);
    teach_service("_other.mesos.", SRV, hosts + 1, 1);
    for (uint16_t time = 0; time < 50; time++) {
        hosts[1].four = time % 5;
        hosts[1].six = time % 3;
        teach_host(hosts[1]);
        check_services(asked_service(), SRV, hosts, 2, true);
        check_services(asked_with("_other.mesos.", SRV, 512), SRV, hosts + 1, 1, true);
        if (time % 7 == 0)
            CHECK(table_forget(table, hosts[1].name, strlen(hosts[1].name)));
    }
}

static void only_addresses_go_along(void)
{
    const struct host none = {"one.mesos.", 0, 0}, hosts[] = {none, a};
    static const uint16_t others[] = {0, 5, 16, SRV, 65, 256 + A};
    teach_all("_s.mesos.", SRV, hosts, 2);
    check_services(asked_service(), SRV, hosts, 2, true);
    for (size_t which = 0; which < sizeof others / sizeof *others; which++) {
        CHECK(teach_sized("one.mesos.", others[which], 2, 40));
        check_services(asked_service(), SRV, hosts, 2, true);
    }
    struct given unknown[] = {{A, 0, NULL, NULL}, {AAAA, 0, NULL, NULL}};
    CHECK(table_teach(table, "one.mesos.", 10, OUTER, unknown, 2));
    check_services(asked_service(), SRV, hosts, 2, true);
}

static void addresses_go_along_to_the_last_octet(void)
{
    static const uint16_t sizes[] = {512, 513, 1232, MOST_PACKET};
    const struct host hosts[] = {{"one.mesos.", 0, 0}, a};
    for (size_t which = 0; which < 4; which++)
        for (uint16_t edns = 0; edns < 2; edns++) {
            uint16_t most = edns ? sizes[which] : 512;
            struct packet query = edns ? asked_with("_s.mesos.", SRV, most)
                                       : asked("_s.mesos.", SRV);
            teach_service("_s.mesos.", SRV, hosts, 2);
            teach_host(a);
            teach_host(hosts[0]);
            size_t rest = most - expected(&query, SRV, hosts, 2, 0, true).size - strlen("one.");
            /* Those of `one` come first, and of `a` there is no room. */
            for (uint16_t more = 0; more < 3; more++) {
                CHECK(teach_sized("one.mesos.", A, 1, (uint16_t)(rest + more)));
                if (more)
                    check_services(query, SRV, hosts, 2, false);
                else
                    CHECK(check_said(query, QR | AA | RD, 2, 0, 2 + edns).size == most);
            }
            /* The same by two types of one target, and where the other target comes first. */
            teach_service("_s.mesos.", SRV, (struct host[]){a, hosts[0]}, 2);
            CHECK(teach_sized("one.mesos.", AAAA, 1, (uint16_t)rest));
            CHECK(check_said(query, QR | AA | RD, 2, 0, 2 + edns).size == most);
            CHECK(teach_sized("one.mesos.", AAAA, 1, (uint16_t)rest + 1));
            check_said(query, QR | AA | RD, 2, 0, edns);
        }
}

static void each_address_has_its_owner_and_takes_that_room(void)
{
    /* So many that their records alone would have room, but not with the labels before. */
    char name[80] = {0};
    memset(name, 'n', 63);
    strcpy(name + 63, ".mesos.");
    struct host host = {name, 1, 0};
    struct packet query = asked("_s.mesos.", SRV);
    while (expected(&query, SRV, &host, 1, 0, true).size <= 512)
        host.four++;
    teach_all("_s.mesos.", SRV, &host, 1);
    check_services(query, SRV, &host, 1, false);
    host.four--;
    teach_host(host);
    check_services(query, SRV, &host, 1, true);
}

static void a_target_with_too_many_addresses_is_no_truncation(void)
{
    const struct host hosts[] = {a, {"many.mesos.", 0, 0}, b};
    teach_all("_s.mesos.", SRV, hosts, 3);
    CHECK(teach_sized("many.mesos.", A, 300, 16)); /* in no answer */
    check_said(asked_with("many.mesos.", A, MOST_PACKET), QR | AA | RD | TC, 0, 0, 1);
    check_services(asked_service(), SRV, hosts, 3, false);
    CHECK(teach_sized("many.mesos.", A, 200, 16)); /* in an answer of its own only */
    check_services(asked_service(), SRV, hosts, 3, false);
}

static void services_fill_an_answer_to_the_octet(void)
{
    char names[2][512];
    struct host hosts[20];
    struct packet query = asked("_s.mesos.", SRV);
    size_t number = 0, size;
    strcpy(names[0], "x.mesos.");
    do
        hosts[number++] = (struct host){names[0], 0, 0};
    while ((size = expected(&query, SRV, hosts, number, 0, false).size) < 512 - 60);
    for (size_t more = 0; more < 3; more++) {
        strcpy(names[1], name_of(512 - size - HEADER - 6 + more));
        hosts[number] = (struct host){names[1], 0, 0};
        teach_all("_s.mesos.", SRV, hosts, number + 1);
        if (!more)
            check_services(query, SRV, hosts, number + 1, true);
        else
            check_said(query, QR | AA | RD | TC, 0, 0, 0);
        check_services(asked_with("_s.mesos.", SRV, 1232), SRV, hosts, number + 1, true);
    }
    /* What is too long needs no targets. */
    CHECK(table_forget(table, names[0], strlen(names[0])));
    check_said(query, QR | AA | RD | TC, 0, 0, 0);
    check_passed(asked_service());
}

static void an_rrset_has_so_many_targets_at_most(void)
{
    static struct host hosts[MOST_TARGETS + 1];
    add_zone("m.", OUTER + 1); /* whose name is so short that so many have room */
    for (size_t which = 0; which < MOST_TARGETS + 1; which++)
        hosts[which] = (struct host){"m.", 3, 2};
    struct packet query = asked_with("s.m.", NS, MOST_PACKET);
    teach_all("s.m.", NS, hosts, MOST_TARGETS);
    check_services(query, NS, hosts, MOST_TARGETS, true);
    CHECK(expected(&query, NS, hosts, MOST_TARGETS + 1, 0, false).size < MOST_PACKET);
    size_t before = table->size;
    teach_service("t.m.", NS, hosts, MOST_TARGETS + 1);
    CHECK(table->size - before < 150); /* the entry without records */
    check_said(asked_with("t.m.", NS, MOST_PACKET), QR | AA | RD | TC, 0, 0, 1);
}

static void many_targets_each_have_their_own(void)
{
    static char names[150][16];
    struct host hosts[150];
    for (size_t which = 0; which < 150; which++) {
        sprintf(names[which], "%zu.in.mesos.", which);
        hosts[which] = (struct host){names[which], which % 3 == 0, which % 50 == 1};
    }
    struct packet query = asked_with("_s.in.mesos.", NS, MOST_PACKET);
    for (size_t number = 1; number <= 100; number += 9) {
        teach_all("_s.in.mesos.", NS, hosts, number);
        check_services(query, NS, hosts, number, true);
    }
    teach_all("_s.in.mesos.", NS, hosts, 150);
    check_services(query, NS, hosts, 150, false);
}

static void the_names_of_targets_are_of_any_length(void)
{
    char name[512];
    for (size_t octets = 9; octets <= MOST_NAME; octets++) {
        strcpy(name, name_of(octets));
        const struct host hosts[] = {{name, 1, 1}, a};
        teach_all("_s.mesos.", SRV, hosts, 2);
        check_services(asked_service(), SRV, hosts, 2, true);
    }
    teach_all(name, NS, &(struct host){name, 0, 0}, 1);
    check_services(asked_with(name, NS, 1232), NS, &(struct host){name, 0, 0}, 1, true);
    const struct host apex = {"mesos.", 2, 1};
    teach_all("_s.mesos.", SRV, &apex, 1);
    check_services(asked_service(), SRV, &apex, 1, true);
}

static void a_service_takes_no_room_for_its_targets_names(void)
{
    size_t begin = table->size;
    teach_host(a);
    size_t host = table->size - begin;
    teach_service("_s.mesos.", SRV, &a, 1);
    size_t service = table->size - begin - host;
    teach_service("_t.mesos.", SRV, &(struct host){name_of(255), 0, 0}, 1);
    CHECK(table->size == begin + host + 2 * service);
}

static void each_zone_has_targets_of_its_own(void)
{
    static const struct {
        const char *service;
        struct host host;
    } known[] = {
        {"_s.in.mesos.", {"a.in.mesos.", 1, 0}},
        {"_s.mirror.x.", {"a.mirror.x.", 2, 0}},
        {"_s.mesos.", {"a.mesos.", 3, 0}},
    };
    for (size_t which = 0; which < 3; which++)
        teach_all(known[which].service, SRV, &known[which].host, 1);
    for (size_t which = 0; which < 3; which++) {
        struct packet query = asked(known[which].service, SRV);
        check_services(query, SRV, &known[which].host, 1, true);
        CHECK(table_forget(table, known[which].host.name, strlen(known[which].host.name)));
        check_passed(query);
    }
}

/* Two names of one hash: nobody can find any, so the hash that is kept of one becomes the other's. */
static void a_target_of_another_length_or_zone_is_passed_up(void)
{
    const struct host others[] = {
        {"aaa.mesos.", 1, 0}, {"mesos.", 0, 0}, {"in.mesos.", 1, 0}, {name_of(255), 1, 1}};
    teach_all("_s.mesos.", SRV, &(struct host){"aa.mesos.", 1, 0}, 1);
    uint64_t hash = table_hash(table, OF_ENTRIES, "_s.mesos.", 9);
    struct entry *entry = table_find(table, hash, "_s.mesos.", 9);
    uint8_t *kept = (uint8_t *)entry + entry->rrsets[0].starts + 2 + entry->rrsets[0].held;
    for (size_t which = 0; which < 4; which++) {
        const char *name = others[which].name;
        teach_host(others[which]);
        hash = table_hash(table, OF_ENTRIES, name, strlen(name));
        memcpy(kept, &hash, sizeof hash);
        check_passed(asked_service());
    }
}

static void about_what_has_no_record_python_is_asked(void)
{
    struct octets record = {"\xC0\x0C\0\1\0\1\0\0\0\x3C\0\4\1\1\1\1", 16};
    for (int targets = 0; targets < 2; targets++) {
        struct given given[] = {{SRV, 0, NULL, targets ? &record : NULL}, {A, 1, &record, NULL}};
        CHECK(table_teach(table, "_s.mesos.", 9, OUTER, given, 2));
        check_passed(asked("_s.mesos.", SRV));
        check_passed(asked_service());
        check_said(asked("_s.mesos.", A), QR | AA | RD, 1, 0, 0);
        check_no("_s.mesos.", 0, "mesos.", 22); /* of another type */
    }
    CHECK(!counts.queries[SRV][ANSWERED] && !counts.queries[SRV][NODATA]);
    CHECK(!counts.queries[SRV][TRUNCATED]);
}

int main(void)
{
    static void (*const cases[])(void) = {
        a_service_is_answered_octet_for_octet,
        a_nameserver_stands_by_itself,
        services_take_turns_and_their_targets_do_not,
        a_target_that_is_named_again_is_sent_once,
        a_service_may_be_its_own_target,
        the_case_of_a_question_is_that_of_the_apex_only,
        without_one_of_its_targets_a_service_is_passed_up,
        a_target_that_is_taught_anew_is_sent_as_it_is_now,
        only_addresses_go_along,
        addresses_go_along_to_the_last_octet,
        each_address_has_its_owner_and_takes_that_room,
        a_target_with_too_many_addresses_is_no_truncation,
        services_fill_an_answer_to_the_octet,
        an_rrset_has_so_many_targets_at_most,
        many_targets_each_have_their_own,
        the_names_of_targets_are_of_any_length,
        a_service_takes_no_room_for_its_targets_names,
        each_zone_has_targets_of_its_own,
        a_target_of_another_length_or_zone_is_passed_up,
        about_what_has_no_record_python_is_asked,
    };
    try_all(cases, sizeof cases / sizeof *cases);
}
