/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verify: reads and checks everything of one record, or of the whole vault.
 *
 * Of the whole vault: every entry of `keys`, and for each pin its map entry, its fragment, the fragment's digest and
 * every tag, and whether the pins of a record agree with one another; then what no pin led to in `assets` and
 * `secrets` (strays.h), every entry of `identity`, and the compartments' own; last the ledger, and whether `keys` is
 * what it says. Orphans are counted and left to the sweeper.
 *
 * Nothing is held still meanwhile: a finding about a record counts only if the anchor still says what it said when the
 * record was looked at.
 */
#include "scrub/verify.h"
#include "anchor/book/book.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cryptor/copies.h"
#include "cryptor/links.h"
#include "scrub/contents.h"
#include "scrub/lane.h"
#include "scrub/pages.h"
#include "scrub/reseal.h"
#include "scrub/strays.h"
#include <stdio.h>
#include <time.h>

#define REFUSED "is refused by policy: its master key is below the floor, or was destroyed"

struct sherd_walk {
    struct sherd_vault *vault;
    bool one;    /* one record is verified, not the vault */
    bool scrubs; /* not each chunk is opened; a disagreement with the ledger is always a finding, and says which */
    uint64_t rate;
    uint64_t began_ns;
    const struct sherd_observer *observer;
    pthread_mutex_t lock; /* guards all that follows, and the observer */
    struct sherd_verify_stat stat;
    struct sherd_reached reached;
    bool stopped;
    uint64_t keys_count; /* of the findings, those in `keys` */
    uint64_t paced_bytes;
    uint64_t total_bytes;
};

static void find(struct sherd_walk *verify, struct sherd_finding finding)
{
    (void)pthread_mutex_lock(&verify->lock);
    if (finding.kind == SHERD_FINDING_REFUSED)
        verify->stat.refused_count++;
    else
        verify->stat.finding_count++;
    verify->keys_count += finding.kind == SHERD_FINDING_PIN || finding.kind == SHERD_FINDING_LEDGER;
    if (verify->observer->finding != NULL)
        verify->observer->finding(verify->observer->arg, &finding);
    (void)pthread_mutex_unlock(&verify->lock);
}

static void find_record(struct sherd_walk *verify, enum sherd_finding_kind kind, const char *compartment,
                        struct sherd_uuid id, uint64_t version, const char *text)
{
    find(verify,
         (struct sherd_finding){
             .kind = kind, .compartment = compartment, .has_record = true, .id = id, .version = version, .text = text});
}

