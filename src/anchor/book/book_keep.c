/* SPDX-License-Identifier: Apache-2.0 */
/* The scrubber's book in the anchor's directory: see book_keep.h and docs/format/scrub.md. */
#include "anchor/book/book_keep.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "crypto/aead.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOK "scrub"
#define BOOK_NEW "scrub.new"
#define POSITION "scrub.position"
#define FIRST "scrub.first"
#define PART_NEW "scrub.part"
#define LOCK "scrub.lock"

#define MAGIC_SIZE 8U
#define HEAD_SIZE 12U
#define FILE_FORMAT 1U
#define CONTEXT_SIZE (16U + HEAD_SIZE + SHERD_BOOK_NONCE_SIZE)
#define SEALED_MORE 16384U

/* How often a pin is written whose keys are changed meanwhile, and how often a book is read that others replace. */
#define TRIES_MAX 64U
/* For so long, what is held of the book is not looked at anew. */
#define HELD_NS UINT64_C(1000000000)
/* Times of versions are rounded down to a minute. */
#define MINUTE_S 60

static const char book_magic[MAGIC_SIZE + 1] = "SHRDBOOK";
static const char position_magic[MAGIC_SIZE + 1] = "SHRDSCRP";
static const char first_magic[MAGIC_SIZE + 1] = "SHRDTOLD";

/* What readers are told by. */
struct held {
    bool lost;
    bool readers; /* are told */
    bool first;   /* whoever reads first is told, and nobody was yet */
    uint64_t serial;
    struct sherd_scrub_pass last;
    struct sherd_uuid *records; /* of which something open was found, in order */
    size_t count;
};

struct sherd_book_keep {
    struct sherd_book_parts parts;
    pthread_mutex_t turn;  /* writers of this process */
    pthread_rwlock_t lock; /* held */
    struct held held;
    _Atomic uint64_t look_ns; /* when it is looked at anew */
    uint64_t generation;      /* that held is of; under lock */
    bool known;
};

/* The pin as it lies in `keys`. */
struct stored_pin {
    struct sherd_ref name;
    bool there;
    bool good;
    uint64_t generation;
    struct sherd_digest digest;
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    size_t len;
};

static enum sherd_err lost(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the scrubber's book was removed, changed or put back");
}

/* --- files -------------------------------------------------------------------------------------------------------- */

/* @param[in] nonce  of the pass that it is of; NULL: it is of none */
static struct sherd_span context_of(const struct sherd_book_keep *keep, const char *magic, const uint8_t *nonce,
                                    uint8_t out[static CONTEXT_SIZE])
{
    memcpy(out, keep->parts.deployment.bytes, 16);
    memcpy(out + 16, magic, MAGIC_SIZE);
    sherd_put_u32(out + 16 + MAGIC_SIZE, FILE_FORMAT);
    if (nonce != NULL)
        memcpy(out + 16 + HEAD_SIZE, nonce, SHERD_BOOK_NONCE_SIZE);
    return sherd_span_of(out, 16 + HEAD_SIZE + (nonce != NULL ? SHERD_BOOK_NONCE_SIZE : 0));
}

static enum sherd_err seal(const struct sherd_book_keep *keep, const char *magic, const uint8_t *nonce,
                           struct sherd_span plain, struct sherd_buf *out_file)
{
    uint8_t block[CONTEXT_SIZE];
    const struct sherd_span context = context_of(keep, magic, nonce, block);

    SHERD_TRY(sherd_buf_append(out_file, sherd_span_of(block + 16, HEAD_SIZE)));
    return sherd_aead_seal_with(sherd_leaf_state_key(keep->parts.leaves), context, plain, out_file);
}

static enum sherd_err unseal(const struct sherd_book_keep *keep, const char *magic, const uint8_t *nonce,
                             struct sherd_span file, struct sherd_buf *out_plain)
{
    uint8_t block[CONTEXT_SIZE];
    const struct sherd_span context = context_of(keep, magic, nonce, block);

    if (file.len < HEAD_SIZE || !sherd_same(file.data, block + 16, HEAD_SIZE))
        return lost();
    return sherd_aead_open_with(sherd_leaf_state_key(keep->parts.leaves), context,
                                sherd_span_of(file.data + HEAD_SIZE, file.len - HEAD_SIZE), out_plain);
}

