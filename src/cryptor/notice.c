/* SPDX-License-Identifier: Apache-2.0 */
/* What goes with what is read: see load.h. */
#include "anchor/book/book.h"
#include "cryptor/load.h"
#include <stdio.h>

/*
 * He was told. Where that cannot be noted, as on a disk that is full or read only, the next one is told as well, which
 * is no harm.
 */
static void note_first(struct sherd_vault *vault, uint64_t serial)
{
    const struct sherd_book_change change = {.action = SHERD_BOOK_FIRST, .number = serial};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {.max = SHERD_BOOK_CHANGE_BYTES_MAX};
    char detail[SHERD_FAIL_TEXT_SIZE];

    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    if (sherd_book_change_encode(&change, &bytes) != SHERD_OK ||
        vault->anchor->ops->book_change(vault->anchor, sherd_buf_span(&bytes)) != SHERD_OK)
        sherd_fail_restore(detail);
}

enum sherd_err sherd_read_notice(struct sherd_vault *vault, const struct sherd_pin_view *view,
                                 struct sherd_read_notice *out_notice)
{
    struct sherd_collection_entry collection = {.rules = {.asynchronous = false}};

    if (view->verified_s == 0)
        SHERD_TRY(sherd_vault_collection_by_id(vault, &view->pin.collection, &collection));
    *out_notice = (struct sherd_read_notice){.deferred = collection.rules.asynchronous,
                                             .found = view->found,
                                             .first = view->first_serial != 0,
                                             .book_lost = view->book_lost,
                                             .verified_s = view->verified_s};
    if (view->first_serial != 0)
        note_first(vault, view->first_serial);
    return SHERD_OK;
}
