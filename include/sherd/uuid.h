/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file uuid.h
 * Names that the outside world sees: random UUIDs, version 4 of RFC 9562 and no other, since a time or a host in a name
 * would join what is kept apart.
 */
#ifndef SHERD_UUID_H
#define SHERD_UUID_H

#include <sherd/err.h>
#include <sherd/span.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A UUID in network order. */
struct sherd_uuid {
    uint8_t bytes[16];
};

/** Characters of a UUID as text, with the final zero byte. */
#define SHERD_UUID_TEXT_SIZE 37

/**
 * Draw a random UUID.
 * @param[out] out_uuid  122 random bits, version 4, variant 10
 * @return SHERD_OK; SHERD_ERR_IO if the system gives no randomness
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_uuid_new(struct sherd_uuid *out_uuid);

/**
 * Read a UUID from its text, 8-4-4-4-12 hexadecimal digits in either case, and nothing else around it.
 * @param[in]  text      characters, with a final zero byte
 * @param[out] out_uuid  the UUID
 * @return SHERD_OK; SHERD_ERR_INVALID if it is no version 4 UUID
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_uuid_parse(const char *text, struct sherd_uuid *out_uuid);

/** Write a UUID as text, in lower case, with a final zero byte. */
SHERD_API void sherd_uuid_format(struct sherd_uuid uuid, char out_text[SHERD_UUID_TEXT_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
