# site.sh - a whole small Radpost in one folder D: PostgreSQL, storage, a gateway, the reader. Sourced by quickstart and by the
# scenario tests; every function takes its site from $D, the programs from $BIN and its ports from $PORT_*.
# All listeners are on 127.0.0.1; everything made is under D.
. "$(dirname "${BASH_SOURCE[0]}")/site_reader.sh"

site_say() { printf '%s\n' "$*"; }
site_die() { printf '%s\n' "$*" >&2; exit 1; }

# A port nobody listens on, by asking the kernel which ones are taken. SITE_PORTS: the first of a hundred to choose from.
# SITE_PORTS_FILE: whoever names the same file is given others, until all have had their turn.
site_ports_turn() { # COUNT > how many were given before
    flock "$SITE_PORTS_FILE.lock" sh -c 'n=$(cat "$0" 2>/dev/null || echo 0); echo $((n + $1)) >"$0"; echo "${n:-0}"' "$SITE_PORTS_FILE" "$1"
}
site_free_ports() { # COUNT > numbers
    local want=$1 port taken from=21000 of=8000
    [ -z "${SITE_PORTS:-}" ] || { from=$SITE_PORTS of=100; }
    taken=" $(awk 'FNR > 1 && $4 == "0A" { split($2, a, ":"); print a[2] }' /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        while read -r hex; do printf '%d ' "0x$hex"; done)"
    [ ! -f "${D:-}/ports" ] || taken+="$(sed 's/.*=//' "$D/ports" | tr '\n' ' ')" # the site's own, before it listens
    port=$((from + RANDOM % of))
    [ -z "${SITE_PORTS_FILE:-}" ] || port=$((from + $(site_ports_turn $((2 * want + 4))) % of))
    while [ "$want" -gt 0 ]; do
        case $taken in *" $port "*) ;; *) echo "$port"; want=$((want - 1)) ;; esac
        port=$((port + 1))
    done
}

site_ports() { # [BASE]: ports are kept in D/ports, so that a second start finds the first one's
    if [ ! -f "$D/ports" ] || [ -n "${1:-}" ]; then
        local list
        if [ -n "${1:-}" ]; then
            list=$(seq "$1" $(($1 + 7)))
        else
            list=$(site_free_ports 8)
        fi
        # shellcheck disable=SC2086
        set -- $list
        printf 'PORT_GATEWAY_DICOM=%s\nPORT_DESK=%s\nPORT_LINK=%s\nPORT_DICOMWEB=%s\nPORT_STORAGE_DICOM=%s\n' \
            "$1" "$2" "$3" "$4" "$5" >"$D/ports"
        printf 'PORT_READER=%s\nPORT_PATIENT=%s\nPORT_READER_LINK=%s\n' "$6" "$7" "$8" >>"$D/ports"
    fi
    . "$D/ports"
}

# --- PostgreSQL: a private cluster, unix socket only. initdb refuses root: then it runs as "postgres".
site_pg_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1; }
site_as_pg() {
    if [ "$(id -u)" = 0 ]; then
        runuser -u postgres -- "$@"
    else
        "$@"
    fi
}
site_pg_user() { if [ "$(id -u)" = 0 ]; then echo postgres; else id -un; fi; }

