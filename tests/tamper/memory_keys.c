/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For test_tamper_agent.py: the bytes of a vault's keys, all that its anchor can unwrap, one line a key: "KIND HEX".
 *
 * Usage: memory_keys VAULT KEYFILE
 */
#include "anchor/embedded/embedded_inside.h"
#include "anchor/keys/entities_inside.h"
#include "anchor/keys/masters.h"
#include "base/secret.h"
#include "cryptor/vault.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s: %s (%s)\n", what, sherd_err_detail(), strerror(errno));
    exit(1);
}

static void tell(const char *kind, const uint8_t *bytes, size_t len)
{
    printf("%s ", kind);
    for (size_t i = 0; i < len; i++)
        printf("%02x", bytes[i]);
    printf("\n");
}

static void tell_keyring(const struct sherd_keyring *ring)
{
    for (size_t i = 0; i < 4; i++) {
        tell("name", ring->stores[i].name.bytes, SHERD_KEY_SIZE);
        tell("store", ring->stores[i].key.bytes, SHERD_KEY_SIZE);
    }
    for (size_t i = 0; i < ring->protections.count; i++)
        tell("protection", ring->protections.list[i].key, sizeof(ring->protections.list[i].key));
    tell("ledger", ring->ledger_seed, sizeof(ring->ledger_seed));
}

static void tell_masters(struct sherd_embedded *self, const struct sherd_keyring *ring, struct sherd_master_key *key)
{
    for (size_t i = 0; i < ring->master_count; i++) {
        must(sherd_masters_key(self->masters, &ring->masters[i].kid, key) == SHERD_OK, "a master key");
        tell("master", (const uint8_t *)key, sizeof(*key));
    }
}

struct telling {
    struct sherd_embedded *self;
    struct sherd_entities_hand *hand;
    struct sherd_record_key *key;
    size_t records;
};

static enum sherd_err tell_entry(void *arg, const struct sherd_anchor_entry *entry)
{
    struct telling *telling = arg;
    struct sherd_anchor *anchor = &telling->self->anchor;
    struct sherd_pin_view view;

    if (entry->entity != NULL &&
        sherd_entities_unwrap_entry(telling->self->entities, entry->entity, telling->hand) == SHERD_OK)
        tell("entity", (const uint8_t *)&telling->hand->key, sizeof(telling->hand->key));
    if (entry->pin == NULL || entry->erased)
        return SHERD_OK;
    must(anchor->ops->pin_get(anchor, entry->pin->record, entry->pin->version, &view, telling->key) == SHERD_OK,
         "a record key");
    tell("record", telling->key->bytes, sizeof(telling->key->bytes));
    telling->records++;
    return SHERD_OK;
}

int main(int argc, char **argv)
{
    struct sherd_keyring *ring = sherd_secret_alloc(sizeof(*ring));
    struct sherd_root_key *root = sherd_secret_alloc(sizeof(*root));
    struct sherd_master_key *master = sherd_secret_alloc(sizeof(*master));
    struct telling telling = {.hand = sherd_secret_alloc(sizeof(*telling.hand)),
                              .key = sherd_secret_alloc(sizeof(*telling.key))};
    uint8_t key_text[256];
    const int fd = open(argc == 3 ? argv[2] : "", O_RDONLY | O_CLOEXEC);
    const ssize_t len = read(fd, key_text, sizeof(key_text));
    struct sherd_ref last;
    struct sherd_vault *vault;
    size_t count;

    must(fd >= 0 && len > 0 && ring != NULL && root != NULL && master != NULL, "room, or the key file");
    const struct sherd_unseal unseal = {.key_file = sherd_span_of(key_text, (size_t)len)};
    must(sherd_vault_open(argv[1], &unseal, NULL, &vault) == SHERD_OK, "the vault");
    struct sherd_embedded *self = sherd_embedded_of(vault->anchor);
    telling.self = self;
    must(sherd_home_root(self->home, root) == SHERD_OK, "the root key");
    tell("root", root->bytes, sizeof(root->bytes));
    must(sherd_home_read(self->home, NULL, false, ring, NULL) == SHERD_OK, "the keyring");
    tell_keyring(ring);
    tell_masters(self, ring, master);
    must(sherd_epoch_read(self->home, ring->epoch, &telling.hand->epochs) == SHERD_OK, "the epochs");
    tell("epoch", sherd_entities_epoch_key(&telling.hand->epochs, ring->epoch)->bytes, SHERD_KEY_SIZE);
    must(vault->anchor->ops->scan(vault->anchor, NULL, 100000, tell_entry, &telling, &last, &count) == SHERD_OK,
         "a walk over the keys");
    must(telling.records > 0, "there are no records");
    sherd_vault_close(vault);
    sherd_secret_free(telling.key);
    sherd_secret_free(telling.hand);
    sherd_secret_free(master);
    sherd_secret_free(root);
    sherd_secret_free(ring);
    close(fd);
    return 0;
}