/* A finding about a stored thing: what it is, its name, and what is wrong with it. */
static void find_thing(struct sherd_walk *verify, enum sherd_finding_kind kind, const char *compartment,
                       const char *what, const struct sherd_ref *name, const char *wrong)
{
    char text[128];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s ", what);

    for (size_t i = 0; i < sizeof(name->bytes); i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%02x", name->bytes[i]);
    (void)snprintf(text + len, sizeof(text) - len, " %s", wrong);
    find(verify, (struct sherd_finding){.kind = kind, .compartment = compartment, .text = text});
}

static void find_entry(struct sherd_walk *verify, enum sherd_finding_kind kind, const char *compartment,
                       const struct sherd_ref *name)
{
    find_thing(verify, kind, compartment, "entry", name, "does not verify");
}

/* Count what was checked, tell the observer, and hear from it. @return SHERD_ERR_BUSY: it wants to stop */
static enum sherd_err advance(void *arg, uint64_t content_bytes)
{
    struct sherd_walk *verify = arg;

    (void)pthread_mutex_lock(&verify->lock);
    verify->stat.content_bytes += content_bytes;
    if (verify->observer->progress != NULL && !verify->stopped)
        verify->stopped = !verify->observer->progress(verify->observer->arg, verify->stat.content_bytes,
                                                      verify->total_bytes);
    const bool stopped = verify->stopped;
    (void)pthread_mutex_unlock(&verify->lock);
    return stopped ? sherd_fail(SHERD_ERR_BUSY, "verifying was stopped") : SHERD_OK;
}

/* --- at a rate ---------------------------------------------------------------------------------------------------- */

/* A version counts as so many bytes at least: what is read for it. And for so long a pause is not asked whether to end.
 */
#define PACED_BYTES_MIN 4096U
#define PAUSE_NS_MAX UINT64_C(200000000)
#define SECOND_NS UINT64_C(1000000000)

/* How long to wait before more than that is looked at. */
static uint64_t pause_after(struct sherd_walk *verify, uint64_t bytes)
{
    (void)pthread_mutex_lock(&verify->lock);
    verify->paced_bytes += bytes;
    const uint64_t due_ns = (uint64_t)((double)verify->paced_bytes / (double)verify->rate * (double)SECOND_NS);
    (void)pthread_mutex_unlock(&verify->lock);
    const uint64_t spent_ns = sherd_clock()->monotonic_ns() - verify->began_ns;
    return due_ns > spent_ns ? due_ns - spent_ns : 0;
}

/* @param[in] lane  rests meanwhile, so that no snapshot is held; NULL for none */
static enum sherd_err pace(struct sherd_walk *verify, uint64_t bytes, struct sherd_lane *lane)
{
    if (verify->rate == 0)
        return SHERD_OK;
    uint64_t pause_ns = pause_after(verify, bytes < PACED_BYTES_MIN ? PACED_BYTES_MIN : bytes);
    if (pause_ns > 0 && lane != NULL)
        sherd_lane_rest(lane);
    while (pause_ns > 0) {
        const uint64_t now_ns = pause_ns < PAUSE_NS_MAX ? pause_ns : PAUSE_NS_MAX;
        const struct timespec pause = {.tv_nsec = (long)now_ns};

        (void)nanosleep(&pause, NULL);
        pause_ns -= now_ns;
        SHERD_TRY(advance(verify, 0));
    }
    return SHERD_OK;
}

static enum sherd_err advance_paced(void *arg, uint64_t content_bytes)
{
    SHERD_TRY(advance(arg, content_bytes));
    return pace(arg, content_bytes, NULL);
}

/* --- pins, and what they lead to --------------------------------------------------------------------------------- */

/* A version that is looked at: what a pin said of it. */
struct version {
    struct sherd_uuid record;
    uint64_t number;
    struct sherd_ref map;
};

/*
 * Whether a version that failed to verify is still pinned as it was: otherwise it was changed while it was looked at.
 */
static enum sherd_err still_pinned(struct sherd_walk *verify, const struct version *version, bool *out_still)
{
    struct sherd_anchor *anchor = verify->vault->anchor;
    struct sherd_pin_view now;

    const enum sherd_err err = anchor->ops->pin_get(anchor, version->record, version->number, &now, NULL);
    *out_still = err == SHERD_OK && sherd_same(&now.pin.map, &version->map, sizeof(version->map));
    return err == SHERD_ERR_NOT_FOUND ? SHERD_OK : err;
}

/* What does not verify, or lies under a store key that was destroyed. */
static bool is_violation(enum sherd_err err)
{
    return err == SHERD_ERR_TAMPERED || err == SHERD_ERR_DENIED;
}

/* Report a version that did not verify: was it its map entry or its fragment? */
static void find_version(struct sherd_walk *verify, const struct version *version, bool opened)
{
    SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded located = {0};

    if (!opened && is_violation(sherd_locate(verify->vault, version->record, version->number, &located)))
        find_record(verify, SHERD_FINDING_MAP, "assets", version->record, version->number,
                    "its map entry is missing or does not verify");
    else
        find_record(verify, SHERD_FINDING_FRAGMENT, "secrets", version->record, version->number,
                    "its fragment is missing or does not verify");
}

/*
 * Whether the key of a version is refused by the anchor, and not something else on the way to its contents. In a walk
 * over the vault what is refused by policy was told apart before.
 */
static enum sherd_err is_refused(const struct sherd_walk *verify, const struct version *version, bool *out_refused)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_record_key *key = sherd_secret_alloc(sizeof(*key));
    struct sherd_anchor *anchor = verify->vault->anchor;
    struct sherd_pin_view view;

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    *out_refused = verify->one &&
                   anchor->ops->pin_get(anchor, version->record, version->number, &view, key) == SHERD_ERR_DENIED;
    return SHERD_OK;
}

