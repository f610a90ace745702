/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scrubber: the walk of verify.h, piece by piece, with a position that outlives the process, and a book of what was
 * found (anchor/book/book.h).
 *
 * What a piece finds is in the book before the position moves past that piece. A pass that was ended in the middle, in
 * whatever way, does the piece again that it was in, and meets nothing twice in the book: a finding is known by what it
 * is about.
 */
#include <sherd/scrub.h>
#include "anchor/book/book.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/mem.h"
#include "scrub/pages.h"
#include "scrub/verify.h"
#include <stdio.h>
#include <string.h>

#define LOCK "scrub.pass"
/* So often at most the position is written, where nothing is found. */
#define SAVE_NS UINT64_C(5000000000)
/* Ranges that are walked between two looks at whether to write it: for each thread, and at most. */
#define THREAD_RANGES 2U
#define RANGES_MAX 16U

struct scrub {
    struct sherd_vault *vault;
    const struct sherd_scrub_options *options;
    const struct sherd_observer *observer; /* the caller's */
    struct sherd_walk *walk;
    struct sherd_book_position position; /* as it is written */
    uint64_t saved_ns;
    enum sherd_err err; /* of what was done while the walk told of a finding */
    size_t count;
    struct sherd_scrub_finding found[SHERD_BOOK_CHANGE_FINDINGS_MAX]; /* not in the book yet */
};

/* --- the book ----------------------------------------------------------------------------------------------------- */

static enum sherd_err change(struct sherd_vault *vault, const struct sherd_book_change *wanted)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {.max = SHERD_BOOK_CHANGE_BYTES_MAX};

    SHERD_TRY(sherd_book_change_encode(wanted, &bytes));
    return vault->anchor->ops->book_change(vault->anchor, sherd_buf_span(&bytes));
}

static enum sherd_err read_book(struct sherd_vault *vault, struct sherd_book *book)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {.max = SHERD_BOOK_BYTES_MAX};
    bool lost = false;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(sherd_vault_check_maintains(vault));
    SHERD_TRY(vault->anchor->ops->book_read(vault->anchor, &bytes, &lost));
    SHERD_TRY(sherd_book_decode(sherd_buf_span(&bytes), book));
    book->status.lost = lost;
    return SHERD_OK;
}

/* --- what is found ------------------------------------------------------------------------------------------------ */

/* Write down what was found, and where the pass stands. */
static enum sherd_err save(struct scrub *scrub)
{
    const struct sherd_book_change wanted = {.action = scrub->count > 0 ? SHERD_BOOK_FIND : SHERD_BOOK_MOVE,
                                             .position = scrub->position,
                                             .findings = scrub->found,
                                             .finding_count = scrub->count};

    SHERD_TRY(change(scrub->vault, &wanted));
    if (scrub->count > 0 && scrub->options->found != NULL)
        scrub->options->found(scrub->options->found_arg);
    scrub->count = 0;
    scrub->saved_ns = sherd_clock()->monotonic_ns();
    return SHERD_OK;
}

/* By one thread at a time. What is refused by policy is no violation, and not for the book. */
static void on_finding(void *arg, const struct sherd_finding *finding)
{
    struct scrub *scrub = arg;

    if (scrub->observer->finding != NULL)
        scrub->observer->finding(scrub->observer->arg, finding);
    if (finding->kind == SHERD_FINDING_REFUSED || scrub->err != SHERD_OK)
        return;
    if (scrub->count == SHERD_COUNT_OF(scrub->found))
        scrub->err = save(scrub);
    if (scrub->err == SHERD_OK)
        scrub->err = sherd_book_finding_of(finding, &scrub->found[scrub->count]);
    scrub->count += scrub->err == SHERD_OK;
}

static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct scrub *scrub = arg;

    if (scrub->err != SHERD_OK)
        return false;
    return scrub->observer->progress == NULL || scrub->observer->progress(scrub->observer->arg, done, total);
}

/* --- a pass ------------------------------------------------------------------------------------------------------- */

/* The pieces before were done. */
static enum sherd_err move_to(struct scrub *scrub, uint32_t phase, uint32_t range)
{
    scrub->position.phase = phase;
    scrub->position.range = range;
    sherd_walk_stat(scrub->walk, &scrub->position.stat);
    SHERD_FAILPOINT("scrub.moved");
    if (scrub->count == 0 && sherd_clock()->monotonic_ns() - scrub->saved_ns < SAVE_NS)
        return SHERD_OK;
    return save(scrub);
}

