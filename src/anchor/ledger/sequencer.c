/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds of the ledger: see sequencer.h and docs/format/ledger.md. */
#include "anchor/ledger/sequencer.h"
#include "anchor/ledger/blocks.h"
#include "anchor/ledger/joins.h"
#include "anchor/ledger/ledger_key.h"
#include "anchor/ledger/ledger_state.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "crypto/aead.h"
#include "crypto/ct.h"
#include "envelope/tlv.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define LEDGER "ledger"
#define STATE "ledger/state"

/* The thread makes a round when so many sets were written, or so long after the first of them. */
#define WAKE_SETS 1000U
#define WAKE_S 60
/* How long it waits after a round, and after one that failed: who writes all the time is not to be slowed by rounds. */
#define REST_S 1
#define RETRY_S 5
/* Its work can wait for that of others. */
#define NICENESS 10
#define NS 1000000000U
/* How often log and state are read anew that do not agree, and how much longer each pause is than the last. */
#define LOOKS_MAX 5U
#define LOOK_PAUSE_NS 4000000L
/* How often a snapshot is taken during which a round was committed. */
#define CHECKS_MAX 100U
/* Events of a round: of blocks, of which the last may be one more than fits, and of joins. */
#define EVENTS_ROOM (SHERD_SEQUENCER_ROUND_EVENTS_MAX + SHERD_PENDING_EVENTS_BYTES_MAX + SHERD_JOIN_EVENTS_MAX)
#define WAKE_NS ((uint64_t)WAKE_S * NS)
#define REST_NS ((uint64_t)REST_S * NS)
#define RETRY_NS ((uint64_t)RETRY_S * NS)

struct sherd_sequencer {
    struct sherd_sequencer_parts parts;
    struct sherd_policy *policy;
    char origin[SHERD_LEDGER_KEY_NAME_SIZE]; /* the log's name */
    char *log_dir;
    pthread_mutex_t turn; /* rounds and readers of the log, one at a time in this process */
    pthread_mutex_t lock; /* what follows */
    pthread_cond_t woken;
    pthread_t thread;
    bool started;
    bool ending;
    bool wrote;           /* this handle, anything */
    uint64_t sets;        /* written since the last round */
    uint64_t due_ns;      /* when a round is made also for few of them */
    uint64_t clean_round; /* whose blocks are known to be gone; under turn, as is the next */
    struct sherd_blocks_plan plan;
};

/* An event on its way to the log. */
struct sequenced {
    struct sherd_event event;
    size_t order; /* in which it was read: events of one block stay in theirs */
};

/* A round. */
struct round {
    struct sherd_sequencer *sequencer;
    struct sherd_ledger_state *after;
    struct sequenced *events;
    size_t event_count;
    bool more; /* blocks are left */
    struct sherd_join_taken joins;
};

/* --- names and keys ----------------------------------------------------------------------------------------------- */

/* The first line of a checkpoint. */
static enum sherd_err origin_of(const struct sherd_ledger_state *state,
                                char out_origin[static SHERD_LEDGER_KEY_NAME_SIZE])
{
    const uint8_t *end = memchr(state->note, '\n', state->note_bytes);

    if (end == NULL || (size_t)(end - state->note) >= SHERD_LEDGER_KEY_NAME_SIZE)
        return sherd_ledger_tampered("has a state that does not verify");
    memcpy(out_origin, state->note, (size_t)(end - state->note));
    out_origin[end - state->note] = 0;
    return SHERD_OK;
}

static struct sherd_ledger_key key_of(const struct sherd_sequencer *sequencer)
{
    const struct sherd_sequencer_parts *parts = &sequencer->parts;

    return (struct sherd_ledger_key){.origin = sequencer->origin, .seed = parts->seed, .deployment = parts->deployment};
}

enum sherd_err sherd_sequencer_vkey(const struct sherd_sequencer *sequencer, struct sherd_buf *out_text)
{
    const struct sherd_ledger_key key = key_of(sequencer);

    return sherd_ledger_key_text(&key, out_text);
}

enum sherd_err sherd_sequencer_vkeys(const struct sherd_sequencer *sequencer, struct sherd_span note,
                                     struct sherd_buf *out_text)
{
    const struct sherd_ledger_key key = key_of(sequencer);

