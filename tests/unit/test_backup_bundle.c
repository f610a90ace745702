/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of backups: what comes back is what was there, at one instant; what was changed, cut or put together is refused
 * and leaves nothing; what was erased before its epoch ended is gone from all of them.
 */
#include "base/bytes.h"
#include "base/failpoint.h"
#include "bundle.h"
#include "crypto/aead.h"
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

/* Entities of the test of erasure, and how many of them are erased. */
#ifdef __SANITIZE_ADDRESS__
#define ENTITIES 200U
#else
#define ENTITIES 1000U
#endif
#define ERASED (ENTITIES / 10U)
#define BLOB_SIZE ((size_t)200000)

/* --- backups in memory -------------------------------------------------------------------------------------------- */

struct limited {
    struct sherd_buf *buf;
    size_t bytes_max; /* then the disk is full */
};

static enum sherd_err write_limited(void *arg, struct sherd_span bytes)
{
    struct limited *limited = arg;

    if (limited->buf->len + bytes.len > limited->bytes_max) {
        errno = ENOSPC;
        return sherd_fail_errno(SHERD_ERR_IO, "the backup");
    }
    return sherd_buf_append(limited->buf, bytes);
}

static enum sherd_err verify(const struct vault_test *test, struct sherd_span bundle, const char *live,
                             struct sherd_span epoch_key)
{
    struct source source = {bundle};
    const struct sherd_backup_in in = {.read = read_source, .arg = &source};
    const struct sherd_backup_keys keys = {.unseal = &test->unseal, .epoch_key = epoch_key, .vault = live};
    struct sherd_backup_info info;

    return sherd_backup_verify(&in, &keys, NULL, &info);
}

static enum sherd_err restore(const struct vault_test *test, struct sherd_span bundle, const char *live,
                              const char *path)
{
    struct source source = {bundle};
    const struct sherd_backup_in in = {.read = read_source, .arg = &source};
    const struct sherd_backup_keys keys = {.unseal = &test->unseal, .vault = live};
    struct sherd_backup_info info;
    struct sherd_verify_stat stat;

    return sherd_backup_restore(&in, &keys, path, NULL, NULL, &info, &stat);
}

static struct sherd_span no_key(void)
{
    return sherd_span_of(NULL, 0);
}

/* Names in the test's directory. */
static unsigned count_names(const struct vault_test *test)
{
    DIR *dir = opendir(test->root);
    unsigned count = 0;

    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    (void)closedir(dir);
    return count;
}

static void place(const struct vault_test *test, const char *name, char out_path[96])
{
    (void)snprintf(out_path, 96, "%s/%s", test->root, name);
}

static struct sherd_vault *open_at(const struct vault_test *test, const char *path)
{
    struct sherd_vault *vault = NULL;

    assert_ok(sherd_vault_open(path, &test->unseal, NULL, &vault));
    return vault;
}

/* --- there and back ----------------------------------------------------------------------------------------------- */

static void test_backup_bundle__brings_back_records_versions_and_blobs(void **state)
{
    struct vault_test *test = *state;
    uint8_t *block = test_malloc(BLOB_SIZE);
    const struct sherd_record_meta meta = {.collection = "all", .entity = "somebody"};
    struct sherd_uuid large;
    char path[96];

    vault_fill(block, BLOB_SIZE, 1);
    vault_collection(test, "all", 0, false);
    const struct sherd_uuid small = vault_put(test, &meta, "first");
    assert_ok(sherd_record_update(test->vault, small, 0, NULL, sherd_span_str("second"), NULL));
    assert_ok(sherd_record_put(test->vault, &meta, sherd_span_of(block, BLOB_SIZE), &large));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);
    assert_ok(sherd_record_delete(test->vault, small));

    place(test, "restored", path);
    assert_ok(restore(test, sherd_buf_span(&bundle), test->path, path));
    struct sherd_vault *live = test->vault;
    test->vault = open_at(test, path);
    vault_assert_text(test, small, 1, "first");
    vault_assert_text(test, small, 2, "second");
    vault_assert_bytes(test, large, 1, sherd_span_of(block, BLOB_SIZE));
    vault_assert_clean(test, 0);
    assert_ok(sherd_record_update(test->vault, small, 0, NULL, sherd_span_str("third"), NULL));
    sherd_vault_close(test->vault);
    test->vault = live;
    test_free(block);
}

