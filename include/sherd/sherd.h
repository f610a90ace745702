/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sherd.h
 * All of Sherd's public interface.
 */
#ifndef SHERD_SHERD_H
#define SHERD_SHERD_H

#include <sherd/backup.h>
#include <sherd/collection.h>
#include <sherd/err.h>
#include <sherd/identity.h>
#include <sherd/keys.h>
#include <sherd/maintain.h>
#include <sherd/receipt.h>
#include <sherd/query.h>
#include <sherd/record.h>
#include <sherd/rights.h>
#include <sherd/secret.h>
#include <sherd/seal.h>
#include <sherd/span.h>
#include <sherd/uuid.h>
#include <sherd/vault.h>

#endif