    return sherd_ledger_key_texts(&key, note, out_text);
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

/* The log as the state says it is; what follows of it was not committed. */
static enum sherd_err open_log(struct sherd_sequencer *sequencer, const struct sherd_ledger_state *state,
                               const struct sherd_log_signer *signer, struct sherd_log **out_log)
{
    const struct sherd_span note = sherd_span_of(state->note, state->note_bytes);
    const enum sherd_err err = sherd_log_open_known(sequencer->log_dir, sequencer->policy, signer, note, out_log);

    if (err == SHERD_ERR_CONFLICT)
        return sherd_ledger_tampered("and its state are not of one time: the state was rolled back");
    return err == SHERD_ERR_NOT_FOUND ? sherd_ledger_tampered("is missing") : err;
}

/* --- a round ------------------------------------------------------------------------------------------------------ */

static struct sherd_blocks blocks_of(const struct sherd_sequencer *sequencer)
{
    return (struct sherd_blocks){sherd_changes_compartment(sequencer->parts.changes), &sequencer->parts.keys};
}

static bool lists(const struct sherd_ledger_state *state, const uint8_t id[static SHERD_BLOCK_ID_SIZE])
{
    for (size_t i = 0; i < state->block_count; i++)
        if (sherd_same(state->blocks[i], id, SHERD_BLOCK_ID_SIZE))
            return true;
    return false;
}

/*
 * Blocks are no entries of the digest: they come and go without events of their own. One that was removed by a round
 * that ended is no error.
 */
static enum sherd_err remove_blocks(struct sherd_sequencer *sequencer, const struct sherd_ledger_state *state)
{
    const struct sherd_blocks blocks = blocks_of(sequencer);

    SHERD_TRY(sherd_blocks_remove(&blocks, state->blocks, state->block_count));
    if (state->block_count > 0)
        sequencer->clean_round = state->round;
    return SHERD_OK;
}

static enum sherd_err take_block(void *arg, const struct sherd_block *block, bool *out_enough)
{
    struct round *round = arg;
    struct sherd_ledger_state *after = round->after;

    for (struct sherd_span rest = block->pending.events; rest.len != 0;) {
        if (round->event_count == SHERD_SEQUENCER_ROUND_EVENTS_MAX + SHERD_PENDING_EVENTS_BYTES_MAX)
            return sherd_fail(SHERD_ERR_LIMIT, "too many events in a round");
        struct sequenced *next = &round->events[round->event_count];

        SHERD_TRY(sherd_pending_next(&rest, &next->event));
        next->order = round->event_count++;
    }
    for (size_t i = 0; i < sizeof(after->digest.bytes); i++)
        after->digest.bytes[i] ^= block->pending.delta.bytes[i];
    memcpy(after->blocks[after->block_count++], block->id, sizeof(block->id));
    round->more = round->event_count >= SHERD_SEQUENCER_ROUND_EVENTS_MAX ||
                  after->block_count == SHERD_LEDGER_BLOCKS_MAX;
    *out_enough = round->more;
    return SHERD_OK;
}

static int in_time(const void *a, const void *b)
{
    const struct sequenced *first = a;
    const struct sequenced *second = b;

    if (first->event.time_ns != second->event.time_ns)
        return first->event.time_ns < second->event.time_ns ? -1 : 1;
    return first->order < second->order ? -1 : first->order > second->order;
}

static enum sherd_err collect_any(struct round *round, const struct sherd_blocks *blocks)
{
    struct sherd_snapshot *snapshot;

    SHERD_TRY(sherd_compartment_snapshot_begin(blocks->compartment, &snapshot));
    const enum sherd_err err = sherd_blocks_each(blocks, snapshot, take_block, round);
    sherd_snapshot_end(snapshot);
    return err;
}

/*
 * What was written after something else is to be behind it in the log, also where they do not fit into one round: then
 * this one and the next keep to a plan. @param[in] digest  as it was before the round
 */
static enum sherd_err collect(struct round *round, const struct sherd_digest *digest)
{
    struct sherd_blocks_plan *plan = &round->sequencer->plan;
    const struct sherd_blocks blocks = blocks_of(round->sequencer);

    SHERD_TRY(sherd_blocks_planned(&blocks, plan, take_block, round));
    if (round->after->block_count == 0) { /* there is no plan, or others took all that was in it */
        SHERD_TRY(collect_any(round, &blocks));
        if (!round->more)
            return SHERD_OK;
        round->event_count = round->after->block_count = 0;
        round->after->digest = *digest;
        SHERD_TRY(sherd_blocks_plan(&blocks, plan));
        SHERD_TRY(sherd_blocks_planned(&blocks, plan, take_block, round));
    }
    round->more = true; /* behind the plan, if not in it */
    return SHERD_OK;
}

/* All is on the disk but the checkpoint: it is so from here on. */
static enum sherd_err commit(void *arg, struct sherd_span note)
{
    struct round *round = arg;
    struct sherd_ledger_state *after = round->after;

