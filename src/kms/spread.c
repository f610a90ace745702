/* SPDX-License-Identifier: Apache-2.0 */
/* Parts spread over places: see spread.h. */
#include "kms/spread.h"
#include "base/secret.h"
#include "kms/places.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The parts of one place. */
struct slice {
    size_t first;
    size_t count;
};

static struct slice slice_of(const struct sherd_spread *spread, size_t place)
{
    const size_t each = spread->count / spread->place_count;
    const size_t longer = spread->count % spread->place_count; /* places that have one more */
    const struct slice slice = {place * each + (place < longer ? place : longer), each + (place < longer ? 1 : 0)};

    return slice;
}

static enum sherd_err add_place(const char *text, size_t len, struct sherd_spread *spread)
{
    char *place = spread->places[spread->place_count];

    SHERD_ENSURE(spread->place_count < SHERD_KEY_PLACES_MAX, SHERD_ERR_INVALID, "there are at most 16 places");
    SHERD_ENSURE(len < SHERD_KEY_PLACE_SIZE, SHERD_ERR_INVALID, "a place has at most 255 bytes");
    memcpy(place, text, len);
    place[len] = 0;
    if (!sherd_place_valid(place))
        return sherd_fail(SHERD_ERR_INVALID,
                          "\"%.64s\" is no place: identity, assets, secrets, keys, or lmdb: and an absolute path",
                          place);
    for (size_t i = 0; i < spread->place_count; i++)
        if (strcmp(spread->places[i], place) == 0)
            return sherd_fail(SHERD_ERR_INVALID, "place %.128s is given twice", place);
    spread->place_count++;
    return SHERD_OK;
}

enum sherd_err sherd_spread_places(const struct sherd_key_args *args, struct sherd_spread *spread)
{
    const char *given = sherd_key_arg(args, SHERD_SPREAD_ARG);
    const char *text = given != NULL ? given : SHERD_SPREAD_DEFAULT;

    spread->place_count = 0;
    for (;;) {
        const size_t len = strcspn(text, ",");

        SHERD_TRY(add_place(text, len, spread));
        if (text[len] == 0)
            break;
        text += len + 1;
    }
    SHERD_ENSURE(spread->place_count >= 2, SHERD_ERR_INVALID, "a master key is spread over at least 2 places");
    return SHERD_OK;
}

enum sherd_err sherd_spread_parts(struct sherd_spread *spread, size_t count, const struct sherd_ref *set)
{
    struct sherd_key_part *part;

    SHERD_ENSURE(count >= spread->place_count && count <= SHERD_KEY_PARTS_MAX, SHERD_ERR_INVALID,
                 "there are more places than parts to spread over them");
    spread->parts = sherd_secret_alloc(count * sizeof(*spread->parts));
    if (spread->parts == NULL)
        return SHERD_ERR_NO_MEMORY;
    spread->count = count;
    part = spread->parts;
    for (size_t place = 0; place < spread->place_count; place++)
        for (size_t index = place; index < count; index += spread->place_count, part++) {
            part->set = *set;
            part->index = index;
        }
    return SHERD_OK;
}

void sherd_spread_done(struct sherd_spread *spread)
{
    sherd_secret_free(spread->parts);
    spread->parts = NULL;
    spread->count = 0;
}

const char *sherd_spread_place(const struct sherd_spread *spread, uint64_t index)
{
    return spread->places[index % spread->place_count];
}

/* --- all parts --------------------------------------------------------------------------------------------------- */

static enum sherd_err delete_at(const struct sherd_key_call *call, const struct sherd_spread *spread, size_t place)
{
    const struct slice slice = slice_of(spread, place);

    return call->host->parts_delete(call, spread->places[place], spread->parts + slice.first, slice.count);
}

/* Remove what was written before a failure, and keep the failure's own words. */
static void undo(const struct sherd_key_call *call, const struct sherd_spread *spread, size_t place_count)
{
    char detail[SHERD_FAIL_TEXT_SIZE];

    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    for (size_t place = 0; place < place_count; place++) {
        const enum sherd_err err = delete_at(call, spread, place);

        (void)err; /* what stays is of a set that nothing names: a walk over the place finds it */
    }
    sherd_fail_restore(detail);
}

