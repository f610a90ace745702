/* SPDX-License-Identifier: Apache-2.0 */
/* Slots of joins as they are kept, beside the log: see join_files.h. */
#include "anchor/ledger/join_files.h"
#include "anchor/ledger/joins.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEPT_NAME_SIZE (sizeof(SHERD_JOIN_KEPT_DIR) + 12U)
/* Every batch but the last of a file begins below SHERD_JOIN_KEPT_BYTES_MAX. */
#define KEPT_READ_MAX (SHERD_JOIN_KEPT_BYTES_MAX + (size_t)SHERD_JOIN_EVENTS_MAX * SHERD_JOIN_BATCH_BYTES_MAX)

static void kept_name(uint64_t segment, char out_name[static KEPT_NAME_SIZE])
{
    (void)snprintf(out_name, KEPT_NAME_SIZE, "%s/%010u", SHERD_JOIN_KEPT_DIR, (unsigned)segment);
}

static void fd_closep(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

/* --- keeping ------------------------------------------------------------------------------------------------------ */

static enum sherd_err write_at(int fd, const char *path, uint64_t offset, struct sherd_span bytes)
{
    while (bytes.len > 0) {
        const ssize_t put = pwrite(fd, bytes.data, bytes.len, (off_t)offset);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be written", path);
        bytes = sherd_span_of(bytes.data + put, bytes.len - (size_t)put);
        offset += (uint64_t)put;
    }
    return SHERD_OK;
}

/* Write behind what counts, in the place of what a round that ended before its commit point has left. */
static enum sherd_err write_kept(const struct sherd_join_place *place, const struct sherd_join_state *state,
                                 struct sherd_span bytes)
{
    char name[KEPT_NAME_SIZE];

    kept_name(state->segment, name);
    SHERD_CLEANUP(sherd_freep) char *path = sherd_path_join(place->dir, name);
    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_CLEANUP(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW,
                                                      0600);
    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be opened", path);
    SHERD_TRY(write_at(fd, path, state->kept_bytes, bytes));
    if (ftruncate(fd, (off_t)(state->kept_bytes + bytes.len)) != 0 || fdatasync(fd) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be made durable", path);
    return state->kept_bytes == 0 ? sherd_dir_sync(place->dir, SHERD_JOIN_KEPT_DIR) : SHERD_OK;
}

static enum sherd_err encode_batches(const struct sherd_join_taken *taken, const uint64_t *leaves,
                                     struct sherd_buf *bytes)
{
    struct sherd_join_slot slots[SHERD_JOIN_BATCH_MAX];

    for (size_t first = 0; first < taken->count; first += SHERD_JOIN_BATCH_MAX) {
        const size_t left = taken->count - first;
        const struct sherd_join_batch batch = {.leaf = leaves[first / SHERD_JOIN_BATCH_MAX],
                                               .count = left < SHERD_JOIN_BATCH_MAX ? left : SHERD_JOIN_BATCH_MAX,
                                               .slots = slots};

        for (size_t i = 0; i < batch.count; i++)
            slots[i] = taken->found[first + i].slot;
        SHERD_TRY(sherd_join_batch_encode(&batch, bytes));
    }
    return SHERD_OK;
}

enum sherd_err sherd_join_files_keep(const struct sherd_join_place *place, struct sherd_join_taken *taken,
                                     const uint64_t *leaves)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    struct sherd_join_state *state = taken->after;

    if (taken->count == 0)
        return SHERD_OK;
    if (state->kept_bytes >= SHERD_JOIN_KEPT_BYTES_MAX) {
        state->segment++;
        state->kept_bytes = 0;
    }
    const enum sherd_err made = sherd_dir_make(place->dir, SHERD_JOIN_KEPT_DIR);
    if (made != SHERD_ERR_CONFLICT) /* it is there */
        SHERD_TRY(made);
    SHERD_TRY(encode_batches(taken, leaves, &bytes));
    SHERD_TRY(write_kept(place, state, sherd_buf_span(&bytes)));
    SHERD_FAILPOINT("join.kept");
    state->kept_bytes += bytes.len;
    return SHERD_OK;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

enum sherd_err sherd_join_reader_begin(struct sherd_join_reader *reader, const struct sherd_join_place *place,
                                       const struct sherd_join_state *state, uint64_t size)
{
    *reader = (struct sherd_join_reader){.place = *place,
                                         .state = state,
                                         .size = size,
                                         .room = sherd_alloc_array(SHERD_JOIN_BATCH_MAX, sizeof(*reader->room))};
    return reader->room != NULL ? SHERD_OK : SHERD_ERR_NO_MEMORY;
}

void sherd_join_reader_done(struct sherd_join_reader *reader)
{
    sherd_aead_message_free(reader->series);
    sherd_buf_done(&reader->kept);
    sherd_free(reader->room);
    *reader = (struct sherd_join_reader){.room = NULL};
}

/* Of a file that another has followed, all counts. One that is missing, or was cut, has fewer slots; leaves tell. */
static enum sherd_err read_segment(struct sherd_join_reader *reader, uint64_t segment)
{
    char name[KEPT_NAME_SIZE];

    kept_name(segment, name);
    sherd_buf_clear(&reader->kept);
    reader->kept.max = KEPT_READ_MAX;
    reader->at = 0;
    reader->segment = segment;
    reader->read = true;
    if (segment == reader->state->segment && reader->state->kept_bytes == 0)
        return SHERD_OK;
    const enum sherd_err err = sherd_file_read(reader->place.dir, name, &reader->kept);
    if (err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_LIMIT || err == SHERD_ERR_TAMPERED)
        sherd_buf_clear(&reader->kept);
    else
        SHERD_TRY(err);
    if (segment == reader->state->segment && reader->kept.len > reader->state->kept_bytes)
        reader->kept.len = (size_t)reader->state->kept_bytes;
    return SHERD_OK;
}

/* Have something to read, or be at the end. */
static enum sherd_err read_on(struct sherd_join_reader *reader, bool *out_there)
{
    while (!reader->read || reader->at == reader->kept.len) {
        *out_there = false;
        if (reader->read && reader->segment == reader->state->segment)
            return SHERD_OK;
        SHERD_TRY(read_segment(reader, reader->read ? reader->segment + 1 : 0));
    }
    *out_there = true;
    return SHERD_OK;
}

/* A file that was removed is made anew by who writes on: then there are zeros up to where he does. */
static void skip_zeros(struct sherd_join_reader *reader)
{
    while (reader->at < reader->kept.len && reader->kept.data[reader->at] == 0)
        reader->at++;
}

/* The batch that lies there. Behind one that is damaged the next is looked for. @return whether there is one */
static bool peek(struct sherd_join_reader *reader, struct sherd_join_batch *out_batch, size_t *out_end)
{
    for (skip_zeros(reader); reader->at < reader->kept.len; skip_zeros(reader)) {
        const uint8_t *from = reader->kept.data + reader->at;
        const size_t left = reader->kept.len - reader->at;
        struct sherd_span rest = sherd_span_of(from, left);

        if (sherd_join_batch_next(&rest, reader->room, out_batch) == SHERD_OK && out_batch->leaf < reader->size) {
            *out_end = reader->kept.len - rest.len;
            return true;
        }
        const uint8_t *next = memmem(from + 1, left - 1, SHERD_JOIN_BATCH_MAGIC, strlen(SHERD_JOIN_BATCH_MAGIC));
        reader->at = next != NULL ? (size_t)(next - reader->kept.data) : reader->kept.len;
        reader->extra++;
    }
    return false;
}

static enum sherd_err has_root(const struct sherd_join_batch *batch, const struct sherd_leaf *leaf, bool *out_has)
{
    struct sherd_digest root;

    *out_has = false;
    if (batch->count != leaf->count)
        return SHERD_OK;
    SHERD_TRY(sherd_join_root(batch->slots, batch->count, &root));
    *out_has = sherd_same(root.bytes, leaf->root.bytes, sizeof(root.bytes));
    return SHERD_OK;
}

static enum sherd_err lost(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "entries of keys that were given out are missing or were changed");
}

enum sherd_err sherd_join_reader_next(struct sherd_join_reader *reader, uint64_t index, const struct sherd_leaf *leaf,
                                      struct sherd_join_batch *out_batch)
{
    struct sherd_join_batch batch;
    bool there;
    bool right;
    size_t end;

    for (;;) {
        SHERD_TRY(read_on(reader, &there));
        if (!there)
            return lost();
        if (!peek(reader, &batch, &end))
            continue;
        if (batch.leaf >= index)
            break;
        reader->at = end;
        reader->extra++;
    }
    SHERD_TRY(has_root(&batch, leaf, &right));
    if (right || batch.leaf == index) /* right, and of another leaf: what it says of itself was changed */
        reader->at = end;
    if (!right || batch.leaf != index)
        return lost();
    *out_batch = batch;
    return SHERD_OK;
}

enum sherd_err sherd_join_reader_end(struct sherd_join_reader *reader)
{
    struct sherd_join_batch batch;
    bool there = true;

    while (there) {
        SHERD_TRY(read_on(reader, &there));
        while (there && peek(reader, &batch, &reader->at))
            reader->extra++;
    }
    return SHERD_OK;
}

/* The leaf of the first batch of a file. */
static bool first_leaf(const struct sherd_join_reader *reader, uint64_t segment, uint64_t *out_leaf)
{
    uint8_t head[SHERD_JOIN_BATCH_HEAD_SIZE];
    char name[KEPT_NAME_SIZE];

    kept_name(segment, name);
    SHERD_CLEANUP(sherd_freep) char *path = sherd_path_join(reader->place.dir, name);
    SHERD_CLEANUP(fd_closep) int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW)
                                                              : -1;
    if (fd < 0 || pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head))
        return false;
    *out_leaf = sherd_get_u64(head + 8);
    return sherd_same(head, SHERD_JOIN_BATCH_MAGIC, strlen(SHERD_JOIN_BATCH_MAGIC));
}

