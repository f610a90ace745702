/* SPDX-License-Identifier: Apache-2.0 */
/* sherd query: the records of a collection whose attributes are as asked, each verified. */
#include "base/bytes.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OPT_WHERE, OPT_SELECT, OPT_LIMIT, OPT_CONTENTS };

static const struct cli_option options[] = {
    [OPT_WHERE] = {"where", 'w', "COND", "NAME=VALUE, != < <= > >=, or NAME~PREFIX; may be repeated: all must hold"},
    [OPT_SELECT] = {"select", 's', "NAMES", "show these attributes alone, with commas between them"},
    [OPT_LIMIT] = {"limit", 'n', "N", "at most N rows"},
    [OPT_CONTENTS] = {"contents", 0, NULL, "show contents as well"},
    {0},
};

#define SELECTED_MAX 64U

/* What was asked, and what is shown of it. */
struct question {
    struct cli *cli;
    struct sherd_query query;
    struct sherd_query_term terms[SHERD_QUERY_TERMS_MAX];
    char names[SHERD_QUERY_TERMS_MAX][SHERD_ATTRIBUTE_NAME_BYTES_MAX + 1];
    struct sherd_span selected[SELECTED_MAX];
    size_t selected_count;
    uint64_t count;
};

/* Longer signs first: what begins as another is not taken for it. */
static const struct {
    const char *sign;
    enum sherd_query_op op;
} signs[] = {
    {"!=", SHERD_QUERY_IS_NOT}, {"<=", SHERD_QUERY_AT_MOST}, {">=", SHERD_QUERY_AT_LEAST}, {"=", SHERD_QUERY_IS},
    {"<", SHERD_QUERY_BELOW},   {">", SHERD_QUERY_ABOVE},    {"~", SHERD_QUERY_BEGINS},
};

static enum sherd_err add_condition(struct question *question, const char *text)
{
    const size_t i = question->query.term_count;
    const size_t name_bytes = strcspn(text, "!<>=~");

    SHERD_ENSURE(i < SHERD_QUERY_TERMS_MAX, SHERD_ERR_INVALID, "--where: at most 32 conditions");
    SHERD_ENSURE(name_bytes > 0 && name_bytes <= SHERD_ATTRIBUTE_NAME_BYTES_MAX, SHERD_ERR_INVALID,
                 "--where: the name of an attribute has 1 to 63 bytes");
    for (size_t s = 0; s < SHERD_COUNT_OF(signs); s++) {
        const size_t sign_bytes = strlen(signs[s].sign);

        if (strncmp(text + name_bytes, signs[s].sign, sign_bytes) != 0)
            continue;
        memcpy(question->names[i], text, name_bytes);
        question->terms[i] = (struct sherd_query_term){
            .name = question->names[i], .op = signs[s].op, .value = sherd_span_str(text + name_bytes + sign_bytes)};
        question->query.term_count++;
        return SHERD_OK;
    }
    return sherd_fail(SHERD_ERR_INVALID, "--where: write NAME=VALUE, with one of = != < <= > >= ~ between them");
}

static enum sherd_err add_selected(struct question *question, const char *text)
{
    while (*text != '\0') {
        const size_t bytes = strcspn(text, ",");

        SHERD_ENSURE(bytes > 0 && question->selected_count < SELECTED_MAX, SHERD_ERR_INVALID,
                     "--select: 1 to 64 names with commas between them");
        question->selected[question->selected_count++] = sherd_span_of(text, bytes);
        text += bytes + (text[bytes] == ',' ? 1 : 0);
    }
    return SHERD_OK;
}

static enum sherd_err read_options(struct question *question)
{
    const struct cli *cli = question->cli;

