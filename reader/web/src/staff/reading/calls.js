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
    ${isOpen ? html`<p class="wrong">${say("rd_call_open")} ${phone ? html`<a href="tel:${phone.replace(/[^+\d]/g, "")}">${phone}</a>` : say("rd_call_no_phone")}</p>`
      : html`<p>${say(`rd_call_${call.answer.outcome}`)}${say("colon")}“${call.answer.words}” <span class="quiet">${call.answer.by} · ${dayTime(call.answer.at)}</span></p>`}
  </li>`;
}

// Of 16 random bytes (RFC 9562 version 4): randomUUID() is not there on a page without TLS.
function uuid() {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const hex = [...b].map((n) => n.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

export function Calls({ item, standing }) {
  const [calls, setCalls] = useState([]);
  const [kind, setKind] = useState("");
  const [words, setWords] = useState("");
  const [id, setId] = useState(""); // of the call being written: pressed again after a lost answer it is the same call
  const [error, setError] = useState(null);
  const mayCall = (user.value?.roles ?? []).some((role) => role === "doctor" || role === "reviewer");
  const isOnPreview = !standing || standing.onTheWay > 0 || standing.whole < standing.offered;
  const path = `reads/${item.read}/calls`;
  const take = (answer) => setCalls(answer.calls);
  useEffect(() => {
    get(path).then(take).catch(() => null); // with each event of the read; what is shown stays
  }, [item]);
  const write = (text) => {
    setWords(text);
    if (error) setId(uuid()); // other words are another call, should the first have arrived
  };
  const begin = (what) => {
    setKind(what);
    setId(uuid());
  };
  const send = async () => {
    if (!words.trim()) return;
    try {
      take(await post(path, { call: id, kind, words: words.trim(), is_on_preview: kind === "critical" && isOnPreview }));
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
      <button type="button" onClick=${() => begin("critical")}>${say("rd_call_critical")}…</button>
      <button type="button" onClick=${() => begin("repeat")}>${say("rd_call_repeat")}…</button></p>`}
    ${mayCall && kind !== "" && html`<div class="field"><label for="call-words">${say(`rd_call_ask_${kind}`)}</label>
      <textarea id="call-words" rows="2" maxlength="190" value=${words} onInput=${(event) => write(event.target.value)}></textarea>
      ${kind === "critical" && isOnPreview && html`<p class="quiet">${say("rd_call_on_preview")}</p>`}
      ${error && html`<${Notice} kind="bad">${sentence(error)}<//>`}
      <p class="buttons"><${Work} onClick=${send}>${say("rd_call_send")}<//> <button type="button" onClick=${() => setKind("")}>${say("cancel")}</button></p></div>`}
  </section>`;
}
