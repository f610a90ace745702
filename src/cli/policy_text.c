/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of keys as text: see policy_text.h. */
#include "cli/policy_text.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NONE "none"
#define DAILY "daily@"
#define WEEKLY "weekly:"
/* A hundred years: whoever means more means none. */
#define AGE_S_MAX ((uint64_t)36525 * 86400)

static const struct {
    char letter;
    uint64_t seconds;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

bool cli_age_parse(const char *text, uint64_t *out_age_s)
{
    const size_t len = strlen(text);
    char digits[16] = "";
    uint64_t number;

    if (strcmp(text, NONE) == 0) {
        *out_age_s = 0;
        return true;
    }
    if (len < 2 || len > sizeof(digits))
        return false;
    memcpy(digits, text, len - 1);
    for (size_t i = 0; i < SHERD_COUNT_OF(units); i++)
        if (text[len - 1] == units[i].letter && cli_parse_number(digits, 1, AGE_S_MAX / units[i].seconds, &number)) {
            *out_age_s = number * units[i].seconds;
            return true;
        }
    return false;
}

void cli_age_format(uint64_t age_s, char out_text[static CLI_AGE_TEXT_SIZE])
{
    size_t i = 0;

    while (age_s % units[i].seconds != 0)
        i++;
    if (age_s == 0)
        (void)snprintf(out_text, CLI_AGE_TEXT_SIZE, NONE);
    else
        (void)snprintf(out_text, CLI_AGE_TEXT_SIZE, "%" PRIu64 "%c", age_s / units[i].seconds, units[i].letter);
}

/* HH:MM, and nothing behind it. */
static bool parse_minute(const char *text, unsigned *out_minute)
{
    char hours[3] = "";
    uint64_t hour;
    uint64_t minute;

    if (strlen(text) != 5 || text[2] != ':')
        return false;
    memcpy(hours, text, 2);
    if (!cli_parse_number(hours, 0, 23, &hour) || !cli_parse_number(text + 3, 0, 59, &minute))
        return false;
    *out_minute = (unsigned)(hour * 60 + minute);
    return true;
}

static bool parse_weekday(const char *text, unsigned *out_weekday)
{
    for (unsigned i = 0; i < SHERD_COUNT_OF(weekdays); i++)
        if (strncmp(text, weekdays[i], 3) == 0 && text[3] == '@') {
            *out_weekday = i;
            return true;
        }
    return false;
}

bool cli_schedule_parse(const char *text, struct sherd_key_policy *policy)
{
    enum sherd_key_schedule schedule = SHERD_SCHEDULE_NONE;
    unsigned weekday = 0;
    unsigned minute = 0;

    if (strncmp(text, DAILY, strlen(DAILY)) == 0) {
        schedule = SHERD_SCHEDULE_DAILY;
        if (!parse_minute(text + strlen(DAILY), &minute))
            return false;
    } else if (strncmp(text, WEEKLY, strlen(WEEKLY)) == 0) {
        schedule = SHERD_SCHEDULE_WEEKLY;
        if (!parse_weekday(text + strlen(WEEKLY), &weekday) || !parse_minute(text + strlen(WEEKLY) + 4, &minute))
            return false;
    } else if (strcmp(text, NONE) != 0) {
        return false;
    }
    policy->schedule = schedule;
    policy->weekday = weekday;
    policy->minute = minute;
    return true;
}

void cli_schedule_format(const struct sherd_key_policy *policy, char out_text[static CLI_SCHEDULE_TEXT_SIZE])
{
    const unsigned hour = policy->minute / 60;
    const unsigned minute = policy->minute % 60;

    switch (policy->schedule) {
    case SHERD_SCHEDULE_NONE: (void)snprintf(out_text, CLI_SCHEDULE_TEXT_SIZE, NONE); return;
    case SHERD_SCHEDULE_DAILY:
        (void)snprintf(out_text, CLI_SCHEDULE_TEXT_SIZE, DAILY "%02u:%02u", hour, minute);
        return;
    case SHERD_SCHEDULE_WEEKLY: break;
    }
    (void)snprintf(out_text, CLI_SCHEDULE_TEXT_SIZE, WEEKLY "%s@%02u:%02u", weekdays[policy->weekday % 7], hour,
                   minute);
}

const char *cli_why_word(enum sherd_key_why why)
{
    switch (why) {
    case SHERD_KEY_NOT_DUE: return NULL;
    case SHERD_KEY_DUE_AGE: return "age";
    case SHERD_KEY_DUE_WRAPS: return "wraps";
    case SHERD_KEY_DUE_ENTITIES: return "entities";
    case SHERD_KEY_DUE_SCHEDULE: return "schedule";
    }
    return "unknown";
}
