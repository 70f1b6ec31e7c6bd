// calls.js - call the clinic: a critical finding, which somebody there reads back, or images to be made again; and what they said.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { get, post } from "../../shared/api.js";
import { Notice, sentence, Work } from "../../shared/components.js";
import { dayTime } from "../../shared/times.js";
import { user } from "../session.js";
import { say } from "./reading_words.js";

function Call({ call, phone }) {
  const isOpen = !call.answer;
  return html`<li data-call=${call.kind} data-answered=${!isOpen}>
    <span class="mark ${isOpen ? "red" : "green"}">${say(`rd_call_${call.kind}`)}</span> <strong>${call.words}</strong>
    ${call.is_on_preview && html` <span class="quiet">${say("rd_call_on_preview")}</span>`}
    <p class="quiet">${call.by.name} · ${dayTime(call.at)} · ${call.arrived_at ? say("rd_call_arrived", dayTime(call.arrived_at)) : say("rd_call_on_way")}</p>
    ${isOpen ? html`<p class="wrong">${say("rd_call_open")} ${phone && html`<a href="tel:${phone.replace(/[^+\d]/g, "")}">${phone}</a>`}</p>`
      : html`<p>${say(`rd_call_${call.answer.outcome}`)}: “${call.answer.words}” <span class="quiet">${call.answer.by} · ${dayTime(call.answer.at)}</span></p>`}
  </li>`;
}

export function Calls({ item, standing }) {
  const [calls, setCalls] = useState([]);
  const [kind, setKind] = useState("");
  const [words, setWords] = useState("");
  const [error, setError] = useState(null);
  const mayCall = (user.value?.roles ?? []).some((role) => role === "doctor" || role === "reviewer");
  const isOnPreview = !standing || standing.onTheWay > 0 || standing.whole < standing.offered;
  const path = `reads/${item.read}/calls`;
  const take = (answer) => setCalls(answer.calls);
  useEffect(() => {
    get(path).then(take).catch(() => null); // with each event of the read; what is shown stays
  }, [item]);
  const send = async () => {
    if (!words.trim()) return;
    try {
      take(await post(path, { kind, words: words.trim(), is_on_preview: kind === "critical" && isOnPreview }));
      setKind("");
      setWords("");
      setError(null);
    } catch (why) {
      setError(why);
    }
  };
  if (!mayCall && calls.length === 0) return null;
  return html`<section class="calls" aria-label=${say("rd_calls")}>
    ${calls.length > 0 && html`<ul>${calls.map((call) => html`<${Call} key=${call.call} call=${call} phone=${item.clinic_phone} />`)}</ul>`}
    ${mayCall && kind === "" && html`<p class="buttons">
      <button type="button" onClick=${() => setKind("critical")}>${say("rd_call_critical")}…</button>
      <button type="button" onClick=${() => setKind("repeat")}>${say("rd_call_repeat")}…</button></p>`}
    ${mayCall && kind !== "" && html`<div class="field"><label for="call-words">${say(`rd_call_ask_${kind}`)}</label>
      <textarea id="call-words" rows="2" maxlength="190" value=${words} onInput=${(event) => setWords(event.target.value)}></textarea>
      ${kind === "critical" && isOnPreview && html`<p class="quiet">${say("rd_call_on_preview")}</p>`}
      ${error && html`<${Notice} kind="bad">${sentence(error)}<//>`}
      <p class="buttons"><${Work} onClick=${send}>${say("rd_call_send")}<//> <button type="button" onClick=${() => setKind("")}>${say("cancel")}</button></p></div>`}
  </section>`;
}
