/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kms/args.h
 * The arguments of generators and key stores: as text, one name=value a line, and as pairs.
 */
#ifndef SHERD_KMS_ARGS_H
#define SHERD_KMS_ARGS_H

#include "base/macros.h"
#include <sherd/provider/key.h>

/** Arguments with the memory that they lie in. Do not copy: the pairs point into it. */
struct sherd_key_arg_list {
    struct sherd_key_arg list[SHERD_KEY_ARGS_MAX];
    size_t count;
    char text[SHERD_KEY_ARGS_BYTES_MAX + 1];
};

/**
 * Read arguments from text: lines of name=value, each name once. The last line may lack its newline.
 * @param[in]  text      at most SHERD_KEY_ARGS_BYTES_MAX bytes; NULL for none
 * @param[out] out_args  the pairs, in the order of the text
 * @return SHERD_OK; SHERD_ERR_INVALID: the detail says what is wrong, without the value; SHERD_ERR_LIMIT
 */
SHERD_MUST_USE enum sherd_err sherd_key_args_parse(const char *text, struct sherd_key_arg_list *out_args);

/** The pairs, borrowed. */
static inline struct sherd_key_args sherd_key_args_of(const struct sherd_key_arg_list *args)
{
    const struct sherd_key_args pairs = {args->list, args->count};

    return pairs;
}

/** The value of an argument; NULL if it is not given. */
const char *sherd_key_arg(const struct sherd_key_args *args, const char *name);

/**
 * A number.
 * @param[in,out] number  unchanged where the argument is not given
 * @return SHERD_OK; SHERD_ERR_INVALID: no number, or not within least..most
 */
SHERD_MUST_USE enum sherd_err sherd_key_arg_number(const struct sherd_key_args *args, const char *name, uint64_t least,
                                                   uint64_t most, uint64_t *number);

#endif