# The socket's path may have 107 bytes: a deep D gets a short folder of its own, named in D/pg-socket.
site_pg_socket() {
    if [ ! -s "$D/pg-socket" ]; then
        local dir=$D/pg/run
        if [ ${#dir} -gt 80 ]; then
            dir=$(mktemp -d /tmp/radpost-pg-XXXXXX)
            [ "$(id -u)" != 0 ] || chown postgres: "$dir"
        fi
        echo "$dir" >"$D/pg-socket"
    fi
    cat "$D/pg-socket"
}

site_pg_start() {
    local bin socket
    bin=$(site_pg_bin)
    [ -n "$bin" ] || site_die "PostgreSQL is not installed."
    mkdir -p "$D/pg" "$D/log"
    chmod 711 "$D"
    [ "$(id -u)" != 0 ] || chown postgres: "$D/pg"
    socket=$(site_pg_socket)
    if [ ! -f "$D/pg/data/PG_VERSION" ]; then
        site_as_pg mkdir -p "$D/pg/run"
        (cd / && site_as_pg "$bin/initdb" -D "$D/pg/data" --data-checksums -E UTF8 --locale=C.UTF-8 -A peer -U radpost \
            --no-instructions) >"$D/log/initdb.log" 2>&1 || { tail -5 "$D/log/initdb.log" >&2; site_die "PostgreSQL: initdb failed"; }
        printf 'radpost %s radpost\nradpost %s radpost\n' "$(id -un)" "$(site_pg_user)" | site_as_pg tee "$D/pg/data/pg_ident.conf" >/dev/null
        echo 'local all all peer map=radpost' | site_as_pg tee "$D/pg/data/pg_hba.conf" >/dev/null
        site_as_pg tee -a "$D/pg/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$socket'
shared_buffers = 64MB
max_connections = 60
log_min_messages = warning
CONF
    fi
    (cd / && site_as_pg "$bin/pg_ctl" -D "$D/pg/data" -l "$D/pg/log" -w -t 60 start) >"$D/log/pg_ctl.log" 2>&1 ||
        { tail -5 "$D/log/pg_ctl.log" "$D/pg/log" >&2; site_die "PostgreSQL does not start"; }
    if [ ! -f "$D/pg/made" ]; then
        (cd / && site_as_pg psql -qX -h "$socket" -U radpost -d postgres -c 'CREATE DATABASE radpost' -c 'CREATE DATABASE radpost_reader') ||
            site_die "PostgreSQL: no database"
        site_as_pg touch "$D/pg/made"
    fi
    PG_CONNINFO="host=$socket user=radpost dbname=radpost"
    PG_READER_CONNINFO="host=$socket user=radpost dbname=radpost_reader"
}

site_pg_stop() { # [immediate]
    local bin
    bin=$(site_pg_bin)
    [ -f "$D/pg/data/postmaster.pid" ] || return 0
    (cd / && site_as_pg "$bin/pg_ctl" -D "$D/pg/data" -m "${1:-fast}" -w stop) >>"$D/log/pg_ctl.log" 2>&1
}

# --- our services: started in the background, their pid in D/NAME.pid, their words in D/log/NAME.log
site_start() { # NAME PROGRAM ARGUMENT...
    local name=$1 port
    shift
    "$@" >>"$D/log/$name.log" 2>&1 </dev/null 9>&- &
    echo $! >"$D/$name.pid"
}

site_is_up() { # NAME
    [ -f "$D/$1.pid" ] && kill -0 "$(cat "$D/$1.pid")" 2>/dev/null
}

site_wait_port() { # NAME PORT SECONDS: until it accepts; a dead program is told with its last words
    local until=$((SECONDS + $3))
    until (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; do
        if ! site_is_up "$1"; then
            tail -5 "$D/log/$1.log" >&2
            site_die "$1 ended; its log is $D/log/$1.log"
        fi
        [ $SECONDS -lt $until ] || site_die "$1 does not answer on port $2; its log is $D/log/$1.log"
        read -r -t 0.1 <> <(:) || true
    done
}

site_stop() { # NAME [SIGNAL]
    local pid
    [ -f "$D/$1.pid" ] || return 0
    pid=$(cat "$D/$1.pid")
    kill "-${2:-TERM}" "$pid" 2>/dev/null || true
    for _ in $(seq 300); do
        kill -0 "$pid" 2>/dev/null || break
        # not reaped yet, and no thread left that could hold a file or a lock
        [ "$(awk '{ print $3 }' "/proc/$pid/stat" 2>/dev/null)" = Z ] && [ "$(ls "/proc/$pid/task" | wc -l)" = 1 ] && break
        read -r -t 0.05 <> <(:) || true
    done
    rm -f "$D/$1.pid"
    wait "$pid" 2>/dev/null || true
}

# --- the whole site
SITE_TENANT=demo-clinic SITE_GATEWAY_AET=RADPOST SITE_STORAGE_AET=RADPOST_ARCH SITE_MODALITY_AET=DEMO_CT

site_storage_conf() {
    mkdir -p "$D/storage"
    cat >"$D/storage/storage.conf" <<CONF
# Radpost storage, made by quickstart: every listener on loopback.
data_dir = $D/storage
pg_conninfo = $PG_CONNINFO
link_address = 127.0.0.1
link_port = $PORT_LINK
web_address = 127.0.0.1
web_port = $PORT_DICOMWEB
dicom_address = 127.0.0.1
dicom_port = $PORT_STORAGE_DICOM
dicom_ae = $SITE_STORAGE_AET
quiet = ${SITE_QUIET:-3s}
reader_url = https://127.0.0.1:$PORT_READER_LINK
landing_warn_free = 2GiB
landing_refuse_free = ${SITE_REFUSE_ARCHIVE:-512MiB}
CONF
}

site_gateway_conf() {
    mkdir -p "$D/gateway"
    cat >"$D/gateway/gateway.conf" <<CONF
# Radpost gateway, made by quickstart: every listener on loopback.
data_dir = $D/gateway
dicom_address = 127.0.0.1
dicom_port = $PORT_GATEWAY_DICOM
dicom_ae = $SITE_GATEWAY_AET
desk_address = 127.0.0.1
desk_port = $PORT_DESK
clinic_name = 演示卫生院
study_quiet = ${SITE_QUIET:-3s}
spool_warn_free = ${SITE_WARN_FREE:-2GiB}
spool_slow_free = ${SITE_SLOW_FREE:-1GiB}
spool_refuse_free = ${SITE_REFUSE_FREE:-512MiB}
CONF
    printf '%s\n' "${SITE_GATEWAY_MORE:-}" >>"$D/gateway/gateway.conf"
}

# Everything up: database, archive, clinic, enrolment. Whatever was made before is used again.
site_up() {
    local web="http://127.0.0.1:$PORT_DICOMWEB" code
    mkdir -p "$D/log"
    site_pg_start
    site_storage_conf
    site_gateway_conf
    site_storage_start
    if [ ! -f "$D/token" ]; then
        site_admin org add --code "$SITE_TENANT" --name "Demo township clinic 演示卫生院"
        (umask 077 && site_admin token new --org "$SITE_TENANT" --rights query,retrieve,store,preview --note quickstart >"$D/token.new")
        mv "$D/token.new" "$D/token"
    fi
    site_reader_up
    printf '# AE title   address   name\n%s 127.0.0.1 演示 CT\n' "$SITE_MODALITY_AET" >"$D/gateway/devices.conf"
    if [ ! -f "$D/gateway/enrolled" ]; then
        code=$(site_admin enrol new --org "$SITE_TENANT" --kind gateway --name gateway-1 | tail -1)
        "$BIN/radpost-gateway" --config "$D/gateway/gateway.conf" enrol "https://127.0.0.1:$PORT_LINK" "$code" \
            >"$D/log/enrol.log" 2>&1 || { tail -3 "$D/log/enrol.log" >&2; site_die "the gateway could not be enrolled"; }
        touch "$D/gateway/enrolled"
    fi
    site_gateway_start
    site_desk_accounts
}

site_storage_start() {
    site_start storage "$BIN/radpost-storage" --config "$D/storage/storage.conf"
    site_wait_port storage "$PORT_LINK" 20
    site_wait_port storage "$PORT_DICOMWEB" 20
    site_wait_port storage "$PORT_STORAGE_DICOM" 20
}

site_gateway_start() {
    site_start gateway "$BIN/radpost-gateway" --config "$D/gateway/gateway.conf"
    site_wait_port gateway "$PORT_DESK" 20
    site_wait_port gateway "$PORT_GATEWAY_DICOM" 20
}

site_admin() { "$BIN/radpost" "$1" --config "$D/storage/storage.conf" "${@:2}"; }

site_add_peer() { # AET PORT: store, query, retrieve, and be a destination
    site_admin ae add --org "$SITE_TENANT" --ae "$1" --host 127.0.0.1 --port "$2" --rights store,query,retrieve
}

site_down() {
    site_stop gateway
    site_stop reader
    site_stop storage
    site_pg_stop
    [ ! -s "$D/pg-socket" ] || case $(cat "$D/pg-socket") in /tmp/radpost-pg-*) rm -rf "$(cat "$D/pg-socket")" "$D/pg-socket" ;; esac
}

site_write_addresses() {
    (
        umask 077
        cat >"$D/addresses.env" <<ENV
RADPOST_MODALITY_AET=$SITE_MODALITY_AET
RADPOST_GATEWAY_AET=$SITE_GATEWAY_AET
RADPOST_GATEWAY_DICOM_PORT=$PORT_GATEWAY_DICOM
RADPOST_GATEWAY_DESK_URL=http://127.0.0.1:$PORT_DESK/
RADPOST_GATEWAY_DESK_TOKEN=$(cat "$D/gateway/desk/token")
RADPOST_STORAGE_AET=$SITE_STORAGE_AET
RADPOST_STORAGE_DICOM_PORT=$PORT_STORAGE_DICOM
RADPOST_DICOMWEB_URL=http://127.0.0.1:$PORT_DICOMWEB/dicomweb
RADPOST_DICOMWEB_TOKEN=$(cat "$D/token")
RADPOST_CA_FILE=$D/gateway/link/ca.pem
ENV
        site_reader_addresses >>"$D/addresses.env"
    )
}

site_print_addresses() {
    cat <<TEXT

  the clinic's desk    http://127.0.0.1:$PORT_DESK/
$(site_print_desk_accounts)
  send images to       $SITE_GATEWAY_AET at 127.0.0.1:$PORT_GATEWAY_DICOM, calling as $SITE_MODALITY_AET
  the readers' pages   http://127.0.0.1:$PORT_READER/
$(site_print_accounts)
  the patient's page   http://127.0.0.1:$PORT_PATIENT/   (one-time codes arrive as files in $D/outbox)
  the archive          DICOM $SITE_STORAGE_AET at 127.0.0.1:$PORT_STORAGE_DICOM; DICOMweb http://127.0.0.1:$PORT_DICOMWEB/dicomweb
  token and the rest   $D/addresses.env
TEXT
}

# --- one study's way, with stock tools only
site_uid() { sed -n "s/^($1) UI \[\([0-9.]*\).*/\1/p" "$2" | head -1; }

# A file as DCMTK decodes it: explicit little endian, native pixels. 1 when DCMTK cannot.
site_native() { # IN OUT SYNTAX
    case $3 in
    1.2.840.10008.1.2 | 1.2.840.10008.1.2.1 | 1.2.840.10008.1.2.2 | 1.2.840.10008.1.2.1.99) dcmconv -q +te "$1" "$2" ;;
    1.2.840.10008.1.2.4.57 | 1.2.840.10008.1.2.4.70) dcmdjpeg -q "$1" "$2" ;;
    1.2.840.10008.1.2.4.80) dcmdjpls -q "$1" "$2" ;;
    1.2.840.10008.1.2.5) dcmdrle -q "$1" "$2" ;;
    *) return 1 ;;
    esac 2>/dev/null
}

