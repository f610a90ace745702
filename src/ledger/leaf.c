/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves: see leaf.h and docs/format/ledger.md. */
#include "ledger/leaf.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/ct.h"
#include "envelope/tlv.h"
#include <string.h>

#define LEAF_FORMAT 1U

enum leaf_field {
    LEAF_FORMAT_TAG = 1,
    LEAF_KIND = 2,
    LEAF_ID = 3,
    LEAF_TIME = 4,
    LEAF_VERSION = 5,
    LEAF_COUNT = 6,
    LEAF_SUBJECT = 7,
    LEAF_ACTOR = 8,
    LEAF_COMMITMENTS = 9, /* one tag for each */
    LEAF_ROOT = 13,
    LEAF_SEALED = 20,
};

#define BIT(field) SHERD_TLV_BIT(field)
#define SPAN(object) sherd_span_of((object).bytes, sizeof((object).bytes))

struct sherd_leaf_keys {
    uint8_t deployment[16];
    struct sherd_hmac_key *subject;
    struct sherd_hmac_key *blind;
    struct sherd_hmac_key *mark;
    struct sherd_hmac_key *seal;
    struct sherd_hmac_key *state;
    struct sherd_hmac_key *join;
};

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a leaf of the ledger does not verify");
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

static enum sherd_err derive(struct sherd_span seed, const uint8_t deployment[static 16], const char *label,
                             enum sherd_hash_alg alg, struct sherd_hmac_key **out_key)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *key = sherd_secret_alloc(SHERD_AEAD_KEY_SIZE);

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_hkdf(SHERD_SHA512, seed, sherd_span_of(deployment, 16), sherd_span_str(label), key,
                         SHERD_AEAD_KEY_SIZE));
    return sherd_hmac_key_new(alg, sherd_span_of(key, SHERD_AEAD_KEY_SIZE), out_key);
}

enum sherd_err sherd_leaf_keys_new(struct sherd_span seed, const uint8_t deployment[static 16],
                                   struct sherd_leaf_keys **out_keys)
{
    SHERD_CLEANUP(sherd_leaf_keys_freep) struct sherd_leaf_keys *keys = sherd_alloc(sizeof(*keys));

    if (keys == NULL)
        return SHERD_ERR_NO_MEMORY;
    *keys = (struct sherd_leaf_keys){.subject = NULL};
    memcpy(keys->deployment, deployment, sizeof(keys->deployment));
    SHERD_TRY(derive(seed, deployment, "sherd ledger subject 1", SHERD_SHA256, &keys->subject));
    SHERD_TRY(derive(seed, deployment, "sherd ledger blind 1", SHERD_SHA512, &keys->blind));
    SHERD_TRY(derive(seed, deployment, "sherd ledger mark 1", SHERD_SHA256, &keys->mark));
    SHERD_TRY(derive(seed, deployment, "sherd ledger seal 1", SHERD_SHA512, &keys->seal));
    SHERD_TRY(derive(seed, deployment, "sherd ledger state 1", SHERD_SHA512, &keys->state));
    SHERD_TRY(derive(seed, deployment, "sherd ledger join 1", SHERD_SHA512, &keys->join));
    *out_keys = keys;
    keys = NULL;
    return SHERD_OK;
}

void sherd_leaf_keys_free(struct sherd_leaf_keys *keys)
{
    if (keys == NULL)
        return;
    sherd_hmac_key_free(keys->subject);
    sherd_hmac_key_free(keys->blind);
    sherd_hmac_key_free(keys->mark);
    sherd_hmac_key_free(keys->seal);
    sherd_hmac_key_free(keys->state);
    sherd_hmac_key_free(keys->join);
    sherd_free(keys);
}

const struct sherd_hmac_key *sherd_leaf_state_key(const struct sherd_leaf_keys *keys)
{
    return keys->state;
}

const struct sherd_hmac_key *sherd_leaf_blind_key(const struct sherd_leaf_keys *keys)
{
    return keys->blind;
}

const struct sherd_hmac_key *sherd_leaf_join_key(const struct sherd_leaf_keys *keys)
{
    return keys->join;
}

const uint8_t *sherd_leaf_deployment(const struct sherd_leaf_keys *keys)
{
    return keys->deployment;
}

