/* SPDX-License-Identifier: Apache-2.0 */
/* sherd collection: make a collection, or show its rules. */
#include "cli/commands.h"
#include "cli/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OPT_VERSIONS, OPT_EXACT, OPT_ENTITY_KEYS, OPT_MASTER_KEY, OPT_KEY, OPT_VERIFY, OPT_READABLE };

static const struct cli_option options[] = {
    [OPT_VERSIONS] = {"versions-kept", 0, "N", "versions of a record that are kept, 0 for all (1)"},
    [OPT_EXACT] = {"exact-sizes", 0, NULL, "store contents in their own length, which the store then sees"},
    [OPT_ENTITY_KEYS] = {"entity-keys", 0, "HOW", "random, or derived from the master key (random)"},
    [OPT_MASTER_KEY] = {"master-key", 0, "NAME", "the master key of its entities (default)"},
    [OPT_KEY] = {"key", 'k', "NAME", "the named key that all of its records must lie under (none)"},
    [OPT_VERIFY] = {"verify", 0, "WHEN",
                    "sync, or async: what a read leaves is for the scrubber, and it says so (sync)"},
    [OPT_READABLE] = {"readable", 0, NULL, "contents lie in clear in the store, for anyone to read and query"},
    {0},
};

/* A master key that is looked for. */
struct wanted {
    const char *name;
    bool found;
};

static const char *master_key_of(const struct sherd_collection *collection)
{
    return collection->master_key[0] != 0 ? collection->master_key : SHERD_MASTER_DEFAULT;
}

static enum sherd_err show(struct cli *cli, const struct sherd_collection *collection)
{
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:s, s:I, s:b, s:s, s:s, s:o, s:s, s:b}", "collection", collection->name,
                                        "versions_kept", (json_int_t)collection->versions_kept, "exact_sizes",
                                        collection->exact_sizes, "entity_keys",
                                        collection->derived_entity_keys ? "derived" : "random", "master_key",
                                        master_key_of(collection), "key",
                                        collection->key[0] != 0 ? json_string(collection->key) : json_null(),
                                        "verification", collection->asynchronous ? "asynchronous" : "synchronous",
                                        "readable", collection->readable),
                              "\n");
    cli_print("collection      %s\n", collection->name);
    if (collection->versions_kept == 0)
        cli_print("versions kept   all\n");
    else
        cli_print("versions kept   %" PRIu32 "\n", collection->versions_kept);
    cli_print("sizes           %s\n", collection->exact_sizes ? "exact: the store sees them" : "padded");
    cli_print("entity keys     %s, master key %s\n", collection->derived_entity_keys ? "derived" : "random",
              master_key_of(collection));
    if (collection->key[0] != 0)
        cli_print("named key       %s\n", collection->key);
    cli_print("verification    %s\n",
              collection->asynchronous ? "asynchronous: until the scrubber has, answers say so" : "synchronous");
    if (collection->readable)
        cli_print("contents        readable: in clear in the store, signed\n");
    return SHERD_OK;
}

/* What the options say of the keys of its entities. */
static enum sherd_err take_keys(const struct cli *cli, struct sherd_collection *collection)
{
    const char *how = cli_value(cli, OPT_ENTITY_KEYS);
    const char *master = cli_value(cli, OPT_MASTER_KEY);
    const char *key = cli_value(cli, OPT_KEY);

    SHERD_ENSURE(how == NULL || strcmp(how, "random") == 0 || strcmp(how, "derived") == 0, SHERD_ERR_INVALID,
                 "--entity-keys: random or derived");
    SHERD_ENSURE(master == NULL || strlen(master) < sizeof(collection->master_key), SHERD_ERR_INVALID,
                 "--master-key: no name of a master key");
    SHERD_ENSURE(key == NULL || (key[0] != 0 && strlen(key) < sizeof(collection->key)), SHERD_ERR_INVALID,
                 "--key: no name of a named key");
    if (key != NULL)
        (void)snprintf(collection->key, sizeof(collection->key), "%s", key);
    collection->derived_entity_keys = how != NULL && strcmp(how, "derived") == 0;
    if (master != NULL && strcmp(master, SHERD_MASTER_DEFAULT) != 0)
        (void)snprintf(collection->master_key, sizeof(collection->master_key), "%s", master);
    return SHERD_OK;
}