/* A small sealed file, replaced as a whole. */
static enum sherd_err write_part(const struct sherd_book_keep *keep, const char *name, const char *magic,
                                 const uint8_t *nonce, struct sherd_span plain)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};

    SHERD_TRY(seal(keep, magic, nonce, plain, &file));
    SHERD_TRY(sherd_file_write(keep->parts.dir, PART_NEW, sherd_buf_span(&file)));
    SHERD_TRY(sherd_file_rename(keep->parts.dir, PART_NEW, name));
    return sherd_dir_sync(keep->parts.dir, "");
}

/* @return SHERD_OK; SHERD_ERR_NOT_FOUND: it is not there, or not what we wrote */
static enum sherd_err read_part(const struct sherd_book_keep *keep, const char *name, const char *magic,
                                const uint8_t *nonce, struct sherd_buf *out_plain)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = 4096};

    enum sherd_err err = sherd_file_read(keep->parts.dir, name, &file);
    if (err == SHERD_OK)
        err = unseal(keep, magic, nonce, sherd_buf_span(&file), out_plain);
    return err == SHERD_ERR_TAMPERED || err == SHERD_ERR_LIMIT ? SHERD_ERR_NOT_FOUND : err;
}

/* --- the pin ------------------------------------------------------------------------------------------------------ */

static enum sherd_err pin_name(const struct sherd_pins *pins, struct sherd_ref *out_name)
{
    return sherd_entry_name(&pins->keys, "scrub", sherd_span_of(NULL, 0), sherd_span_of(NULL, 0), out_name);
}

static enum sherd_err open_pin(const struct sherd_pins *pins, const struct sherd_ref *name, struct sherd_span stored,
                               uint64_t *out_generation, struct sherd_digest *out_digest)
{
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&pins->keys, SHERD_KIND_BOOK_PIN, name, stored, &payload, &tlv));
    return sherd_book_pin_decode(tlv, out_generation, out_digest);
}

enum sherd_err sherd_book_keep_check(const struct sherd_pins *pins, const struct sherd_ref *name,
                                     struct sherd_span stored)
{
    struct sherd_digest digest;
    uint64_t generation;

    return open_pin(pins, name, stored, &generation, &digest);
}

static enum sherd_err read_pin_once(const struct sherd_pins *pins, struct stored_pin *pin)
{
    struct sherd_buf stored = sherd_buf_borrow(pin->block, sizeof(pin->block));

    pin->there = false;
    pin->good = false;
    SHERD_TRY(pin_name(pins, &pin->name));
    enum sherd_err err = sherd_compartment_get(pins->compartment, pin->name, &stored);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    pin->there = true;
    if (err == SHERD_OK) {
        pin->len = stored.len;
        err = open_pin(pins, &pin->name, sherd_buf_span(&stored), &pin->generation, &pin->digest);
    }
    pin->good = err == SHERD_OK;
    return err == SHERD_ERR_TAMPERED || err == SHERD_ERR_LIMIT ? SHERD_OK : err;
}

static enum sherd_err read_pin(const struct sherd_pins *pins, struct stored_pin *pin)
{
    enum sherd_err err = read_pin_once(pins, pin);

    if (err == SHERD_ERR_DENIED) /* as in sherd_entry_open() */
        err = read_pin_once(pins, pin);
    return err == SHERD_ERR_DENIED ? SHERD_OK : err;
}

/* --- the book ----------------------------------------------------------------------------------------------------- */

static enum sherd_err read_file(const struct sherd_book_keep *keep, const char *name, const struct sherd_digest *pinned,
                                struct sherd_book *book)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_BOOK_BYTES_MAX + SEALED_MORE};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {.max = SHERD_BOOK_BYTES_MAX};
    struct sherd_digest digest;

    SHERD_TRY(sherd_file_read(keep->parts.dir, name, &file));
    const struct sherd_span bytes = sherd_buf_span(&file);
    SHERD_TRY(sherd_hash(SHERD_SHA256, &bytes, 1, digest.bytes));
    if (!sherd_same(&digest, pinned, sizeof(digest)))
        return lost();
    SHERD_TRY(unseal(keep, book_magic, NULL, bytes, &plain));
    return sherd_book_decode(sherd_buf_span(&plain), book);
}

