# line.sh - words about the line, for scenarios; sourced after lib.sh. A relay stands between the gateway and the
# centre's link port; it is cut and slowed down by a control file and counts what passes (tool_line.c).
SITE_QUIET=2s

line_makes() { # [rate N]: before site_opens
    mkdir -p "$D"
    site_ports
    LINE_PORT=$(site_free_ports 1)
    line_is "${1:-open}"
    "$BIN/tool_line" "$LINE_PORT" "$PORT_LINK" "$T/line.control" "$T/line.stats" 2>"$T/line.log" &
    SITE_GATEWAY_MORE="link_url = https://127.0.0.1:$LINE_PORT
${SITE_GATEWAY_MORE:-}"
}
line_is() { printf '%s\n' "$1" >"$T/line.new" && mv "$T/line.new" "$T/line.control"; }
line_carried() { sed "s/^up=0*//;s/ .*//;s/^$/0/" "$T/line.stats"; }
coded_bytes() { # STUDY... > bytes of their packs: their files as they go, and a little that tells what they are
    local study
    for study in "$@"; do
        sed -n "s/.* KEEP_PACK_SEALED .*study=$study .*bytes=\([0-9]*\).*/\1/p" "$D/log/storage.log"
    done | awk '{ s += $1 } END { print s + 0 }'
}

demo_study() { # [options]: CT of the demo patient in $T/demo/ct, its study UID in $STUDY
    rm -rf "$T/demo"
    "$BIN/radpost-demo-study" --only ct "$@" "$T/demo" || fail "no demo study"
    STUDY=$(dcmdump -q -Un +P 0020,000d "$T/demo/ct/0001.dcm" | sed -n 's/^(0020,000d) UI \[\([0-9.]*\).*/\1/p')
    COUNT=$(find "$T/demo/ct" -name '*.dcm' | wc -l)
}

# The stock sender. As a modality does, it sends all of it again when not all was answered with success.
modality_sends_demo() {
    dcmsend -q --scan-directories --recurse --decompress-never -aet "$RADPOST_MODALITY_AET" -aec "$RADPOST_GATEWAY_AET" \
        127.0.0.1 "$PORT_GATEWAY_DICOM" "$T/demo/ct" >"$T/dcmsend.log" 2>&1
}

web() { curl -sS -f -m 20 -H "Authorization: Bearer $RADPOST_DICOMWEB_TOKEN" "$@"; }
preview_counts() { # WHICH > a number of /preview: looked, whole, offered
    web "http://127.0.0.1:$PORT_DICOMWEB/preview/studies/$STUDY" 2>/dev/null |
        /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" 2>/dev/null || echo 0
}
archive_count() { # instances, and different ones
    web "$RADPOST_DICOMWEB_URL/studies/$STUDY/instances" |
        /usr/bin/python3 -c 'import json, sys; r = json.load(sys.stdin); print(len(r), len({x["00080018"]["Value"][0] for x in r}))'
}
archive_holds_study_once() {
    [ "$(archive_count)" = "$COUNT $COUNT" ] || fail "the archive holds $(archive_count) of $COUNT"
}
queue_counts() { # STATE > how many entries of the gateway are in it
    queue list 2>/dev/null | awk -v s="$1" '$2 == s && $3 ~ /^[0-9-]+T/ { n++ } END { print n + 0 }'
}
sealed_are() { [ "$(queue_counts sealed)" = "$1" ]; }
is_sealed() { sealed_are "$COUNT"; }
line_has_carried() { [ "$(line_carried)" -gt "$1" ]; }
desk_says() { site_desk_state | grep -q "$1"; }
gateway_log() { grep -c "$1" "$D/log/gateway.log" || true; }
