#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Constant time, as compiled: builds src/crypto/ct.c, shamir.c and src/anchor/seal/share.c with GCC and clang at each
# level of optimisation and runs them under valgrind with the secrets marked undefined. The flags are those of a
# release, without sanitizers.
#
# run.sh SOURCE-ROOT WORK-FOLDER. Needs valgrind, gcc and clang-19; clang-14 is tried, too, where it is there.
set -eu
root=$1
work=$2
runs=0
failed=0
caught=9

for program in valgrind gcc clang-19; do
    command -v "$program" >/dev/null || { echo "$program is not there"; exit 1; }
done
mkdir -p "$work"

# expect STATUS WHAT PROGRAM...: valgrind ends with $caught at the first branch or address that depends on a secret.
expect() {
    status=$1 what=$2
    shift 2
    result=0
    valgrind --quiet --error-exitcode="$caught" --exit-on-first-error=yes "$@" >"$work/log.txt" 2>&1 || result=$?
    if [ "$result" -ne "$status" ]; then
        echo "$what: ended with $result instead of $status:"
        cat "$work/log.txt"
        failed=$((failed + 1))
    fi
}

for cc in gcc clang-19 clang-14; do
    command -v "$cc" >/dev/null || continue
    for level in -O1 -O2 -O3 -Os; do
        exe=$work/ct_equal-$cc$level
        # DWARF 4, since valgrind 3.19 cannot read what clang makes of 5.
        "$cc" -std=c17 -D_GNU_SOURCE -gdwarf-4 "$level" -fPIE -fstack-protector-strong -I"$root/src" \
            -I"$root/include" "$root/tests/ct/ct_equal.c" "$root/src/crypto/ct.c" -o "$exe"
        runs=$((runs + 1))
        expect 0 "$cc $level: sherd_ct_equal" "$exe"
        expect "$caught" "$cc $level: a comparison that leaks" "$exe" --leaky

        exe=$work/ct_shamir-$cc$level
        "$cc" -std=c17 -D_GNU_SOURCE -DSHERD_FAILPOINTS=0 -gdwarf-4 "$level" -fPIE -fstack-protector-strong \
            -I"$root/src" -I"$root/include" "$root/tests/ct/ct_shamir.c" "$root/src/crypto/shamir.c" \
            "$root/src/envelope/bech32.c" "$root"/src/base/*.c -lpthread -o "$exe"
        expect 0 "$cc $level: shares" "$exe"
        expect "$caught" "$cc $level: a product by tables" "$exe" --leaky

        exe=$work/ct_share-$cc$level
        "$cc" -std=c17 -D_GNU_SOURCE -DSHERD_FAILPOINTS=0 -gdwarf-4 "$level" -fPIE -fstack-protector-strong \
            -I"$root/src" -I"$root/include" "$root/tests/ct/ct_share.c" "$root/src/anchor/seal/share.c" \
            "$root/src/crypto/shamir.c" "$root/src/crypto/ct.c" "$root"/src/base/*.c -lpthread \
            -Wl,--wrap=sherd_ct_equal -o "$exe"
        expect 0 "$cc $level: shares with their MACs" "$exe"
        expect "$caught" "$cc $level: a comparison of MACs that leaks" "$exe" --leaky
    done
done
echo "$runs builds checked, $failed failures"
[ "$runs" -gt 0 ] && [ "$failed" -eq 0 ]