static bool not_that(enum sherd_err err)
{
    return err == SHERD_ERR_TAMPERED || err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_LIMIT;
}

/*
 * The book that is pinned. A new one is pinned before it takes the place of the other.
 * @param[out] out_beside  it was found beside: the caller, if it holds the lock, moves it
 */
static enum sherd_err read_pinned(const struct sherd_book_keep *keep, const struct stored_pin *pin,
                                  struct sherd_book *book, bool *out_beside)
{
    *out_beside = false;
    if (!pin->good)
        return pin->there ? lost() : SHERD_OK;
    enum sherd_err err = read_file(keep, BOOK, &pin->digest, book);
    if (not_that(err)) {
        err = read_file(keep, BOOK_NEW, &pin->digest, book);
        *out_beside = err == SHERD_OK;
    }
    if (err == SHERD_OK && book->generation != pin->generation)
        err = lost();
    return not_that(err) ? lost() : err;
}

/* It may be replaced between the looks at pin and file: then the pin is another one by now. */
static enum sherd_err read_settled(const struct sherd_book_keep *keep, struct stored_pin *pin, struct sherd_book *book)
{
    SHERD_CLEANUP(sherd_freep) struct stored_pin *before = sherd_alloc(sizeof(*before));
    enum sherd_err err = SHERD_ERR_TAMPERED;
    bool beside;

    if (before == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(read_pin(keep->parts.pins, pin));
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        err = read_pinned(keep, pin, book, &beside);
        if (err != SHERD_ERR_TAMPERED)
            return err;
        sherd_book_done(book);
        *before = *pin;
        SHERD_TRY(read_pin(keep->parts.pins, pin));
        if (before->there == pin->there && before->len == pin->len && sherd_same(before->block, pin->block, pin->len))
            break;
    }
    return err;
}

/* Readers are told, unless somebody rules otherwise. */
static void first_rules(struct sherd_book *book)
{
    if (book->generation != 0)
        return;
    book->status.rule_count = 1;
    book->status.rules[0] = (struct sherd_scrub_rule){.audience = SHERD_TELL_READERS, .way = SHERD_TELL_ANSWER};
}

static void be_lost(struct sherd_book *book)
{
    sherd_book_done(book);
    book->status.lost = true;
}

enum sherd_err sherd_book_keep_read(struct sherd_book_keep *keep, struct sherd_book *book)
{
    SHERD_CLEANUP(sherd_freep) struct stored_pin *pin = sherd_alloc(sizeof(*pin));

    if (pin == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = read_settled(keep, pin, book);
    if (err == SHERD_ERR_TAMPERED)
        be_lost(book);
    else
        SHERD_TRY(err);
    first_rules(book);
    return SHERD_OK;
}

enum sherd_err sherd_book_keep_position(struct sherd_book_keep *keep, struct sherd_book_position *out_position)
{
    SHERD_CLEANUP(sherd_book_done) struct sherd_book book = {0};
    uint8_t block[SHERD_BOOK_POSITION_BYTES_MAX];
    struct sherd_buf plain = sherd_buf_borrow(block, sizeof(block));
    struct sherd_book_position position = {0};

    SHERD_TRY(sherd_book_keep_read(keep, &book));
    SHERD_ENSURE(book.status.now.number != 0, SHERD_ERR_NOT_FOUND, "no pass of the scrubber is under way");
    enum sherd_err err = read_part(keep, POSITION, position_magic, book.nonce, &plain);
    if (err == SHERD_OK)
        err = sherd_book_position_decode(sherd_buf_span(&plain), &position);
    if (err == SHERD_OK && position.pass == book.status.now.number) {
        *out_position = position;
        return SHERD_OK;
    }
    *out_position = (struct sherd_book_position){.pass = book.status.now.number};
    return not_that(err) ? SHERD_OK : err;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* A change that is carried out. */
struct turn {
    struct sherd_book_keep *keep;
    const struct sherd_book_change *change;
    struct stored_pin pin;
    struct sherd_book book;
    struct sherd_book_effect effect;
};

static enum sherd_err start_anew(struct turn *turn, int64_t now_s)
{
    const struct sherd_finding finding = {.kind = SHERD_FINDING_LEDGER,
                                          .compartment = "keys",
                                          .text = "the scrubber's book was removed, changed or put back: what it said "
                                                  "is lost, and whom to tell"};
    struct sherd_scrub_finding what;

