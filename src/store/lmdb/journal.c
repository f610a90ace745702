/* SPDX-License-Identifier: Apache-2.0 */
/* One journal: opened, begun, written to, and values read from it. How frames are found again: journal_scan.c. */
#include "store/lmdb/journal.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/lmdb/dir.h"
#include "store/lmdb/journal_file.h"
#include "store/lmdb/lock.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_BITS 16U
#define INDEX_BITS_LARGE 18U
#define GROW_BYTES_LEAST ((uint64_t)128 << 10)
#define GROW_BYTES_MOST ((uint64_t)4 << 20)
#define NEW_FILE_BYTES ((uint64_t)1 << 20)

/* --- the object -------------------------------------------------------------------------------------------------- */

static uint64_t capacity_of(uint64_t file_bytes)
{
    if (file_bytes < SHERD_LMDB_JOURNAL_BYTES_GROWN)
        return SHERD_LMDB_JOURNAL_BYTES_GROWN;
    return file_bytes < SHERD_LMDB_JOURNAL_BYTES_MAX ? file_bytes / 8 * 8 : SHERD_LMDB_JOURNAL_BYTES_MAX;
}

/* fd comes into its hands; after a failure too. */
static enum sherd_err journal_new(int fd, struct sherd_lmdb_journal **out_journal)
{
    struct sherd_lmdb_journal *journal = sherd_alloc(sizeof *journal);
    enum sherd_err err = journal != NULL ? sherd_lmdb_file_bytes(fd, &journal->file_bytes) : SHERD_ERR_NO_MEMORY;

    if (err == SHERD_OK) {
        journal->capacity = capacity_of(journal->file_bytes);
        err = sherd_lmdb_index_init(&journal->index,
                                    journal->capacity > SHERD_LMDB_JOURNAL_BYTES_GROWN ? INDEX_BITS_LARGE : INDEX_BITS);
    }
    if (err != SHERD_OK) {
        sherd_free(journal);
        (void)close(fd);
        return err;
    }
    atomic_init(&journal->refs, 1);
    journal->fd = fd;
    journal->end = SHERD_LMDB_HEADER_BYTES;
    *out_journal = journal;
    return SHERD_OK;
}

struct sherd_lmdb_journal *sherd_lmdb_journal_ref(struct sherd_lmdb_journal *journal)
{
    atomic_fetch_add_explicit(&journal->refs, 1, memory_order_relaxed);
    return journal;
}

