/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of the scrubber's book, of positions and of changes: see book.h and docs/format/scrub.md. */
#include "anchor/book/book.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "envelope/payload.h"
#include "envelope/tlv.h"
#include <string.h>

#define BIT(field) SHERD_TLV_BIT(field)
#define FORMAT 1U
/* Bytes of one finding, of one rule, and of what a book says beside both. */
#define FINDING_BYTES_MAX 640U
#define RULE_BYTES_MAX 320U
#define HEAD_BYTES_MAX (512U + LOSS_BYTES_MAX)
#define LOSS_BYTES_MAX (16U + SHERD_JOIN_LOSS_SPANS_MAX * 16U)

enum finding_field {
    FIND_ID = 1,
    FIND_KIND = 2,
    FIND_ROLE = 3,
    FIND_RECORD = 4,
    FIND_VERSION = 5,
    FIND_TEXT = 6,
    FIND_FIRST = 7,
    FIND_LAST = 8,
    FIND_COUNT = 9,
    FIND_HEALED = 10,
    FIND_ACKNOWLEDGED = 11,
    FIND_BY = 12,
    FIND_NOTE = 13,
    FIND_SERIAL = 14,
    FIND_PASS = 15,
};

enum rule_field { RULE_AUDIENCE = 1, RULE_WAY = 2, RULE_PLACE = 3, RULE_TOLD = 4 };

enum head_field {
    HEAD_FORMAT = 1,
    HEAD_GENERATION = 2,
    HEAD_SERIAL = 3,
    HEAD_DROPPED = 4,
    HEAD_ACCEPTED = 5,
    HEAD_NOW = 6,
    HEAD_LAST = 7,
    HEAD_RULES = 8,
    HEAD_FINDINGS = 9,
    HEAD_NONCE = 10,
    HEAD_LOSS = 11,
};

enum position_field { AT_PASS = 1, AT_PHASE = 2, AT_RANGE = 3, AT_PARTIAL = 4, AT_STAT = 5 };

enum change_field {
    CHANGE_ACTION = 1,
    CHANGE_NUMBER = 2,
    CHANGE_POSITION = 3,
    CHANGE_ONE = 4,
    CHANGE_BY = 5,
    CHANGE_NOTE = 6,
    CHANGE_RULES = 7,
    CHANGE_FINDINGS = 8,
};

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the scrubber's book does not verify");
}

/* --- small things ------------------------------------------------------------------------------------------------- */

/* What is zero says nothing, and is left out. */
static void put_number(struct sherd_tlv_writer *writer, unsigned tag, uint64_t value)
{
    if (value != 0)
        sherd_tlv_put_u64(writer, tag, value);
}

static enum sherd_err get_number(const struct sherd_tlv *tlv, unsigned tag, uint64_t max, uint64_t *out_value)
{
    *out_value = 0;
    if (tlv->value[tag].data == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_tlv_get_u64(tlv, tag, max, out_value));
    return *out_value != 0 ? SHERD_OK : malformed(); /* one encoding of each */
}

static enum sherd_err get_time(const struct sherd_tlv *tlv, unsigned tag, int64_t *out_s)
{
    uint64_t value;

    SHERD_TRY(get_number(tlv, tag, INT64_MAX, &value));
    *out_s = (int64_t)value;
    return SHERD_OK;
}

static const char *const compartments[] = {"", "identity", "assets", "secrets", "keys"};

static unsigned role_of(const char *compartment)
{
    for (unsigned i = 1; i < SHERD_COUNT_OF(compartments); i++)
        if (strcmp(compartments[i], compartment) == 0)
            return i;
    return 0;
}

/* An item behind its length in two bytes. */
static enum sherd_err append_item(struct sherd_buf *out, struct sherd_span item)
{
    uint8_t length[2];

    sherd_put_u16(length, (uint16_t)item.len);
    SHERD_TRY(sherd_buf_append(out, sherd_span_of(length, sizeof(length))));
    return sherd_buf_append(out, item);
}

static enum sherd_err take_item(struct sherd_span *rest, struct sherd_span *out_item)
{
    struct sherd_span length;

    if (!sherd_span_take(rest, 2, &length) || !sherd_span_take(rest, sherd_get_u16(length.data), out_item))
        return malformed();
    return SHERD_OK;
}

