/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to the scrubber's book: see book.h. */
#include "anchor/book/book.h"
#include "base/bytes.h"
#include "base/mem.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sherd_book_done(struct sherd_book *book)
{
    sherd_free(book->findings);
    *book = (struct sherd_book){.generation = 0};
}

void sherd_book_count(struct sherd_book *book)
{
    struct sherd_scrub_status *status = &book->status;

    status->open_count = 0;
    status->acknowledged_count = 0;
    status->healed_count = 0;
    for (size_t i = 0; i < book->count; i++) {
        const struct sherd_scrub_finding *finding = &book->findings[i];

        status->open_count += sherd_book_is_open(finding);
        status->acknowledged_count += finding->healed_s == 0 && finding->acknowledged_s != 0;
        status->healed_count += finding->healed_s != 0 && finding->acknowledged_s == 0;
    }
}

/* --- findings ----------------------------------------------------------------------------------------------------- */

/* Texts that end within their room, whatever the observer was told. */
static void copy_text(const char *text, char *out, size_t size)
{
    (void)snprintf(out, size, "%s", text);
}

enum sherd_err sherd_book_finding_of(const struct sherd_finding *finding, struct sherd_scrub_finding *out_finding)
{
    struct sherd_scrub_finding out = {
        .kind = finding->kind, .has_record = finding->has_record, .record = finding->id, .version = finding->version};
    uint8_t head[10];
    uint8_t hash[SHERD_SHA256_SIZE];

    copy_text(finding->compartment, out.compartment, sizeof(out.compartment));
    copy_text(finding->text, out.text, sizeof(out.text));
    head[0] = (uint8_t)finding->kind;
    head[1] = finding->has_record ? 1 : 0;
    sherd_put_u64(head + 2, finding->version);
    const struct sherd_span parts[] = {
        sherd_span_of(head, sizeof(head)), sherd_span_of(out.compartment, sizeof(out.compartment)),
        sherd_span_of(finding->id.bytes, finding->has_record ? 16 : 0), sherd_span_str(out.text)};
    SHERD_TRY(sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), hash));
    memcpy(out.id, hash, sizeof(out.id));
    *out_finding = out;
    return SHERD_OK;
}

static struct sherd_scrub_finding *find_id(const struct sherd_book *book, const uint8_t id[static 16])
{
    for (size_t i = 0; i < book->count; i++)
        if (sherd_same(book->findings[i].id, id, 16))
            return &book->findings[i];
    return NULL;
}

static void remove_at(struct sherd_book *book, size_t index)
{
    memmove(&book->findings[index], &book->findings[index + 1], (book->count - index - 1) * sizeof(*book->findings));
    book->count--;
}

/* A place for one more. Where there is none, what is healed and acknowledged has given way already. */
static enum sherd_err make_room(struct sherd_book *book, bool *out_room)
{
    *out_room = book->count < SHERD_SCRUB_FINDINGS_MAX;
    if (!*out_room || book->count < book->cap)
        return SHERD_OK;
    const size_t cap = book->cap < 16 ? 16 : book->cap * 2;
    struct sherd_scrub_finding *more = sherd_alloc_array(cap, sizeof(*more));
    if (more == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (book->count > 0)
        memcpy(more, book->findings, book->count * sizeof(*more));
    sherd_free(book->findings);
    book->findings = more;
    book->cap = cap;
    return SHERD_OK;
}

/* It was healed, and is there again: that is news, whatever was acknowledged before. */
static void open_again(struct sherd_book *book, struct sherd_scrub_finding *finding)
{
    finding->healed_s = 0;
    finding->acknowledged_s = 0;
    finding->by[0] = 0;
    finding->note[0] = 0;
    finding->serial = ++book->status.serial;
}

static void met_again(struct sherd_book *book, struct sherd_scrub_finding *finding, int64_t now_s)
{
    if (finding->healed_s != 0)
        open_again(book, finding);
    if (finding->pass != book->status.now.number)
        finding->count++;
    finding->pass = book->status.now.number;
    finding->last_s = now_s;
}

enum sherd_err sherd_book_find(struct sherd_book *book, const struct sherd_scrub_finding *what, int64_t now_s)
{
    struct sherd_scrub_finding *known = find_id(book, what->id);
    bool room;