    sherd_book_done(&turn->book);
    turn->book.generation = turn->pin.good ? turn->pin.generation : (uint64_t)now_s << 8; /* above what it had */
    turn->book.status.rule_count = 1;
    turn->book.status.rules[0] = (struct sherd_scrub_rule){.audience = SHERD_TELL_READERS, .way = SHERD_TELL_ANSWER};
    SHERD_TRY(sherd_book_finding_of(&finding, &what));
    SHERD_TRY(sherd_book_apply(&turn->book, turn->change, now_s, &turn->effect));
    return sherd_book_find(&turn->book, &what, now_s);
}

static enum sherd_err apply(struct turn *turn, uint32_t round)
{
    const int64_t now_s = sherd_clock()->wall_s();
    bool beside;

    enum sherd_err err = read_pinned(turn->keep, &turn->pin, &turn->book, &beside);
    if (err == SHERD_OK && beside)
        SHERD_TRY(sherd_file_rename(turn->keep->parts.dir, BOOK_NEW, BOOK));
    if (err == SHERD_OK) {
        first_rules(&turn->book);
        err = sherd_book_apply(&turn->book, turn->change, now_s, &turn->effect);
    } else if (err == SHERD_ERR_TAMPERED && turn->change->action == SHERD_BOOK_BEGIN) {
        err = start_anew(turn, now_s);
    }
    SHERD_TRY(err);
    if (turn->change->action != SHERD_BOOK_BEGIN || !turn->effect.changed)
        return SHERD_OK;
    turn->book.status.now.round = round;
    return sherd_random(turn->book.nonce, sizeof(turn->book.nonce));
}

static enum sherd_err accept_difference(struct turn *turn, const struct sherd_digest *difference)
{
    char text[SHERD_SCRUB_TEXT_SIZE];
    struct sherd_digest name;

    SHERD_TRY(sherd_book_difference_name(difference, &name));
    sherd_book_difference_text(name.bytes, text);
    SHERD_ENSURE(strcmp(text, turn->effect.difference) == 0, SHERD_ERR_CONFLICT,
                 "`keys` and the ledger disagree otherwise than was found: scrub again, and look at what it finds");
    for (size_t i = 0; i < sizeof(difference->bytes); i++)
        turn->book.accepted.bytes[i] ^= difference->bytes[i];
    return SHERD_OK;
}

/* Keys without an entry are told by their number, entries that cannot be read by their leaves: each by itself. */
static enum sherd_err accept_loss(struct turn *turn, const struct sherd_book_differs *now)
{
    const struct sherd_join_loss before = turn->book.loss;
    const struct sherd_keys_check *check = &now->check;
    char unnoted[SHERD_SCRUB_TEXT_SIZE];
    char unkept[SHERD_SCRUB_TEXT_SIZE];

    sherd_book_unnoted_text(check->joins_lost, unnoted);
    sherd_book_unkept_text(check->joins_first, check->joins_last, &check->joins_name, unkept);
    SHERD_ENSURE((turn->effect.unnoted[0] == 0 || strcmp(unnoted, turn->effect.unnoted) == 0) &&
                     (turn->effect.unkept[0] == 0 || strcmp(unkept, turn->effect.unkept) == 0),
                 SHERD_ERR_CONFLICT,
                 "of entries of keys more is lost, or less, than was found: scrub again, and look at what it finds");
    if (turn->effect.unkept[0] != 0) {
        turn->book.loss = now->loss;
        turn->book.loss.releases = before.releases;
    }
    if (turn->effect.unnoted[0] != 0)
        turn->book.loss.releases = now->loss.releases;
    return SHERD_OK;
}

/* What is accepted is what was found, and nothing that came after. */
static enum sherd_err accept(struct turn *turn, sherd_book_differ_fn *differ, void *arg)
{
    const bool joins = turn->effect.unnoted[0] != 0 || turn->effect.unkept[0] != 0;
    struct sherd_book_differs now = {.check = {.entry_count = 0}};