static enum sherd_err walk_pins(struct scrub *scrub)
{
    const unsigned wanted = THREAD_RANGES * (unsigned)sherd_pool_threads(scrub->vault->pool);
    const unsigned step = scrub->options->rate != 0 ? 1 : wanted < RANGES_MAX ? wanted : RANGES_MAX;

    for (uint32_t at = scrub->position.range; at < SHERD_PAGES_RANGES;) {
        const unsigned left = SHERD_PAGES_RANGES - at;
        const unsigned count = step < left ? step : left;

        SHERD_TRY(sherd_walk_pins(scrub->walk, at, count));
        at += count;
        SHERD_TRY(move_to(scrub, SHERD_WALK_PINS, at));
    }
    return SHERD_OK;
}

static enum sherd_err walk_all(struct scrub *scrub)
{
    uint32_t phase = scrub->position.phase;

    if (phase == SHERD_WALK_PINS) {
        SHERD_TRY(walk_pins(scrub));
        phase++;
    }
    for (; phase < SHERD_WALK_PHASES; phase++) {
        SHERD_TRY(sherd_walk_phase(scrub->walk, phase));
        SHERD_TRY(move_to(scrub, phase + 1, 0));
    }
    return SHERD_OK;
}

static enum sherd_err begin(struct scrub *scrub)
{
    struct sherd_anchor *anchor = scrub->vault->anchor;
    const struct sherd_book_change wanted = {.action = SHERD_BOOK_BEGIN, .number = scrub->options->anew ? 1 : 0};

    SHERD_TRY(change(scrub->vault, &wanted));
    SHERD_TRY(anchor->ops->book_position(anchor, &scrub->position));
    if (scrub->position.phase != SHERD_WALK_PINS || scrub->position.range != 0)
        scrub->position.partial = true;
    scrub->saved_ns = sherd_clock()->monotonic_ns();
    return SHERD_OK;
}

static enum sherd_err end(struct scrub *scrub)
{
    const struct sherd_book_change wanted = {.action = SHERD_BOOK_END, .position = scrub->position};

    if (scrub->count > 0)
        SHERD_TRY(save(scrub));
    SHERD_TRY(change(scrub->vault, &wanted));
    if (scrub->options->found != NULL)
        scrub->options->found(scrub->options->found_arg);
    return SHERD_OK;
}

/* What was found is written down also where the walk was ended, from where it goes on then. */
static enum sherd_err walk_and_end(struct scrub *scrub)
{
    const struct sherd_observer observer = {.finding = on_finding, .progress = on_progress, .arg = scrub};
    const struct sherd_walk_options options = {.observer = &observer,
                                               .rate = scrub->options->rate,
                                               .partial = scrub->position.partial,
                                               .done = scrub->position.stat};

    SHERD_TRY(sherd_walk_new(scrub->vault, &options, &scrub->walk));
    const enum sherd_err err = walk_all(scrub);
    if (scrub->err != SHERD_OK)
        return scrub->err;
    if (err != SHERD_OK)
        return save(scrub) == SHERD_OK && err == SHERD_ERR_BUSY ? sherd_fail(err, "scrubbing was stopped: it goes on "
                                                                                  "where it was")
                                                                : err;
    return end(scrub);
}

static enum sherd_err judge(struct sherd_vault *vault)
{
    struct sherd_scrub_status status;

    SHERD_TRY(sherd_scrub_status(vault, &status));
    const uint64_t open = status.open_count + status.dropped_count;
    return open == 0 ? SHERD_OK
                     : sherd_fail(SHERD_ERR_TAMPERED, "%llu finding%s open: `sherd scrub findings`",
                                  (unsigned long long)open, open == 1 ? " is" : "s are");
}

static enum sherd_err scrub_in_turn(struct scrub *scrub, struct sherd_verify_stat *out_stat)
{
    SHERD_TRY(begin(scrub));
    enum sherd_err err = walk_and_end(scrub);
    if (scrub->walk != NULL)
        sherd_walk_stat(scrub->walk, out_stat);
    return err == SHERD_OK ? judge(scrub->vault) : err;
}

/* One pass at a time: the lock is the process's own, also where the anchor runs elsewhere. */
static enum sherd_err scrub_alone(struct scrub *scrub, struct sherd_verify_stat *out_stat)
{
    SHERD_CLEANUP(sherd_freep) char *dir = sherd_path_join(scrub->vault->path, "anchor");
    struct sherd_file_lock lock;

    if (dir == NULL)
        return SHERD_ERR_NO_MEMORY;
    enum sherd_err err = sherd_file_lock_try(dir, LOCK, &lock);
    if (err == SHERD_ERR_BUSY)
        return sherd_fail(err, "the vault is being scrubbed already");
    SHERD_TRY(err);
    err = scrub_in_turn(scrub, out_stat);
    sherd_file_lock_leave(&lock);
    return err;
}

