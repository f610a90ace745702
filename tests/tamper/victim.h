/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/tamper/victim.h
 * The owner of a vault: makes it in a directory of its own, stores records whose contents the test knows, and reads
 * them through the public interface alone. Wrong bytes end the test wherever they show.
 */
#ifndef SHERD_TESTS_TAMPER_VICTIM_H
#define SHERD_TESTS_TAMPER_VICTIM_H

#include <sherd/sherd.h>
#include <stdbool.h>
#include <stddef.h>

#define VERSIONS_MAX 8

/** A record and what each of its versions must read as; version 1 is at index 0. */
struct record {
    struct sherd_uuid id;
    uint64_t versions;
    uint64_t oldest; /**< oldest that is kept */
    uint8_t *content[VERSIONS_MAX];
    size_t len[VERSIONS_MAX];
};

struct victim {
    char root[64];
    char dir[96];
    struct sherd_buf key_file;
    const char *passphrase; /**< NULL: the key file unseals */
    struct sherd_vault *vault;
    bool reads; /**< it is opened for reading only: what it gives out is then no history that verify has to look at */
};

/** Make a vault under a key file, in memory if the machine has /dev/shm, and open it. */
void victim_new(struct victim *victim);
/** The same under a passphrase, which must outlive the victim. */
void victim_new_with_passphrase(struct victim *victim, const char *passphrase);
/** Close, and remove it all. */
void victim_done(struct victim *victim);
/** Open the vault, which must be closed. */
enum sherd_err victim_open(struct victim *victim);
void victim_close(struct victim *victim);

/** A collection. @param[in] kept  versions, 0 for all */
void victim_collection(struct victim *victim, const char *name, uint32_t kept, bool exact);

/** Store a new record of len bytes that follow from seed. */
void victim_put(struct victim *victim, const struct sherd_record_meta *meta, unsigned seed, size_t len,
                struct record *out_record);
/** Store a new version. @param[in] kept  as the collection keeps, to know the oldest */
void victim_update(struct victim *victim, struct record *record, unsigned seed, size_t len, uint32_t kept);
void record_done(struct record *record);

/**
 * Read one version (0 for the current one) whole. Ends the test if anything but the right bytes comes with SHERD_OK, or
 * any byte with an error.
 */
enum sherd_err victim_get(struct victim *victim, const struct record *record, uint64_t version);
/** The same through a reader, in two pieces. */
enum sherd_err victim_read(struct victim *victim, const struct record *record, uint64_t version);
/** Ends the test if a description comes with SHERD_OK that is not the record's. */
enum sherd_err victim_stat(struct victim *victim, const struct record *record, uint64_t version);
/** Ends the test unless, with SHERD_OK, exactly these records are listed, each once. */
enum sherd_err victim_list(struct victim *victim, const struct record *records, size_t count);
/** Verify one record. Ends the test if SHERD_ERR_TAMPERED comes without a finding, or SHERD_OK with one. */
enum sherd_err victim_verify(struct victim *victim, const struct record *record);
/** Verify the vault. @param[out] out_stat  NULL if not wanted */
enum sherd_err victim_verify_all(struct victim *victim, struct sherd_verify_stat *out_stat);

/** The test's own copy of a tree, for attacks with older copies. Replaces what is there. */
void tree_copy(const char *from, const char *to);
void tree_remove(const char *path);

/** Seconds since some moment. */
double now_s(void);

#endif
