#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Where does the time go? profile.sh BUILD WORK [ARGUMENT...]: runs bench_profile WORK under perf and prints the share
# of processor time by library, then by function with all that it calls. WORK is put, threads, batch, get, put-long or
# get-long.
#
# BUILD is a build folder with benchmarks and debugging information:
#     meson setup build/profile --buildtype=release -Ddebug=true -Dbench=true
set -euo pipefail

build=$1
work=$2
shift 2
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT

"$build/bench/bench_profile" "$work" "$@" 2>"$data/said" &
program=$!
until grep -q ready "$data/said"; do
    kill -0 "$program"
    sleep 0.1
done
perf record -q -F 799 --call-graph dwarf,8192 -p "$program" -o "$data/perf" -- sleep 4 >/dev/null
wait "$program"
cat "$data/said"

report() { perf report -i "$data/perf" -g none "$@" 2>/dev/null | grep -v -e '^#' -e '^$' || true; }

echo "-- by library"
report --no-children --sort dso | head -n 8
echo "-- by function, with what it calls"
report --children --sort symbol | grep -v -e '\[k\]' -e 0x0000 | cut -c1-80 | head -n 70
