/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secret memory: blocks of size classes out of guarded arenas.
 *
 * An arena of 1 MiB is 256 slots of 4 KiB that a buddy tree hands out in runs of 1, 2, 4 ... 128. A run holds blocks of
 * one class: many of a class below 4 KiB, one of any other. What is known about a run stands in the arena's table of
 * slots, on the heap: secret pages hold blocks and nothing else, so an overrun of a block cannot change the books, and
 * sherd_secret_free() finds a block's class from its address. Blocks are wiped when they are given back, so a free
 * block is all zero and need not be cleared when it is handed out.
 *
 * One lock guards it all. Arenas are few, so they stand in one array sorted by address.
 */
#include "base/secret.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "base/secret_map.h"
#include <pthread.h>

#if defined(__SANITIZE_ADDRESS__)
#define SECRET_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SECRET_ASAN 1
#endif
#endif
#if defined(SECRET_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#else
/* Not expressions over the arguments: both must be used in every build. */
#define __asan_poison_memory_region(data, bytes) ((void)(data), (void)(bytes))
#define __asan_unpoison_memory_region(data, bytes) ((void)(data), (void)(bytes))
#define __lsan_register_root_region(data, bytes) ((void)(data), (void)(bytes))
#define __lsan_unregister_root_region(data, bytes) ((void)(data), (void)(bytes))
#endif

#define ARENA_ORDER 8 /* 2^8 slots */
#define SLOT_BYTES ((size_t)4096)
#define SLOT_COUNT (1u << ARENA_ORDER)
#define ARENA_BYTES (SLOT_BYTES * SLOT_COUNT)
#define ARENA_COUNT_MAX 4096
#define ARENA_IDLE_MAX 4 /* to make and fill one costs about a millisecond, so bursts find some ready */

#define BLOCK_ALIGN ((size_t)64)
#define BLOCK_BYTES_MAX ((size_t)1 << 30)
#define CLASS_COUNT 14                 /* 64 bytes << class: the last is half an arena */
#define CLASS_RUN_FIRST 6              /* from this one, 4 KiB, a run is one block */
#define WIPE_LOCKED_MAX ((size_t)2048) /* larger blocks are wiped while others may go on */

/* One slot of an arena: about the run that starts there. */
struct slot {
    uint64_t free;            /* a bit for each block of the run; 1: not handed out */
    struct slot *prev, *next; /* among the runs of the class that have a free block */
    struct arena *arena;
    uint8_t class_plus_1; /* 0: no run starts here */
};

struct arena {
    struct sherd_secret_map map;
    uint8_t *block;                   /* the one block of an arena of its own; NULL if the arena has slots */
    bool inherited;                   /* the parent's: nothing is there any more */
    unsigned int used;                /* blocks that are handed out */
    uint8_t tree[2 * SLOT_COUNT - 1]; /* for each node, 1 + the order of the largest free run below it; 0: none */
    struct slot slots[];              /* SLOT_COUNT, or none */
};

/* Where an address leads. */
struct place {
    struct arena *arena;
    struct slot *slot;  /* NULL in an arena of one block */
    unsigned int index; /* of the block within its run */
    size_t bytes;       /* of the block */
};

