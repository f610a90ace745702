/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/log.h
 * A log in a directory: its tree as tiles, its leaves as entry bundles, its newest checkpoint. Whoever serves the
 * directory as it is serves the log (C2SP tlog-tiles).
 *
 * What the checkpoint does not cover is not there: leftovers of an append that did not end do no harm and are written
 * over by the next. Whatever is read, from files that anyone may have changed, is verified against the checkpoint
 * first.
 *
 * @par Threads    One thread at a time may use a log; any number of processes may read one directory, one may write.
 * @par Source     docs/format/ledger.md
 */
#ifndef SHERD_LEDGER_LOG_H
#define SHERD_LEDGER_LOG_H

#include "ledger/checkpoint.h"

/** Leaves lie in files of so many: who reads many reads those that lie together. */
#define SHERD_LOG_BUNDLE_LEAVES 256U

/** Opaque; sherd_log_open() / sherd_log_close(). */
struct sherd_log;

/**
 * Makes a signed note of a checkpoint's text. The key is the caller's.
 * @param[in,out] out_note  text and signatures are appended
 */
typedef enum sherd_err sherd_log_sign_fn(void *arg, struct sherd_span text, struct sherd_buf *out_note);

/**
 * Makes a checkpoint known where its owner keeps what belongs to it, before it is published: called when all that the
 * checkpoint implies is durable. If it succeeds, the append has happened: who opens the log again must give that note
 * to sherd_log_open_known().
 */
typedef enum sherd_err sherd_log_commit_fn(void *arg, struct sherd_span note);

/** Who signs a log's checkpoints. */
struct sherd_log_signer {
    sherd_log_sign_fn *sign;
    sherd_log_commit_fn *commit; /**< NULL: the log's own checkpoint is the commit point */
    void *arg;
};

/**
 * Make a log without leaves, with a checkpoint that says so.
 * @param[in] dir     is made if it is missing; may hold other files, but no checkpoint
 * @param[in] origin  the log's name
 * @return SHERD_OK; SHERD_ERR_CONFLICT: there is a checkpoint; SHERD_ERR_INVALID: that is no origin; SHERD_ERR_IO;
 *         SHERD_ERR_NO_MEMORY; what the signer fails with
 */
SHERD_MUST_USE enum sherd_err sherd_log_make(const char *dir, struct sherd_span origin,
                                             const struct sherd_log_signer *signer);

/**
 * Open a log as its checkpoint says.
 * @param[in]  policy   whom the checkpoint must satisfy; borrowed until the log is closed. Of one who appends it must
 *                      need no witness: what was just signed has none
 * @param[in]  signer   copied; NULL: to read only
 * @param[out] out_log  end with sherd_log_close()
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: there is no log; SHERD_ERR_TAMPERED: checkpoint or tiles do not verify;
 *         SHERD_ERR_BUSY: another process writes; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_log_open(const char *dir, const struct sherd_policy *policy,
                                             const struct sherd_log_signer *signer, struct sherd_log **out_log);

/**
 * Open a log as a checkpoint says that the caller kept elsewhere: the one of the last commit (sherd_log_commit_fn). If
 * that of the log is older, as after a crash between the two, it is replaced by this one, where the log is open to
 * write; if it is newer, what the caller has was rolled back.
 * @param[in] note  the signed note
 * @return as sherd_log_open(); SHERD_ERR_CONFLICT: the log's own checkpoint is newer, the detail says by how much;
 *         SHERD_ERR_TAMPERED also: the two are no checkpoints of one growing log
 */
SHERD_MUST_USE enum sherd_err sherd_log_open_known(const char *dir, const struct sherd_policy *policy,
                                                   const struct sherd_log_signer *signer, struct sherd_span note,
                                                   struct sherd_log **out_log);

/** Close. NULL is accepted. */
void sherd_log_close(struct sherd_log *log);

/** For SHERD_CLEANUP. */
static inline void sherd_log_closep(struct sherd_log **log)
{
    sherd_log_close(*log);
}

/** What the checkpoint says; borrowed until the next change. */
const struct sherd_checkpoint *sherd_log_checkpoint(const struct sherd_log *log);

/** The checkpoint as signed note; borrowed until the next change. */
struct sherd_span sherd_log_note(const struct sherd_log *log);

/**
 * Append leaves, all or none, durably: when it returns, the new checkpoint is on the disk. That the new tree continues
 * the old one is checked, from the files that were written, before it is signed.
 * @param[in]  entries    count of them, at least one, each at most SHERD_TILE_ENTRY_BYTES_MAX bytes
 * @param[out] out_first  index of the first; the others follow. NULL if not wanted
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_DENIED: open to read only; SHERD_ERR_LIMIT; SHERD_ERR_IO: it may or
 *         may not be there, and nothing is appended any more until the log is opened again; SHERD_ERR_TAMPERED;
 *         SHERD_ERR_NO_MEMORY; what the signer fails with
 */
