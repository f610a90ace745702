/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/book/book_keep.h
 * The scrubber's book as the anchor keeps it: a sealed file in its directory, whose digest is pinned in `keys`, where
 * it is part of what the ledger implies. Beside it the position of the pass, and who was told first, each sealed.
 *
 * @par Writing  One at a time (a lock of its own): the new book is written beside the old one, its digest pinned in the
 * place of the last (the commit point, with the event of the ledger, if it is one), then it takes the old one's place.
 * Who reads looks for the one that is pinned under both names.
 *
 * @par Positions  are not pinned: each says which pass it is of, and is good for no other. One that was put back makes
 * the scrubber do again what it did.
 */
#ifndef SHERD_ANCHOR_BOOK_BOOK_KEEP_H
#define SHERD_ANCHOR_BOOK_BOOK_KEEP_H

#include "anchor/book/book.h"
#include "anchor/ledger/sequencer.h"
#include "anchor/pins/pins.h"

struct sherd_book_keep;

/** What it stands on; borrowed until it ends. */
struct sherd_book_parts {
    const char *dir; /**< the anchor's directory */
    struct sherd_uuid deployment;
    const struct sherd_pins *pins;
    const struct sherd_leaf_keys *leaves;
    bool read_only;
};

SHERD_MUST_USE enum sherd_err sherd_book_keep_new(const struct sherd_book_parts *parts,
                                                  struct sherd_book_keep **out_keep);
/** NULL is accepted. */
void sherd_book_keep_free(struct sherd_book_keep *keep);
SHERD_DEFINE_OWNED(sherd_book_keep);

/**
 * The book as it is. Any thread.
 * @param[in,out] book  all zero. One that was removed or changed is empty, and says that it was lost
 */
SHERD_MUST_USE enum sherd_err sherd_book_keep_read(struct sherd_book_keep *keep, struct sherd_book *book);
/** Where the pass under way stands; of its beginning where that is not known. @return SHERD_ERR_NOT_FOUND: none is */
SHERD_MUST_USE enum sherd_err sherd_book_keep_position(struct sherd_book_keep *keep,
                                                       struct sherd_book_position *out_position);

/** What is to be accepted, as it is now. */
struct sherd_book_differs {
    struct sherd_digest difference; /**< of `keys` and the ledger; all zero: there is none */
    struct sherd_keys_check check;
    struct sherd_join_loss loss; /**< where joins are asked for */
};

/** Looks at how `keys` and the ledger disagree now. @param[in] joins  and at what is lost of them */
typedef enum sherd_err sherd_book_differ_fn(void *arg, bool joins, struct sherd_book_differs *out_differs);

/**
 * Carry out a change (sherd_book_change_encode()), durably. Any thread.
 * @param[in] round   of deep rekeying, for a pass that begins
 * @param[in] differ  asked where a disagreement with the ledger is to be accepted
 * @return as sherd_book_apply() and sherd_changes_write(); SHERD_ERR_DENIED: read-only
 */
SHERD_MUST_USE enum sherd_err sherd_book_keep_change(struct sherd_book_keep *keep, struct sherd_span change,
                                                     uint32_t round, sherd_book_differ_fn *differ, void *arg);

/** What readers of a version are told: from what is held of the book, which is looked at anew after a second. */
void sherd_book_keep_judge(struct sherd_book_keep *keep, struct sherd_pin_view *view);

/** The disagreement, and the loss of joins, that were accepted so far. @return as sherd_book_keep_read() */
SHERD_MUST_USE enum sherd_err sherd_book_keep_accepted(struct sherd_book_keep *keep, struct sherd_digest *out_accepted,
                                                       struct sherd_join_loss *out_loss);

/** How a disagreement is named to others: zero stays zero. */
SHERD_MUST_USE enum sherd_err sherd_book_difference_name(const struct sherd_digest *difference,
                                                         struct sherd_digest *out_name);

/** Check the pin met in a walk. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_DENIED */
SHERD_MUST_USE enum sherd_err sherd_book_keep_check(const struct sherd_pins *pins, const struct sherd_ref *name,
                                                    struct sherd_span stored);

/** A vault that was brought back has no book yet: take out the pin of the one that it had. Before the ledger begins. */
SHERD_MUST_USE enum sherd_err sherd_book_keep_forget(const struct sherd_pins *pins);

#endif
