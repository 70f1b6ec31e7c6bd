// handover.js - returned reports on their way to the clinic's own systems: what each target answered, and sending again.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Mark, Work, Wrong } from "./parts.js";
import { post } from "./state.js";
import { fullTime, knows, say } from "./words.js";

const COLOURS = { delivered: "green", waiting: "amber", refused: "red", obsolete: "grey", before: "grey" };

// What has to be looked at: the number on the tab.
export const refusedCount = (now) => (now.handover || []).reduce((sum, t) => sum + t.refused, 0);

const why = (trouble) => (knows(`his_why_${trouble}`) ? say(`his_why_${trouble}`) : trouble);

function Delivery({ d }) {
  const [wrong, setWrong] = useState("");
  return html`<li class="row" data-delivery=${d.delivery} data-state=${d.state}>
    <b>${d.patient || "?"}</b>
    <span>${say(`his_${d.target}`)} · ${d.modality} ${say("report_version", d.version)}${d.is_withdrawal ? ` · ${say("his_withdrawal")}` : ""}</span>
    <${Mark} colour=${COLOURS[d.state]}>${say(`his_${d.state}`)}<//>
    <span class="quiet">${d.state === "delivered" ? `${d.receipt} · ${fullTime(d.done_us)}` : d.trouble ? `${why(d.trouble)}${d.receipt.trim() && ` (${d.receipt.trim()})`}${d.tries > 1 ? ` · ${say("his_tries", d.tries)}` : ""}` : ""}</span>
    <${Wrong}>${wrong}<//>
    ${(!d.is_overtaken || d.state === "waiting") && html`<${Work} onError=${setWrong} onClick=${() => post(`deliveries/${d.delivery}/again`)}>${say("his_again")}<//>`}
  </li>`;
}

const List = ({ of }) => html`<ul class="rows">${of.map((d) => html`<${Delivery} key=${d.delivery} d=${d} />`)}</ul>`;

export function Handover({ now }) {
  const all = now.deliveries || [];
  const open = all.filter((d) => d.state === "refused" || d.state === "waiting");
  const done = all.filter((d) => d.state !== "refused" && d.state !== "waiting");
  if ((now.handover || []).length === 0) return null;
  return html`<section aria-labelledby="handover">
    <h2 id="handover">${say("handover")}</h2>
    <p class="quiet">${say("handover_why")}</p>
    ${open.length === 0 && html`<p class="quiet">${say("handover_none")}</p>`}
    <${List} of=${open} />
    ${done.length > 0 && html`<details><summary>${say("handover_done", done.length)}</summary><${List} of=${done} /></details>`}
  </section>`;
}

// For whoever installs devices: the targets and what troubles them, nothing of a patient.
export function OwnSystems({ now }) {
  const targets = now.handover || [];
  if (targets.length === 0) return null;
  return html`<section aria-labelledby="own-systems">
    <h2 id="own-systems">${say("handover")}</h2>
    <ul class="rows">${targets.map((t) => html`<li class="row" data-target=${t.target}><b>${say(`his_${t.target}`)}</b>
      <${Mark} colour=${t.refused ? "red" : t.waiting ? "amber" : "green"}>${say("his_numbers", t)}<//>
      <span class="quiet">${why(t.trouble)}</span></li>`)}</ul>
  </section>`;
}
