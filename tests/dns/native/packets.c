/* What is read of a query: each kind of it, to a table that knows a name of each kind. */
#include "cases.h"

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
    CHECK(teach_sized(name, A, 2, 16));
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
        CHECK(teach_sized(name, A, 1, 16));
        check_said(asked(name, A), QR | AA | RD, 1, 0, 0);
        bool letter = octet >= 'a' && octet <= 'z';
        check_said(asked(other, A), QR | AA | RD | (letter ? 0 : NAME_ERROR), letter, !letter, 0);
        CHECK(table_forget(table, name, strlen(name)));
    }
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
    };
    try_all(cases, sizeof cases / sizeof *cases);
}