/* --- findings ----------------------------------------------------------------------------------------------------- */

static enum sherd_err finding_encode(const struct sherd_scrub_finding *finding, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, FINDING_BYTES_MAX);

    sherd_tlv_put(&writer, FIND_ID, sherd_span_of(finding->id, sizeof(finding->id)));
    sherd_tlv_put_u64(&writer, FIND_KIND, (uint64_t)finding->kind);
    sherd_tlv_put_u64(&writer, FIND_ROLE, role_of(finding->compartment));
    if (finding->has_record)
        sherd_tlv_put(&writer, FIND_RECORD, sherd_span_of(finding->record.bytes, 16));
    put_number(&writer, FIND_VERSION, finding->version);
    sherd_tlv_put(&writer, FIND_TEXT, sherd_span_str(finding->text));
    put_number(&writer, FIND_FIRST, (uint64_t)finding->first_s);
    put_number(&writer, FIND_LAST, (uint64_t)finding->last_s);
    put_number(&writer, FIND_COUNT, finding->count);
    put_number(&writer, FIND_HEALED, (uint64_t)finding->healed_s);
    put_number(&writer, FIND_ACKNOWLEDGED, (uint64_t)finding->acknowledged_s);
    sherd_tlv_put(&writer, FIND_BY, sherd_span_str(finding->by));
    sherd_tlv_put(&writer, FIND_NOTE, sherd_span_str(finding->note));
    put_number(&writer, FIND_SERIAL, finding->serial);
    put_number(&writer, FIND_PASS, finding->pass);
    return sherd_tlv_end(&writer, out_bytes);
}

static enum sherd_err finding_times(const struct sherd_tlv *tlv, struct sherd_scrub_finding *finding)
{
    SHERD_TRY(get_time(tlv, FIND_FIRST, &finding->first_s));
    SHERD_TRY(get_time(tlv, FIND_LAST, &finding->last_s));
    SHERD_TRY(get_number(tlv, FIND_COUNT, UINT64_MAX, &finding->count));
    SHERD_TRY(get_time(tlv, FIND_HEALED, &finding->healed_s));
    SHERD_TRY(get_time(tlv, FIND_ACKNOWLEDGED, &finding->acknowledged_s));
    SHERD_TRY(sherd_tlv_get_text(tlv, FIND_BY, finding->by, sizeof(finding->by)));
    SHERD_TRY(sherd_tlv_get_text(tlv, FIND_NOTE, finding->note, sizeof(finding->note)));
    SHERD_TRY(get_number(tlv, FIND_SERIAL, UINT64_MAX, &finding->serial));
    return get_number(tlv, FIND_PASS, UINT64_MAX, &finding->pass);
}

static enum sherd_err finding_decode(struct sherd_span bytes, struct sherd_scrub_finding *out_finding)
{
    const uint64_t required = BIT(FIND_ID) | BIT(FIND_KIND) | BIT(FIND_ROLE) | BIT(FIND_TEXT);
    const uint64_t optional = (BIT(FIND_PASS + 1) - BIT(FIND_ID)) & ~required;
    struct sherd_scrub_finding finding = {.has_record = false};
    struct sherd_tlv tlv;
    uint64_t kind;
    uint64_t role;

    SHERD_TRY(sherd_tlv_parse(bytes, required, optional, &tlv));
    SHERD_TRY(sherd_tlv_get(&tlv, FIND_ID, finding.id, sizeof(finding.id)));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIND_KIND, SHERD_FINDING_REFUSED, &kind));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIND_ROLE, SHERD_COUNT_OF(compartments) - 1, &role));
    if (kind == 0 || role == 0)
        return malformed();
    finding.kind = (enum sherd_finding_kind)kind;
    memcpy(finding.compartment, compartments[role], strlen(compartments[role]));
    finding.has_record = tlv.value[FIND_RECORD].data != NULL;
    if (finding.has_record)
        SHERD_TRY(sherd_tlv_get(&tlv, FIND_RECORD, finding.record.bytes, 16));
    SHERD_TRY(get_number(&tlv, FIND_VERSION, UINT64_MAX, &finding.version));
    SHERD_TRY(sherd_tlv_get_text(&tlv, FIND_TEXT, finding.text, sizeof(finding.text)));
    SHERD_TRY(finding_times(&tlv, &finding));
    *out_finding = finding;
    return SHERD_OK;
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

