/* SPDX-License-Identifier: Apache-2.0 */
/* What each call must say: see judge.h. */
#include "judge.h"
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

bool is_map(const struct thing *thing)
{
    return thing->kind == KIND_MAP || thing->kind == KIND_LONG_MAP;
}

bool is_fragment(const struct thing *thing)
{
    return thing->role == SECRETS && thing->kind != KIND_COMPARTMENT;
}

static bool is_pin(const struct thing *thing)
{
    return thing->kind == KIND_PIN || thing->kind == KIND_OLD_PIN;
}

bool is_part(const struct thing *thing)
{
    return thing->record >= 0 && (is_pin(thing) || is_map(thing) || is_fragment(thing));
}

const struct thing *part_of(const struct things *things, const struct record *records, size_t record, uint64_t version,
                            unsigned kind)
{
    const bool current = version == records[record].versions;

    for (size_t i = 0; i < things->count; i++) {
        const struct thing *thing = &things->at[i];

        if (thing->record != (int)record)
            continue;
        if (kind == KIND_PIN && current && thing->kind == KIND_PIN)
            return thing;
        if (thing->version != version || (kind == KIND_PIN && current))
            continue;
        if ((kind == KIND_PIN && thing->kind == KIND_OLD_PIN) || (kind == KIND_MAP && is_map(thing)) ||
            (kind == KIND_FRAGMENT && is_fragment(thing)))
            return thing;
    }
    fail_msg("a record has no part of kind %u", kind);
    return NULL;
}

void judge_put(struct victim *victim, struct attacker *attacker, struct things *things, struct record *records,
               size_t *count, const struct sherd_record_meta *meta, size_t len)
{
    victim_put(victim, meta, 100 + (unsigned)*count, len, &records[*count]);
    (void)attacker_look(attacker, things, (int)*count, 1);
    ++*count;
}

void judge_update(struct victim *victim, struct attacker *attacker, struct things *things, struct record *records,
                  size_t index, uint32_t kept, size_t len)
{
    struct record *record = &records[index];

    victim_update(victim, record, 10000 + 100 * (unsigned)index + (unsigned)record->versions, len, kept);
    const size_t before = attacker_look(attacker, things, (int)index, record->versions);
    for (size_t i = before; i < things->count; i++)
        if (things->at[i].kind == KIND_OLD_PIN)
            things->at[i].version--;
}

static enum sherd_err wanted(bool needs_it)
{
    return needs_it ? SHERD_ERR_TAMPERED : SHERD_OK;
}

void judge_part(struct victim *victim, const struct record *records, const struct thing *thing)
{
    const struct record *record = &records[thing->record];
    const bool current = thing->version == record->versions || thing->kind == KIND_PIN;
    const bool for_stat = is_pin(thing) || is_map(thing);
    const uint64_t version = thing->kind == KIND_PIN ? record->versions : thing->version;

    assert_true(is_part(thing));
    assert_int_equal(victim_get(victim, record, version), SHERD_ERR_TAMPERED);
    assert_int_equal(victim_read(victim, record, version), SHERD_ERR_TAMPERED);
    assert_int_equal(victim_stat(victim, record, version), wanted(for_stat));
    assert_int_equal(victim_get(victim, record, 0), wanted(current));
    assert_int_equal(victim_stat(victim, record, 0), wanted(for_stat && current));
    assert_int_equal(victim_verify(victim, record), SHERD_ERR_TAMPERED);
}

void judge_well(struct victim *victim, const struct record *records, size_t count)
{
    struct sherd_verify_stat stat;

    for (size_t i = 0; i < count; i++)
        for (uint64_t version = records[i].oldest; version <= records[i].versions; version++) {
            assert_int_equal(victim_get(victim, &records[i], version), SHERD_OK);
            assert_int_equal(victim_read(victim, &records[i], version), SHERD_OK);
            assert_int_equal(victim_stat(victim, &records[i], version), SHERD_OK);
        }
    assert_int_equal(victim_list(victim, records, count), SHERD_OK);
    assert_int_equal(victim_verify_all(victim, &stat), SHERD_OK);
    assert_int_equal(stat.record_count, count);
}