    SHERD_ENSURE(note.len <= sizeof(after->note), SHERD_ERR_LIMIT, "the ledger's checkpoint is too long");
    memcpy(after->note, note.data, note.len);
    after->note_bytes = note.len;
    SHERD_FAILPOINT("sequencer.before_commit");
    return sherd_ledger_state_write(&round->sequencer->parts, after);
}

struct sherd_join_place sherd_sequencer_joins_place(const struct sherd_sequencer *sequencer)
{
    return (struct sherd_join_place){.dir = sequencer->parts.dir, .leaves = sequencer->parts.leaves};
}

/* What was noted of keys that were given out: behind the events of the blocks, and then in the order of all times. */
static enum sherd_err collect_joins(struct round *round)
{
    const struct sherd_join_place place = sherd_sequencer_joins_place(round->sequencer);

    round->joins.after = &round->after->joins;
    SHERD_TRY(sherd_join_files_take(&place, round->after->round, false, &round->joins));
    for (size_t i = 0; i < sherd_join_taken_leaves(&round->joins); i++) {
        struct sequenced *next = &round->events[round->event_count];

        SHERD_TRY(sherd_join_taken_event(&round->joins, i, &next->event));
        SHERD_TRY(sherd_random(next->event.id, sizeof(next->event.id)));
        next->order = round->event_count++;
    }
    round->more = round->more || round->joins.more;
    if (round->event_count > 1)
        qsort(round->events, round->event_count, sizeof(*round->events), in_time);
    return SHERD_OK;
}

/* The slots lie beside the log before their leaves are in it. Those of one round are in the order of their leaves. */
static enum sherd_err keep_joins(struct round *round, uint64_t size)
{
    const struct sherd_join_place place = sherd_sequencer_joins_place(round->sequencer);
    uint64_t leaves[SHERD_JOIN_EVENTS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < round->event_count; i++)
        if (round->events[i].event.has_root)
            leaves[count++] = size + i;
    return sherd_join_files_keep(&place, &round->joins, leaves);
}

static enum sherd_err append(const struct round *round, struct sherd_log *log)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_span *entries = sherd_alloc_array(round->event_count,
                                                                                         sizeof(*entries));
    SHERD_CLEANUP(sherd_freep) uint8_t *leaves = sherd_alloc_array(round->event_count, SHERD_LEAF_BYTES_MAX);

    if (entries == NULL || leaves == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < round->event_count; i++) {
        uint8_t *leaf = leaves + i * SHERD_LEAF_BYTES_MAX;

        SHERD_TRY(sherd_leaf_encode(round->sequencer->parts.leaves, &round->events[i].event, leaf, &entries[i].len));
        entries[i].data = leaf;
    }
    return sherd_log_append(log, entries, round->event_count, NULL);
}

/* Steps 3 to 5. Blocks that stand for no event change the digest alone. */
static enum sherd_err carry_out(struct round *round, struct sherd_log *log)
{
    const struct sherd_join_place place = sherd_sequencer_joins_place(round->sequencer);

    SHERD_TRY(keep_joins(round, round->after->size - round->event_count));
    SHERD_TRY(round->event_count != 0 ? append(round, log) : commit(round, sherd_log_note(log)));
    SHERD_FAILPOINT("sequencer.before_remove");
    SHERD_TRY(remove_blocks(round->sequencer, round->after));
    return sherd_join_files_clear(&place, &round->after->joins);
}

static enum sherd_err sign_round(void *arg, struct sherd_span text, struct sherd_buf *out_note)
{
    const struct round *round = arg;
    const struct sherd_ledger_key key = key_of(round->sequencer);

    return sherd_ledger_key_sign(&key, text, out_note);
}

/*
 * Nothing has happened; but a checkpoint of a machine whose OpenSSL has no ML-DSA-44 is signed anew by one that has it.
 */
static enum sherd_err sign_anew(struct round *round, struct sherd_log *log)
{
    const struct sherd_ledger_key key = key_of(round->sequencer);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_signed parts;

    if (sherd_ledger_key_is_double(&key, sherd_log_note(log)))
        return SHERD_OK;
    SHERD_TRY(sherd_signed_parse(sherd_log_note(log), &parts));
    SHERD_TRY(sherd_ledger_key_sign(&key, parts.text, &note));
    if (!sherd_ledger_key_is_double(&key, sherd_buf_span(&note)))
        return SHERD_OK;
    SHERD_TRY(commit(round, sherd_buf_span(&note)));
    return sherd_log_cosigned(log, sherd_buf_span(&note));
}

static enum sherd_err round_with(struct round *round, const struct sherd_ledger_state *before, uint64_t *out_size)
{
    struct sherd_sequencer *sequencer = round->sequencer;
    const struct sherd_log_signer signer = {.sign = sign_round, .commit = commit, .arg = round};
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;

