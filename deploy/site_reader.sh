# site_reader.sh - the reading service of a site: its configuration, the demo's organisations and accounts, and a read's
# way from assigned to fetched by the patient, with curl and jq only. Sourced by site.sh; words and ports are the site's.

SITE_COUNTY=demo-county SITE_LOGINS="tech doctor reviewer admin supervisor"

site_reader_conf() {
    mkdir -p "$D/reader" "$D/outbox"
    cat >"$D/reader/reader.conf" <<CONF
# Radpost reader, made by quickstart: demo accounts, every listener on loopback.
demo = yes
data_dir = $D/reader
pg_conninfo = $PG_READER_CONNINFO
staff_address = 127.0.0.1
staff_port = $PORT_READER
patient_address = 127.0.0.1
patient_port = $PORT_PATIENT
link_address = 127.0.0.1
link_port = $PORT_READER_LINK
patient_url = http://127.0.0.1:$PORT_PATIENT
outbox_dir = $D/outbox
CONF
    printf '%s\n' "${SITE_READER_MORE:-}" >>"$D/reader/reader.conf"
}

# Passwords are this folder's own, made once: nothing to guess from another demo.
site_demo_passwords() {
    [ -s "$D/demo-accounts" ] || (
        umask 077
        for login in $SITE_LOGINS; do
            printf 'PASSWORD_%s=%s\n' "$login" "$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')"
        done >"$D/demo-accounts.new"
        mv "$D/demo-accounts.new" "$D/demo-accounts"
    )
    . "$D/demo-accounts"
}

site_demo_load() { # > the organisations, people and the agreement of the demo, as docs/formats/load.md says
    (
        umask 077
        cat >"$D/reader/demo.json" <<JSON
{
  "organisations": [
    {"code": "$SITE_COUNTY", "name": "演示县医院", "kind": "county", "parent": null},
    {"code": "$SITE_TENANT", "name": "演示卫生院", "kind": "township", "parent": "$SITE_COUNTY"}
  ],
  "accounts": [
    {"login": "tech", "name": "王技师", "organisation": "$SITE_TENANT", "roles": ["technician"], "password": "$PASSWORD_tech"},
    {"login": "doctor", "name": "李医生", "organisation": "$SITE_COUNTY", "roles": ["doctor"], "password": "$PASSWORD_doctor"},
    {"login": "reviewer", "name": "赵主任", "organisation": "$SITE_COUNTY", "roles": ["doctor", "reviewer"], "password": "$PASSWORD_reviewer"},
    {"login": "admin", "name": "管理员", "organisation": "$SITE_COUNTY", "roles": ["administrator"], "password": "$PASSWORD_admin"},
    {"login": "supervisor", "name": "监管员", "organisation": "$SITE_COUNTY", "roles": ["supervisor"], "password": "$PASSWORD_supervisor"}
  ],
  "doctors": [
    {"login": "doctor", "licence": "DEMO-0001", "valid_from": "2020-01-01", "valid_until": "2099-12-31",
     "modalities": ["CT", "MR", "CR", "DX", "MG", "US", "XA", "ECG", "OT"], "organisations": ["$SITE_COUNTY"], "is_on_duty": true},
    {"login": "reviewer", "licence": "DEMO-0002", "valid_from": "2020-01-01", "valid_until": "2099-12-31",
     "modalities": ["CT", "MR", "CR", "DX", "MG", "US", "XA", "ECG", "OT"], "organisations": ["$SITE_COUNTY"], "is_on_duty": false}
  ],
  "agreements": [
    {"code": "demo-agreement", "version": 1, "inviting": "$SITE_TENANT", "invited": "$SITE_COUNTY",
     "modalities": ["CT", "MR", "CR", "DX", "MG", "US", "XA", "ECG", "OT"], "valid_from": "2020-01-01", "valid_until": "2099-12-31",
     "turnaround_minutes": {"routine": 120, "emergency": 30}, "may_read_alone": false}
  ]
}
JSON
    )
}

