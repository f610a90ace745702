/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/agent/wire.h
 * What a trust anchor in a process of its own and its callers say to each other: frames, and the messages of every
 * call. Bytes: docs/format/agent.md. No key, no I/O.
 *
 * Each message is described once, by a function that writes it or reads it, so that both sides agree. Reading is
 * strict: there is one encoding of each message, and no other is accepted.
 */
#ifndef SHERD_ANCHOR_AGENT_WIRE_H
#define SHERD_ANCHOR_AGENT_WIRE_H

#include "anchor/anchor.h"
#include "anchor/ledger/join_find.h"
#include <sherd/receipt.h>

/** What this file describes. A peer of another number is refused. */
#define SHERD_WIRE_PROTOCOL 1U
/** Length (4), request (8), verb (2), status (2). */
#define SHERD_WIRE_HEAD_SIZE 16U
/** Most bytes of a frame, its length field included. */
#define SHERD_WIRE_FRAME_BYTES_MAX ((size_t)1 << 20)
/**
 * Most bytes of a frame that holds no list. Such frames, and so most that hold keys, fit secret memory of that size.
 */
#define SHERD_WIRE_SMALL_BYTES_MAX ((size_t)8 << 10)
/** Most bytes of a short file in a message. */
#define SHERD_WIRE_FILE_BYTES_MAX 4096U
/** Most bytes of a stored entry, or of a piece, in a message. */
#define SHERD_WIRE_BLOCK_BYTES_MAX SHERD_STORE_VALUE_BYTES_MAX
/** Most bytes of what unseals: a passphrase, the text of a key file or of some shares. */
#define SHERD_WIRE_UNSEAL_BYTES_MAX 6144U

enum sherd_wire_verb {
    SHERD_WIRE_HELLO = 1,
    SHERD_WIRE_STATUS,
    SHERD_WIRE_UNSEAL,
    SHERD_WIRE_SEAL,
    SHERD_WIRE_LEASE,
    SHERD_WIRE_COMPARTMENT_ENTRY,
    SHERD_WIRE_COMPARTMENT_CHECK,
    SHERD_WIRE_KEY_NEW,
    SHERD_WIRE_PIN_COMMIT,
    SHERD_WIRE_PIN_GET,
    SHERD_WIRE_PIN_DELETE,
    SHERD_WIRE_SCAN,
    SHERD_WIRE_IDEMPOTENCY_GET,
    SHERD_WIRE_PART_CHECK,
    SHERD_WIRE_COLLECTION_PIN,
    SHERD_WIRE_COLLECTION_CHECK,
    SHERD_WIRE_MASTER_ACTIVATE,
    SHERD_WIRE_MASTER_EACH,
    SHERD_WIRE_MASTER_RETIRE,
    SHERD_WIRE_MASTER_DESTROY,
    SHERD_WIRE_ENTITY_FIND,
    SHERD_WIRE_ENTITY_ERASE,
    SHERD_WIRE_REKEY_BEGIN,
    SHERD_WIRE_REKEY_STEP,
    SHERD_WIRE_REKEY_END,
    SHERD_WIRE_EPOCH_BEGIN,
    SHERD_WIRE_EPOCH_END,
    SHERD_WIRE_KEYS_STAT,
    SHERD_WIRE_KEYS_OWNER,
    SHERD_WIRE_KEYS_BLOBS,
    SHERD_WIRE_KEY_RENEW,
    SHERD_WIRE_PIN_REPLACE,
    SHERD_WIRE_ROUND_BEGIN,
    SHERD_WIRE_ROUND_END,
    SHERD_WIRE_EPOCH_EXPORT,
    SHERD_WIRE_STATE_TAKE,
    SHERD_WIRE_STATE_SCAN,
    SHERD_WIRE_STATE_END,
    SHERD_WIRE_STATEMENT_RECORDS,
    SHERD_WIRE_STATEMENT_SIGN,
    SHERD_WIRE_STATEMENT_KEY,
    SHERD_WIRE_MORE,
    SHERD_WIRE_USER_CREATE,
    SHERD_WIRE_USER_EACH,
    SHERD_WIRE_USER_DISABLE,
    SHERD_WIRE_NAMED_CREATE,
    SHERD_WIRE_NAMED_EACH,
    SHERD_WIRE_NAMED_GRANT,
    SHERD_WIRE_GRANT_EACH,
    SHERD_WIRE_NAMED_FIND,
    SHERD_WIRE_PRINCIPAL_CHECK,
    SHERD_WIRE_CHALLENGE,
    SHERD_WIRE_LOGIN,
    SHERD_WIRE_PROTECTION_EACH,
    SHERD_WIRE_PROTECTION_ROTATE,
    SHERD_WIRE_ENTRY_RESEAL,
    SHERD_WIRE_POLICY_SET,
    SHERD_WIRE_POLICY_EACH,
    SHERD_WIRE_PARTS_SWEEP,
    SHERD_WIRE_LEDGER_RUN,
    SHERD_WIRE_LEDGER_CHECK,
    SHERD_WIRE_LEDGER_NOTE,
    SHERD_WIRE_LEDGER_SCAN,
    SHERD_WIRE_LEDGER_GROWTH,
    SHERD_WIRE_ENTRIES_RESEALED,
    SHERD_WIRE_JOINS_RULE,
    SHERD_WIRE_BOOK_READ,
    SHERD_WIRE_BOOK_POSITION,
    SHERD_WIRE_BOOK_CHANGE,
    SHERD_WIRE_OUTSIDE_GET,
    SHERD_WIRE_OUTSIDE_SET,
    SHERD_WIRE_OUTSIDE_TAKE,
    SHERD_WIRE_ROW_SIGN,
    SHERD_WIRE_ROWS_SUM,
    SHERD_WIRE_LEDGER_JOINS,
    SHERD_WIRE_VERB_COUNT, /**< one more than the last */
};

