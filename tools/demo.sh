#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh BIN: runs the first session of README.md, a command at a time, with the `sherd` in the folder BIN.
# Works in a directory of its own, which is removed at the end.
set -uo pipefail

bin=$(cd "${1:?usage: tools/demo.sh FOLDER-OF-SHERD}" && pwd) || exit
readme=$(cd "$(dirname "$0")/.." && pwd)/README.md

# The lines between ```sh and ``` behind the comment that marks the session.
mapfile -t session < <(awk '/^<!-- session:/ { marked = 1 }
                            /^```$/ && inside { exit }
                            inside
                            /^```sh$/ && marked { inside = 1 }' "$readme")
if [ ${#session[@]} -eq 0 ]; then
    echo "demo: no session in $readme" >&2
    exit 1
fi

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place" || exit
PATH=$bin:$PATH

bold='' plain=''
[ ! -t 1 ] || bold=$'\033[1m' plain=$'\033[0m'
for line in "${session[@]}"; do
    [ -z "$line" ] || printf '%s$ %s%s\n' "$bold" "$line" "$plain"
    eval "$line"
    [ -z "$line" ] || echo
done 2>&1

# The session shows failures on purpose, so its own exit codes say nothing: see that it came to its end.
# shellcheck disable=SC2154 # the session assigns id
sherd --key-file my.key get "$id" >/dev/null 2>&1
if [ $? -ne 3 ]; then
    echo "demo: the changed byte was not caught" >&2
    exit 1
fi
