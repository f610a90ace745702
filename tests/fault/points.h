/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/fault/points.h
 * The parts of the matrix of failpoints (test_fault_points.c): changes of a prepared vault, the process that makes one
 * and meets a failure, and the process that looks at what is left.
 */
#ifndef SHERD_TESTS_FAULT_POINTS_H
#define SHERD_TESTS_FAULT_POINTS_H

#include "support.h"
#include <stdbool.h>

#define HITS_MAX 2000U
#define LARGE_BATCH 70U
#define NEW_MAX LARGE_BATCH

enum action {
    ACTION_KILL,
    ACTION_IO,
    ACTION_NOSPACE,
    ACTION_LOST,
    ACTION_COUNT,
};

/** One hit of a failpoint. */
struct point {
    char name[40];
    unsigned hit; /**< of this name, from 1 */
};

struct body {
    uint64_t seed;
    size_t bytes;
};

/** The records of the prepared vault. */
enum base_record {
    SMALL,
    LONG,
    KEPT,
    KEPT_LONG,
    ONCE,
    ROW, /**< in a readable collection */
    BASE_COUNT,
};

struct base {
    struct sherd_uuid id;
    uint64_t versions;
    struct body bodies[2]; /**< of version 1 and 2 */
};

enum kind {
    KIND_NONE,
    KIND_NEW,
    KIND_UPDATE,
    KIND_DELETE,
    KIND_COLLECTION,
};

/** What a change makes that its kind does not say. */
enum makes {
    MAKES_NO_MORE,
    MAKES_ENTITY,      /**< an entity */
    MAKES_IDEMPOTENCY, /**< the entry of an idempotency key */
    MAKES_VAULT,       /**< a second vault */
};

struct scene;

struct change {
    const char *name;
    enum kind kind;
    enum makes makes;
    enum base_record target;
    struct body body;
    size_t count; /**< KIND_NEW: records */
    enum sherd_err (*act)(struct scene *scene, struct sherd_vault *vault);
    bool opens; /**< act is given no vault */
    bool rows;  /**< it is about a row: what rows add up to is looked at, and the ledger against the stores */
};

/** What the processes of a cell share. */
struct scene {
    struct place place; /**< of the vault that is worked on */
    char prepared[96];  /**< the vault that it is a copy of */
    struct base base[BASE_COUNT];
    uint64_t entries[4]; /**< of the prepared vault, swept */
    const struct change *change;
    bool tracing;
    struct point trace[HITS_MAX];
    unsigned trace_count;
    struct point aim;
    enum action action;
    unsigned hits; /**< of the name aimed at */
    bool struck;
    enum sherd_err result;
    struct sherd_uuid new_ids[NEW_MAX];
    int done_pipe[2]; /**< the process that acts says that it has acted */
    int go_pipe[2];   /**< and is told to go on */
};

/** In memory that all processes of the test share. */
extern struct scene *scene;

/** The readable collection of the prepared vault. */
#define ROWS "rows"

/** The collection that the change "collection" makes. */
extern const struct sherd_collection new_collection;

/** A change by its name; NULL if there is none. */
const struct change *change_named(const char *name);

/** Make the vault that all cells begin with. For in_child(). */
void prepare(void *arg);

/** Open the vault, make the change under the hook, say so, wait for the word, and look whether the handle is sound. */
void act(void *arg);

/** Look at what is left while the process that acted is still there, and when it is gone; in the cell's own process. */
void look(void);
void look_again(void);

/** Beside the vault of the cell: what the change "init" makes, whole or not at all. */
void second_path(const struct scene *here, char *out, size_t size);

/** A hook for the time in which nothing is to happen. */
enum sherd_err no_hook(void *arg, const char *name);

#endif
