/* SPDX-License-Identifier: Apache-2.0 */
/* URIs of PKCS#11: see uri.h. */
#include "kms/pkcs11/uri.h"

#include "base/bytes.h"
#include <stdio.h>
#include <string.h>

#define SCHEME "pkcs11:"

/* Attributes that are texts, in the order in which they are written. */
static const struct attribute {
    const char *name;
    size_t offset;
    size_t bytes_max;
    bool query;
} attributes[] = {
    {"token", offsetof(struct sherd_p11_uri, token), 32, false},
    {"manufacturer", offsetof(struct sherd_p11_uri, manufacturer), 32, false},
    {"serial", offsetof(struct sherd_p11_uri, serial), 16, false},
    {"model", offsetof(struct sherd_p11_uri, model), 16, false},
    {"object", offsetof(struct sherd_p11_uri, object), SHERD_P11_LABEL_BYTES_MAX, false},
    {"module-path", offsetof(struct sherd_p11_uri, module_path), SHERD_P11_PATH_BYTES_MAX, true},
};

bool sherd_p11_is_uri(const char *text)
{
    return strncmp(text, SCHEME, strlen(SCHEME)) == 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool name_is(struct sherd_span name, const char *wanted)
{
    return sherd_span_equal(name, sherd_span_str(wanted));
}

static int hex_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes %41 for A. */
static enum sherd_err value_read(struct sherd_span value, uint8_t *out, size_t max, size_t *out_bytes)
{
    size_t bytes = 0;

    for (size_t i = 0; i < value.len; i++) {
        int c = value.data[i];

        if (c == '%') {
            const int high = i + 2 < value.len ? hex_of(value.data[i + 1]) : -1;
            const int low = i + 2 < value.len ? hex_of(value.data[i + 2]) : -1;

            SHERD_ENSURE(high >= 0 && low >= 0, SHERD_ERR_INVALID, "a URI of PKCS#11: write %25 for a percent sign");
            c = high << 4 | low;
            i += 2;
        }
        SHERD_ENSURE(bytes < max, SHERD_ERR_INVALID, "a URI of PKCS#11: a value is too long");
        out[bytes++] = (uint8_t)c;
    }
    SHERD_ENSURE(bytes > 0, SHERD_ERR_INVALID, "a URI of PKCS#11: a value is empty");
    *out_bytes = bytes;
    return SHERD_OK;
}

static enum sherd_err twice(void)
{
    return sherd_fail(SHERD_ERR_INVALID, "a URI of PKCS#11: an attribute stands there twice");
}

static enum sherd_err text_read(struct sherd_span value, size_t max, char *out)
{
    size_t bytes = 0;

    if (out[0] != '\0')
        return twice();
    SHERD_TRY(value_read(value, (uint8_t *)out, max, &bytes));
    out[bytes] = '\0';
    SHERD_ENSURE(strlen(out) == bytes, SHERD_ERR_INVALID, "a URI of PKCS#11: a text holds a zero byte");
    return SHERD_OK;
}

static enum sherd_err refuse(struct sherd_span name)
{
    SHERD_ENSURE(!name_is(name, "pin-value") && !name_is(name, "pin-source"), SHERD_ERR_INVALID,
                 "a PIN is never taken from the command line, where others can see it: use --pin-file, --pin-fd or the "
                 "prompt");
    return sherd_fail(SHERD_ERR_UNSUPPORTED,
                      "a URI of PKCS#11: the attribute '%.*s' is not taken; name a key by token, serial, manufacturer, "
                      "model, object and id",
                      (int)(name.len < 40 ? name.len : 40), (const char *)name.data);
}

static enum sherd_err attribute_read(struct sherd_span name, struct sherd_span value, bool query,
                                     struct sherd_p11_uri *uri)
{
    for (size_t i = 0; i < SHERD_COUNT_OF(attributes); i++)
        if (attributes[i].query == query && name_is(name, attributes[i].name))
            return text_read(value, attributes[i].bytes_max, (char *)uri + attributes[i].offset);
    if (!query && name_is(name, "id")) {
        if (uri->id_bytes > 0)
            return twice();
        return value_read(value, uri->id, sizeof(uri->id), &uri->id_bytes);
    }
    if (!query && name_is(name, "type") &&
        (name_is(value, "private") || name_is(value, "public") || name_is(value, "cert")))
        return SHERD_OK;
    return refuse(name);
}

/* Attributes up to the end, between separators. */
static enum sherd_err part_read(struct sherd_span part, char separator, bool query, struct sherd_p11_uri *uri)
{
    while (part.len > 0) {
        const uint8_t *end = memchr(part.data, separator, part.len);
        const size_t len = end != NULL ? (size_t)(end - part.data) : part.len;
        const struct sherd_span item = sherd_span_of(part.data, len);
        const uint8_t *equals = len > 0 ? memchr(item.data, '=', len) : NULL;

        SHERD_ENSURE(equals != NULL, SHERD_ERR_INVALID,
                     "a URI of PKCS#11 is a list such as pkcs11:token=...;object=...");
        const size_t name_len = (size_t)(equals - item.data);
        SHERD_TRY(attribute_read(sherd_span_of(item.data, name_len), sherd_span_of(equals + 1, len - name_len - 1),
                                 query, uri));
        SHERD_ENSURE(end == NULL || len + 1 < part.len, SHERD_ERR_INVALID, "a URI of PKCS#11 ends in a separator");
        part = end != NULL ? sherd_span_of(end + 1, part.len - len - 1) : sherd_span_of(part.data, 0);
    }
    return SHERD_OK;
}

enum sherd_err sherd_p11_uri_parse(const char *text, struct sherd_p11_uri *out_uri)
{
    struct sherd_p11_uri uri = {0};

    SHERD_ENSURE(sherd_p11_is_uri(text), SHERD_ERR_INVALID, "a URI of PKCS#11 begins with pkcs11:");
    text += strlen(SCHEME);
    const size_t path = strcspn(text, "?");
    SHERD_TRY(part_read(sherd_span_of(text, path), ';', false, &uri));
    if (text[path] == '?')
        SHERD_TRY(part_read(sherd_span_str(text + path + 1), '&', true, &uri));
    *out_uri = uri;
    return SHERD_OK;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static bool stands_bare(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/* At out, which has room. @return behind it */
static char *put(char *out, const char *name, struct sherd_span value, bool bare)
{
    static const char digits[] = "0123456789abcdef";

    if (value.len == 0)
        return out;
    if (out[-1] != ':')
        *out++ = ';';
    memcpy(out, name, strlen(name));
    out += strlen(name);
    *out++ = '=';
    for (size_t i = 0; i < value.len; i++) {
        if (bare && stands_bare(value.data[i])) {
            *out++ = (char)value.data[i];
            continue;
        }
        *out++ = '%';
        *out++ = digits[value.data[i] >> 4];
        *out++ = digits[value.data[i] & 15];
    }
    return out;
}

#define ESCAPED_CHARS ((size_t)3)
_Static_assert(sizeof(SCHEME "token=;manufacturer=;serial=;model=;object=;id=") +
                       ESCAPED_CHARS * (32 + 32 + 16 + 16 + SHERD_P11_LABEL_BYTES_MAX + SHERD_P11_ID_BYTES_MAX) <=
                   SHERD_P11_URI_BYTES_MAX,
               "every URI has room");

void sherd_p11_uri_print(const struct sherd_p11_uri *uri, char out_text[static SHERD_P11_URI_BYTES_MAX + 1])
{
    char *out = out_text;

    memcpy(out, SCHEME, strlen(SCHEME));
    out += strlen(SCHEME);
    for (size_t i = 0; i < SHERD_COUNT_OF(attributes); i++)
        if (!attributes[i].query)
            out = put(out, attributes[i].name, sherd_span_str((const char *)uri + attributes[i].offset), true);
    out = put(out, "id", sherd_span_of(uri->id, uri->id_bytes), false);
    *out = '\0';
}
