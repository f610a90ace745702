/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about the scrubber's book: see wire.h and docs/format/agent.md. */
#include "anchor/agent/wire_inside.h"

void sherd_wire_code_book(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_book *book = message;

    code_u64(wire, &book->generation);
    code_u64(wire, &book->total_bytes);
    code_bool(wire, &book->lost);
    code_block(wire, &book->bytes);
}

void sherd_wire_code_told(struct sherd_wire *wire, struct sherd_pin_view *view)
{
    view->verified_s = (int64_t)code_uint(wire, 8, (uint64_t)view->verified_s, INT64_MAX);
    code_bool(wire, &view->found);
    code_bool(wire, &view->book_lost);
    code_u64(wire, &view->first_serial);
}

void sherd_wire_code_scrubbing(struct sherd_wire *wire, struct sherd_wire_status *status)
{
    code_bool(wire, &status->scrubs);
    code_bool(wire, &status->scrubbing);
    code_bool(wire, &status->scrub_known);
    code_u64(wire, &status->scrubbed_s);
    code_u64(wire, &status->scrub_open);
    code_text(wire, status->scrub_error, sizeof(status->scrub_error));
}
