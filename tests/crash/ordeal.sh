# ordeal.sh - sourced by tests that stop the whole gateway again and again while modalities send and it forwards.
#   ordeal_begins BUILD COUNT SIDE [OPTION...]   a centre, COUNT instances of SIDE x SIDE pixels to be sent, a gateway's
#                                                configuration for $data; the caller has set work and data
#   ordeal_stops STOPS                           so many times: gateway_starts, wait, gateway_dies; the stops are spread
#                                                over the whole of the ingest: each comes at a random instance of those
#                                                that may go before the next, or a random while after a start
#   ordeal_ends TWICE_BYTES                      left alone everything arrives, each once; at most so many bytes went over
#                                                the line more than once (-1: as many as like)
# The caller may put functions of its own in the place of gateway_starts and gateway_dies.
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/site.sh"
export SITE_PORTS_FILE=/var/tmp/radpost-test-ports-$(id -u) # tests run side by side
gateway='' centre='' modality='' round=0
RANDOM=${RADPOST_SEED:-1}
ordeal_tidies() {
    for pid in $gateway $centre $modality; do kill -9 "$pid" 2>/dev/null; done
    wait 2>/dev/null
    [ -n "${KEEP:-}" ] || rm -rf "$work"
}
die() { echo "FAILED: $*"; tail -n 5 "$work/log"; exit 1; }
rest() { read -r -t "$1" <> <(:) || true; } # seconds
below() { echo $(((RANDOM * 32768 + RANDOM) % $1)); }

ordeal_begins() {
    bin=$(cd "$1" && pwd)/bin count=$2
    local tool word side=$3 port
    shift 3
    for tool in radpost-gateway radpost tool_modality tool_centre; do
        [ -x "$bin/$tool" ] || { echo "$tool is not built"; exit 1; }
    done
    mkdir -p "$work/centre" "$data/link" "$data/tmp"
    exec {from_centre}< <(exec "$bin/tool_centre" "$work/centre" "$data/link" "$work/objects" 2>"$work/centre.log")
    centre=$!
    read -r -t 30 word <&$from_centre && [ "$word" = ready ] || die "the centre does not start"
    port=$(site_free_ports 1)
    cat >"$work/gateway.conf" <<END
data_dir = $data
dicom_address = 127.0.0.1
dicom_port = $port
desk_port = 0
codec_workers = 1
study_quiet = 200ms
link_backoff = 50ms
link_backoff_max = 500ms
link_look_hold = 100ms
link_recheck = 2s
END
    printf '%s\n' "$@" >>"$work/gateway.conf"
    echo '"MODALITY" *' >"$data/devices.conf"
    mkfifo "$work/permits" "$work/acks"
    "$bin/tool_modality" "$port" "$count" 4 "$work/acks" "$side" <"$work/permits" >"$work/modality.out" 2>&1 &
    modality=$!
    exec {permits}>"$work/permits" {acks}<"$work/acks"
    : >"$work/ledger"
}

gateway_starts() {
    "$bin/radpost-gateway" --config "$work/gateway.conf" >>"$work/log" 2>&1 &
    gateway=$!
}
# kill -9 and nothing else: its children must end by themselves
gateway_dies() {
    local status
    kill -9 "$gateway" 2>/dev/null || die "the gateway had ended by itself (round $round)"
    wait "$gateway" 2>/dev/null
    status=$?
    [ $status = 137 ] || die "the gateway had ended by itself with status $status (round $round)"
}

# wait_acks N SECONDS: until N instances are acknowledged in all, at most so long
acked=0
wait_acks() {
    local line until=$((SECONDS + $2))
    while [ "$acked" -lt "$1" ] && [ $SECONDS -le $until ]; do
        if read -r -t 1 line <&$acks; then
            echo "$line" >>"$work/ledger"
            acked=$((acked + 1))
        else
            kill -0 "$modality" 2>/dev/null || break
        fi
    done
}
take_acks() { # what was answered before the stop
    while read -r -t 0 <&$acks; do wait_acks $((acked + 1)) 1; done
}

