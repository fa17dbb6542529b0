/*
 * Included before all else: any step that other threads may see is now and then put off until
 * others had their turn, so that what can come between two steps does. For GCC.
 */
#ifndef PAUSES_H
#define PAUSES_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

static inline void pause_some(void)
{
    static _Thread_local uint64_t chance;
    if (!chance)
        chance = (uint64_t)(uintptr_t)&chance;
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    if (!(chance >> 57)) /* one of 128 times */
        sched_yield();
}

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_fetch_add

#define atomic_load_explicit(at, order) (pause_some(), __atomic_load_n(at, order))
#define atomic_load(at) atomic_load_explicit(at, memory_order_seq_cst)
#define atomic_store_explicit(at, value, order) (pause_some(), __atomic_store_n(at, value, order))
#define atomic_store(at, value) atomic_store_explicit(at, value, memory_order_seq_cst)
#define atomic_exchange(at, value)                                                                 \
    (pause_some(), __atomic_exchange_n(at, value, memory_order_seq_cst))
#define atomic_fetch_add(at, value)                                                                \
    (pause_some(), __atomic_fetch_add(at, value, memory_order_seq_cst))

#endif
