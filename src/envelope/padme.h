/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/padme.h
 * Size classes of contents.
 */
#ifndef SHERD_ENVELOPE_PADME_H
#define SHERD_ENVELOPE_PADME_H

#include <stdint.h>

/**
 * The length that contents of bytes bytes are padded to: never shorter, at most 12 % longer.
 * @param[in] bytes  up to SHERD_CONTENT_BYTES_MAX
 * @par Source  Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PETS
 *              2019, section 4
 */
uint64_t sherd_padme(uint64_t bytes);

#endif