static enum sherd_err note_name(void *arg, const struct sherd_master_info *info)
{
    struct wanted *wanted = arg;

    wanted->found |= strcmp(info->name, wanted->name) == 0;
    return SHERD_OK;
}

/* A name that nobody made a key of is mostly mistyped, and the rules stay for ever. */
static enum sherd_err check_master(struct sherd_vault *vault, const char *name)
{
    struct wanted wanted = {.name = name};

    if (name[0] == '\0')
        return SHERD_OK;
    SHERD_TRY(sherd_master_each(vault, note_name, &wanted));
    if (!wanted.found)
        return sherd_fail(SHERD_ERR_NOT_FOUND, "there is no master key %.63s: make it with `sherd key activate`", name);
    return SHERD_OK;
}

static enum sherd_err create(struct cli *cli, const char *name)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct sherd_collection collection = {.exact_sizes = cli_value(cli, OPT_EXACT) != NULL,
                                          .readable = cli_value(cli, OPT_READABLE) != NULL};
    const char *verify = cli_value(cli, OPT_VERIFY);
    uint64_t versions = 0;

    SHERD_TRY(cli_value_number(cli, OPT_VERSIONS, 0, UINT32_MAX, 1, &versions));
    SHERD_ENSURE(verify == NULL || strcmp(verify, "sync") == 0 || strcmp(verify, "async") == 0, SHERD_ERR_INVALID,
                 "--verify: sync or async");
    collection.asynchronous = verify != NULL && strcmp(verify, "async") == 0;
    collection.versions_kept = (uint32_t)versions;
    SHERD_TRY(take_keys(cli, &collection));
    SHERD_ENSURE(strlen(name) <= SHERD_COLLECTION_NAME_BYTES_MAX, SHERD_ERR_INVALID,
                 "a collection's name has 1 to 63 of a-z, 0-9, '.', '_', '-'");
    (void)snprintf(collection.name, sizeof(collection.name), "%s", name);
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    SHERD_TRY(check_master(vault, collection.master_key));
    SHERD_TRY(sherd_collection_create(vault, &collection));
    if (collection.readable)
        cli_warn(cli, "contents and attributes of this collection lie in clear in the store: whoever can read its "
                      "files reads them, backups and old pages included");
    return cli->quiet ? SHERD_OK : show(cli, &collection);
}

static enum sherd_err look_up(struct cli *cli, const char *name)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct sherd_collection collection = {0};

    SHERD_ENSURE(cli->given_count == 0, SHERD_ERR_INVALID, "the rules of a collection do not change after it was made");
    SHERD_TRY(cli_vault_open(cli, true, &vault));
    SHERD_TRY(sherd_collection_get(vault, name, &collection));
    return show(cli, &collection);
}

static enum sherd_err run(struct cli *cli)
{
    if (strcmp(cli->operands[0], "create") == 0)
        return create(cli, cli->operands[1]);
    if (strcmp(cli->operands[0], "show") == 0)
        return look_up(cli, cli->operands[1]);
    return sherd_fail(SHERD_ERR_INVALID, "write `collection create NAME` or `collection show NAME`");
}

const struct cli_command cmd_collection = {
    .name = "collection",
    .operands = "create|show NAME",
    .summary = "make a collection, or show its rules",
    .notes =
        "A collection keeps records by the same rules, which do not change after it was made. Every vault has one\n"
        "named \"default\": one version a record, sizes padded. A readable one keeps one version, and takes no\n"
        "entities and no recipients; see sherd-query(1).",
    .options = options,
    .operand_min = 2,
    .operand_max = 2,
    .run = run,
};
