/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that only their recipient opens: a key pair, a record sealed to its public key, and who can read that.
 *
 *     cc sealed.c $(pkg-config --cflags --libs sherd) -o sealed && ./sealed /tmp/my-vault
 *
 * In a real program the two sides are two: whoever puts has the vault and "age1...", whoever gets has the private key,
 * in a file that never comes near the vault.
 */
#include <sherd/sherd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char passphrase[] = "correct horse battery staple";
static const char letter[] = "Dear Ada, nobody else reads this.";

static int failed(const char *doing, enum sherd_err err)
{
    fprintf(stderr, "%s: %s: %s\n", doing, sherd_err_name(err), sherd_err_detail());
    return EXIT_FAILURE;
}

static enum sherd_err open_vault(const char *path, struct sherd_vault **out_vault)
{
    const struct sherd_unseal unseal = {.passphrase = sherd_span_str(passphrase)};
    enum sherd_err err = sherd_vault_open(path, &unseal, NULL, out_vault);

    if (err == SHERD_ERR_NOT_FOUND && (err = sherd_vault_init(path, &unseal, NULL)) == SHERD_OK)
        err = sherd_vault_open(path, &unseal, NULL, out_vault);
    return err;
}

/* Ada's side, once: what she keeps, and what she gives to others. */
static enum sherd_err make_pair(char recipient[SHERD_RECIPIENT_TEXT_BYTES_MAX + 1],
                                struct sherd_identity **out_identity)
{
    char own[SHERD_IDENTITY_TEXT_BYTES_MAX]; /* a real program writes this to a file that Ada alone can read */
    struct sherd_buf own_text = sherd_buf_borrow(own, sizeof(own));
    struct sherd_buf text = sherd_buf_borrow(recipient, SHERD_RECIPIENT_TEXT_BYTES_MAX);
    enum sherd_err err = sherd_identity_new(SHERD_IDENTITY_X25519, &own_text, &text);

    if (err == SHERD_OK)
        err = sherd_identity_parse(sherd_buf_span(&own_text), out_identity);
    explicit_bzero(own, sizeof(own));
    recipient[text.len] = '\0';
    return err;
}

/* The vault's side: what it needs is the public key alone. */
static enum sherd_err put_letter(struct sherd_vault *vault, const char *recipient, struct sherd_uuid *out_id)
{
    const struct sherd_record_meta meta = {.recipient = recipient, .content_type = "text/plain"};

    return sherd_record_put(vault, &meta, sherd_span_str(letter), out_id);
}

static int read_letter(struct sherd_vault *vault, struct sherd_uuid id, const struct sherd_identity *identity)
{
    const struct sherd_read_options options = {.identity = identity};
    struct sherd_buf content = {.max = 1 << 20};
    enum sherd_err err = sherd_record_get(vault, id, 0, &content);

    if (err != SHERD_ERR_DENIED || content.len != 0)
        return failed("the vault alone opens it", err);
    printf("the vault alone: %s\n", sherd_err_detail());
    if ((err = sherd_record_get_with(vault, id, &options, &content)) != SHERD_OK)
        return failed("get", err);
    printf("with the identity: %.*s\n", (int)content.len, (const char *)content.data);
    const bool same = content.len == strlen(letter) && memcmp(content.data, letter, content.len) == 0;
    sherd_buf_done(&content);
    return same ? EXIT_SUCCESS : failed("other bytes came back", SHERD_ERR_INVALID);
}

static int run(struct sherd_vault *vault)
{
    char recipient[SHERD_RECIPIENT_TEXT_BYTES_MAX + 1];
    struct sherd_identity *identity = NULL;
    struct sherd_uuid id;
    int code = EXIT_FAILURE;
    enum sherd_err err = make_pair(recipient, &identity);

    if (err == SHERD_OK)
        err = put_letter(vault, recipient, &id);
    if (err == SHERD_OK) {
        code = read_letter(vault, id, identity);
        err = sherd_record_delete(vault, id);
    }
    sherd_identity_free(identity); /* wipes it */
    return err == SHERD_OK ? code : failed("sealed", err);
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
    const int code = run(vault);
    sherd_vault_close(vault);
    return code;
}
