// master.js - organisations, doctors and agreements as tables: read only, also for supervisors.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../../shared/api.js";
import { Mark, Notice, sentence, Table } from "../../shared/components.js";
import { fullDay, minutesTo } from "../../shared/times.js";
import { knows, say } from "../../shared/words.js";

const SOON_MIN = 60 * 24 * 60;

// One list of the interface; null while it is on its way.
export function useList(path, name = "items") {
  const [list, setList] = useState(null);
  const [wrong, setWrong] = useState("");
  const ask = () => get(path).then((answer) => { setList(answer[name] || []); setWrong(""); }, (error) => setWrong(sentence(error)));
  useEffect(() => { ask(); }, [path]);
  return { list, wrong, ask };
}

// The tree as rows: every organisation after the one above it, indented.
export function inTree(list) {
  const rows = [];
  const codes = new Set(list.map((o) => o.code));
  const walk = (parent, depth) => list.filter((o) => o.parent === parent).forEach((o) => {
    rows.push({ ...o, depth });
    walk(o.code, depth + 1);
  });
  list.filter((o) => !o.parent || !codes.has(o.parent)).forEach((root) => {
    rows.push({ ...root, depth: 0 });
    walk(root.code, 1);
  });
  return rows;
}

export const Indented = ({ org }) => html`<span class="depth-${Math.min(org.depth, 5)}">${org.name}</span>`;

export function Organisations({ list }) {
  const nameOf = (code) => list.find((o) => o.code === code)?.name || code || "";
  return html`<${Table} caption=${say("organisations")} heads=${[say("organisation"), say("code"), say("kind"), say("parent")]} empty=${say("no_organisations")}
    rows=${inTree(list).map((o) => [html`<${Indented} org=${o} />`, o.code, knows(o.kind) ? say(o.kind) : o.kind, nameOf(o.parent)])} />`;
}

function Validity({ from, until }) {
  const left = until ? minutesTo(until) : Infinity;
  const last = until && new Date(new Date(until).getTime() - 1).toISOString(); // until is the first moment after it
  return html`${fullDay(from)} – ${fullDay(last)} ${left < 0 ? html`<${Mark} colour="red">${say("expired")}<//>` : left < SOON_MIN ? html`<${Mark} colour="amber">${say("expiring")}<//>` : null}`;
}

export function Doctors({ list, nameOf }) {
  const { list: doctors, wrong } = useList("doctors");
  return html`<${Notice} kind="bad">${wrong}<//>
    ${doctors && html`<${Table} caption=${say("doctors")} heads=${[say("name"), say("licence"), say("valid"), say("licensed_for"), say("works_at"), say("duty")]} empty=${say("no_doctors")}
      rows=${doctors.map((d) => [html`<b>${d.name || d.login}</b> <span class="quiet">${d.login}</span>`, d.licence, html`<${Validity} from=${d.valid_from} until=${d.valid_until} />`,
        (d.modalities || []).join(" "), (d.organisations || []).map((o) => nameOf(o)).join("、"),
        html`<${Mark} colour=${d.is_on_duty ? "green" : "grey"}>${say(d.is_on_duty ? "on_duty" : "off_duty")}<//>`])} />`}`;
}

export function Agreements({ nameOf }) {
  const { list, wrong } = useList("agreements");
  return html`<${Notice} kind="bad">${wrong}<//>
    ${list && html`<${Table} caption=${say("agreements")}
    heads=${[say("code"), say("version"), say("inviting"), say("invited_party"), say("modality"), say("valid"), say("turnaround"), say("alone")]} empty=${say("no_agreements")}
    rows=${list.map((a) => [a.code, a.version, nameOf(a.inviting), nameOf(a.invited), (a.modalities || []).join(" "),
      html`<${Validity} from=${a.valid_from} until=${a.valid_until} />`, a.turnaround_minutes ? say("turnaround_is", a.turnaround_minutes) : "", say(a.may_read_alone ? "yes" : "no")])} />`}`;
}
