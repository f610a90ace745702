/* SPDX-License-Identifier: Apache-2.0 */
/* What commands about the ledger share. See ledger.h. */
#include "cli/ledger.h"
#include "base/mem.h"
#include "cli/bundle.h"
#include "cli/json.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NOTE_BYTES_MAX ((size_t)1 << 20)

/* --- receipts ----------------------------------------------------------------------------------------------------- */

enum sherd_err cli_ledger_receipt_check(const char *path)
{
    SHERD_CLEANUP(cli_output_done) struct cli_output output = {.dir_fd = -1, .fd = -1};

    if (path != NULL && access(path, F_OK) == 0)
        return sherd_fail(SHERD_ERR_CONFLICT, "%.160s is there already: a receipt replaces nothing", path);
    return path != NULL ? cli_output_begin_path(path, &output) : SHERD_OK; /* it can be written; and is removed again */
}

enum sherd_err cli_ledger_receipt_write(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version,
                                        const char *path)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf receipt = {0};

    if (path == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_ledger_receipt(vault, id, version, &receipt));
    return cli_write_new(path, sherd_buf_span(&receipt));
}

/* --- words of the command line ------------------------------------------------------------------------------------ */

bool cli_parse_id(const char *text, struct sherd_uuid *out_id)
{
    static const size_t parts[] = {4, 2, 2, 2, 6};
    size_t at = 0;
    char digits[13];

    for (size_t i = 0; i < SHERD_COUNT_OF(parts); i++) {
        const size_t len = 2 * parts[i];
        const bool last = i + 1 == SHERD_COUNT_OF(parts);

        if (strnlen(text, len + 1) < len || text[len] != (last ? '\0' : '-'))
            return false;
        memcpy(digits, text, len);
        digits[len] = '\0';
        if (!cli_parse_hex(digits, out_id->bytes + at, parts[i]))
            return false;
        at += parts[i];
        text += len + 1;
    }
    return true;
}

static enum sherd_err read_note(const struct cli *cli, const char *path, struct sherd_buf *out_note)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = -1;
    uint8_t block[16384];
    size_t len = sizeof(block);

    SHERD_TRY(cli_input_open(cli, path, &fd));
    while (len == sizeof(block)) {
        SHERD_TRY(cli_read_full(fd, cli_input_name(path), block, sizeof(block), &len));
        SHERD_TRY(sherd_buf_append(out_note, sherd_span_of(block, len)));
    }
    return SHERD_OK;
}

enum sherd_err cli_ledger_point_read(const struct cli *cli, struct sherd_vault *vault, const char *text,
                                     struct cli_ledger_point *out_point)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {.max = NOTE_BYTES_MAX + 1};
    struct sherd_ledger_head head;

    *out_point = (struct cli_ledger_point){.size = 0};
    if (cli_parse_number(text, 0, INT64_MAX, &out_point->size))
        return SHERD_OK;
    SHERD_TRY(read_note(cli, text, &note));
    SHERD_TRY(sherd_ledger_compare(vault, sherd_buf_span(&note), &head));
    out_point->size = head.size;
    out_point->signed_elsewhere = true;
    return SHERD_OK;
}

static enum sherd_err subject_as(struct cli_ledger_subject *subject)
{
    static const struct {
        const char *name;
        enum sherd_ledger_about about;
        bool is_id;
    } kinds[] = {{"record", SHERD_LEDGER_RECORD, true},
                 {"id", SHERD_LEDGER_ID, true},
                 {"entity", SHERD_LEDGER_ENTITY, false},
                 {"user", SHERD_LEDGER_USER, false}};

    for (size_t i = 0; i < SHERD_COUNT_OF(kinds); i++) {
        if (strcmp(subject->as, kinds[i].name) != 0)
            continue;
        SHERD_ENSURE(!kinds[i].is_id || cli_parse_id(subject->word, &subject->query.id), SHERD_ERR_INVALID,
                     "that is no UUID");
        subject->query.about = kinds[i].about;
        return SHERD_OK;
    }
    return sherd_fail(SHERD_ERR_INVALID, "--as: record, entity, user or id");
}

enum sherd_err cli_ledger_subject_first(struct cli_ledger_subject *subject)
{
    struct sherd_ledger_query *query = &subject->query;

    query->collection = subject->collection;
    query->name = subject->word;
    if (subject->as != NULL)
        return subject_as(subject);
    query->about = cli_parse_id(subject->word, &query->id) ? SHERD_LEDGER_RECORD : SHERD_LEDGER_ENTITY;
    return SHERD_OK;
}

