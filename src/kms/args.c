/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of generators and key stores: see args.h. */
#include "kms/args.h"
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 32U

static bool name_valid(const char *name)
{
    const size_t len = strlen(name);

    return len >= 1 && len <= NAME_BYTES_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool value_valid(const char *value)
{
    for (; *value != 0; value++)
        if ((unsigned char)*value < 0x20 || *value == 0x7f)
            return false;
    return true;
}

/* Take one line, cut into name and value. */
static enum sherd_err parse_line(char *line, struct sherd_key_arg_list *args)
{
    char *equals = strchr(line, '=');

    SHERD_ENSURE(args->count < SHERD_KEY_ARGS_MAX, SHERD_ERR_LIMIT, "a master key has at most 16 arguments");
    SHERD_ENSURE(equals != NULL, SHERD_ERR_INVALID, "an argument is written name=value");
    *equals = 0;
    SHERD_ENSURE(name_valid(line), SHERD_ERR_INVALID, "the name of an argument has 1 to 32 of a-z 0-9 -");
    if (!value_valid(equals + 1))
        return sherd_fail(SHERD_ERR_INVALID, "the value of argument \"%s\" has control characters", line);
    for (size_t i = 0; i < args->count; i++)
        if (strcmp(args->list[i].name, line) == 0)
            return sherd_fail(SHERD_ERR_INVALID, "argument \"%s\" is given twice", line);
    args->list[args->count++] = (struct sherd_key_arg){line, equals + 1};
    return SHERD_OK;
}

enum sherd_err sherd_key_args_parse(const char *text, struct sherd_key_arg_list *out_args)
{
    const size_t len = text != NULL ? strlen(text) : 0;
    char *line = out_args->text;

    out_args->count = 0;
    SHERD_ENSURE(len <= SHERD_KEY_ARGS_BYTES_MAX, SHERD_ERR_LIMIT, "the arguments have at most 512 bytes in all");
    if (len > 0)
        memcpy(out_args->text, text, len);
    out_args->text[len] = 0;
    while (*line != 0) {
        char *end = strchr(line, '\n');
        char *next = end != NULL ? end + 1 : line + strlen(line);

        if (end != NULL)
            *end = 0;
        SHERD_TRY(parse_line(line, out_args));
        line = next;
    }
    return SHERD_OK;
}

const char *sherd_key_arg(const struct sherd_key_args *args, const char *name)
{
    for (size_t i = 0; i < args->count; i++)
        if (strcmp(args->list[i].name, name) == 0)
            return args->list[i].value;
    return NULL;
}

enum sherd_err sherd_key_arg_number(const struct sherd_key_args *args, const char *name, uint64_t least, uint64_t most,
                                    uint64_t *number)
{
    const char *value = sherd_key_arg(args, name);
    uint64_t read = 0;

    if (value == NULL)
        return SHERD_OK;
    const size_t len = strlen(value);
    if (len >= 1 && len <= 9 && strspn(value, "0123456789") == len)
        for (size_t i = 0; i < len; i++)
            read = 10 * read + (uint64_t)(value[i] - '0');
    else
        read = UINT64_MAX;
    if (read < least || read > most)
        return sherd_fail(SHERD_ERR_INVALID, "argument \"%s\" is a number from %llu to %llu", name,
                          (unsigned long long)least, (unsigned long long)most);
    *number = read;
    return SHERD_OK;
}
