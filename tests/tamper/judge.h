/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/tamper/judge.h
 * What each call must say when one stored thing of a record was changed, moved or removed.
 */
#ifndef SHERD_TESTS_TAMPER_JUDGE_H
#define SHERD_TESTS_TAMPER_JUDGE_H

#include "attack.h"
#include "victim.h"

/** Kinds of things, as docs/format/envelope.md numbers them. */
enum {
    KIND_BLOB = 0,
    KIND_COMPARTMENT = 1,
    KIND_MAP = 2,
    KIND_LONG_MAP = 3,
    KIND_COLLECTION = 4,
    KIND_PIN = 5,
    KIND_OLD_PIN = 6,
    KIND_ENTITY_KEY = 7,
    KIND_COLLECTION_PIN = 8,
    KIND_IDEMPOTENCY = 9,
    KIND_PRINCIPAL = 10,
    KIND_KEYRING_PIN = 11,
    KIND_ENTITY_LOOKUP = 12,
    KIND_OLD_ENTITY_KEY = 13,
    KIND_FRAGMENT = 128,
    KIND_ROW = 129,
};

bool is_map(const struct thing *thing);
bool is_fragment(const struct thing *thing);
/** A pin, map entry or fragment of a version: what each read of that version needs. */
bool is_part(const struct thing *thing);

/** Find a part. @param[in] kind  KIND_PIN, KIND_MAP or KIND_FRAGMENT, whatever form the version has of it */
const struct thing *part_of(const struct things *things, const struct record *records, size_t record, uint64_t version,
                            unsigned kind);

/** Store a record as number *count, and look what it brought. */
void judge_put(struct victim *victim, struct attacker *attacker, struct things *things, struct record *records,
               size_t *count, const struct sherd_record_meta *meta, size_t len);
/** Store a new version of record number index, and look what it brought. */
void judge_update(struct victim *victim, struct attacker *attacker, struct things *things, struct record *records,
                  size_t index, uint32_t kept, size_t len);

/**
 * A part was changed: every call that needs it must say SHERD_ERR_TAMPERED, and no other call may.
 */
void judge_part(struct victim *victim, const struct record *records, const struct thing *thing);

/** All versions of all records must read right, be listed and verify. */
void judge_well(struct victim *victim, const struct record *records, size_t count);

#endif
