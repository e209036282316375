#!/bin/sh
# Peer: rliable beside the newest pandas.
# Expected: what pip installs without a complaint can be imported.
# Seen with rliable 1.2.0, arch 7.2.0, pandas 3.1.1: the import ends with a TypeError, since arch 7
# calls the private pandas.util._decorators.deprecate_kwarg, which has another argument in pandas 3,
# and rliable's own requirements allow arch below 8 alone. Ends with 1 where that has changed.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q rliable==1.2.0 arch==7.2.0 pandas==3.1.1
if "$dir/venv/bin/python" -c 'from rliable import library' 2>"$dir/error"; then
    echo 'it can be imported now'
    exit 1
fi
tail -1 "$dir/error" | grep 'deprecate_kwarg() missing 1 required positional argument'
