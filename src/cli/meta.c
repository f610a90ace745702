/* SPDX-License-Identifier: Apache-2.0 */
/* From options to a record's meta. See meta.h. */
#include "cli/meta.h"
#include "base/mem.h"

#include <string.h>

static struct sherd_attribute *attribute_find(struct cli_meta *meta, const char *name)
{
    for (size_t i = 0; i < meta->meta.attribute_count; i++)
        if (strcmp(meta->attributes[i].name, name) == 0)
            return &meta->attributes[i];
    return NULL;
}

static enum sherd_err attribute_add(struct cli_meta *meta, struct sherd_span name, struct sherd_span value)
{
    const size_t i = meta->meta.attribute_count;

    SHERD_ENSURE(i < SHERD_ATTRIBUTES_MAX, SHERD_ERR_INVALID, "a record has at most 64 attributes");
    memcpy(meta->names[i], name.data, name.len);
    meta->names[i][name.len] = '\0';
    meta->attributes[i] = (struct sherd_attribute){.name = meta->names[i], .value = value};
    meta->meta.attribute_count++;
    return SHERD_OK;
}

static void attribute_remove(struct cli_meta *meta, struct sherd_attribute *attribute)
{
    /* Names are strings in slots of their own: moving the last entry moves its name with it. */
    const size_t last = --meta->meta.attribute_count;
    const size_t i = (size_t)(attribute - meta->attributes);

    if (i != last) {
        memcpy(meta->names[i], meta->names[last], sizeof(meta->names[i]));
        meta->attributes[i] = (struct sherd_attribute){.name = meta->names[i], .value = meta->attributes[last].value};
    }
}

/* One --attr. Given twice, or there before, the new value counts. */
static enum sherd_err attribute_option(struct cli_meta *meta, const char *text, bool may_remove)
{
    const size_t len = strcspn(text, "=");
    char name[SHERD_ATTRIBUTE_NAME_BYTES_MAX + 1] = {0};
    struct sherd_attribute *old = NULL;

    SHERD_ENSURE(len > 0 && len <= SHERD_ATTRIBUTE_NAME_BYTES_MAX, SHERD_ERR_INVALID,
                 "--attr: a name has 1 to 63 bytes");
    memcpy(name, text, len);
    old = attribute_find(meta, name);
    if (text[len] == '=') {
        if (old == NULL)
            return attribute_add(meta, sherd_span_of(name, len), sherd_span_str(text + len + 1));
        old->value = sherd_span_str(text + len + 1);
        return SHERD_OK;
    }
    SHERD_ENSURE(may_remove, SHERD_ERR_INVALID, "--attr: write NAME=VALUE");
    SHERD_ENSURE(old != NULL, SHERD_ERR_INVALID, "--attr: the record has no attribute of that name to remove");
    attribute_remove(meta, old);
    return SHERD_OK;
}

static enum sherd_err key_option(struct cli_meta *meta, const char *text)
{
    SHERD_ENSURE(*text != '\0', SHERD_ERR_INVALID, "--idempotency-key: empty, which would protect nothing");
    meta->meta.idempotency_key = sherd_span_str(text);
    return SHERD_OK;
}

/* One --link. On update "none" drops those that were there. */
static enum sherd_err link_option(struct cli_meta *meta, const char *text, bool may_remove)
{
    const size_t i = meta->meta.link_count;

    meta->meta.drop_links = true;
    if (strcmp(text, "none") == 0 && may_remove)
        return SHERD_OK;
    SHERD_ENSURE(i < SHERD_LINKS_MAX, SHERD_ERR_INVALID, "a record has at most 16 links");
    meta->link_texts[i] = sherd_strdup(text);
    if (meta->link_texts[i] == NULL)
        return SHERD_ERR_NO_MEMORY;
    meta->meta.links = meta->links;
    meta->meta.link_count++;
    return cli_link_parse(meta->link_texts[i], &meta->links[i]);
}

static enum sherd_err read_options(const struct cli *cli, bool may_remove, struct cli_meta *meta)
{
    const struct cli_option *options = cli->command->options;

    meta->meta.attributes = meta->attributes;
    for (size_t i = 0; i < cli->given_count; i++) {
        const struct cli_given *given = &cli->given[i];
        if (given->option == &options[CLI_OPT_TYPE])
            meta->meta.content_type = given->value;
        else if (given->option == &options[CLI_OPT_KEY])
            SHERD_TRY(key_option(meta, given->value));
        else if (given->option == &options[CLI_OPT_TO])
            meta->meta.recipient = given->value;
        else if (given->option == &options[CLI_OPT_LINK])
            SHERD_TRY(link_option(meta, given->value, may_remove));
        else if (given->option == &options[CLI_OPT_ATTR])
            SHERD_TRY(attribute_option(meta, given->value, may_remove));
    }
    return SHERD_OK;
}

enum sherd_err cli_meta_read(const struct cli *cli, struct cli_meta *out_meta)
{
    return read_options(cli, false, out_meta);
}

static enum sherd_err take_over(struct sherd_vault *vault, struct sherd_uuid id, uint64_t *version_expected,
                                struct cli_meta *meta)
{
    SHERD_TRY(sherd_record_stat(vault, id, 0, &meta->old));
    if (*version_expected != 0 && *version_expected != meta->old->version)
        return sherd_fail(SHERD_ERR_CONFLICT, "another version is current: read it, then update that one");
    *version_expected = meta->old->version;
    meta->meta.content_type = *meta->old->content_type != '\0' ? meta->old->content_type : NULL;
    for (size_t i = 0; i < meta->old->attribute_count; i++) {
        const struct sherd_attribute *attribute = &meta->old->attributes[i];
        SHERD_ENSURE(strlen(attribute->name) <= SHERD_ATTRIBUTE_NAME_BYTES_MAX, SHERD_ERR_LIMIT,
                     "an attribute's name is longer than 63 bytes");
        SHERD_TRY(attribute_add(meta, sherd_span_str(attribute->name), attribute->value));
    }
    return SHERD_OK;
}

enum sherd_err cli_meta_read_update(const struct cli *cli, struct sherd_vault *vault, struct sherd_uuid id,
                                    uint64_t *version_expected, struct cli_meta *out_meta, bool *out_given)
{
    *out_given = cli_value(cli, CLI_OPT_TYPE) != NULL || cli_value(cli, CLI_OPT_ATTR) != NULL ||
                 cli_value(cli, CLI_OPT_KEY) != NULL || cli_value(cli, CLI_OPT_TO) != NULL ||
                 cli_value(cli, CLI_OPT_LINK) != NULL;
    if (!*out_given)
        return SHERD_OK;
    SHERD_TRY(take_over(vault, id, version_expected, out_meta));
    return read_options(cli, true, out_meta);
}

void cli_meta_done(struct cli_meta *meta)
{
    sherd_record_info_free(meta->old);
    for (size_t i = 0; i < SHERD_COUNT_OF(meta->link_texts); i++)
        sherd_free(meta->link_texts[i]);
    *meta = (struct cli_meta){0};
}
