/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of an anchor in a process of its own: see wire.h and docs/format/agent.md. */
#include "anchor/agent/wire_inside.h"

/* --- parts of messages -------------------------------------------------------------------------------------------- */

/* All but the wrapped key. */
static void code_pin_facts(struct sherd_wire *wire, struct sherd_pin *pin)
{
    code_uuid(wire, &pin->collection);
    code_ref(wire, &pin->entity);
    code_uuid(wire, &pin->record);
    code_u64(wire, &pin->version);
    code_u64(wire, &pin->version_oldest);
    code_u64(wire, &pin->fragment_bytes);
    code_u64(wire, &pin->created_s);
    code_digest(wire, &pin->digest);
    code_ref(wire, &pin->map);
    code_u64(wire, &pin->entity_key_version);
    code_u64(wire, &pin->secrets_key_version);
    code_u64(wire, &pin->epoch);
    code_u16(wire, &pin->round);
    code_bool(wire, &pin->has_idempotency);
    if (pin->has_idempotency)
        code_ref(wire, &pin->idempotency);
    code_bool(wire, &pin->has_named_key);
    if (pin->has_named_key) {
        code_ref(wire, &pin->named_key);
        code_u64(wire, &pin->named_key_version);
    }
}

static void code_pin(struct sherd_wire *wire, struct sherd_pin *pin)
{
    code_pin_facts(wire, pin);
    code_fixed(wire, pin->key.bytes, sizeof(pin->key.bytes));
}

static void code_rules(struct sherd_wire *wire, struct sherd_collection *rules)
{
    code_text(wire, rules->name, sizeof(rules->name));
    code_u32(wire, &rules->versions_kept);
    code_bool(wire, &rules->exact_sizes);
    code_bool(wire, &rules->derived_entity_keys);
    code_text(wire, rules->master_key, sizeof(rules->master_key));
    code_text(wire, rules->key, sizeof(rules->key));
    code_bool(wire, &rules->asynchronous);
}

/* All but the wrapped key. */
static void code_entity_facts(struct sherd_wire *wire, struct sherd_entity_key_entry *entity)
{
    code_uuid(wire, &entity->collection);
    code_ref(wire, &entity->entity);
    code_u64(wire, &entity->version);
    code_u64(wire, &entity->version_oldest);
    code_ref(wire, &entity->master);
    code_u64(wire, &entity->epoch);
    entity->state = (enum sherd_entity_state)code_enum(wire, (unsigned)entity->state, SHERD_ENTITY_LIVE,
                                                       SHERD_ENTITY_ERASED);
    code_bool(wire, &entity->derived);
    code_text(wire, entity->entity_id, sizeof(entity->entity_id));
}

