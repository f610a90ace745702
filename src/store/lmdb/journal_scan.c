/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a journal, found again: after a crash, where the end must be found, and while others write, where it is
 * known. See journal.h and docs/format/engine.md section 5.
 */
#include "base/mem.h"
#include "store/lmdb/journal.h"
#include "store/lmdb/journal_file.h"
#include <string.h>

#define WINDOW_BYTES ((size_t)256 << 10)

/* A part of the file in memory, which moves forward as it is asked for. */
struct window {
    int fd;
    uint64_t limit; /* nothing behind it is read */
    uint64_t start; /* in the file, of what is in memory */
    size_t len;
    size_t room;
    uint8_t *data;
};

static void window_done(struct window *window)
{
    sherd_free(window->data);
}

static enum sherd_err window_fill(struct window *window, uint64_t offset, size_t bytes)
{
    const uint64_t left = window->limit - offset;
    size_t want = bytes > WINDOW_BYTES ? bytes : WINDOW_BYTES;

    if (want > left)
        want = (size_t)left;
    if (want > window->room) {
        uint8_t *data = sherd_realloc(window->data, want);

        if (data == NULL)
            return SHERD_ERR_NO_MEMORY;
        window->data = data;
        window->room = want;
    }
    window->start = offset;
    window->len = 0;
    return sherd_lmdb_file_read(window->fd, offset, window->data, want, &window->len);
}

/* The bytes at an offset, valid until the next call; NULL, with SHERD_OK, if they pass the limit or the file's end. */
static enum sherd_err window_get(struct window *window, uint64_t offset, size_t bytes, const uint8_t **out_data)
{
    *out_data = NULL;
    if (offset > window->limit || bytes > window->limit - offset)
        return SHERD_OK;
    if (window->data == NULL || offset < window->start || offset + bytes > window->start + window->len)
        SHERD_TRY(window_fill(window, offset, bytes));
    if (offset + bytes <= window->start + window->len)
        *out_data = window->data + (offset - window->start);
    return SHERD_OK;
}

/* --- indexing ---------------------------------------------------------------------------------------------------- */

/* Whether a body holds exactly its operations and padding of zeroes. */
static bool body_is_whole(struct sherd_span body, uint32_t op_count)
{
    enum sherd_store_op_kind kind;
    struct sherd_span value;
    struct sherd_ref name;

    for (uint32_t i = 0; i < op_count; i++)
        if (!sherd_lmdb_op_parse(&body, &kind, &name, &value))
            return false;
    for (size_t i = 0; i < body.len; i++)
        if (body.data[i] != 0)
            return false;
    return op_count > 0 && body.len < 8;
}

static void add_body(struct sherd_lmdb_journal *journal, struct sherd_span body, uint32_t op_count)
{
    const uint8_t *start = body.data;
    const uint64_t base = journal->end + SHERD_LMDB_FRAME_HEADER_BYTES;
    enum sherd_store_op_kind kind;
    struct sherd_span value;
    struct sherd_ref name;

    journal->end = base + body.len;
    journal->next_sequence++;
    for (uint32_t i = 0; i < op_count && sherd_lmdb_op_parse(&body, &kind, &name, &value); i++) {
        const uint64_t offset = kind == SHERD_STORE_PUT ? base + (uint64_t)(value.data - start) : 0;

        sherd_lmdb_index_add(&journal->index, name, (uint32_t)offset,
                             kind == SHERD_STORE_PUT ? (uint32_t)value.len : SHERD_LMDB_ITEM_DELETED);
    }
}

void sherd_lmdb_journal_add(struct sherd_lmdb_journal *journal, struct sherd_span frame)
{
    struct sherd_lmdb_frame head = {0};

    if (!sherd_lmdb_frame_parse(frame.data, &journal->header, &head))
        sherd_bug("journal: a frame of our own does not parse");
    add_body(journal,
             sherd_span_of(frame.data + SHERD_LMDB_FRAME_HEADER_BYTES, frame.len - SHERD_LMDB_FRAME_HEADER_BYTES),
             head.op_count);
}

/* Index the frame at the end of what is known. *out_added is false if there is no whole one. */
static enum sherd_err add_next(struct sherd_lmdb_journal *journal, struct window *window, bool *out_added)
{
    struct sherd_lmdb_frame head = {0};
    struct sherd_span body;
    const uint8_t *data;