/* --- pseudonyms, commitments, marks ------------------------------------------------------------------------------- */

/* What the events of a kind are about: ids of different things never share a pseudonym. */
static const char *subject_label(enum sherd_event_kind kind)
{
    switch (kind) {
    case SHERD_EVENT_PUT:
    case SHERD_EVENT_UPDATE:
    case SHERD_EVENT_DELETE:
    case SHERD_EVENT_RESEAL:
    case SHERD_EVENT_RESTORE: return "record";
    case SHERD_EVENT_ENTITY:
    case SHERD_EVENT_ERASE: return "entity";
    case SHERD_EVENT_COLLECTION: return "collection";
    case SHERD_EVENT_PRINCIPAL: return "principal";
    case SHERD_EVENT_NAMED_KEY:
    case SHERD_EVENT_GRANT: return "key";
    default: return "vault";
    }
}

static enum sherd_err pseudonym(const struct sherd_leaf_keys *keys, const char *label, const struct sherd_ref *id,
                                struct sherd_ref *out_pseudonym)
{
    static const struct sherd_ref none = {{0}};
    const struct sherd_span parts[] = {sherd_span_of(label, strlen(label) + 1), SPAN(*id)};
    struct sherd_digest mac;

    *out_pseudonym = none;
    if (sherd_same(id->bytes, none.bytes, sizeof(none.bytes)))
        return SHERD_OK;
    SHERD_TRY(sherd_hmac_with(keys->subject, parts, SHERD_COUNT_OF(parts), mac.bytes));
    memcpy(out_pseudonym->bytes, mac.bytes, sizeof(out_pseudonym->bytes));
    return SHERD_OK;
}

enum sherd_err sherd_leaf_subject(const struct sherd_leaf_keys *keys, enum sherd_event_kind kind,
                                  const struct sherd_ref *subject, struct sherd_ref *out_pseudonym)
{
    return pseudonym(keys, subject_label(kind), subject, out_pseudonym);
}

enum sherd_err sherd_leaf_actor(const struct sherd_leaf_keys *keys, const struct sherd_ref *actor,
                                struct sherd_ref *out_pseudonym)
{
    return pseudonym(keys, "principal", actor, out_pseudonym);
}

enum sherd_err sherd_leaf_blinds(const struct sherd_leaf_keys *keys, const uint8_t id[static SHERD_EVENT_ID_SIZE],
                                 struct sherd_digest out_blinds[static SHERD_LEAF_COMMITMENTS])
{
    static const uint8_t second = 1;
    const struct sherd_span parts[] = {sherd_span_of(id, SHERD_EVENT_ID_SIZE), sherd_span_of(&second, 1)};
    uint8_t macs[SHERD_LEAF_COMMITMENTS * SHERD_SHA256_SIZE];

    _Static_assert(sizeof(macs) == (size_t)2 * SHERD_SHA512_SIZE, "two values of two blinds each");
    SHERD_TRY(sherd_hmac_with(keys->blind, parts, 1, macs));
    SHERD_TRY(sherd_hmac_with(keys->blind, parts, 2, macs + SHERD_SHA512_SIZE));
    for (size_t i = 0; i < SHERD_LEAF_COMMITMENTS; i++)
        memcpy(out_blinds[i].bytes, macs + i * SHERD_SHA256_SIZE, SHERD_SHA256_SIZE);
    return SHERD_OK;
}

enum sherd_err sherd_leaf_commitment(const struct sherd_digest *blind, const struct sherd_ref *name,
                                     const struct sherd_digest *digest, struct sherd_digest *out_commitment)
{
    static const uint8_t domain = 0x02; /* the tree has 0x00 for leaves and 0x01 for nodes */
    const struct sherd_span parts[] = {sherd_span_of(&domain, 1), SPAN(*blind), SPAN(*name), SPAN(*digest)};

    return sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), out_commitment->bytes);
}

enum sherd_err sherd_leaf_mark(const struct sherd_leaf_keys *keys, const struct sherd_ref *name,
                               struct sherd_span stored, struct sherd_digest *set)
{
    const struct sherd_span parts[] = {SPAN(*name), stored};
    struct sherd_digest mark;

