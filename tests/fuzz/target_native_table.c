/*
 * The native responder's table: each three octets are a change of it, while other threads ask. All
 * that they are told has to have been true meanwhile, and in the end all that it says.
 */
#define READERS 2 /* as a machine for this may have no more processors */
#include "model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model model;
    static struct asker askers[READERS];
    begin_model(&model);
    begin_asking(&model, askers);
    for (; size >= 3; data += 3, size -= 3) {
        ask_more(askers);
        change(&model, data[0], data[1], data[2]);
    }
    end_asking(&model, askers);
    settle(&model);
    table_free(model.table);
    return 0;
}