/* Report a version that failed, unless it was changed meanwhile. */
static enum sherd_err find_failed(struct sherd_walk *verify, const struct version *version, enum sherd_err failure,
                                  bool opened)
{
    bool refused = false;

    if (failure == SHERD_ERR_DENIED)
        SHERD_TRY(is_refused(verify, version, &refused));
    if (refused)
        find_record(verify, SHERD_FINDING_REFUSED, "keys", version->record, version->number, REFUSED);
    else
        find_version(verify, version, opened);
    return SHERD_OK;
}

/* What a thread has looked at, until it is added to the whole. */
struct share {
    struct sherd_lane *lane; /* NULL where there are so few versions that it does not pay */
    uint64_t record_count;
    uint64_t version_count;
    struct sherd_reached reached;
};

static enum sherd_err add_share(struct sherd_walk *verify, const struct share *share)
{
    (void)pthread_mutex_lock(&verify->lock);
    verify->stat.record_count += share->record_count;
    verify->stat.version_count += share->version_count;
    const enum sherd_err err = sherd_reached_join(&verify->reached, &share->reached);
    (void)pthread_mutex_unlock(&verify->lock);
    return err;
}

static const char *link_text(enum sherd_link_kind kind, enum sherd_link_state state)
{
    if (kind == SHERD_LINK_ENTITY)
        return "it links to an entity that is not there, or was erased";
    return state == SHERD_LINK_DANGLES ? "it links to a record, or a version of one, that is not there"
                                       : "it links to a record in whose place there is another";
}

/* What a current version links to must be there; older ones name what was there when they were written. */
static enum sherd_err check_links(struct sherd_walk *verify, const struct version *version,
                                  const struct sherd_loaded *verified)
{
    struct sherd_span rest = verified->map.links;

    if (verified->view.version_current != verified->view.pin.version)
        return SHERD_OK;
    while (rest.len > 0) {
        struct sherd_link_entry link;
        enum sherd_link_state state;
        bool still = false;

        SHERD_TRY(sherd_links_next(&rest, &link));
        SHERD_TRY(sherd_link_check(verify->vault, &link, &state));
        if (state != SHERD_LINK_DANGLES && state != SHERD_LINK_CHANGED)
            continue;
        SHERD_TRY(still_pinned(verify, version, &still));
        if (still)
            find_record(verify, SHERD_FINDING_LINK, "assets", version->record, version->number,
                        link_text(link.kind, state));
    }
    return SHERD_OK;
}

/* A version that verified. */
static enum sherd_err count(struct sherd_walk *verify, const struct version *version, struct share *share,
                            const struct sherd_loaded *verified)
{
    SHERD_TRY(check_links(verify, version, verified));
    share->version_count++;
    return sherd_reached_add(&share->reached, &verified->view.pin.map, &verified->map.data);
}

/* Check one pinned version in all forms, against changes meanwhile. A violation is a finding, not an error. */
static enum sherd_err check_loading(struct sherd_walk *verify, const struct version *version, struct share *share,
                                    uint64_t *out_current)
{
    SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded loaded = {0};
    bool still = true;

    enum sherd_err err = sherd_load(verify->vault, version->record, version->number, &loaded);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK; /* deleted meanwhile */
    const bool opened = err == SHERD_OK;
    if (opened) {
        *out_current = loaded.view.version_current;
        err = sherd_contents_check(verify->vault->pool, &loaded, !verify->scrubs, advance_paced, verify);
        if (err == SHERD_ERR_TAMPERED)
            SHERD_TRY(still_pinned(verify, version, &still));
    }
    if (err == SHERD_OK)
        return count(verify, version, share, &loaded);
    if (!is_violation(err))
        return err;
    if (still)
        SHERD_TRY(find_failed(verify, version, err, opened));
    share->version_count++;
    return SHERD_OK;
}

/*
 * Check one pinned version, the short way first.
 * @param[out] out_current  the version that is current, in the state in which this one was found; 0: it was not
 */
