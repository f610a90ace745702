/* SPDX-License-Identifier: Apache-2.0 */
/* The seals of a vault, for callers: <sherd/seal.h>. The anchor does the work. */
#include "anchor/ring/seals.h"
#include "crypto/init.h"
#include "cryptor/files.h"
#include "cryptor/vault.h"

/* Whether a vault is there whose format is known. */
static enum sherd_err check_path(const char *path)
{
    char engine[SHERD_ENGINE_NAME_SIZE];

    SHERD_ENSURE(path != NULL && path[0] != 0, SHERD_ERR_INVALID, "a vault needs a path");
    SHERD_TRY(sherd_crypto_init());
    return sherd_marker_read(path, engine);
}

/* The home of an open vault that may be changed. */
static enum sherd_err home_of(struct sherd_vault *vault, const struct sherd_home **out_home)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(sherd_vault_check_maintains(vault));
    SHERD_TRY(sherd_vault_check_writable(vault));
    *out_home = vault->anchor->ops->home(vault->anchor);
    SHERD_ENSURE(*out_home != NULL, SHERD_ERR_DENIED,
                 "seals are changed only by who can unseal: give what unseals the vault, not its agent");
    return SHERD_OK;
}

enum sherd_err sherd_seal_each(const char *path, sherd_seal_visit_fn *visit, void *arg)
{
    SHERD_ENSURE(visit != NULL, SHERD_ERR_INVALID, "somebody must be told of the seals");
    SHERD_TRY(check_path(path));
    return sherd_seals_each(path, visit, arg);
}

enum sherd_err sherd_seal_add(struct sherd_vault *vault, const struct sherd_unseal *unseal, unsigned *out_number)
{
    const struct sherd_seal_wish wish = {.unseal = unseal};
    const struct sherd_home *home;

    SHERD_TRY(home_of(vault, &home));
    SHERD_TRY(sherd_unseal_check(unseal));
    return sherd_seals_add(home, &wish, out_number);
}

enum sherd_err sherd_seal_add_shares(struct sherd_vault *vault, const struct sherd_shares_options *options,
                                     sherd_share_give_fn *give, void *arg, unsigned *out_number)
{
    const struct sherd_seal_wish wish = {.shares = options, .give = give, .give_arg = arg};
    const struct sherd_home *home;

    SHERD_TRY(home_of(vault, &home));
    SHERD_TRY(sherd_shares_options_check(options));
    return sherd_seals_add(home, &wish, out_number);
}

enum sherd_err sherd_seal_remove(struct sherd_vault *vault, unsigned number)
{
    const struct sherd_home *home;

    SHERD_TRY(home_of(vault, &home));
    return sherd_seals_remove(home, number);
}

enum sherd_err sherd_shares_rekey(struct sherd_vault *vault, unsigned number,
                                  const struct sherd_shares_options *options, sherd_share_give_fn *give, void *arg)
{
    const struct sherd_home *home;

    SHERD_TRY(home_of(vault, &home));
    if (options != NULL)
        SHERD_TRY(sherd_shares_options_check(options));
    return sherd_seals_rekey(home, number, options, give, arg);
}

enum sherd_err sherd_shares_abandon(struct sherd_vault *vault, unsigned number)
{
    const struct sherd_home *home;

    SHERD_TRY(home_of(vault, &home));
    return sherd_seals_abandon(home, number);
}

enum sherd_err sherd_shares_confirm(const char *path, unsigned number, struct sherd_span shares,
                                    struct sherd_shares_progress *out_progress)
{
    SHERD_ENSURE(out_progress != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(check_path(path));
    return sherd_seals_confirm(path, number, shares, out_progress);
}

enum sherd_err sherd_shares_check(const char *path, struct sherd_span shares,
                                  struct sherd_shares_progress *out_progress)
{
    SHERD_ENSURE(out_progress != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(check_path(path));
    return sherd_seals_check(path, shares, out_progress);
}

enum sherd_err sherd_share_each(const char *path, struct sherd_span shares, sherd_share_visit_fn *visit, void *arg)
{
    SHERD_ENSURE(visit != NULL, SHERD_ERR_INVALID, "somebody must be told of the shares");
    if (path != NULL)
        SHERD_TRY(check_path(path));
    else
        SHERD_TRY(sherd_crypto_init());
    return sherd_seals_share_each(path, shares, visit, arg);
}