    SHERD_TRY(open_log(sequencer, before, &signer, &log));
    if (sequencer->clean_round != before->round)
        SHERD_TRY(remove_blocks(sequencer, before));
    *round->after = (struct sherd_ledger_state){.digest = before->digest,
                                                .round = before->round + 1,
                                                .joins = before->joins,
                                                .restoring = before->restoring,
                                                .outside_bytes = before->outside_bytes};
    memcpy(round->after->outside, before->outside, before->outside_bytes);
    SHERD_TRY(collect(round, &before->digest));
    SHERD_TRY(collect_joins(round));
    round->after->size = before->size + round->event_count;
    *out_size = round->after->size;
    return round->after->block_count == 0 && !round->joins.changed ? sign_anew(round, log) : carry_out(round, log);
}

/* The caller has the turn of this process and the lock of all. */
static enum sherd_err one_round(struct sherd_sequencer *sequencer, bool *out_more, uint64_t *out_size)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_ledger_state *states = sherd_alloc_array(2, sizeof(*states));
    SHERD_CLEANUP(sherd_freep) struct sequenced *events = sherd_alloc_array(EVENTS_ROOM, sizeof(*events));
    struct round round = {.sequencer = sequencer, .events = events};

    if (states == NULL || events == NULL)
        return SHERD_ERR_NO_MEMORY;
    round.after = &states[1];
    SHERD_TRY(sherd_ledger_state_read(&sequencer->parts, &states[0]));
    const enum sherd_err err = round_with(&round, &states[0], out_size);
    sherd_join_taken_done(&round.joins);
    if (err != SHERD_OK) /* what it took of the plan is to be taken again, and first */
        sherd_blocks_plan_done(&sequencer->plan);
    *out_more = round.more && (round.after->block_count != 0 || round.joins.changed); /* else it waits for others */
    return err;
}

/* --- rounds in turn ----------------------------------------------------------------------------------------------- */

/* One round, in turn with others. @param[out] out_more  blocks are left */
static enum sherd_err round_in_turn(struct sherd_sequencer *sequencer, bool *out_more, uint64_t *out_size)
{
    struct sherd_file_lock lock;

    (void)pthread_mutex_lock(&sequencer->turn);
    enum sherd_err err = sherd_file_lock_take(sequencer->parts.dir, SHERD_LEDGER_LOCK, &lock);
    if (err == SHERD_OK) {
        err = one_round(sequencer, out_more, out_size);
        sherd_file_lock_leave(&lock);
    }
    (void)pthread_mutex_unlock(&sequencer->turn);
    return err;
}

static void tell_made(const struct sherd_sequencer *sequencer)
{
    if (sequencer->parts.made != NULL)
        sequencer->parts.made(sequencer->parts.made_arg);
}

enum sherd_err sherd_sequencer_run(struct sherd_sequencer *sequencer, uint64_t *out_size)
{
    uint64_t size = 0;
    bool more = true;

    SHERD_ENSURE(!sequencer->parts.read_only, SHERD_ERR_DENIED, "the vault is open for reading only");
    while (more)
        SHERD_TRY(round_in_turn(sequencer, &more, &size));
    if (out_size != NULL)
        *out_size = size;
    tell_made(sequencer);
    return SHERD_OK;
}

/* Wait until a round is due, or the end. @return whether it is the end */
static bool wait_for_due(struct sherd_sequencer *sequencer, uint64_t not_before_ns)
{
    (void)pthread_mutex_lock(&sequencer->lock);
    for (;;) {
        const uint64_t now = sherd_clock()->monotonic_ns();
        uint64_t until = sequencer->due_ns > not_before_ns ? sequencer->due_ns : not_before_ns;

        if (sequencer->ending || (sequencer->sets != 0 && now >= until) ||
            (sequencer->sets >= WAKE_SETS && now >= not_before_ns))
            break;
        if (sequencer->sets >= WAKE_SETS)
            until = not_before_ns;
        if (sequencer->sets == 0) {
            (void)pthread_cond_wait(&sequencer->woken, &sequencer->lock);
        } else {
            const struct timespec at = {.tv_sec = (time_t)(until / NS), .tv_nsec = (long)(until % NS)};

            (void)pthread_cond_timedwait(&sequencer->woken, &sequencer->lock, &at);
        }
    }
    const bool end = sequencer->ending;
    sequencer->sets = 0;
    (void)pthread_mutex_unlock(&sequencer->lock);
    return end;
}

/* Rounds until no block is left; between two of them as long for others as the first took. */
static enum sherd_err make_rounds(struct sherd_sequencer *sequencer)
{
    uint64_t size;
    bool more = true;