    if (!turn->effect.accept_difference && !joins)
        return SHERD_OK;
    SHERD_TRY(differ(arg, joins, &now));
    if (turn->effect.accept_difference)
        SHERD_TRY(accept_difference(turn, &now.difference));
    return joins ? accept_loss(turn, &now) : SHERD_OK;
}

static enum sherd_err pin_book(struct turn *turn, const struct sherd_digest *digest, bool *out_lost)
{
    const struct sherd_pins *pins = turn->keep->parts.pins;
    struct sherd_event event = {.kind = SHERD_EVENT_ACCEPT, .count = turn->effect.accepted_count};
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_store_op ops[2] = {{.kind = SHERD_STORE_PUT,
                                     .name = turn->pin.name,
                                     .expect = turn->pin.there ? SHERD_EXPECT_EQUALS : SHERD_EXPECT_ABSENT}};
    size_t tlv_bytes;

    *out_lost = false;
    if (turn->pin.there)
        ops[0].expected = sherd_span_of(turn->pin.block, turn->pin.len);
    SHERD_TRY(sherd_book_pin_encode(turn->book.generation, digest, tlv, &tlv_bytes));
    SHERD_TRY(sherd_entry_seal(&pins->keys, SHERD_KIND_BOOK_PIN, &turn->pin.name, sherd_span_of(tlv, tlv_bytes),
                               &stored));
    ops[0].value = sherd_buf_span(&stored);
    return sherd_ring_write(pins->ring, ops, 1, &event, event.count != 0 ? 1 : 0, out_lost);
}

/* Beside the old one, pinned, in its place. */
static enum sherd_err commit(struct turn *turn, bool *out_lost)
{
    const char *dir = turn->keep->parts.dir;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    struct sherd_digest digest;

    turn->book.generation++;
    SHERD_TRY(sherd_book_encode(&turn->book, &plain));
    SHERD_TRY(seal(turn->keep, book_magic, NULL, sherd_buf_span(&plain), &file));
    const struct sherd_span bytes = sherd_buf_span(&file);
    SHERD_TRY(sherd_hash(SHERD_SHA256, &bytes, 1, digest.bytes));
    SHERD_TRY(sherd_file_write(dir, BOOK_NEW, bytes));
    SHERD_TRY(sherd_dir_sync(dir, ""));
    SHERD_FAILPOINT("book.before_pin");
    SHERD_TRY(pin_book(turn, &digest, out_lost));
    SHERD_FAILPOINT("book.pinned");
    SHERD_TRY(sherd_file_rename(dir, BOOK_NEW, BOOK));
    return sherd_dir_sync(dir, "");
}

static enum sherd_err move(const struct turn *turn)
{
    uint8_t block[SHERD_BOOK_POSITION_BYTES_MAX];
    size_t bytes;

    if (turn->change->action != SHERD_BOOK_FIND && turn->change->action != SHERD_BOOK_MOVE)
        return SHERD_OK;
    SHERD_FAILPOINT("book.before_move");
    SHERD_TRY(sherd_book_position_encode(&turn->change->position, block, &bytes));
    return write_part(turn->keep, POSITION, position_magic, turn->book.nonce, sherd_span_of(block, bytes));
}

/* The lock is held. */
static enum sherd_err change_once(struct turn *turn, uint32_t round, sherd_book_differ_fn *differ, void *arg,
                                  bool *out_lost)
{
    *out_lost = false;
    SHERD_TRY(read_pin(turn->keep->parts.pins, &turn->pin));
    SHERD_TRY(apply(turn, round));
    SHERD_TRY(accept(turn, differ, arg));
    if (turn->effect.changed)
        SHERD_TRY(commit(turn, out_lost));
    return move(turn);
}

static enum sherd_err change_in_turn(struct sherd_book_keep *keep, const struct sherd_book_change *change,
                                     uint32_t round, sherd_book_differ_fn *differ, void *arg)
{
    SHERD_CLEANUP(sherd_freep) struct turn *turn = sherd_alloc(sizeof(*turn));
    enum sherd_err err = SHERD_OK;
    bool again = true;

    if (turn == NULL)
        return SHERD_ERR_NO_MEMORY;
    *turn = (struct turn){.keep = keep, .change = change};
    for (unsigned tries = 0; tries < TRIES_MAX && again; tries++) {
        err = change_once(turn, round, differ, arg, &again);
        again = again || (err == SHERD_ERR_CONFLICT && turn->effect.changed && !turn->effect.accept_difference);
        sherd_book_done(&turn->book);
    }
    return err;
}

/* Who was told first is told of what there was then: not pinned, so that also who only reads can note it. */
static enum sherd_err note_first(struct sherd_book_keep *keep, uint64_t serial)
{
    uint8_t bytes[8];