static enum sherd_err rules_encode(const struct sherd_scrub_rule *rules, size_t count, struct sherd_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t block[RULE_BYTES_MAX];
        struct sherd_tlv_writer writer = sherd_tlv_writer(block, sizeof(block));
        size_t bytes;

        sherd_tlv_put_u64(&writer, RULE_AUDIENCE, (uint64_t)rules[i].audience);
        sherd_tlv_put_u64(&writer, RULE_WAY, (uint64_t)rules[i].way);
        sherd_tlv_put(&writer, RULE_PLACE, sherd_span_str(rules[i].place));
        put_number(&writer, RULE_TOLD, rules[i].told);
        SHERD_TRY(sherd_tlv_end(&writer, &bytes));
        SHERD_TRY(append_item(out, sherd_span_of(block, bytes)));
    }
    return SHERD_OK;
}

/* Readers are answered; others are told in one of the other ways, and where. */
static bool rule_is_sound(const struct sherd_scrub_rule *rule)
{
    const bool reads = rule->audience == SHERD_TELL_FIRST || rule->audience == SHERD_TELL_READERS;
    const bool placed = rule->way == SHERD_TELL_FILE || rule->way == SHERD_TELL_COMMAND;

    return reads == (rule->way == SHERD_TELL_ANSWER) && placed == (rule->place[0] == '/') &&
           (placed || rule->place[0] == 0);
}

static enum sherd_err rule_decode(struct sherd_span bytes, struct sherd_scrub_rule *out_rule)
{
    struct sherd_scrub_rule rule = {.told = 0};
    struct sherd_tlv tlv;
    uint64_t audience;
    uint64_t way;

    SHERD_TRY(sherd_tlv_parse(bytes, BIT(RULE_AUDIENCE) | BIT(RULE_WAY), BIT(RULE_PLACE) | BIT(RULE_TOLD), &tlv));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, RULE_AUDIENCE, SHERD_TELL_READERS, &audience));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, RULE_WAY, SHERD_TELL_COMMAND, &way));
    SHERD_TRY(sherd_tlv_get_text(&tlv, RULE_PLACE, rule.place, sizeof(rule.place)));
    SHERD_TRY(get_number(&tlv, RULE_TOLD, UINT64_MAX, &rule.told));
    if (audience == 0 || way == 0)
        return malformed();
    rule.audience = (enum sherd_scrub_audience)audience;
    rule.way = (enum sherd_scrub_way)way;
    if (!rule_is_sound(&rule))
        return malformed();
    *out_rule = rule;
    return SHERD_OK;
}

static enum sherd_err rules_decode(struct sherd_span bytes, struct sherd_scrub_rule *rules, size_t *out_count)
{
    size_t count = 0;

    while (bytes.len > 0) {
        struct sherd_span item;

        if (count == SHERD_SCRUB_RULES_MAX)
            return malformed();
        SHERD_TRY(take_item(&bytes, &item));
        SHERD_TRY(rule_decode(item, &rules[count++]));
    }
    *out_count = count;
    return SHERD_OK;
}

/* --- passes and positions ----------------------------------------------------------------------------------------- */

#define STAT_SIZE 48U
#define PASS_SIZE (28U + STAT_SIZE)

static void stat_put(const struct sherd_verify_stat *stat, uint8_t out[static STAT_SIZE])
{
    sherd_put_u64(out, stat->record_count);
    sherd_put_u64(out + 8, stat->version_count);
    sherd_put_u64(out + 16, stat->content_bytes);
    sherd_put_u64(out + 24, stat->finding_count);
    sherd_put_u64(out + 32, stat->refused_count);
    sherd_put_u64(out + 40, stat->orphan_count);
}

static void stat_get(const uint8_t in[static STAT_SIZE], struct sherd_verify_stat *out_stat)
{
    out_stat->record_count = sherd_get_u64(in);
    out_stat->version_count = sherd_get_u64(in + 8);
    out_stat->content_bytes = sherd_get_u64(in + 16);
    out_stat->finding_count = sherd_get_u64(in + 24);
    out_stat->refused_count = sherd_get_u64(in + 32);
    out_stat->orphan_count = sherd_get_u64(in + 40);
}

