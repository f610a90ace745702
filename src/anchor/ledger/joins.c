/* SPDX-License-Identifier: Apache-2.0 */
/* Noting joins: see joins.h. */
#include "anchor/ledger/joins.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Slots of a handle's first file, which is one page with its head, and how much larger each next one is. */
#define SLOTS_FIRST 62U
#define SLOTS_FACTOR 8U
/* How often a file is made anew during whose making a round was committed. */
#define MAKES_MAX 16U
#define FLUSH_S 1
/* The sequencer hears of joins once in that time. */
#define TELL_NS ((uint64_t)20 * 1000000000U)
#define TAIL_SIZE 8U

struct file {
    struct file *next; /* of those that are full */
    struct sherd_ref id;
    int fd; /* locked for as long as somebody may write */
    uint8_t *map;
    size_t map_bytes;
    uint64_t capacity; /* slots of joins: 1..capacity */
    uint64_t used;
    struct sherd_aead_message *series;
    bool named; /* its name is durable */
    bool gone;  /* it was removed, or cannot be written: nothing more goes there */
};

struct sherd_joins {
    struct sherd_joins_parts parts;
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t changed;
    struct file *current; /* NULL: none yet */
    struct file *full;    /* to be flushed and closed */
    uint64_t slots_next;  /* of the next file */
    uint64_t count;
    uint64_t durable;    /* how many of count are on the disk */
    uint64_t told_ns;    /* when the sequencer heard of them; 0: never */
    bool flushing;       /* a thread is at it, without the lock: it alone closes files */
    enum sherd_err last; /* of the last flush */
    pthread_t thread;
    bool started;
    bool ending;
};

