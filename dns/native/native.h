/*
 * The native responder: known answers to known questions, without the interpreter.
 *
 *     packets --recvmmsg--> server.c --> answer.c --> table.c            (threads of their own)
 *                              |            ^
 *                              |            | replaced by name
 *             what is not known v           |
 *                            Python ---- module.c                        (one thread, with the GIL)
 *
 * Layout
 *
 *     struct table
 *       zones[]                by length of apex, longest first
 *         denial  -> struct denial     the SOA record that "no" is said with; NULL: ask Python
 *       entries   -> struct slots      open addressing; 0 free, 1 gone, else an entry
 *           at[]  -> struct entry      all that is known of one name, in one piece of memory:
 *                    | head | rrset, rrset ... | text | starts, records, targets | starts ... |
 *       names     -> struct slots      the keyed hash of each name that the zones hold, by itself
 *
 * A name whose hash is not in `names` is in no zone, and denied. A hash that is there without an
 * entry (or by a collision) says nothing, and Python is asked.
 *
 * Of a record that ends in the name of a target (SRV, NS) the entry holds what stands before it, and
 * the hash of the target's own entry, which has the name and the addresses that go along. So each
 * address is there once, and follows a change wherever it is sent. Where one of the targets has no
 * entry, Python is asked.
 *
 * Ownership
 *
 * One thread writes: the one with the GIL. Any number read, and each is a `struct reader`. What
 * can be reached from a table is never changed but by storing one pointer or one hash (and the turn
 * of an rrset, which may lose a step); what is replaced is retired, and freed when no reader that
 * could have seen it is left inside. A reader is inside between `enter` and `leave`, and holds
 * nothing of a table outside. All of that is in table.c; nothing else frees.
 *
 * Names are hashed, and given by Python, as text: what stands for a label's length becomes a dot,
 * so the text is the name's octets without the first. Questions with a dot inside a label go to
 * Python, so that no two names have one text.
 */
#ifndef POINTSMAN_NATIVE_H
#define POINTSMAN_NATIVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    MOST_NAME = 255,     /* octets of a name (RFC 1035 section 2.3.4) */
    MOST_PACKET = 4096,  /* octets of a packet, read or sent */
    MOST_ZONES = 64,
    MOST_TYPES = 16,     /* types that one name may have here */
    MOST_TARGETS = 256,  /* of one rrset */
    MOST_EXEMPT = 256,   /* networks */
    BUCKETS = 4096,      /* of rate limits */
    NANOSECONDS = 1000000000,
    BOUNDS = 15,         /* upper ends of the histogram of durations */
};

/* What became of a query; Python counts by the same words. */
enum outcome { ANSWERED, NODATA, NXDOMAIN, TRUNCATED, OUTCOMES };

/* Begins each piece of memory that readers may see, for when it is retired. */
struct block {
    struct block *next;
    uint64_t retired;
    size_t size;
};

struct rrset {
    uint16_t type;
    uint16_t count;        /* records */
    uint16_t size;         /* octets of all in an answer; or one of the below */
    uint16_t held;         /* octets of all here: less where there are targets */
    uint16_t has_targets;
    _Atomic uint16_t turn; /* the record that comes first next time */
    uint32_t starts;       /* offset in the entry, of where each record begins: two octets for each;
                              behind them the records, and the hashes of targets */
};

enum { ASK_PYTHON = 0, TOO_BIG = UINT16_MAX /* no answer has room for them */ };

struct entry {
    struct block block;
    uint64_t hash;
    uint8_t text_size;
    uint8_t zone;
    uint16_t count;
    struct rrset rrsets[]; /* and behind them the name */
};

struct denial {
    struct block block;
    uint16_t size;
    uint8_t record[]; /* behind its owner, which is a pointer to the apex in the question */
};

struct zone {
    uint8_t apex_size; /* of its text, with the last dot */
    uint8_t base;      /* the zone that has its names: another one for a mirror */
    char apex[MOST_NAME];
    struct denial *_Atomic denial;
};

struct slots {
    struct block block;
    size_t mask;
    size_t used; /* free no more; for the writer */
    size_t live;
    _Atomic uint64_t at[];
};

struct network {
    uint8_t address[16]; /* of IPv4 mapped to IPv6 */
    uint8_t bits;
};