static void put_pass(struct sherd_tlv_writer *writer, unsigned tag, const struct sherd_scrub_pass *pass)
{
    uint8_t bytes[PASS_SIZE];

    if (pass->number == 0)
        return;
    sherd_put_u64(bytes, pass->number);
    sherd_put_u64(bytes + 8, (uint64_t)pass->began_s);
    sherd_put_u64(bytes + 16, (uint64_t)pass->ended_s);
    sherd_put_u32(bytes + 24, pass->round);
    stat_put(&pass->stat, bytes + 28);
    sherd_tlv_put(writer, tag, sherd_span_of(bytes, sizeof(bytes)));
}

static enum sherd_err get_pass(const struct sherd_tlv *tlv, unsigned tag, struct sherd_scrub_pass *out_pass)
{
    uint8_t bytes[PASS_SIZE];

    *out_pass = (struct sherd_scrub_pass){.number = 0};
    if (tlv->value[tag].data == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_tlv_get(tlv, tag, bytes, sizeof(bytes)));
    const uint64_t began = sherd_get_u64(bytes + 8);
    const uint64_t ended = sherd_get_u64(bytes + 16);
    out_pass->number = sherd_get_u64(bytes);
    if (out_pass->number == 0 || began > INT64_MAX || ended > INT64_MAX)
        return malformed();
    out_pass->began_s = (int64_t)began;
    out_pass->ended_s = (int64_t)ended;
    out_pass->round = sherd_get_u32(bytes + 24);
    stat_get(bytes + 28, &out_pass->stat);
    return SHERD_OK;
}

enum sherd_err sherd_book_position_encode(const struct sherd_book_position *position, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_BOOK_POSITION_BYTES_MAX);
    uint8_t stat[STAT_SIZE];

    stat_put(&position->stat, stat);
    sherd_tlv_put_u64(&writer, AT_PASS, position->pass);
    sherd_tlv_put_u64(&writer, AT_PHASE, position->phase);
    sherd_tlv_put_u64(&writer, AT_RANGE, position->range);
    sherd_tlv_put_u64(&writer, AT_PARTIAL, position->partial ? 1 : 0);
    sherd_tlv_put(&writer, AT_STAT, sherd_span_of(stat, sizeof(stat)));
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_book_position_decode(struct sherd_span bytes, struct sherd_book_position *out_position)
{
    const uint64_t required = BIT(AT_PASS) | BIT(AT_PHASE) | BIT(AT_RANGE) | BIT(AT_PARTIAL) | BIT(AT_STAT);
    struct sherd_book_position position = {.pass = 0};
    uint8_t stat[STAT_SIZE];
    struct sherd_tlv tlv;
    uint64_t phase;
    uint64_t range;
    uint64_t partial;

    SHERD_TRY(sherd_tlv_parse(bytes, required, 0, &tlv));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, AT_PASS, UINT64_MAX, &position.pass));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, AT_PHASE, UINT32_MAX, &phase));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, AT_RANGE, UINT32_MAX, &range));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, AT_PARTIAL, 1, &partial));
    SHERD_TRY(sherd_tlv_get(&tlv, AT_STAT, stat, sizeof(stat)));
    position.phase = (uint32_t)phase;
    position.range = (uint32_t)range;
    position.partial = partial == 1;
    stat_get(stat, &position.stat);
    *out_position = position;
    return SHERD_OK;
}

/* --- the book ----------------------------------------------------------------------------------------------------- */

static void put_loss(struct sherd_tlv_writer *writer, const struct sherd_join_loss *loss)
{
    uint8_t bytes[LOSS_BYTES_MAX];

    if (loss->releases == 0 && loss->extra == 0 && loss->count == 0)
        return;
    sherd_put_u64(bytes, loss->releases);
    sherd_put_u64(bytes + 8, loss->extra);
    for (size_t i = 0; i < loss->count; i++) {
        sherd_put_u64(bytes + 16 + i * 16, loss->spans[i].first);
        sherd_put_u64(bytes + 24 + i * 16, loss->spans[i].last);
    }
    sherd_tlv_put(writer, HEAD_LOSS, sherd_span_of(bytes, 16 + loss->count * 16));
}

