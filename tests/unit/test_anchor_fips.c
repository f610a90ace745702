/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of FIPS mode in the anchor: chosen when the vault is made, never changed, no seal of the other mode taken, and
 * ids of entities hashed by SHA-512/256.
 */
#include "anchor.h"
#include "anchor/keys/masters.h"
#include "anchor/ring/seals.h"
#include "base/file.h"
#include "envelope/tlv.h"

static const struct sherd_unseal by_passphrase = {.passphrase = {(const uint8_t *)"correct horse", 13}};

static struct sherd_home *make(struct anchor_test *test, bool fips)
{
    struct sherd_keyring *ring = sherd_secret_alloc(sizeof(*ring));
    struct sherd_home *home = NULL;

    assert_non_null(ring);
    assert_ok(sherd_keyring_generate(ring));
    ring->fips = fips;
    test->deployment = ring->deployment;
    assert_ok(sherd_home_make(test->dir, ring, &test->unseal, &home));
    sherd_secret_free(ring);
    assert_int_equal(sherd_home_fips(home), fips);
    return home;
}

/* The keyring as whoever has just opened the home reads it. */
static enum sherd_err read_ring(const struct anchor_test *test, const struct sherd_unseal *unseal)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_keyring *ring = sherd_secret_alloc(sizeof(*ring));
    SHERD_CLEANUP(sherd_home_freep) struct sherd_home *home = NULL;

    assert_non_null(ring);
    SHERD_TRY(sherd_home_open(test->dir, false, unseal, &home));
    return sherd_home_read(home, NULL, false, ring, NULL);
}

/* A seal of the given mode as seal 2, by one who has the root key. */
static void plant(const struct anchor_test *test, const struct sherd_home *home, bool fips)
{
    struct sherd_root_key *root = sherd_secret_alloc(sizeof(*root));
    struct sherd_buf file = {0};

    assert_non_null(root);
    assert_ok(sherd_home_root(home, root));
    assert_ok(sherd_seal_make(root, &test->deployment, fips, &by_passphrase, &file));
    assert_ok(sherd_file_write(test->dir, "anchor/seals/2", sherd_buf_span(&file)));
    sherd_buf_done(&file);
    sherd_secret_free(root);
}

static void test_anchor_fips_seal__of_the_other_mode_is_refused(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_home *home = make(test, true);

    assert_ok(read_ring(test, &test->unseal));
    plant(test, home, true);
    assert_ok(read_ring(test, &by_passphrase));
    plant(test, home, false);
    assert_err(SHERD_ERR_DENIED, read_ring(test, &by_passphrase));
    assert_non_null(strstr(sherd_err_detail(), "FIPS mode"));
    assert_err(SHERD_ERR_DENIED, sherd_seals_remove(home, 1)); /* the other one opens nothing: this is the last */
    assert_ok(sherd_seals_remove(home, 2));
    assert_ok(read_ring(test, &test->unseal));
    sherd_home_free(home);
}

static void test_anchor_fips_seal__of_the_mode_opens_no_other_vault(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_home *home = make(test, false);

    plant(test, home, false);
    assert_ok(read_ring(test, &by_passphrase));
    plant(test, home, true);
    assert_err(SHERD_ERR_DENIED, read_ring(test, &by_passphrase));
    sherd_home_free(home);
}

static enum sherd_err see(void *arg, const struct sherd_seal_info *info)
{
    unsigned *count = arg;

    assert_true(info->fips);
    assert_string_equal(info->text, info->number == 2   ? "passphrase (PBKDF2)"
                                    : info->number == 3 ? "2 of 3 shares"
                                                        : "key file");
    (*count)++;
    return SHERD_OK;
}

static enum sherd_err keep(void *arg, const struct sherd_share_given *share)
{
    return sherd_buf_append(arg, share->text);
}

/* Whatever is added later is of the vault's mode, and so are new shares in the place of old ones. */
static void test_anchor_fips_seal__is_of_the_vaults_mode(void **state)
{
    const struct sherd_shares_options options = {.count = 3, .threshold = 2};
    struct anchor_test *test = *state;
    struct sherd_buf shares = {.max = 1 << 16};
    const struct sherd_seal_wish passphrase = {.unseal = &by_passphrase};
    const struct sherd_seal_wish wish = {.shares = &options, .give = keep, .give_arg = &shares};
    struct sherd_shares_progress progress;
    struct sherd_home *home = make(test, true);
    unsigned number = 0;
    unsigned count = 0;

    assert_ok(sherd_seals_add(home, &passphrase, &number));
    assert_ok(sherd_seals_add(home, &wish, &number));
    assert_int_equal(number, 3);
    sherd_buf_clear(&shares);
    assert_ok(sherd_seals_rekey(home, 3, NULL, keep, &shares));
    assert_ok(sherd_seals_confirm(test->dir, 3, sherd_buf_span(&shares), &progress));
    assert_true(progress.done);
    const struct sherd_unseal by_shares = {.shares = sherd_buf_span(&shares)};
    assert_ok(read_ring(test, &by_shares));
    assert_ok(read_ring(test, &by_passphrase));
    assert_ok(sherd_seals_each(test->dir, see, &count));
    assert_int_equal(count, 3);
    sherd_buf_done(&shares);
    sherd_home_free(home);
}

/* --- the keyring -------------------------------------------------------------------------------------------------- */

/* The ring and master keys of a vault, as another process has them. */
struct handle {
    struct sherd_home *home;
    struct sherd_hmac_key *name;
    struct sherd_hmac_key *seal;
    struct sherd_ring *ring;
    struct sherd_masters *masters;
};

