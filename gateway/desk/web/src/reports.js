// reports.js - what came back: to be printed, handed over and confirmed; what was replaced, withdrawn or has late images
// says so in its own row.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Pages, useFound } from "./found.js";
import { Handover } from "./handover.js";
import { Mark, sentence, Work, Wrong } from "./parts.js";
import { post } from "./state.js";
import { fullTime, say } from "./words.js";

const isLate = (r) => r.is_late;
const colourOf = (r) => (r.standing === "withdrawn" ? "red" : r.standing === "amended" ? "grey" : isLate(r) ? "amber" : "green");

function Marks({ r }) {
  return html`<span class="marks">
    ${r.standing === "withdrawn" && html`<${Mark} colour="red">${say("withdrawn")}<//>`}
    ${r.standing === "amended" && html`<${Mark} colour="red">${say("replaced")}<//>`}
    ${r.standing === "valid" && r.replaces > 0 && html`<${Mark} colour="amber">${say("corrected", r)}<//>`}
    ${r.is_preliminary && html`<${Mark} colour="amber">${say("preliminary")}<//>`}
    ${isLate(r) && html`<${Mark} colour="red">${say("late", r)}<//>`}
    ${r.standing === "valid" && r.looked_us > 0 && html`<${Mark} colour="green">${say("late_looked", r)}<//>`}
    ${r.printed_us > 0 && html`<${Mark} colour="grey">${say("printed_at", fullTime(r.printed_us))}<//>`}
  </span>`;
}

function Report({ r }) {
  const [wrong, setWrong] = useState("");
  const print = () => post(`reports/${r.read}/${r.version}/printed`).catch((error) => setWrong(sentence(error)));
  const address = `/desk/v1/reports/${r.read}/${r.version}.pdf`;
  return html`<li class="study ${colourOf(r)}" data-read=${r.read} data-version=${r.version}>
    <div class="what"><b>${r.patient || "?"}</b><span class="quiet">${r.modality} · ${say("report_version", r.version)}</span></div>
    <div class="how">
      <${Marks} r=${r} />
      <span>${say("signed_by", r)}</span>
      <span class="quiet">${[r.hospital, fullTime(r.signed_at_us)].filter(Boolean).join(" · ")}</span>
      ${r.reason && html`<span>${say("because", r.reason)}</span>`}
      ${r.standing === "valid" && r.looked_us > 0 && r.looked_reason && html`<span>${say("looked_because", r.looked_reason)}</span>`}
      <${Wrong}>${wrong}<//>
    </div>
    <div class="may">
      ${r.is_here !== false ? html`<a class="button" href=${address} target="_blank" rel="noopener" onClick=${print}>${say("open_print")}</a>` : html`<span class="quiet">${say("fetching")}</span>`}
      ${r.printed_us > 0 && r.standing === "valid" && html`<${Work} onError=${setWrong} onClick=${() => post(`reports/${r.read}/${r.version}/unprinted`)}>${say("print_back")}<//>`}
      ${r.confirmed_us ? html`<${Mark} colour="green">✓ ${say("confirmed")}<//>`
        : r.standing !== "amended" && html`<${Work} onError=${setWrong} onClick=${() => post(`reports/${r.read}/${r.version}/confirm`)}>${say(r.standing === "withdrawn" ? "confirm_withdrawn" : "confirm")}<//>`}
    </div>
  </li>`;
}

// What is valid, here, and was on no printer yet.
const isUnprinted = (r) => r.standing === "valid" && r.is_here !== false && !r.printed_us;

export function Reports({ now }) {
  const [isQueue, setQueue] = useState(false);
  const [asked, setAsked] = useState(null); // null: the first ones, which the state has
  const [wrong, setWrong] = useState("");
  const found = useFound("reports/find", asked, now.change, setWrong);
  const listed = (asked ? found : now)?.reports || [];
  const reports = isQueue ? listed.filter(isUnprinted) : listed;
  return html`<section aria-labelledby="reports">
    <div class="line"><h2 id="reports">${say("reports")}</h2>
      <div class="quick" role="group" aria-label=${say("print_queue")}>
        <button type="button" aria-pressed=${!isQueue} onClick=${() => setQueue(false)}>${say("reports_all", now.reports_n || 0)}</button>
        <button type="button" aria-pressed=${isQueue} onClick=${() => setQueue(true)}>${say("reports_unprinted", now.reports_unprinted || 0)}</button></div></div>
    <${Wrong}>${wrong}<//>
    ${(asked || now.reports_n > listed.length) && html`<${Pages} skip=${asked?.skip || 0} listed=${listed.length} n=${now.reports_n} onGo=${(skip) => setAsked(skip > 0 ? { skip } : null)} />`}
    ${now.reports_n > listed.length && html`<p class="quiet">${say("reports_cut")}</p>`}
    ${reports.length === 0 && (!asked || found) && html`<p class="quiet">${say(isQueue ? "none_unprinted" : "no_reports")}</p>`}
    <ul class="studies">${reports.map((r) => html`<${Report} key=${`${r.read}/${r.version}`} r=${r} />`)}</ul>
  </section>
  <${Handover} now=${now} />`;
}
