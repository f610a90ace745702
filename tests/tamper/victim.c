/* SPDX-License-Identifier: Apache-2.0 */
/* The owner of a vault: see victim.h. */
#include "victim.h"
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- Trees ------------------------------------------------------------------------------------------------------- */

static const char *copy_from;
static const char *copy_to;

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    (void)stat;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void tree_remove(const char *path)
{
    if (access(path, F_OK) == 0)
        assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static int copy_file(const char *from, const char *to)
{
    static char block[1 << 16];
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t len = -1;

    while (in >= 0 && out >= 0 && (len = read(in, block, sizeof(block))) > 0)
        if (write(out, block, (size_t)len) != len)
            len = -2;
    close(in);
    close(out);
    return len == 0 ? 0 : -1;
}

static int copy_one(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    char to[512];

    (void)stat;
    (void)ftw;
    (void)snprintf(to, sizeof(to), "%s%s", copy_to, path + strlen(copy_from));
    return kind == FTW_D ? mkdir(to, 0700) : copy_file(path, to);
}

void tree_copy(const char *from, const char *to)
{
    tree_remove(to);
    copy_from = from;
    copy_to = to;
    assert_int_equal(nftw(from, copy_one, 16, FTW_PHYS), 0);
}

/* ---- The vault --------------------------------------------------------------------------------------------------- */

static struct sherd_unseal unseal_of(const struct victim *victim)
{
    if (victim->passphrase != NULL)
        return (struct sherd_unseal){.passphrase = sherd_span_str(victim->passphrase)};
    return (struct sherd_unseal){.key_file = sherd_buf_span(&victim->key_file)};
}

enum sherd_err victim_open(struct victim *victim)
{
    const struct sherd_unseal unseal = unseal_of(victim);
    const struct sherd_vault_open_options options = {.threads = 1, .read_only = victim->reads};

    return sherd_vault_open(victim->dir, &unseal, &options, &victim->vault);
}

void victim_close(struct victim *victim)
{
    sherd_vault_close(victim->vault);
    victim->vault = NULL;
}

void victim_new(struct victim *victim)
{
    victim_new_with_passphrase(victim, NULL);
}

void victim_new_with_passphrase(struct victim *victim, const char *passphrase)
{
    *victim = (struct victim){.passphrase = passphrase};
    (void)snprintf(victim->root, sizeof(victim->root), "%s/sherd-tamper-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(victim->root));
    (void)snprintf(victim->dir, sizeof(victim->dir), "%s/vault", victim->root);
    assert_int_equal(sherd_key_file_new(&victim->key_file), SHERD_OK);
    const struct sherd_unseal unseal = unseal_of(victim);
    assert_int_equal(sherd_vault_init(victim->dir, &unseal, NULL), SHERD_OK);
    assert_int_equal(victim_open(victim), SHERD_OK);
}

void victim_done(struct victim *victim)
{
    victim_close(victim);
    tree_remove(victim->root);
    sherd_buf_done(&victim->key_file);
    *victim = (struct victim){0};
}

void victim_collection(struct victim *victim, const char *name, uint32_t kept, bool exact)
{
    struct sherd_collection collection = {.versions_kept = kept, .exact_sizes = exact};

    (void)snprintf(collection.name, sizeof(collection.name), "%s", name);
    assert_int_equal(sherd_collection_create(victim->vault, &collection), SHERD_OK);
}

/* ---- Records ----------------------------------------------------------------------------------------------------- */

/* Bytes that no two seeds share: SplitMix64. */
static uint8_t *content_of(unsigned seed, size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) {
        state += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = (state ^ state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        bytes[i] = (uint8_t)((z ^ z >> 27) >> 32);
    }
    return bytes;
}

void victim_put(struct victim *victim, const struct sherd_record_meta *meta, unsigned seed, size_t len,
                struct record *out_record)
{
    *out_record = (struct record){.versions = 1, .oldest = 1};
    out_record->content[0] = content_of(seed, len);
    out_record->len[0] = len;
    assert_int_equal(sherd_record_put(victim->vault, meta, sherd_span_of(out_record->content[0], len), &out_record->id),
                     SHERD_OK);
}

void victim_update(struct victim *victim, struct record *record, unsigned seed, size_t len, uint32_t kept)
{
    uint64_t version;

    assert_true(record->versions < VERSIONS_MAX);
    record->content[record->versions] = content_of(seed, len);
    record->len[record->versions] = len;
    assert_int_equal(sherd_record_update(victim->vault, record->id, record->versions, NULL,
                                         sherd_span_of(record->content[record->versions], len), &version),
                     SHERD_OK);
    record->versions++;
    assert_int_equal(version, record->versions);
    if (kept != 0 && record->versions - record->oldest >= kept)
        record->oldest = record->versions - kept + 1;
}

void record_done(struct record *record)
{
    for (size_t i = 0; i < VERSIONS_MAX; i++)
        free(record->content[i]);
    *record = (struct record){0};
}

static bool is_content(const struct record *record, uint64_t version, const uint8_t *bytes, size_t len)
{
    const uint64_t index = (version == 0 ? record->versions : version) - 1;

    return len == record->len[index] && memcmp(bytes, record->content[index], len) == 0;
}

enum sherd_err victim_get(struct victim *victim, const struct record *record, uint64_t version)
{
    static const uint8_t before[] = "what was in the buffer";
    struct sherd_buf buf = {0};

    assert_int_equal(sherd_buf_append(&buf, sherd_span_of(before, sizeof(before))), SHERD_OK);
    const enum sherd_err err = sherd_record_get(victim->vault, record->id, version, &buf);
    assert_memory_equal(buf.data, before, sizeof(before));
    if (err == SHERD_OK && !is_content(record, version, buf.data + sizeof(before), buf.len - sizeof(before)))
        fail_msg("wrong bytes were given out");
    if (err != SHERD_OK)
        assert_int_equal(buf.len, sizeof(before));
    sherd_buf_done(&buf);
    return err;
}

enum sherd_err victim_read(struct victim *victim, const struct record *record, uint64_t version)
{
    struct sherd_reader *reader;
    uint64_t bytes;
    size_t first = 0;
    size_t second = 0;

    enum sherd_err err = sherd_reader_open(victim->vault, record->id, version, &reader, &bytes);
    if (err != SHERD_OK)
        return err;
    uint8_t *block = calloc(1, (size_t)bytes + 1);
    assert_non_null(block);
    const size_t half = (size_t)bytes / 2 + 1;
    err = sherd_reader_read(reader, 0, block, half, &first);
    if (err == SHERD_OK)
        err = sherd_reader_read(reader, first, block + first, (size_t)bytes - first, &second);
    if (err == SHERD_OK && !is_content(record, version, block, first + second))
        fail_msg("wrong bytes were given out");
    for (size_t i = first + second; i < (size_t)bytes; i++) /* of a read that failed nothing is left */
        assert_int_equal(block[i], 0);
    free(block);
    sherd_reader_close(reader);
    return err;
}

enum sherd_err victim_stat(struct victim *victim, const struct record *record, uint64_t version)
{
    struct sherd_record_info *info;
    const uint64_t wanted = version == 0 ? record->versions : version;

    const enum sherd_err err = sherd_record_stat(victim->vault, record->id, version, &info);
    if (err != SHERD_OK)
        return err;
    assert_memory_equal(&info->id, &record->id, sizeof(record->id));
    assert_int_equal(info->version, wanted);
    assert_int_equal(info->version_current, record->versions);
    assert_int_equal(info->version_oldest, record->oldest);
    assert_int_equal(info->content_bytes, record->len[wanted - 1]);
    sherd_record_info_free(info);
    return err;
}

struct listing {
    const struct record *records;
    size_t count;
    size_t seen;
    bool *met;
};

static enum sherd_err met_record(void *arg, const struct sherd_record_info *info)
{
    struct listing *listing = arg;

    for (size_t i = 0; i < listing->count; i++) {
        const struct record *record = &listing->records[i];

        if (memcmp(&record->id, &info->id, sizeof(info->id)) != 0)
            continue;
        assert_false(listing->met[i]);
        assert_int_equal(info->version, record->versions);
        assert_int_equal(info->content_bytes, record->len[record->versions - 1]);
        listing->met[i] = true;
        listing->seen++;
        return SHERD_OK;
    }
    fail_msg("a record was listed that is not there");
    return SHERD_ERR_INVALID;
}

enum sherd_err victim_list(struct victim *victim, const struct record *records, size_t count)
{
    struct listing listing = {.records = records, .count = count, .met = calloc(count + 1, sizeof(bool))};
    struct sherd_cursor cursor = {0};

    assert_non_null(listing.met);
    const enum sherd_err err = sherd_record_list(victim->vault, NULL, &cursor, 0, met_record, &listing);
    if (err == SHERD_OK && listing.seen != count)
        fail_msg("%zu of %zu records were listed, and the rest was passed over", listing.seen, count);
    free(listing.met);
    return err;
}

static void count_finding(void *arg, const struct sherd_finding *finding)
{
    assert_non_null(finding->text);
    ++*(size_t *)arg;
}

static enum sherd_err verify(struct victim *victim, const struct sherd_uuid *id, struct sherd_verify_stat *out_stat)
{
    struct sherd_verify_stat stat = {0};
    size_t told = 0;
    const struct sherd_observer observer = {.finding = count_finding, .arg = &told};

    const enum sherd_err err = sherd_vault_verify(victim->vault, id, &observer, &stat);
    assert_true((err == SHERD_ERR_TAMPERED) == (stat.finding_count > 0));
    if (out_stat != NULL)
        *out_stat = stat;
    return err;
}

enum sherd_err victim_verify(struct victim *victim, const struct record *record)
{
    return verify(victim, &record->id, NULL);
}

enum sherd_err victim_verify_all(struct victim *victim, struct sherd_verify_stat *out_stat)
{
    return verify(victim, NULL, out_stat);
}