SHERD_MUST_USE enum sherd_err sherd_log_append(struct sherd_log *log, const struct sherd_span *entries, size_t count,
                                               uint64_t *out_first);

/**
 * Replace the checkpoint by the same with more signatures, those of witnesses.
 * @return SHERD_OK; SHERD_ERR_CONFLICT: it is another checkpoint; SHERD_ERR_TAMPERED; SHERD_ERR_DENIED; SHERD_ERR_IO;
 *         ...
 */
SHERD_MUST_USE enum sherd_err sherd_log_cosigned(struct sherd_log *log, struct sherd_span note);

/**
 * Read a leaf. @param[in,out] out_entry  appended. @return SHERD_OK; SHERD_ERR_NOT_FOUND: no such leaf; TAMPERED; ...
 */
SHERD_MUST_USE enum sherd_err sherd_log_read(struct sherd_log *log, uint64_t index, struct sherd_buf *out_entry);

/** The root that the log had with so many leaves. @return SHERD_OK; SHERD_ERR_INVALID: it never had; TAMPERED; ... */
SHERD_MUST_USE enum sherd_err sherd_log_root(struct sherd_log *log, uint64_t size, struct sherd_digest *out_root);

/** Prove that leaf index is in the tree of the first size leaves. @return SHERD_OK; SHERD_ERR_INVALID; TAMPERED; ... */
SHERD_MUST_USE enum sherd_err sherd_log_prove_inclusion(struct sherd_log *log, uint64_t index, uint64_t size,
                                                        struct sherd_path *out_path);

/** Prove that the log only grew from one size to another. @return SHERD_OK; SHERD_ERR_INVALID; TAMPERED; ... */
SHERD_MUST_USE enum sherd_err sherd_log_prove_consistency(struct sherd_log *log, uint64_t old_size, uint64_t size,
                                                          struct sherd_path *out_path);

/** Gives the next entry, which is leaf index of the log. @param[out] out_entry  borrowed until the next call */
typedef enum sherd_err sherd_log_next_fn(void *arg, uint64_t index, struct sherd_span *out_entry);

/**
 * Bring a copy of somebody's log up to a checkpoint of theirs: leaves that it does not have are asked for, in their
 * order. What was there stays, and must be continued by what comes; nothing is published that does not lead to the
 * checkpoint's root. A copy is a log like any other, and is read like one.
 * @param[in] dir     is made if it is missing
 * @param[in] policy  whom the note must satisfy
 * @param[in] note    the signed note
 * @return SHERD_OK: it is the same log now; SHERD_ERR_CONFLICT: the copy is newer, or the two are no checkpoints of one
 *         growing log, and the detail says so: the log was rolled back, cut or forked; SHERD_ERR_TAMPERED: the note,
 *         or the copy itself, does not verify; SHERD_ERR_BUSY: another process does it; SHERD_ERR_IO;
 *         SHERD_ERR_NO_MEMORY; what next says
 */
SHERD_MUST_USE enum sherd_err sherd_log_follow(const char *dir, const struct sherd_policy *policy,
                                               struct sherd_span note, sherd_log_next_fn *next, void *arg);

/** Gets each leaf in order; a code other than SHERD_OK ends the walk with it. */
typedef enum sherd_err sherd_log_visit_fn(void *arg, uint64_t index, struct sherd_span entry);

/**
 * Read leaves, of which each is verified against the checkpoint before it is handed out.
 * @param[in] from  the first. @param[in] to  one more than the last; nothing where it is not above from
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: there are not so many; SHERD_ERR_TAMPERED, which names the file; SHERD_ERR_IO;
 *         SHERD_ERR_NO_MEMORY; what visit says
 */
SHERD_MUST_USE enum sherd_err sherd_log_each(struct sherd_log *log, uint64_t from, uint64_t to,
                                             sherd_log_visit_fn *visit, void *arg);

/**
 * Verify everything: every bundle and every tile that the checkpoint implies, against its root. A leaf is handed out
 * when its bundle agrees with its tile; that the tree agrees with the checkpoint is known when this returns.
 * @param[in] visit  NULL: nobody wants the leaves
 * @return SHERD_OK; SHERD_ERR_TAMPERED, which names the file; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY; what visit says
 */
SHERD_MUST_USE enum sherd_err sherd_log_verify(struct sherd_log *log, sherd_log_visit_fn *visit, void *arg);

#endif