site_pixels() { # FILE > SHA-256 of its native pixel data, "none" without
    local dir raw
    dir=$(mktemp -d "$D/tmp-pixels-XXXXXX")
    dcmdump -q +W "$dir" "$1" >/dev/null 2>&1 || true
    raw=$(find "$dir" -name '*.raw' -size +0 | sort | tail -1)
    if [ -n "$raw" ]; then sha256sum <"$raw" | cut -c1-64; else echo none; fi
    rm -rf "$dir"
}

# Every sent file is fetched again by WADO-RS and compared, pixel by pixel, by DCMTK.
site_compare() { # FOLDER
    local dir n=0 skipped=0 file syntax url
    dir=$(mktemp -d "$D/tmp-back-XXXXXX")
    while read -r file; do
        dcmdump -q -Un +P 0020,000d +P 0020,000e +P 0008,0018 +P 0002,0010 "$file" >"$dir/uids" 2>/dev/null || continue
        syntax=$(site_uid 0002,0010 "$dir/uids")
        url="http://127.0.0.1:$PORT_DICOMWEB/dicomweb/studies/$(site_uid 0020,000d "$dir/uids")"
        url="$url/series/$(site_uid 0020,000e "$dir/uids")/instances/$(site_uid 0008,0018 "$dir/uids")"
        if ! site_native "$file" "$dir/sent" "$syntax"; then
            skipped=$((skipped + 1))
            continue
        fi
        curl -sS -f -o "$dir/back" -H "Authorization: Bearer $(cat "$D/token")" \
            -H 'Accept: application/dicom; transfer-syntax=1.2.840.10008.1.2.1' "$url" || { rm -rf "$dir"; return 1; }
        if [ "$(site_pixels "$dir/sent")" != "$(site_pixels "$dir/back")" ]; then
            rm -rf "$dir"
            site_say "pixels of one instance differ"
            return 1
        fi
        n=$((n + 1))
    done < <(find "$1" -type f ! -name DICOMDIR | sort)
    rm -rf "$dir"
    [ $((n + skipped)) -gt 0 ] || return 1
    [ $n -eq 0 ] || site_say "retrieved, pixels equal ($n compared by DCMTK)"
    [ $skipped -eq 0 ] || site_say "$skipped not compared here: DCMTK does not decode their transfer syntax"
}