static void test_backup_bundle__needs_seal_and_epoch_key(void **state)
{
    struct vault_test *test = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf epoch_key = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf other = {0};
    struct vault_test stranger = *test;
    uint64_t epoch;

    assert_ok(sherd_epoch_export(test->vault, &epoch_key, &epoch));
    assert_int_equal(epoch, 1);
    assert_ok(verify(test, sherd_buf_span(&bundle), test->path, no_key()));
    assert_ok(verify(test, sherd_buf_span(&bundle), NULL, sherd_buf_span(&epoch_key)));
    assert_err(SHERD_ERR_DENIED, verify(test, sherd_buf_span(&bundle), NULL, no_key()));
    assert_ok(sherd_key_file_new(&other));
    stranger.unseal.key_file = sherd_buf_span(&other);
    assert_err(SHERD_ERR_DENIED, verify(&stranger, sherd_buf_span(&bundle), test->path, no_key()));
    for (size_t i = 0; i < epoch_key.len; i++) {
        epoch_key.data[i] ^= 1;
        assert_int_not_equal(verify(test, sherd_buf_span(&bundle), NULL, sherd_buf_span(&epoch_key)), SHERD_OK);
        epoch_key.data[i] ^= 1;
    }
}

static void test_backup_bundle__says_whether_it_can_be_read(void **state)
{
    struct vault_test *test = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf epoch_key = {0};
    struct source source = {sherd_buf_span(&bundle)};
    const struct sherd_backup_in in = {.read = read_source, .arg = &source};
    struct sherd_backup_info info;
    struct sherd_rekey_stat stat;
    enum sherd_backup_state told;
    uint64_t epoch;

    assert_ok(sherd_epoch_export(test->vault, &epoch_key, &epoch));
    assert_ok(sherd_backup_look(&in, &info));
    assert_ok(sherd_backup_state(&info, no_key(), NULL, &told));
    assert_int_equal(told, SHERD_BACKUP_UNKNOWN);
    assert_ok(sherd_backup_state(&info, no_key(), test->path, &told));
    assert_int_equal(told, SHERD_BACKUP_READABLE);
    assert_ok(sherd_epoch_roll(test->vault, NULL, NULL, &stat, NULL));
    assert_ok(sherd_backup_state(&info, no_key(), test->path, &told));
    assert_int_equal(told, SHERD_BACKUP_EXPIRED);
    assert_ok(sherd_backup_state(&info, sherd_buf_span(&epoch_key), NULL, &told));
    assert_int_equal(told, SHERD_BACKUP_READABLE);
    info.deployment.bytes[0] ^= 1;
    assert_ok(sherd_backup_state(&info, no_key(), test->path, &told));
    assert_int_equal(told, SHERD_BACKUP_UNKNOWN);
}

/* --- an attacker's hand ------------------------------------------------------------------------------------------- */

static void test_backup_bundle__refuses_every_flipped_byte_and_every_cut(void **state)
{
    struct vault_test *test = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);
    const unsigned names = count_names(test);
    char path[96];

    place(test, "restored", path);
    for (size_t i = 0; i < bundle.len; i++) {
        bundle.data[i] ^= (uint8_t)(1U << (i % 8));
        if (verify(test, sherd_buf_span(&bundle), test->path, no_key()) == SHERD_OK)
            fail_msg("byte %zu of %zu can be changed", i, bundle.len);
        if (i % 997 == 0)
            assert_int_not_equal(restore(test, sherd_buf_span(&bundle), test->path, path), SHERD_OK);
        bundle.data[i] ^= (uint8_t)(1U << (i % 8));
    }
    for (size_t len = 0; len < bundle.len; len++)
        if (verify(test, sherd_span_of(bundle.data, len), test->path, no_key()) == SHERD_OK)
            fail_msg("it can be cut to %zu of %zu", len, bundle.len);
    assert_ok(sherd_buf_append(&bundle, sherd_span_of("", 1)));
    assert_err(SHERD_ERR_TAMPERED, verify(test, sherd_buf_span(&bundle), test->path, no_key()));
    assert_int_equal(count_names(test), names);
}