    for (size_t i = 0; i < cli->given_count; i++) {
        if (cli->given[i].option == &options[OPT_WHERE])
            SHERD_TRY(add_condition(question, cli->given[i].value));
        if (cli->given[i].option == &options[OPT_SELECT])
            SHERD_TRY(add_selected(question, cli->given[i].value));
    }
    question->query.terms = question->terms;
    question->query.collection = cli->operands[0];
    question->query.with_contents = cli_value(cli, OPT_CONTENTS) != NULL;
    return cli_value_number(cli, OPT_LIMIT, 1, INT64_MAX, 0, &question->query.count_max);
}

static bool is_selected(const struct question *question, struct sherd_span name)
{
    for (size_t i = 0; i < question->selected_count; i++)
        if (sherd_span_equal(question->selected[i], name))
            return true;
    return question->selected_count == 0;
}

static json_t *columns_json(const struct question *question, const struct sherd_query_row *row)
{
    json_t *object = json_object();

    for (size_t i = 0; i < row->column_count && object != NULL; i++) {
        const struct sherd_query_column *column = &row->columns[i];
        char name[SHERD_ATTRIBUTE_NAME_BYTES_MAX + 1] = "";

        if (!is_selected(question, column->name))
            continue;
        memcpy(name, column->name.data, column->name.len);
        /* As in cli_json_record(): a name that is not UTF-8 cannot be a key. */
        if (json_object_set_new(object, cli_utf8_valid(column->name) ? name : "(name is not UTF-8)",
                                cli_json_bytes(column->value)) != 0) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

static enum sherd_err print_json(struct question *question, const struct sherd_query_row *row)
{
    char created[CLI_TIME_TEXT_SIZE];
    json_t *value = NULL;

    cli_format_time(row->created_s, created);
    value = json_pack("{s:o, s:I, s:s, s:o, s:o}", "id", cli_json_uuid(row->id), "version", (json_int_t)row->version,
                      "created", created, "type", cli_json_bytes(sherd_span_str(row->content_type)), "attributes",
                      columns_json(question, row));
    if (value != NULL && question->query.with_contents &&
        json_object_set_new(value, "content", cli_json_bytes(row->content)) != 0) {
        json_decref(value);
        value = NULL;
    }
    return cli_json_print("", value, "\n");
}

static enum sherd_err print_row(void *arg, const struct sherd_query_row *row)
{
    struct question *question = arg;
    char id[SHERD_UUID_TEXT_SIZE];

    if (cli_signal_caught() != 0)
        return sherd_fail(SHERD_ERR_BUSY, "interrupted");
    if (question->cli->json)
        return print_json(question, row);
    sherd_uuid_format(row->id, id);
    cli_print("%s", id);
    for (size_t i = 0; i < row->column_count; i++) {
        if (!is_selected(question, row->columns[i].name))
            continue;
        cli_print("  ");
        cli_print_escaped(row->columns[i].name);
        cli_print("=");
        cli_print_escaped(row->columns[i].value);
    }
    if (question->query.with_contents) {
        cli_print("  ");
        cli_print_escaped(row->content);
    }
    cli_print("\n");
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct question question = {.cli = cli};
    struct sherd_query_stat stat = {0};

    SHERD_TRY(read_options(&question));
    SHERD_TRY(cli_vault_open(cli, true, &vault));
    SHERD_TRY(sherd_query_run(vault, &question.query, print_row, &question, &stat));
    if (!cli->json)
        cli_warn(cli, "%" PRIu64 " of %" PRIu64 " records, all of them verified", stat.matched_count, stat.seen_count);
    return SHERD_OK;
}

const struct cli_command cmd_query = {
    .name = "query",
    .operands = "COLLECTION",
    .summary = "show the records whose attributes are as asked, each verified",
    .notes = "Where both values are whole numbers they are compared as such, else byte by byte. A record without the\n"
             "attribute meets no condition on it. With --json, one object a line. What was printed before an error\n"
             "is verified, but may not be all.",
    .options = options,
    .operand_min = 1,
    .operand_max = 1,
    .run = run,
};