void sherd_lmdb_journal_unref(struct sherd_lmdb_journal *journal)
{
    if (journal == NULL || atomic_fetch_sub_explicit(&journal->refs, 1, memory_order_acq_rel) != 1)
        return;
    (void)close(journal->fd); /* and with it the lock */
    sherd_lmdb_index_done(&journal->index);
    sherd_free(journal);
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

static void file_name(uint64_t generation, char out_name[static 16])
{
    (void)snprintf(out_name, 16, "journal-%u", (unsigned)(generation & 1));
}

static enum sherd_err open_file(int dir_fd, uint64_t generation, int flags, int *out_fd)
{
    char name[16];

    file_name(generation, name);
    *out_fd = openat(dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*out_fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "journal: open %s", name);
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_file_read(int fd, uint64_t offset, uint8_t *block, size_t bytes, size_t *out_got)
{
    size_t got = 0;

    while (got < bytes) {
        const ssize_t n = pread(fd, block + got, bytes - got, (off_t)(offset + got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sherd_fail_errno(SHERD_ERR_IO, "journal: read");
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *out_got = got;
    return SHERD_OK;
}

static enum sherd_err file_write(int fd, uint64_t offset, struct sherd_span bytes)
{
    while (bytes.len > 0) {
        const ssize_t n = pwrite(fd, bytes.data, bytes.len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sherd_fail_errno(SHERD_ERR_IO, "journal: write");
        bytes = sherd_span_of(bytes.data + n, bytes.len - (size_t)n);
        offset += (uint64_t)n;
    }
    return SHERD_OK;
}

static enum sherd_err file_flush(int fd)
{
    if (fdatasync(fd) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "journal: flush");
    return SHERD_OK;
}

/* Bytes that are there already are written to faster than bytes that make the file longer. */
static enum sherd_err file_zero(int fd, uint64_t from, uint64_t to)
{
    static const uint8_t zeroes[64 << 10];

    while (from < to) {
        const uint64_t left = to - from;
        const size_t bytes = left < sizeof zeroes ? (size_t)left : sizeof zeroes;

        SHERD_TRY(file_write(fd, from, sherd_span_of(zeroes, bytes)));
        from += bytes;
    }
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_file_bytes(int fd, uint64_t *out_bytes)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "journal: look at its size");
    *out_bytes = (uint64_t)st.st_size;
    return SHERD_OK;
}

/* --- open -------------------------------------------------------------------------------------------------------- */

static enum sherd_err load_header(struct sherd_lmdb_journal *journal, bool *out_valid)
{
    uint8_t page[SHERD_LMDB_HEADER_BYTES];
    enum sherd_err err;
    size_t got = 0;

    SHERD_TRY(sherd_lmdb_file_read(journal->fd, 0, page, sizeof page, &got));
    err = got == sizeof page ? sherd_lmdb_header_parse(page, &journal->header) : SHERD_ERR_IO;
    *out_valid = err == SHERD_OK;
    if (err != SHERD_OK)
        return err == SHERD_ERR_UNSUPPORTED ? err : SHERD_OK;
    if (!sherd_lmdb_mark_parse(page, &journal->header, &journal->marked))
        journal->marked = 0;
    journal->next_sequence = journal->header.first_sequence;
    return SHERD_OK;
}

static enum sherd_err open_journal(int fd, struct sherd_lmdb_journal **out_journal)
{
    enum sherd_err err = sherd_lmdb_lock_wait(fd, SHERD_LMDB_LOCK_WRITE, SHERD_LMDB_SHARED);
    struct sherd_lmdb_journal *journal = NULL;
    bool valid = false;

    if (err != SHERD_OK) {
        (void)close(fd);
        return err;
    }
    SHERD_TRY(journal_new(fd, &journal));
    err = load_header(journal, &valid);
    if (err != SHERD_OK || !valid) {
        sherd_lmdb_journal_unref(journal);
        journal = NULL;
    }
    *out_journal = journal;
    return err;
}

enum sherd_err sherd_lmdb_journal_open(int dir_fd, uint64_t generation, bool read_only,
                                       struct sherd_lmdb_journal **out_journal)
{
    int fd = -1;

    SHERD_TRY(open_file(dir_fd, generation, read_only ? O_RDONLY : O_RDWR, &fd));
    return open_journal(fd, out_journal);
}

enum sherd_err sherd_lmdb_journal_resembles(int dir_fd, uint64_t generation, bool *out_resembles)
{
    uint8_t head[SHERD_LMDB_FRAME_HEADER_BYTES];
    enum sherd_err err;
    size_t got = 0;
    int fd = -1;

    SHERD_TRY(open_file(dir_fd, generation, O_RDONLY, &fd));
    err = sherd_lmdb_file_read(fd, SHERD_LMDB_HEADER_BYTES, head, sizeof head, &got);
    (void)close(fd);
    *out_resembles = got == sizeof head && sherd_lmdb_frame_resembles(head, generation);
    return err;
}

/* --- begin ------------------------------------------------------------------------------------------------------- */

static enum sherd_err write_header(int fd, const struct sherd_lmdb_header *header)
{
    uint8_t page[SHERD_LMDB_HEADER_BYTES];

    sherd_lmdb_header_encode(header, page);
    SHERD_TRY(file_write(fd, 0, sherd_span_of(page, sizeof page)));
    return file_flush(fd);
}

static enum sherd_err make_file(int dir_fd, uint64_t generation, const struct sherd_lmdb_header *header)
{
    enum sherd_err err;
    int fd = -1;

    SHERD_TRY(open_file(dir_fd, generation, O_RDWR | O_CREAT | O_EXCL, &fd));
    err = file_zero(fd, 0, GROW_BYTES_LEAST);
    if (err == SHERD_OK)
        err = header != NULL ? write_header(fd, header) : file_flush(fd);
    (void)close(fd);
    return err;
}

enum sherd_err sherd_lmdb_journal_make_first(int dir_fd)
{
    struct sherd_lmdb_header header = {.generation = 1, .first_sequence = 1};

    SHERD_TRY(sherd_random(header.salt, sizeof header.salt));
    SHERD_TRY(make_file(dir_fd, 0, NULL));
    return make_file(dir_fd, 1, &header);
}

/* The file of the generation before the last, if nobody reads it any more: exclusively locked, else out_fd is -1. */
static enum sherd_err take_old_file(int dir_fd, uint64_t generation, int *out_fd)
{
    enum sherd_err err;

    SHERD_TRY(open_file(dir_fd, generation, O_RDWR, out_fd));
    err = sherd_lmdb_lock_try(*out_fd, SHERD_LMDB_LOCK_WRITE, SHERD_LMDB_EXCLUSIVE);
    if (err == SHERD_OK)
        return SHERD_OK;
    (void)close(*out_fd);
    *out_fd = -1;
    return err == SHERD_ERR_BUSY ? SHERD_OK : err;
}

static enum sherd_err make_new_file(int dir_fd, int *out_fd)
{
    enum sherd_err err;

    *out_fd = openat(dir_fd, "journal-new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*out_fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "journal: make a new one");
    err = sherd_lmdb_lock_wait(*out_fd, SHERD_LMDB_LOCK_WRITE, SHERD_LMDB_EXCLUSIVE);
    if (err == SHERD_OK)
        err = file_zero(*out_fd, 0, NEW_FILE_BYTES);
    if (err != SHERD_OK)
        (void)close(*out_fd);
    return err;
}

/* The new file takes the name, and the name is made durable, before a frame may be written. */
static enum sherd_err rename_new_file(int dir_fd, uint64_t generation)
{
    char name[16];

    file_name(generation, name);
    if (renameat(dir_fd, "journal-new", dir_fd, name) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "journal: name a new one");
    return sherd_lmdb_dir_sync(dir_fd, "of the store");
}

static enum sherd_err begin_in(int dir_fd, int fd, bool fresh, const struct sherd_lmdb_header *header)
{
    SHERD_TRY(write_header(fd, header));
    if (fresh)
        SHERD_TRY(rename_new_file(dir_fd, header->generation));
    return sherd_lmdb_lock_wait(fd, SHERD_LMDB_LOCK_WRITE, SHERD_LMDB_SHARED);
}

enum sherd_err sherd_lmdb_journal_begin(int dir_fd, uint64_t generation, uint64_t first_sequence,
                                        struct sherd_lmdb_journal **out_journal)
{
    struct sherd_lmdb_header header = {.generation = generation, .first_sequence = first_sequence};
    struct sherd_lmdb_journal *journal = NULL;
    bool fresh = false;
    int fd = -1;

    SHERD_TRY(sherd_random(header.salt, sizeof header.salt));
    SHERD_TRY(take_old_file(dir_fd, generation, &fd));
    if (fd < 0) {
        fresh = true;
        SHERD_TRY(make_new_file(dir_fd, &fd));
    }
    SHERD_TRY(journal_new(fd, &journal));
    journal->header = header;
    journal->next_sequence = first_sequence;
    if (begin_in(dir_fd, fd, fresh, &header) != SHERD_OK) {
        sherd_lmdb_journal_unref(journal);
        return SHERD_ERR_IO;
    }
    *out_journal = journal;
    return SHERD_OK;
}

/* --- write ------------------------------------------------------------------------------------------------------- */

bool sherd_lmdb_journal_fits(const struct sherd_lmdb_journal *journal, size_t frame_bytes, uint32_t op_count)
{
    return journal->end <= journal->capacity && frame_bytes <= journal->capacity - journal->end &&
           op_count <= SHERD_LMDB_INDEX_ITEMS_MAX - journal->index.count;
}

/* The step doubles from 128 KiB to 4 MiB: a small store stays small, and few puts wait for it. */
static enum sherd_err grow(struct sherd_lmdb_journal *journal, uint64_t need)
{
    uint64_t bytes;

    if (need <= journal->file_bytes)
        return SHERD_OK;
    SHERD_TRY(sherd_lmdb_file_bytes(journal->fd, &journal->file_bytes)); /* another process may have made it longer */
    bytes = journal->file_bytes;
    while (bytes < need) {
        const uint64_t step = bytes < GROW_BYTES_MOST ? bytes : GROW_BYTES_MOST;

        bytes += step > GROW_BYTES_LEAST ? step : GROW_BYTES_LEAST;
    }
    if (bytes > journal->capacity)
        bytes = journal->capacity;
    SHERD_TRY(file_zero(journal->fd, journal->file_bytes, bytes));
    journal->file_bytes = bytes;
    return SHERD_OK;
}

/* In steps, so that writers elsewhere never wait for much. */
enum sherd_err sherd_lmdb_journal_enlarge(const struct sherd_lmdb_journal *journal, uint64_t bytes)
{
    uint64_t at = 0;

    SHERD_TRY(sherd_lmdb_file_bytes(journal->fd, &at));
    if (bytes > SHERD_LMDB_JOURNAL_BYTES_MAX)
        bytes = SHERD_LMDB_JOURNAL_BYTES_MAX;
    while (at < bytes) {
        const uint64_t next = bytes - at < NEW_FILE_BYTES ? bytes : at + NEW_FILE_BYTES;

        if (file_zero(journal->fd, at, next) != SHERD_OK)
            return SHERD_OK;
        SHERD_TRY(file_flush(journal->fd));
        at = next;
    }
    return SHERD_OK;
}

static enum sherd_err take_mark_away(struct sherd_lmdb_journal *journal)
{
    static const uint8_t zeroes[SHERD_LMDB_MARK_BYTES];

    if (journal->marked == 0)
        return SHERD_OK;
    SHERD_TRY(file_write(journal->fd, SHERD_LMDB_MARK_OFFSET, sherd_span_of(zeroes, sizeof zeroes)));
    journal->marked = 0;
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_journal_write(struct sherd_lmdb_journal *journal, struct sherd_span frame, uint32_t op_count)
{
    SHERD_TRY(sherd_lmdb_index_reserve(&journal->index, op_count));
    SHERD_TRY(grow(journal, journal->end + frame.len));
    SHERD_TRY(take_mark_away(journal));
    SHERD_FAILPOINT("lmdb.write");
    SHERD_TRY(file_write(journal->fd, journal->end, frame));
    SHERD_FAILPOINT("lmdb.flush");
    SHERD_TRY(file_flush(journal->fd));
    SHERD_FAILPOINT("lmdb.publish");
    return SHERD_OK;
}

void sherd_lmdb_journal_mark(struct sherd_lmdb_journal *journal)
{
    uint8_t mark[SHERD_LMDB_MARK_BYTES];

    if (journal->marked == journal->next_sequence)
        return;
    sherd_lmdb_mark_encode(&journal->header, journal->next_sequence, mark);
    if (file_write(journal->fd, SHERD_LMDB_MARK_OFFSET, sherd_span_of(mark, sizeof mark)) == SHERD_OK)
        journal->marked = journal->next_sequence;
}

/* --- values ------------------------------------------------------------------------------------------------------ */

enum sherd_err sherd_lmdb_journal_read(const struct sherd_lmdb_journal *journal, const struct sherd_lmdb_item *item,
                                       uint8_t *out_block)
{
    size_t got = 0;

    SHERD_TRY(sherd_lmdb_file_read(journal->fd, item->offset, out_block, item->bytes, &got));
    SHERD_ENSURE(got == item->bytes, SHERD_ERR_IO, "journal: it has become shorter: restore the store from a backup");
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_journal_value(const struct sherd_lmdb_journal *journal, const struct sherd_lmdb_item *item,
                                        struct sherd_buf *out_value)
{
    if (item->bytes == SHERD_LMDB_ITEM_DELETED)
        return SHERD_ERR_NOT_FOUND;
    SHERD_TRY(sherd_buf_reserve(out_value, item->bytes));
    SHERD_TRY(sherd_lmdb_journal_read(journal, item, out_value->data + out_value->len));
    out_value->len += item->bytes;
    return SHERD_OK;
}