static void test_backup_bundle__refuses_chunks_in_another_order_and_heads_of_others(void **state)
{
    struct vault_test *test = *state;
    uint8_t *block = test_malloc(BLOB_SIZE);
    uint8_t chunk[SHERD_AEAD_SEALED_CHUNK_SIZE];
    struct sherd_uuid id;

    vault_fill(block, BLOB_SIZE, 2);
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, BLOB_SIZE), &id));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf one = backup_of(test->vault);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf two = backup_of(test->vault);
    const size_t head = sherd_get_u32(one.data + 12);
    uint8_t *first = one.data + head + SHERD_AEAD_HEADER_SIZE;

    assert_true(one.len > head + SHERD_AEAD_HEADER_SIZE + 3 * sizeof(chunk));
    memcpy(chunk, first, sizeof(chunk));
    memmove(first, first + sizeof(chunk), sizeof(chunk));
    memcpy(first + sizeof(chunk), chunk, sizeof(chunk));
    assert_err(SHERD_ERR_TAMPERED, verify(test, sherd_buf_span(&one), test->path, no_key()));
    memcpy(one.data, two.data, head); /* the same vault's, of another backup */
    assert_err(SHERD_ERR_TAMPERED, verify(test, sherd_buf_span(&one), test->path, no_key()));
    assert_ok(verify(test, sherd_buf_span(&two), test->path, no_key()));
    test_free(block);
}

static void test_backup_bundle__replaces_nothing(void **state)
{
    struct vault_test *test = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);
    const unsigned names = count_names(test);

    assert_err(SHERD_ERR_CONFLICT, restore(test, sherd_buf_span(&bundle), test->path, test->path));
    assert_int_equal(count_names(test), names);
    vault_assert_clean(test, 0);
}

static void test_backup_bundle__says_that_the_disk_is_full(void **state)
{
    struct vault_test *test = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf whole = backup_of(test->vault);

    for (size_t room = 0; room < whole.len; room += whole.len / 7) {
        struct sherd_buf bundle = {0};
        struct limited limited = {.buf = &bundle, .bytes_max = room};
        const struct sherd_backup_out out = {.write = write_limited, .arg = &limited};
        struct sherd_backup_info info;

        assert_err(SHERD_ERR_IO, sherd_backup_write(test->vault, &out, NULL, &info));
        assert_non_null(strstr(sherd_err_detail(), "space"));
        sherd_buf_done(&bundle);
    }
    vault_put(test, NULL, "after it");
    vault_assert_clean(test, 0);
}

/* --- while others write ------------------------------------------------------------------------------------------- */

struct writer {
    struct sherd_vault *vault;
    atomic_bool stop;
    pthread_t thread;
    uint8_t *block;
};

static void *write_on(void *arg)
{
    struct writer *writer = arg;
    struct sherd_uuid ids[8];
    size_t count = 0;

    for (unsigned i = 0; !atomic_load(&writer->stop); i++) {
        const struct sherd_span contents = {writer->block, i % 3 == 0 ? BLOB_SIZE : 100};

        if (count < SHERD_COUNT_OF(ids)) {
            if (sherd_record_put(writer->vault, NULL, contents, &ids[count++]) != SHERD_OK)
                return writer;
        } else if (i % 2 == 0) {
            if (sherd_record_update(writer->vault, ids[i % count], 0, NULL, contents, NULL) != SHERD_OK)
                return writer;
        } else if (sherd_record_delete(writer->vault, ids[--count]) != SHERD_OK) {
            return writer;
        }
    }
    return NULL;
}

static void test_backup_bundle__is_one_instant_while_others_write(void **state)
{
    struct vault_test *test = *state;
    struct writer writers[3];
    uint8_t *block = test_malloc(BLOB_SIZE);
    char path[96];

    vault_fill(block, BLOB_SIZE, 3);
    for (size_t i = 0; i < SHERD_COUNT_OF(writers); i++) {
        writers[i].vault = test->vault;
        writers[i].block = block;
        atomic_init(&writers[i].stop, false);
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
    }
    place(test, "restored", path);
    for (unsigned round = 0; round < 6; round++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);

        assert_ok(restore(test, sherd_buf_span(&bundle), test->path, path)); /* which verifies all of it */
        vault_remove(path);
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(writers); i++)
        atomic_store(&writers[i].stop, true);
    for (size_t i = 0; i < SHERD_COUNT_OF(writers); i++) {
        void *failed;

        assert_int_equal(pthread_join(writers[i].thread, &failed), 0);
        assert_null(failed);
    }
    struct sherd_sweep_stat swept;
    assert_ok(sherd_vault_sweep(test->vault, false, &swept));
    vault_assert_clean(test, 0);
    test_free(block);
}

struct meddler {
    struct vault_test *test;
    struct sherd_uuid id;
    struct sherd_buf bundle;
    bool done;
};

