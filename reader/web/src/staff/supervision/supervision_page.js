// supervision_page.js - everything below one's own organisation, read only: how reads stand, what is overdue, the trail.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import "../worklist/worklist_words.js";
import "../worklist/worklist.css";
import "../admin/admin_words.js";
import "../admin/admin.css";
import "./audit_words.js";
import "./supervision_words.js";
import { follow, get } from "../../shared/api.js";
import { Mark, Notice, sentence, Table } from "../../shared/components.js";
import { fullTime, minutesTo, span } from "../../shared/times.js";
import { knows, say } from "../../shared/words.js";
import { Agreements, Doctors, inTree, Indented, useList } from "../admin/master.js";
import { Due, examText, isDone, isOverdue, personName, Reader, sexAge, State, Urgency } from "../worklist/reads.js";

const FIGURES = {
  open: (r) => !isDone(r),
  overdue: isOverdue,
  emergency: (r) => !isDone(r) && r.urgency === "emergency",
  uncovered: (r) => r.state === "unagreed",
  late: (r) => isDone(r) && r.is_late,
  signed: (r) => r.state === "signed" || r.state === "amended",
};
const SILENT_MIN = 10;
const ASK_MS = 60000;
const ALARMS = ["overdue", "uncovered", "late"];

function useReads() {
  const [reads, setReads] = useState(null);
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    const ask = () => get("worklist").then((answer) => { setReads(answer.items); setWrong(""); }, (error) => setWrong(sentence(error)));
    const events = follow("worklist/stream", ask);
    ask();
    return () => events.stop();
  }, []);
  return { reads, wrong };
}

const count = (reads, name) => reads.filter((r) => FIGURES[name](r)).length;

function Board({ reads }) {
  return html`<div class="board">${Object.keys(FIGURES).map((name) => {
    const n = count(reads, name);
    return html`<div class=${n > 0 && ALARMS.includes(name) ? "bad" : ""}><b>${n}</b>${say(`board_${name}`)}<br /><span class="quiet">${say(`board_${name}_is`)}</span></div>`;
  })}</div>`;
}

function ByClinic({ reads, organisations }) {
  const rows = inTree(organisations).map((org) => [org, reads.filter((r) => r.tenant === org.code)]);
  const oldest = (list) => {
    const first = list.filter((r) => !isDone(r)).map((r) => r.closed_at).sort()[0];
    return first ? say("since", -minutesTo(first)) : "";
  };
  return html`<${Table} caption=${say("by_clinic")} empty=${say("no_organisations")}
    heads=${[say("organisation"), ...Object.keys(FIGURES).map((name) => say(`board_${name}`)), say("oldest")]}
    rows=${rows.map(([org, list]) => [html`<${Indented} org=${org} />`, ...Object.keys(FIGURES).map((name) => count(list, name) || "·"), oldest(list)])} />`;
}

function Overdue({ reads }) {
  const late = reads.filter((r) => isOverdue(r)).sort((a, b) => a.due_at.localeCompare(b.due_at));
  return html`<${Table} caption=${say("overdue_list")} empty=${say("none_overdue")}
    heads=${[say("urgency"), say("patient"), say("clinic"), say("exam"), say("state"), say("due"), say("reader")]}
    rows=${late.map((r) => [html`<${Urgency} read=${r} />`, html`<a href="#/reads/${r.read}">${personName(r.patient.name)}</a><span class="line quiet">${sexAge(r.patient)}</span>`,
      r.clinic || r.tenant, examText(r), html`<${State} read=${r} />`, html`<${Due} read=${r} />`, html`<${Reader} read=${r} />`])} />`;
}

function Parts({ parts }) {
  if (!parts) return html`<span class="quiet">${say("parts_untold")}</span>`;
  if (parts.length === 0) return html`<${Mark} colour="green">${say("parts_run")}<//>`;
  return parts.map((p) => html`<span class="line"><${Mark} colour="red">${knows(`part_${p}`) ? say(`part_${p}`) : p}<//></span>`);
}

function Gateways() {
  const [state, setState] = useState(null);
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    const ask = () => get("gateways").then((answer) => { setState(answer); setWrong(""); }, (error) => setWrong(sentence(error)));
    const timer = setInterval(ask, ASK_MS);
    ask();
    return () => clearInterval(timer);
  }, []);
  const heard = (g) => (-minutesTo(g.heard_at) > SILENT_MIN ? html`<${Mark} colour="amber">${say("silent")} ${span(minutesTo(g.heard_at))}<//>` : "");
  return html`<${Notice} kind="bad">${wrong}<//><${Notice} kind="bad">${state?.is_database_full && say("database_full")}<//>
    ${state && html`<${Table} caption=${say("gateways")} heads=${[say("clinic"), say("gateway"), say("heard"), say("parts_away")]} empty=${say("no_gateways")}
      rows=${state.items.map((g) => [g.clinic_name, html`${g.device} ${g.is_doubled && html`<${Mark} colour="red">${say("two_boxes")}<//>`}`, html`${fullTime(g.heard_at)} ${heard(g)}`, html`<${Parts} parts=${g.parts} />`])} />`}`;
}

// What an entry is about: a study that is listed here by its patient, anything else as the trail has it.
function Subject({ of, reads }) {
  const read = of && (reads || []).find((r) => r.study === of);
  return read ? html`<a href="#/reads/${read.read}">${personName(read.patient.name)}</a> ${examText(read)}` : html`<span class="uid">${of || ""}</span>`;
}

function Audit({ reads }) {
  const { list, wrong } = useList("audit?limit=100", "entries");
  return html`<h2>${say("audit")}</h2>
    <${Notice} kind="warn">${wrong && `${say("audit_refused")}：${wrong}`}<//>
    ${list && html`<${Table} caption=${say("audit")} heads=${[say("at"), say("actor"), say("event"), say("subject")]} empty=${say("no_audit")}
      rows=${list.map((e) => [fullTime(e.at), e.actor_name ? html`${e.actor_name}<span class="line quiet">${e.actor}</span>` : e.actor || "", say(e.event), html`<${Subject} of=${e.subject} reads=${reads} />`])} />`}`;
}

export default function Supervision() {
  const { reads, wrong } = useReads();
  const { list: organisations } = useList("organisations");
  const nameOf = (code) => (organisations || []).find((o) => o.code === code)?.name || code || "";
  return html`<main id="content" tabindex="-1" class="admin">
    <h1>${say("supervision")}</h1>
    <p class="quiet">${say("own_only")}</p>
    <${Notice} kind="bad">${wrong}<//>
    ${reads && html`<${Board} reads=${reads} />`}
    <h2>${say("by_clinic")}</h2>${reads && organisations && html`<${ByClinic} reads=${reads} organisations=${organisations} />`}
    <h2>${say("overdue_list")}</h2>${reads && html`<${Overdue} reads=${reads} />`}
    <h2>${say("gateways")}</h2><${Gateways} />
    <h2>${say("doctors")}</h2><${Doctors} nameOf=${nameOf} />
    <h2>${say("agreements")}</h2><${Agreements} nameOf=${nameOf} />
    <${Audit} reads=${reads} />
  </main>`;
}
