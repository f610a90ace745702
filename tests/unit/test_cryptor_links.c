/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of links: made of what is there, kept with the record, and found where what they name is gone or another. */
#include "cryptor/links.h"
#include "cryptor/load.h"
#include "vault.h"

struct found {
    size_t links;
    size_t others;
    char text[128];
};

static void note_finding(void *arg, const struct sherd_finding *finding)
{
    struct found *found = arg;

    if (finding->kind == SHERD_FINDING_LINK)
        found->links++;
    else
        found->others++;
    (void)snprintf(found->text, sizeof(found->text), "%s", finding->text);
}

static struct found verify(struct vault_test *test)
{
    struct found found = {0};
    const struct sherd_observer observer = {.finding = note_finding, .arg = &found};
    struct sherd_verify_stat stat = {0};

    const enum sherd_err err = sherd_vault_verify(test->vault, NULL, &observer, &stat);
    assert_int_equal(err, stat.finding_count == 0 ? SHERD_OK : SHERD_ERR_TAMPERED);
    assert_int_equal(stat.finding_count, found.links + found.others);
    return found;
}

static struct sherd_uuid put_linked(struct vault_test *test, const struct sherd_record_link *links, size_t count)
{
    const struct sherd_record_meta meta = {.links = links, .link_count = count};

    return vault_put(test, &meta, "linked");
}

static void test_cryptor_links__are_kept_and_told(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta of_pat = {.entity = "pat"};
    const struct sherd_uuid target = vault_put(test, &of_pat, "target");
    const struct sherd_record_link links[] = {
        {.kind = SHERD_LINK_RECORD, .role = "parent", .record = target, .version = 1},
        {.kind = SHERD_LINK_ENTITY, .entity = "pat"},
        {.kind = SHERD_LINK_RECORD, .record = target},
    };
    const struct sherd_uuid id = put_linked(test, links, 3);
    struct sherd_record_info *info = NULL;

    vault_reopen(test);
    assert_ok(sherd_record_stat(test->vault, id, 0, &info));
    assert_int_equal(info->link_count, 3);
    assert_int_equal(info->links[0].kind, SHERD_LINK_RECORD);
    assert_string_equal(info->links[0].role, "parent");
    assert_true(vault_same_id(info->links[0].record, target));
    assert_int_equal(info->links[0].version, 1);
    assert_int_equal(info->links[1].kind, SHERD_LINK_ENTITY);
    assert_string_equal(info->links[1].collection, "default");
    assert_string_equal(info->links[1].entity, "pat");
    assert_string_equal(info->links[1].role, "");
    assert_int_equal(info->links[2].version, 0);
    sherd_record_info_free(info);
    assert_int_equal(verify(test).links, 0);
}

