/* SPDX-License-Identifier: Apache-2.0 */
/* Files of joins as the sequencer meets them: see join_files.h. */
#include "anchor/ledger/join_files.h"
#include "anchor/ledger/joins.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_STATE_SIZE 32U
#define ENDED ((uint64_t)1 << 63)
#define TAIL_SIZE 8U
/* What was being made that long ago was given up. */
#define UNFINISHED_S 600
#define SLOTS_READ 1024U

/* --- in the state ------------------------------------------------------------------------------------------------- */

void sherd_join_state_put(struct sherd_tlv_writer *writer, unsigned first_tag, const struct sherd_join_state *state)
{
    uint8_t files[SHERD_JOIN_FILES_MAX * FILE_STATE_SIZE];

    for (size_t i = 0; i < state->file_count; i++) {
        const struct sherd_join_file *file = &state->files[i];
        uint8_t *at = files + i * FILE_STATE_SIZE;

        memcpy(at, file->id.bytes, 16);
        sherd_put_u64(at + 16, file->birth);
        sherd_put_u64(at + 24, file->taken | (file->ended ? ENDED : 0));
    }
    sherd_tlv_put_u64(writer, first_tag, state->swept);
    sherd_tlv_put_u64(writer, first_tag + 1, state->segment);
    sherd_tlv_put_u64(writer, first_tag + 2, state->kept_bytes);
    sherd_tlv_put(writer, first_tag + 3, sherd_span_of(files, state->file_count * FILE_STATE_SIZE));
}

enum sherd_err sherd_join_state_get(const struct sherd_tlv *tlv, unsigned first_tag, struct sherd_join_state *out_state)
{
    const struct sherd_span files = tlv->value[first_tag + 3];

    SHERD_TRY(sherd_tlv_get_u64(tlv, first_tag, INT64_MAX, &out_state->swept));
    SHERD_TRY(sherd_tlv_get_u64(tlv, first_tag + 1, UINT32_MAX, &out_state->segment));
    SHERD_TRY(sherd_tlv_get_u64(tlv, first_tag + 2, UINT32_MAX, &out_state->kept_bytes));
    SHERD_ENSURE(files.len % FILE_STATE_SIZE == 0 && files.len / FILE_STATE_SIZE <= SHERD_JOIN_FILES_MAX,
                 SHERD_ERR_TAMPERED, "the ledger's state does not verify");
    out_state->file_count = files.len / FILE_STATE_SIZE;
    for (size_t i = 0; i < out_state->file_count; i++) {
        const uint8_t *at = files.data + i * FILE_STATE_SIZE;
        struct sherd_join_file *file = &out_state->files[i];

        memcpy(file->id.bytes, at, 16);
        file->birth = sherd_get_u64(at + 16);
        file->taken = sherd_get_u64(at + 24) & ~ENDED;
        file->ended = (sherd_get_u64(at + 24) & ENDED) != 0;
    }
    return SHERD_OK;
}

/* --- which files there are ---------------------------------------------------------------------------------------- */

/* Names of the folder. */
struct names {
    struct sherd_ref *ids;
    size_t count;
    size_t room;
};

static void names_done(struct names *names)
{
    sherd_free(names->ids);
}

