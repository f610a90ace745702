/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ledger/joins.h
 * Notes each key of a record version before it is given out: a sealed slot in a file of joins that is mapped, so that
 * it outlives the process from the moment when it is written. Each handle has files of its own and is the only one who
 * writes them: no two processes meet, and a get costs no system call. The sequencer (anchor/ledger/join_files.h) makes
 * leaves of the slots, and takes files away whose handle has ended.
 *
 * @par Durability  What was noted survives the end of the process at once, however it ends. It is flushed to the disk
 * every second, when the handle ends, and before each release where the vault says so (`joins strict`).
 * @par Slots  Written in rising order, without gaps; the last eight bytes of one are written last, so a slot that a
 * process was killed in is told from one that was changed: nothing was given out for it.
 *
 * Bytes: docs/format/ledger.md, section 15
 */
#ifndef SHERD_ANCHOR_LEDGER_JOINS_H
#define SHERD_ANCHOR_LEDGER_JOINS_H

#include "ledger/join.h"

struct sherd_joins;

/** The folder with the files of joins, in the anchor's directory. */
#define SHERD_JOINS_DIR "ledger/joins"
/** Room for a file's name there: its id in hexadecimal. */
#define SHERD_JOINS_NAME_SIZE (2 * sizeof(struct sherd_ref) + 1)
/** What follows the name of a file that is being made. */
#define SHERD_JOINS_NEW ".new"
/**
 * Empty files that lie ready for when the disk is full: reading goes on then. Their names are this and a number below
 * SHERD_JOINS_SPARES; a round makes those that are missing.
 */
#define SHERD_JOINS_SPARE "spare-"
#define SHERD_JOINS_SPARES 8U
#define SHERD_JOINS_SPARE_SLOTS 8190U

/** What a handle tells and asks. All are required. */
struct sherd_joins_parts {
    const char *dir;                      /**< the anchor's directory; borrowed */
    const struct sherd_leaf_keys *leaves; /**< borrowed */
    /** How many rounds the ledger has had. */
    enum sherd_err (*round)(void *arg, uint64_t *out_round);
    /** There is something to make leaves of: called now and then, not for each join. */
    void (*noted)(void *arg);
    /** A file of this handle was taken away, with so many slots, by somebody else. */
    void (*lost)(void *arg, uint64_t count);
    void *arg;
};

SHERD_MUST_USE enum sherd_err sherd_joins_new(const struct sherd_joins_parts *parts, struct sherd_joins **out_joins);
/** Flush, and end. NULL is accepted. */
void sherd_joins_free(struct sherd_joins *joins);
SHERD_DEFINE_OWNED(sherd_joins);

/**
 * Note a join. Any thread; SHERD_OK: its key may be given out.
 * @param[in,out] join    its time is filled in
 * @param[in]     strict  it is on the disk before the call returns
 * @return SHERD_OK; SHERD_ERR_IO: it cannot be noted, so there must be no release; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_joins_add(struct sherd_joins *joins, struct sherd_join *join, bool strict);

/** Make the first file now, so that a round can list it before anything is noted. @return as sherd_joins_add() */
SHERD_MUST_USE enum sherd_err sherd_joins_prepare(struct sherd_joins *joins);

/** How many joins this handle has noted. */
uint64_t sherd_joins_count(struct sherd_joins *joins);

/** A file's name from its id. */
void sherd_joins_name(const struct sherd_ref *file, char out_name[static SHERD_JOINS_NAME_SIZE]);

#endif
