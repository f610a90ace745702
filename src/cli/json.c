/* SPDX-License-Identifier: Apache-2.0 */
/* Results as JSON, built with jansson and printed at once. */
#include "cli/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/text.h"

#include <stdio.h>

json_t *cli_json_bytes(struct sherd_span bytes)
{
    json_t *value = NULL;
    char *hex = NULL;

    if (cli_utf8_valid(bytes))
        return json_stringn(bytes.len > 0 ? (const char *)bytes.data : "", bytes.len);
    hex = sherd_alloc(2 * bytes.len + 1);
    if (hex == NULL)
        return NULL;
    cli_format_hex(bytes, hex);
    value = json_pack("{s:s}", "hex", hex);
    sherd_free(hex);
    return value;
}

json_t *cli_json_uuid(struct sherd_uuid id)
{
    char text[SHERD_UUID_TEXT_SIZE];

    sherd_uuid_format(id, text);
    return json_string(text);
}

static json_t *attributes_json(const struct sherd_record_info *info)
{
    json_t *object = json_object();

    for (size_t i = 0; i < info->attribute_count && object != NULL; i++) {
        json_t *value = cli_json_bytes(info->attributes[i].value);
        const char *name = info->attributes[i].name;
        /* A name that is not UTF-8 cannot be a key: it is shown with its odd bytes replaced, and its value in full. */
        if (value != NULL && json_object_set(object, name, value) != 0)
            (void)json_object_set(object, "(name is not UTF-8)", value);
        if (value == NULL) {
            json_decref(object);
            object = NULL;
        }
        json_decref(value);
    }
    return object;
}

static json_t *recipient_json(const struct sherd_record_info *info)
{
    return *info->recipient != '\0' ? json_string(info->recipient) : json_null();
}

static json_t *links_json(const struct sherd_record_info *info)
{
    json_t *array = json_array();

    for (size_t i = 0; i < info->link_count && array != NULL; i++) {
        const struct sherd_record_link *link = &info->links[i];
        const bool record = link->kind == SHERD_LINK_RECORD;
        json_t *item = record ? json_pack("{s:o, s:I, s:o}", "record", cli_json_uuid(link->record), "version",
                                          (json_int_t)link->version, "role", cli_json_bytes(sherd_span_str(link->role)))
                              : json_pack("{s:o, s:o, s:o}", "collection",
                                          cli_json_bytes(sherd_span_str(link->collection)), "entity",
                                          cli_json_bytes(sherd_span_str(link->entity)), "role",
                                          cli_json_bytes(sherd_span_str(link->role)));

        if (json_array_append_new(array, item) != 0) { /* also where there is no item */
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static json_t *digest_json(const uint8_t digest[static 32])
{
    char text[65];

    cli_format_hex(sherd_span_of(digest, 32), text);
    return json_string(text);
}

json_t *cli_json_record(const struct sherd_record_info *info)
{
    char created[CLI_TIME_TEXT_SIZE];

    cli_format_time(info->created_s, created);
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o}", "id",
                     cli_json_uuid(info->id), "version", (json_int_t)info->version, "version_current",
                     (json_int_t)info->version_current, "version_oldest", (json_int_t)info->version_oldest, "bytes",
                     (json_int_t)info->content_bytes, "stored_bytes", (json_int_t)info->stored_bytes, "created",
                     created, "collection", cli_json_bytes(sherd_span_str(info->collection)), "entity",
                     cli_json_bytes(sherd_span_str(info->entity)), "type",
                     cli_json_bytes(sherd_span_str(info->content_type)), "recipient", recipient_json(info),
                     "attributes", attributes_json(info), "verification",
                     info->asynchronous ? "asynchronous" : "synchronous", "verified",
                     info->verified_s != 0 ? json_integer((json_int_t)info->verified_s) : json_null(), "links",
                     links_json(info), "first_digest", digest_json(info->first_digest));
}

enum sherd_err cli_json_print(const char *before, json_t *value, const char *after)
{
    SHERD_ENSURE(value != NULL, SHERD_ERR_NO_MEMORY, "no memory for the result");
    cli_print("%s", before);
    (void)json_dumpf(value, stdout, JSON_ENCODE_ANY); /* on one line; ferror() keeps a failure */
    cli_print("%s", after);
    json_decref(value);
    return SHERD_OK;
}
