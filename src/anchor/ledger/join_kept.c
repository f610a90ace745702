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

/* Write behind what counts, over what a round that ended before its commit point has left. */
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
    if (fdatasync(fd) != 0)
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

/* How much of a file counts: all of one that another has followed. */
static enum sherd_err read_kept(const struct sherd_join_place *place, const struct sherd_join_state *state,
                                uint64_t segment, struct sherd_buf *kept)
{
    char name[KEPT_NAME_SIZE];

    kept_name(segment, name);
    sherd_buf_clear(kept);
    kept->max = KEPT_READ_MAX;
    if (segment == state->segment && state->kept_bytes == 0)
        return SHERD_OK;
    SHERD_TRY(sherd_file_read(place->dir, name, kept));
    if (segment < state->segment)
        return SHERD_OK;
    if (kept->len < state->kept_bytes)
        return sherd_fail(SHERD_ERR_TAMPERED, "what is kept of joins was cut");
    kept->len = (size_t)state->kept_bytes;
    return SHERD_OK;
}

/* Have something to read, or be at the end. @return SHERD_ERR_NOT_FOUND: no more is kept */
static enum sherd_err read_on(struct sherd_join_check *check)
{
    while (!check->read || check->rest.len == 0) {
        if (check->read && check->segment == check->state->segment)
            return SHERD_ERR_NOT_FOUND;
        check->segment += check->read ? 1 : 0;
        SHERD_TRY(read_kept(&check->place, check->state, check->segment, &check->kept));
        check->rest = sherd_buf_span(&check->kept);
        check->read = true;
    }
    return SHERD_OK;
}

static enum sherd_err next_batch(struct sherd_join_check *check, struct sherd_join_batch *out_batch)
{
    SHERD_TRY(read_on(check));
    return sherd_join_batch_next(&check->rest, check->room, out_batch);
}

/* What is damaged, missing or too much is no error of the walk. */
static enum sherd_err judge(struct sherd_join_check *check, enum sherd_err err)
{
    if (err != SHERD_ERR_TAMPERED && err != SHERD_ERR_NOT_FOUND && err != SHERD_ERR_LIMIT)
        return err;
    check->damaged = true;
    return SHERD_OK;
}

static enum sherd_err open_slot(struct sherd_join_check *check, const struct sherd_join_slot *slot,
                                struct sherd_join *out_join)
{
    if (check->series == NULL || !sherd_same(check->opened.bytes, slot->file.bytes, sizeof(slot->file.bytes))) {
        sherd_aead_message_free(check->series);
        check->series = NULL;
        SHERD_TRY(sherd_join_series(check->place.leaves, &slot->file, false, &check->series));
        check->opened = slot->file;
    }
    return sherd_join_open(check->series, slot->number, slot->bytes, out_join);
}

/* Slots that a leaf stands for were opened once, before it was made. */
static enum sherd_err show(struct sherd_join_check *check, const struct sherd_join_batch *batch)
{
    for (size_t i = 0; check->visit != NULL && i < batch->count; i++) {
        struct sherd_join join;

        SHERD_TRY(open_slot(check, &batch->slots[i], &join));
        SHERD_TRY(check->visit(check->arg, batch->leaf, &batch->slots[i], &join));
    }
    return SHERD_OK;
}

static enum sherd_err compare(struct sherd_join_check *check, uint64_t index, const struct sherd_leaf *leaf)
{
    struct sherd_join_batch batch;
    struct sherd_digest root;

    SHERD_TRY(next_batch(check, &batch));
    SHERD_TRY(sherd_join_root(batch.slots, batch.count, &root));
    if (batch.leaf != index || batch.count != leaf->count || !sherd_same(root.bytes, leaf->root.bytes, 32))
        return SHERD_ERR_TAMPERED;
    return show(check, &batch);
}

enum sherd_err sherd_join_check_begin(struct sherd_join_check *check, const struct sherd_join_place *place,
                                      const struct sherd_join_state *state)
{
    *check = (struct sherd_join_check){
        .place = *place, .state = state, .room = sherd_alloc_array(SHERD_JOIN_BATCH_MAX, sizeof(*check->room))};
    return check->room != NULL ? SHERD_OK : SHERD_ERR_NO_MEMORY;
}

enum sherd_err sherd_join_check_leaf(void *arg, uint64_t index, struct sherd_span entry)
{
    struct sherd_join_check *check = arg;
    struct sherd_leaf leaf;

    SHERD_TRY(sherd_leaf_decode(entry, &leaf));
    if (leaf.kind != SHERD_EVENT_JOIN || check->damaged)
        return SHERD_OK;
    if (!leaf.has_root) {
        check->lost += leaf.count;
        return SHERD_OK;
    }
    return judge(check, compare(check, index, &leaf));
}

enum sherd_err sherd_join_check_end(struct sherd_join_check *check)
{
    if (check->damaged)
        return SHERD_OK;
    const enum sherd_err err = read_on(check);
    if (err == SHERD_ERR_NOT_FOUND && check->read && check->segment == check->state->segment)
        return SHERD_OK;
    return judge(check, err == SHERD_OK ? SHERD_ERR_TAMPERED : err);
}

void sherd_join_check_done(struct sherd_join_check *check)
{
    sherd_aead_message_free(check->series);
    sherd_buf_done(&check->kept);
    sherd_free(check->room);
    check->room = NULL;
}
