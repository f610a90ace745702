/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz/ledger.h
 * What the fuzz targets of the ledger share: a policy whose keys signed some of the seeds.
 */
#ifndef SHERD_FUZZ_LEDGER_H
#define SHERD_FUZZ_LEDGER_H

#include "base/bytes.h"
#include "ledger/policy.h"
#include <stdlib.h>

/* The keys of the seeds 1 and 2, 32 times that byte. */
#define FUZZ_POLICY                                                                 \
    "log sherd.example/log+8a3742f1+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c\n" \
    "witness w w2.example+c56c0ee5+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU\n"  \
    "quorum w\n"

__attribute__((unused)) static const struct sherd_policy *fuzz_policy(void)
{
    static struct sherd_policy *policy;

    if (policy == NULL && sherd_policy_parse(sherd_span_str(FUZZ_POLICY), &policy) != SHERD_OK)
        abort();
    return policy;
}

/** What it says does not matter, only that it comes back. */
__attribute__((unused)) static void fuzz_ignore(enum sherd_err err)
{
    (void)err;
}

/** Stops unless what was read is written as it was. Ends the buffer. */
__attribute__((unused)) static void fuzz_same(enum sherd_err err, struct sherd_buf *again, struct sherd_span input)
{
    if (err != SHERD_OK || !sherd_span_equal(sherd_buf_span(again), input))
        abort();
    sherd_buf_done(again);
}

#endif