    SHERD_TRY(sherd_hmac_with(keys->mark, parts, SHERD_COUNT_OF(parts), mark.bytes));
    for (size_t i = 0; i < sizeof(mark.bytes); i++)
        set->bytes[i] ^= mark.bytes[i];
    return SHERD_OK;
}

/* --- leaves ------------------------------------------------------------------------------------------------------- */

static bool is_none(const struct sherd_ref *ref)
{
    static const struct sherd_ref none = {{0}};

    return sherd_same(ref->bytes, none.bytes, sizeof(none.bytes));
}

static void put_ref(struct sherd_tlv_writer *writer, unsigned tag, const struct sherd_ref *ref)
{
    if (!is_none(ref))
        sherd_tlv_put(writer, tag, SPAN(*ref));
}

static struct sherd_committed committed_entry(const struct sherd_event_entry *entry)
{
    return (struct sherd_committed){entry->there, entry->name, entry->digest};
}

static struct sherd_committed committed_subject(const struct sherd_event *event)
{
    struct sherd_committed subject = {.there = !is_none(&event->subject), .name = event->subject};

    if (event->fragment.there)
        subject.digest = event->fragment.digest;
    return subject;
}

/* Who did it is told with whose it is, and where: entity and collection stand where a digest does. */
static struct sherd_committed committed_actor(const struct sherd_event *event)
{
    struct sherd_committed actor = {.there = !is_none(&event->actor) || !is_none(&event->entity) ||
                                             !is_none(&event->collection),
                                    .name = event->actor};

    memcpy(actor.digest.bytes, event->entity.bytes, sizeof(event->entity.bytes));
    memcpy(actor.digest.bytes + sizeof(event->entity.bytes), event->collection.bytes, sizeof(event->collection.bytes));
    return actor;
}

struct sherd_committed sherd_leaf_committed(const struct sherd_event *event, enum sherd_leaf_commitment which)
{
    switch (which) {
    case SHERD_LEAF_ASSETS: return committed_entry(&event->map);
    case SHERD_LEAF_SECRETS: return committed_entry(&event->fragment);
    case SHERD_LEAF_SUBJECT: return committed_subject(event);
    default: return committed_actor(event);
    }
}

/* The commitments of an event. */
static enum sherd_err commit(const struct sherd_leaf_keys *keys, const struct sherd_event *event,
                             struct sherd_leaf *leaf)
{
    struct sherd_digest blinds[SHERD_LEAF_COMMITMENTS];

    SHERD_TRY(sherd_leaf_blinds(keys, event->id, blinds));
    for (unsigned i = 0; i < SHERD_LEAF_COMMITMENTS; i++) {
        const struct sherd_committed what = sherd_leaf_committed(event, (enum sherd_leaf_commitment)i);

        leaf->committed[i] = what.there;
        if (what.there)
            SHERD_TRY(sherd_leaf_commitment(&blinds[i], &what.name, &what.digest, &leaf->commitments[i]));
    }
    return SHERD_OK;
}

/* Fill in what is in clear. */
static enum sherd_err describe(const struct sherd_leaf_keys *keys, const struct sherd_event *event,
                               struct sherd_leaf *out_leaf)
{
    struct sherd_leaf leaf = {.kind = event->kind,
                              .time_s = event->time_ns / 1000000000U,
                              .version = event->version,
                              .count = event->count,
                              .has_root = event->has_root,
                              .root = event->root,
                              .sealed = {NULL, 0}};

    memcpy(leaf.id, event->id, sizeof(leaf.id));
    SHERD_TRY(sherd_leaf_subject(keys, event->kind, &event->subject, &leaf.subject));
    SHERD_TRY(sherd_leaf_actor(keys, &event->actor, &leaf.actor));
    SHERD_TRY(commit(keys, event, &leaf));
    *out_leaf = leaf;
    return SHERD_OK;
}