enum sherd_err sherd_vault_scrub(struct sherd_vault *vault, const struct sherd_scrub_options *options,
                                 const struct sherd_observer *observer, struct sherd_verify_stat *out_stat)
{
    static const struct sherd_scrub_options defaults = {0};
    static const struct sherd_observer silent = {0};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(sherd_vault_check_maintains(vault));
    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_ENSURE(out_stat != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    struct scrub *scrub = sherd_alloc(sizeof(*scrub));
    if (scrub == NULL)
        return SHERD_ERR_NO_MEMORY;
    *out_stat = (struct sherd_verify_stat){.record_count = 0};
    scrub->vault = vault;
    scrub->options = options != NULL ? options : &defaults;
    scrub->observer = observer != NULL ? observer : &silent;
    const enum sherd_err err = scrub_alone(scrub, out_stat);
    sherd_walk_free(scrub->walk);
    sherd_free(scrub);
    return err;
}

/* --- what the book says, and what is done to it ------------------------------------------------------------------- */

enum sherd_err sherd_scrub_status(struct sherd_vault *vault, struct sherd_scrub_status *out_status)
{
    SHERD_CLEANUP(sherd_book_done) struct sherd_book book = {0};

    SHERD_ENSURE(out_status != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(read_book(vault, &book));
    *out_status = book.status;
    return SHERD_OK;
}

enum sherd_err sherd_scrub_finding_each(struct sherd_vault *vault, sherd_scrub_visit_fn *visit, void *arg)
{
    SHERD_CLEANUP(sherd_book_done) struct sherd_book book = {0};

    SHERD_TRY(read_book(vault, &book));
    for (size_t i = 0; i < book.count; i++)
        SHERD_TRY(visit(arg, &book.findings[i]));
    return SHERD_OK;
}

static enum sherd_err copy_text(const char *text, char *out, size_t size)
{
    const size_t len = text != NULL ? strlen(text) : 0;

    if (len >= size)
        return sherd_fail(SHERD_ERR_INVALID, "who acknowledges, or why, is said in %zu bytes at most", size - 1);
    if (len > 0)
        memcpy(out, text, len);
    out[len] = 0;
    return SHERD_OK;
}

/* How many findings a change would acknowledge. */
struct waiting {
    const uint8_t *id;
    uint64_t count;
};

static enum sherd_err count_waiting(void *arg, const struct sherd_scrub_finding *finding)
{
    struct waiting *waiting = arg;
    const bool wanted = waiting->id == NULL || sherd_same(finding->id, waiting->id, sizeof(finding->id));

    waiting->count += wanted && finding->acknowledged_s == 0;
    return SHERD_OK;
}

enum sherd_err sherd_scrub_acknowledge(struct sherd_vault *vault, const uint8_t *id, const char *by, const char *note,
                                       uint64_t *out_count)
{
    struct sherd_book_change wanted = {.action = SHERD_BOOK_ACKNOWLEDGE, .one = id != NULL};
    struct waiting waiting = {.id = id};

    SHERD_ENSURE(out_count != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(copy_text(by, wanted.by, sizeof(wanted.by)));
    SHERD_TRY(copy_text(note, wanted.note, sizeof(wanted.note)));
    if (id != NULL)
        memcpy(wanted.id, id, sizeof(wanted.id));
    SHERD_TRY(sherd_scrub_finding_each(vault, count_waiting, &waiting));
    SHERD_TRY(change(vault, &wanted));
    *out_count = waiting.count;
    return SHERD_OK;
}

enum sherd_err sherd_scrub_rules_set(struct sherd_vault *vault, const struct sherd_scrub_rule *rules, size_t count)
{
    const struct sherd_book_change wanted = {.action = SHERD_BOOK_RULES, .rules = rules, .rule_count = count};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(sherd_vault_check_maintains(vault));
    SHERD_ENSURE(count <= SHERD_SCRUB_RULES_MAX, SHERD_ERR_INVALID, "there are at most 16 rules of telling");
    return change(vault, &wanted);
}

enum sherd_err sherd_scrub_told(struct sherd_vault *vault, const struct sherd_scrub_rule *rule, uint64_t serial)
{
    const struct sherd_book_change wanted = {
        .action = SHERD_BOOK_TELL, .number = serial, .rules = rule, .rule_count = 1};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(sherd_vault_check_maintains(vault));
    return change(vault, &wanted);
}