bool cli_ledger_subject_next(struct cli_ledger_subject *subject)
{
    if (subject->as != NULL || (subject->user != NULL && strcmp(subject->user, SHERD_USER_OWNER) != 0))
        return false;
    if (subject->query.about == SHERD_LEDGER_RECORD)
        subject->query.about = SHERD_LEDGER_ID;
    else if (subject->query.about == SHERD_LEDGER_ENTITY && subject->collection == NULL)
        subject->query.about = SHERD_LEDGER_USER;
    else
        return false;
    return true;
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static bool is_none(const struct sherd_uuid *id)
{
    static const struct sherd_uuid none = {{0}};

    return memcmp(id->bytes, none.bytes, sizeof(none.bytes)) == 0; /* not secret: ids are printed */
}

static enum sherd_err learn_user(void *arg, const struct sherd_user_info *info)
{
    struct cli_ledger_print *print = arg;
    struct sherd_user_info *more = sherd_realloc(print->users, (print->user_count + 1) * sizeof(*more));

    if (more == NULL)
        return SHERD_ERR_NO_MEMORY;
    print->users = more;
    print->users[print->user_count++] = *info;
    return SHERD_OK;
}

/* Who may not list users is told ids. */
enum sherd_err cli_ledger_print_begin(struct cli_ledger_print *print, struct sherd_vault *vault)
{
    const enum sherd_err err = sherd_user_each(vault, learn_user, print);

    if (err != SHERD_ERR_DENIED && err != SHERD_ERR_TAMPERED) /* of those that are damaged the name is known */
        SHERD_TRY(err);
    if (print->cli->json)
        cli_print("{\"events\": [");
    return SHERD_OK;
}

/* A user's name, or the id as text. */
static const char *name_of(const struct cli_ledger_print *print, const struct sherd_uuid *id,
                           char text[static SHERD_UUID_TEXT_SIZE])
{
    if (is_none(id))
        return "-";
    for (size_t i = 0; i < print->user_count; i++)
        if (memcmp(print->users[i].id.bytes, id->bytes, sizeof(id->bytes)) == 0) /* not secret: ids are printed */
            return print->users[i].name;
    sherd_uuid_format(*id, text);
    return text;
}

#define TIME_SIZE 40
static void format_time(uint64_t time_ns, char out_text[static TIME_SIZE])
{
    const time_t time_s = (time_t)(time_ns / 1000000000U);
    char text[TIME_SIZE];
    struct tm parts;

    if (gmtime_r(&time_s, &parts) == NULL || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        (void)snprintf(out_text, TIME_SIZE, "%" PRIu64 " ns", time_ns);
    else
        (void)snprintf(out_text, TIME_SIZE, "%.19s.%03uZ", text, (unsigned)(time_ns / 1000000U % 1000U));
}

static enum sherd_err print_json(struct cli_ledger_print *print, const struct sherd_ledger_event *event)
{
    char actor[SHERD_UUID_TEXT_SIZE];
    char time[TIME_SIZE];

    format_time(event->time_ns, time);
    json_t *object = json_pack("{s:I, s:s, s:s}", "leaf", (json_int_t)event->index, "event", event->kind, "time", time);
    const struct {
        const char *key;
        const struct sherd_uuid *id;
    } ids[] = {{"subject", &event->subject},
               {"collection", &event->collection},
               {"entity", &event->entity},
               {"actor", &event->actor}};
    bool good = object != NULL;

    for (size_t i = 0; i < SHERD_COUNT_OF(ids); i++)
        if (good && !is_none(ids[i].id))
            good = json_object_set_new(object, ids[i].key, cli_json_uuid(*ids[i].id)) == 0;
    if (good && !is_none(&event->actor))
        good = json_object_set_new(object, "by", json_string(name_of(print, &event->actor, actor))) == 0;
    if (good && event->version != 0)
        good = json_object_set_new(object, "version", json_integer((json_int_t)event->version)) == 0;
    if (good && event->count != 0)
        good = json_object_set_new(object, "count", json_integer((json_int_t)event->count)) == 0;
    if (!good) {
        json_decref(object);
        return SHERD_ERR_NO_MEMORY;
    }
    return cli_json_print(print->count == 1 ? "\n" : ",\n", object, "");
}

/* What the number means depends on the kind. */
static void print_count(const struct cli_ledger_print *print, const struct sherd_ledger_event *event)
{
    char user[SHERD_UUID_TEXT_SIZE];

    if (strcmp(event->kind, "grant") == 0)
        cli_print(", rights %" PRIu64 " to %s", event->count, name_of(print, &event->entity, user));
    else if (strcmp(event->kind, "lost") == 0)
        cli_print(", %" PRIu64 " keys were given out of which nothing more is known", event->count);
    else if (strcmp(event->kind, "delete") == 0 && event->count > 1)
        cli_print(" and %" PRIu64 " before it", event->count - 1);
    else if (strcmp(event->kind, "delete") != 0 && event->count != 0)
        cli_print(", %" PRIu64 " keys", event->count);
}

static void print_line(const struct cli_ledger_print *print, const struct sherd_ledger_event *event)
{
    char subject[SHERD_UUID_TEXT_SIZE];
    char actor[SHERD_UUID_TEXT_SIZE];
    char time[TIME_SIZE];

    format_time(event->time_ns, time);
    cli_print("%8" PRIu64 "  %s  %-10s  %s  by %s", event->index, time, event->kind,
              name_of(print, &event->subject, subject), name_of(print, &event->actor, actor));
    if (event->version != 0)
        cli_print(", version %" PRIu64, event->version);
    print_count(print, event);
    cli_print("\n");
}

enum sherd_err cli_ledger_print_event(void *arg, const struct sherd_ledger_event *event)
{
    struct cli_ledger_print *print = arg;

    print->count++;
    if (print->cli->json)
        return print_json(print, event);
    print_line(print, event);
    return SHERD_OK;
}

enum sherd_err cli_ledger_print_end(struct cli_ledger_print *print, const struct sherd_ledger_head *head)
{
    char root[2 * sizeof(head->root) + 1];

    cli_format_hex(sherd_span_of(head->root, sizeof(head->root)), root);
    if (print->cli->json)
        return cli_json_print("\n], \"ledger\": ",
                              json_pack("{s:s, s:I, s:s}", "origin", head->origin, "leaves", (json_int_t)head->size,
                                        "root", root),
                              "}\n");
    if (!print->cli->quiet)
        cli_print("%" PRIu64 " event%s, each proved to be in %s, of %" PRIu64 " leaves\n", print->count,
                  print->count == 1 ? "" : "s", head->origin, head->size);
    return SHERD_OK;
}

void cli_ledger_print_done(struct cli_ledger_print *print)
{
    sherd_free(print->users);
}
