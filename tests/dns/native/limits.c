/*
 * Who is sent how much: reads lines and says for each client whether it may be answered.
 *
 *     rate 200                                   answers a second; 0 for none
 *     exempt 00000000000000000000ffff0a000000 104
 *     ask 1500000000 00000000000000000000ffff0a000001      nanoseconds, client
 */
#include "check.h"

#include "server.c" /* for what is static there */

static void read_address(const char *digits, uint8_t address[16])
{
    CHECK(strlen(digits) == 32);
    for (size_t octet = 0; octet < 16; octet++) {
        unsigned int value;
        CHECK(sscanf(digits + 2 * octet, "%2x", &value) == 1);
        address[octet] = (uint8_t)value;
    }
}

/* As the kernel gives it: of a socket for IPv4 as IPv4, mapped of one for both. */
static struct sockaddr_in6 client_of(const uint8_t address[16], bool plain)
{
    struct sockaddr_in6 client = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    memcpy(&client.sin6_addr, address, 16);
    if (plain) {
        memcpy(&four.sin_addr, address + 12, 4);
        memcpy(&client, &four, sizeof four);
    }
    return client;
}

int main(void)
{
    const uint64_t key[2] = {1, 2};
    static struct table twin;
    struct table *table = table_new(key);
    char line[128], digits[64];
    uint8_t address[16];
    unsigned int number;
    unsigned long long time;
    CHECK(table);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "rate %u", &number) == 1) {
            table->interval = number ? NANOSECONDS / number : NANOSECONDS + 1;
        } else if (sscanf(line, "exempt %63s %u", digits, &number) == 2) {
            struct network *network = &table->exempt[table->exempt_count++];
            read_address(digits, network->address);
            network->bits = (uint8_t)number;
        } else {
            CHECK(sscanf(line, "ask %llu %63s", &time, digits) == 2);
            read_address(digits, address);
            struct sockaddr_in6 client = client_of(address, false);
            bool four = is_mapped(address);
            twin = *table;
            bool may = may_answer(table, &client, time);
            client = client_of(address, true);
            CHECK(!four || may_answer(&twin, &client, time) == may);
            putchar(may ? '1' : '0');
        }
    }
    table_free(table);
}
