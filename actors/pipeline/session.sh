#!/bin/sh
# Runs the session of docs/healing.md and prints what two terminals show, one after the other: the one that asks, then the one
# that the node runs in. To be run in this folder, with `whirlwind` on the PATH and the guests built.
node=$(mktemp)
trap 'rm -f "$node"' EXIT
{
    echo '$ whirlwind up; echo "status $?"'
    whirlwind up 2>&1
    echo "status $?"
} >"$node" </dev/null &
until grep -q 'Ctrl-C stops it' "$node"; do sleep 0.1; done

run() {
    echo "\$ $*"
    sh -c "$*" 2>&1
}

run whirlwind tree
echo
run whirlwind kill intake
run sleep 1
run whirlwind tree
echo
run whirlwind kill intake
run whirlwind pub raw 21.5 --subject celsius
run whirlwind tree
run whirlwind ps
run sleep 4
run whirlwind tree
run whirlwind ps
echo
run "whirlwind kill intake; sleep 1"
run whirlwind tree
echo
run "whirlwind kill intake; sleep 1; whirlwind kill intake; sleep 4; whirlwind kill intake"
run whirlwind --node . tree
wait
echo
cat "$node"