static void test_cryptor_links__name_only_what_is_there(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid target = vault_put(test, NULL, "target");
    struct sherd_record_link link = {.kind = SHERD_LINK_RECORD, .record = {{9}}};
    struct sherd_record_link many[SHERD_LINKS_MAX + 1];
    struct sherd_record_meta meta = {.links = &link, .link_count = 1};
    struct sherd_uuid id;

    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    link = (struct sherd_record_link){.kind = SHERD_LINK_RECORD, .record = target, .version = 2};
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    link = (struct sherd_record_link){.kind = SHERD_LINK_ENTITY, .entity = "nobody"};
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    link = (struct sherd_record_link){.kind = SHERD_LINK_ENTITY};
    assert_err(SHERD_ERR_INVALID, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    link = (struct sherd_record_link){
        .kind = SHERD_LINK_RECORD, .record = target, .role = "a role that is longer than 31 bytes"};
    assert_err(SHERD_ERR_INVALID, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    link = (struct sherd_record_link){.kind = (enum sherd_link_kind)7, .record = target};
    assert_err(SHERD_ERR_INVALID, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    for (size_t i = 0; i < SHERD_COUNT_OF(many); i++)
        many[i] = (struct sherd_record_link){.kind = SHERD_LINK_RECORD, .record = target};
    meta = (struct sherd_record_meta){.links = many, .link_count = SHERD_LINKS_MAX + 1};
    assert_err(SHERD_ERR_INVALID, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    meta.link_count = SHERD_LINKS_MAX;
    assert_ok(sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    assert_int_equal(verify(test).links, 0);
}

static size_t links_of(struct vault_test *test, struct sherd_uuid id)
{
    struct sherd_record_info *info = NULL;

    assert_ok(sherd_record_stat(test->vault, id, 0, &info));
    const size_t count = info->link_count;
    sherd_record_info_free(info);
    return count;
}

static void test_cryptor_links__stay_on_update_unless_they_are_replaced_or_dropped(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid target = vault_put(test, NULL, "target");
    const struct sherd_record_link links[] = {{.kind = SHERD_LINK_RECORD, .record = target},
                                              {.kind = SHERD_LINK_RECORD, .record = target, .role = "b"}};
    const struct sherd_uuid id = put_linked(test, links, 1);
    const struct sherd_record_meta same = {.content_type = "a/b"};
    const struct sherd_record_meta other = {.links = links, .link_count = 2};
    const struct sherd_record_meta none = {.drop_links = true};

    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("2"), NULL));
    assert_int_equal(links_of(test, id), 1);
    assert_ok(sherd_record_update(test->vault, id, 0, &same, sherd_span_str("3"), NULL));
    assert_int_equal(links_of(test, id), 1);
    assert_ok(sherd_record_update(test->vault, id, 0, &other, sherd_span_str("4"), NULL));
    assert_int_equal(links_of(test, id), 2);
    assert_ok(sherd_record_update(test->vault, id, 0, &none, sherd_span_str("5"), NULL));
    assert_int_equal(links_of(test, id), 0);
}

static void test_cryptor_links__a_record_that_is_gone_is_found(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid target = vault_put(test, NULL, "target");
    const struct sherd_record_link link = {.kind = SHERD_LINK_RECORD, .record = target};

    (void)put_linked(test, &link, 1);
    assert_ok(sherd_record_delete(test->vault, target));
    const struct found found = verify(test);
    assert_int_equal(found.links, 1);
    assert_int_equal(found.others, 0);
    assert_non_null(strstr(found.text, "that is not there"));
}

static void test_cryptor_links__a_version_that_is_not_kept_is_found(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid target = vault_put(test, NULL, "target");
    const struct sherd_record_link link = {.kind = SHERD_LINK_RECORD, .record = target, .version = 1};
    const struct sherd_record_link any = {.kind = SHERD_LINK_RECORD, .record = target};

    (void)put_linked(test, &link, 1);
    (void)put_linked(test, &any, 1);
    assert_ok(sherd_record_update(test->vault, target, 0, NULL, sherd_span_str("2"), NULL));
    assert_int_equal(verify(test).links, 1);
}

static void test_cryptor_links__an_erased_entity_is_found(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta of_pat = {.entity = "pat"};
    const struct sherd_record_link link = {.kind = SHERD_LINK_ENTITY, .entity = "pat", .role = "patient"};
    struct sherd_record_info *info = NULL;

    (void)vault_put(test, &of_pat, "about pat");
    const struct sherd_uuid id = put_linked(test, &link, 1);
    assert_ok(sherd_entity_erase(test->vault, NULL, "pat"));
    const struct found found = verify(test);
    assert_int_equal(found.links, 1);
    assert_non_null(strstr(found.text, "erased"));
    assert_ok(sherd_record_stat(test->vault, id, 0, &info)); /* whose data it was, nobody says any more */
    assert_string_equal(info->links[0].entity, "");
    sherd_record_info_free(info);
}

static enum sherd_err note_id(void *arg, const struct sherd_record_info *info)
{
    *(struct sherd_uuid *)arg = info->id;
    return SHERD_OK;
}

static struct sherd_uuid only_record(struct vault_test *test)
{
    struct sherd_cursor cursor = {0};
    struct sherd_uuid id;

    assert_ok(sherd_record_list(test->vault, NULL, &cursor, 0, note_id, &id));
    return id;
}

/* The id of a secret follows from its path: the next secret of that path has it too, and is another record. */
static void test_cryptor_links__another_record_of_that_id_is_found(void **state)
{
    struct vault_test *test = *state;
    struct sherd_record_link link = {.kind = SHERD_LINK_RECORD};

    assert_ok(sherd_secret_set(test->vault, "db/password", NULL, sherd_span_str("one"), NULL));
    link.record = only_record(test);
    (void)put_linked(test, &link, 1);
    assert_ok(sherd_secret_set(test->vault, "db/password", NULL, sherd_span_str("two"), NULL));
    assert_int_equal(verify(test).links, 0); /* a newer version of the same */
    assert_ok(sherd_secret_delete(test->vault, "db/password"));
    assert_int_equal(verify(test).links, 1);
    assert_ok(sherd_secret_set(test->vault, "db/password", NULL, sherd_span_str("one"), NULL));
    const struct found found = verify(test);
    assert_int_equal(found.links, 1);
    assert_non_null(strstr(found.text, "another"));
}

static void read_first(struct vault_test *test, struct sherd_uuid id, uint8_t out[static 32])
{
    struct sherd_record_info *info = NULL;

    assert_ok(sherd_record_stat(test->vault, id, 0, &info));
    memcpy(out, info->first_digest, 32);
    sherd_record_info_free(info);
}

/* Seed 001: the hash of the first contents stays what it is, whatever becomes of the record. */
static void test_cryptor_links__the_first_digest_stays_through_updates_and_sealing_anew(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_rekey_options deep = {.deep = true};
    const struct sherd_uuid id = vault_put(test, NULL, "first");
    const struct sherd_uuid other = vault_put(test, NULL, "first");
    const struct sherd_record_link links[] = {{.kind = SHERD_LINK_RECORD, .record = id},
                                              {.kind = SHERD_LINK_RECORD, .record = other}};
    struct sherd_rekey_stat rekeyed;
    struct sherd_loaded loaded = {0};
    uint8_t before[32];
    uint8_t after[32];
    uint8_t of_other[32];

    (void)put_linked(test, links, 2);
    assert_ok(sherd_locate(test->vault, id, 0, &loaded));
    read_first(test, id, before);
    read_first(test, other, of_other);
    assert_memory_equal(before, loaded.view.pin.digest.bytes, 32);
    assert_memory_not_equal(before, of_other, 32);
    sherd_loaded_done(&loaded);
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("second"), NULL));
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("third"), NULL));
    read_first(test, id, after);
    assert_memory_equal(before, after, 32);
    assert_ok(sherd_rekey(test->vault, &deep, NULL, NULL, &rekeyed));
    read_first(test, id, after);
    assert_memory_equal(before, after, 32);
    read_first(test, other, after);
    assert_memory_equal(of_other, after, 32);
    assert_int_equal(verify(test).links, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_links__are_kept_and_told),
        vault_test_of(test_cryptor_links__name_only_what_is_there),
        vault_test_of(test_cryptor_links__stay_on_update_unless_they_are_replaced_or_dropped),
        vault_test_of(test_cryptor_links__a_record_that_is_gone_is_found),
        vault_test_of(test_cryptor_links__a_version_that_is_not_kept_is_found),
        vault_test_of(test_cryptor_links__an_erased_entity_is_found),
        vault_test_of(test_cryptor_links__another_record_of_that_id_is_found),
        vault_test_of(test_cryptor_links__the_first_digest_stays_through_updates_and_sealing_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
