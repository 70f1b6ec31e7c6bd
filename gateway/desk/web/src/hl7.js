// hl7.js - messages of the HIS that were not done: what was wrong, and until somebody has seen it, the lamp.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Mark, Work, Wrong } from "./parts.js";
import { me, post } from "./state.js";
import { fullTime, knows, say } from "./words.js";

const why = (r) => r.why.startsWith("placer: this number is another") ? say("hl7_why_other") : say(knows(`hl7_why_${r.error}`) ? `hl7_why_${r.error}` : "hl7_why_");

function Refused({ r, placer }) {
  return html`<li class="row" data-hl7=${r.error || "none"} data-seen=${r.is_seen}>
    <b>${placer ? say("hl7_placer", placer) : say(r.is_order ? "hl7_order" : "hl7_message")}</b>
    <span>${why(r)}</span>
    ${!r.is_seen && html`<${Mark} colour=${r.is_order ? "red" : "amber"}>${say(r.is_order ? "hl7_missing" : "hl7_new")}<//>`}
    <span class="quiet uid">${fullTime(r.at_us)}${r.times > 1 ? ` · ${say("times", r.times)}` : ""} · ${r.peer}${r.answer ? ` · ${r.answer} ${r.error} ${r.place}` : ""} · ${r.why}</span>
  </li>`;
}

export function Hl7({ now }) {
  const [wrong, setWrong] = useState("");
  const list = now.hl7_refused || [];
  const isNew = list.some((r) => !r.is_seen);
  const placers = new Map((now.hl7_placers || []).map((p) => [p.n, p.placer]));
  const seen = () => post("hl7/refused/seen", { until_us: Math.max(...list.map((r) => r.at_us)) });
  if (list.length === 0) return null;
  const rows = html`<ul class="rows">${list.map((r) => html`<${Refused} key=${r.n} r=${r} placer=${placers.get(r.n)} />`)}</ul>`;
  if (!isNew) return html`<details class="notice"><summary>${say("hl7_refused_seen", list.length)}</summary>${rows}</details>`;
  return html`<section aria-labelledby="hl7"><h2 id="hl7">${say("hl7_refused")}</h2>
    <p class="quiet">${say("hl7_refused_how")}</p>${rows}<${Wrong}>${wrong}<//>
    ${me.value?.may_work && html`<div class="quick"><${Work} onError=${setWrong} onClick=${seen}>${say("hl7_seen_do")}<//></div>`}</section>`;
}
