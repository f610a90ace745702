/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens where Sherd is built without the header of PKCS#11: no module is ever loaded, so the rest is never reached. */
#include "kms/pkcs11/token.h"

static enum sherd_err absent(void)
{
    return sherd_fail(SHERD_ERR_UNSUPPORTED,
                      "this build of sherd knows no tokens: build it with -Dpkcs11=enabled, which needs p11-kit's "
                      "headers (libp11-kit-dev)");
}

enum sherd_err sherd_p11_open(const char *module, struct sherd_p11 **out_p11)
{
    (void)module;
    (void)out_p11;
    return absent();
}

void sherd_p11_free(struct sherd_p11 *p11)
{
    (void)p11;
}

enum sherd_err sherd_p11_public_key(struct sherd_p11 *p11, const struct sherd_p11_uri *uri,
                                    struct sherd_pubkey *out_key)
{
    (void)p11;
    (void)uri;
    (void)out_key;
    return absent();
}

enum sherd_err sherd_p11_find(struct sherd_p11 *p11, const struct sherd_p11_uri *uri,
                              const struct sherd_digest *fingerprint, const struct sherd_p11_names *names,
                              struct sherd_p11_token **out_token)
{
    (void)p11;
    (void)uri;
    (void)fingerprint;
    (void)names;
    (void)out_token;
    return absent();
}

void sherd_p11_token_free(struct sherd_p11_token *token)
{
    (void)token;
}

enum sherd_err sherd_p11_look(const struct sherd_p11_token *token, struct sherd_p11_look *out_look)
{
    (void)token;
    (void)out_look;
    return absent();
}

enum sherd_err sherd_p11_login(struct sherd_p11_token *token, struct sherd_span pin)
{
    (void)token;
    (void)pin;
    return absent();
}

const struct sherd_pubkey *sherd_p11_key(const struct sherd_p11_token *token)
{
    (void)token;
    return NULL;
}

enum sherd_err sherd_p11_agree(void *token, struct sherd_span point, uint8_t *out_shared)
{
    (void)token;
    (void)point;
    (void)out_shared;
    return absent();
}

enum sherd_err sherd_p11_decrypt(void *token, struct sherd_span sealed, uint8_t *out_secret)
{
    (void)token;
    (void)sealed;
    (void)out_secret;
    return absent();
}
