/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kms/pkcs11/uri.h
 * URIs of PKCS#11: which token, and which object in it. `pkcs11:token=anna;object=share`.
 *
 * Taken are the attributes by which a token and a key in it are known for good: token, manufacturer, serial, model,
 * object, id, type (which is not needed: a pair has one name), and as a query module-path. Every other one is refused,
 * as the standard wants it for what is not understood, and so is pin-value: a PIN stands in no command line and no
 * file.
 *
 * @par Source  RFC 7512, sections 2.3 and 2.4
 */
#ifndef SHERD_KMS_PKCS11_URI_H
#define SHERD_KMS_PKCS11_URI_H

#include "base/macros.h"
#include <sherd/span.h>
#include <stdbool.h>

#define SHERD_P11_LABEL_BYTES_MAX 64U
#define SHERD_P11_ID_BYTES_MAX 64U
#define SHERD_P11_PATH_BYTES_MAX 255U
/** Longest URI that is written. */
#define SHERD_P11_URI_BYTES_MAX 768U

/** What a URI says; "", or no bytes, for what it does not say. */
struct sherd_p11_uri {
    char token[33]; /**< label of the token; the four are bounded as the standard bounds what a token says */
    char manufacturer[33];
    char serial[17];
    char model[17];
    char object[SHERD_P11_LABEL_BYTES_MAX + 1]; /**< label of the key */
    uint8_t id[SHERD_P11_ID_BYTES_MAX];         /**< id_bytes of them: CKA_ID of the key */
    size_t id_bytes;
    char module_path[SHERD_P11_PATH_BYTES_MAX + 1];
};

/** Whether a text is meant as such a URI: it begins with "pkcs11:". */
bool sherd_p11_is_uri(const char *text);

/** Read. @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_UNSUPPORTED (an attribute that is not taken) */
SHERD_MUST_USE enum sherd_err sherd_p11_uri_parse(const char *text, struct sherd_p11_uri *out_uri);

/** Whether it says which token: by a label or a serial number. */
static inline bool sherd_p11_uri_names_token(const struct sherd_p11_uri *uri)
{
    return uri->token[0] != '\0' || uri->serial[0] != '\0';
}

/**
 * Write, in one form for the same, and without the query: which module is loaded is for the one who loads it to say.
 * @param[out] out_text  SHERD_P11_URI_BYTES_MAX + 1 bytes
 */
void sherd_p11_uri_print(const struct sherd_p11_uri *uri, char out_text[static SHERD_P11_URI_BYTES_MAX + 1]);

#endif
