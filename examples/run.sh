#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh PROGRAM: run an example in an empty directory, twice (the second time it finds its own vault), and show what it
# prints. Ends with the program's own code.
set -eu
program=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$program" vault
"$program" vault
