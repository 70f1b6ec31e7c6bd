# clinic_days.sh - a clinic whose days pass as fast as they can be lived; sourced after lib.sh and line.sh.
# The services see a clock that a file moves (clock_ahead.c; waits stay real). The gateway's folder lies on a disk whose power
# can fail: what was not synced may then be gone, in any order, as ../shared/faults/cutdisk makes it.
DISK=$T/disk

# --- the clock: seconds ahead of the real one, for each service by itself
clock_is() { # SERVICE SECONDS-AHEAD
    printf '%+d\n' "$2" >"$T/clock.new" && mv "$T/clock.new" "$T/clock.$1"
}
clocks_are() { # SECONDS-AHEAD
    local service
    for service in gateway storage reader; do clock_is "$service" "$1"; done
}
services_see_the_clock() {
    local service real=$BIN
    cc -O2 -Wall -shared -fPIC -o "$T/clock_ahead.so" "$here/clock_ahead.c"
    mkdir -p "$T/bin"
    ln -s "$real"/* "$T/bin/"
    for service in gateway storage reader; do
        rm "$T/bin/radpost-$service"
        cat >"$T/bin/radpost-$service" <<WRAP
#!/bin/bash
export LD_PRELOAD=$T/clock_ahead.so CLOCK_AHEAD=$T/clock.$service
exec -a radpost-$service $real/radpost-$service "\$@"
WRAP
        chmod +x "$T/bin/radpost-$service"
    done
    BIN=$T/bin
}

# --- the gateway's disk
CUTDISK=$T/cutdisk
disk_makes() { # MB
    cc -O2 -Wall -o "$CUTDISK" "$SHARED/faults/cutdisk.c" $(pkg-config --cflags --libs fuse3)
    mkdir -p "$DISK/bus"
    truncate -s "$1M" "$DISK/base.img"
    mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0,nodiscard "$DISK/base.img"
    disk_on
}
disk_on() { # from base.img
    cp --sparse=always "$DISK/base.img" "$DISK/disk.img"
    rm -f "$DISK/log"
    "$CUTDISK" serve "$DISK/disk.img" "$DISK/log" "$DISK/bus" >"$DISK/serve.out" 2>&1 9>&- &
    within 10 test -e "$DISK/bus/disk" || { cat "$DISK/serve.out" >&2; fail "no disk"; }
    LOOP=$(losetup --show -f "$DISK/bus/disk")
    mkdir -p "$D/gateway"
    mount "$LOOP" "$D/gateway"
}
disk_off() {
    ! mountpoint -q "$D/gateway" || within 20 umount "$D/gateway" || fail "the disk is in use: $(fuser -mv "$D/gateway" 2>&1)"
    [ -z "${LOOP:-}" ] || losetup -d "$LOOP" || true
    LOOP=
    ! mountpoint -q "$DISK/bus" || within 20 umount "$DISK/bus" || fail "the disk's other end is in use: $(losetup -a) $(fuser -mv "$DISK/bus" 2>&1) $(grep -lF "$T" /proc/[0-9]*/mountinfo)"
}
# The power fails now, with whatever the disk's cache held; it comes back with what was on the platter.
power_fails() {
    local written
    site_stop gateway KILL # nothing is answered after this moment
    written=$("$CUTDISK" count "$DISK/log" | sed 's/records=\([0-9]*\).*/\1/') # what came before; umount writes more
    disk_off
    "$CUTDISK" image "$DISK/base.img" "$DISK/log" "$written" "$RANDOM" "$DISK/after.img" "$DISK/marks" rand >/dev/null
    mv "$DISK/after.img" "$DISK/base.img"
    disk_on
    site_gateway_start
}

# --- the modality: what it was told is written down; what failed it sends again, as a technician would
modality_sends_until_taken() { # FOLDER TRIES
    local file line left try
    for try in $(seq "$2"); do
        left=()
        while read -r file; do grep -qxF "$(cat "$file.uid")" "$T/acquired" || left+=("$file"); done < <(find "$1" -name '*.dcm' | sort)
        [ ${#left[@]} -gt 0 ] || return 0
        file=
        timeout 60 stdbuf -oL -eL storescu -v -xs -R -aet "$RADPOST_MODALITY_AET" -aec "$RADPOST_GATEWAY_AET" 127.0.0.1 "$PORT_GATEWAY_DICOM" \
            "${left[@]}" 2>&1 | while read -r line; do
            case $line in
            *"Sending file: "*) file=${line##*Sending file: } ;;
            *"Received Store Response (Success)"*) cat "$file.uid" >>"$T/acquired" ;;
            esac
        done || true
    done
    return 1
}
# A study of a day: real images with UIDs of their own, each with its UID beside it.
study_is_made() { # NAME SRC...
    local file
    rm -rf "$T/day/$1"
    mkdir -p "$T/day"
    fresh "day/$1" "${@:2}"
    find "$T/day/$1" -name '*.dcm' | while read -r file; do
        dcmdump -q -Un +P 0008,0018 "$file" | sed -n 's/^(0008,0018) UI \[\([0-9.]*\).*/\1/p' >"$file.uid"
    done
    cat "$T/day/$1.studies" >>"$T/studies"
}

# --- the count
acquired() { sort -u "$T/acquired" | wc -l; }
centre_holds() { # > the instances of all studies, sorted
    local study
    while read -r study; do
        curl -sS -f -m 20 -H "Authorization: Bearer $RADPOST_DICOMWEB_TOKEN" "$RADPOST_DICOMWEB_URL/studies/$study/instances" 2>/dev/null |
            /usr/bin/python3 -c 'import json, sys; [print(r["00080018"]["Value"][0]) for r in json.load(sys.stdin)]' 2>/dev/null || true
    done <"$T/studies" | sort
}
all_is_at_the_centre() {
    centre_holds >"$T/held"
    [ -z "$(uniq -d "$T/held")" ] || fail "the centre holds an instance twice"
    sort -u "$T/acquired" | cmp -s - "$T/held"
}
nothing_waits_here() {
    [ "$(queue list 2>/dev/null | awk '$3 ~ /^[0-9-]+T/ && $2 != "sealed" && $2 != "duplicate" { n++ } END { print n + 0 }')" = 0 ]
}
