/* SPDX-License-Identifier: Apache-2.0 */
/* Links as they are written: UUID[@VERSION][=ROLE] or entity:[COLLECTION/]ID[=ROLE]. See meta.h. */
#include "cli/meta.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ENTITY_HEAD "entity:"

/* Cut a text at the last place where a letter stands. @return what stood behind it; NULL: it is not there */
static char *cut(char *text, char letter)
{
    char *at = strrchr(text, letter);

    if (at == NULL)
        return NULL;
    *at = '\0';
    return at + 1;
}

static enum sherd_err parse_entity(char *text, struct sherd_record_link *out_link)
{
    char *slash = strchr(text, '/');

    out_link->kind = SHERD_LINK_ENTITY;
    out_link->entity = text;
    if (slash != NULL) {
        *slash = '\0';
        out_link->collection = text;
        out_link->entity = slash + 1;
    }
    SHERD_ENSURE(*out_link->entity != '\0' && (slash == NULL || slash != text), SHERD_ERR_INVALID,
                 "--link: write entity:ID or entity:COLLECTION/ID, and =ROLE behind it");
    return SHERD_OK;
}

static enum sherd_err parse_record(char *text, struct sherd_record_link *out_link)
{
    const char *version = cut(text, '@');

    out_link->kind = SHERD_LINK_RECORD;
    if (version != NULL)
        SHERD_ENSURE(cli_parse_number(version, 1, INT64_MAX, &out_link->version), SHERD_ERR_INVALID,
                     "--link: a version is a number, 1 or more");
    SHERD_ENSURE(sherd_uuid_parse(text, &out_link->record) == SHERD_OK, SHERD_ERR_INVALID,
                 "--link: write UUID, UUID@VERSION or entity:ID, and =ROLE behind it");
    return SHERD_OK;
}

enum sherd_err cli_link_parse(char *text, struct sherd_record_link *out_link)
{
    *out_link = (struct sherd_record_link){.role = cut(text, '=')};
    SHERD_ENSURE(out_link->role == NULL || *out_link->role != '\0', SHERD_ERR_INVALID, "--link: the role is empty");
    if (strncmp(text, ENTITY_HEAD, strlen(ENTITY_HEAD)) == 0)
        return parse_entity(text + strlen(ENTITY_HEAD), out_link);
    return parse_record(text, out_link);
}

static enum sherd_err append_target(const struct sherd_record_link *link, struct sherd_buf *out_text)
{
    char id[SHERD_UUID_TEXT_SIZE];
    char version[32];

    if (link->kind == SHERD_LINK_ENTITY) {
        SHERD_TRY(sherd_buf_append(out_text, sherd_span_str(ENTITY_HEAD)));
        SHERD_TRY(sherd_buf_append(out_text, sherd_span_str(link->collection)));
        SHERD_TRY(sherd_buf_append(out_text, sherd_span_str("/")));
        return sherd_buf_append(out_text, sherd_span_str(link->entity));
    }
    sherd_uuid_format(link->record, id);
    SHERD_TRY(sherd_buf_append(out_text, sherd_span_str(id)));
    if (link->version == 0)
        return SHERD_OK;
    (void)snprintf(version, sizeof(version), "@%" PRIu64, link->version);
    return sherd_buf_append(out_text, sherd_span_str(version));
}

enum sherd_err cli_link_text(const struct sherd_record_link *link, struct sherd_buf *out_text)
{
    SHERD_TRY(append_target(link, out_text));
    if (*link->role == '\0')
        return SHERD_OK;
    SHERD_TRY(sherd_buf_append(out_text, sherd_span_str("=")));
    return sherd_buf_append(out_text, sherd_span_str(link->role));
}