static void code_progress_of_shares(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_progress *progress = message;

    code_u8(wire, &progress->seal);
    code_u8(wire, &progress->given);
    code_u8(wire, &progress->threshold);
    code_u8(wire, &progress->count);
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

static void code_number(struct sherd_wire *wire, void *message)
{
    code_u64(wire, &((struct sherd_wire_number *)message)->number);
}

static void code_one_role(struct sherd_wire *wire, void *message)
{
    code_role(wire, &((struct sherd_wire_role *)message)->role);
}

static void code_one_ref(struct sherd_wire *wire, void *message)
{
    code_ref(wire, &((struct sherd_wire_ref *)message)->ref);
}

static void code_one_uuid(struct sherd_wire *wire, void *message)
{
    code_uuid(wire, &((struct sherd_wire_uuid *)message)->id);
}

static void code_hello(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_hello *hello = message;

    code_u64(wire, &hello->protocol);
    code_uuid(wire, &hello->deployment);
    code_uuid(wire, &hello->tenant);
    code_text(wire, hello->seal, sizeof(hello->seal));
    code_bool(wire, &hello->memory_locked);
    code_bool(wire, &hello->memory_secret);
    code_bool(wire, &hello->fips);
}

static void code_status(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_status *status = message;

    code_u64(wire, &status->protocol);
    code_u64(wire, &status->pid);
    code_bool(wire, &status->sealed);
    code_text(wire, status->seal, sizeof(status->seal));
    code_u64(wire, &status->idle_s);
    code_u64(wire, &status->idle_left_s);
    code_u64(wire, &status->unsealed_s);
    code_u32(wire, &status->peers);
    code_bool(wire, &status->operators);
    code_bool(wire, &status->rotates);
    code_bool(wire, &status->rotating);
    code_u64(wire, &status->rotated_s);
    code_text(wire, status->rotated, sizeof(status->rotated));
    code_text(wire, status->rotation_error, sizeof(status->rotation_error));
    sherd_wire_code_scrubbing(wire, status);
    code_u32(wire, &status->witnesses);
    code_u32(wire, &status->cosigners);
    code_u64(wire, &status->cosigned_s);
    code_u64(wire, &status->cosigned_size);
    code_text(wire, status->outside_error, sizeof(status->outside_error));
}

static void code_key_store(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_key_store *key_store = message;

    code_bool(wire, &key_store->given);
    if (!key_store->given)
        return;
    code_text(wire, key_store->path, sizeof(key_store->path));
    code_span(wire, &key_store->password, SHERD_KEY_STORE_PASSWORD_BYTES_MAX);
    if (key_store->password.len == 0)
        fail(wire);
}

static void code_unseal(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_unseal *unseal = message;

    unseal->kind = (enum sherd_wire_unseal_kind)code_enum(wire, (unsigned)unseal->kind, SHERD_WIRE_PASSPHRASE,
                                                          SHERD_WIRE_KEY_STORE);
    code_bool(wire, &unseal->has_idle);
    if (unseal->has_idle)
        code_u64(wire, &unseal->idle_s);
    code_bool(wire, &unseal->unwitnessed);
    code_span(wire, &unseal->secret, SHERD_WIRE_UNSEAL_BYTES_MAX);
    code_key_store(wire, &unseal->key_store);
    if (unseal->kind == SHERD_WIRE_KEY_STORE ? unseal->secret.len > 0 || !unseal->key_store.given
                                             : unseal->secret.len == 0)
        fail(wire);
}

static void code_unsealed(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_unsealed *unsealed = message;

    code_bool(wire, &unsealed->unsealed);
    code_progress_of_shares(wire, &unsealed->progress);
    code_text(wire, unsealed->holders, sizeof(unsealed->holders));
    code_text(wire, unsealed->missing, sizeof(unsealed->missing));
}

static void code_lease(struct sherd_wire *wire, void *message)
{
    struct sherd_raw_lease *lease = message;

    code_fixed(wire, lease->name, sizeof(lease->name));
    code_u32(wire, &lease->seal.newest);
    lease->seal.count = (uint32_t)code_uint(wire, 1, lease->seal.count, SHERD_STORE_VERSIONS_MAX);
    if (lease->seal.count < 1 || lease->seal.count > lease->seal.newest)
        fail(wire);
    for (uint32_t i = 0; i < lease->seal.count; i++)
        code_fixed(wire, lease->seal.keys[i], sizeof(lease->seal.keys[i]));
}

static void code_check(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_stored *stored = message;

    code_role(wire, &stored->role);
    code_span(wire, &stored->stored, SHERD_ENTRY_BYTES_MAX);
}

static void code_own_entry(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_stored *stored = message;

    code_ref(wire, &stored->name);
    code_span(wire, &stored->stored, SHERD_ENTRY_BYTES_MAX);
}

static void code_resealed(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_stored *stored = message;

    code_span(wire, &stored->stored, SHERD_ENTRY_BYTES_MAX);
}

static void code_key_new(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_key_new *call = message;

    code_uuid(wire, &call->collection.id);
    code_rules(wire, &call->collection.rules);
    code_text(wire, call->entity_id, sizeof(call->entity_id));
    code_uuid(wire, &call->record);
    code_u64(wire, &call->version);
}

static void code_made(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_made *made = message;

    code_pin(wire, &made->pin);
    code_fixed(wire, made->key.bytes, sizeof(made->key.bytes));
}

static void code_part(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_stored *part = message;

    code_role(wire, &part->role);
    code_ref(wire, &part->name);
    code_span(wire, &part->stored, SHERD_ENTRY_BYTES_MAX);
}

static void code_parts_sweep(struct sherd_wire *wire, void *message)
{
    code_bool(wire, &((struct sherd_wire_parts_sweep *)message)->dry_run);
}

static void code_live(struct sherd_wire *wire, void *message)
{
    code_bool(wire, &((struct sherd_wire_live *)message)->live);
}

static void code_change(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_change *item = message;
    struct sherd_pin_change *change = &item->change;

    code_pin(wire, &change->pin);
    code_u64(wire, &change->version_expected);
    code_u32(wire, &change->versions_kept);
    code_span(wire, &change->idempotency_key, SHERD_IDEMPOTENCY_KEY_BYTES_MAX);
    code_digest(wire, &change->content_hash);
    code_ref(wire, &change->fragment);
    code_digest(wire, &change->map_digest);
    code_bool(wire, &change->readable);
    code_bool(wire, &item->with_key);
    if (item->with_key)
        code_fixed(wire, item->key.bytes, sizeof(item->key.bytes));
}

static void code_keys_check(struct sherd_wire *wire, void *message)
{
    struct sherd_keys_check *check = message;

    code_u64(wire, &check->entry_count);
    code_u64(wire, &check->log_size);
    code_u64(wire, &check->pending_count);
    code_bool(wire, &check->agrees);
    code_bool(wire, &check->log_verifies);
    code_u64(wire, &check->join_count);
    code_u64(wire, &check->joins_lost);
    code_bool(wire, &check->joins_verify);
    code_u64(wire, &check->joins_first);
    code_u64(wire, &check->joins_last);
    code_digest(wire, &check->joins_name);
    code_digest(wire, &check->difference);
}

static void code_entry_resealed(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_resealed *item = message;

    code_role(wire, &item->role);
    code_ref(wire, &item->name);
    code_digest(wire, &item->digest);
}

static void code_joins(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_joins *rule = message;

    code_bool(wire, &rule->set);
    code_bool(wire, &rule->strict);
}

/* The version that is replaced is the pin's own. */
static void code_replacement(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_change *item = message;

    code_pin(wire, &item->change.pin);
    code_ref(wire, &item->change.map_expected);
    code_ref(wire, &item->change.fragment);
    code_digest(wire, &item->change.map_digest);
    code_bool(wire, &item->change.readable);
    item->change.reseals = true;
    code_bool(wire, &item->with_key);
    if (item->with_key)
        code_fixed(wire, item->key.bytes, sizeof(item->key.bytes));
}

static void code_one_pin(struct sherd_wire *wire, void *message)
{
    code_pin_facts(wire, &((struct sherd_wire_pin *)message)->pin);
}

static void code_row_sign(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_row_sign *call = message;

    code_pin_facts(wire, &call->pin);
    code_digest(wire, &call->body);
}

static void code_signature(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_signature *reply = message;

    code_fixed(wire, reply->bytes, sizeof(reply->bytes));
}

static void code_rows_sum(struct sherd_wire *wire, void *message)
{
    struct sherd_rows_sum *sum = message;

    code_u64(wire, &sum->count);
    code_digest(wire, &sum->sum);
    code_fixed(wire, sum->key, sizeof(sum->key));
}

static void code_round(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_number *round = message;
    uint16_t number = (uint16_t)round->number;

    code_u16(wire, &number);
    round->number = number;
}

static void code_pin_get(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_pin_get *call = message;

    code_uuid(wire, &call->record);
    code_u64(wire, &call->version);
    code_bool(wire, &call->with_key);
}

static void code_got(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_got *got = message;

    code_pin(wire, &got->view.pin);
    code_u64(wire, &got->view.version_current);
    code_u64(wire, &got->view.version_oldest);
    sherd_wire_code_told(wire, &got->view);
    code_bool(wire, &got->with_key);
    if (got->with_key)
        code_fixed(wire, got->key.bytes, sizeof(got->key.bytes));
}

static void code_scan(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_scan *scan = message;

    code_bool(wire, &scan->from_first);
    if (!scan->from_first)
        code_ref(wire, &scan->after);
    code_u32(wire, &scan->count_max);
}

static void code_scanned(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_scanned *scanned = message;

    code_bool(wire, &scanned->end);
    code_u32(wire, &scanned->count);
    code_ref(wire, &scanned->last);
}

/* What an entry of a scan says, by which of its pointers is there. */
enum entry_part { PART_NONE, PART_PIN, PART_COLLECTION, PART_ENTITY };

static enum entry_part part_of(const struct sherd_anchor_entry *entry)
{
    if (entry->pin != NULL)
        return PART_PIN;
    if (entry->collection != NULL)
        return PART_COLLECTION;
    return entry->entity != NULL ? PART_ENTITY : PART_NONE;
}

static void code_entry_part(struct sherd_wire *wire, struct sherd_wire_entry *entry, enum entry_part part)
{
    switch (part) {
    case PART_PIN:
        code_pin_facts(wire, &entry->pin);
        code_bool(wire, &entry->entry.erased);
        entry->entry.pin = &entry->pin;
        break;
    case PART_COLLECTION:
        code_uuid(wire, &entry->collection);
        entry->entry.collection = &entry->collection;
        break;
    case PART_ENTITY:
        code_entity_facts(wire, &entry->entity);
        entry->entry.entity = &entry->entity;
        break;
    case PART_NONE: break;
    }
}

/* What is said of an entry of a scan. */
enum entry_word { WORD_OK, WORD_TAMPERED, WORD_REFUSED };

static enum entry_word word_of(enum sherd_err status)
{
    if (status == SHERD_OK)
        return WORD_OK;
    return status == SHERD_ERR_DENIED ? WORD_REFUSED : WORD_TAMPERED;
}

static void code_entry(struct sherd_wire *wire, void *message)
{
    static const enum sherd_err statuses[] = {SHERD_OK, SHERD_ERR_TAMPERED, SHERD_ERR_DENIED};
    struct sherd_wire_entry *entry = message;

    code_ref(wire, &entry->entry.name);
    entry->entry.kind = (enum sherd_kind)code_enum(wire, (unsigned)entry->entry.kind, 0, UINT8_MAX);
    entry->entry.status = statuses[code_enum(wire, word_of(entry->entry.status), WORD_OK, WORD_REFUSED)];
    code_bool(wire, &entry->entry.pinned_damaged);
    code_entry_part(wire, entry, (enum entry_part)code_enum(wire, part_of(&entry->entry), PART_NONE, PART_ENTITY));
}

static void code_idempotency(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_idempotency *call = message;

    code_uuid(wire, &call->collection);
    code_span(wire, &call->key, SHERD_IDEMPOTENCY_KEY_BYTES_MAX);
    code_digest(wire, &call->content_hash);
}

static void code_collection(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_collection *call = message;

    code_uuid(wire, &call->collection);
    code_digest(wire, &call->digest);
}

static void code_master_options(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_master_options *options = message;

    code_text(wire, options->name, sizeof(options->name));
    code_option(wire, &options->has_generator, options->generator, sizeof(options->generator));
    code_option(wire, &options->has_store, options->store, sizeof(options->store));
    code_option(wire, &options->has_args, options->args, sizeof(options->args));
}

static void code_master_info(struct sherd_wire *wire, void *message)
{
    struct sherd_master_info *info = message;

    code_text(wire, info->name, sizeof(info->name));
    code_u64(wire, &info->version);
    code_fixed(wire, info->kid, sizeof(info->kid));
    info->state = (enum sherd_master_state)code_enum(wire, (unsigned)info->state, SHERD_MASTER_ACTIVE,
                                                     SHERD_MASTER_ENDING);
    code_bool(wire, &info->wraps);
    code_text(wire, info->generator, sizeof(info->generator));
    code_text(wire, info->store, sizeof(info->store));
    code_text(wire, info->args, sizeof(info->args));
    code_text(wire, info->outside_id, sizeof(info->outside_id));
    code_u64(wire, &info->created_s);
    code_u64(wire, &info->protection);
    code_u64(wire, &info->wraps_counted);
    code_u64(wire, &info->entities_counted);
    code_u64(wire, &info->limit);
}

static void code_master(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_master *master = message;

    code_text(wire, master->name, sizeof(master->name));
    code_u64(wire, &master->version);
}

static void code_policy(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_policy *of = message;
    struct sherd_key_policy *policy = &of->policy;

    code_text(wire, of->name, sizeof(of->name));
    code_u64(wire, &policy->age_s_max);
    code_u64(wire, &policy->wraps_max);
    code_u64(wire, &policy->entities_max);
    policy->schedule = (enum sherd_key_schedule)code_enum(wire, (unsigned)policy->schedule, SHERD_SCHEDULE_NONE,
                                                          SHERD_SCHEDULE_WEEKLY);
    policy->weekday = (unsigned)code_uint(wire, 1, policy->weekday, 6);
    policy->minute = (unsigned)code_uint(wire, 2, policy->minute, 24 * 60 - 1);
    code_u64(wire, &policy->limit);
    code_u64(wire, &policy->floor);
    code_bool(wire, &policy->destroy);
}

static void code_policy_set(struct sherd_wire *wire, void *message)
{
    code_policy(wire, message);
    code_bool(wire, &((struct sherd_wire_policy *)message)->lower_floor);
}

static void code_entity(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_entity *entity = message;

    code_uuid(wire, &entity->collection);
    code_text(wire, entity->entity_id, sizeof(entity->entity_id));
}

static void code_rekey_scope(struct sherd_wire *wire, void *message)
{
    struct sherd_rekey_scope *scope = message;

    code_bool(wire, &scope->one_collection);
    code_uuid(wire, &scope->collection);
    code_bool(wire, &scope->one_entity);
    code_ref(wire, &scope->entity);
    code_bool(wire, &scope->one_key);
    code_ref(wire, &scope->key);
    code_bool(wire, &scope->under_key);
    code_bool(wire, &scope->fresh_keys);
}

static void code_rekey_progress(struct sherd_wire *wire, void *message)
{
    struct sherd_rekey_progress *progress = message;

    code_u64(wire, &progress->seen);
    code_u64(wire, &progress->entity_count);
    code_u64(wire, &progress->record_count);
    code_bool(wire, &progress->instant_wanted);
    code_bool(wire, &progress->done);
    code_u64(wire, &progress->resealed_count);
    code_u8(wire, &progress->reseal_wanted);
}

static void code_protection_info(struct sherd_wire *wire, void *message)
{
    struct sherd_protection_info *info = message;

    code_u64(wire, &info->version);
    code_u64(wire, &info->created_s);
    code_bool(wire, &info->serves);
    code_bool(wire, &info->outside);
    code_u32(wire, &info->master_count);
    code_u32(wire, &info->old_count);
    code_text(wire, info->key_store, sizeof(info->key_store));
}

static void code_stat(struct sherd_wire *wire, void *message)
{
    struct sherd_store_stat *stat = message;

    code_u64(wire, &stat->entry_count);
    code_u64(wire, &stat->entry_bytes);
    code_u64(wire, &stat->blob_count);
    code_u64(wire, &stat->blob_bytes);
}

static void code_owner(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_owner *owner = message;

    code_ref(wire, &owner->name);
    code_bool(wire, &owner->there);
    code_bool(wire, &owner->valid);
}

static void code_file(struct sherd_wire *wire, void *message)
{
    code_span(wire, &((struct sherd_wire_file *)message)->bytes, SHERD_WIRE_FILE_BYTES_MAX);
}

static void code_piece(struct sherd_wire *wire, void *message)
{
    code_block(wire, &((struct sherd_wire_piece *)message)->bytes);
}

static void code_state(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_state *state = message;

    code_u32(wire, &state->generation);
    code_u64(wire, &state->epoch);
    code_u64(wire, &state->epoch_older);
    code_u64(wire, &state->seals_bytes);
    code_u64(wire, &state->keyring_bytes);
    code_fixed(wire, state->key, sizeof(state->key));
}

static void code_after(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_after *call = message;

    code_bool(wire, &call->from_first);
    if (!call->from_first)
        code_ref(wire, &call->after);
}

static void code_row(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_row *row = message;

    code_ref(wire, &row->name);
    code_block(wire, &row->stored);
}

static void code_statement(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_statement *call = message;

    call->kind = (enum sherd_receipt_kind)code_enum(wire, (unsigned)call->kind, SHERD_RECEIPT_RECORDS,
                                                    SHERD_RECEIPT_DESTROYED);
    code_bool(wire, &call->has_entity);
    if (call->has_entity) {
        code_text(wire, call->collection, sizeof(call->collection));
        code_text(wire, call->entity, sizeof(call->entity));
    }
    code_bool(wire, &call->has_master);
    if (call->has_master)
        code_master(wire, &call->master);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

#define HEAD(code, type) {.head = (code), .head_bytes = sizeof(type)}
#define LIST(code, type) {.item = (code), .item_bytes = sizeof(type)}
#define KEYS(code, type) {.keys = true, .item = (code), .item_bytes = sizeof(type)}
#define BOTH(code, type, item_code, item_type) \
    {.head = (code), .head_bytes = sizeof(type), .item = (item_code), .item_bytes = sizeof(item_type)}

static const struct sherd_wire_call calls[SHERD_WIRE_VERB_COUNT] = {
    [SHERD_WIRE_HELLO] = {"hello", HEAD(code_number, struct sherd_wire_number),
                          HEAD(code_hello, struct sherd_wire_hello)},
    [SHERD_WIRE_STATUS] = {.name = "status",
                           .reply = BOTH(code_status, struct sherd_wire_status, code_progress_of_shares,
                                         struct sherd_wire_progress)},
    [SHERD_WIRE_UNSEAL] = {"unseal", HEAD(code_unseal, struct sherd_wire_unseal),
                           HEAD(code_unsealed, struct sherd_wire_unsealed)},
    [SHERD_WIRE_SEAL] = {.name = "seal"},
    [SHERD_WIRE_LEASE] = {"lease", HEAD(code_one_role, struct sherd_wire_role),
                          HEAD(code_lease, struct sherd_raw_lease)},
    [SHERD_WIRE_COMPARTMENT_ENTRY] = {"compartment_entry", HEAD(code_one_role, struct sherd_wire_role),
                                      HEAD(code_own_entry, struct sherd_wire_stored)},
    [SHERD_WIRE_COMPARTMENT_CHECK] = {.name = "compartment_check", .call = HEAD(code_check, struct sherd_wire_stored)},
    [SHERD_WIRE_KEY_NEW] = {"key_new", HEAD(code_key_new, struct sherd_wire_key_new),
                            HEAD(code_made, struct sherd_wire_made)},
    [SHERD_WIRE_PIN_COMMIT] = {"pin_commit", KEYS(code_change, struct sherd_wire_change),
                               LIST(code_one_ref, struct sherd_wire_ref)},
    [SHERD_WIRE_PIN_GET] = {"pin_get", HEAD(code_pin_get, struct sherd_wire_pin_get),
                            HEAD(code_got, struct sherd_wire_got)},
    [SHERD_WIRE_PIN_DELETE] = {"pin_delete", HEAD(code_one_uuid, struct sherd_wire_uuid),
                               LIST(code_one_ref, struct sherd_wire_ref)},
    [SHERD_WIRE_SCAN] = {"scan", HEAD(code_scan, struct sherd_wire_scan),
                         BOTH(code_scanned, struct sherd_wire_scanned, code_entry, struct sherd_wire_entry)},
    [SHERD_WIRE_IDEMPOTENCY_GET] = {"idempotency_get", HEAD(code_idempotency, struct sherd_wire_idempotency),
                                    HEAD(code_one_uuid, struct sherd_wire_uuid)},
    [SHERD_WIRE_PART_CHECK] = {"part_check", HEAD(code_part, struct sherd_wire_stored),
                               HEAD(code_live, struct sherd_wire_live)},
    [SHERD_WIRE_PARTS_SWEEP] = {"parts_sweep", HEAD(code_parts_sweep, struct sherd_wire_parts_sweep),
                                HEAD(code_number, struct sherd_wire_number)},
    [SHERD_WIRE_COLLECTION_PIN] = {.name = "collection_pin",
                                   .call = HEAD(code_collection, struct sherd_wire_collection)},
    [SHERD_WIRE_COLLECTION_CHECK] = {.name = "collection_check",
                                     .call = HEAD(code_collection, struct sherd_wire_collection)},
    [SHERD_WIRE_MASTER_ACTIVATE] = {"master_activate", HEAD(code_master_options, struct sherd_wire_master_options),
                                    HEAD(code_number, struct sherd_wire_number)},
    [SHERD_WIRE_MASTER_EACH] = {.name = "master_each", .reply = LIST(code_master_info, struct sherd_master_info)},
    [SHERD_WIRE_MASTER_RETIRE] = {.name = "master_retire", .call = HEAD(code_master, struct sherd_wire_master)},
    [SHERD_WIRE_MASTER_DESTROY] = {.name = "master_destroy", .call = HEAD(code_master, struct sherd_wire_master)},
    [SHERD_WIRE_ENTITY_FIND] = {"entity_find", HEAD(code_entity, struct sherd_wire_entity),
                                HEAD(code_one_ref, struct sherd_wire_ref)},
    [SHERD_WIRE_ENTITY_ERASE] = {.name = "entity_erase", .call = HEAD(code_entity, struct sherd_wire_entity)},
    [SHERD_WIRE_REKEY_BEGIN] = {.name = "rekey_begin", .call = HEAD(code_rekey_scope, struct sherd_rekey_scope)},
    [SHERD_WIRE_REKEY_STEP] = {"rekey_step", HEAD(code_number, struct sherd_wire_number),
                               HEAD(code_rekey_progress, struct sherd_rekey_progress)},
    [SHERD_WIRE_REKEY_END] = {.name = "rekey_end"},
    [SHERD_WIRE_EPOCH_BEGIN] = {.name = "epoch_begin", .reply = HEAD(code_number, struct sherd_wire_number)},
    [SHERD_WIRE_EPOCH_END] = {.name = "epoch_end", .reply = HEAD(code_number, struct sherd_wire_number)},
    [SHERD_WIRE_KEYS_STAT] = {.name = "keys_stat", .reply = HEAD(code_stat, struct sherd_store_stat)},
    [SHERD_WIRE_KEYS_OWNER] = {.name = "keys_owner", .reply = HEAD(code_owner, struct sherd_wire_owner)},
    [SHERD_WIRE_ENTRY_RESEAL] = {"entry_reseal", HEAD(code_part, struct sherd_wire_stored),
                                 HEAD(code_resealed, struct sherd_wire_stored)},
    [SHERD_WIRE_KEYS_BLOBS] = {.name = "keys_blobs", .reply = LIST(code_one_ref, struct sherd_wire_ref)},
    [SHERD_WIRE_KEY_RENEW] = {"key_renew", HEAD(code_one_pin, struct sherd_wire_pin),
                              HEAD(code_made, struct sherd_wire_made)},
    [SHERD_WIRE_PIN_REPLACE] = {"pin_replace", KEYS(code_replacement, struct sherd_wire_change),
                                LIST(code_one_ref, struct sherd_wire_ref)},
    [SHERD_WIRE_ROUND_BEGIN] = {.name = "round_begin", .reply = HEAD(code_round, struct sherd_wire_number)},
    [SHERD_WIRE_ROUND_END] = {.name = "round_end", .call = HEAD(code_round, struct sherd_wire_number)},
    [SHERD_WIRE_EPOCH_EXPORT] = {.name = "epoch_export", .reply = HEAD(code_file, struct sherd_wire_file)},
    [SHERD_WIRE_STATE_TAKE] = {"state_take", HEAD(code_one_uuid, struct sherd_wire_uuid),
                               HEAD(code_state, struct sherd_wire_state)},
    [SHERD_WIRE_STATE_SCAN] = {"state_scan", HEAD(code_after, struct sherd_wire_after),
                               BOTH(code_scanned, struct sherd_wire_scanned, code_row, struct sherd_wire_row)},
    [SHERD_WIRE_STATE_END] = {.name = "state_end"},
    [SHERD_WIRE_STATEMENT_RECORDS] = {.name = "statement_records", .call = LIST(code_one_uuid, struct sherd_wire_uuid)},
    [SHERD_WIRE_STATEMENT_SIGN] = {"statement_sign", HEAD(code_statement, struct sherd_wire_statement),
                                   HEAD(code_number, struct sherd_wire_number)},
    [SHERD_WIRE_STATEMENT_KEY] = {.name = "statement_key", .reply = HEAD(code_file, struct sherd_wire_file)},
    [SHERD_WIRE_MORE] = {.name = "more", .reply = LIST(code_piece, struct sherd_wire_piece)},
    [SHERD_WIRE_USER_CREATE] = {.name = "user_create", .call = HEAD(sherd_wire_code_user_new, struct sherd_principal)},
    [SHERD_WIRE_USER_EACH] = {.name = "user_each", .reply = LIST(sherd_wire_code_user, struct sherd_user_info)},
    [SHERD_WIRE_USER_DISABLE] = {.name = "user_disable", .call = HEAD(sherd_wire_code_name, struct sherd_wire_name)},
    [SHERD_WIRE_NAMED_CREATE] = {.name = "named_create",
                                 .call = HEAD(sherd_wire_code_named_new, struct sherd_wire_named_new)},
    [SHERD_WIRE_NAMED_EACH] = {.name = "named_each", .reply = LIST(sherd_wire_code_named, struct sherd_key_info)},
    [SHERD_WIRE_NAMED_GRANT] = {.name = "named_grant", .call = HEAD(sherd_wire_code_grant, struct sherd_wire_grant)},
    [SHERD_WIRE_GRANT_EACH] = {"grant_each", HEAD(sherd_wire_code_name, struct sherd_wire_name),
                               LIST(sherd_wire_code_granted, struct sherd_wire_granted)},
    [SHERD_WIRE_NAMED_FIND] = {"named_find", HEAD(sherd_wire_code_named_find, struct sherd_wire_named_find),
                               HEAD(code_one_ref, struct sherd_wire_ref)},
    [SHERD_WIRE_PRINCIPAL_CHECK] = {.name = "principal_check", .call = HEAD(code_own_entry, struct sherd_wire_stored)},
    [SHERD_WIRE_CHALLENGE] = {"challenge", HEAD(sherd_wire_code_name, struct sherd_wire_name),
                              HEAD(sherd_wire_code_challenge, struct sherd_challenge)},
    [SHERD_WIRE_LOGIN] = {.name = "login", .call = HEAD(sherd_wire_code_login, struct sherd_wire_login)},
    [SHERD_WIRE_PROTECTION_EACH] = {.name = "protection_each",
                                    .reply = LIST(code_protection_info, struct sherd_protection_info)},
    [SHERD_WIRE_LEDGER_RUN] = {.name = "ledger_run", .reply = HEAD(code_number, struct sherd_wire_number)},
    [SHERD_WIRE_LEDGER_CHECK] = {.name = "ledger_check", .reply = HEAD(code_keys_check, struct sherd_keys_check)},
    [SHERD_WIRE_ENTRIES_RESEALED] = {.name = "entries_resealed",
                                     .call = LIST(code_entry_resealed, struct sherd_wire_resealed)},
    [SHERD_WIRE_JOINS_RULE] = {"joins_rule", HEAD(code_joins, struct sherd_wire_joins),
                               HEAD(code_joins, struct sherd_wire_joins)},
    [SHERD_WIRE_OUTSIDE_GET] = {.name = "outside_get", .reply = HEAD(code_piece, struct sherd_wire_piece)},
    [SHERD_WIRE_OUTSIDE_SET] = {.name = "outside_set", .call = HEAD(code_piece, struct sherd_wire_piece)},
    [SHERD_WIRE_OUTSIDE_TAKE] = {.name = "outside_take", .call = HEAD(code_piece, struct sherd_wire_piece)},
    [SHERD_WIRE_PROTECTION_ROTATE] = {"protection_rotate", HEAD(code_key_store, struct sherd_wire_key_store),
                                      HEAD(code_number, struct sherd_wire_number)},
    [SHERD_WIRE_ROWS_SUM] = {"rows_sum", HEAD(code_one_uuid, struct sherd_wire_uuid),
                             HEAD(code_rows_sum, struct sherd_rows_sum)},
    [SHERD_WIRE_ROW_SIGN] = {"row_sign", HEAD(code_row_sign, struct sherd_wire_row_sign),
                             HEAD(code_signature, struct sherd_wire_signature)},
    [SHERD_WIRE_POLICY_SET] = {.name = "policy_set", .call = HEAD(code_policy_set, struct sherd_wire_policy)},
    [SHERD_WIRE_POLICY_EACH] = {.name = "policy_each", .reply = LIST(code_policy, struct sherd_wire_policy)},
    [SHERD_WIRE_LEDGER_NOTE] = {.name = "ledger_note",
                                .call = HEAD(code_number, struct sherd_wire_number),
                                .reply = BOTH(code_file, struct sherd_wire_file, code_piece, struct sherd_wire_piece)},
    [SHERD_WIRE_LEDGER_SCAN] = {"ledger_scan", HEAD(sherd_wire_code_leaf_query, struct sherd_leaf_query),
                                BOTH(code_number, struct sherd_wire_number, sherd_wire_code_leaf,
                                     struct sherd_wire_leaf)},
    [SHERD_WIRE_LEDGER_JOINS] = {"ledger_joins", HEAD(sherd_wire_code_leaf_query, struct sherd_leaf_query),
                                 BOTH(code_number, struct sherd_wire_number, sherd_wire_code_join,
                                      struct sherd_wire_join)},
    [SHERD_WIRE_LEDGER_GROWTH] = {"ledger_growth", HEAD(sherd_wire_code_growth, struct sherd_wire_growth),
                                  HEAD(sherd_wire_code_path, struct sherd_path)},
    [SHERD_WIRE_BOOK_READ] = {"book_read", HEAD(code_number, struct sherd_wire_number),
                              HEAD(sherd_wire_code_book, struct sherd_wire_book)},
    [SHERD_WIRE_BOOK_POSITION] = {.name = "book_position", .reply = HEAD(code_file, struct sherd_wire_file)},
    [SHERD_WIRE_BOOK_CHANGE] = {.name = "book_change", .call = HEAD(code_piece, struct sherd_wire_piece)},
};

const struct sherd_wire_call *sherd_wire_call_of(unsigned verb)
{
    return verb < SHERD_WIRE_VERB_COUNT && calls[verb].name != NULL ? &calls[verb] : NULL;
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

void sherd_wire_head_encode(const struct sherd_wire_head *head, uint8_t out[static SHERD_WIRE_HEAD_SIZE])
{
    sherd_put_u32(out, head->frame_bytes - 4);
    sherd_put_u64(out + 4, head->request);
    sherd_put_u16(out + 12, head->verb);
    sherd_put_u16(out + 14, (uint16_t)head->status);
}

static enum sherd_err no_protocol(void)
{
    return sherd_fail(SHERD_ERR_IO, "the other end of the agent's socket breaks the protocol");
}

enum sherd_err sherd_wire_head_decode(const uint8_t in[static SHERD_WIRE_HEAD_SIZE], struct sherd_wire_head *out_head)
{
    const uint32_t rest_bytes = sherd_get_u32(in);
    const uint16_t status = sherd_get_u16(in + 14);
    struct sherd_wire_head head = {.request = sherd_get_u64(in + 4), .verb = sherd_get_u16(in + 12)};

    if (rest_bytes < SHERD_WIRE_HEAD_SIZE - 4 || rest_bytes > SHERD_WIRE_FRAME_BYTES_MAX - 4 ||
        status > SHERD_ERR_UNSUPPORTED)
        return no_protocol();
    head.frame_bytes = rest_bytes + 4;
    head.status = (enum sherd_err)status;
    *out_head = head;
    return SHERD_OK;
}

void sherd_wire_code(struct sherd_wire *wire, sherd_wire_code_fn *code, void *message)
{
    if (code != NULL && !wire->failed)
        code(wire, message);
}

enum sherd_err sherd_wire_written(const struct sherd_wire *wire)
{
    SHERD_ENSURE(!wire->failed, SHERD_ERR_LIMIT, "a name or list is too long for the agent");
    return SHERD_OK;
}

enum sherd_err sherd_wire_read(const struct sherd_wire *wire)
{
    return wire->failed || wire->in.len > 0 ? no_protocol() : SHERD_OK;
}