void sherd_joins_name(const struct sherd_ref *file, char out_name[static SHERD_JOINS_NAME_SIZE])
{
    for (size_t i = 0; i < sizeof(file->bytes); i++)
        (void)snprintf(out_name + 2 * i, 3, "%02x", file->bytes[i]);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static void file_free(struct file *file)
{
    if (file == NULL)
        return;
    sherd_aead_message_free(file->series);
    if (file->map != NULL)
        (void)munmap(file->map, file->map_bytes);
    if (file->fd >= 0)
        (void)close(file->fd); /* which gives up the lock */
    sherd_free(file);
}

static void file_freep(struct file **file)
{
    file_free(*file);
}

/* Lock and map a file that is open, and nobody else's. */
static enum sherd_err map_file(const char *path, struct file *file)
{
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be locked", path);
    void *map = mmap(NULL, file->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
    if (map == MAP_FAILED)
        return sherd_fail_errno(SHERD_ERR_NO_MEMORY, "%s cannot be mapped", path);
    file->map = map;
    return SHERD_OK;
}

/*
 * A file of that size. Its space is there from the beginning: a store into a page for which the disk has no room would
 * end the process.
 */
static enum sherd_err map_new(const char *path, struct file *file)
{
    file->map_bytes = sherd_join_offset(file->capacity + 1);
    file->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
    if (file->fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be made", path);
    const int failed = posix_fallocate(file->fd, 0, (off_t)file->map_bytes);
    if (failed != 0) {
        errno = failed;
        return sherd_fail_errno(SHERD_ERR_IO, "%s has no room: no key is given out without an entry of it", path);
    }
    return map_file(path, file);
}

/* Whoever gives it another name has it. @return SHERD_ERR_NOT_FOUND: none is left */
static enum sherd_err take_spare(const struct sherd_joins *joins, const char *fresh)
{
    enum sherd_err err = SHERD_ERR_NOT_FOUND;

    for (unsigned i = 0; i < SHERD_JOINS_SPARES && err == SHERD_ERR_NOT_FOUND; i++) {
        char spare[sizeof(SHERD_JOINS_DIR) + sizeof(SHERD_JOINS_SPARE) + 12];

        (void)snprintf(spare, sizeof(spare), "%s/%s%u", SHERD_JOINS_DIR, SHERD_JOINS_SPARE, i);
        err = sherd_file_rename(joins->parts.dir, spare, fresh);
    }
    return err;
}

/* One that lies ready. Whatever is in it: nobody else writes it from now on, and it is empty. */
static enum sherd_err map_spare(const char *path, struct file *file)
{
    struct stat info;

    file->fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
    if (file->fd < 0 || fstat(file->fd, &info) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be opened", path);
    file->capacity = SHERD_JOINS_SPARE_SLOTS;
    file->map_bytes = sherd_join_offset(file->capacity + 1);
    if (info.st_size != (off_t)file->map_bytes)
        return sherd_fail(SHERD_ERR_IO, "%s is not as it was made", path);
    SHERD_TRY(map_file(path, file));
    memset(file->map, 0, file->map_bytes);
    return SHERD_OK;
}

static enum sherd_err begin(const struct sherd_joins *joins, const char *path, uint64_t round, struct file *file)
{
    const struct sherd_join_birth birth = {.round = round, .time_ns = sherd_clock_wall_ns()};

    SHERD_TRY(file->capacity != 0 ? map_new(path, file) : map_spare(path, file));
    SHERD_TRY(sherd_join_series(joins->parts.leaves, &file->id, true, &file->series));
    sherd_join_head(&file->id, file->map);
    return sherd_join_birth_seal(file->series, &birth, file->map + sherd_join_offset(0));
}

static enum sherd_err make_named(const struct sherd_joins *joins, uint64_t round, struct file *file)
{
    const struct sherd_joins_parts *parts = &joins->parts;
    char name[sizeof(SHERD_JOINS_DIR) + SHERD_JOINS_NAME_SIZE];
    char fresh[sizeof(name) + sizeof(SHERD_JOINS_NEW)];
    char id[SHERD_JOINS_NAME_SIZE];

    sherd_joins_name(&file->id, id);
    (void)snprintf(name, sizeof(name), "%s/%s", SHERD_JOINS_DIR, id);
    (void)snprintf(fresh, sizeof(fresh), "%s%s", name, SHERD_JOINS_NEW);
    SHERD_CLEANUP(sherd_freep) char *path = sherd_path_join(parts->dir, fresh);
    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (file->capacity == 0)
        SHERD_TRY(take_spare(joins, fresh));
    enum sherd_err err = begin(joins, path, round, file);
    if (err == SHERD_OK)
        err = sherd_file_rename(parts->dir, fresh, name);
    if (err != SHERD_OK)
        (void)unlink(path);
    return err;
}

/*
 * A round that lists the files either comes before this one has its name, and then its number was read before; or it
 * sees it. What is born that long ago, and was not seen since, was put back: anchor/ledger/join_files.c.
 */
static enum sherd_err make_once(const struct sherd_joins *joins, struct file *file, bool *out_settled)
{
    uint64_t before;
    uint64_t after;

    SHERD_TRY(sherd_random(file->id.bytes, sizeof(file->id.bytes)));
    SHERD_TRY(joins->parts.round(joins->parts.arg, &before));
    SHERD_TRY(make_named(joins, before, file));
    SHERD_TRY(joins->parts.round(joins->parts.arg, &after));
    *out_settled = before == after;
    return SHERD_OK;
}

/* @param[in] slots  0: in a file that lies ready */
static enum sherd_err make_file(const struct sherd_joins *joins, uint64_t slots, struct file **out_file)
{
    bool settled = false;

    for (unsigned tries = 0; tries < MAKES_MAX; tries++) {
        SHERD_CLEANUP(file_freep) struct file *file = sherd_alloc(sizeof(*file));

        if (file == NULL)
            return SHERD_ERR_NO_MEMORY;
        *file = (struct file){.fd = -1, .capacity = slots};
        SHERD_TRY(make_once(joins, file, &settled));
        if (!settled) /* it is empty, and nobody's: a round takes it away */
            continue;
        *out_file = file;
        file = NULL;
        return SHERD_OK;
    }
    return sherd_fail(SHERD_ERR_BUSY, "the ledger changes all the time: try again");
}

/* As large as it may be; smaller where there is less room; where there is none, one that lies ready. */
static enum sherd_err make_any(struct sherd_joins *joins, struct file **out_file)
{
    char before[SHERD_FAIL_TEXT_SIZE];
    char detail[SHERD_FAIL_TEXT_SIZE];

    (void)snprintf(before, sizeof(before), "%s", sherd_err_detail());
    enum sherd_err err = make_file(joins, joins->slots_next, out_file);
    while (err == SHERD_ERR_IO && joins->slots_next > SLOTS_FIRST) {
        joins->slots_next /= SLOTS_FACTOR;
        err = make_file(joins, joins->slots_next, out_file);
    }
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    if (err == SHERD_ERR_IO && make_file(joins, 0, out_file) == SHERD_OK)
        err = SHERD_OK;
    sherd_fail_restore(err == SHERD_OK ? before : detail); /* what failed on the way is nobody's business */
    return err;
}

/* Have room for one more slot. The lock is held. */
static enum sherd_err have_room(struct sherd_joins *joins)
{
    struct file *file = joins->current;

    if (file != NULL && !file->gone && file->used < file->capacity)
        return SHERD_OK;
    SHERD_TRY(make_any(joins, &file));
    if (joins->current != NULL) {
        joins->current->next = joins->full;
        joins->full = joins->current;
    }
    joins->current = file;
    if (joins->slots_next < SHERD_JOIN_SLOTS_MAX / SLOTS_FACTOR)
        joins->slots_next *= SLOTS_FACTOR;
    return SHERD_OK;
}

/* --- flushing ----------------------------------------------------------------------------------------------------- */

/* What is flushed at once. */
struct flush {
    struct file *full;
    struct file *current;
    uint64_t current_used;
    bool current_named;
    bool current_gone;
    enum sherd_err err;
};

/*
 * Make a file's slots durable, and its name. @param[out] out_gone  nothing more may go there: somebody has taken it
 * away, or it cannot be flushed
 */
static enum sherd_err flush_file(const struct sherd_joins *joins, int fd, uint64_t used, bool named, bool *out_gone)
{
    struct stat info;

    *out_gone = true;
    if (fdatasync(fd) != 0 || fstat(fd, &info) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "a file of joins cannot be made durable");
    if (info.st_nlink == 0) {
        joins->parts.lost(joins->parts.arg, used);
        return SHERD_OK;
    }
    *out_gone = false;
    return named ? SHERD_OK : sherd_dir_sync(joins->parts.dir, SHERD_JOINS_DIR);
}

/* Without the lock: the files are nobody else's to close, and of the current one only what was noted is looked at. */
static void flush_files(const struct sherd_joins *joins, struct flush *flush)
{
    while (flush->full != NULL) {
        struct file *file = flush->full;
        bool gone = file->gone;
        const enum sherd_err err = gone ? SHERD_OK : flush_file(joins, file->fd, file->used, file->named, &gone);

        flush->err = flush->err != SHERD_OK ? flush->err : err;
        flush->full = file->next;
        file_free(file);
    }
    if (flush->current != NULL && !flush->current_gone) {
        const enum sherd_err err = flush_file(joins, flush->current->fd, flush->current_used, flush->current_named,
                                              &flush->current_gone);

        flush->err = flush->err != SHERD_OK ? flush->err : err;
    }
}

/* One flush of all that was noted before. The lock is held, and given up meanwhile; nobody else flushes. */
static void flush_once(struct sherd_joins *joins)
{
    struct flush flush = {.full = joins->full, .current = joins->current};
    const uint64_t count = joins->count;

    if (flush.current != NULL) {
        flush.current_used = flush.current->used;
        flush.current_named = flush.current->named;
        flush.current_gone = flush.current->gone;
    }
    joins->full = NULL;
    joins->flushing = true;
    (void)pthread_mutex_unlock(&joins->lock);
    flush_files(joins, &flush);
    (void)pthread_mutex_lock(&joins->lock);
    if (flush.current != NULL) { /* it may be a full one by now, and is there still */
        flush.current->gone = flush.current_gone;
        flush.current->named = flush.err == SHERD_OK;
    }
    joins->flushing = false;
    joins->durable = count;
    joins->last = flush.err;
    (void)pthread_cond_broadcast(&joins->changed);
}

/* Until so many are durable. Who comes while another flushes may find that done by then. The lock is held. */
static enum sherd_err flush_to(struct sherd_joins *joins, uint64_t count)
{
    while (joins->durable < count) {
        if (joins->flushing)
            (void)pthread_cond_wait(&joins->changed, &joins->lock);
        else
            flush_once(joins);
    }
    return joins->last == SHERD_OK ? SHERD_OK : sherd_fail(joins->last, "an entry of a join cannot be made durable");
}

static void wait_a_second(struct sherd_joins *joins)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += FLUSH_S;
    while (!joins->ending && pthread_cond_timedwait(&joins->changed, &joins->lock, &at) != ETIMEDOUT)
        continue;
}

static void *flush_every_second(void *arg)
{
    struct sherd_joins *joins = arg;

    (void)pthread_mutex_lock(&joins->lock);
    while (!joins->ending) {
        if (joins->durable < joins->count) {
            wait_a_second(joins);
            (void)flush_to(joins, joins->count);
        } else {
            (void)pthread_cond_wait(&joins->changed, &joins->lock);
        }
    }
    (void)pthread_mutex_unlock(&joins->lock);
    return NULL;
}

/* --- noting ------------------------------------------------------------------------------------------------------- */

/* The slot, SHERD_JOIN_SLOT_SIZE bytes, is there when its last bytes are. */
static void publish(uint8_t *at, const uint8_t *slot)
{
    _Atomic uint64_t *tail = (_Atomic uint64_t *)(void *)(at + SHERD_JOIN_SLOT_SIZE - TAIL_SIZE);
    uint64_t last;

    _Static_assert(sizeof(*tail) == TAIL_SIZE, "the tail is stored at once");
    memcpy(&last, slot + (SHERD_JOIN_SLOT_SIZE - TAIL_SIZE), sizeof(last));
    memcpy(at, slot, SHERD_JOIN_SLOT_SIZE - TAIL_SIZE);
    atomic_store_explicit(tail, last, memory_order_release);
}

/* Seal the next slot, and write it. What fails between the two leaves a number that is never used again. */
static enum sherd_err write_slot(struct file *file, const struct sherd_join *join)
{
    uint8_t slot[SHERD_JOIN_SLOT_SIZE] = {0};

    SHERD_TRY(sherd_join_seal(file->series, file->used + 1, join, slot));
    SHERD_FAILPOINT("join.before_slot");
    publish(file->map + sherd_join_offset(file->used + 1), slot);
    return SHERD_OK;
}

/* @param[out] out_tell  it is time that the sequencer hears of it */
static enum sherd_err note(struct sherd_joins *joins, struct sherd_join *join, bool *out_tell)
{
    SHERD_TRY(have_room(joins));
    join->time_ns = sherd_clock_wall_ns();
    const enum sherd_err err = write_slot(joins->current, join);
    joins->current->gone = joins->current->gone || err != SHERD_OK;
    SHERD_TRY(err);
    joins->current->used++;
    if (joins->count++ == joins->durable && joins->started)
        (void)pthread_cond_broadcast(&joins->changed);
    *out_tell = joins->told_ns == 0 || join->time_ns - joins->told_ns > TELL_NS; /* also where the clock was set back */
    if (*out_tell)
        joins->told_ns = join->time_ns;
    return SHERD_OK;
}

/* Where no thread can be had, whoever notes flushes. */
static void start(struct sherd_joins *joins)
{
    if (!joins->started && !joins->ending)
        joins->started = pthread_create(&joins->thread, NULL, flush_every_second, joins) == 0;
}

static enum sherd_err note_and_flush(struct sherd_joins *joins, struct sherd_join *join, bool strict, bool *out_tell)
{
    SHERD_TRY(note(joins, join, out_tell));
    if (!strict)
        start(joins);
    return strict || !joins->started ? flush_to(joins, joins->count) : SHERD_OK;
}

enum sherd_err sherd_joins_add(struct sherd_joins *joins, struct sherd_join *join, bool strict)
{
    bool tell = false;

    (void)pthread_mutex_lock(&joins->lock);
    const enum sherd_err err = note_and_flush(joins, join, strict, &tell);
    (void)pthread_mutex_unlock(&joins->lock);
    if (tell)
        joins->parts.noted(joins->parts.arg);
    SHERD_TRY(err);
    SHERD_FAILPOINT("join.after_slot");
    return SHERD_OK;
}

enum sherd_err sherd_joins_prepare(struct sherd_joins *joins)
{
    (void)pthread_mutex_lock(&joins->lock);
    const enum sherd_err err = have_room(joins);
    (void)pthread_mutex_unlock(&joins->lock);
    return err;
}

uint64_t sherd_joins_count(struct sherd_joins *joins)
{
    (void)pthread_mutex_lock(&joins->lock);
    const uint64_t count = joins->count;
    (void)pthread_mutex_unlock(&joins->lock);
    return count;
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static bool init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;

    if (pthread_condattr_init(&attributes) != 0)
        return false;
    const bool made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                      pthread_cond_init(cond, &attributes) == 0;
    (void)pthread_condattr_destroy(&attributes);
    return made;
}

enum sherd_err sherd_joins_new(const struct sherd_joins_parts *parts, struct sherd_joins **out_joins)
{
    const enum sherd_err err = sherd_dir_make(parts->dir, SHERD_JOINS_DIR);
    struct sherd_joins *joins;

    if (err != SHERD_ERR_CONFLICT) /* it is there */
        SHERD_TRY(err);
    joins = sherd_alloc(sizeof(*joins));
    if (joins == NULL)
        return SHERD_ERR_NO_MEMORY;
    *joins = (struct sherd_joins){.parts = *parts, .slots_next = SLOTS_FIRST};
    if (pthread_mutex_init(&joins->lock, NULL) != 0 || !init_cond(&joins->changed)) {
        sherd_free(joins);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    *out_joins = joins;
    return SHERD_OK;
}

void sherd_joins_free(struct sherd_joins *joins)
{
    char detail[SHERD_FAIL_TEXT_SIZE];

    if (joins == NULL)
        return;
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    (void)pthread_mutex_lock(&joins->lock);
    joins->ending = true;
    (void)pthread_cond_broadcast(&joins->changed);
    (void)pthread_mutex_unlock(&joins->lock);
    if (joins->started)
        (void)pthread_join(joins->thread, NULL);
    (void)pthread_mutex_lock(&joins->lock);
    if (joins->count > joins->durable)
        (void)flush_to(joins, joins->count);
    (void)pthread_mutex_unlock(&joins->lock);
    file_free(joins->current);
    while (joins->full != NULL) {
        struct file *next = joins->full->next;

        file_free(joins->full);
        joins->full = next;
    }
    (void)pthread_cond_destroy(&joins->changed);
    (void)pthread_mutex_destroy(&joins->lock);
    sherd_free(joins);
    sherd_fail_restore(detail);
}