    while (more) {
        const uint64_t start = sherd_clock()->monotonic_ns();

        SHERD_TRY(round_in_turn(sequencer, &more, &size));
        const uint64_t took = sherd_clock()->monotonic_ns() - start;
        const struct timespec pause = {.tv_nsec = (long)(took < REST_NS ? took : REST_NS - 1)};
        if (more)
            (void)nanosleep(&pause, NULL);
    }
    tell_made(sequencer);
    return SHERD_OK;
}

static void *run_thread(void *arg)
{
    struct sherd_sequencer *sequencer = arg;
    uint64_t not_before_ns = 0;

    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); /* of this thread; without it all goes on as well */
    while (!wait_for_due(sequencer, not_before_ns)) {
        const enum sherd_err err = make_rounds(sequencer);

        not_before_ns = sherd_clock()->monotonic_ns() + (err == SHERD_OK ? REST_NS : RETRY_NS);
        if (err != SHERD_OK) /* what was written stays pending: the next round takes it */
            sherd_sequencer_wake(sequencer);
    }
    return NULL;
}

/* Where none can be started, a round is made at the end. */
static void start(struct sherd_sequencer *sequencer)
{
    if (!sequencer->started && !sequencer->ending)
        sequencer->started = pthread_create(&sequencer->thread, NULL, run_thread, sequencer) == 0;
}

void sherd_sequencer_wake(struct sherd_sequencer *sequencer)
{
    (void)pthread_mutex_lock(&sequencer->lock);
    sequencer->wrote = true;
    start(sequencer);
    if (sequencer->sets++ == 0)
        sequencer->due_ns = sherd_clock()->monotonic_ns() + WAKE_NS;
    if (sequencer->sets == 1 || sequencer->sets == WAKE_SETS)
        (void)pthread_cond_signal(&sequencer->woken);
    (void)pthread_mutex_unlock(&sequencer->lock);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static enum sherd_err open_once(struct sherd_sequencer *sequencer, struct sherd_ledger_state *state,
                                struct sherd_log **out_log)
{
    SHERD_TRY(sherd_ledger_state_read(&sequencer->parts, state));
    return open_log(sequencer, state, NULL, out_log);
}

/*
 * Log and state as they are, to read: both verify, and belong together. A round may be committed between the looks at
 * the two: then they are looked at anew.
 */
static enum sherd_err open_settled(struct sherd_sequencer *sequencer, struct sherd_ledger_state *state,
                                   struct sherd_log **out_log)
{
    enum sherd_err err = SHERD_ERR_TAMPERED;

    for (unsigned tries = 0; tries < LOOKS_MAX && err == SHERD_ERR_TAMPERED; tries++) {
        const struct timespec pause = {.tv_nsec = (long)tries * LOOK_PAUSE_NS};

        if (tries != 0)
            (void)nanosleep(&pause, NULL);
        err = open_once(sequencer, state, out_log);
    }
    return err;
}

enum sherd_err sherd_sequencer_log(struct sherd_sequencer *sequencer, sherd_log_use_fn *use, void *arg)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_ledger_state *state = sherd_alloc(sizeof(*state));
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;

    if (state == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(open_settled(sequencer, state, &log));
    return use(arg, log, &state->joins);
}

enum sherd_err sherd_sequencer_outside(struct sherd_sequencer *sequencer, struct sherd_buf *out_bytes,
                                       struct sherd_buf *out_note)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_ledger_state *state = sherd_alloc(sizeof(*state));

    if (state == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_ledger_state_read(&sequencer->parts, state));
    SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(state->outside, state->outside_bytes)));
    return sherd_buf_append(out_note, sherd_span_of(state->note, state->note_bytes));
}

/* In the turn of all that write the state. */
static enum sherd_err set_outside(const struct sherd_sequencer *sequencer, struct sherd_span bytes)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_ledger_state *state = sherd_alloc(sizeof(*state));

    if (state == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_ledger_state_read(&sequencer->parts, state));
    state->outside_bytes = bytes.len;
    if (bytes.len != 0)
        memcpy(state->outside, bytes.data, bytes.len);
    return sherd_ledger_state_write(&sequencer->parts, state);
}

enum sherd_err sherd_sequencer_outside_set(struct sherd_sequencer *sequencer, struct sherd_span bytes)
{
    struct sherd_file_lock lock;

    SHERD_ENSURE(!sequencer->parts.read_only, SHERD_ERR_DENIED, "the vault is open for reading only");
    SHERD_ENSURE(bytes.len <= SHERD_SEQUENCER_OUTSIDE_BYTES_MAX, SHERD_ERR_LIMIT, "too much is said of outside");
    (void)pthread_mutex_lock(&sequencer->turn);
    enum sherd_err err = sherd_file_lock_take(sequencer->parts.dir, SHERD_LEDGER_LOCK, &lock);
    if (err == SHERD_OK) {
        err = set_outside(sequencer, bytes);
        sherd_file_lock_leave(&lock);
    }
    (void)pthread_mutex_unlock(&sequencer->turn);
    return err;
}