static enum sherd_err get_loss(struct sherd_span bytes, struct sherd_join_loss *out_loss)
{
    struct sherd_join_loss loss = {.count = 0};

    if (bytes.data == NULL)
        return SHERD_OK;
    if (bytes.len < 16 || bytes.len % 16 != 0 || bytes.len > LOSS_BYTES_MAX)
        return malformed();
    loss.releases = sherd_get_u64(bytes.data);
    loss.extra = sherd_get_u64(bytes.data + 8);
    for (loss.count = 0; loss.count < bytes.len / 16 - 1; loss.count++) {
        const uint8_t *at = bytes.data + 16 + loss.count * 16;
        const uint64_t least = loss.count > 0 ? loss.spans[loss.count - 1].last + 1 : 0;
        const struct sherd_join_span span = {sherd_get_u64(at), sherd_get_u64(at + 8)};

        if (span.first < least || span.last < span.first || span.last > INT64_MAX)
            return malformed();
        loss.spans[loss.count] = span;
    }
    if (loss.releases == 0 && loss.extra == 0 && loss.count == 0) /* which is left out */
        return malformed();
    *out_loss = loss;
    return SHERD_OK;
}

static enum sherd_err append_head(const struct sherd_book *book, struct sherd_buf *out)
{
    static const struct sherd_digest nothing = {{0}};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf rules = {0};
    uint8_t block[HEAD_BYTES_MAX + SHERD_SCRUB_RULES_MAX * (RULE_BYTES_MAX + 2)];
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, sizeof(block));
    const struct sherd_scrub_status *status = &book->status;
    size_t bytes;

    SHERD_TRY(rules_encode(status->rules, status->rule_count, &rules));
    sherd_tlv_put_u64(&writer, HEAD_FORMAT, FORMAT);
    sherd_tlv_put_u64(&writer, HEAD_GENERATION, book->generation);
    put_number(&writer, HEAD_SERIAL, status->serial);
    put_number(&writer, HEAD_DROPPED, status->dropped_count);
    if (!sherd_same(&book->accepted, &nothing, sizeof(nothing)))
        sherd_tlv_put(&writer, HEAD_ACCEPTED, sherd_span_of(book->accepted.bytes, sizeof(book->accepted.bytes)));
    put_pass(&writer, HEAD_NOW, &status->now);
    put_pass(&writer, HEAD_LAST, &status->last);
    sherd_tlv_put(&writer, HEAD_RULES, sherd_buf_span(&rules));
    sherd_tlv_put_u64(&writer, HEAD_FINDINGS, book->count);
    sherd_tlv_put(&writer, HEAD_NONCE, sherd_span_of(book->nonce, sizeof(book->nonce)));
    put_loss(&writer, &book->loss);
    SHERD_TRY(sherd_tlv_end(&writer, &bytes));
    return append_item(out, sherd_span_of(block, bytes));
}

enum sherd_err sherd_book_encode(const struct sherd_book *book, struct sherd_buf *out_bytes)
{
    SHERD_TRY(append_head(book, out_bytes));
    for (size_t i = 0; i < book->count; i++) {
        uint8_t block[FINDING_BYTES_MAX];
        size_t bytes;

        SHERD_TRY(finding_encode(&book->findings[i], block, &bytes));
        SHERD_TRY(append_item(out_bytes, sherd_span_of(block, bytes)));
    }
    return SHERD_OK;
}

static enum sherd_err head_decode(struct sherd_span bytes, struct sherd_book *book)
{
    const uint64_t required = BIT(HEAD_FORMAT) | BIT(HEAD_GENERATION) | BIT(HEAD_FINDINGS) | BIT(HEAD_NONCE);
    const uint64_t optional = ((BIT(HEAD_FINDINGS) - BIT(HEAD_FORMAT)) & ~required) | BIT(HEAD_LOSS);
    struct sherd_scrub_status *status = &book->status;
    struct sherd_tlv tlv;
    uint64_t format;
    uint64_t count;