    sherd_put_u64(bytes, serial);
    return write_part(keep, FIRST, first_magic, NULL, sherd_span_of(bytes, sizeof(bytes)));
}

static uint64_t first_told(const struct sherd_book_keep *keep)
{
    uint8_t block[8];
    struct sherd_buf plain = sherd_buf_borrow(block, sizeof(block));

    return read_part(keep, FIRST, first_magic, NULL, &plain) == SHERD_OK && plain.len == sizeof(block)
               ? sherd_get_u64(block)
               : 0;
}

static enum sherd_err change_locked(struct sherd_book_keep *keep, const struct sherd_book_change *change,
                                    uint32_t round, sherd_book_differ_fn *differ, void *arg)
{
    struct sherd_file_lock lock;

    SHERD_TRY(sherd_file_lock_take(keep->parts.dir, LOCK, &lock));
    const enum sherd_err err = change->action == SHERD_BOOK_FIRST ? note_first(keep, change->number)
                                                                  : change_in_turn(keep, change, round, differ, arg);
    sherd_file_lock_leave(&lock);
    return err;
}

enum sherd_err sherd_book_keep_change(struct sherd_book_keep *keep, struct sherd_span bytes, uint32_t round,
                                      sherd_book_differ_fn *differ, void *arg)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_book_room *room = sherd_alloc(sizeof(*room));
    struct sherd_book_change change;

    if (room == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_book_change_decode(bytes, room, &change));
    SHERD_ENSURE(!keep->parts.read_only || change.action == SHERD_BOOK_FIRST, SHERD_ERR_DENIED,
                 "the vault is open for reading only");
    (void)pthread_mutex_lock(&keep->turn);
    const enum sherd_err err = change_locked(keep, &change, round, differ, arg);
    (void)pthread_mutex_unlock(&keep->turn);
    atomic_store(&keep->look_ns, 0);
    return err;
}

/* --- what readers are told ---------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct sherd_uuid)); /* not secret: ids of records */
}

static bool has_rule(const struct sherd_scrub_status *status, enum sherd_scrub_audience audience)
{
    for (size_t i = 0; i < status->rule_count; i++)
        if (status->rules[i].audience == audience)
            return true;
    return false;
}

static enum sherd_err hold_records(const struct sherd_book *book, struct held *held)
{
    if (book->status.open_count == 0)
        return SHERD_OK;
    held->records = sherd_alloc_array((size_t)book->status.open_count, sizeof(*held->records));
    if (held->records == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < book->count; i++)
        if (book->findings[i].has_record && sherd_book_is_open(&book->findings[i]))
            held->records[held->count++] = book->findings[i].record;
    if (held->count > 1)
        qsort(held->records, held->count, sizeof(*held->records), by_id);
    return SHERD_OK;
}

static enum sherd_err hold_book(struct sherd_book_keep *keep, struct held *out_held)
{
    SHERD_CLEANUP(sherd_book_done) struct sherd_book book = {0};
    struct held held = {.lost = false};

    SHERD_TRY(sherd_book_keep_read(keep, &book));
    held.lost = book.status.lost;
    held.readers = has_rule(&book.status, SHERD_TELL_READERS);
    held.serial = book.status.serial;
    held.first = has_rule(&book.status, SHERD_TELL_FIRST) && book.status.open_count > 0 &&
                 book.status.serial > first_told(keep);
    held.last = book.status.last;
    SHERD_TRY(hold_records(&book, &held));
    keep->generation = book.generation;
    *out_held = held;
    return SHERD_OK;
}

/* Where nothing was pinned, as where no pass was ever made, one look at `keys` says so. The lock is held. */
static enum sherd_err look_anew(struct sherd_book_keep *keep)
{
    struct held held;