/* --- reading and writing ------------------------------------------------------------------------------------------ */

/** Writes to out, or reads from in where out is NULL. A failure sticks and shows at the end. */
struct sherd_wire {
    struct sherd_buf *out;
    struct sherd_span in;
    bool failed;
};

static inline struct sherd_wire sherd_wire_writer(struct sherd_buf *out)
{
    const struct sherd_wire wire = {.out = out};

    return wire;
}

static inline struct sherd_wire sherd_wire_reader(struct sherd_span in)
{
    const struct sherd_wire wire = {.in = in};

    return wire;
}

/** Writes or reads one message, or one item of a list, from or to the struct of its kind. */
typedef void sherd_wire_code_fn(struct sherd_wire *wire, void *message);

/** What a message is made of: a head, then items to its end. */
struct sherd_wire_shape {
    bool keys;                /**< the list holds keys: such a frame lies in secret memory, however long it is */
    sherd_wire_code_fn *head; /**< NULL: none */
    size_t head_bytes;        /**< of its struct */
    sherd_wire_code_fn *item; /**< NULL: no list */
    size_t item_bytes;
};

/** A call and its answer. */
struct sherd_wire_call {
    const char *name;
    struct sherd_wire_shape call;
    struct sherd_wire_shape reply; /**< where the status is SHERD_OK; else the answer is the detail's text */
};

/** The shapes of a verb; NULL: there is no such verb. */
const struct sherd_wire_call *sherd_wire_call_of(unsigned verb);

/** The head of a frame. */
struct sherd_wire_head {
    uint32_t frame_bytes; /**< of the whole frame: SHERD_WIRE_HEAD_SIZE..SHERD_WIRE_FRAME_BYTES_MAX */
    uint64_t request;     /**< chosen by the caller; the answer bears the same */
    uint16_t verb;
    enum sherd_err status; /**< SHERD_OK in calls */
};

void sherd_wire_head_encode(const struct sherd_wire_head *head, uint8_t out[static SHERD_WIRE_HEAD_SIZE]);

