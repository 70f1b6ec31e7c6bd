// targets.js - other archives that get images from here: how each stands, what it refused.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Mark, Work, Wrong } from "./parts.js";
import { me, post } from "./state.js";
import { fullTime, say } from "./words.js";

function Refused({ t, may, onError }) {
  if (t.refused === 0) return null;
  return html`<ul class="rows">${t.refused_list.map((r) => html`<li class="row"><span class="uid">${r.sop_instance}</span>
      <span>${r.why || say("target_status", r.status.toString(16).toUpperCase().padStart(4, "0"))} · ${fullTime(r.at_us)}</span>
      ${may && html`<${Work} onError=${onError} onClick=${() => post(`targets/${t.name}/leave`, { entry: r.entry })}>${say("target_leave")}<//>`}</li>`)}</ul>
    ${may && html`<${Work} onError=${onError} onClick=${() => post(`targets/${t.name}/requeue`, {})}>${say("target_requeue")}<//>`}`;
}

function Target({ t }) {
  const [wrong, setWrong] = useState("");
  const may = me.value?.may_engineer && !t.is_archive;
  return html`<li class="study ${t.colour}" data-target=${t.name}>
    <div class="what"><b>${t.name}</b><span class="quiet">${t.kind === "stow" ? "STOW-RS" : "DICOM"} · ${say(t.is_archive ? "target_instead" : "target_beside")}</span></div>
    <div class="how"><span>${say(`target_${t.line}`)}${t.waiting > 0 ? ` · ${say("target_waiting", t.waiting)}` : ""}</span>
      <span class="quiet">${say("target_there", t)}${t.last_success_us ? ` · ${fullTime(t.last_success_us)}` : ""}</span>
      ${t.trouble && html`<span class="wrong">${t.trouble}</span>`}
      ${t.asking_trouble && html`<span class="wrong">${t.asking_trouble}</span>`}
      ${t.refused > 0 && html`<span class="wrong">${say(t.is_archive ? "target_refused_aside" : "target_refused", t.refused)}</span>`}
      <${Refused} t=${t} may=${may} onError=${setWrong} /><${Wrong}>${wrong}<//></div>
    <div class="may"><${Mark} colour=${t.colour}>${say(`target_${t.line}`)}<//></div>
  </li>`;
}

export function Targets({ list }) {
  if (!list || list.length === 0) return null;
  return html`<section aria-labelledby="targets"><h2 id="targets">${say("targets")}</h2>
    <ul class="studies">${list.map((t) => html`<${Target} key=${t.name} t=${t} />`)}</ul></section>`;
}