const char *sherd_sequencer_dir(const struct sherd_sequencer *sequencer)
{
    return sequencer->parts.dir;
}

/* A check under way. */
struct check {
    struct sherd_sequencer *sequencer;
    struct sherd_ledger_state *state;
    struct sherd_keys_check found;
    const struct sherd_join_loss *accepted; /* of what is lost of joins */
    struct sherd_join_loss loss;            /* all of it */
};

static enum sherd_err add_pending(void *arg, const struct sherd_block *block, bool *out_enough)
{
    struct check *check = arg;

    (void)out_enough;
    if (lists(check->state, block->id)) /* its leaves are in the log: it was about to be removed */
        return SHERD_OK;
    for (size_t i = 0; i < sizeof(block->pending.delta.bytes); i++)
        check->state->digest.bytes[i] ^= block->pending.delta.bytes[i];
    check->found.pending_count++;
    return SHERD_OK;
}

static enum sherd_err check_in(struct check *check, struct sherd_snapshot *snapshot)
{
    const struct sherd_blocks blocks = blocks_of(check->sequencer);
    struct sherd_keys_digest digest;

    SHERD_TRY(sherd_blocks_each(&blocks, snapshot, add_pending, check));
    SHERD_TRY(sherd_keys_digest(snapshot, check->sequencer->parts.leaves, &digest));
    check->found.entry_count = digest.entry_count;
    check->found.agrees = sherd_ct_equal(digest.entries.bytes, check->state->digest.bytes,
                                         sizeof(digest.entries.bytes));
    for (size_t i = 0; i < sizeof(digest.entries.bytes); i++)
        check->found.difference.bytes[i] = digest.entries.bytes[i] ^ check->state->digest.bytes[i];
    return SHERD_OK;
}

/* A snapshot, and the state as it was then: no round was committed between two looks at it. */
static enum sherd_err begin_check(struct check *check, struct sherd_snapshot **out_snapshot)
{
    const struct sherd_sequencer *sequencer = check->sequencer;
    SHERD_CLEANUP(sherd_freep) struct sherd_ledger_state *again = sherd_alloc(sizeof(*again));

    if (again == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (unsigned tries = 0; tries < CHECKS_MAX; tries++) {
        SHERD_TRY(sherd_ledger_state_read(&sequencer->parts, check->state));
        SHERD_TRY(sherd_compartment_snapshot_begin(sherd_changes_compartment(sequencer->parts.changes), out_snapshot));
        const enum sherd_err err = sherd_ledger_state_read(&sequencer->parts, again);
        if (err == SHERD_OK && again->round == check->state->round)
            return SHERD_OK;
        sherd_snapshot_end(*out_snapshot);
        *out_snapshot = NULL;
        SHERD_TRY(err);
    }
    return sherd_fail(SHERD_ERR_BUSY, "the ledger changes all the time: try again");
}

static enum sherd_err check_log(struct check *check)
{
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;
    SHERD_CLEANUP(sherd_join_check_done) struct sherd_join_check joins = {.damaged = false};
    const struct sherd_join_place place = sherd_sequencer_joins_place(check->sequencer);

    SHERD_TRY(open_settled(check->sequencer, check->state, &log));
    SHERD_TRY(sherd_join_check_begin(&joins, &place, &check->state->joins, sherd_log_checkpoint(log)->head.size,
                                     check->accepted));
    SHERD_TRY(sherd_log_verify(log, sherd_join_check_leaf, &joins));
    SHERD_TRY(sherd_join_check_end(&joins));
    check->found.joins_verify = !joins.damaged;
    check->found.joins_first = joins.fresh.first;
    check->found.joins_last = joins.fresh.last;
    check->loss = joins.loss;
    return SHERD_OK;
}

/* What was acknowledged is no finding. */
static enum sherd_err judge_joins(struct check *check)
{
    const struct sherd_join_loss none = {.releases = 0};
    const struct sherd_join_loss *accepted = check->accepted != NULL ? check->accepted : &none;

    check->found.joins_verify = check->found.joins_verify && check->loss.extra <= accepted->extra;
    check->found.joins_lost = check->loss.releases > accepted->releases ? check->loss.releases : 0;
    return sherd_join_loss_name(&check->loss, &check->found.joins_name);
}

/* What is noted and in no leaf yet, at a moment at which no round is committed. */
static enum sherd_err check_noted(struct check *check)
{
    const struct sherd_join_place place = sherd_sequencer_joins_place(check->sequencer);