enum sherd_err sherd_spread_put(const struct sherd_key_call *call, const struct sherd_spread *spread)
{
    for (size_t place = 0; place < spread->place_count; place++) {
        const struct slice slice = slice_of(spread, place);
        const enum sherd_err err = call->host->parts_put(call, spread->places[place], spread->parts + slice.first,
                                                         slice.count);

        if (err != SHERD_OK) {
            undo(call, spread, place);
            return err;
        }
    }
    return SHERD_OK;
}

static void mark(struct sherd_spread *spread, size_t place, enum sherd_err err)
{
    const struct slice slice = slice_of(spread, place);

    for (size_t i = 0; i < slice.count; i++)
        spread->parts[slice.first + i].status = err;
    (void)snprintf(spread->trouble[place], sizeof(spread->trouble[place]), "%.95s", sherd_err_detail());
}

enum sherd_err sherd_spread_get(const struct sherd_key_call *call, struct sherd_spread *spread)
{
    for (size_t place = 0; place < spread->place_count; place++) {
        const struct slice slice = slice_of(spread, place);
        const enum sherd_err err = call->host->parts_get(call, spread->places[place], spread->parts + slice.first,
                                                         slice.count);

        spread->trouble[place][0] = 0;
        if (err == SHERD_ERR_NO_MEMORY)
            return err;
        if (err != SHERD_OK)
            mark(spread, place, err);
    }
    return SHERD_OK;
}

enum sherd_err sherd_spread_delete(const struct sherd_key_call *call, const struct sherd_spread *spread)
{
    char detail[SHERD_FAIL_TEXT_SIZE];
    enum sherd_err first = SHERD_OK;

    for (size_t place = 0; place < spread->place_count; place++) {
        const enum sherd_err err = delete_at(call, spread, place);

        if (first == SHERD_OK && err != SHERD_OK) {
            first = err;
            (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
        }
    }
    if (first != SHERD_OK)
        sherd_fail_restore(detail);
    return first;
}

/* --- faults ------------------------------------------------------------------------------------------------------ */

enum sherd_err sherd_spread_fail(const struct sherd_key_call *call, const struct sherd_spread *spread,
                                 const struct sherd_key_part *part, const char *what)
{
    const size_t place = (size_t)(part->index % spread->place_count);
    const enum sherd_err status = part->status;
    const char *fault = "does not verify";

    if (status == SHERD_ERR_NOT_FOUND)
        fault = "is missing";
    if (status != SHERD_ERR_NOT_FOUND && status != SHERD_ERR_TAMPERED)
        return sherd_fail(status, "%s %" PRIu64 " of master key \"%.20s\" version %" PRIu64 " cannot be read: %s", what,
                          part->index + 1, call->id->name, call->id->version, spread->trouble[place]);
    return sherd_fail(SHERD_ERR_TAMPERED, "%s %" PRIu64 " of master key \"%.20s\" version %" PRIu64 " %s, at %.120s",
                      what, part->index + 1, call->id->name, call->id->version, fault, spread->places[place]);
}

static enum sherd_key_fault fault_of(enum sherd_err status)
{
    if (status == SHERD_ERR_NOT_FOUND)
        return SHERD_KEY_PART_LOST;
    return status == SHERD_ERR_TAMPERED ? SHERD_KEY_PART_DAMAGED : SHERD_KEY_PART_UNREACHABLE;
}

enum sherd_err sherd_spread_visit(const struct sherd_spread *spread, sherd_key_finding_fn *visit, void *arg)
{
    for (size_t i = 0; i < spread->count; i++) {
        const struct sherd_key_part *part = &spread->parts[i];
        const struct sherd_key_finding finding = {fault_of(part->status), part->index,
                                                  sherd_spread_place(spread, part->index)};

        if (part->status != SHERD_OK)
            SHERD_TRY(visit(arg, &finding));
    }
    return SHERD_OK;
}
