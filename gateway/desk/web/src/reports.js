// reports.js - what came back: to be printed, handed over and confirmed; what was replaced, withdrawn or has late images
// says so in its own row.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Mark, Work, Wrong } from "./parts.js";
import { post } from "./state.js";
import { fullTime, say } from "./words.js";

// What nobody has confirmed: the number on the tab.
export const waiting = (reports) => reports.filter((r) => r.standing !== "amended" && !r.confirmed_us).length;

const isLate = (r) => r.standing === "valid" && (r.is_late || r.present > r.covers);
const colourOf = (r) => (r.standing === "withdrawn" ? "red" : r.standing === "amended" ? "grey" : isLate(r) ? "amber" : "green");

function Marks({ r }) {
  return html`<span class="marks">
    ${r.standing === "withdrawn" && html`<${Mark} colour="red">${say("withdrawn")}<//>`}
    ${r.standing === "amended" && html`<${Mark} colour="red">${say("replaced")}<//>`}
    ${r.standing === "valid" && r.replaces > 0 && html`<${Mark} colour="amber">${say("corrected", r)}<//>`}
    ${r.is_preliminary && html`<${Mark} colour="amber">${say("preliminary")}<//>`}
    ${isLate(r) && html`<${Mark} colour="red">${say("late", r)}<//>`}
  </span>`;
}

function Report({ r }) {
  const [wrong, setWrong] = useState("");
  const address = `/desk/v1/reports/${r.read}/${r.version}.pdf`;
  return html`<li class="study ${colourOf(r)}" data-read=${r.read} data-version=${r.version}>
    <div class="what"><b>${r.patient || "?"}</b><span class="quiet">${r.modality} · ${say("version", r.version)}</span></div>
    <div class="how">
      <${Marks} r=${r} />
      <span>${say("signed_by", r)}</span>
      <span class="quiet">${[r.hospital, fullTime(r.signed_at_us)].filter(Boolean).join(" · ")}</span>
      ${r.reason && html`<span>${say("because", r.reason)}</span>`}
      <${Wrong}>${wrong}<//>
    </div>
    <div class="may">
      ${r.is_here !== false ? html`<a class="button" href=${address} target="_blank" rel="noopener">${say("open_print")}</a>` : html`<span class="quiet">${say("fetching")}</span>`}
      ${r.confirmed_us ? html`<${Mark} colour="green">✓ ${say("confirmed")}<//>`
        : r.standing !== "amended" && html`<${Work} onError=${setWrong} onClick=${() => post(`reports/${r.read}/${r.version}/confirm`)}>${say(r.standing === "withdrawn" ? "confirm_withdrawn" : "confirm")}<//>`}
    </div>
  </li>`;
}

export function Reports({ now }) {
  const reports = now.reports || [];
  return html`<section aria-labelledby="reports">
    <h2 id="reports">${say("reports")}</h2>
    ${reports.length === 0 && html`<p class="quiet">${say("no_reports")}</p>`}
    <ul class="studies">${reports.map((r) => html`<${Report} key=${`${r.read}/${r.version}`} r=${r} />`)}</ul>
  </section>`;
}