    for (unsigned tries = 0; tries < CHECKS_MAX; tries++) {
        struct sherd_join_taken taken = {.after = &check->state->joins};

        SHERD_TRY(sherd_ledger_state_read(&check->sequencer->parts, check->state));
        const uint64_t round = check->state->round;
        const enum sherd_err err = sherd_join_files_take(&place, round + 1, true, &taken);
        sherd_join_taken_done(&taken);
        SHERD_TRY(err);
        SHERD_TRY(sherd_ledger_state_read(&check->sequencer->parts, check->state));
        if (check->state->round != round)
            continue;
        check->found.join_count = taken.count;
        check->loss.releases += taken.lost;
        check->loss.extra += taken.strange;
        return judge_joins(check);
    }
    return sherd_fail(SHERD_ERR_BUSY, "the ledger changes all the time: try again");
}

static enum sherd_err compare(struct check *check)
{
    struct sherd_snapshot *snapshot = NULL;

    SHERD_TRY(begin_check(check, &snapshot));
    const enum sherd_err err = check_in(check, snapshot);
    sherd_snapshot_end(snapshot);
    check->found.log_size = check->state->size;
    return err;
}

enum sherd_err sherd_sequencer_compare(struct sherd_sequencer *sequencer, struct sherd_keys_check *out_check)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_ledger_state *state = sherd_alloc(sizeof(*state));
    struct check check = {.sequencer = sequencer, .state = state};

    if (state == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(compare(&check));
    *out_check = check.found;
    return SHERD_OK;
}

enum sherd_err sherd_sequencer_check(struct sherd_sequencer *sequencer, const struct sherd_join_loss *accepted,
                                     struct sherd_keys_check *out_check, struct sherd_join_loss *out_loss)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_ledger_state *state = sherd_alloc(sizeof(*state));
    struct check check = {.sequencer = sequencer, .state = state, .accepted = accepted};

    if (state == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(compare(&check));
    const enum sherd_err err = check_log(&check);
    if (err != SHERD_OK && err != SHERD_ERR_TAMPERED)
        return err;
    check.found.log_verifies = err == SHERD_OK;
    SHERD_TRY(check_noted(&check));
    *out_check = check.found;
    if (out_loss != NULL)
        *out_loss = check.loss;
    return SHERD_OK;
}

enum sherd_err sherd_sequencer_rounds(const struct sherd_sequencer *sequencer, uint64_t *out_rounds)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_ledger_state *state = sherd_alloc(sizeof(*state));

    if (state == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_ledger_state_read(&sequencer->parts, state));
    *out_rounds = state->round;
    return SHERD_OK;
}

/* --- making and opening ------------------------------------------------------------------------------------------- */

/* Its times are those of a clock that never jumps. */
static bool init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;

    if (pthread_condattr_init(&attributes) != 0)
        return false;
    const bool made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                      pthread_cond_init(cond, &attributes) == 0;
    (void)pthread_condattr_destroy(&attributes);
    return made;
}

static enum sherd_err prepare(const struct sherd_sequencer_parts *parts, const char *origin,
                              struct sherd_sequencer **out_sequencer)
{
    struct sherd_sequencer *sequencer = sherd_alloc(sizeof(*sequencer));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf vkey = {0};

    if (sequencer == NULL)
        return SHERD_ERR_NO_MEMORY;
    *sequencer = (struct sherd_sequencer){.parts = *parts};
    if (pthread_mutex_init(&sequencer->turn, NULL) != 0 || pthread_mutex_init(&sequencer->lock, NULL) != 0 ||
        !init_cond(&sequencer->woken)) {
        sherd_free(sequencer);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "no lock for the ledger can be made");
    }
    (void)snprintf(sequencer->origin, sizeof(sequencer->origin), "%s", origin);
    sequencer->log_dir = sherd_path_join(parts->dir, LEDGER);
    enum sherd_err err = sequencer->log_dir != NULL ? SHERD_OK : SHERD_ERR_NO_MEMORY;
    if (err == SHERD_OK)
        err = sherd_sequencer_vkey(sequencer, &vkey);
    if (err == SHERD_OK)
        err = sherd_policy_of_log(sherd_buf_span(&vkey), &sequencer->policy);
    if (err != SHERD_OK) {
        sherd_sequencer_free(sequencer);
        return err;
    }
    *out_sequencer = sequencer;
    return SHERD_OK;
}

static void end_thread(struct sherd_sequencer *sequencer)
{
    (void)pthread_mutex_lock(&sequencer->lock);
    sequencer->ending = true;
    (void)pthread_cond_signal(&sequencer->woken);
    (void)pthread_mutex_unlock(&sequencer->lock);
    if (sequencer->started)
        (void)pthread_join(sequencer->thread, NULL);
}

