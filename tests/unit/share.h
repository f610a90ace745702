/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/share.h
 * Shares for tests: dealt at random, or those that tests/vectors/gen_share.py prints.
 */
#ifndef SHERD_TESTS_UNIT_SHARE_H
#define SHERD_TESTS_UNIT_SHARE_H

#include "anchor/seal/share.h"
#include "base/random.h"
#include "hex.h"
#include <stdbool.h>
#include <string.h>

static const uint8_t share_secret[SHERD_SHARE_SECRET_SIZE] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                                              11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                                              22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
static const uint8_t share_set_id[SHERD_SHARE_SET_ID_SIZE] = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7};

struct share_fixture {
    struct sherd_share shares[SHERD_SHARE_COUNT_MAX];
    struct sherd_share_set set;
};

/** Deal Shamir shares of share_secret; free with test_free(). set_id may be NULL. */
__attribute__((unused)) static struct share_fixture *share_deal(size_t threshold, size_t count, uint32_t generation,
                                                                const uint8_t *set_id)
{
    const struct sherd_share_deal deal = {
        .kind = SHERD_SHARE_SHAMIR, .threshold = threshold, .count = count, .generation = generation, .set_id = set_id};
    struct share_fixture *dealt = test_malloc(sizeof(*dealt));

    assert_int_equal(sherd_share_split(share_secret, &deal, dealt->shares, &dealt->set), SHERD_OK);
    return dealt;
}

static enum sherd_err share_known_fill(uint8_t *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        block[i] = (uint8_t)(i * 73 + 19);
    return SHERD_OK;
}

/** The shares of gen_share.py: 2 of 3, generation 2. */
__attribute__((unused)) static struct share_fixture *share_deal_known(void)
{
    static const struct sherd_random_source known = {.fill = share_known_fill};
    struct share_fixture *dealt;

    sherd_random_set(&known);
    dealt = share_deal(2, 3, 2, share_set_id);
    sherd_random_set(NULL);
    return dealt;
}

/** Whether the last failure's text holds these words. */
__attribute__((unused)) static bool share_said(const char *words)
{
    if (strstr(sherd_err_detail(), words) != NULL)
        return true;
    print_error("said \"%s\", and not \"%s\"\n", sherd_err_detail(), words);
    return false;
}

#endif