static enum sherd_err check_version(struct sherd_walk *verify, const struct version *version, struct share *share,
                                    uint64_t *out_current)
{
    const struct sherd_loaded *verified;

    *out_current = 0;
    if (share->lane == NULL)
        return check_loading(verify, version, share, out_current);
    if (!sherd_lane_check(share->lane, version->record, version->number, &verified)) {
        sherd_lane_rest(share->lane);
        return check_loading(verify, version, share, out_current);
    }
    *out_current = verified->view.version_current;
    SHERD_TRY(advance(verify, verified->map.content_bytes));
    SHERD_TRY(count(verify, version, share, verified));
    return pace(verify, verified->map.content_bytes, share->lane);
}

static void find_pin(struct sherd_walk *verify, struct sherd_uuid id, uint64_t version, const char *text)
{
    find_record(verify, SHERD_FINDING_PIN, "keys", id, version, text);
}

/* Every older version that the head promises must be pinned. */
static enum sherd_err check_promised(struct sherd_walk *verify, const struct sherd_page_entry *head)
{
    uint64_t missing = 0;

    do {
        SHERD_TRY(sherd_pin_find_missing(verify->vault, head, missing + 1, &missing));
        if (missing != 0)
            find_pin(verify, head->id, missing, "its pin is missing or does not verify");
    } while (missing != 0);
    return SHERD_OK;
}

/* An older version that its head does not promise: the head is an older one that was put back, or was removed. */
static enum sherd_err check_stray(struct sherd_walk *verify, const struct sherd_page_entry *old)
{
    bool stray;

    const enum sherd_err err = sherd_pin_is_stray(verify->vault, old, &stray);
    if (is_violation(err))
        return SHERD_OK; /* the head does not verify: it is found where it lies */
    SHERD_TRY(err);
    if (stray)
        find_pin(verify, old->id, old->version, "it is pinned as an older version of a head that does not promise it");
    return SHERD_OK;
}

static enum sherd_err check_pin(struct sherd_walk *verify, const struct sherd_page_entry *entry, struct share *share)
{
    const struct version version = {.record = entry->id, .number = entry->version, .map = entry->map};
    uint64_t current;

    SHERD_TRY(check_version(verify, &version, share, &current));
    if (entry->kind == SHERD_KIND_PIN) {
        share->record_count++;
        return check_promised(verify, entry);
    }
    return entry->version < current ? SHERD_OK : check_stray(verify, entry);
}

/*
 * Each collection that is pinned must be there, under its id and under its name. Entries that are there are met later.
 */
static enum sherd_err check_collection(struct sherd_walk *verify, const struct sherd_uuid *id)
{
    struct sherd_collection_entry entry;

    const enum sherd_err err = sherd_assets_collection_by_id(&verify->vault->assets, id, &entry);
    if (is_violation(err)) {
        find(verify, (struct sherd_finding){.kind = SHERD_FINDING_ENTRY,
                                            .compartment = "assets",
                                            .text = "a collection is missing or does not verify"});
        return SHERD_OK;
    }
    return err;
}

/* Nothing under it is opened; what it leads to is no orphan. */
static enum sherd_err find_refused(struct sherd_walk *verify, const struct sherd_page_entry *entry)
{
    if (entry->kind == SHERD_KIND_PIN || entry->kind == SHERD_KIND_OLD_PIN)
        find_record(verify, SHERD_FINDING_REFUSED, "keys", entry->id, entry->version, REFUSED);
    else
        find_thing(verify, SHERD_FINDING_REFUSED, "keys", "entry", &entry->name, REFUSED);
    return SHERD_OK;
}