site_reader_start() {
    site_start reader "$BIN/radpost-reader" --config "$D/reader/reader.conf"
    site_wait_port reader "$PORT_READER" 20
    site_wait_port reader "$PORT_PATIENT" 20
    site_wait_port reader "$PORT_READER_LINK" 20
}

# Enrolled, loaded, started; the archive runs already. What was made before is used again.
site_reader_up() {
    local code
    site_reader_conf
    site_demo_passwords
    site_demo_load
    if [ ! -f "$D/reader/enrolled" ]; then
        site_admin org add --code "$SITE_COUNTY" --name "Demo county hospital 演示县医院"
        code=$(site_admin enrol new --org "$SITE_COUNTY" --kind reader --name reader-1 --names 127.0.0.1,localhost | tail -1)
        "$BIN/radpost-reader" --config "$D/reader/reader.conf" enrol "https://127.0.0.1:$PORT_LINK" "$code" \
            >"$D/log/enrol-reader.log" 2>&1 || { tail -3 "$D/log/enrol-reader.log" >&2; site_die "the reader could not be enrolled"; }
        touch "$D/reader/enrolled"
    fi
    "$BIN/radpost-reader" --config "$D/reader/reader.conf" load "$D/reader/demo.json" >"$D/log/load.log" 2>&1 ||
        { tail -3 "$D/log/load.log" >&2; site_die "the demo's organisations could not be loaded"; }
    site_reader_start
}

site_reader_addresses() { # > lines for addresses.env
    local login upper
    printf 'RADPOST_READER_URL=http://127.0.0.1:%s\nRADPOST_PATIENT_URL=http://127.0.0.1:%s\nRADPOST_OUTBOX_DIR=%s\n' \
        "$PORT_READER" "$PORT_PATIENT" "$D/outbox"
    [ ! -s "$D/patient-code" ] || printf 'RADPOST_PATIENT_CODE=%s\n' "$(cat "$D/patient-code")"
    for login in $SITE_LOGINS; do
        upper=$(printf '%s' "$login" | tr a-z A-Z)
        eval "printf 'RADPOST_%s_USER=%s\nRADPOST_%s_PASSWORD=%s\n' $upper $login $upper \"\$PASSWORD_$login\""
    done
    . "$D/desk-accounts"
    for login in $SITE_DESK_LOGINS; do
        upper=$(printf '%s' "$login" | tr a-z- A-Z_)
        eval "printf 'RADPOST_%s_USER=%s\nRADPOST_%s_PASSWORD=%s\n' $upper $login $upper \"\$DESK_PASSWORD_${login//-/_}\""
    done
}

site_print_accounts() {
    local login password
    for login in $SITE_LOGINS; do
        password=PASSWORD_$login
        printf '    %-18s user %-11s password %s\n' "$(site_role_words "$login")" "$login" "${!password}"
    done
}

site_print_desk_accounts() {
    local login password
    for login in $SITE_DESK_LOGINS; do
        password=DESK_PASSWORD_${login//-/_}
        printf '    %-18s user %-11s password %s\n' "$(site_role_words "$login")" "$login" "${!password}"
    done
}

site_role_words() {
    case $1 in
    tech | desk) echo "technician" ;;
    desk-admin) echo "desk administrator" ;;
    engineer) echo "service engineer" ;;
    doctor) echo "radiologist" ;;
    reviewer) echo "reviewing doctor" ;;
    admin) echo "administrator" ;;
    *) echo "$1" ;;
    esac
}

# --- the read's way, by the same routes the pages use
site_api_login() { # LOGIN: its cookie and CSRF value are kept in D/api
    local login=$1 password=PASSWORD_$1
    mkdir -p "$D/api"
    jq -nc --arg u "$login" --arg p "${!password}" '{user: $u, password: $p}' |
        curl -sS -f -c "$D/api/$login.cookie" -H 'Content-Type: application/json' --data @- \
            "http://127.0.0.1:$PORT_READER/api/v1/login" >"$D/api/$login.json"
}