site_walk() { # FOLDER or "": the demo study; sends it with DCMTK's dcmsend and follows it
    local folder=$1 studies
    if [ -z "$folder" ]; then
        folder=$D/demo-study
        rm -rf "$folder"
        "$BIN/radpost-demo-study" "$folder" >"$D/log/demo-study.log" 2>&1 || { tail -3 "$D/log/demo-study.log" >&2; return 1; }
    fi
    studies=$(find "$folder" -type f ! -name DICOMDIR -exec dcmdump -q -Un +P 0020,000d {} + 2>/dev/null |
        sed -n 's/^(0020,000d) UI \[\([0-9.]*\).*/\1/p' | sort | uniq -c | sort -rn | awk '{ print $2 }') # the largest first: it is read
    [ -n "$studies" ] || { site_say "no DICOM files in $folder"; return 1; }
    site_say "one study's way:"
    site_register || { site_say "the desk does not register a patient"; return 1; }
    dcmsend -q --scan-directories --recurse --no-halt --decompress-never -aet "$SITE_MODALITY_AET" \
        -aec "$SITE_GATEWAY_AET" 127.0.0.1 "$PORT_GATEWAY_DICOM" "$folder" >"$D/log/dcmsend.log" 2>&1 ||
        { tail -5 "$D/log/dcmsend.log" >&2; site_say "the sender was not satisfied"; return 1; }
    # shellcheck disable=SC2086
    "$BIN/radpost" watch --desk "http://127.0.0.1:$PORT_DESK" --token-file "$D/gateway/desk/token" --timeout 300 $studies || return 1
    site_say "fetching each image again, to compare its pixels"
    site_compare "$folder" || return 1
    site_read_walk "${studies%%$'\n'*}"
}