/* Write what is in clear: all but the sealed event, which is bound to it. */
static void put_clear(struct sherd_tlv_writer *writer, const struct sherd_leaf *leaf)
{
    sherd_tlv_put_u64(writer, LEAF_FORMAT_TAG, LEAF_FORMAT);
    sherd_tlv_put_u64(writer, LEAF_KIND, leaf->kind);
    sherd_tlv_put(writer, LEAF_ID, sherd_span_of(leaf->id, sizeof(leaf->id)));
    sherd_tlv_put_u64(writer, LEAF_TIME, leaf->time_s);
    if (leaf->version != 0)
        sherd_tlv_put_u64(writer, LEAF_VERSION, leaf->version);
    if (leaf->count != 0)
        sherd_tlv_put_u64(writer, LEAF_COUNT, leaf->count);
    put_ref(writer, LEAF_SUBJECT, &leaf->subject);
    put_ref(writer, LEAF_ACTOR, &leaf->actor);
    for (unsigned i = 0; i < SHERD_LEAF_COMMITMENTS; i++)
        if (leaf->committed[i])
            sherd_tlv_put(writer, LEAF_COMMITMENTS + i, SPAN(leaf->commitments[i]));
    if (leaf->has_root)
        sherd_tlv_put(writer, LEAF_ROOT, SPAN(leaf->root));
}

/* What the sealed event is bound to: whose it is, and all that is in clear. */
struct leaf_context {
    uint8_t bytes[16 + SHERD_LEAF_BYTES_MAX];
    size_t len;
};

static void context_of(const struct sherd_leaf_keys *keys, struct sherd_span clear, struct leaf_context *out_context)
{
    memcpy(out_context->bytes, keys->deployment, sizeof(keys->deployment));
    memcpy(out_context->bytes + sizeof(keys->deployment), clear.data, clear.len);
    out_context->len = sizeof(keys->deployment) + clear.len;
}

enum sherd_err sherd_leaf_encode(const struct sherd_leaf_keys *keys, const struct sherd_event *event, uint8_t *block,
                                 size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_LEAF_BYTES_MAX);
    uint8_t plain[SHERD_EVENT_BYTES_MAX];
    uint8_t room[SHERD_LEAF_BYTES_MAX];
    struct sherd_buf sealed = sherd_buf_borrow(room, sizeof(room));
    struct leaf_context context;
    struct sherd_leaf leaf;
    size_t plain_bytes;

    SHERD_TRY(sherd_event_encode(event, plain, &plain_bytes));
    SHERD_TRY(describe(keys, event, &leaf));
    put_clear(&writer, &leaf);
    context_of(keys, sherd_span_of(block, writer.len), &context);
    SHERD_TRY(sherd_aead_seal_with(keys->seal, sherd_span_of(context.bytes, context.len),
                                   sherd_span_of(plain, plain_bytes), &sealed));
    sherd_tlv_put(&writer, LEAF_SEALED, sherd_buf_span(&sealed));
    return sherd_tlv_end(&writer, out_bytes);
}

static enum sherd_err get_ref(const struct sherd_tlv *tlv, unsigned tag, struct sherd_ref *out_ref)
{
    static const struct sherd_ref none = {{0}};

    if (tlv->value[tag].data == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_tlv_get(tlv, tag, out_ref->bytes, sizeof(out_ref->bytes)));
    return sherd_same(out_ref->bytes, none.bytes, sizeof(none.bytes)) ? malformed() : SHERD_OK;
}

static enum sherd_err get_u64(const struct sherd_tlv *tlv, unsigned tag, uint64_t *out_value)
{
    if (tlv->value[tag].data == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_tlv_get_u64(tlv, tag, UINT64_MAX, out_value));
    return *out_value == 0 ? malformed() : SHERD_OK;
}

enum sherd_err sherd_leaf_decode(struct sherd_span bytes, struct sherd_leaf *out_leaf)
{
    const uint64_t required = BIT(LEAF_FORMAT_TAG) | BIT(LEAF_KIND) | BIT(LEAF_ID) | BIT(LEAF_TIME) | BIT(LEAF_SEALED);
    const uint64_t optional = BIT(LEAF_VERSION) | BIT(LEAF_COUNT) | BIT(LEAF_SUBJECT) | BIT(LEAF_ACTOR) |
                              BIT((unsigned)LEAF_COMMITMENTS + SHERD_LEAF_ASSETS) |
                              BIT((unsigned)LEAF_COMMITMENTS + SHERD_LEAF_SECRETS) |
                              BIT((unsigned)LEAF_COMMITMENTS + SHERD_LEAF_SUBJECT) |
                              BIT((unsigned)LEAF_COMMITMENTS + SHERD_LEAF_ACTOR) | BIT(LEAF_ROOT);
    struct sherd_leaf leaf = {.version = 0};
    struct sherd_tlv tlv;
    uint64_t format;
    uint64_t kind;

