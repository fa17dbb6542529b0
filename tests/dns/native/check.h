/* What the tests of the responder's C have in common: packets made, and answers taken apart. */
#ifndef CHECK_H
#define CHECK_H

#include "native.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(is) ((is) ? (void)0 : failed(__FILE__, __LINE__, #is))

_Noreturn static inline void failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

enum { HEADER = 12, OPT_OCTETS = 11 };

enum { A = 1, NS = 2, SOA = 6, AAAA = 28, SRV = 33, OPT = 41, ANY = 255 };

enum { QR = 0x8000, AA = 0x0400, TC = 0x0200, RD = 0x0100, NAME_ERROR = 3 };

struct packet {
    size_t size;
    uint8_t octets[MOST_PACKET];
};

static inline void put(struct packet *packet, const void *octets, size_t size)
{
    CHECK(size <= sizeof packet->octets - packet->size);
    memcpy(packet->octets + packet->size, octets, size);
    packet->size += size;
}

static inline void put_short(struct packet *packet, uint16_t value)
{
    uint8_t octets[2];
    put16(octets, value);
    put(packet, octets, 2);
}

/* The labels of an absolute name, and the root. */
static inline void put_name(struct packet *packet, const char *text)
{
    while (*text) {
        uint8_t size = (uint8_t)strcspn(text, ".");
        put(packet, &size, 1);
        put(packet, text, size);
        text += size + 1;
    }
    put(packet, "", 1);
}

/* A query as nearly all are: one question, recursion desired. */
static inline struct packet asked(const char *name, uint16_t type)
{
    struct packet packet = {0};
    put(&packet, "id\1\0\0\1\0\0\0\0\0", HEADER);
    put_name(&packet, name);
    put_short(&packet, type);
    put_short(&packet, 1);
    return packet;
}

/* The same with EDNS. */
static inline struct packet asked_with(const char *name, uint16_t type, uint16_t size)
{
    struct packet packet = asked(name, type);
    packet.octets[11] = 1;
    put(&packet, "\0\0\x29", 3);
    put_short(&packet, size);
    put(&packet, "\0\0\0\0\0", 6);
    return packet;
}

static inline uint16_t at(const struct packet *packet, size_t offset)
{
    CHECK(offset + 2 <= packet->size);
    return get16(packet->octets + offset);
}

/* Where a name ends that stands in a message; a pointer in it leads to an earlier name. */
static inline size_t name_end(const struct packet *packet, size_t offset)
{
    for (size_t begin = offset;; offset += 1u + packet->octets[offset]) {
        CHECK(offset < packet->size);
        uint8_t size = packet->octets[offset];
        if (!size)
            return offset + 1;
        if (size >= 0xC0) {
            size_t to = at(packet, offset) & 0x3FFFu;
            CHECK(to >= HEADER && to < begin);
            name_end(packet, to);
            return offset + 2;
        }
        CHECK(size <= 63);
    }
}

static inline size_t question_end(const struct packet *packet)
{
    return name_end(packet, HEADER) + 4;
}

/* Walk an answer from its question to its end, which has to be where its counts say. */
static inline void walk(const struct packet *answer)
{
    CHECK(answer->size >= HEADER && at(answer, 4) == 1);
    size_t offset = question_end(answer);
    for (int records = at(answer, 6) + at(answer, 8) + at(answer, 10); records; records--) {
        offset = name_end(answer, offset) + 8;
        offset += 2u + at(answer, offset);
        CHECK(offset <= answer->size);
    }
    CHECK(offset == answer->size);
}

/*
 * Ask a table. Query and answer have memory of just their size, so that a sanitizer sees what is
 * read or written beside them. No octets for what Python has to answer.
 */
static inline struct packet answer_to(struct table *table, struct counts *counts,
                                      const struct packet *query)
{
    struct packet answer = {0};
    struct question question;
    uint8_t *in = malloc(query->size ? query->size : 1), *out = malloc(table->udp_size);
    CHECK(in && out);
    memcpy(in, query->octets, query->size);
    if (question_read(&question, table, in, query->size))
        answer.size = question_answer(&question, table, counts, out);
    memcpy(answer.octets, out, answer.size);
    free(in);
    free(out);
    if (answer.size)
        walk(&answer);
    return answer;
}

/* Numbers that are the same each time. */
static inline uint64_t next(uint64_t *number)
{
    *number = *number * 6364136223846793005u + 1442695040888963407u;
    return *number >> 33;
}

/* A record of some type, its owner the question's name; `rdata` octets of `fill`. */
static inline size_t put_record(uint8_t *to, uint16_t type, uint16_t rdata, uint8_t fill)
{
    uint8_t *end = put16(put16(put16(to, 0xC00C), type), 1);
    end = put16(put16(put16(end, 0), 60), rdata);
    memset(end, fill, rdata);
    return (size_t)(end - to) + rdata;
}

#endif