/* In the middle of a backup: a long record is deleted, and somebody sweeps. */
static enum sherd_err meddle(void *arg, struct sherd_span bytes)
{
    struct meddler *meddler = arg;
    struct sherd_sweep_stat swept;

    if (!meddler->done) {
        meddler->done = true;
        assert_ok(sherd_record_delete(meddler->test->vault, meddler->id));
        assert_err(SHERD_ERR_BUSY, sherd_vault_sweep(meddler->test->vault, false, &swept));
    }
    return sherd_buf_append(&meddler->bundle, bytes);
}

static void test_backup_bundle__holds_the_blobs_of_what_is_deleted_meanwhile(void **state)
{
    struct vault_test *test = *state;
    struct meddler meddler = {.test = test};
    const struct sherd_backup_out out = {.write = meddle, .arg = &meddler};
    uint8_t *block = test_malloc(BLOB_SIZE);
    struct sherd_backup_info info;
    struct sherd_sweep_stat swept;
    char path[96];

    vault_fill(block, BLOB_SIZE, 4);
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, BLOB_SIZE), &meddler.id));
    assert_ok(sherd_backup_write(test->vault, &out, NULL, &info));
    assert_int_equal(info.blob_count, 1);
    assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, meddler.id, 0));
    assert_ok(sherd_vault_sweep(test->vault, false, &swept));
    assert_int_equal(swept.fragment_count, 1);
    place(test, "restored", path);
    assert_ok(restore(test, sherd_buf_span(&meddler.bundle), test->path, path));
    struct sherd_vault *live = test->vault;
    test->vault = open_at(test, path);
    vault_assert_bytes(test, meddler.id, 0, sherd_span_of(block, BLOB_SIZE));
    sherd_vault_close(test->vault);
    test->vault = live;
    sherd_buf_done(&meddler.bundle);
    test_free(block);
}

/* Half-way through a backup all that there is gets sealed anew, in another place, under another key. */
static enum sherd_err seal_all_anew(void *arg, struct sherd_span bytes)
{
    static const struct sherd_rekey_options deep = {.deep = true};
    struct meddler *meddler = arg;
    struct sherd_rekey_stat stat;

    if (!meddler->done) {
        meddler->done = true;
        assert_ok(sherd_rekey(meddler->test->vault, &deep, NULL, NULL, &stat));
        assert_int_equal(stat.sealed_count, 2);
    }
    return sherd_buf_append(&meddler->bundle, bytes);
}

static void test_backup_bundle__holds_what_is_sealed_anew_meanwhile(void **state)
{
    struct vault_test *test = *state;
    struct meddler meddler = {.test = test};
    const struct sherd_backup_out out = {.write = seal_all_anew, .arg = &meddler};
    uint8_t *block = test_malloc(BLOB_SIZE);
    struct sherd_backup_info info;
    struct sherd_sweep_stat swept;
    char path[96];

    vault_fill(block, BLOB_SIZE, 5);
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, BLOB_SIZE), &meddler.id));
    const struct sherd_uuid small = vault_put(test, NULL, "small");
    assert_ok(sherd_backup_write(test->vault, &out, NULL, &info));
    assert_true(meddler.done);
    place(test, "restored", path);
    assert_ok(restore(test, sherd_buf_span(&meddler.bundle), test->path, path));
    struct sherd_vault *live = test->vault;
    for (unsigned i = 0; i < 2; i++) { /* the copy, then the vault itself: what has no pin is swept, and no more */
        test->vault = i == 0 ? open_at(test, path) : live;
        assert_ok(sherd_vault_sweep(test->vault, false, &swept));
        assert_true(swept.fragment_count >= 1);
        vault_assert_bytes(test, meddler.id, 0, sherd_span_of(block, BLOB_SIZE));
        vault_assert_text(test, small, 0, "small");
        vault_assert_clean(test, 0);
        if (i == 0)
            sherd_vault_close(test->vault);
    }
    sherd_buf_done(&meddler.bundle);
    test_free(block);
}

/* The same, again and again. */
static void *seal_on(void *arg)
{
    static const struct sherd_rekey_options deep = {.deep = true};
    struct writer *writer = arg;

    while (!atomic_load(&writer->stop)) {
        struct sherd_rekey_stat stat;

        if (sherd_rekey(writer->vault, &deep, NULL, NULL, &stat) != SHERD_OK)
            return writer;
    }
    return NULL;
}

