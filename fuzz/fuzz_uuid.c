/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UUIDs from text. Whatever is accepted must be exactly what the format allows, told here by a second reading of RFC
 * 9562 that shares no code with the first, and must come out again as it went in.
 */
#include <ctype.h>
#include <sherd/uuid.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool is_uuid_v4(const char *text)
{
    static const char pattern[] = "xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx";

    if (strlen(text) != strlen(pattern))
        return false;
    for (size_t i = 0; pattern[i] != '\0'; i++) {
        const bool fits = pattern[i] == 'x'   ? isxdigit((unsigned char)text[i]) != 0
                          : pattern[i] == 'v' ? strchr("89abAB", text[i]) != NULL
                                              : text[i] == pattern[i];

        if (!fits)
            return false;
    }
    return true;
}

static void check_round_trip(const char *text, struct sherd_uuid uuid)
{
    char again[SHERD_UUID_TEXT_SIZE];

    sherd_uuid_format(uuid, again);
    for (size_t i = 0; i < sizeof(again); i++)
        if (again[i] != (char)tolower((unsigned char)text[i]))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = calloc(1, len + 1); /* of exactly this size, so that a read past the end is seen */
    struct sherd_uuid uuid;
    bool accepted = false;

    if (text == NULL)
        return 0;
    if (len > 0)
        memcpy(text, data, len);
    accepted = sherd_uuid_parse(text, &uuid) == SHERD_OK;
    if (accepted != is_uuid_v4(text))
        abort();
    if (accepted)
        check_round_trip(text, uuid);
    free(text);
    return 0;
}