    if (known != NULL) {
        met_again(book, known, now_s);
        sherd_book_count(book);
        return SHERD_OK;
    }
    SHERD_TRY(make_room(book, &room));
    book->status.dropped_count += !room;
    if (!room)
        return SHERD_OK;
    struct sherd_scrub_finding finding = {.kind = what->kind,
                                          .has_record = what->has_record,
                                          .record = what->record,
                                          .version = what->version,
                                          .first_s = now_s,
                                          .last_s = now_s,
                                          .count = 1,
                                          .serial = ++book->status.serial,
                                          .pass = book->status.now.number};
    memcpy(finding.id, what->id, sizeof(finding.id));
    memcpy(finding.compartment, what->compartment, sizeof(finding.compartment));
    memcpy(finding.text, what->text, sizeof(finding.text));
    book->findings[book->count++] = finding;
    sherd_book_count(book);
    return SHERD_OK;
}

void sherd_book_difference_text(const uint8_t difference[static 16], char out[static SHERD_SCRUB_TEXT_SIZE])
{
    size_t len = (size_t)snprintf(out, SHERD_SCRUB_TEXT_SIZE, "%s", SHERD_BOOK_DIFFERS);

    for (size_t i = 0; i < 16; i++)
        len += (size_t)snprintf(out + len, SHERD_SCRUB_TEXT_SIZE - len, "%02x", difference[i]);
}

void sherd_book_unnoted_text(uint64_t count, char out[static SHERD_SCRUB_TEXT_SIZE])
{
    (void)snprintf(out, SHERD_SCRUB_TEXT_SIZE, "%s%" PRIu64 " at least", SHERD_BOOK_UNNOTED, count);
}

void sherd_book_unkept_text(uint64_t first, uint64_t last, const struct sherd_digest *name,
                            char out[static SHERD_SCRUB_TEXT_SIZE])
{
    size_t len = (size_t)snprintf(out, SHERD_SCRUB_TEXT_SIZE, "%s", SHERD_BOOK_UNKEPT);

    if (last == 0) /* of a join no leaf is the first */
        len += (size_t)snprintf(out + len, SHERD_SCRUB_TEXT_SIZE - len, "some were added: ");
    else
        len += (size_t)snprintf(out + len, SHERD_SCRUB_TEXT_SIZE - len, "leaves %" PRIu64 " to %" PRIu64 ": ", first,
                                last);

    for (size_t i = 0; i < 16; i++)
        len += (size_t)snprintf(out + len, SHERD_SCRUB_TEXT_SIZE - len, "%02x", name->bytes[i]);
}

static bool begins(const struct sherd_scrub_finding *finding, const char *text)
{
    return finding->kind == SHERD_FINDING_LEDGER && strncmp(finding->text, text, strlen(text)) == 0;
}

/* --- what is done ------------------------------------------------------------------------------------------------- */

static enum sherd_err begin(struct sherd_book *book, const struct sherd_book_change *change, int64_t now_s,
                            struct sherd_book_effect *effect)
{
    struct sherd_scrub_status *status = &book->status;
    const uint64_t before = status->now.number > status->last.number ? status->now.number : status->last.number;

    if (status->now.number != 0 && change->number == 0)
        return SHERD_OK;
    status->now = (struct sherd_scrub_pass){.number = before + 1, .began_s = now_s};
    status->dropped_count = 0;
    effect->changed = true;
    return SHERD_OK;
}

static enum sherd_err check_pass(const struct sherd_book *book, const struct sherd_book_change *change)
{
    SHERD_ENSURE(book->status.now.number != 0 && change->position.pass == book->status.now.number, SHERD_ERR_CONFLICT,
                 "another pass of the scrubber was begun meanwhile");
    return SHERD_OK;
}

static enum sherd_err find_all(struct sherd_book *book, const struct sherd_book_change *change, int64_t now_s,
                               struct sherd_book_effect *effect)
{
    SHERD_TRY(check_pass(book, change));
    for (size_t i = 0; i < change->finding_count; i++)
        SHERD_TRY(sherd_book_find(book, &change->findings[i], now_s));
    effect->changed = change->finding_count > 0;
    return SHERD_OK;
}

static enum sherd_err end(struct sherd_book *book, const struct sherd_book_change *change, int64_t now_s,
                          struct sherd_book_effect *effect)
{
    struct sherd_scrub_status *status = &book->status;