/* One seals all anew, one writes and deletes, and backups are made meanwhile: each has every record that stays. */
static void test_backup_bundle__is_one_instant_while_all_is_sealed_anew(void **state)
{
    struct vault_test *test = *state;
    struct writer writers[2];
    uint8_t *block = test_malloc(BLOB_SIZE);
    struct sherd_uuid ids[24];
    char path[96];
    void *failed;

    vault_fill(block, BLOB_SIZE, 6);
    for (size_t i = 0; i < SHERD_COUNT_OF(ids); i++)
        assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, i % 3 == 0 ? BLOB_SIZE : i + 1), &ids[i]));
    for (size_t i = 0; i < SHERD_COUNT_OF(writers); i++) {
        writers[i].vault = test->vault;
        writers[i].block = block;
        atomic_init(&writers[i].stop, false);
        assert_int_equal(pthread_create(&writers[i].thread, NULL, i == 0 ? seal_on : write_on, &writers[i]), 0);
    }
    place(test, "restored", path);
    struct sherd_vault *live = test->vault;
    for (unsigned round = 0; round < 6; round++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(live);

        assert_ok(restore(test, sherd_buf_span(&bundle), test->path, path)); /* which verifies all of it */
        test->vault = open_at(test, path);
        for (size_t i = 0; i < SHERD_COUNT_OF(ids); i++)
            vault_assert_bytes(test, ids[i], 0, sherd_span_of(block, i % 3 == 0 ? BLOB_SIZE : i + 1));
        sherd_vault_close(test->vault);
        test->vault = live;
        vault_remove(path);
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(writers); i++)
        atomic_store(&writers[i].stop, true);
    for (size_t i = 0; i < SHERD_COUNT_OF(writers); i++) {
        assert_int_equal(pthread_join(writers[i].thread, &failed), 0);
        assert_null(failed);
    }
    test_free(block);
}

/* --- erasure ------------------------------------------------------------------------------------------------------ */

/* What of the epoch's key must be nowhere: the slot's sealed bytes. */
static uint8_t sought[64];

static int seek_in_file(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {.max = (size_t)1 << 30};
    FILE *file = kind == FTW_F ? fopen(path, "rb") : NULL;

    (void)ftw;
    if (file == NULL)
        return 0;
    assert_ok(sherd_buf_reserve(&bytes, (size_t)st->st_size + 1));
    bytes.len = fread(bytes.data, 1, (size_t)st->st_size, file);
    (void)fclose(file);
    return memmem(bytes.data, bytes.len, sought, sizeof(sought)) != NULL ? 1 : 0;
}

static void entity_name(unsigned i, char out_name[24])
{
    (void)snprintf(out_name, 24, "customer %u", i);
}

static void test_backup_bundle__what_was_erased_is_in_no_backup_when_its_epoch_has_ended(void **state)
{
    struct vault_test *test = *state;
    struct sherd_uuid *ids = test_calloc(ENTITIES, sizeof(*ids));
    struct sherd_rekey_stat stat;
    char path[96];
    char name[24];

    for (unsigned i = 0; i < ENTITIES; i++) {
        const struct sherd_record_meta meta = {.entity = (entity_name(i, name), name)};

        ids[i] = vault_put(test, &meta, "secret of a customer");
    }
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf before = backup_of(test->vault);
    for (unsigned i = 0; i < ERASED; i++)
        assert_ok(sherd_entity_erase(test->vault, NULL, (entity_name(i * 10, name), name)));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf between = backup_of(test->vault);
    place(test, "restored", path);
    assert_ok(restore(test, sherd_buf_span(&before), test->path, path)); /* until then it brings back everything */
    vault_remove(path);

    assert_ok(sherd_epoch_roll(test->vault, NULL, NULL, &stat, NULL));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf after = backup_of(test->vault);
    vault_reopen(test);

    /* The attacker has every file, every backup, and whatever unseals. */
    assert_err(SHERD_ERR_DENIED, verify(test, sherd_buf_span(&before), test->path, no_key()));
    assert_err(SHERD_ERR_DENIED, verify(test, sherd_buf_span(&between), test->path, no_key()));
    assert_ok(restore(test, sherd_buf_span(&after), test->path, path));
    for (unsigned copy = 0; copy < 2; copy++) {
        unsigned readable = 0;

        for (unsigned i = 0; i < ENTITIES; i++) {
            const enum sherd_err err = vault_get(test, ids[i], 0);
            const bool erased = i % 10 == 0 && i / 10 < ERASED;

            assert_int_equal(err, erased ? SHERD_ERR_NOT_FOUND : SHERD_OK);
            readable += err == SHERD_OK;
        }
        assert_int_equal(readable, ENTITIES - ERASED);
        sherd_vault_close(test->vault);
        test->vault = open_at(test, copy == 0 ? path : test->path);
    }
    test_free(ids);
}