static enum sherd_err check_key_entry(struct sherd_walk *verify, const struct sherd_page_entry *entry,
                                      struct share *share)
{
    if (entry->status == SHERD_ERR_DENIED)
        return find_refused(verify, entry);
    if (entry->status != SHERD_OK)
        find_entry(verify, SHERD_FINDING_PIN, "keys", &entry->name);
    if (entry->pinned_damaged)
        find(verify, (struct sherd_finding){.kind = SHERD_FINDING_ENTRY,
                                            .compartment = "identity",
                                            .text = "a user's entry is missing or does not agree with its pin: `sherd "
                                                    "user list` says whose"});
    if (sherd_page_entry_is_pin(entry))
        return check_pin(verify, entry, share);
    if (entry->status == SHERD_OK && entry->kind == SHERD_KIND_COLLECTION_PIN)
        return check_collection(verify, &entry->id);
    return SHERD_OK;
}

static enum sherd_err check_page(void *arg, const struct sherd_page *page)
{
    struct sherd_walk *verify = arg;
    struct share share = {.reached.max = SHERD_PAGE_MAX};

    enum sherd_err err = sherd_lane_new(verify->vault, &share.lane);
    for (size_t i = 0; i < page->count && err == SHERD_OK; i++)
        err = check_key_entry(verify, &page->entries[i], &share);
    const enum sherd_err add_err = add_share(verify, &share);
    sherd_reached_done(&share.reached);
    sherd_lane_free(share.lane);
    return err != SHERD_OK ? err : add_err;
}

/* --- entries that no pin leads to -------------------------------------------------------------------------------- */

static void find_stray(void *arg, const char *compartment, const struct sherd_ref *name)
{
    find_entry(arg, SHERD_FINDING_ENTRY, compartment, name);
}

static enum sherd_err check_identity(struct sherd_walk *verify, const struct sherd_ref *name, struct sherd_span stored)
{
    const struct sherd_entry_keys *keys = &verify->vault->identity_keys;
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;
    struct sherd_anchor *anchor = verify->vault->anchor;
    enum sherd_kind kind;
    bool live;

    SHERD_TRY(sherd_entry_kind(keys, stored, &kind));
    if (kind == SHERD_KIND_KEY_PART)
        return anchor->ops->part_check(anchor, SHERD_IDENTITY, name, stored, &live);
    SHERD_TRY(sherd_entry_open(keys, kind, name, stored, &payload, &tlv)); /* bound to its name: a copy does not open */
    if (kind == SHERD_KIND_COMPARTMENT)
        return anchor->ops->compartment_check(anchor, SHERD_IDENTITY, stored);
    return anchor->ops->principal_check(anchor, name, stored);
}

static enum sherd_err look_at_identity(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    return check_identity(arg, &name, stored);
}

static enum sherd_err visit_identity(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    const struct sherd_walk *verify = arg;
    const enum sherd_err err = sherd_reseal_look(verify->vault->identity, name, stored, look_at_identity, arg);

    if (err != SHERD_ERR_TAMPERED)
        return err;
    find_entry(arg, SHERD_FINDING_ENTRY, "identity", &name);
    return SHERD_OK;
}

static enum sherd_err check_identities(struct sherd_walk *verify)
{
    struct sherd_snapshot *snapshot;

    SHERD_TRY(sherd_compartment_snapshot_begin(verify->vault->identity, &snapshot));
    const enum sherd_err err = sherd_snapshot_scan(snapshot, NULL, visit_identity, verify);
    sherd_snapshot_end(snapshot);
    return err;
}

/* Blobs where none belongs. */
struct laid {
    struct sherd_walk *verify;
    enum sherd_role role;
};

static enum sherd_err visit_laid(void *arg, struct sherd_ref name, struct sherd_span bytes)
{
    const struct laid *laid = arg;

    (void)bytes;
    find_thing(laid->verify, SHERD_FINDING_ENTRY, sherd_role_name(laid->role), "blob", &name,
               "lies where no blob belongs");
    return SHERD_OK;
}

static enum sherd_err check_no_blobs(struct sherd_walk *verify, struct sherd_compartment *compartment)
{
    struct laid laid = {.verify = verify, .role = sherd_compartment_role(compartment)};

    return sherd_compartment_blob_scan(compartment, NULL, visit_laid, &laid);
}

static enum sherd_err check_no_blobs_in_keys(struct sherd_walk *verify)
{
    SHERD_CLEANUP(sherd_refs_done) struct sherd_refs blobs = {0};
    struct laid laid = {.verify = verify, .role = SHERD_KEYS};
    struct sherd_anchor *anchor = verify->vault->anchor;