site_api() { # LOGIN METHOD PATH [JSON] > answer; 1 and the answer on stderr when it is a refusal
    local body=() status
    [ -z "${4:-}" ] || body=(--data "$4" -H 'Content-Type: application/json')
    status=$(curl -sS -o "$D/api/answer" -w '%{http_code}' -X "$2" -b "$D/api/$1.cookie" \
        -H "X-Radpost-CSRF: $(jq -r .csrf "$D/api/$1.json")" "${body[@]}" "http://127.0.0.1:$PORT_READER/api/v1/$3")
    site_answer "$status" "$D/api/answer" "$2 $3"
}

site_desk() { # METHOD PATH [JSON] > answer of the clinic's desk; 1 and the answer on stderr when it is a refusal
    local body=() status
    [ -s "$D/api/desk.json" ] || site_desk_login desk || { echo "nobody can sign in at the desk" >&2; return 1; }
    [ -z "${3:-}" ] || body=(--data "$3" -H 'Content-Type: application/json')
    status=$(curl -sS -o "$D/api/desk" -w '%{http_code}' -X "$1" -b "$D/api/desk.cookie" -H "X-Radpost-CSRF: $(jq -r .csrf "$D/api/desk.json")" \
        "${body[@]}" "http://127.0.0.1:$PORT_DESK/desk/v1/$2")
    site_answer "$status" "$D/api/desk" "$1 $2"
}

# --- the desk's accounts: the first by a one-time code of this machine, the others invited by it; random passwords
SITE_DESK_LOGINS="desk-admin desk engineer"

site_desk_open() { # PATH JSON COOKIES > answer of a route that asks no session
    curl -sS -f -c "$3" -H 'Content-Type: application/json' --data "$2" "http://127.0.0.1:$PORT_DESK/desk/v1/$1"
}

site_desk_login() { # LOGIN: its cookie and CSRF value are kept in D/api
    local password=DESK_PASSWORD_${1//-/_}
    mkdir -p "$D/api"
    . "$D/desk-accounts"
    site_desk_open login "$(jq -nc --arg u "$1" --arg p "${!password}" '{login: $u, password: $p}')" "$D/api/$1.cookie" >"$D/api/$1.json.new" &&
        mv "$D/api/$1.json.new" "$D/api/$1.json"
}

site_desk_invite() { # LOGIN NAME ROLE PASSWORD
    local code
    code=$(curl -sS -f -b "$D/api/desk-admin.cookie" -H "X-Radpost-CSRF: $(jq -r .csrf "$D/api/desk-admin.json")" -H 'Content-Type: application/json' \
        --data "$(jq -nc --arg l "$1" --arg n "$2" --arg r "$3" '{login: $l, name: $n, roles: [$r]}')" \
        "http://127.0.0.1:$PORT_DESK/desk/v1/accounts" | jq -r .code) || return 1
    site_desk_open code "$(jq -nc --arg c "$code" --arg p "$4" '{code: $c, password: $p}')" "$D/api/$1.cookie" >"$D/api/$1.json"
}

site_desk_accounts() {
    local login code
    [ ! -s "$D/desk-accounts" ] || { . "$D/desk-accounts"; return 0; }
    (
        umask 077
        mkdir -p "$D/api"
        for login in $SITE_DESK_LOGINS; do
            printf 'DESK_PASSWORD_%s=%s\n' "${login//-/_}" "$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')"
        done >"$D/desk-accounts.new"
        . "$D/desk-accounts.new"
        code=$("$BIN/radpost-gateway" --config "$D/gateway/gateway.conf" desk-account 2>>"$D/log/desk-account.log" | tail -1)
        site_desk_open code "$(jq -nc --arg c "$code" --arg p "$DESK_PASSWORD_desk_admin" \
            '{code: $c, login: "desk-admin", name: "演示管理员", password: $p}')" "$D/api/desk-admin.cookie" >"$D/api/desk-admin.json" &&
            site_desk_invite desk "演示技师" technician "$DESK_PASSWORD_desk" &&
            site_desk_invite engineer "演示工程师" engineer "$DESK_PASSWORD_engineer" &&
            mv "$D/desk-accounts.new" "$D/desk-accounts"
    ) || site_die "the desk's accounts could not be made; see $D/log/desk-account.log and $D/log/gateway.log"
    . "$D/desk-accounts"
}

site_desk_state() { # > what a program of this machine may see of the desk
    curl -sS -f -H "Authorization: Bearer $(cat "$D/gateway/desk/token")" "http://127.0.0.1:$PORT_DESK/desk/v1/state"
}

site_answer() { # STATUS FILE WORDS
    case $1 in
    2*) [ "$1" = 204 ] || cat "$2" ;;
    *) printf '%s: %s %s\n' "$3" "$1" "$(cat "$2")" >&2; return 1 ;;
    esac
}