static void test_backup_bundle__the_key_of_an_ended_epoch_is_nowhere(void **state)
{
    struct vault_test *test = *state;
    struct sherd_rekey_stat stat;
    char slots[96];

    vault_put(test, NULL, "something");
    place(test, "vault/anchor/epoch", slots);
    FILE *file = fopen(slots, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 4096 + 16, SEEK_SET), 0);
    assert_int_equal(fread(sought, 1, sizeof(sought), file), sizeof(sought));
    (void)fclose(file);
    assert_int_equal(nftw(test->root, seek_in_file, 16, FTW_PHYS), 1);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);
    assert_null(memmem(bundle.data, bundle.len, sought, sizeof(sought)));
    assert_ok(sherd_epoch_roll(test->vault, NULL, NULL, &stat, NULL));
    assert_int_equal(nftw(test->root, seek_in_file, 16, FTW_PHYS), 0);
}

static bool stop_at_once(void *arg, const struct sherd_rekey_stat *stat, uint64_t total)
{
    (void)arg;
    (void)stat;
    (void)total;
    return false;
}

static void test_backup_bundle__a_backup_of_a_roll_that_was_stopped_ends_with_the_older_epoch(void **state)
{
    struct vault_test *test = *state;
    struct sherd_rekey_stat stat;
    struct sherd_backup_info info;
    char path[96];

    const struct sherd_uuid id = vault_put(test, NULL, "kept");
    assert_err(SHERD_ERR_BUSY, sherd_epoch_roll(test->vault, stop_at_once, NULL, &stat, NULL));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);
    struct source source = {sherd_buf_span(&bundle)};
    const struct sherd_backup_in in = {.read = read_source, .arg = &source};
    assert_ok(sherd_backup_look(&in, &info));
    assert_int_equal(info.epoch, 2);
    assert_int_equal(info.epoch_older, 1);
    place(test, "restored", path);
    assert_ok(restore(test, sherd_buf_span(&bundle), test->path, path));
    struct sherd_vault *live = test->vault;
    test->vault = open_at(test, path);
    vault_assert_text(test, id, 0, "kept");
    sherd_vault_close(test->vault);
    test->vault = live;
    assert_ok(sherd_epoch_roll(test->vault, NULL, NULL, &stat, NULL));
    assert_err(SHERD_ERR_DENIED, verify(test, sherd_buf_span(&bundle), test->path, no_key()));
}

/* --- refreshing and recovering ------------------------------------------------------------------------------------ */

static void test_backup_bundle__is_refreshed_without_what_is_gone(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta somebody = {.entity = "somebody"};
    const struct sherd_record_meta other = {.entity = "other"};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf epoch_key = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf fresh = {0};
    struct limited limited = {.buf = &fresh, .bytes_max = SIZE_MAX};
    const struct sherd_backup_out out = {.write = write_limited, .arg = &limited};
    struct sherd_rekey_stat stat;
    struct sherd_refresh_stat refreshed;
    struct sherd_backup_info info;
    uint64_t epoch;
    char path[96];

    const struct sherd_uuid erased = vault_put(test, &somebody, "erased");
    const struct sherd_uuid deleted = vault_put(test, &other, "deleted");
    const struct sherd_uuid kept = vault_put(test, &other, "kept");
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf old = backup_of(test->vault);
    assert_ok(sherd_epoch_export(test->vault, &epoch_key, &epoch));
    assert_ok(sherd_entity_erase(test->vault, NULL, "somebody"));
    vault_put(test, &somebody, "another one of that name");
    assert_ok(sherd_record_delete(test->vault, deleted));
    place(test, "scratch", path);
    for (unsigned rolls = 1; rolls <= 2; rolls++) { /* over one epoch, and over two */
        struct source source = {sherd_buf_span(&old)};
        const struct sherd_backup_in in = {.read = read_source, .arg = &source};
        const struct sherd_backup_keys keys = {.unseal = &test->unseal, .epoch_key = sherd_buf_span(&epoch_key)};

        assert_ok(sherd_epoch_roll(test->vault, NULL, NULL, &stat, NULL));
        sherd_buf_done(&fresh);
        const unsigned names = count_names(test);
        assert_ok(sherd_backup_refresh(test->vault, &in, &keys, path, &out, &info, &refreshed));
        assert_int_equal(count_names(test), names);
        assert_int_equal(info.epoch, rolls + 1);
        assert_int_equal(refreshed.record_count, 1);
        assert_int_equal(refreshed.dropped_count, 2);
        assert_ok(restore(test, sherd_buf_span(&fresh), test->path, path));
        struct sherd_vault *live = test->vault;
        test->vault = open_at(test, path);
        vault_assert_text(test, kept, 0, "kept");
        assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, erased, 0));
        assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, deleted, 0));
        vault_assert_clean(test, 0);
        sherd_vault_close(test->vault);
        test->vault = live;
        vault_remove(path);
    }
}