    SHERD_TRY(sherd_tlv_parse(bytes, required, optional, &tlv));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, HEAD_FORMAT, UINT64_MAX, &format));
    SHERD_ENSURE(format == FORMAT, SHERD_ERR_UNSUPPORTED, "the scrubber's book is of another version");
    SHERD_TRY(sherd_tlv_get_u64(&tlv, HEAD_GENERATION, UINT64_MAX, &book->generation));
    SHERD_TRY(get_number(&tlv, HEAD_SERIAL, UINT64_MAX, &status->serial));
    SHERD_TRY(get_number(&tlv, HEAD_DROPPED, UINT64_MAX, &status->dropped_count));
    if (tlv.value[HEAD_ACCEPTED].data != NULL)
        SHERD_TRY(sherd_tlv_get(&tlv, HEAD_ACCEPTED, book->accepted.bytes, sizeof(book->accepted.bytes)));
    SHERD_TRY(get_pass(&tlv, HEAD_NOW, &status->now));
    SHERD_TRY(get_pass(&tlv, HEAD_LAST, &status->last));
    SHERD_TRY(rules_decode(tlv.value[HEAD_RULES], status->rules, &status->rule_count));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, HEAD_FINDINGS, SHERD_SCRUB_FINDINGS_MAX, &count));
    SHERD_TRY(get_loss(tlv.value[HEAD_LOSS], &book->loss));
    book->cap = (size_t)count;
    return sherd_tlv_get(&tlv, HEAD_NONCE, book->nonce, sizeof(book->nonce));
}

static enum sherd_err findings_decode(struct sherd_span rest, struct sherd_book *book)
{
    if (book->cap == 0)
        return rest.len == 0 ? SHERD_OK : malformed();
    if (book->cap > rest.len) /* each has more bytes than that: no memory for what cannot be there */
        return malformed();
    book->findings = sherd_alloc_array(book->cap, sizeof(*book->findings));
    if (book->findings == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < book->cap; i++) {
        struct sherd_span item;

        SHERD_TRY(take_item(&rest, &item));
        SHERD_TRY(finding_decode(item, &book->findings[book->count++]));
    }
    return rest.len == 0 ? SHERD_OK : malformed();
}

enum sherd_err sherd_book_decode(struct sherd_span bytes, struct sherd_book *book)
{
    struct sherd_span head;

    enum sherd_err err = take_item(&bytes, &head);
    if (err == SHERD_OK)
        err = head_decode(head, book);
    if (err == SHERD_OK)
        err = findings_decode(bytes, book);
    if (err != SHERD_OK)
        sherd_book_done(book);
    sherd_book_count(book);
    return err;
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

static enum sherd_err findings_encode(const struct sherd_book_change *change, struct sherd_buf *out)
{
    for (size_t i = 0; i < change->finding_count; i++) {
        uint8_t block[FINDING_BYTES_MAX];
        size_t bytes;

        SHERD_TRY(finding_encode(&change->findings[i], block, &bytes));
        SHERD_TRY(append_item(out, sherd_span_of(block, bytes)));
    }
    return SHERD_OK;
}

enum sherd_err sherd_book_change_encode(const struct sherd_book_change *change, struct sherd_buf *out_bytes)
{
    SHERD_CLEANUP(sherd_freep) uint8_t *block = sherd_alloc(SHERD_BOOK_CHANGE_BYTES_MAX);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf findings = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf rules = {0};
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_BOOK_CHANGE_BYTES_MAX);
    uint8_t position[SHERD_BOOK_POSITION_BYTES_MAX];
    size_t bytes;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(change->finding_count <= SHERD_BOOK_CHANGE_FINDINGS_MAX, SHERD_ERR_LIMIT, "too many findings at once");
    SHERD_TRY(findings_encode(change, &findings));
    SHERD_TRY(rules_encode(change->rules, change->rule_count, &rules));
    sherd_tlv_put_u64(&writer, CHANGE_ACTION, (uint64_t)change->action);
    put_number(&writer, CHANGE_NUMBER, change->number);
    if (change->position.pass != 0) {
        SHERD_TRY(sherd_book_position_encode(&change->position, position, &bytes));
        sherd_tlv_put(&writer, CHANGE_POSITION, sherd_span_of(position, bytes));
    }
    if (change->one)
        sherd_tlv_put(&writer, CHANGE_ONE, sherd_span_of(change->id, sizeof(change->id)));
    sherd_tlv_put(&writer, CHANGE_BY, sherd_span_str(change->by));
    sherd_tlv_put(&writer, CHANGE_NOTE, sherd_span_str(change->note));
    sherd_tlv_put(&writer, CHANGE_RULES, sherd_buf_span(&rules));
    sherd_tlv_put(&writer, CHANGE_FINDINGS, sherd_buf_span(&findings));
    SHERD_TRY(sherd_tlv_end(&writer, &bytes));
    return sherd_buf_append(out_bytes, sherd_span_of(block, bytes));
}

