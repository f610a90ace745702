/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kms/tpm2/counter.h
 * A counter in the non-volatile memory of a TPM 2.0: it only grows, whatever becomes of the disks. tpm2-tss is loaded
 * when somebody names one, and by nobody else.
 *
 * What is said to the TPM and what it answers passes through the machine unprotected: a counter holds against who has
 * the disks, not against who runs the machine.
 *
 * @par Source  TPM 2.0 Library, part 1 section 37.2.4, part 3 sections 31.3, 31.8 and 31.13; TCG ESAPI
 */
#ifndef SHERD_KMS_TPM2_COUNTER_H
#define SHERD_KMS_TPM2_COUNTER_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

struct sherd_tpm_counter;

/** Longest name of a counter, with its final zero byte. */
#define SHERD_TPM_NAME_SIZE 256U

/**
 * Open a counter.
 * @param[in] name         INDEX[@TCTI]: an NV index as hexadecimal number with 0x, and how the TPM is reached, as
 *                         tpm2-tss has it ("device:/dev/tpmrm0"); without that as tpm2-tss sees fit
 * @param[in] may_make     it is defined if it is missing, and counted once; that needs an owner hierarchy without
 *                         authorization value
 * @param[out] out_value   what it says
 * @return SHERD_OK; SHERD_ERR_INVALID: that is no name; SHERD_ERR_NOT_FOUND: no such index; SHERD_ERR_CONFLICT: it is
 *         no counter that may be used without an authorization value; SHERD_ERR_IO: the TPM does not answer;
 *         SHERD_ERR_UNSUPPORTED: built without, or tpm2-tss is not installed
 */
SHERD_MUST_USE enum sherd_err sherd_tpm_counter_open(const char *name, bool may_make,
                                                     struct sherd_tpm_counter **out_counter, uint64_t *out_value);

/** Count by one. @param[out] out_value  what it says then. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_tpm_counter_add(struct sherd_tpm_counter *counter, uint64_t *out_value);

/** NULL is accepted. */
void sherd_tpm_counter_close(struct sherd_tpm_counter *counter);

/** For SHERD_CLEANUP. */
static inline void sherd_tpm_counter_closep(struct sherd_tpm_counter **counter)
{
    sherd_tpm_counter_close(*counter);
}

#endif