    SHERD_TRY(hold_book(keep, &held));
    sherd_free(keep->held.records);
    keep->held = held;
    keep->known = true;
    return SHERD_OK;
}

/* Whether it was looked at lately. What cannot be read is looked at again, and meanwhile held as it was. */
static void keep_up(struct sherd_book_keep *keep)
{
    const uint64_t now_ns = sherd_clock()->monotonic_ns();
    char detail[SHERD_FAIL_TEXT_SIZE];

    if (now_ns < atomic_load(&keep->look_ns))
        return;
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    (void)pthread_rwlock_wrlock(&keep->lock);
    if (now_ns >= atomic_load(&keep->look_ns)) {
        if (look_anew(keep) != SHERD_OK)
            sherd_fail_restore(detail);
        atomic_store(&keep->look_ns, now_ns + HELD_NS);
    }
    (void)pthread_rwlock_unlock(&keep->lock);
}

/* A version counts as looked at by a pass that began after it was stored, and found nothing of its record. */
static int64_t verified_at(const struct held *held, const struct sherd_pin *pin, bool found)
{
    if (found || held->lost || held->last.number == 0 || pin->round > held->last.round ||
        (int64_t)pin->created_s + MINUTE_S > held->last.began_s)
        return 0;
    return held->last.ended_s;
}

void sherd_book_keep_judge(struct sherd_book_keep *keep, struct sherd_pin_view *view)
{
    keep_up(keep);
    (void)pthread_rwlock_rdlock(&keep->lock);
    const struct held *held = &keep->held;
    const bool found = held->count > 0 &&
                       bsearch(&view->pin.record, held->records, held->count, sizeof(*held->records), by_id) != NULL;
    view->verified_s = keep->known ? verified_at(held, &view->pin, found) : 0;
    view->found = found && held->readers;
    view->book_lost = held->lost;
    view->first_serial = held->first ? held->serial : 0;
    (void)pthread_rwlock_unlock(&keep->lock);
}

/* --- what was accepted -------------------------------------------------------------------------------------------- */

enum sherd_err sherd_book_keep_accepted(struct sherd_book_keep *keep, struct sherd_digest *out_accepted,
                                        struct sherd_join_loss *out_loss)
{
    SHERD_CLEANUP(sherd_book_done) struct sherd_book book = {0};

    SHERD_TRY(sherd_book_keep_read(keep, &book));
    *out_accepted = book.accepted;
    *out_loss = book.loss;
    return SHERD_OK;
}

enum sherd_err sherd_book_difference_name(const struct sherd_digest *difference, struct sherd_digest *out_name)
{
    static const struct sherd_digest none = {{0}};
    const struct sherd_span parts[] = {sherd_span_str("sherd difference 1"),
                                       sherd_span_of(difference->bytes, sizeof(difference->bytes))};

    *out_name = none;
    if (sherd_same(difference, &none, sizeof(none)))
        return SHERD_OK;
    return sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), out_name->bytes);
}

/* --- the handle --------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_book_keep_new(const struct sherd_book_parts *parts, struct sherd_book_keep **out_keep)
{
    struct sherd_book_keep *keep = sherd_alloc(sizeof(*keep));

    if (keep == NULL)
        return SHERD_ERR_NO_MEMORY;
    *keep = (struct sherd_book_keep){.parts = *parts};
    if (pthread_mutex_init(&keep->turn, NULL) != 0 || pthread_rwlock_init(&keep->lock, NULL) != 0) {
        sherd_free(keep);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "no lock for the scrubber's book can be made");
    }
    *out_keep = keep;
    return SHERD_OK;
}

void sherd_book_keep_free(struct sherd_book_keep *keep)
{
    if (keep == NULL)
        return;
    sherd_free(keep->held.records);
    (void)pthread_rwlock_destroy(&keep->lock);
    (void)pthread_mutex_destroy(&keep->turn);
    sherd_free(keep);
}

enum sherd_err sherd_book_keep_forget(const struct sherd_pins *pins)
{
    struct sherd_store_op op = {.kind = SHERD_STORE_DELETE};

    SHERD_TRY(pin_name(pins, &op.name));
    return sherd_compartment_write(pins->compartment, &op, 1);
}