/* Whether the last round was made long ago. A command that writes little does not pay for a round each time. */
static bool is_old(const struct sherd_sequencer *sequencer)
{
    int64_t age_s;

    return sherd_file_age(sequencer->parts.dir, STATE, &age_s) != SHERD_OK || age_s >= WAKE_S || age_s < 0;
}

/* Where it fails, what was written stays pending, and the next handle takes it. */
static void last_round(struct sherd_sequencer *sequencer)
{
    char detail[SHERD_FAIL_TEXT_SIZE];

    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    if (!is_old(sequencer) || sherd_sequencer_run(sequencer, NULL) != SHERD_OK)
        sherd_fail_restore(detail);
}

void sherd_sequencer_free(struct sherd_sequencer *sequencer)
{
    if (sequencer == NULL)
        return;
    end_thread(sequencer);
    if (sequencer->wrote)
        last_round(sequencer);
    (void)pthread_cond_destroy(&sequencer->woken);
    (void)pthread_mutex_destroy(&sequencer->lock);
    (void)pthread_mutex_destroy(&sequencer->turn);
    sherd_blocks_plan_done(&sequencer->plan);
    sherd_policy_free(sequencer->policy);
    sherd_free(sequencer->log_dir);
    sherd_free(sequencer);
}

enum sherd_err sherd_sequencer_new(const struct sherd_sequencer_parts *parts, struct sherd_sequencer **out_sequencer)
{
    SHERD_CLEANUP(sherd_sequencer_freep) struct sherd_sequencer *sequencer = NULL;
    SHERD_CLEANUP(sherd_freep) struct sherd_ledger_state *state = sherd_alloc(sizeof(*state));
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;
    char origin[SHERD_LEDGER_KEY_NAME_SIZE];

    if (state == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_ledger_state_read(parts, state));
    SHERD_TRY(origin_of(state, origin));
    SHERD_TRY(prepare(parts, origin, &sequencer));
    SHERD_TRY(open_settled(sequencer, state, &log));
    *out_sequencer = sequencer;
    sequencer = NULL;
    return SHERD_OK;
}

/* What the ledger that begins now takes as given: all that is there but for what pending blocks say of themselves. */
static enum sherd_err take_as_given(struct sherd_sequencer *sequencer, struct sherd_ledger_state *state)
{
    struct check check = {.sequencer = sequencer, .state = state};
    const struct sherd_blocks blocks = blocks_of(sequencer);
    struct sherd_keys_digest digest;
    struct sherd_snapshot *snapshot;

    SHERD_TRY(sherd_compartment_snapshot_begin(blocks.compartment, &snapshot));
    enum sherd_err err = sherd_blocks_each(&blocks, snapshot, add_pending, &check);
    if (err == SHERD_OK)
        err = sherd_keys_digest(snapshot, sequencer->parts.leaves, &digest);
    sherd_snapshot_end(snapshot);
    SHERD_TRY(err);
    for (size_t i = 0; i < sizeof(digest.entries.bytes); i++)
        state->digest.bytes[i] ^= digest.entries.bytes[i];
    return SHERD_OK;
}

enum sherd_err sherd_sequencer_make(const struct sherd_sequencer_parts *parts, enum sherd_event_kind first)
{
    SHERD_CLEANUP(sherd_sequencer_freep) struct sherd_sequencer *sequencer = NULL;
    SHERD_CLEANUP(sherd_freep) struct sherd_ledger_state *state = sherd_alloc(sizeof(*state));
    struct round round = {.after = state};
    const struct sherd_log_signer signer = {.sign = sign_round, .arg = &round};
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;
    struct sherd_event event = {.kind = first};
    char origin[SHERD_LEDGER_KEY_NAME_SIZE];

    if (state == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_ledger_key_origin(&parts->deployment, origin));
    SHERD_TRY(prepare(parts, origin, &sequencer));
    round.sequencer = sequencer;
    SHERD_TRY(sherd_dir_make(parts->dir, LEDGER));
    SHERD_TRY(sherd_dir_make(parts->dir, SHERD_JOINS_DIR));
    SHERD_TRY(take_as_given(sequencer, state));
    state->restoring = first == SHERD_EVENT_RESTORE;
    SHERD_TRY(sherd_log_make(sequencer->log_dir, sherd_span_str(origin), &signer));
    SHERD_TRY(sherd_log_open(sequencer->log_dir, sequencer->policy, NULL, &log));
    SHERD_TRY(commit(&round, sherd_log_note(log)));
    SHERD_TRY(sherd_changes_write(parts->changes, NULL, 0, &event, 1));
    return sherd_sequencer_run(sequencer, NULL);
}