static void handle_open(const struct anchor_test *test, struct handle *handle)
{
    struct sherd_keyring *first = sherd_secret_alloc(sizeof(*first));
    struct sherd_entry_keys keys = {.compartment = SHERD_FOR_KEYS, .version = 1, .deployment = test->deployment};
    const struct sherd_places places = {.read_only = true};

    assert_non_null(first);
    assert_ok(sherd_home_open(test->dir, false, &test->unseal, &handle->home));
    assert_ok(sherd_home_read(handle->home, NULL, false, first, NULL));
    const struct sherd_keyring_store *store = &first->stores[SHERD_KEYS - 1];
    assert_ok(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(store->name.bytes, 32), &handle->name));
    assert_ok(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(store->key.bytes, 32), &handle->seal));
    keys.name = handle->name;
    keys.seal = handle->seal;
    assert_ok(sherd_ring_new(handle->home, first, &keys, test->keys, false, &handle->ring));
    assert_ok(sherd_masters_new(handle->ring, &places, &handle->masters));
}

static void handle_done(struct handle *handle)
{
    sherd_masters_free(handle->masters);
    sherd_ring_free(handle->ring);
    sherd_hmac_key_free(handle->name);
    sherd_hmac_key_free(handle->seal);
    sherd_home_free(handle->home);
}

static int setup(void **state)
{
    if (anchor_setup_nothing(state) != 0)
        return -1;
    struct anchor_test *test = *state;
    const struct sherd_anchor_parts parts = {.home = make(test, true), .keys = anchor_keys_open(true), .fresh = true};

    test->keys = parts.keys;
    assert_ok(sherd_anchor_embedded(&parts, &test->anchor));
    test->assets = anchor_compartment(SHERD_ASSETS, true);
    return 0;
}

static enum sherd_err turn_off(void *arg, struct sherd_keyring *keyring)
{
    (void)arg;
    keyring->fips = false;
    return SHERD_OK;
}

static void test_anchor_fips_ring__never_changes_its_mode(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_keyring *keyring;
    struct handle handle = {.home = NULL};

    handle_open(test, &handle);
    assert_true(sherd_home_fips(test->anchor->ops->home(test->anchor)));
    assert_err(SHERD_ERR_DENIED, sherd_ring_change(handle.ring, turn_off, NULL));
    assert_ok(sherd_ring_hold(handle.ring, &keyring));
    assert_true(keyring->fips);
    sherd_ring_leave(handle.ring);
    handle_done(&handle);
    anchor_again(test);
    assert_true(sherd_home_fips(test->anchor->ops->home(test->anchor)));
}

static bool is_there(const struct anchor_test *test, enum sherd_hash_alg alg, const struct sherd_master_key *key,
                     const char *id)
{
    uint8_t block[256];
    uint8_t stored_block[SHERD_ENTRY_BYTES_MAX];
    uint8_t mac[SHERD_SHA512_SIZE];
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, sizeof(block));
    struct sherd_span named = {block, 0};
    struct sherd_buf stored = sherd_buf_borrow(stored_block, sizeof(stored_block));
    struct sherd_ref name;

    sherd_tlv_put(&writer, 1, sherd_span_str("entity"));
    sherd_tlv_put(&writer, 2, sherd_span_of(test->collection.id.bytes, 16));
    sherd_tlv_put(&writer, 3, sherd_span_str(id));
    assert_ok(sherd_tlv_end(&writer, &named.len));
    assert_ok(sherd_hmac(alg, sherd_span_of(key->bytes, sizeof(key->bytes)), &named, 1, mac));
    memcpy(name.bytes, mac, sizeof(name.bytes));
    const enum sherd_err err = sherd_compartment_get(test->keys, name, &stored);
    assert_true(err == SHERD_OK || err == SHERD_ERR_NOT_FOUND);
    return err == SHERD_OK;
}

static void test_anchor_fips_entities__are_found_by_sha512_256(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));
    struct handle handle = {.home = NULL};
    struct sherd_record_key record_key;
    struct sherd_uuid record;
    struct sherd_pin pin;
    struct sherd_ref kid;
    struct sherd_ref found;

    assert_non_null(key);
    assert_ok(sherd_uuid_new(&record));
    assert_ok(test->anchor->ops->key_new(test->anchor, &test->collection, "pat", record, 1, &pin, &record_key));
    assert_ok(test->anchor->ops->entity_find(test->anchor, &test->collection.id, "pat", &found));
    assert_memory_equal(&found, &pin.entity, sizeof(found));
    handle_open(test, &handle);
    assert_ok(sherd_masters_active(handle.masters, SHERD_MASTER_HASH, &kid, key));
    assert_true(is_there(test, SHERD_SHA512_256, key, "pat"));
    assert_false(is_there(test, SHERD_SHA512, key, "pat"));
    assert_false(is_there(test, SHERD_SHA512_256, key, "kim"));
    handle_done(&handle);
    sherd_secret_free(key);
}

#define fips_test_of(name) cmocka_unit_test_setup_teardown(name, setup, anchor_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        anchor_test_without(test_anchor_fips_seal__of_the_other_mode_is_refused),
        anchor_test_without(test_anchor_fips_seal__of_the_mode_opens_no_other_vault),
        anchor_test_without(test_anchor_fips_seal__is_of_the_vaults_mode),
        fips_test_of(test_anchor_fips_ring__never_changes_its_mode),
        fips_test_of(test_anchor_fips_entities__are_found_by_sha512_256),
    };

    return cmocka_run_group_tests_name("anchor_fips", tests, NULL, NULL);
}
