// aside.js - images that were put aside: what each is, and for who may: throw it away (asked twice), take it back.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { Dialog, Field, Folded, Mark, Work, Wrong } from "./parts.js";
import { plainDay, sexWord } from "./people.js";
import { REASONS } from "./rejects.js";
import { get, me, post } from "./state.js";
import { bytes, fullTime, say } from "./words.js";

const clean = (name) => (name || "").replace(/=.*/, "").replace(/\^+/g, " ").trim();
const whose = (w) => [clean(w.name), w.sex && sexWord(w.sex), plainDay(w.birth), w.patient_id].filter(Boolean).join(" · ");
const what = (a) => [a.device, a.modality, a.body_part].filter(Boolean).join(" · ");

// Whose it says it is, then why, then once more: there is no way back after the grace time.
function Discard({ a, onClose }) {
  const [said, setSaid] = useState(null);
  const [reason, setReason] = useState("");
  const [isSure, setSure] = useState(false);
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    get(`aside/${a.entry}`).then(setSaid, () => setSaid({}));
  }, []);
  const send = async () => {
    await post(`aside/${a.entry}/discard`, { reason });
    onClose();
  };
  return html`<${Dialog} title=${say("aside_discard_title")} onClose=${onClose} data-discard=${a.entry}>
    <p><b>${said && (whose(said) || say("aside_unreadable_who"))}</b></p>
    <p class="quiet">${what(a)} · ${fullTime(a.received_at_us)} · ${bytes(a.bytes)}</p><p>${say(`aside_${a.why}`)}</p>
    <${Wrong}>${wrong}<//>
    ${isSure ? html`<p class="old" role="alert">${say("aside_sure")}</p>
        <div class="quick"><${Work} class="danger" onError=${setWrong} onClick=${send}>${say("aside_discard_sure")}<//>
          <button type="button" onClick=${() => setSure(false)}>${say("aside_back")}</button></div>`
      : html`<${Field} label=${say("reject_reason")} name="discard-reason" value=${reason} onInput=${setReason}
          options=${[["", say("choose")], ...REASONS.map((r) => [r, say(`reject_${r}`)])]} />
        <div class="quick"><button type="button" class="primary" disabled=${!reason || !said} onClick=${() => setSure(true)}>${say("aside_discard_do")}</button>
          <button type="button" onClick=${onClose}>${say("shut")}</button></div>`}
  <//>`;
}

// Whose it says it is: read from the image itself, so one after the other.
let last = Promise.resolve();
function useSaid(entry) {
  const [said, setSaid] = useState({});
  useEffect(() => {
    last = last.then(() => get(`aside/${entry}`).then(setSaid, () => null)); // it went meanwhile: so does the row
  }, []);
  return whose(said);
}

function Row({ a }) {
  const [isAsked, setAsked] = useState(false);
  const who = useSaid(a.entry);
  return html`<li class="study ${a.is_answered ? "grey" : "red"}" data-aside=${a.entry}>
    <div class="what"><b>${what(a)}</b><span class="quiet">${fullTime(a.received_at_us)} · ${bytes(a.bytes)}</span></div>
    <div class="how">${who && html`<span data-who=${a.entry}>${who}</span>`}<span>${say(`aside_${a.why}`)}</span>${a.is_asked && html`<span class="wrong">${say("aside_is_asked")}</span>`}</div>
    <div class="may">${me.value?.may_discard && !a.is_asked && html`<button type="button" onClick=${() => setAsked(true)}>${say("aside_discard")}</button>`}</div>
    ${isAsked && html`<${Discard} a=${a} onClose=${() => setAsked(false)} />`}
  </li>`;
}

function Gone({ a }) {
  const [wrong, setWrong] = useState("");
  return html`<li class="study grey" data-discarded=${a.entry}>
    <div class="what"><b>${what(a)}</b><span class="quiet">${fullTime(a.received_at_us)}</span></div>
    <div class="how"><span>${say("aside_discarded_by", { ...a, because: say(`reject_${a.reason}`) })}</span>
      <span class="quiet">${say("aside_until", fullTime(a.until_us))}</span><${Wrong}>${wrong}<//></div>
    <div class="may">${me.value?.may_discard && html`<${Work} onError=${setWrong} onClick=${() => post(`aside/${a.entry}/restore`)}>${say("aside_restore")}<//>`}
      <${Mark} colour="grey">${say("aside_is_discarded")}<//></div>
  </li>`;
}

export function Aside({ now }) {
  const all = now.aside || [];
  const gone = now.discarded || [];
  const open = all.filter((a) => !a.is_answered);
  const answered = all.filter((a) => a.is_answered);
  if (all.length + gone.length === 0) return null;
  return html`<section aria-labelledby="aside"><h2 id="aside">${say("aside")}</h2>
    <p class="quiet">${say(me.value?.may_discard ? "aside_why_admin" : "aside_why")}</p>
    ${open.length > 0 && html`<ul class="studies">${open.map((a) => html`<${Row} key=${a.entry} a=${a} />`)}</ul>`}
    ${now.aside_n > all.length && html`<p class="quiet">${say("unsent_more", now.aside_n - all.length)}</p>`}
    ${answered.length > 0 && html`<${Folded} title=${say("aside_answered", answered.length)}>${answered.map((a) => html`<${Row} key=${a.entry} a=${a} />`)}<//>`}
    ${gone.length > 0 && html`<${Folded} title=${say("aside_gone", gone.length)}>${gone.map((a) => html`<${Gone} key=${a.entry} a=${a} />`)}<//>`}</section>`;
}