    SHERD_TRY(anchor->ops->keys_blobs(anchor, &blobs));
    for (size_t i = 0; i < blobs.count; i++)
        SHERD_TRY(visit_laid(&laid, blobs.refs[i], sherd_span_of(NULL, 0)));
    return SHERD_OK;
}

static enum sherd_err check_all_no_blobs(struct sherd_walk *verify)
{
    const struct sherd_vault *vault = verify->vault;

    SHERD_TRY(check_no_blobs(verify, vault->identity));
    SHERD_TRY(check_no_blobs(verify, vault->assets.compartment));
    return check_no_blobs_in_keys(verify);
}

static bool is_there(struct sherd_compartment *compartment, const struct sherd_ref *name)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));

    return sherd_compartment_get(compartment, *name, &stored) != SHERD_ERR_NOT_FOUND;
}

/* The entry that says whose a compartment is. Where all entries are opened, only a missing one was not met already. */
static enum sherd_err check_owner(struct sherd_walk *verify, enum sherd_role role,
                                  struct sherd_compartment *compartment)
{
    struct sherd_ref name;

    const enum sherd_err err = sherd_vault_check_owner(verify->vault, role, compartment, &name);
    if (err != SHERD_ERR_TAMPERED)
        return err;
    if (role == SHERD_SECRETS || !is_there(compartment, &name))
        find_entry(verify, SHERD_FINDING_ENTRY, sherd_role_name(role), &name);
    return SHERD_OK;
}

static enum sherd_err check_owner_of_keys(struct sherd_walk *verify)
{
    struct sherd_anchor *anchor = verify->vault->anchor;
    struct sherd_ref name;
    bool there = true;

    const enum sherd_err err = anchor->ops->keys_owner(anchor, &name, &there);
    if (err != SHERD_ERR_TAMPERED)
        return err;
    if (!there)
        find_entry(verify, SHERD_FINDING_ENTRY, sherd_role_name(SHERD_KEYS), &name);
    return SHERD_OK;
}

static enum sherd_err check_owners(struct sherd_walk *verify)
{
    const struct sherd_vault *vault = verify->vault;

    SHERD_TRY(check_owner(verify, SHERD_IDENTITY, vault->identity));
    SHERD_TRY(check_owner(verify, SHERD_ASSETS, vault->assets.compartment));
    SHERD_TRY(check_owner(verify, SHERD_SECRETS, vault->secrets));
    return check_owner_of_keys(verify);
}

/* --- the ledger --------------------------------------------------------------------------------------------------- */

static void find_in_ledger(struct sherd_walk *verify, const char *text)
{
    find(verify, (struct sherd_finding){.kind = SHERD_FINDING_LEDGER, .compartment = "keys", .text = text});
}

/* What differs is said, so that it can be accepted and anything else still be told. */
static void find_difference(struct sherd_walk *verify, const struct sherd_keys_check *check)
{
    char text[SHERD_SCRUB_TEXT_SIZE];

    sherd_book_difference_text(check->difference.bytes, text);
    find_in_ledger(verify,
                   verify->scrubs ? text : "an entry was rolled back, removed or added behind the anchor's back");
}

/* How much it is says the text, so that it can be accepted, and more still be told. */
static void find_lost_joins(struct sherd_walk *verify, const struct sherd_keys_check *check)
{
    char text[SHERD_SCRUB_TEXT_SIZE];

    if (check->log_verifies && !check->joins_verify) {
        sherd_book_unkept_text(check->joins_first, check->joins_last, &check->joins_name, text);
        find_in_ledger(verify, text);
    }
    if (check->joins_lost != 0) {
        sherd_book_unnoted_text(check->joins_lost, text);
        find_in_ledger(verify, text);
    }
}

/*
 * What was found by itself to be damaged in `keys` is not what the ledger says either, and needs no second finding; but
 * who scrubs may have acknowledged the first.
 */