static void lose(const struct vault_test *test, const char *name)
{
    char path[96];
    char away[96];

    place(test, name, path);
    place(test, "lost", away);
    vault_remove(away);
    assert_int_equal(rename(path, away), 0);
}

static enum sherd_err recover(const struct vault_test *test, struct sherd_span bundle, struct sherd_span epoch_key,
                              struct sherd_recovery *out_told)
{
    struct source source = {bundle};
    const struct sherd_backup_in in = {.read = read_source, .arg = &source};
    const struct sherd_backup_keys keys = {.unseal = &test->unseal, .epoch_key = epoch_key, .vault = test->path};

    return sherd_anchor_recover(test->path, &in, &keys, out_told);
}

static void test_backup_bundle__brings_back_what_the_anchor_lost(void **state)
{
    struct vault_test *test = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf epoch_key = {0};
    struct sherd_recovery told;
    uint64_t epoch;
    char old[96];

    const struct sherd_uuid id = vault_put(test, NULL, "still there");
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);
    assert_ok(sherd_epoch_export(test->vault, &epoch_key, &epoch));
    sherd_vault_close(test->vault);
    test->vault = NULL;
    place(test, "vault/anchor.old", old);
    assert_err(SHERD_ERR_CONFLICT, recover(test, sherd_buf_span(&bundle), no_key(), &told));
    static const char *const parts[] = {"vault/anchor/seals", "vault/anchor/keyring", "vault/anchor/epoch",
                                        "vault/anchor"};
    for (size_t i = 0; i < SHERD_COUNT_OF(parts); i++) {
        lose(test, parts[i]);
        if (i >= 2) /* without the epoch's key nobody reads anything */
            assert_err(SHERD_ERR_DENIED, recover(test, sherd_buf_span(&bundle), no_key(), &told));
        assert_ok(recover(test, sherd_buf_span(&bundle), sherd_buf_span(&epoch_key), &told));
        assert_int_equal(told.seals, i == 0 || i == 3);
        assert_int_equal(told.keyring, i == 1 || i == 3);
        assert_int_equal(told.epochs, i == 2 || i == 3);
        assert_int_equal(told.record_count, 1);
        vault_reopen(test);
        vault_assert_text(test, id, 0, "still there");
        vault_assert_clean(test, 0);
        sherd_vault_close(test->vault);
        test->vault = NULL;
        vault_remove(old);
    }
    vault_reopen(test);
}

static void test_backup_bundle__refuses_a_keyring_that_is_older_than_its_pin(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_master_options options = {.name = SHERD_MASTER_DEFAULT};
    struct sherd_recovery told;

    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);
    assert_ok(sherd_master_activate(test->vault, &options, NULL));
    sherd_vault_close(test->vault);
    test->vault = NULL;
    lose(test, "vault/anchor/keyring");
    const unsigned names = count_names(test);
    assert_err(SHERD_ERR_TAMPERED, recover(test, sherd_buf_span(&bundle), no_key(), &told));
    assert_int_equal(count_names(test), names);
}

#if SHERD_FAILPOINTS

static enum sherd_err die_there(void *arg, const char *name)
{
    if (strcmp(arg, name) == 0)
        (void)kill(getpid(), SIGKILL);
    return SHERD_OK;
}

static enum sherd_err fail_there(void *arg, const char *name)
{
    if (strcmp(arg, name) != 0)
        return SHERD_OK;
    errno = ENOSPC;
    return sherd_fail_errno(SHERD_ERR_IO, "a write");
}