site_until() { # SECONDS COMMAND...: until it succeeds
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || return 1
        read -r -t 0.2 <> <(:) || true
    done
}

site_outbox_last() { (cd "$D/outbox" && ls -- *.txt 2>/dev/null) | tail -1; }

site_outbox_find() { # PATTERN [AFTER-FILE] > the newest message to the demo patient's phone that matches
    local file
    for file in $(cd "$D/outbox" && ls -r -- *.txt 2>/dev/null); do
        [ -z "${2:-}" ] || [[ $file > $2 ]] || break
        if jq -e --arg p "$1" '.text | test($p)' "$D/outbox/$file" >/dev/null 2>&1; then
            jq -r .text "$D/outbox/$file"
            return 0
        fi
    done
    return 1
}

# At the desk, before the exposure: who comes, a phone that is theirs, the slip.
site_register() {
    local row before
    row=$(site_desk POST registrations '{"name":"演示患者","citizen_id":"110101196205172629","sex":"F","birth":"19620517",
        "phone":"13800000000","history":"高血压十年","complaint":"头痛三天","urgent":false,"modality":"CT"}') || return 1
    SITE_REGISTRATION=$(jq -r .registration <<<"$row")
    before=$(site_outbox_last)
    site_desk POST "registrations/$SITE_REGISTRATION/phone-code" '{}' >/dev/null || return 1
    site_until 20 site_outbox_find '[0-9]{6}' "$before" || { site_say "no code came to the patient's phone"; return 1; }
    site_desk POST "registrations/$SITE_REGISTRATION/phone-check" \
        "{\"code\":\"$(site_outbox_find '[0-9]{6}' "$before" | grep -oE '[0-9]{6}' | head -1)\"}" >/dev/null || return 1
    (umask 077 && site_desk POST "registrations/$SITE_REGISTRATION/slip" '{}' | jq -r .code >"$D/patient-code") || return 1
    site_say "registered at the desk, phone verified, slip printed"
}

site_read_of() { # STUDY > the number of its read on the doctor's worklist
    local read
    read=$(site_api doctor GET worklist | jq -r --arg s "$1" '[.items[] | select(.study == $s)][0].read // empty')
    [ -n "$read" ] && printf '%s\n' "$read"
}

site_shown() { # READ STUDY LOGIN: what the reading page says when every image was on the screen
    local sops
    sops=$(curl -sS -f -b "$D/api/$3.cookie" -H 'Accept: application/dicom+json' \
        "http://127.0.0.1:$PORT_READER/dicomweb/studies/$2/metadata" | jq -c '{instances: [.[] | .["00080018"].Value[0]]}') || return 1
    site_api "$3" POST "reads/$1/shown" "$sops" >/dev/null
}

