/* A table under change, so many times as the first word says, while other threads ask. */
#include "model.h"

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
    uint64_t chance = 1, changes = 0, most;
    CHECK(count == 2 && sscanf(words[1], "%lu", &most) == 1);
    begin_model(&model);
    begin_asking(&model, askers);
    for (; changes < most; changes++) {
        ask_more(askers);
        change(&model, (uint8_t)next(&chance), (uint8_t)next(&chance), (uint8_t)next(&chance));
        if (changes % 1024 == 0)
            change_table(&model);
    }
    end_asking(&model, askers);
    settle(&model);
    clear(&model);
    settle(&model);
    table_free(model.table);
    printf("%lu changes\n", changes);
}
