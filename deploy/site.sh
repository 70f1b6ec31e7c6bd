# site.sh - a whole small Radpost in one folder D: PostgreSQL, storage, a gateway. Sourced by quickstart and by the
# scenario tests; every function takes its site from $D, the programs from $BIN and its ports from $PORT_*.
# All listeners are on 127.0.0.1; everything made is under D.

site_say() { printf '%s\n' "$*"; }
site_die() { printf '%s\n' "$*" >&2; exit 1; }

# A port nobody listens on, by asking the kernel which ones are taken.
site_free_ports() { # COUNT > numbers
    local want=$1 port taken
    taken=" $(awk 'FNR > 1 && $4 == "0A" { split($2, a, ":"); print a[2] }' /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        while read -r hex; do printf '%d ' "0x$hex"; done)"
    port=$((21000 + RANDOM % 8000))
    while [ "$want" -gt 0 ]; do
        case $taken in *" $port "*) ;; *) echo "$port"; want=$((want - 1)) ;; esac
        port=$((port + 1))
    done
}

site_ports() { # [BASE]: ports are kept in D/ports, so that a second start finds the first one's
    if [ ! -f "$D/ports" ] || [ -n "${1:-}" ]; then
        local list
        if [ -n "${1:-}" ]; then
            list=$(seq "$1" $(($1 + 4)))
        else
            list=$(site_free_ports 5)
        fi
        # shellcheck disable=SC2086
        set -- $list
        printf 'PORT_GATEWAY_DICOM=%s\nPORT_DESK=%s\nPORT_LINK=%s\nPORT_DICOMWEB=%s\nPORT_STORAGE_DICOM=%s\n' \
            "$1" "$2" "$3" "$4" "$5" >"$D/ports"
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
        (cd / && site_as_pg psql -qX -h "$socket" -U radpost -d postgres -c 'CREATE DATABASE radpost') ||
            site_die "PostgreSQL: no database"
        site_as_pg touch "$D/pg/made"
    fi
    PG_CONNINFO="host=$socket user=radpost dbname=radpost"
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
        [ "$(awk '{ print $3 }' "/proc/$pid/stat" 2>/dev/null)" = Z ] && break
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
study_quiet = ${SITE_QUIET:-3s}
spool_warn_free = 2GiB
spool_slow_free = 1GiB
spool_refuse_free = 512MiB
CONF
    printf '%s\n' "${SITE_GATEWAY_MORE:-}" >>"$D/gateway/gateway.conf"
}