/*
 * What files say of themselves is not believed: who begins too late does not find what the log says is there. So a file
 * that cannot be asked only makes the beginning an earlier one.
 */
enum sherd_err sherd_join_reader_seek(struct sherd_join_reader *reader, uint64_t leaf)
{
    struct sherd_join_batch batch;
    uint64_t low = 0;
    uint64_t high = reader->state->segment;
    uint64_t first;
    size_t end;

    while (low < high) {
        const uint64_t middle = high - (high - low) / 2;

        if (first_leaf(reader, middle, &first) && first <= leaf)
            low = middle;
        else
            high = middle - 1;
    }
    SHERD_TRY(read_segment(reader, low));
    while (peek(reader, &batch, &end) && batch.leaf < leaf)
        reader->at = end;
    reader->extra = 0;
    return SHERD_OK;
}

enum sherd_err sherd_join_reader_open(struct sherd_join_reader *reader, const struct sherd_join_slot *slot,
                                      struct sherd_join *out_join, struct sherd_digest *out_blind)
{
    if (reader->series == NULL || !sherd_same(reader->opened.bytes, slot->file.bytes, sizeof(slot->file.bytes))) {
        sherd_aead_message_free(reader->series);
        reader->series = NULL;
        SHERD_TRY(sherd_join_file_blind(reader->place.leaves, &slot->file, &reader->blind));
        SHERD_TRY(sherd_join_series(reader->place.leaves, &slot->file, false, &reader->series));
        reader->opened = slot->file;
    }
    SHERD_TRY(sherd_join_open(reader->series, slot->number, slot->bytes, out_join));
    return sherd_join_blind(&reader->blind, slot->number, out_blind);
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_join_check_begin(struct sherd_join_check *check, const struct sherd_join_place *place,
                                      const struct sherd_join_state *state, uint64_t size,
                                      const struct sherd_join_loss *accepted)
{
    *check = (struct sherd_join_check){.accepted = accepted};
    return sherd_join_reader_begin(&check->reader, place, state, size);
}

static void lose(struct sherd_join_check *check, uint64_t index)
{
    sherd_join_loss_add(&check->loss, index, check->last_lost);
    if (check->accepted != NULL && sherd_join_loss_has(check->accepted, index))
        return;
    if (!check->damaged)
        check->fresh.first = index;
    check->fresh.last = index;
    check->damaged = true;
}

enum sherd_err sherd_join_check_leaf(void *arg, uint64_t index, struct sherd_span entry)
{
    struct sherd_join_check *check = arg;
    struct sherd_join_batch batch;
    struct sherd_leaf leaf;

    SHERD_TRY(sherd_leaf_decode(entry, &leaf));
    if (leaf.kind != SHERD_EVENT_JOIN)
        return SHERD_OK;
    if (!leaf.has_root) {
        check->loss.releases += leaf.count;
        return SHERD_OK;
    }
    const enum sherd_err err = sherd_join_reader_next(&check->reader, index, &leaf, &batch);
    if (err != SHERD_OK && err != SHERD_ERR_TAMPERED)
        return err;
    if (err == SHERD_ERR_TAMPERED)
        lose(check, index);
    check->last_lost = err == SHERD_ERR_TAMPERED;
    return SHERD_OK;
}

enum sherd_err sherd_join_check_end(struct sherd_join_check *check)
{
    SHERD_TRY(sherd_join_reader_end(&check->reader));
    check->loss.extra = check->reader.extra;
    check->damaged = check->damaged || check->loss.extra > (check->accepted != NULL ? check->accepted->extra : 0);
    return SHERD_OK;
}

void sherd_join_check_done(struct sherd_join_check *check)
{
    sherd_join_reader_done(&check->reader);
}