static enum sherd_err change_findings(struct sherd_span rest, struct sherd_book_room *room, size_t *out_count)
{
    size_t count = 0;

    while (rest.len > 0) {
        struct sherd_span item;

        if (count == SHERD_BOOK_CHANGE_FINDINGS_MAX)
            return malformed();
        SHERD_TRY(take_item(&rest, &item));
        SHERD_TRY(finding_decode(item, &room->findings[count++]));
    }
    *out_count = count;
    return SHERD_OK;
}

static enum sherd_err change_decode(struct sherd_span bytes, struct sherd_book_room *room,
                                    struct sherd_book_change *change)
{
    const uint64_t optional = BIT(CHANGE_FINDINGS + 1) - BIT(CHANGE_NUMBER);
    struct sherd_tlv tlv;
    uint64_t action;

    SHERD_TRY(sherd_tlv_parse(bytes, BIT(CHANGE_ACTION), optional, &tlv));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, CHANGE_ACTION, SHERD_BOOK_FIRST, &action));
    if (action == 0)
        return malformed();
    change->action = (enum sherd_book_action)action;
    SHERD_TRY(get_number(&tlv, CHANGE_NUMBER, UINT64_MAX, &change->number));
    if (tlv.value[CHANGE_POSITION].data != NULL)
        SHERD_TRY(sherd_book_position_decode(tlv.value[CHANGE_POSITION], &change->position));
    change->one = tlv.value[CHANGE_ONE].data != NULL;
    if (change->one)
        SHERD_TRY(sherd_tlv_get(&tlv, CHANGE_ONE, change->id, sizeof(change->id)));
    SHERD_TRY(sherd_tlv_get_text(&tlv, CHANGE_BY, change->by, sizeof(change->by)));
    SHERD_TRY(sherd_tlv_get_text(&tlv, CHANGE_NOTE, change->note, sizeof(change->note)));
    SHERD_TRY(rules_decode(tlv.value[CHANGE_RULES], room->rules, &change->rule_count));
    return change_findings(tlv.value[CHANGE_FINDINGS], room, &change->finding_count);
}

enum sherd_err sherd_book_change_decode(struct sherd_span bytes, struct sherd_book_room *room,
                                        struct sherd_book_change *out_change)
{
    struct sherd_book_change change = {.rules = room->rules, .findings = room->findings};

    const enum sherd_err err = change_decode(bytes, room, &change);
    if (err == SHERD_ERR_TAMPERED)
        return sherd_fail(SHERD_ERR_INVALID, "that is no change of the scrubber's book");
    SHERD_TRY(err);
    *out_change = change;
    return SHERD_OK;
}

/* --- its pin ------------------------------------------------------------------------------------------------------ */

enum pin_field { PIN_GENERATION = 1, PIN_DIGEST = 2 };

enum sherd_err sherd_book_pin_encode(uint64_t generation, const struct sherd_digest *digest, uint8_t *block,
                                     size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put_u64(&writer, PIN_GENERATION, generation);
    sherd_tlv_put(&writer, PIN_DIGEST, sherd_span_of(digest->bytes, sizeof(digest->bytes)));
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_book_pin_decode(struct sherd_span bytes, uint64_t *out_generation, struct sherd_digest *out_digest)
{
    struct sherd_tlv tlv;

    SHERD_TRY(sherd_tlv_parse(bytes, BIT(PIN_GENERATION) | BIT(PIN_DIGEST), 0, &tlv));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, PIN_GENERATION, UINT64_MAX, out_generation));
    return sherd_tlv_get(&tlv, PIN_DIGEST, out_digest->bytes, sizeof(out_digest->bytes));
}
