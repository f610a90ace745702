/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sherd.h
 * All of Sherd's public interface.
 */
#ifndef SHERD_SHERD_H
#define SHERD_SHERD_H

#include <sherd/audit.h>
#include <sherd/backup.h>
#include <sherd/collection.h>
#include <sherd/err.h>
#include <sherd/identity.h>
#include <sherd/keys.h>
#include <sherd/ledger.h>
#include <sherd/maintain.h>
#include <sherd/outside.h>
#include <sherd/receipt.h>
#include <sherd/query.h>
#include <sherd/record.h>
#include <sherd/rights.h>
#include <sherd/scrub.h>
#include <sherd/secret.h>
#include <sherd/seal.h>
#include <sherd/span.h>
#include <sherd/uuid.h>
#include <sherd/vault.h>

#endif