ordeal_stops() {
    local stops=$1 began=$SECONDS allowed=0 amid=0 early=0 more goal ms
    for round in $(seq "$stops"); do
        # as many as are left to each stop on average, more or less; the last one lets all go
        more=$(below $((2 * (count - allowed) / (stops - round + 1) + 1)))
        [ "$round" -lt "$stops" ] || more=$((count - allowed))
        allowed=$((allowed + more))
        [ "$more" = 0 ] || echo "$more" >&$permits
        gateway_starts
        goal=$((acked + $(below $((allowed - acked + 1)))))
        if [ "$goal" = "$acked" ]; then ms=$(below 400) early=$((early + 1)); else ms=$(below "${LINGER_MS:-30}") && wait_acks "$goal" 30; fi
        rest "0.$(printf %03d "$ms")"
        gateway_dies
        take_acks
        [ "$acked" -ge "$goal" ] || die "round $round: $acked of $goal acknowledged, the gateway does not get on"
        [ "$acked" = "$allowed" ] || amid=$((amid + 1))
    done
    [ "$acked" -gt 0 ] || die "nothing was sent while it was stopped"
    echo "$stops stops in $((SECONDS - began)) s; $acked of $count instances were acknowledged before the last; $amid found instances on their way in, $early came while it started"
}

ordeal_ends() {
    local sealed before=0 still=0 most=$1
    echo "== left alone, everything arrives"
    exec {permits}>&-
    round=last
    gateway_starts
    wait_acks "$count" 600
    [ "$acked" = "$count" ] || die "the modality is not done: $acked of $count"
    wait "$modality"
    modality=
    cat "$work/modality.out"
    # until all are there, or for half a minute nothing comes any more
    while [ $still -lt 60 ]; do
        kill -USR1 "$centre"
        read -r -t 20 sealed <&$from_centre || die "the centre is gone"
        [ "$sealed" -lt "$count" ] || break
        still=$((sealed > before ? 0 : still + 1)) before=$sealed
        rest 0.5
    done
    # what the centre said while nobody listened is asked for again
    for _ in $(seq 240); do
        "$bin/radpost" queue list "$data/spool" >"$work/queue" || die "the queue does not answer"
        grep -q " held " "$work/queue" || break
        rest 0.5
    done
    rest 2 # what was sent twice would still come
    kill -TERM "$gateway"
    wait "$gateway" || die "the gateway did not end in order"
    gateway=
    kill -TERM "$centre"
    wait "$centre"
    centre=
    "$bin/radpost" queue list "$data/spool" >"$work/queue" || die "the spool does not open"
    /usr/bin/python3 - "$work" "$count" "$most" <<'END'
import collections, sys
work, count, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
acked = {line.split()[2] for line in open(f"{work}/ledger")}
objects = [line.split() for line in open(f"{work}/objects")]
there = collections.Counter(o[0] for o in objects)
sealed = {o[0] for o in objects if o[1] == "sealed"}
states = collections.Counter()
for line in open(f"{work}/queue"):
    words = line.split()
    if len(words) > 4 and "T" in words[2]:
        states[words[1]] += 1
wrong = []
if len(acked) != count:
    wrong.append(f"{len(acked)} of {count} acknowledged")
lost = acked - sealed
if lost:
    wrong.append(f"{len(lost)} LOST, such as {sorted(lost)[0]}")
twice = [u for u, n in there.items() if n > 1]
if twice:
    wrong.append(f"{len(twice)} forwarded as more than one object, such as {twice[0]}")
strange = set(there) - acked
if strange:
    wrong.append(f"{len(strange)} at the centre that nobody was told about")
if states["sealed"] != count or set(states) - {"sealed", "duplicate"}:
    wrong.append(f"the spool says {dict(states)}")
sizes = sum(int(o[2]) for o in objects)
again = sum(int(o[3]) for o in objects) - sizes
if 0 <= most < again:
    wrong.append(f"{again} bytes went over the line more than once, {most} were to be borne")
print(f"{count} acknowledged, {len(objects)} objects at the centre, all sealed once; "
      f"{states['duplicate']} sent again by the modality are duplicates here; "
      f"{again} of {sizes} bytes ({100 * again / sizes:.1f} %) went over the line more than once")
for w in wrong:
    print("WRONG:", w)
sys.exit(1 if wrong else 0)
END
}