    SHERD_TRY(check_pass(book, change));
    for (size_t i = book->count; i-- > 0;) {
        struct sherd_scrub_finding *finding = &book->findings[i];

        if (finding->pass != status->now.number && finding->healed_s == 0)
            finding->healed_s = now_s;
        if (finding->healed_s != 0 && finding->acknowledged_s != 0)
            remove_at(book, i); /* nothing is left to be told of it */
    }
    status->last = status->now;
    status->last.ended_s = now_s;
    status->last.stat = change->position.stat;
    status->now = (struct sherd_scrub_pass){.number = 0};
    effect->changed = true;
    sherd_book_count(book);
    return SHERD_OK;
}

static void acknowledge_one(struct sherd_scrub_finding *finding, const struct sherd_book_change *change, int64_t now_s,
                            struct sherd_book_effect *effect)
{
    finding->acknowledged_s = now_s;
    memcpy(finding->by, change->by, sizeof(finding->by));
    memcpy(finding->note, change->note, sizeof(finding->note));
    effect->accepted_count++;
    if (finding->healed_s != 0)
        return;
    if (begins(finding, SHERD_BOOK_DIFFERS)) {
        effect->accept_difference = true;
        memcpy(effect->difference, finding->text, sizeof(effect->difference));
    } else if (begins(finding, SHERD_BOOK_UNNOTED)) {
        memcpy(effect->unnoted, finding->text, sizeof(effect->unnoted));
    } else if (begins(finding, SHERD_BOOK_UNKEPT)) {
        memcpy(effect->unkept, finding->text, sizeof(effect->unkept));
    }
}

static enum sherd_err acknowledge(struct sherd_book *book, const struct sherd_book_change *change, int64_t now_s,
                                  struct sherd_book_effect *effect)
{
    SHERD_ENSURE(!change->one || find_id(book, change->id) != NULL, SHERD_ERR_NOT_FOUND,
                 "the scrubber's book has no such finding");
    for (size_t i = book->count; i-- > 0;) {
        struct sherd_scrub_finding *finding = &book->findings[i];

        if (finding->acknowledged_s != 0 || (change->one && !sherd_same(finding->id, change->id, 16)))
            continue;
        acknowledge_one(finding, change, now_s, effect);
        if (finding->healed_s != 0)
            remove_at(book, i);
    }
    effect->changed = effect->accepted_count > 0;
    sherd_book_count(book);
    return SHERD_OK;
}

static bool same_rule(const struct sherd_scrub_rule *a, const struct sherd_scrub_rule *b)
{
    return a->audience == b->audience && a->way == b->way && strcmp(a->place, b->place) == 0;
}

static struct sherd_scrub_rule *find_rule(struct sherd_scrub_status *status, const struct sherd_scrub_rule *wanted)
{
    for (size_t i = 0; i < status->rule_count; i++)
        if (same_rule(&status->rules[i], wanted))
            return &status->rules[i];
    return NULL;
}

/* A rule that was there keeps what it has told; one that is new begins with all that is open. */
static enum sherd_err set_rules(struct sherd_book *book, const struct sherd_book_change *change,
                                struct sherd_book_effect *effect)
{
    struct sherd_scrub_status after = {.rule_count = 0};

    for (size_t i = 0; i < change->rule_count; i++) {
        struct sherd_scrub_rule rule = change->rules[i];
        const struct sherd_scrub_rule *before = find_rule(&book->status, &rule);

        rule.told = before != NULL ? before->told : 0;
        if (find_rule(&after, &rule) == NULL)
            after.rules[after.rule_count++] = rule;
    }
    memcpy(book->status.rules, after.rules, sizeof(after.rules));
    book->status.rule_count = after.rule_count;
    effect->changed = true;
    return SHERD_OK;
}

static enum sherd_err tell(struct sherd_book *book, const struct sherd_book_change *change,
                           struct sherd_book_effect *effect)
{
    struct sherd_scrub_rule *rule = change->rule_count == 1 ? find_rule(&book->status, change->rules) : NULL;

    SHERD_ENSURE(rule != NULL, SHERD_ERR_NOT_FOUND, "there is no such rule of telling any more");
    if (change->number > rule->told && change->number <= book->status.serial) {
        rule->told = change->number;
        effect->changed = true;
    }
    return SHERD_OK;
}

enum sherd_err sherd_book_apply(struct sherd_book *book, const struct sherd_book_change *change, int64_t now_s,
                                struct sherd_book_effect *out_effect)
{
    *out_effect = (struct sherd_book_effect){.changed = false};
    switch (change->action) {
    case SHERD_BOOK_BEGIN: return begin(book, change, now_s, out_effect);
    case SHERD_BOOK_FIND: return find_all(book, change, now_s, out_effect);
    case SHERD_BOOK_MOVE: return check_pass(book, change);
    case SHERD_BOOK_END: return end(book, change, now_s, out_effect);
    case SHERD_BOOK_ACKNOWLEDGE: return acknowledge(book, change, now_s, out_effect);
    case SHERD_BOOK_RULES: return set_rules(book, change, out_effect);
    case SHERD_BOOK_TELL: return tell(book, change, out_effect);
    case SHERD_BOOK_FIRST: break;
    }
    return SHERD_OK; /* who was told first is kept beside the book */
}