/** Read a head. @return SHERD_OK; SHERD_ERR_IO: the peer does not speak this protocol */
SHERD_MUST_USE enum sherd_err sherd_wire_head_decode(const uint8_t in[static SHERD_WIRE_HEAD_SIZE],
                                                     struct sherd_wire_head *out_head);

/** Write or read the head of a message, without items. head may be NULL where the shape has none. */
void sherd_wire_code(struct sherd_wire *wire, sherd_wire_code_fn *code, void *message);

/** Whether writing went well. @return SHERD_OK; SHERD_ERR_LIMIT: the message is too long */
SHERD_MUST_USE enum sherd_err sherd_wire_written(const struct sherd_wire *wire);

/** Whether everything was read, and nothing is left. @return SHERD_OK; SHERD_ERR_IO: the peer breaks the protocol */
SHERD_MUST_USE enum sherd_err sherd_wire_read(const struct sherd_wire *wire);

/** Whether there are more items to read. */
static inline bool sherd_wire_more(const struct sherd_wire *wire)
{
    return !wire->failed && wire->in.len > 0;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

/*
 * Spans are borrowed from what was read. Texts end with a zero byte. SHERD_WIRE_LEASE is struct sherd_raw_lease; users
 * to be made are struct sherd_principal, challenges struct sherd_challenge, and what is told of users and keys are the
 * structs of <sherd/rights.h>.
 */

struct sherd_wire_number {
    uint64_t number;
};

struct sherd_wire_role {
    enum sherd_role role;
};

struct sherd_wire_ref {
    struct sherd_ref ref;
};

struct sherd_wire_uuid {
    struct sherd_uuid id;
};

/** Answer to SHERD_WIRE_HELLO; the call is the protocol's number. */
struct sherd_wire_hello {
    uint64_t protocol;
    struct sherd_uuid deployment;
    struct sherd_uuid tenant;
    char seal[32]; /**< what unsealed it */
    bool memory_locked;
    bool memory_secret;
    bool fips; /**< the vault is in FIPS mode */
};

/** Answer to SHERD_WIRE_STATUS; then an item for each seal of shares. */
struct sherd_wire_status {
    uint64_t protocol;
    uint64_t pid;
    bool sealed;
    char seal[32];            /**< what unsealed it; "" while sealed */
    uint64_t idle_s;          /**< idle limit; 0: none */
    uint64_t idle_left_s;     /**< until it ends, if nothing happens; 0 where there is no limit */
    uint64_t unsealed_s;      /**< seconds since it was unsealed */
    uint32_t peers;           /**< connections, this one included */
    bool operators;           /**< other users may give shares */
    bool rotates;             /**< keys that are due by their policies are rotated */
    bool rotating;            /**< ... just now */
    uint64_t rotated_s;       /**< when that ended last, well or not; 0: not yet */
    char rotated[192];        /**< what was done then; "" for who is not the owner */
    char rotation_error[192]; /**< why it failed; "" if it did not, and for who is not the owner */
    bool scrubs;              /**< the vault is scrubbed in the background */
    bool scrubbing;           /**< ... just now */
    bool scrub_known;         /**< what follows is known: to the owner, of a vault that is unsealed */
    uint64_t scrubbed_s;      /**< when the last full pass ended; 0: there was none */
    uint64_t scrub_open;      /**< findings that are open */
    char scrub_error[192];    /**< why the last pass failed, or telling; "" if it did not */
    uint32_t witnesses;       /**< whom its policy names; 0: there is no policy */
    uint32_t cosigners;       /**< who of them cosigned when they were asked last */
    uint64_t cosigned_s;      /**< when a quorum did last; 0: since it was unsealed none did */
    uint64_t cosigned_size;   /**< leaves of the ledger then */
    char outside_error[192];  /**< why not; "" if it did, and for who is not the owner */
};

/** How far unsealing by the shares of one seal is. */
struct sherd_wire_progress {
    uint8_t seal;      /**< its number */
    uint8_t given;     /**< shares that were given and are good */
    uint8_t threshold; /**< shares that are needed */
    uint8_t count;     /**< shares that there are */
};

enum sherd_wire_unseal_kind {
    SHERD_WIRE_PASSPHRASE = 1,
    SHERD_WIRE_KEY_FILE = 2,
    SHERD_WIRE_SHARES = 3,
    SHERD_WIRE_KEY_STORE = 4, /**< nothing but the key store: shares were given, and wait for it */
};

/** Call SHERD_WIRE_PROTECTION_ROTATE, and a part of SHERD_WIRE_UNSEAL. Lies in secret memory. */
struct sherd_wire_key_store {
    bool given;
    char path[SHERD_KEY_STORE_PATH_SIZE]; /**< absolute; "": where the vault remembers it */
    struct sherd_span password;           /**< 1..SHERD_KEY_STORE_PASSWORD_BYTES_MAX bytes */
};

/** Call SHERD_WIRE_UNSEAL. Lies in secret memory. */
struct sherd_wire_unseal {
    enum sherd_wire_unseal_kind kind;
    bool has_idle;
    bool unwitnessed;         /**< the owner says so: too few witnesses need not be asked */
    uint64_t idle_s;          /**< the idle limit to set, if the owner says so; 0 for none */
    struct sherd_span secret; /**< 1..SHERD_WIRE_UNSEAL_BYTES_MAX bytes; none of SHERD_WIRE_KEY_STORE */
    struct sherd_wire_key_store key_store;
};

/** Its answer. */
struct sherd_wire_unsealed {
    bool unsealed;
    struct sherd_wire_progress progress; /**< all zero where no share was given, and so on */
    char holders[192];                   /**< whose shares are there */
    char missing[192];                   /**< whose are not */
};

/** Calls SHERD_WIRE_COMPARTMENT_CHECK, SHERD_WIRE_PRINCIPAL_CHECK; the answer to SHERD_WIRE_COMPARTMENT_ENTRY. */
struct sherd_wire_stored {
    enum sherd_role role;
    struct sherd_ref name;
    struct sherd_span stored; /**< at most SHERD_ENTRY_BYTES_MAX */
};

/** Answer to SHERD_WIRE_PART_CHECK, whose call is struct sherd_wire_stored. */
struct sherd_wire_live {
    bool live;
};

/** Call SHERD_WIRE_PARTS_SWEEP, whose answer is a number. */
struct sherd_wire_parts_sweep {
    bool dry_run;
};

/** One version to be pinned, an item of SHERD_WIRE_PIN_COMMIT and SHERD_WIRE_PIN_REPLACE. Lies in secret memory. */
struct sherd_wire_change {
    struct sherd_pin_change change; /**< its key leads nowhere */
    bool with_key;
    struct sherd_record_key key; /**< all zero without it */
};

/** Most bytes of that item. */
#define SHERD_WIRE_CHANGE_BYTES_MAX 640U

struct sherd_wire_key_new {
    struct sherd_collection_entry collection;
    char entity_id[SHERD_ENTITY_BYTES_MAX + 1];
    struct sherd_uuid record;
    uint64_t version;
};

/** Call SHERD_WIRE_KEY_RENEW: without the wrapped key, which is what is made. */
struct sherd_wire_pin {
    struct sherd_pin pin;
};

/** Answer to SHERD_WIRE_KEY_NEW and SHERD_WIRE_KEY_RENEW. Lies in secret memory. */
struct sherd_wire_made {
    struct sherd_pin pin;
    struct sherd_record_key key;
};

/**
 * The answer to SHERD_WIRE_ROWS_SUM is struct sherd_rows_sum, and lies in secret memory. Call SHERD_WIRE_ROW_SIGN: the
 * pin without its wrapped key.
 */
struct sherd_wire_row_sign {
    struct sherd_pin pin;
    struct sherd_digest body;
};

/** Its answer. */
struct sherd_wire_signature {
    uint8_t bytes[SHERD_SIGNATURE_SIZE];
};

struct sherd_wire_pin_get {
    struct sherd_uuid record;
    uint64_t version;
    bool with_key;
};

/** Answer to SHERD_WIRE_PIN_GET. Lies in secret memory. */
struct sherd_wire_got {
    struct sherd_pin_view view;
    bool with_key;
    struct sherd_record_key key; /**< all zero without it */
};

struct sherd_wire_scan {
    bool from_first;
    struct sherd_ref after; /**< all zero from the first */
    uint32_t count_max;
};

/** Head of the answer to SHERD_WIRE_SCAN; then the entries. */
struct sherd_wire_scanned {
    bool end;              /**< there are no more */
    uint32_t count;        /**< how many were visited: more than are told, where some are not for the peer */
    struct sherd_ref last; /**< the last one that was visited; of no meaning where none was */
};

/** One entry of a scan: struct sherd_anchor_entry with room for what it points to. */
struct sherd_wire_entry {
    struct sherd_anchor_entry entry; /**< after reading, its pointers lead to what follows; wrapped keys are left out */
    struct sherd_pin pin;
    struct sherd_uuid collection;
    struct sherd_entity_key_entry entity;
};

struct sherd_wire_idempotency {
    struct sherd_uuid collection;
    struct sherd_span key; /**< at most SHERD_IDEMPOTENCY_KEY_BYTES_MAX */
    struct sherd_digest content_hash;
};

struct sherd_wire_collection {
    struct sherd_uuid collection;
    struct sherd_digest digest;
};

/** Item of SHERD_WIRE_ENTRIES_RESEALED: all of one role. */
struct sherd_wire_resealed {
    enum sherd_role role;
    struct sherd_ref name;
    struct sherd_digest digest;
};

/** Call and answer of SHERD_WIRE_JOINS_RULE. */
struct sherd_wire_joins {
    bool set; /**< to be set; always in an answer */
    bool strict;
};

struct sherd_wire_master_options {
    char name[SHERD_MASTER_NAME_SIZE];
    bool has_generator;
    char generator[SHERD_PLUGIN_NAME_SIZE];
    bool has_store;
    char store[SHERD_PLUGIN_NAME_SIZE];
    bool has_args;
    char args[SHERD_MASTER_ARGS_SIZE];
};

struct sherd_wire_master {
    char name[SHERD_MASTER_NAME_SIZE];
    uint64_t version;
};

/** Call SHERD_WIRE_POLICY_SET, and an item of the answer to SHERD_WIRE_POLICY_EACH, which has no lower_floor. */
struct sherd_wire_policy {
    char name[SHERD_MASTER_NAME_SIZE];
    struct sherd_key_policy policy;
    bool lower_floor;
};

struct sherd_wire_entity {
    struct sherd_uuid collection;
    char entity_id[SHERD_ENTITY_BYTES_MAX + 1];
};

/**
 * A short file or text: the answers to SHERD_WIRE_EPOCH_EXPORT and SHERD_WIRE_STATEMENT_KEY; the head of that to
 * SHERD_WIRE_LEDGER_NOTE, whose pieces are the note.
 */
struct sherd_wire_file {
    struct sherd_span bytes; /**< at most SHERD_WIRE_FILE_BYTES_MAX */
};

/** Answer to SHERD_WIRE_BOOK_READ, whose call is the number of bytes that are known: the next ones. */
struct sherd_wire_book {
    uint64_t generation;
    uint64_t total_bytes;
    bool lost;
    struct sherd_span bytes; /**< at most SHERD_WIRE_BLOCK_BYTES_MAX */
};

/**
 * A piece of what is longer than a frame: an item of the answer to SHERD_WIRE_MORE. And what is said of outside
 * (SHERD_WIRE_OUTSIDE_GET, _SET, _TAKE).
 */
struct sherd_wire_piece {
    struct sherd_span bytes; /**< at most SHERD_WIRE_BLOCK_BYTES_MAX */
};

/** Answer to SHERD_WIRE_STATE_TAKE; seals and keyring follow in answers to SHERD_WIRE_MORE. Lies in secret memory. */
struct sherd_wire_state {
    uint32_t generation;
    uint64_t epoch;
    uint64_t epoch_older;
    uint64_t seals_bytes;
    uint64_t keyring_bytes;
    uint8_t key[SHERD_KEY_SIZE]; /**< of the backup */
};

struct sherd_wire_after {
    bool from_first;
    struct sherd_ref after; /**< all zero from the first */
};

/**
 * An entry as it is stored: an item of the answer to SHERD_WIRE_STATE_SCAN, whose head is struct sherd_wire_scanned.
 */
struct sherd_wire_row {
    struct sherd_ref name;
    struct sherd_span stored; /**< at most SHERD_WIRE_BLOCK_BYTES_MAX */
};

/** Call SHERD_WIRE_STATEMENT_SIGN, for the records of the calls SHERD_WIRE_STATEMENT_RECORDS before. */
struct sherd_wire_statement {
    enum sherd_receipt_kind kind;
    bool has_entity; /**< and so a collection */
    char collection[SHERD_COLLECTION_NAME_BYTES_MAX + 1];
    char entity[SHERD_ENTITY_BYTES_MAX + 1];
    bool has_master;
    struct sherd_wire_master master;
};

/** Of a user or named key. */
struct sherd_wire_name {
    char name[SHERD_RIGHTS_NAME_SIZE];
};

struct sherd_wire_named_new {
    char name[SHERD_RIGHTS_NAME_SIZE];
    bool has_owner;
    char owner[SHERD_RIGHTS_NAME_SIZE];
};

struct sherd_wire_grant {
    char key[SHERD_RIGHTS_NAME_SIZE];
    char user[SHERD_RIGHTS_NAME_SIZE];
    uint32_t rights;
};

/** An item of the answer to SHERD_WIRE_GRANT_EACH. */
struct sherd_wire_granted {
    char user[SHERD_RIGHTS_NAME_SIZE];
    uint32_t rights;
};

struct sherd_wire_named_find {
    char name[SHERD_RIGHTS_NAME_SIZE];
    uint32_t wanted;
};

struct sherd_wire_login {
    char user[SHERD_RIGHTS_NAME_SIZE];
    uint8_t nonce[SHERD_NONCE_SIZE];
    uint8_t signature[SHERD_SIGNATURE_SIZE];
};

/** An item of the answer to SHERD_WIRE_LEDGER_SCAN, whose call is struct sherd_leaf_query and whose head is a number.
 */
struct sherd_wire_leaf {
    uint64_t index;
    struct sherd_span leaf; /**< at most SHERD_LEAF_BYTES_MAX */
    struct sherd_path path;
    struct sherd_span event; /**< encoded; at most SHERD_EVENT_BYTES_MAX */
    struct sherd_digest blinds[SHERD_LEAF_COMMITMENTS];
};

/**
 * An item of the answer to SHERD_WIRE_LEDGER_JOINS, whose call is struct sherd_leaf_query and whose head is a number.
 * That the leaf is empty says that both leaf and path are those of the item before.
 */
struct sherd_wire_join {
    uint64_t index;
    struct sherd_span leaf; /**< at most SHERD_LEAF_BYTES_MAX */
    struct sherd_path path;
    uint64_t lost; /**< where it is not 0, nothing follows */
    struct sherd_join_shown shown;
};

/** Call SHERD_WIRE_LEDGER_GROWTH, whose answer is a path. */
struct sherd_wire_growth {
    uint64_t old_size;
    uint64_t size;
};

/** Answer to SHERD_WIRE_KEYS_OWNER. */
struct sherd_wire_owner {
    struct sherd_ref name;
    bool there;
    bool valid;
};

#endif
