// reports.js - what came back: to be printed, handed over and confirmed; what was replaced, withdrawn or has late images
// says so in its own row.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Handover } from "./handover.js";
import { Mark, sentence, Work, Wrong } from "./parts.js";
import { post } from "./state.js";
import { fullTime, say } from "./words.js";

// What nobody has confirmed: the number on the tab.
export const waiting = (reports) => reports.filter((r) => r.standing !== "amended" && !r.confirmed_us).length;

const isLate = (r) => r.is_late;
const colourOf = (r) => (r.standing === "withdrawn" ? "red" : r.standing === "amended" ? "grey" : isLate(r) ? "amber" : "green");

function Marks({ r, printed }) {
  return html`<span class="marks">
    ${r.standing === "withdrawn" && html`<${Mark} colour="red">${say("withdrawn")}<//>`}
    ${r.standing === "amended" && html`<${Mark} colour="red">${say("replaced")}<//>`}
    ${r.standing === "valid" && r.replaces > 0 && html`<${Mark} colour="amber">${say("corrected", r)}<//>`}
    ${r.is_preliminary && html`<${Mark} colour="amber">${say("preliminary")}<//>`}
    ${isLate(r) && html`<${Mark} colour="red">${say("late", r)}<//>`}
    ${r.standing === "valid" && r.looked_us > 0 && html`<${Mark} colour="green">${say("late_looked", r)}<//>`}
    ${printed && html`<${Mark} colour="grey">${say("printed_at", fullTime(printed.at_us))}<//>`}
  </span>`;
}

// What is valid, here, and was on no printer yet.
export const unprinted = (now) => (now.reports || []).filter((r) => r.standing === "valid" && r.is_here !== false && !printOf(now, r));
const printOf = (now, r) => (now.printed || []).find((p) => p.read === r.read && p.version === r.version);

function Report({ r, printed }) {
  const [wrong, setWrong] = useState("");
  const print = () => post(`reports/${r.read}/${r.version}/printed`).catch((error) => setWrong(sentence(error)));
  const address = `/desk/v1/reports/${r.read}/${r.version}.pdf`;
  return html`<li class="study ${colourOf(r)}" data-read=${r.read} data-version=${r.version}>
    <div class="what"><b>${r.patient || "?"}</b><span class="quiet">${r.modality} · ${say("report_version", r.version)}</span></div>
    <div class="how">
      <${Marks} r=${r} printed=${printed} />
      <span>${say("signed_by", r)}</span>
      <span class="quiet">${[r.hospital, fullTime(r.signed_at_us)].filter(Boolean).join(" · ")}</span>
      ${r.reason && html`<span>${say("because", r.reason)}</span>`}
      ${r.standing === "valid" && r.looked_us > 0 && r.looked_reason && html`<span>${say("looked_because", r.looked_reason)}</span>`}
      <${Wrong}>${wrong}<//>
    </div>
    <div class="may">
      ${r.is_here !== false ? html`<a class="button" href=${address} target="_blank" rel="noopener" onClick=${print}>${say("open_print")}</a>` : html`<span class="quiet">${say("fetching")}</span>`}
      ${printed && r.standing === "valid" && html`<${Work} onError=${setWrong} onClick=${() => post(`reports/${r.read}/${r.version}/unprinted`)}>${say("print_back")}<//>`}
      ${r.confirmed_us ? html`<${Mark} colour="green">✓ ${say("confirmed")}<//>`
        : r.standing !== "amended" && html`<${Work} onError=${setWrong} onClick=${() => post(`reports/${r.read}/${r.version}/confirm`)}>${say(r.standing === "withdrawn" ? "confirm_withdrawn" : "confirm")}<//>`}
    </div>
  </li>`;
}

export function Reports({ now }) {
  const [isQueue, setQueue] = useState(false);
  const all = now.reports || [];
  const queue = unprinted(now);
  const reports = isQueue ? queue : all;
  return html`<section aria-labelledby="reports">
    <div class="line"><h2 id="reports">${say("reports")}</h2>
      <div class="quick" role="group" aria-label=${say("print_queue")}>
        <button type="button" aria-pressed=${!isQueue} onClick=${() => setQueue(false)}>${say("reports_all", all.length)}</button>
        <button type="button" aria-pressed=${isQueue} onClick=${() => setQueue(true)}>${say("reports_unprinted", queue.length)}</button></div></div>
    ${reports.length === 0 && html`<p class="quiet">${say(isQueue ? "none_unprinted" : "no_reports")}</p>`}
    <ul class="studies">${reports.map((r) => html`<${Report} key=${`${r.read}/${r.version}`} r=${r} printed=${printOf(now, r)} />`)}</ul>
  </section>
  <${Handover} now=${now} />`;
}
