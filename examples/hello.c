/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one record: make a vault, open it, put, get, update, read an older version, delete.
 *
 *     cc hello.c $(pkg-config --cflags --libs sherd) -o hello && ./hello /tmp/my-vault
 *
 * Every call of Sherd that can fail returns an enum sherd_err, which says what to do next, and leaves one line for a
 * person in sherd_err_detail(). Outputs are written only on SHERD_OK.
 */
#include <sherd/sherd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A real program asks for it, and wipes it as soon as the vault is open. */
static const char passphrase[] = "correct horse battery staple";

/* Print what went wrong and give up. Not for SHERD_OK. */
static int failed(const char *doing, enum sherd_err err)
{
    fprintf(stderr, "%s: %s: %s\n", doing, sherd_err_name(err), sherd_err_detail());
    return EXIT_FAILURE;
}

/* Make the vault unless it is there, and open it. */
static enum sherd_err open_vault(const char *path, struct sherd_vault **out_vault)
{
    const struct sherd_unseal unseal = {.passphrase = sherd_span_str(passphrase)};
    enum sherd_err err = sherd_vault_open(path, &unseal, NULL, out_vault);

    if (err != SHERD_ERR_NOT_FOUND)
        return err; /* open, or a failure that making a vault would not mend */

    err = sherd_vault_init(path, &unseal, NULL);
    if (err != SHERD_OK)
        return err;
    return sherd_vault_open(path, &unseal, NULL, out_vault);
}

/* A collection says by which rules its records are kept; here, that three versions of each stay. */
static enum sherd_err make_collection(struct sherd_vault *vault)
{
    const struct sherd_collection letters = {.name = "letters", .versions_kept = 3};
    const enum sherd_err err = sherd_collection_create(vault, &letters);

    return err == SHERD_ERR_CONFLICT ? SHERD_OK : err; /* it was there already */
}

/* Fetch one version and print it. version 0 is the current one. */
static enum sherd_err show(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version)
{
    struct sherd_buf content = {.max = 1 << 20}; /* refuses to grow past 1 MiB */
    const enum sherd_err err = sherd_record_get(vault, id, version, &content);

    if (err == SHERD_OK)
        printf("version %llu: %.*s\n", (unsigned long long)version, (int)content.len, (const char *)content.data);
    sherd_buf_done(&content); /* wipes and frees, also after a failure */
    return err;
}

/* Print what is known of a record, beside its contents. */
static enum sherd_err describe(struct sherd_vault *vault, struct sherd_uuid id)
{
    struct sherd_record_info *info = NULL;
    const enum sherd_err err = sherd_record_stat(vault, id, 0, &info);

    if (err != SHERD_OK)
        return err;
    printf("%s, of %s, %llu bytes, versions %llu to %llu\n", info->content_type, info->entity,
           (unsigned long long)info->content_bytes, (unsigned long long)info->version_oldest,
           (unsigned long long)info->version_current);
    for (size_t i = 0; i < info->attribute_count; i++)
        printf("  %s = %.*s\n", info->attributes[i].name, (int)info->attributes[i].value.len,
               (const char *)info->attributes[i].value.data);
    sherd_record_info_free(info);
    return SHERD_OK;
}

/* Put a letter, with a few words on what it is. */
static enum sherd_err put_letter(struct sherd_vault *vault, struct sherd_uuid *out_id)
{
    const struct sherd_attribute attributes[] = {{.name = "to", .value = sherd_span_str("everyone")},
                                                 {.name = "from", .value = sherd_span_str("the other side")}};
    const struct sherd_record_meta meta = {.collection = "letters",
                                           .entity = "the post office", /* whose it is: has a key of its own */
                                           .content_type = "text/plain",
                                           .attributes = attributes,
                                           .attribute_count = 2};

    return sherd_record_put(vault, &meta, sherd_span_str("attack at dawn"), out_id);
}

static int live(struct sherd_vault *vault)
{
    char text[SHERD_UUID_TEXT_SIZE];
    struct sherd_uuid id;
    uint64_t version = 0;
    enum sherd_err err;

    if ((err = make_collection(vault)) != SHERD_OK)
        return failed("make a collection", err);
    if ((err = put_letter(vault, &id)) != SHERD_OK)
        return failed("put", err);
    sherd_uuid_format(id, text); /* the name under which the record is found again */
    printf("stored as %s\n", text);

    if ((err = show(vault, id, 0)) != SHERD_OK || (err = describe(vault, id)) != SHERD_OK)
        return failed("get", err);

    /* The version that we know is 1. If somebody had updated the record meanwhile, this would be SHERD_ERR_CONFLICT. */
    err = sherd_record_update(vault, id, 1, NULL, sherd_span_str("attack at noon, dawn was rainy"), &version);
    if (err != SHERD_OK)
        return failed("update", err);
    if (sherd_record_update(vault, id, 1, NULL, sherd_span_str("retreat"), NULL) != SHERD_ERR_CONFLICT)
        return failed("a stale update was not refused", SHERD_ERR_INVALID);

    /* Both versions are kept. */
    if ((err = show(vault, id, version)) != SHERD_OK || (err = show(vault, id, 1)) != SHERD_OK)
        return failed("get", err);

    /* Deleting destroys the keys first: what may be left anywhere is noise from then on. */
    if ((err = sherd_record_delete(vault, id)) != SHERD_OK)
        return failed("delete", err);
    if (show(vault, id, 0) != SHERD_ERR_NOT_FOUND)
        return failed("a deleted record is still there", SHERD_ERR_INVALID);
    printf("and gone\n");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct sherd_vault *vault = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: %s VAULT\n", argv[0]);
        return 2;
    }
    const enum sherd_err err = open_vault(argv[1], &vault);
    if (err != SHERD_OK)
        return failed(argv[1], err);
    const int code = live(vault);
    sherd_vault_close(vault); /* wipes the keys; NULL is accepted */
    return code;
}