    *out_added = false;
    SHERD_TRY(window_get(window, journal->end, SHERD_LMDB_FRAME_HEADER_BYTES, &data));
    if (data == NULL || !sherd_lmdb_frame_parse(data, &journal->header, &head))
        return SHERD_OK;
    if (head.sequence != journal->next_sequence)
        return SHERD_OK;
    SHERD_TRY(window_get(window, journal->end, SHERD_LMDB_FRAME_HEADER_BYTES + head.body_bytes, &data));
    if (data == NULL)
        return SHERD_OK;
    body = sherd_span_of(data + SHERD_LMDB_FRAME_HEADER_BYTES, head.body_bytes);
    if (!sherd_lmdb_frame_check(&head, &journal->header, body) || !body_is_whole(body, head.op_count))
        return SHERD_OK;
    SHERD_TRY(sherd_lmdb_index_reserve(&journal->index, head.op_count));
    add_body(journal, body, head.op_count);
    *out_added = true;
    return SHERD_OK;
}

/* --- the end is known -------------------------------------------------------------------------------------------- */

enum sherd_err sherd_lmdb_journal_extend(struct sherd_lmdb_journal *journal, uint64_t end)
{
    SHERD_CLEANUP(window_done) struct window window = {.fd = journal->fd, .limit = end};
    bool added = true;

    while (journal->end < end) {
        SHERD_TRY(add_next(journal, &window, &added));
        SHERD_ENSURE(added, SHERD_ERR_IO, "journal: damaged: restore the store from a backup");
    }
    return SHERD_OK;
}

/* --- the end is looked for --------------------------------------------------------------------------------------- */

/* A frame of ours behind the end: so the one at the end was whole once, and was acknowledged. */
static enum sherd_err find_later(const struct sherd_lmdb_journal *journal, struct window *window, bool *out_found)
{
    struct sherd_lmdb_frame head = {0};
    const uint8_t *data;

    *out_found = false;
    for (uint64_t at = journal->end + 8;; at += 8) {
        SHERD_TRY(window_get(window, at, SHERD_LMDB_FRAME_HEADER_BYTES, &data));
        if (data == NULL)
            return SHERD_OK;
        if (sherd_lmdb_frame_parse(data, &journal->header, &head) && head.sequence > journal->next_sequence) {
            *out_found = true;
            return SHERD_OK;
        }
    }
}

static enum sherd_err fail_damaged(const struct sherd_lmdb_journal *journal)
{
    return sherd_fail(SHERD_ERR_IO, "journal: damaged at change %llu: restore the store from a backup",
                      (unsigned long long)journal->next_sequence);
}

/* The file may have grown since it was opened, and what lies behind the most that it may have is not ours. */
static enum sherd_err find_limit(struct sherd_lmdb_journal *journal, struct window *window)
{
    SHERD_TRY(sherd_lmdb_file_bytes(journal->fd, &journal->file_bytes));
    window->limit = journal->file_bytes;
    if (window->limit > SHERD_LMDB_JOURNAL_BYTES_MAX)
        window->limit = SHERD_LMDB_JOURNAL_BYTES_MAX;
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_journal_scan_frozen(struct sherd_lmdb_journal *journal, uint64_t last_sequence)
{
    SHERD_CLEANUP(window_done) struct window window = {.fd = journal->fd};
    bool added = true;

    SHERD_TRY(find_limit(journal, &window));
    while (added && journal->next_sequence < last_sequence)
        SHERD_TRY(add_next(journal, &window, &added));
    return journal->next_sequence == last_sequence ? SHERD_OK : fail_damaged(journal);
}

enum sherd_err sherd_lmdb_journal_scan(struct sherd_lmdb_journal *journal)
{
    SHERD_CLEANUP(window_done) struct window window = {.fd = journal->fd};
    bool found = false;
    bool added = true;

    SHERD_TRY(find_limit(journal, &window));
    while (added)
        SHERD_TRY(add_next(journal, &window, &added));
    if (journal->next_sequence < journal->marked)
        return fail_damaged(journal);
    if (journal->next_sequence != journal->marked) /* else it was closed here: nothing comes after */
        SHERD_TRY(find_later(journal, &window, &found));
    return found ? fail_damaged(journal) : SHERD_OK;
}