static enum sherd_err check_ledger(struct sherd_walk *verify)
{
    struct sherd_anchor *anchor = verify->vault->anchor;
    const bool tell = verify->scrubs || verify->keys_count == 0;
    struct sherd_keys_check check;

    const enum sherd_err err = anchor->ops->ledger_check(anchor, &check);
    if (err == SHERD_ERR_TAMPERED) {
        if (tell)
            find_in_ledger(verify, "the ledger's state, or a change that waits for it, does not verify");
        return SHERD_OK;
    }
    SHERD_TRY(err);
    if (!check.agrees && tell)
        find_difference(verify, &check);
    if (!check.log_verifies)
        find_in_ledger(verify, "a leaf or tile of the ledger is missing or was changed");
    find_lost_joins(verify, &check);
    return SHERD_OK;
}

static void told_of_copy(void *arg, enum sherd_role role, enum sherd_err err, const char *text)
{
    if (err != SHERD_OK)
        find(arg,
             (struct sherd_finding){.kind = SHERD_FINDING_LEDGER, .compartment = sherd_role_name(role), .text = text});
}

/* Who scrubs brings the copies up to date as well. */
static enum sherd_err check_ledger_and_copies(struct sherd_walk *verify)
{
    SHERD_TRY(check_ledger(verify));
    SHERD_TRY(sherd_copies_check(verify->vault, told_of_copy, verify));
    return verify->scrubs && !verify->vault->read_only ? sherd_copies_update(verify->vault, NULL, NULL) : SHERD_OK;
}

/* --- the whole vault, or one record ------------------------------------------------------------------------------ */

static enum sherd_err check_strays(struct sherd_walk *verify)
{
    return sherd_strays_check(verify->vault, &verify->reached, find_stray, verify, &verify->stat.orphan_count);
}

/* What is done after the walk over the pins, in this order. */
static enum sherd_err (*const phases[SHERD_WALK_PHASES])(struct sherd_walk *verify) = {
    [SHERD_WALK_STRAYS] = check_strays,
    [SHERD_WALK_IDENTITIES] = check_identities,
    [SHERD_WALK_BLOBS] = check_all_no_blobs,
    [SHERD_WALK_OWNERS] = check_owners,
    [SHERD_WALK_LEDGER] = check_ledger_and_copies,
};

enum sherd_err sherd_walk_phase(struct sherd_walk *walk, unsigned phase)
{
    if (phase >= SHERD_WALK_PHASES || phases[phase] == NULL)
        return SHERD_OK;
    SHERD_TRY(advance(walk, 0));
    return phases[phase](walk);
}

enum sherd_err sherd_walk_pins(struct sherd_walk *walk, unsigned first, unsigned count)
{
    return sherd_pages_some(walk->vault, first, count, check_page, walk);
}

static enum sherd_err check_vault(struct sherd_walk *verify)
{
    SHERD_TRY(sherd_pages_each(verify->vault, check_page, verify));
    for (unsigned phase = SHERD_WALK_PINS + 1; phase < SHERD_WALK_PHASES; phase++)
        SHERD_TRY(sherd_walk_phase(verify, phase));
    return SHERD_OK;
}

static enum sherd_err check_number(struct sherd_walk *verify, struct sherd_uuid id, uint64_t number,
                                   struct share *share)
{
    struct sherd_anchor *anchor = verify->vault->anchor;
    struct sherd_pin_view view;
    uint64_t current;

    const enum sherd_err err = anchor->ops->pin_get(anchor, id, number, &view, NULL);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    if (is_violation(err)) {
        find_pin(verify, id, number, "its pin is missing or does not verify");
        return SHERD_OK;
    }
    SHERD_TRY(err);
    const struct version version = {.record = id, .number = number, .map = view.pin.map};
    (void)pthread_mutex_lock(&verify->lock);
    verify->total_bytes += view.pin.fragment_bytes;
    (void)pthread_mutex_unlock(&verify->lock);
    return check_version(verify, &version, share, &current);
}

static enum sherd_err check_record(struct sherd_walk *verify, struct sherd_uuid id)
{
    struct sherd_anchor *anchor = verify->vault->anchor;
    struct sherd_pin_view head;