static void dir_closep(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

static enum sherd_err names_add(struct names *names, const struct sherd_ref *id)
{
    if (names->count == names->room) {
        struct sherd_ref *more = sherd_realloc(names->ids, (names->room * 2 + 64) * sizeof(*more));

        if (more == NULL)
            return SHERD_ERR_NO_MEMORY;
        names->ids = more;
        names->room = names->room * 2 + 64;
    }
    names->ids[names->count++] = *id;
    return SHERD_OK;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether a name is that of a file of joins. */
static bool parse_name(const char *name, struct sherd_ref *out_id)
{
    for (size_t i = 0; i < sizeof(out_id->bytes); i++) {
        const int high = digit_of(name[2 * i]);
        const int low = high < 0 ? -1 : digit_of(name[2 * i + 1]);

        if (low < 0)
            return false;
        out_id->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return name[2 * sizeof(out_id->bytes)] == 0;
}

/* What whoever made it was killed in. */
static void clear_unfinished(const struct sherd_join_place *place, const char *name)
{
    char path[sizeof(SHERD_JOINS_DIR) + 256];
    int64_t age_s = 0;

    (void)snprintf(path, sizeof(path), "%s/%.250s", SHERD_JOINS_DIR, name);
    if (sherd_file_age(place->dir, path, &age_s) == SHERD_OK && age_s > UNFINISHED_S &&
        sherd_file_remove(place->dir, path) != SHERD_OK)
        return; /* it is in nobody's way */
}

/* A file that lies ready, of the size that it must have. Where there is no room now, a later round makes it. */
static void make_spare(const struct sherd_join_place *place, unsigned number)
{
    const off_t bytes = (off_t)sherd_join_offset(SHERD_JOINS_SPARE_SLOTS + 1);
    char name[sizeof(SHERD_JOINS_DIR) + sizeof(SHERD_JOINS_SPARE) + 12];
    char fresh[sizeof(name) + sizeof(SHERD_JOINS_NEW)];

    (void)snprintf(name, sizeof(name), "%s/%s%u", SHERD_JOINS_DIR, SHERD_JOINS_SPARE, number);
    (void)snprintf(fresh, sizeof(fresh), "%s%s", name, SHERD_JOINS_NEW);
    SHERD_CLEANUP(sherd_freep) char *path = sherd_path_join(place->dir, fresh);
    if (path == NULL)
        return;
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    const bool made = posix_fallocate(fd, 0, bytes) == 0;
    (void)close(fd);
    if (!made || sherd_file_rename(place->dir, fresh, name) != SHERD_OK)
        (void)unlink(path);
}

/* The number of a file that lies ready; SHERD_JOINS_SPARES: it is none. */
static unsigned spare_number(const char *name)
{
    const size_t len = strlen(SHERD_JOINS_SPARE);

    if (strncmp(name, SHERD_JOINS_SPARE, len) != 0 || name[len] < '0' || name[len] >= '0' + (int)SHERD_JOINS_SPARES ||
        name[len + 1] != 0)
        return SHERD_JOINS_SPARES;
    return (unsigned)(name[len] - '0');
}

static void make_spares(const struct sherd_join_place *place, const bool there[static SHERD_JOINS_SPARES])
{
    char detail[SHERD_FAIL_TEXT_SIZE];

    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    for (unsigned i = 0; i < SHERD_JOINS_SPARES; i++)
        if (!there[i])
            make_spare(place, i);
    sherd_fail_restore(detail);
}

static enum sherd_err list_names(const struct sherd_join_place *place, bool look, struct names *names)
{
    bool spares[SHERD_JOINS_SPARES + 1] = {false};
    SHERD_CLEANUP(sherd_freep) char *path = sherd_path_join(place->dir, SHERD_JOINS_DIR);
    struct sherd_ref id;

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_CLEANUP(dir_closep) DIR *dir = opendir(path);
    if (dir == NULL)
        return errno == ENOENT ? SHERD_OK : sherd_fail_errno(SHERD_ERR_IO, "%s cannot be read", path);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        const char *dot = strrchr(entry->d_name, '.');

        if (parse_name(entry->d_name, &id))
            SHERD_TRY(names_add(names, &id));
        else if (!look && dot != NULL && strcmp(dot, SHERD_JOINS_NEW) == 0)
            clear_unfinished(place, entry->d_name);
        else
            spares[spare_number(entry->d_name)] = true;
    }
    if (!look)
        make_spares(place, spares);
    return SHERD_OK;
}

static bool is_there(const struct names *names, const struct sherd_ref *id)
{
    for (size_t i = 0; i < names->count; i++)
        if (sherd_same(names->ids[i].bytes, id->bytes, sizeof(id->bytes)))
            return true;
    return false;
}

static struct sherd_join_file *known(struct sherd_join_state *state, const struct sherd_ref *id)
{
    for (size_t i = 0; i < state->file_count; i++)
        if (sherd_same(state->files[i].id.bytes, id->bytes, sizeof(id->bytes)))
            return &state->files[i];
    return NULL;
}

/*
 * A file that has ended is remembered until nobody could take one of its birth for new; one that has not, and is not
 * there, was taken away by somebody else.
 */
static void look_for_missing(struct sherd_join_taken *taken, const struct names *names)
{
    struct sherd_join_state *state = taken->after;
    size_t left = 0;

    for (size_t i = 0; i < state->file_count; i++) {
        struct sherd_join_file file = state->files[i];

        if (!is_there(names, &file.id)) {
            if (file.ended && file.birth + 1 < state->swept) {
                taken->changed = true;
                continue;
            }
            taken->lost += file.ended ? 0 : 1;
            taken->changed = taken->changed || !file.ended;
            file.ended = true;
        }
        state->files[left++] = file;
    }
    state->file_count = left;
}

/* --- one file ----------------------------------------------------------------------------------------------------- */

struct reading {
    struct sherd_join_taken *taken;
    struct sherd_join_file file;
    int fd;
    uint64_t capacity;
    struct sherd_aead_message *series;
    struct sherd_digest blind; /* of what its slots commit to */
};

static void reading_done(struct reading *reading)
{
    sherd_aead_message_free(reading->series);
    if (reading->fd >= 0)
        (void)close(reading->fd);
}

/* Read so many bytes, or fewer where the file ends. */
static enum sherd_err read_at(int fd, uint64_t offset, uint8_t *block, size_t size, size_t *out_size)
{
    size_t done = 0;

    while (done < size) {
        const ssize_t got = pread(fd, block + done, size - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sherd_fail_errno(SHERD_ERR_IO, "a file of joins cannot be read");
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *out_size = done;
    return SHERD_OK;
}

/* What is there and cannot be opened by its owner is no file of joins; what we have no room for may be. */
static enum sherd_err open_failed(const char *path)
{
    if (errno == ENOENT)
        return SHERD_ERR_NOT_FOUND;
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO || errno == EINTR)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be opened", path);
    return SHERD_ERR_TAMPERED;
}

/* Its head and birth: whether it is a file of this ledger at all. @return SHERD_ERR_TAMPERED: it is none */
static enum sherd_err open_file(const struct sherd_join_place *place, struct reading *reading)
{
    uint8_t head[SHERD_JOIN_HEAD_SIZE + SHERD_JOIN_SLOT_SIZE];
    struct sherd_join_birth birth;
    char name[SHERD_JOINS_NAME_SIZE];
    char path[sizeof(SHERD_JOINS_DIR) + sizeof(name)];
    struct stat info;
    size_t size;

    sherd_joins_name(&reading->file.id, name);
    (void)snprintf(path, sizeof(path), "%s/%s", SHERD_JOINS_DIR, name);
    SHERD_CLEANUP(sherd_freep) char *whole = sherd_path_join(place->dir, path);
    if (whole == NULL)
        return SHERD_ERR_NO_MEMORY;
    reading->fd = open(whole, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
    if (reading->fd < 0 || fstat(reading->fd, &info) != 0)
        return open_failed(whole);
    if (!S_ISREG(info.st_mode) || info.st_size < (off_t)sizeof(head))
        return SHERD_ERR_TAMPERED;
    reading->capacity = ((uint64_t)info.st_size - sizeof(head)) / SHERD_JOIN_SLOT_SIZE;
    if (reading->capacity > SHERD_JOIN_SLOTS_MAX)
        reading->capacity = SHERD_JOIN_SLOTS_MAX;
    SHERD_TRY(read_at(reading->fd, 0, head, sizeof(head), &size));
    if (size != sizeof(head) || !sherd_join_head_is(&reading->file.id, sherd_span_of(head, sizeof(head))))
        return SHERD_ERR_TAMPERED;
    SHERD_TRY(sherd_join_series(place->leaves, &reading->file.id, false, &reading->series));
    SHERD_TRY(sherd_join_birth_open(reading->series, head + SHERD_JOIN_HEAD_SIZE, &birth));
    reading->file.birth = birth.round;
    return sherd_join_file_blind(place->leaves, &reading->file.id, &reading->blind);
}

static bool is_written(const uint8_t *slot)
{
    static const uint8_t none[TAIL_SIZE] = {0};

    return !sherd_same(slot + SHERD_JOIN_SLOT_SIZE - TAIL_SIZE, none, sizeof(none));
}

/* The number of the last slot that is there. One that a process was killed in is not. */
static enum sherd_err last_written(const struct reading *reading, uint64_t *out_last)
{
    SHERD_CLEANUP(sherd_freep) uint8_t *block = sherd_alloc_array(SLOTS_READ, SHERD_JOIN_SLOT_SIZE);
    uint64_t last = reading->file.taken;
    uint64_t number = last + 1;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    while (number <= reading->capacity) {
        size_t size;

        SHERD_TRY(read_at(reading->fd, sherd_join_offset(number), block, (size_t)SLOTS_READ * SHERD_JOIN_SLOT_SIZE,
                          &size));
        const size_t count = size / SHERD_JOIN_SLOT_SIZE;
        for (size_t i = 0; i < count; i++)
            if (is_written(block + i * SHERD_JOIN_SLOT_SIZE))
                last = number + i;
        if (count < SLOTS_READ)
            break;
        number += count;
    }
    *out_last = last;
    return SHERD_OK;
}

static enum sherd_err take_slot(struct reading *reading, uint64_t number, const uint8_t *slot)
{
    struct sherd_join_taken *taken = reading->taken;
    struct sherd_join_found *found = &taken->found[taken->count];
    struct sherd_digest blind;
    struct sherd_join join;

    const enum sherd_err err = sherd_join_open(reading->series, number, slot, &join);
    if (err == SHERD_ERR_TAMPERED) {
        taken->lost++;
        return SHERD_OK;
    }
    SHERD_TRY(err);
    found->slot = (struct sherd_join_slot){.file = reading->file.id, .number = number};
    memcpy(found->slot.bytes, slot, SHERD_JOIN_SLOT_SIZE);
    SHERD_TRY(sherd_join_blind(&reading->blind, number, &blind));
    SHERD_TRY(sherd_join_commitment(&blind, &join, &found->slot.commitment));
    found->time_ns = join.time_ns;
    taken->count++;
    return SHERD_OK;
}

static enum sherd_err take_slots(struct reading *reading, uint64_t last)
{
    SHERD_CLEANUP(sherd_freep) uint8_t *block = sherd_alloc_array(SLOTS_READ, SHERD_JOIN_SLOT_SIZE);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    while (reading->file.taken < last) {
        const uint64_t number = reading->file.taken + 1;
        const uint64_t left = last - reading->file.taken;
        const size_t count = left < SLOTS_READ ? (size_t)left : SLOTS_READ;
        size_t size;

        SHERD_TRY(read_at(reading->fd, sherd_join_offset(number), block, count * SHERD_JOIN_SLOT_SIZE, &size));
        if (size != count * SHERD_JOIN_SLOT_SIZE)
            return sherd_fail(SHERD_ERR_IO, "a file of joins becomes shorter while it is read");
        for (size_t i = 0; i < count; i++)
            SHERD_TRY(take_slot(reading, number + i, block + i * SHERD_JOIN_SLOT_SIZE));
        reading->file.taken += count;
    }
    return SHERD_OK;
}

/* Take what is new in a file, as much as the round has room for. */
static enum sherd_err take_new(struct reading *reading, bool look)
{
    struct sherd_join_taken *taken = reading->taken;
    /* nobody writes to a file that is not locked: so this comes before it is read */
    const bool dead = !look && flock(reading->fd, LOCK_EX | LOCK_NB) == 0;
    const uint64_t room = SHERD_JOIN_ROUND_MAX - taken->count;
    uint64_t last;

    SHERD_TRY(last_written(reading, &last));
    const bool all = last - reading->file.taken <= room;
    taken->more = taken->more || !all;
    taken->changed = taken->changed || last != reading->file.taken;
    SHERD_TRY(take_slots(reading, all ? last : reading->file.taken + room));
    reading->file.ended = all && dead;
    taken->changed = taken->changed || reading->file.ended;
    return SHERD_OK;
}

/* A file that no round has seen, though it was there: it was taken away, and has been put back. */
static bool was_put_back(const struct sherd_join_state *state, const struct sherd_join_file *file)
{
    return file->birth + 1 < state->swept;
}

/*
 * Such a file with nothing in it was left by one who began it while rounds were made, and made another: it goes, unless
 * he has it still.
 */
static enum sherd_err take_unseen(const struct sherd_join_place *place, struct reading *reading, bool look)
{
    char path[sizeof(SHERD_JOINS_DIR) + SHERD_JOINS_NAME_SIZE];
    char name[SHERD_JOINS_NAME_SIZE];
    const bool dead = !look && flock(reading->fd, LOCK_EX | LOCK_NB) == 0;
    uint64_t last;

    SHERD_TRY(last_written(reading, &last));
    if (last != 0) {
        reading->taken->strange++;
        return SHERD_OK;
    }
    sherd_joins_name(&reading->file.id, name);
    (void)snprintf(path, sizeof(path), "%s/%s", SHERD_JOINS_DIR, name);
    return dead ? sherd_file_remove(place->dir, path) : SHERD_OK;
}

static enum sherd_err take_known(struct sherd_join_file *entry, struct reading *reading, enum sherd_err opened,
                                 bool look)
{
    struct sherd_join_taken *taken = reading->taken;

    if (entry->ended) /* it was to be taken away, and will be */
        return SHERD_OK;
    if (opened == SHERD_ERR_TAMPERED || reading->file.birth != entry->birth || reading->capacity < entry->taken) {
        taken->lost++;
        taken->changed = true;
        entry->ended = true;
        return SHERD_OK;
    }
    reading->file.taken = entry->taken;
    SHERD_TRY(take_new(reading, look));
    *entry = reading->file;
    return SHERD_OK;
}

/*
 * Where more handles came and went between two rounds than are known at a time, those that have ended and are gone give
 * way: what comes back of them then would be counted twice, but nothing waits for ever.
 */
static bool make_room(struct sherd_join_taken *taken, const struct names *names)
{
    struct sherd_join_state *state = taken->after;

    for (size_t i = 0; i < state->file_count; i++)
        if (state->files[i].ended && !is_there(names, &state->files[i].id)) {
            state->files[i] = state->files[--state->file_count];
            taken->changed = true;
            return true;
        }
    return false;
}

static enum sherd_err take_file(const struct sherd_join_place *place, const struct names *names,
                                const struct sherd_ref *id, bool look, struct sherd_join_taken *taken)
{
    SHERD_CLEANUP(reading_done) struct reading reading = {.taken = taken, .file = {.id = *id}, .fd = -1};
    struct sherd_join_state *state = taken->after;
    struct sherd_join_file *entry = known(state, id);

    const enum sherd_err err = open_file(place, &reading);
    if (err == SHERD_ERR_NOT_FOUND) /* gone since it was listed: the next round sees whether it may be */
        return SHERD_OK;
    if (err != SHERD_OK && err != SHERD_ERR_TAMPERED)
        return err;
    if (entry != NULL)
        return take_known(entry, &reading, err, look);
    if (err == SHERD_ERR_TAMPERED) {
        taken->strange++;
        return SHERD_OK;
    }
    if (was_put_back(state, &reading.file))
        return take_unseen(place, &reading, look);
    if (state->file_count == SHERD_JOIN_FILES_MAX && !make_room(taken, names)) { /* it waits until others have ended */
        taken->more = true;
        return SHERD_OK;
    }
    taken->changed = true;
    SHERD_TRY(take_new(&reading, look));
    state->files[state->file_count++] = reading.file;
    return SHERD_OK;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static int in_time(const void *a, const void *b)
{
    const struct sherd_join_found *first = a;
    const struct sherd_join_found *second = b;

    if (first->time_ns != second->time_ns)
        return first->time_ns < second->time_ns ? -1 : 1;
    const int file = memcmp(first->slot.file.bytes, second->slot.file.bytes, 16); /* not secret: names of files */
    if (file != 0)
        return file;
    return first->slot.number < second->slot.number ? -1 : first->slot.number > second->slot.number;
}

enum sherd_err sherd_join_files_take(const struct sherd_join_place *place, uint64_t round, bool look,
                                     struct sherd_join_taken *taken)
{
    SHERD_CLEANUP(names_done) struct names names = {.ids = NULL};

    taken->found = sherd_alloc_array(SHERD_JOIN_ROUND_MAX, sizeof(*taken->found));
    if (taken->found == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(list_names(place, look, &names));
    look_for_missing(taken, &names);
    for (size_t i = 0; i < names.count; i++)
        SHERD_TRY(take_file(place, &names, &names.ids[i], look, taken));
    if (taken->count > 1)
        qsort(taken->found, taken->count, sizeof(*taken->found), in_time);
    if (!taken->more)
        taken->after->swept = round;
    return SHERD_OK;
}

void sherd_join_taken_done(struct sherd_join_taken *taken)
{
    sherd_free(taken->found);
    taken->found = NULL;
}

static size_t batches_of(const struct sherd_join_taken *taken)
{
    return (taken->count + SHERD_JOIN_BATCH_MAX - 1) / SHERD_JOIN_BATCH_MAX;
}

size_t sherd_join_taken_leaves(const struct sherd_join_taken *taken)
{
    return batches_of(taken) + (taken->lost != 0 ? 1 : 0);
}

enum sherd_err sherd_join_taken_event(const struct sherd_join_taken *taken, size_t i, struct sherd_event *out_event)
{
    struct sherd_join_slot slots[SHERD_JOIN_BATCH_MAX];
    struct sherd_event event = {.kind = SHERD_EVENT_JOIN};
    const size_t first = i * SHERD_JOIN_BATCH_MAX;

    if (i >= batches_of(taken)) {
        event.count = taken->lost;
        event.time_ns = sherd_clock_wall_ns();
        *out_event = event;
        return SHERD_OK;
    }
    event.count = taken->count - first < SHERD_JOIN_BATCH_MAX ? taken->count - first : SHERD_JOIN_BATCH_MAX;
    for (size_t n = 0; n < event.count; n++)
        slots[n] = taken->found[first + n].slot;
    event.time_ns = taken->found[first + event.count - 1].time_ns;
    event.has_root = true;
    SHERD_TRY(sherd_join_root(slots, event.count, &event.root));
    *out_event = event;
    return SHERD_OK;
}

enum sherd_err sherd_join_files_clear(const struct sherd_join_place *place, const struct sherd_join_state *state)
{
    for (size_t i = 0; i < state->file_count; i++) {
        char path[sizeof(SHERD_JOINS_DIR) + SHERD_JOINS_NAME_SIZE];
        char name[SHERD_JOINS_NAME_SIZE];

        if (!state->files[i].ended)
            continue;
        sherd_joins_name(&state->files[i].id, name);
        (void)snprintf(path, sizeof(path), "%s/%s", SHERD_JOINS_DIR, name);
        SHERD_TRY(sherd_file_remove(place->dir, path));
    }
    return SHERD_OK;
}