    SHERD_TRY(sherd_tlv_parse(bytes, required, optional, &tlv));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, LEAF_FORMAT_TAG, LEAF_FORMAT, &format));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, LEAF_KIND, SHERD_EVENT_KINDS - 1, &kind));
    if (format != LEAF_FORMAT || kind == 0)
        return malformed();
    leaf.kind = (enum sherd_event_kind)kind;
    SHERD_TRY(sherd_tlv_get(&tlv, LEAF_ID, leaf.id, sizeof(leaf.id)));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, LEAF_TIME, UINT64_MAX, &leaf.time_s));
    SHERD_TRY(get_u64(&tlv, LEAF_VERSION, &leaf.version));
    SHERD_TRY(get_u64(&tlv, LEAF_COUNT, &leaf.count));
    SHERD_TRY(get_ref(&tlv, LEAF_SUBJECT, &leaf.subject));
    SHERD_TRY(get_ref(&tlv, LEAF_ACTOR, &leaf.actor));
    for (unsigned i = 0; i < SHERD_LEAF_COMMITMENTS; i++) {
        leaf.committed[i] = tlv.value[LEAF_COMMITMENTS + i].data != NULL;
        if (leaf.committed[i])
            SHERD_TRY(sherd_tlv_get(&tlv, LEAF_COMMITMENTS + i, leaf.commitments[i].bytes, SHERD_SHA256_SIZE));
    }
    leaf.has_root = tlv.value[LEAF_ROOT].data != NULL;
    if (leaf.has_root)
        SHERD_TRY(sherd_tlv_get(&tlv, LEAF_ROOT, leaf.root.bytes, sizeof(leaf.root.bytes)));
    leaf.sealed = tlv.value[LEAF_SEALED];
    *out_leaf = leaf;
    return SHERD_OK;
}

/* Both are made of the same event: so one who has the keys cannot be shown one thing and the public another. */
static bool agree(const struct sherd_leaf *said, const struct sherd_leaf *meant)
{
    uint8_t said_bytes[SHERD_LEAF_BYTES_MAX];
    uint8_t meant_bytes[SHERD_LEAF_BYTES_MAX];
    struct sherd_tlv_writer said_writer = sherd_tlv_writer(said_bytes, sizeof(said_bytes));
    struct sherd_tlv_writer meant_writer = sherd_tlv_writer(meant_bytes, sizeof(meant_bytes));

    put_clear(&said_writer, said);
    put_clear(&meant_writer, meant);
    return said_writer.len == meant_writer.len && sherd_same(said_bytes, meant_bytes, said_writer.len);
}

enum sherd_err sherd_leaf_open(const struct sherd_leaf_keys *keys, struct sherd_span bytes,
                               struct sherd_event *out_event)
{
    uint8_t room[SHERD_LEAF_BYTES_MAX];
    struct sherd_buf plain = sherd_buf_borrow(room, sizeof(room));
    struct leaf_context context;
    struct sherd_event event;
    struct sherd_leaf meant;
    struct sherd_leaf leaf;

    SHERD_ENSURE(bytes.len <= SHERD_LEAF_BYTES_MAX, SHERD_ERR_TAMPERED, "a leaf of the ledger is too long");
    SHERD_TRY(sherd_leaf_decode(bytes, &leaf));
    context_of(keys, sherd_span_of(bytes.data, bytes.len - SHERD_TLV_ITEM_OVERHEAD - leaf.sealed.len), &context);
    SHERD_TRY(sherd_aead_open_with(keys->seal, sherd_span_of(context.bytes, context.len), leaf.sealed, &plain));
    SHERD_TRY(sherd_event_decode(sherd_buf_span(&plain), &event));
    SHERD_TRY(describe(keys, &event, &meant));
    if (!agree(&leaf, &meant))
        return malformed();
    *out_event = event;
    return SHERD_OK;
}
