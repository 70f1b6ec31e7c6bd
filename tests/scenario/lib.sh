# lib.sh - the words scenario tests are written in. A scenario is a script tests/scenario/NAME.test that gets the build
# folder, sources this file and tells a story; it ends with 0, 1, or 77 when what it needs is not there (skipped).
# A site of its own (PostgreSQL, storage, gateway, loopback only) lives under $T and is gone at the end.
set -eu -o pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
BUILD=$(cd "${1:?a build folder}" && pwd)
BIN=$BUILD/bin
SHARED=$top/../shared
T=$(mktemp -d /var/tmp/radpost-scenario-XXXXXX)
chmod 711 "$T" # PostgreSQL runs as a user of its own
D=$T/site
export TMPDIR=$T RADPOST_BIN=$BIN
export SITE_PORTS_FILE=/var/tmp/radpost-test-ports-$(id -u) # tests run side by side
. "$top/deploy/site.sh"

step() { printf -- '- %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
skip() { printf 'skipped: %s\n' "$*"; exit 77; }
has_ended() { ! kill -0 "$1" 2>/dev/null; }
tear_down() { :; } # what a scenario made beside its site; redefine it
ends() {
    local rc=$?
    trap - EXIT INT TERM
    [ $rc = 0 ] || [ $rc = 77 ] || show_logs
    (site_down) >/dev/null 2>&1 || true
    (tear_down) || true
    for extra in $(jobs -p); do kill "$extra" 2>/dev/null || true; done
    for extra in $(jobs -p); do within 10 has_ended "$extra" || kill -9 "$extra" 2>/dev/null || true; done # they write until then
    if [ -n "${KEEP:-}" ]; then echo "kept: $T"; else rm -rf "$T"; fi
    exit $rc
}
trap ends EXIT
trap 'exit 1' INT TERM
show_logs() { for log in "$D"/log/*.log; do [ -s "$log" ] && { echo "--- $log"; tail -15 "$log"; }; done >&2 || true; }

needs_shared() { # PATH...: files of ../shared this scenario cannot do without
    local path
    for path in "$@"; do [ -e "$SHARED/$path" ] || skip "../shared/$path is not there"; done
}

site_opens() { # start everything, enrolled; arguments as for site_up
    mkdir -p "$D"
    site_ports
    site_up "$@"
    site_write_addresses
    set -a
    . "$D/addresses.env"
    set +a
}

# Wait for a claim to become true; poll, for the claim is about another process.
within() { # SECONDS COMMAND...
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || return 1
        read -r -t 0.2 <> <(:) || true
    done
}

fresh() { # NAME SRC...: copies with fresh UIDs in $T/NAME; the studies in $T/NAME.studies
    local name=$1
    shift
    /usr/bin/python3 "$top/tests/support/fresh_uids.py" "$T/$name" "$@" >"$T/$name.studies" 2>"$T/$name.left-out"
    [ -s "$T/$name.studies" ] || fail "no study in $*"
}

dsend() { # the sender for syntaxes that stock senders do not know
    if [ ! -x "$T/dsend" ]; then cc -O2 -pthread -o "$T/dsend" "$SHARED/bench/dsend.c"; fi
    "$T/dsend" "$@"
}

modality_sends() { # FOLDER [storescu options]: every file, as it is, over one association a syntax
    find "$1" -type f | dsend -q -p "$PORT_GATEWAY_DICOM" -c "$RADPOST_GATEWAY_AET" -a "$RADPOST_MODALITY_AET" >"$T/sent.log" 2>&1 ||
        { cat "$T/sent.log" >&2; fail "not every instance of $1 was answered with success"; }
}

queue() { "$BIN/radpost" queue "$@" "$D/gateway/spool"; }
queue_has() { # STATE COUNT
    [ "$(queue list 2>/dev/null | awk -v s="$1" '$2 == s && $3 ~ /^[0-9-]+T/ { n++ } END { print n + 0 }')" = "$2" ]
}

judge() { /usr/bin/python3 "$top/tests/support/digests.py" "$@"; }