site_report_base() { site_api "$2" GET "reads/$1/report" | jq -r .base; }

site_desk_has_report() { # READ > version
    site_desk GET reports | jq -e --argjson r "$1" '[.reports[] | select(.read == $r and .standing == "valid" and .is_here)] | length > 0'
}

# From assigned to fetched: two people write and sign through the API, the desk gets it, the patient reads it.
site_read_walk() { # STUDY
    local study=$1 read reason before
    site_api_login doctor && site_api_login reviewer || { site_say "a demo account cannot log in"; return 1; }
    site_desk POST "registrations/$SITE_REGISTRATION/attach" "{\"study\":\"$study\"}" >/dev/null || return 1
    site_until 60 site_read_of "$study" || { site_say "the study is on no worklist"; return 1; }
    read=$(site_read_of "$study")
    site_until 30 site_read_is "$read" doctor assigned || { site_say "the read is not assigned"; return 1; }
    reason=$(site_api doctor GET "reads/$read" | jq -r '"\(.assigned_to.name): \(.reason)"')
    site_say "assigned to $reason"
    site_api doctor POST "reads/$read/claim" '{}' >/dev/null && site_shown "$read" "$study" doctor || return 1
    site_api doctor PUT "reads/$read/draft" "$(jq -nc --argjson b "$(site_report_base "$read" doctor)" \
        '{base: $b, exam: "颅脑 CT 平扫", findings: "左侧顶叶见一类圆形稍高密度影，边界清楚。余脑实质未见异常。", impression: "左侧顶叶占位，建议增强扫描。"}')" >/dev/null || return 1
    site_api doctor POST "reads/$read/write" "{\"base\":$(site_report_base "$read" doctor)}" >/dev/null || return 1
    site_say "written"
    site_api reviewer POST "reads/$read/claim" '{}' >/dev/null && site_shown "$read" "$study" reviewer || return 1
    site_api reviewer POST "reads/$read/review" "{\"base\":$(site_report_base "$read" reviewer),\"accept\":true}" >/dev/null || return 1
    site_say "reviewed"
    before=$(site_outbox_last)
    site_api reviewer POST "reads/$read/sign" "{\"base\":$(site_report_base "$read" reviewer)}" >/dev/null || return 1
    site_say "signed"
    site_until 30 site_desk_has_report "$read" || { site_say "the report is not at the desk"; return 1; }
    site_say "returned to the clinic"
    site_until 30 site_outbox_find . "$before" || { site_say "the patient was not told"; return 1; }
    site_say "patient notified"
    site_patient_reads || return 1
}

site_read_is() { # READ LOGIN STATE...
    local state
    state=$(site_api "$2" GET "reads/$1" | jq -r .state)
    [[ " ${*:3} " == *" $state "* ]]
}

# The slip's code, the code that comes to the phone, the report.
site_patient_reads() {
    local url=http://127.0.0.1:$PORT_PATIENT/api/v1 challenge before
    before=$(site_outbox_last)
    challenge=$(jq -nc --arg c "$(cat "$D/patient-code")" '{code: $c}' |
        curl -sS -f -H 'Content-Type: application/json' --data @- "$url/open" | jq -r .challenge) || return 1
    site_until 20 site_outbox_find '[0-9]{6}' "$before" || { site_say "no one-time code came"; return 1; }
    jq -nc --arg c "$challenge" --arg o "$(site_outbox_find '[0-9]{6}' "$before" | grep -oE '[0-9]{6}' | head -1)" '{challenge: $c, otp: $o}' |
        curl -sS -f -c "$D/api/patient.cookie" -H 'Content-Type: application/json' --data @- "$url/enter" >/dev/null || return 1
    curl -sS -f -b "$D/api/patient.cookie" "$url/exam" | jq -e '.report.impression | test("占位")' >/dev/null ||
        { site_say "the patient does not see the report"; return 1; }
    site_say "read by the patient"
}
