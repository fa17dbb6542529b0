/*
 * A table under change: one thread changes it, so many times as the first word says, and others
 * ask all the while.
 */
#include "model.h"

#include <pthread.h>

struct asker {
    struct model *model;
    struct reader reader;
    pthread_t thread;
    uint64_t chance;
    atomic_bool ended;
    _Atomic uint64_t looks;
};

static void *ask(void *given)
{
    struct asker *asker = given;
    while (!asker->ended) {
        struct table *table = enter(&asker->reader);
        for (uint64_t looks = next(&asker->chance) % 8; looks; looks--) {
            look_up(asker->model, table, &asker->reader.counts, next(&asker->chance) % NAMES,
                    next(&asker->chance) & 1);
            asker->looks++;
        }
        leave(&asker->reader);
    }
    return NULL;
}

static bool all_looked(const struct asker *askers, uint64_t times)
{
    for (size_t reader = 0; reader < READERS; reader++)
        if (askers[reader].looks < times)
            return false;
    return true;
}

/* Take all out. */
static void clear(struct model *model)
{
    for (size_t which = 0; which < NAMES; which++) {
        change_entry(model, which, UNKNOWN);
        change_mark(model, which, false);
    }
    for (uint8_t zone = 0; zone < ZONES; zone++)
        change_denial(model, zone, false);
    for (size_t block = 0; block < BLOCKS; block++)
        if (model->blocks[block])
            change_block(model, block);
}

int main(int count, char **words)
{
    static struct model model;
    static struct asker askers[READERS];
    uint64_t chance = 1, changes = 0, looks = 0, most;
    CHECK(count == 2 && sscanf(words[1], "%lu", &most) == 1);
    begin_model(&model);
    for (size_t reader = 0; reader < READERS; reader++) {
        askers[reader].model = &model;
        askers[reader].chance = reader;
        model.readers[reader] = &askers[reader].reader;
        atomic_store(&model.readers[reader]->table, model.table);
        reader_join(model.readers[reader]);
        CHECK(!pthread_create(&askers[reader].thread, NULL, ask, &askers[reader]));
    }
    for (; changes < most || !all_looked(askers, most / 100); changes++)
        change(&model, (uint8_t)next(&chance), (uint8_t)next(&chance), (uint8_t)next(&chance));
    for (size_t reader = 0; reader < READERS; reader++) {
        askers[reader].ended = true;
        CHECK(!pthread_join(askers[reader].thread, NULL));
        looks += askers[reader].looks;
        reader_part(&askers[reader].reader);
    }
    settle(&model);
    clear(&model);
    settle(&model);
    table_free(model.table);
    printf("%lu changes, %lu looks\n", changes, looks);
}