    const enum sherd_err head_err = anchor->ops->pin_get(anchor, id, 0, &head, NULL);
    if (is_violation(head_err)) {
        find_pin(verify, id, 0, "its pin is missing or does not verify");
        return SHERD_OK;
    }
    SHERD_TRY(head_err);
    struct share share = {.record_count = 1}; /* which names were reached is of no use for one record */
    for (uint64_t number = head.version_current; number >= head.version_oldest; number--)
        SHERD_TRY(check_number(verify, id, number, &share));
    return add_share(verify, &share);
}

/* How much there is to do, if anybody asks: counting a store takes as long as what was written last is. */
static enum sherd_err measure(struct sherd_walk *verify)
{
    struct sherd_store_stat stat;

    if (verify->observer->progress == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_compartment_stat(verify->vault->secrets, &stat));
    verify->total_bytes = stat.entry_bytes + stat.blob_bytes;
    return SHERD_OK;
}

/* --- piece by piece ----------------------------------------------------------------------------------------------- */

static const struct sherd_observer silent = {0};

enum sherd_err sherd_walk_new(struct sherd_vault *vault, const struct sherd_walk_options *options,
                              struct sherd_walk **out_walk)
{
    struct sherd_walk *walk = sherd_alloc(sizeof(*walk));

    if (walk == NULL)
        return SHERD_ERR_NO_MEMORY;
    *walk = (struct sherd_walk){.vault = vault,
                                .scrubs = true,
                                .rate = options->rate,
                                .began_ns = sherd_clock()->monotonic_ns(),
                                .observer = options->observer != NULL ? options->observer : &silent,
                                .stat = options->done,
                                .reached = {.max = SHERD_REACHED_MAX, .full = options->partial}};
    if (pthread_mutex_init(&walk->lock, NULL) != 0) {
        sherd_free(walk);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    const enum sherd_err err = measure(walk);
    if (err != SHERD_OK) {
        sherd_walk_free(walk);
        return err;
    }
    *out_walk = walk;
    return SHERD_OK;
}

void sherd_walk_free(struct sherd_walk *walk)
{
    if (walk == NULL)
        return;
    sherd_reached_done(&walk->reached);
    (void)pthread_mutex_destroy(&walk->lock);
    sherd_free(walk);
}

void sherd_walk_stat(struct sherd_walk *walk, struct sherd_verify_stat *out_stat)
{
    (void)pthread_mutex_lock(&walk->lock);
    *out_stat = walk->stat;
    (void)pthread_mutex_unlock(&walk->lock);
}

/* --- at once ------------------------------------------------------------------------------------------------------ */

enum sherd_err sherd_verify_holding(struct sherd_vault *vault, const struct sherd_uuid *id,
                                    const struct sherd_observer *observer, size_t names_max,
                                    struct sherd_verify_stat *out_stat)
{
    struct sherd_walk verify = {.vault = vault,
                                .one = id != NULL,
                                .observer = observer != NULL ? observer : &silent,
                                .reached = {.max = names_max}};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_stat != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    if (id == NULL)
        SHERD_TRY(sherd_vault_check_maintains(vault));
    if (pthread_mutex_init(&verify.lock, NULL) != 0)
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    enum sherd_err err = id != NULL ? SHERD_OK : measure(&verify);
    if (err == SHERD_OK)
        err = id != NULL ? check_record(&verify, *id) : check_vault(&verify);
    sherd_reached_done(&verify.reached);
    (void)pthread_mutex_destroy(&verify.lock);
    *out_stat = verify.stat;
    SHERD_TRY(err);
    if (verify.stat.finding_count > 0)
        return sherd_fail(SHERD_ERR_TAMPERED, "%llu violations of integrity",
                          (unsigned long long)verify.stat.finding_count);
    return SHERD_OK;
}

enum sherd_err sherd_vault_verify(struct sherd_vault *vault, const struct sherd_uuid *id,
                                  const struct sherd_observer *observer, struct sherd_verify_stat *out_stat)
{
    return sherd_verify_holding(vault, id, observer, SHERD_REACHED_MAX, out_stat);
}