static void test_backup_bundle__a_restore_that_is_killed_or_fails_leaves_no_vault(void **state)
{
    struct vault_test *test = *state;
    static char places[][24] = {"restore.compartment", "restore.written", "restore.verified", "lmdb.flush"};
    char path[96];

    vault_put(test, NULL, "something");
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);
    sherd_vault_close(test->vault);
    test->vault = NULL;
    place(test, "restored", path);
    for (size_t i = 0; i < SHERD_COUNT_OF(places); i++) {
        const unsigned names = count_names(test);

        sherd_failpoint_set(fail_there, places[i]);
        assert_err(SHERD_ERR_IO, restore(test, sherd_buf_span(&bundle), test->path, path));
        assert_non_null(strstr(sherd_err_detail(), "space"));
        sherd_failpoint_set(NULL, NULL);
        assert_int_equal(count_names(test), names);
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(places); i++) {
        const pid_t child = fork();
        int status = 0;

        assert_true(child >= 0);
        if (child == 0) {
            sherd_failpoint_set(die_there, places[i]);
            (void)restore(test, sherd_buf_span(&bundle), test->path, path);
            _exit(1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    assert_ok(restore(test, sherd_buf_span(&bundle), test->path, path));
    vault_reopen(test);
}

static void test_backup_bundle__a_recovery_that_is_killed_or_fails_leaves_the_vault_as_it_was(void **state)
{
    struct vault_test *test = *state;
    static char proven[] = "recover.proven";
    struct sherd_recovery told;
    char keyring[96];
    char old[96];
    int status = 0;

    const struct sherd_uuid id = vault_put(test, NULL, "still there");
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = backup_of(test->vault);
    sherd_vault_close(test->vault);
    test->vault = NULL;
    place(test, "vault/anchor/keyring", keyring);
    place(test, "vault/anchor.old", old);
    lose(test, "vault/anchor/keyring");
    const unsigned names = count_names(test);
    sherd_failpoint_set(fail_there, proven);
    assert_err(SHERD_ERR_IO, recover(test, sherd_buf_span(&bundle), no_key(), &told));
    sherd_failpoint_set(NULL, NULL);
    assert_int_equal(count_names(test), names);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sherd_failpoint_set(die_there, proven);
        (void)recover(test, sherd_buf_span(&bundle), no_key(), &told);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_not_equal(access(keyring, F_OK), 0);
    assert_int_not_equal(access(old, F_OK), 0);
    assert_ok(recover(test, sherd_buf_span(&bundle), no_key(), &told));
    assert_true(told.keyring && !told.seals && !told.epochs);
    vault_reopen(test);
    vault_assert_text(test, id, 0, "still there");
    vault_assert_clean(test, 0);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH_VAULT(name) cmocka_unit_test_setup_teardown(name, vault_setup, vault_teardown)
        WITH_VAULT(test_backup_bundle__brings_back_records_versions_and_blobs),
        WITH_VAULT(test_backup_bundle__needs_seal_and_epoch_key),
        WITH_VAULT(test_backup_bundle__says_whether_it_can_be_read),
        WITH_VAULT(test_backup_bundle__refuses_every_flipped_byte_and_every_cut),
        WITH_VAULT(test_backup_bundle__refuses_chunks_in_another_order_and_heads_of_others),
        WITH_VAULT(test_backup_bundle__replaces_nothing),
        WITH_VAULT(test_backup_bundle__says_that_the_disk_is_full),
        WITH_VAULT(test_backup_bundle__is_one_instant_while_others_write),
        WITH_VAULT(test_backup_bundle__holds_the_blobs_of_what_is_deleted_meanwhile),
        WITH_VAULT(test_backup_bundle__holds_what_is_sealed_anew_meanwhile),
        WITH_VAULT(test_backup_bundle__is_one_instant_while_all_is_sealed_anew),
        WITH_VAULT(test_backup_bundle__what_was_erased_is_in_no_backup_when_its_epoch_has_ended),
        WITH_VAULT(test_backup_bundle__the_key_of_an_ended_epoch_is_nowhere),
        WITH_VAULT(test_backup_bundle__a_backup_of_a_roll_that_was_stopped_ends_with_the_older_epoch),
        WITH_VAULT(test_backup_bundle__is_refreshed_without_what_is_gone),
        WITH_VAULT(test_backup_bundle__brings_back_what_the_anchor_lost),
        WITH_VAULT(test_backup_bundle__refuses_a_keyring_that_is_older_than_its_pin),
#if SHERD_FAILPOINTS
        WITH_VAULT(test_backup_bundle__a_restore_that_is_killed_or_fails_leaves_no_vault),
        WITH_VAULT(test_backup_bundle__a_recovery_that_is_killed_or_fails_leaves_the_vault_as_it_was),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