struct table {
    uint64_t key[2];
    uint16_t flags;    /* of every answer; RD is the question's */
    uint16_t udp_size; /* octets that an answer has at most */
    size_t zone_count;
    struct zone zones[MOST_ZONES];
    struct slots *_Atomic entries;
    struct slots *_Atomic names;
    size_t exempt_count;
    struct network exempt[MOST_EXEMPT]; /* clients without a limit */
    uint64_t interval;                  /* nanoseconds an answer to any other takes; 0: no limit */
    _Atomic uint64_t until[BUCKETS];    /* when what such a network was sent will have lasted */
    /* For the writer. */
    struct block *retired, **last; /* the oldest first, and where the next is put */
    uint64_t chosen;               /* turns so far; each begins anywhere */
    size_t size;                   /* octets of all that is reached from here */
};

/* Numbers that one reader writes, and others may read at any time. */
struct counts {
    _Atomic uint64_t queries[256][OUTCOMES]; /* by type; 0 for all above 255 */
    _Atomic uint64_t durations[BOUNDS + 1];
    _Atomic uint64_t nanoseconds;
    _Atomic uint64_t passed;   /* to Python */
    _Atomic uint64_t overflow; /* were to be passed, and found no room */
};

struct reader {
    struct reader *next;
    _Atomic uint64_t inside; /* the epoch of its entering; 0 outside */
    struct table *_Atomic table;
    struct counts counts;
};

struct octets {
    const void *at;
    size_t size;
};

/* One rrset as Python gives it; no record is empty. Without any, Python is to be asked. */
struct given {
    uint16_t type;
    uint16_t count;
    const struct octets *records;
    const struct octets *targets; /* as text, where all records end in one, which they lack here */
};

static inline void count(_Atomic uint64_t *number, uint64_t more)
{
    /* Only one thread writes it. */
    uint64_t now = atomic_load_explicit(number, memory_order_relaxed);
    atomic_store_explicit(number, now + more, memory_order_relaxed);
}

static inline uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint8_t *put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static inline uint8_t *copied(uint8_t *to, const void *from, size_t size)
{
    memcpy(to, from, size);
    return to + size;
}

/* table.c; those for the writer return false without memory, and then change nothing. */
struct table *table_new(const uint64_t key[2]);
void table_free(struct table *); /* no reader may have it */
bool table_teach(struct table *, const char *text, size_t size, uint8_t zone,
                 const struct given *, size_t count);
bool table_forget(struct table *, const char *text, size_t size);
bool table_knows(struct table *, const char *text, size_t size);
bool table_deny(struct table *, uint8_t zone, const void *record, size_t size);
/* Names as they are before the apex, with the last dot there; only new ones are to be added. */
bool table_has(struct table *, uint8_t base, const char *text, size_t size);
bool table_add(struct table *, uint8_t base, const char *text, size_t size);
bool table_remove(struct table *, uint8_t base, const char *text, size_t size);
void table_reclaim(struct table *);
void reader_join(struct reader *);
void reader_part(struct reader *);
void reader_await(struct reader *); /* until it holds nothing that was retired before */
struct table *enter(struct reader *);
void leave(struct reader *);

/* Keyed, and different for what is hashed: names by the zone that has them, and these. */
enum { OF_ENTRIES = MOST_ZONES, OF_NETWORKS, OF_TURNS };
uint64_t table_hash(const struct table *, uint8_t of, const void *octets, size_t size);
/* For readers inside, of names in small letters. */
struct entry *table_find(struct table *, uint64_t hash, const char *text, size_t size);
struct entry *table_target(struct table *, uint64_t hash);
int table_zone(const struct table *, const char *text, size_t size); /* -1 for none */
/* Have memory on its way before it is needed: first the slot of a hash, then what it points to. */
void table_fetch_slot(struct table *, uint64_t hash);
void table_fetch_entry(struct table *, uint64_t hash);

/* answer.c */
struct question {
    const uint8_t *query;
    size_t size; /* octets of name, type and class */
    uint64_t hash;
    size_t most; /* octets that the client takes */
    uint16_t type;
    uint16_t rd;
    bool edns;
    uint8_t dnssec; /* the DO bit, which is sent back (RFC 3225 section 3) */
    uint8_t text_size;
    char text[MOST_NAME]; /* the name in small letters, as the table has it */
};

/* Both say no for what Python has to answer. `out` has room for MOST_PACKET. */
bool question_read(struct question *, const struct table *, const uint8_t *query, size_t size);
size_t question_answer(const struct question *, struct table *, struct counts *, uint8_t *out);

/* server.c */
struct server;
struct server *server_start(struct table *, int socket, int up, const char *name);
void server_use(struct server *, struct table *);
struct reader *server_reader(struct server *);
void server_stop(struct server *); /* ends its thread; what it counted can still be read */
void server_free(struct server *);

#endif