static struct {
    pthread_mutex_t lock;
    struct arena *arenas[ARENA_COUNT_MAX]; /* by address */
    size_t arena_count;
    struct slot *partial[CLASS_COUNT]; /* runs with a free block */
    size_t arena_bytes, used_bytes;
    size_t idle_count; /* arenas with slots and no block handed out */
    bool fork_watched;
    bool any, any_plain, any_unlocked; /* kinds of arenas that there have been */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- classes ------------------------------------------------------------------------------------------------------ */

static unsigned int class_of(size_t bytes)
{
    const unsigned long long units = bytes == 0 ? 0 : (bytes - 1) / BLOCK_ALIGN;

    return units == 0 ? 0 : (unsigned int)(64 - __builtin_clzll(units));
}

static size_t class_bytes(unsigned int class)
{
    return BLOCK_ALIGN << class;
}

static unsigned int class_order(unsigned int class)
{
    return class < CLASS_RUN_FIRST ? 0 : class - CLASS_RUN_FIRST;
}

/* All blocks of a run of the class, as bits. */
static uint64_t class_mask(unsigned int class)
{
    const size_t count = class < CLASS_RUN_FIRST ? SLOT_BYTES / class_bytes(class) : 1;

    return UINT64_MAX >> (64 - count);
}

/* --- the buddy tree of an arena ----------------------------------------------------------------------------------- */

static unsigned int tree_node(unsigned int slot, unsigned int order)
{
    return (1u << (ARENA_ORDER - order)) - 1 + (slot >> order);
}

static void tree_init(uint8_t *tree)
{
    for (unsigned int order = 0; order <= ARENA_ORDER; order++)
        for (unsigned int slot = 0; slot < SLOT_COUNT; slot += 1u << order)
            tree[tree_node(slot, order)] = (uint8_t)(order + 1);
}

/* Brings the nodes above one, which is of the order, up to date. */
static void tree_update(uint8_t *tree, unsigned int node, unsigned int order)
{
    while (node > 0) {
        const unsigned int parent = (node - 1) / 2;
        const uint8_t left = tree[2 * parent + 1];
        const uint8_t right = tree[2 * parent + 2];
        const bool both_whole = left == order + 1 && right == order + 1;

        tree[parent] = (uint8_t)(both_whole ? order + 2 : left > right ? left : right);
        node = parent;
        order++;
    }
}

/* The tree must have a run of that order. */
static unsigned int tree_take(uint8_t *tree, unsigned int order)
{
    unsigned int node = 0;

    for (unsigned int at = ARENA_ORDER; at > order; at--)
        node = 2 * node + (tree[2 * node + 1] > order ? 1 : 2);
    tree[node] = 0;
    tree_update(tree, node, order);
    return (node + 1 - (1u << (ARENA_ORDER - order))) << order;
}

static void tree_give(uint8_t *tree, unsigned int slot, unsigned int order)
{
    const unsigned int node = tree_node(slot, order);

    tree[node] = (uint8_t)(order + 1);
    tree_update(tree, node, order);
}

/* --- arenas ------------------------------------------------------------------------------------------------------- */

static void fork_prepare(void)
{
    (void)pthread_mutex_lock(&pool.lock);
}

static void fork_parent(void)
{
    (void)pthread_mutex_unlock(&pool.lock);
}

/*
 * The child starts with no secrets. The books of the parent's arenas stay, so that freeing a block of theirs is
 * harmless.
 */
static void fork_child(void)
{
    for (size_t i = 0; i < pool.arena_count; i++) {
        if (!pool.arenas[i]->inherited)
            sherd_secret_map_bar(&pool.arenas[i]->map);
        pool.arenas[i]->inherited = true;
    }
    for (size_t class = 0; class < CLASS_COUNT; class ++)
        pool.partial[class] = NULL;
    pool.arena_bytes = pool.used_bytes = pool.idle_count = 0;
    pool.any = pool.any_plain = pool.any_unlocked = false;
    (void)pthread_mutex_unlock(&pool.lock);
}

static enum sherd_err fork_watch(void)
{
    if (pool.fork_watched)
        return SHERD_OK;
    if (pthread_atfork(fork_prepare, fork_parent, fork_child) != 0)
        return sherd_fail(SHERD_ERR_NO_MEMORY, "secret memory: out of memory");
    pool.fork_watched = true;
    return SHERD_OK;
}

/* How many arenas lie at or before the address. */
static size_t arenas_upto(const uint8_t *address)
{
    size_t low = 0;
    size_t high = pool.arena_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if ((uintptr_t)pool.arenas[middle]->map.data <= (uintptr_t)address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void arena_enter(struct arena *arena)
{
    const size_t at = arenas_upto(arena->map.data);

    for (size_t i = pool.arena_count; i > at; i--)
        pool.arenas[i] = pool.arenas[i - 1];
    pool.arenas[at] = arena;
    pool.arena_count++;
    pool.arena_bytes += arena->map.bytes;
    pool.any = true;
    pool.any_plain |= !arena->map.memfd_secret;
    pool.any_unlocked |= !arena->map.locked;
}

static void arena_leave(struct arena *arena)
{
    const size_t at = arenas_upto(arena->map.data) - 1;

    pool.arena_count--;
    pool.arena_bytes -= arena->map.bytes;
    for (size_t i = at; i < pool.arena_count; i++)
        pool.arenas[i] = pool.arenas[i + 1];
}

static void arena_free(struct arena *arena)
{
    __asan_unpoison_memory_region(arena->map.data, arena->map.bytes);
    __lsan_unregister_root_region(arena->map.data, arena->map.bytes);
    sherd_secret_map_done(&arena->map);
    sherd_free(arena);
}

static void *alloc_failed(size_t size)
{
    const enum sherd_err err = sherd_fail(SHERD_ERR_NO_MEMORY, "secret memory: out of memory, %zu bytes wanted", size);

    (void)err; /* callers of a function that returns a pointer know the code */
    return NULL;
}

static struct arena *arena_new(size_t bytes, unsigned int slot_count)
{
    struct arena *arena = NULL;

    if (pool.arena_count == ARENA_COUNT_MAX)
        return alloc_failed(bytes);
    arena = sherd_alloc(sizeof(*arena) + slot_count * sizeof(arena->slots[0]));
    if (arena == NULL)
        return NULL;
    if (sherd_secret_map_init(bytes, &arena->map) != SHERD_OK) {
        sherd_free(arena);
        return NULL;
    }
    for (unsigned int i = 0; i < slot_count; i++)
        arena->slots[i].arena = arena;
    __asan_poison_memory_region(arena->map.data, arena->map.bytes);
    __lsan_register_root_region(arena->map.data, arena->map.bytes);
    arena_enter(arena);
    return arena;
}

static struct arena *arena_new_slotted(void)
{
    struct arena *arena = arena_new(ARENA_BYTES, SLOT_COUNT);

    if (arena != NULL) {
        tree_init(arena->tree);
        pool.idle_count++;
    }
    return arena;
}

/* --- runs --------------------------------------------------------------------------------------------------------- */

static void partial_push(struct slot *slot)
{
    struct slot **head = &pool.partial[slot->class_plus_1 - 1];

    slot->prev = NULL;
    slot->next = *head;
    if (*head != NULL)
        (*head)->prev = slot;
    *head = slot;
}

static void partial_remove(struct slot *slot)
{
    if (slot->prev != NULL)
        slot->prev->next = slot->next;
    else
        pool.partial[slot->class_plus_1 - 1] = slot->next;
    if (slot->next != NULL)
        slot->next->prev = slot->prev;
}

static struct arena *arena_with_room(unsigned int order)
{
    for (size_t i = 0; i < pool.arena_count; i++) {
        struct arena *arena = pool.arenas[i];

        if (arena->block == NULL && !arena->inherited && arena->tree[0] > order)
            return arena;
    }
    return arena_new_slotted();
}

static struct slot *run_new(unsigned int class)
{
    struct arena *arena = arena_with_room(class_order(class));
    struct slot *slot = NULL;

    if (arena == NULL)
        return NULL;
    slot = &arena->slots[tree_take(arena->tree, class_order(class))];
    slot->class_plus_1 = (uint8_t)(class + 1);
    slot->free = class_mask(class);
    partial_push(slot);
    return slot;
}

/* The run must be wholly free. */
static void run_free(struct slot *slot)
{
    struct arena *arena = slot->arena;
    const unsigned int order = class_order(slot->class_plus_1 - 1u);

    partial_remove(slot);
    slot->class_plus_1 = 0;
    slot->free = 0;
    tree_give(arena->tree, (unsigned int)(slot - arena->slots), order);
}

/* One idle run of each small class is kept, so that alloc and free in turn do not split and join each time. */
static bool run_is_spare(const struct slot *slot)
{
    const unsigned int class = slot->class_plus_1 - 1u;

    if (slot->free != class_mask(class))
        return false;
    return class >= CLASS_RUN_FIRST || slot->prev != NULL || slot->next != NULL;
}

/* An arena has become idle: keep it, or give it back if enough are kept. */
static void arena_idle(struct arena *arena)
{
    if (pool.idle_count < ARENA_IDLE_MAX) {
        pool.idle_count++;
        return;
    }
    for (unsigned int i = 0; i < SLOT_COUNT; i++)
        if (arena->slots[i].class_plus_1 != 0)
            run_free(&arena->slots[i]);
    arena_leave(arena);
    arena_free(arena);
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

static uint8_t *slot_data(const struct slot *slot)
{
    return slot->arena->map.data + (size_t)(slot - slot->arena->slots) * SLOT_BYTES;
}

static void *block_take(unsigned int class, size_t bytes)
{
    struct slot *slot = pool.partial[class] != NULL ? pool.partial[class] : run_new(class);
    uint8_t *block = NULL;

    if (slot == NULL)
        return NULL;
    block = slot_data(slot) + (size_t)__builtin_ctzll(slot->free) * class_bytes(class);
    slot->free &= slot->free - 1;
    if (slot->free == 0)
        partial_remove(slot);
    if (slot->arena->used++ == 0)
        pool.idle_count--;
    pool.used_bytes += class_bytes(class);
    __asan_unpoison_memory_region(block, bytes);
    return block;
}

static void block_give(const struct place *place)
{
    struct slot *slot = place->slot;
    const bool was_full = slot->free == 0;

    slot->free |= UINT64_C(1) << place->index;
    pool.used_bytes -= place->bytes;
    if (was_full)
        partial_push(slot);
    if (run_is_spare(slot))
        run_free(slot);
    if (--place->arena->used == 0)
        arena_idle(place->arena);
}

/* A block with an arena of its own ends at the guard, so that the first byte past it faults (up to alignment). */
static void *block_own(size_t bytes)
{
    struct arena *arena = arena_new(bytes, 0);

    if (arena == NULL)
        return NULL;
    arena->block = arena->map.data + arena->map.bytes - (bytes + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
    arena->used = 1;
    pool.used_bytes += arena->map.bytes;
    __asan_unpoison_memory_region(arena->block, bytes);
    return arena->block;
}

void *sherd_secret_alloc(size_t size)
{
    void *block = NULL;

#if SHERD_FAILPOINTS
    if (sherd_failpoint_hit("alloc") != SHERD_OK)
        return alloc_failed(size);
#endif
    if (size > BLOCK_BYTES_MAX)
        return alloc_failed(size);
    (void)pthread_mutex_lock(&pool.lock);
    if (fork_watch() == SHERD_OK)
        block = size <= ARENA_BYTES / 2 ? block_take(class_of(size), size) : block_own(size);
    (void)pthread_mutex_unlock(&pool.lock);
    return block;
}

/* Where a block is that is handed out; whatever is none is a bug. */
static struct place block_find(const uint8_t *block)
{
    const size_t upto = arenas_upto(block);
    struct place place = {.arena = upto > 0 ? pool.arenas[upto - 1] : NULL};
    size_t offset = 0;

    if (place.arena == NULL || (size_t)(block - place.arena->map.data) >= place.arena->map.bytes)
        sherd_bug("secret memory: a block is freed that is not of it");
    place.bytes = place.arena->map.bytes;
    if (place.arena->inherited || place.arena->block == block)
        return place;
    if (place.arena->block != NULL)
        sherd_bug("secret memory: what is freed is inside a block");
    offset = (size_t)(block - place.arena->map.data);
    place.slot = &place.arena->slots[offset / SLOT_BYTES];
    if (place.slot->class_plus_1 == 0)
        sherd_bug("secret memory: what is freed is inside a block, or was freed before");
    place.bytes = class_bytes(place.slot->class_plus_1 - 1u);
    place.index = (unsigned int)(offset % SLOT_BYTES / place.bytes);
    if (offset % SLOT_BYTES % place.bytes != 0 || (place.slot->free >> place.index & 1) != 0)
        sherd_bug("secret memory: what is freed is inside a block, or was freed before");
    return place;
}

void sherd_secret_free(void *block)
{
    struct place place;

    if (block == NULL)
        return;
    (void)pthread_mutex_lock(&pool.lock);
    place = block_find(block);
    if (place.arena->inherited) {
        (void)pthread_mutex_unlock(&pool.lock);
        return;
    }
    if (place.slot == NULL) {
        pool.used_bytes -= place.bytes;
        arena_leave(place.arena);
        (void)pthread_mutex_unlock(&pool.lock);
        arena_free(place.arena);
        return;
    }
    __asan_unpoison_memory_region(block, place.bytes);
    if (place.bytes > WIPE_LOCKED_MAX) {
        (void)pthread_mutex_unlock(&pool.lock);
        sherd_wipe(block, place.bytes);
        (void)pthread_mutex_lock(&pool.lock);
    } else {
        sherd_wipe(block, place.bytes);
    }
    __asan_poison_memory_region(block, place.bytes);
    block_give(&place);
    (void)pthread_mutex_unlock(&pool.lock);
}

void sherd_secret_stat(struct sherd_secret_stat *out_stat)
{
    (void)pthread_mutex_lock(&pool.lock);
    if (!pool.any && fork_watch() == SHERD_OK)
        (void)arena_new_slotted();
    *out_stat = (struct sherd_secret_stat){
        .memfd_secret = pool.any && !pool.any_plain,
        .locked = pool.any && !pool.any_unlocked,
        .arena_bytes = pool.arena_bytes,
        .used_bytes = pool.used_bytes,
    };
    (void)pthread_mutex_unlock(&pool.lock);
}
