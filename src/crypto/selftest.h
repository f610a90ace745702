/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/selftest.h
 * The known-answer tests, for init.c alone, which opens the gate to them. See sherd_crypto_selftest().
 */
#ifndef SHERD_CRYPTO_SELFTEST_H
#define SHERD_CRYPTO_SELFTEST_H

#include "base/macros.h"

SHERD_MUST_USE enum sherd_err sherd_selftest_run(const char *broken);

#endif
